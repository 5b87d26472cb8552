//! `homelab secrets recipients` and `rekey`

use std::path::Path;

use clap::Subcommand;
use homelab::secrets::{RECIPIENTS_FILE, Recipients, Rekeyed, rekey};

use crate::cli::output::print;

/// Subcommands of `homelab secrets recipients`.
#[derive(Debug, Subcommand)]
pub(crate) enum RecipientsCommand {
    /// Let someone decrypt: all secrets are encrypted again
    Add {
        /// What to call them, such as `anna`
        name: String,
        /// Their public key, `age1…`, which `homelab secrets init` prints
        key: String,
    },
    /// Encrypt all secrets again without someone
    Remove {
        /// Their name or public key
        name: String,
    },
}

pub(super) fn run(root: &Path, command: Option<&RecipientsCommand>) -> anyhow::Result<()> {
    let now = match (command, Recipients::find(root)?) {
        (_, Some(now)) => now,
        (Some(RecipientsCommand::Add { name, key }), None) => {
            let rekeyed = rekey(root, &Recipients::first(name, key)?)?;
            return Ok(print(&format!(
                "created {RECIPIENTS_FILE} with `{name}`{}\n",
                told(&rekeyed)
            ))?);
        }
        (_, None) => Recipients::of_project(root)?,
    };
    let text = match command {
        None => {
            let lines: Vec<String> = now.iter().map(|one| format!("{}  {}", one.key, one.name)).collect();
            lines.join("\n") + "\n"
        }
        Some(RecipientsCommand::Add { name, key }) => {
            let rekeyed = rekey(root, &now.with(name, key)?)?;
            format!("`{name}` can decrypt from now on{}\n", told(&rekeyed))
        }
        Some(RecipientsCommand::Remove { name }) => {
            let (left, removed) = now.without(name)?;
            let rekeyed = rekey(root, &left)?;
            format!(
                "{} cannot decrypt what is encrypted from now on{}\nwhat they could read until now they still can, in \
                 git's history and in copies: change the secrets themselves\n",
                removed.called(),
                told(&rekeyed)
            )
        }
    };
    Ok(print(&text)?)
}

pub(super) fn rekey_all(root: &Path) -> anyhow::Result<()> {
    let recipients = Recipients::of_project(root)?;
    let rekeyed = rekey(root, &recipients)?;
    let count = recipients.iter().count();
    let people = if count == 1 { "recipient" } else { "recipients" };
    Ok(print(&format!("{count} {people}{}\n", told(&rekeyed)))?)
}

fn told(rekeyed: &Rekeyed) -> String {
    match (rekeyed.values, rekeyed.files.as_slice()) {
        (0, _) => "; there are no secrets to encrypt again".to_owned(),
        (1, files) => format!("; encrypted 1 secret again in {}", files.join(", ")),
        (count, files) => format!("; encrypted {count} secrets again in {}", files.join(", ")),
    }
}
