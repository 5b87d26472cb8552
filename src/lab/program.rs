//! Runs programs of this machine.

use std::process::Stdio;

use tokio::process::Command;

use super::error::{LabError, LastLines};
use crate::secret::WithoutSecrets as _;

/// A program and its purpose, for error messages.
#[derive(Clone, Copy)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) action: &'static str,
}

impl Program {
    /// Runs `command`, which must be made from this name, to its end.
    ///
    /// Errors: the program is missing, or it failed; then the error has its last lines.
    pub(super) async fn run(self, subject: &str, mut command: Command) -> Result<(), LabError> {
        command.without_secrets().stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(|source| LabError::ToolMissing {
            subject: subject.to_owned(),
            program: self.name,
            action: self.action,
            source,
        })?;
        if output.status.success() {
            return Ok(());
        }
        Err(LabError::ToolFailed {
            subject: subject.to_owned(),
            program: self.name,
            action: self.action,
            status: output.status.to_string(),
            source: LastLines::of(&String::from_utf8_lossy(&output.stderr)),
        })
    }
}
