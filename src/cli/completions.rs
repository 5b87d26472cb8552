//! `homelab completions`

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::output::print;

/// Arguments of `homelab completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// Your shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    /// Append the line to `~/.bashrc`
    Bash,
    /// Append the line to `~/.zshrc`, below `compinit`
    Zsh,
    /// Write the line to `~/.config/fish/completions/homelab.fish`
    Fish,
}

/// The line runs homelab each time a shell starts, so that completion always matches the installed version.
pub(super) fn run(arguments: &CompletionsArguments) -> anyhow::Result<ExitCode> {
    print(match arguments.shell {
        Shell::Bash => "source <(COMPLETE=bash homelab)\n",
        Shell::Zsh => "source <(COMPLETE=zsh homelab)\n",
        Shell::Fish => "COMPLETE=fish homelab | source\n",
    })?;
    Ok(ExitCode::SUCCESS)
}
