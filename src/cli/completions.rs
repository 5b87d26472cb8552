//! `homelab completions`

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::output::print;

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    /// For `~/.bashrc`
    Bash,
    /// For `~/.zshrc`, below `compinit`
    Zsh,
    /// For `~/.config/fish/completions/homelab.fish`
    Fish,
}

/// The line asks the tool itself each time a shell starts, so that what is completed is what the installed version knows.
pub(super) fn run(arguments: &CompletionsArguments) -> anyhow::Result<ExitCode> {
    print(match arguments.shell {
        Shell::Bash => "source <(COMPLETE=bash homelab)\n",
        Shell::Zsh => "source <(COMPLETE=zsh homelab)\n",
        Shell::Fish => "COMPLETE=fish homelab | source\n",
    })?;
    Ok(ExitCode::SUCCESS)
}
