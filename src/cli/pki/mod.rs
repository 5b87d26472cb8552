//! `homelab pki`

mod changes;
mod device;
mod list;

use std::process::ExitCode;

use clap::Subcommand;
use homelab::secrets::remove_unfinished;

use super::project;

/// Subcommands of `homelab pki`.
#[derive(Debug, Subcommand)]
pub(crate) enum PkiCommand {
    /// Create the certificate authority of the project
    Init(changes::InitArguments),
    /// Issue a certificate for a person, a device or a server
    Issue(changes::IssueArguments),
    /// Replace a certificate, or all that expire soon, by new ones with new keys
    Renew(changes::RenewArguments),
    /// Revoke a certificate: hosts refuse it from the next deploy on
    Revoke(changes::NameArguments),
    /// Write a certificate and its key to a PKCS#12 file, for a browser or phone
    Export(changes::ExportArguments),
    /// List all certificates, with the days that each is valid
    List(list::ListArguments),
}

pub(super) fn run(command: &PkiCommand) -> anyhow::Result<ExitCode> {
    let root = project::root()?;
    remove_unfinished(&root);
    match command {
        PkiCommand::Init(arguments) => changes::init(&root, arguments)?,
        PkiCommand::Issue(arguments) => changes::issue(&root, arguments)?,
        PkiCommand::Renew(arguments) => changes::renew(&root, arguments)?,
        PkiCommand::Revoke(arguments) => changes::revoke(&root, arguments)?,
        PkiCommand::Export(arguments) => changes::export(&root, arguments)?,
        PkiCommand::List(arguments) => list::run(&root, arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
