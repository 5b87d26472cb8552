//! `homelab init`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use homelab::quote::quote;
use homelab::starter::write_project;

use super::output::print;

/// Arguments of `homelab init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Folder for the project; it must be empty or not exist yet
    #[arg(value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
}

pub(super) fn run(arguments: &InitArguments) -> anyhow::Result<ExitCode> {
    write_project(&arguments.folder)?;
    let folder = arguments.folder.to_string_lossy();
    let enter = if folder == "." {
        String::new()
    } else {
        format!("  cd {}\n", quote(&folder))
    };
    print(&format!(
        "a new project is in {folder}; what to do next:\n{enter}\
         \x20 homelab lab up dev                   # a throw-away Debian host, by this machine's Docker engine\n\
         \x20 homelab deploy dev site --dry-run    # what would change there; nothing is touched\n\
         \x20 homelab deploy dev site              # shows the same, asks, applies\n\
         \x20 homelab lab down dev                 # the host is gone\n\
         its README.md says more\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}
