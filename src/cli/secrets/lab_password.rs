//! `homelab secrets lab-password`

use std::io::IsTerminal as _;
use std::path::Path;

use clap::Args;
use homelab::content::Undecrypted;
use homelab::error::Diagnostic;
use homelab::project::read_with;
use homelab::secret::LAB_KEY_VARIABLE;
use homelab::secrets::{Access, LAB_KEY_FILE};
use homelab::template::lab_password;

use crate::cli::output::{print, print_exactly};

/// Arguments of `homelab secrets lab-password`.
#[derive(Debug, Args)]
pub(crate) struct LabPasswordArguments {
    /// What the password is for, as templates write it before `lab_password`: `grafana admin`
    purpose: String,
}

pub(super) fn run(root: &Path, arguments: &LabPasswordArguments) -> anyhow::Result<()> {
    let variables = read_with(root, Access::Required).project.variables;
    let key = variables.lab_key().map_err(|error| match error {
        Undecrypted::Mistake(mistake) => *mistake,
        Undecrypted::NeedsKey => Diagnostic::new(format!("no private key decrypts `{LAB_KEY_FILE}`")),
    })?;
    let Some(key) = key else {
        return Err(Diagnostic::new("the lab has no key")
            .because(format!("there is no `{LAB_KEY_FILE}`, and no `{LAB_KEY_VARIABLE}`"))
            .hint("run `homelab secrets init`, which makes one")
            .into());
    };
    print_exactly(lab_password(&key, &arguments.purpose).expose())?;
    if std::io::stdout().is_terminal() {
        print("\n")?;
    }
    Ok(())
}
