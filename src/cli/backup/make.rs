//! `homelab backup run`

use std::process::ExitCode;

use clap::Args;
use homelab::error::Diagnostic;
use homelab::gather::{BackupEnd, BackupWork, work_on_backups};
use homelab::report;

use super::super::connection_arguments::ConnectionArguments;
use super::asked::{Place, code};
use crate::cli::errors;
use crate::cli::interruption::waited_for_host;
use crate::cli::output::{eprint, print};

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
    let work = work_on_backups(&asked.target, BackupWork::Make { stack });
    let (end, said) = match waited_for_host(work, "interrupted: the backup goes on on the host", |error| {
        errors::show_plain(error);
    })? {
        Ok(done) => done,
        Err(code) => return Ok(code),
    };
    match end {
        BackupEnd::Done => print(&report::host_lines(&place.host, said.join("\n").as_bytes()))?,
        BackupEnd::Failed | BackupEnd::Locked => {
            let mut mistake = Diagnostic::new(format!("{}: the backup of `{stack}` failed", place.host));
            for line in said {
                mistake = mistake.because(line);
            }
            let hint =
                format!("fix the cause and rerun; on the host, `journalctl -u backup-{stack}` shows earlier runs too");
            eprint(&report::diagnostic(&mistake.hint(hint)));
        }
    }
    Ok(code(&end))
}
