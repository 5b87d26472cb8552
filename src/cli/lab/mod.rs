//! `homelab lab`: throw-away hosts for an inventory.

mod down;
mod events;
mod reset;
mod ssh;
mod status;
mod up;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use homelab::lab::LabSpec;

/// Subcommands of `homelab lab`.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Create or start the lab hosts of an inventory, or only those of a deploy; running ones stay as they are
    Up(up::UpArguments),
    /// Remove the lab hosts of an inventory and all their data
    Down(down::DownArguments),
    /// Recreate one or all lab hosts of an inventory; everything on them is lost
    Reset(reset::ResetArguments),
    /// Show the state of the lab hosts and of their shared apt cache
    Status(status::StatusArguments),
    /// Log in to a lab host, or run a command there and exit with its code
    Ssh(ssh::SshArguments),
}

/// Runs `command` in the project at `root`; `load` reads an inventory's lab hosts, and the names of a deploy's hosts.
pub(crate) fn run(
    command: &LabCommand,
    root: &Path,
    load: impl FnOnce(&str, Option<&str>) -> anyhow::Result<(LabSpec, Vec<String>)>,
) -> anyhow::Result<ExitCode> {
    match command {
        LabCommand::Up(arguments) => {
            let (spec, of_deploy) = load(&arguments.inventory, arguments.deploy.as_deref())?;
            let deploy = arguments.deploy.as_deref().map(|deploy| (deploy, of_deploy));
            up::run(root, &spec, deploy.as_ref())
        }
        LabCommand::Down(arguments) => down::run(root, &load(&arguments.inventory, None)?.0),
        LabCommand::Reset(arguments) => reset::run(root, &load(&arguments.inventory, None)?.0, arguments),
        LabCommand::Status(arguments) => status::run(root, &load(&arguments.inventory, None)?.0, arguments),
        LabCommand::Ssh(arguments) => ssh::run(root, arguments),
    }
}
