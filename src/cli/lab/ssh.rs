//! `homelab lab ssh`

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::Args;
use homelab::error::Diagnostic;
use homelab::lab;
use homelab::secret::WithoutSecrets as _;

use crate::cli::completion;

/// Arguments of `homelab lab ssh`.
#[derive(Debug, Args)]
pub(crate) struct SshArguments {
    /// Lab host; put the inventory first if several have a host of that name
    #[arg(required = true, num_args = 1..=2, value_names = ["[INVENTORY] HOST"], add = completion::lab_targets())]
    target: Vec<String>,
    /// Command with its arguments, or one quoted line for the host's shell; a login shell if omitted
    #[arg(last = true)]
    command: Vec<String>,
}

/// Replaces this process by `ssh`, which handles terminal, signals and exit code.
pub(super) fn run(root: &Path, arguments: &SshArguments) -> anyhow::Result<ExitCode> {
    let (inventory, host) = match arguments.target.as_slice() {
        [inventory, host] => (Some(inventory.as_str()), host),
        [host, ..] => (None, host),
        [] => anyhow::bail!("no host given"),
    };
    let address = match lab::find_address(root, inventory, host) {
        // `homelab lab ssh HOST COMMAND`
        Err(_) if inventory.is_some_and(|first| lab::find_address(root, None, first).is_ok()) => {
            let line = arguments.target.join(" -- ");
            let mistake = Diagnostic::new(format!("unknown lab host `{host}`"));
            return Err(mistake
                .hint(format!("put `--` before a command: `homelab lab ssh {line}`"))
                .into());
        }
        found => found?,
    };
    lab::check_answers(&address)?;
    let failure = Command::new("ssh")
        .args(lab::ssh_arguments(&address, &arguments.command))
        .without_secrets()
        .exec();
    Err(failure).with_context(|| format!("{host}: cannot run `ssh` to log in"))
}
