//! `homelab backup run`

use std::process::ExitCode;

use clap::Args;
use homelab::error::Diagnostic;
use homelab::gather::BackupWork;

use super::super::connection_arguments::ConnectionArguments;
use super::asked::Place;

/// Arguments of `homelab backup run`.
#[derive(Debug, Args)]
pub(crate) struct MakeArguments {
    #[command(flatten)]
    place: Place,
    /// Name of a stack, such as `paperless`
    stack: String,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(super) fn run(arguments: &MakeArguments) -> anyhow::Result<ExitCode> {
    let MakeArguments { place, stack, .. } = arguments;
    let asked = match place.ask(&arguments.connection)? {
        Ok(asked) => asked,
        Err(code) => return Ok(code),
    };
    asked.settings(place, stack)?;
    let work = BackupWork::Make { stack };
    asked.carry_out(&place.host, work, "interrupted: the backup goes on on the host", |_| {
        let hint =
            format!("fix the cause and rerun; on the host, `journalctl -u backup-{stack}` shows earlier runs too");
        Diagnostic::new(format!("{}: the backup of `{stack}` failed", place.host)).hint(hint)
    })
}
