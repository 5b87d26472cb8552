//! `homelab secrets`

mod edit;
mod edit_file;
mod editor;
mod init;
mod lab_password;
mod outsider;
mod private_folder;
mod recipients;
mod value;
mod whole_file;

use std::process::ExitCode;

use clap::Subcommand;
use homelab::secrets::remove_unfinished;

use self::outsider::warn_outsider;
use super::project;

/// Subcommands of `homelab secrets`.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Create your private key, and make it the project's first recipient
    Init(init::InitArguments),
    /// Encrypt a value or a file, read from standard input or typed unseen, and write it to a file
    Set(value::ValueArguments),
    /// Print a decrypted value or file
    Get(value::ValueArguments),
    /// Encrypt a new random value, and write it to a file
    Generate(value::GenerateArguments),
    /// Print a password that comes from the key of the lab, as `lab_password` in templates makes it
    LabPassword(lab_password::LabPasswordArguments),
    /// Open a file in your editor with its secrets in clear text, and encrypt what you changed
    Edit(edit::EditArguments),
    /// Encrypt all secrets again for the recipients in `.age-recipients`
    Rekey,
    /// List who can decrypt; add or remove someone and encrypt all secrets again
    Recipients {
        #[command(subcommand)]
        command: Option<recipients::RecipientsCommand>,
    },
}

pub(super) fn run(command: &SecretsCommand) -> anyhow::Result<ExitCode> {
    let root = project::root()?;
    remove_unfinished(&root);
    match command {
        SecretsCommand::Init(arguments) => init::run(&root, arguments)?,
        SecretsCommand::Set(arguments) => {
            value::set(&root, arguments)?;
            warn_outsider(&root);
        }
        SecretsCommand::Get(arguments) => value::get(&root, arguments)?,
        SecretsCommand::Generate(arguments) => {
            value::generate(&root, arguments)?;
            warn_outsider(&root);
        }
        SecretsCommand::LabPassword(arguments) => lab_password::run(&root, arguments)?,
        SecretsCommand::Edit(arguments) => return edit::run(&root, arguments),
        SecretsCommand::Rekey => recipients::rekey_all(&root)?,
        SecretsCommand::Recipients { command } => recipients::run(&root, command.as_ref())?,
    }
    Ok(ExitCode::SUCCESS)
}
