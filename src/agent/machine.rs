//! What the builder does on this machine.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use etcetera::BaseStrategy as _;

use super::error::AgentError;
use crate::secret::WithoutSecrets as _;

/// How many of the last lines of a program that failed are shown.
const LAST_LINES: usize = 30;

/// Where cargo keeps the sources of other packages.
pub(super) fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME").map_or_else(
        || etcetera::home_dir().unwrap_or_default().join(".cargo"),
        PathBuf::from,
    )
}

/// Runs a program of this machine to its end.
///
/// Errors: it is missing, or it failed.
pub(super) fn run(mut command: Command, program: &'static str, action: &'static str) -> Result<Output, AgentError> {
    command.without_secrets().stdin(Stdio::null());
    let output = command.output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => AgentError::NoRust { program },
        _ => AgentError::NotRun {
            program,
            action,
            source,
        },
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.trim_end().lines().collect();
    Err(AgentError::Failed {
        program,
        action,
        status: output.status.to_string(),
        source: lines[lines.len().saturating_sub(LAST_LINES)..].join("\n").into(),
    })
}

/// What homelab keeps for a user on this machine.
pub(super) fn cache() -> PathBuf {
    let folder =
        etcetera::choose_base_strategy().map_or_else(|_| std::env::temp_dir(), |strategy| strategy.cache_dir());
    folder.join("homelab")
}

pub(super) fn create_private(folder: &Path) -> Result<(), AgentError> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.map_err(disk("create", folder))
}

/// Writes a file that is there whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), AgentError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        io::Write::write_all(&mut file, bytes)?;
        file.persist(path).map_err(io::Error::from)
    });
    written.map(drop).map_err(disk("write", path))
}

pub(super) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AgentError {
    let path = path.to_path_buf();
    move |source| AgentError::Disk { action, path, source }
}
