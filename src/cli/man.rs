//! `homelab man`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_mangen::{Man, generate_to};

use super::output::{eprint_line, print};

/// Arguments of `homelab man`.
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Folder for the pages, such as `/usr/local/share/man/man1`; if omitted, the main page is printed
    #[arg(value_hint = clap::ValueHint::DirPath)]
    directory: Option<PathBuf>,
}

/// Writes the pages of `command`.
pub(super) fn run(arguments: &ManArguments, command: Command) -> anyhow::Result<ExitCode> {
    let Some(directory) = &arguments.directory else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        print(&String::from_utf8_lossy(&page))?;
        return Ok(ExitCode::SUCCESS);
    };
    let shown = directory.display();
    let written = std::fs::create_dir_all(directory).and_then(|()| generate_to(command, directory));
    written.with_context(|| format!("cannot write man pages to `{shown}`"))?;
    eprint_line(format_args!("man pages written to {shown}"));
    Ok(ExitCode::SUCCESS)
}
