//! The host whose backups a command is about, and what it says of them.

use std::process::ExitCode;

use clap::Args;
use homelab::apply::{HostEnd, exit_code};
use homelab::error::Diagnostic;
use homelab::gather::{BackupEnd, BackupWork, BackupsFound, read_backups, work_on_backups};
use homelab::project::Project;
use homelab::remote::Target;
use homelab::report;

use super::super::connection_arguments::ConnectionArguments;
use super::super::interruption::waited_for_host;
use super::super::output::{eprint, print};
use super::super::{completion, errors, journals, project, targets};

/// The host whose backups are meant.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    pub(super) inventory: String,
    /// Name of a host of the inventory
    #[arg(add = completion::hosts())]
    pub(super) host: String,
}

/// A host, and what it says of its backups.
pub(super) struct Asked {
    pub(super) project: Project,
    pub(super) target: Target,
    pub(super) found: BackupsFound,
}

impl Place {
    /// Asks the host. If that does not work, says why and returns the exit code.
    pub(super) fn ask(&self, connection: &ConnectionArguments) -> anyhow::Result<Result<Asked, ExitCode>> {
        let project = project::with_inventory(Some(&self.inventory))?;
        let name = journals::known(&project, &self.inventory, &self.host)?;
        let targets = targets::of_hosts(&project, &self.inventory, std::iter::once(name))?;
        let Some(target) = connection.complete(targets)?.pop() else {
            anyhow::bail!("no host given");
        };
        let read = waited_for_host(read_backups(&target), "interrupted", |error| errors::show_plain(error))?;
        Ok(read.map(|found| Asked { project, target, found }))
    }
}

impl Asked {
    /// Has the host do its work, and prints what it says or, if that failed, the mistake. `interrupted` is said of a work that goes on
    /// without this command.
    pub(super) fn carry_out(
        &self,
        host: &str,
        work: BackupWork<'_>,
        interrupted: &'static str,
        mistake: impl FnOnce(&BackupEnd) -> Diagnostic,
    ) -> anyhow::Result<ExitCode> {
        let work = work_on_backups(&self.target, work);
        let (end, said) = match waited_for_host(work, interrupted, |error| errors::show_plain(error))? {
            Ok(done) => done,
            Err(code) => return Ok(code),
        };
        match end {
            BackupEnd::Done => print(&report::host_lines(host, said.join("\n").as_bytes()))?,
            BackupEnd::Failed | BackupEnd::Locked => {
                let told = said.into_iter().fold(mistake(&end), Diagnostic::because);
                eprint(&report::diagnostic(&told));
            }
        }
        Ok(code(&end))
    }
}

/// The exit code of work on a host.
fn code(end: &BackupEnd) -> ExitCode {
    let end = match end {
        BackupEnd::Done => HostEnd::Converged,
        BackupEnd::Failed => HostEnd::Failed,
        BackupEnd::Locked => HostEnd::Locked,
    };
    ExitCode::from(exit_code([end]))
}
