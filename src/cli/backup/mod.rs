//! `homelab backup`

mod asked;
mod list;
mod make;
mod restore;
mod stack;

use std::process::ExitCode;

use clap::Subcommand;

/// Subcommands of `homelab backup`.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Make a backup of a stack now
    Run(make::MakeArguments),
    /// List the backups that a host has
    List(list::ListArguments),
    /// Put a backup of a stack back
    Restore(restore::RestoreArguments),
}

pub(super) fn run(command: &BackupCommand) -> anyhow::Result<ExitCode> {
    match command {
        BackupCommand::Run(arguments) => make::run(arguments),
        BackupCommand::List(arguments) => list::run(arguments),
        BackupCommand::Restore(arguments) => restore::run(arguments),
    }
}
