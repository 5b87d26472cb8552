//! `homelab lab`: throw-away hosts for an inventory.

mod down;
mod events;
mod reset;
mod ssh;
mod status;
mod up;

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use homelab::lab::LabSpec;

use super::completion;

/// Subcommands of `homelab lab`.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Create or start all lab hosts of an inventory; running ones stay as they are
    Up(InventoryArgument),
    /// Remove the lab hosts of an inventory and all their data
    Down(down::DownArguments),
    /// Recreate one or all lab hosts of an inventory; everything on them is lost
    Reset(reset::ResetArguments),
    /// Show the state of the lab hosts and of their shared apt cache
    Status(status::StatusArguments),
    /// Log in to a lab host, or run a command there and exit with its code
    Ssh(ssh::SshArguments),
}

/// Argument of commands that need only an inventory.
#[derive(Debug, Args)]
pub(crate) struct InventoryArgument {
    /// Name of an inventory with lab hosts, such as `dev`
    #[arg(add = completion::labs())]
    inventory: String,
}

/// Runs `command` in the project at `root`; `load` reads an inventory's lab hosts.
pub(crate) fn run(
    command: &LabCommand,
    root: &Path,
    load: impl FnOnce(&str) -> anyhow::Result<LabSpec>,
) -> anyhow::Result<ExitCode> {
    match command {
        LabCommand::Up(arguments) => up::run(root, &load(&arguments.inventory)?),
        LabCommand::Down(arguments) => down::run(root, &load(&arguments.inventory)?),
        LabCommand::Reset(arguments) => reset::run(root, &load(&arguments.inventory)?, arguments),
        LabCommand::Status(arguments) => status::run(root, &load(&arguments.inventory)?, arguments),
        LabCommand::Ssh(arguments) => ssh::run(root, arguments),
    }
}
