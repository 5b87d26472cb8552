//! `homelab secrets init`

use std::path::Path;

use clap::Args;
use homelab::secrets::{LAB_KEY_FILE, RECIPIENTS_FILE, Standing, begin};

use crate::cli::output::print;

/// Arguments of `homelab secrets init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// What to call you among the recipients; by default your user name
    #[arg(long, env = "USER", hide_env = true, default_value = "me")]
    name: String,
}

pub(super) fn run(root: &Path, arguments: &InitArguments) -> anyhow::Result<()> {
    let begun = begin(root, &arguments.name)?;
    let made = if begun.is_new_key {
        format!(
            "created your private key: {}\nkeep a copy in a safe place: without it your secrets cannot be decrypted\n",
            begun.identity.display()
        )
    } else {
        String::new()
    };
    let lab_key = if begun.is_new_lab_key {
        format!("created {LAB_KEY_FILE}, which `password_hash` makes salts with; commit it\n")
    } else {
        String::new()
    };
    let next = match begun.standing {
        Standing::First => format!(
            "created {RECIPIENTS_FILE}; commit it\nnext: homelab secrets set group_data/all.toml NAME   # encrypt a value\n"
        ),
        Standing::Recipient => {
            format!("you can decrypt the secrets of this project: your key is in {RECIPIENTS_FILE}\n")
        }
        Standing::NotYet => format!(
            "you cannot decrypt the secrets of this project yet; ask someone who can to run\n  homelab secrets \
             recipients add {} {}\n",
            if begun.is_name_taken {
                "YOUR_NAME".to_owned()
            } else {
                homelab::quote::quote(&arguments.name)
            },
            begun.public_key
        ),
    };
    Ok(print(&format!(
        "{made}your public key: {}\n{lab_key}{next}",
        begun.public_key
    ))?)
}
