//! `homelab lab ssh`

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::Args;
use homelab::lab;
use homelab::secret::PASSWORD_VARIABLE;

use crate::cli::completion;

/// Which host, and what to run there.
#[derive(Debug, Args)]
pub(crate) struct SshArguments {
    /// The host, with its inventory before it where more than one has a host of that name
    #[arg(required = true, num_args = 1..=2, value_names = ["[INVENTORY] HOST"], add = completion::lab_targets())]
    target: Vec<String>,
    /// A command with its arguments, or one word that is a line for the host's shell; without any, a login
    #[arg(last = true)]
    command: Vec<String>,
}

/// Becomes `ssh`, so that terminal, signals and exit code are its own.
pub(super) fn run(root: &Path, arguments: &SshArguments) -> anyhow::Result<ExitCode> {
    let (inventory, host) = match arguments.target.as_slice() {
        [inventory, host] => (Some(inventory.as_str()), host),
        [host, ..] => (None, host),
        [] => anyhow::bail!("no host was named"),
    };
    let address = lab::find_address(root, inventory, host)?;
    let failure = Command::new("ssh")
        .args(lab::ssh_arguments(&address, &arguments.command))
        .env_remove(PASSWORD_VARIABLE)
        .exec();
    Err(failure).with_context(|| format!("{host}: cannot run `ssh` to log in"))
}
