//! `homelab init`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use homelab::quote::quote;
use homelab::starter::{Forge, write_project};

use super::output::print;

/// Arguments of `homelab init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Folder for the project; it must be empty or not exist yet
    #[arg(value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
    /// Also write the workflow that reviews pull requests; docs/review-in-ci.md says how to set it up
    #[arg(long, value_enum)]
    ci: Option<Ci>,
}

/// What runs workflows.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Ci {
    #[value(name = "github")]
    GitHub,
    Forgejo,
    #[value(name = "gitlab")]
    GitLab,
}

impl Ci {
    fn forge(self) -> Forge {
        match self {
            Self::GitHub => Forge::GitHub,
            Self::Forgejo => Forge::Forgejo,
            Self::GitLab => Forge::GitLab,
        }
    }
}

pub(super) fn run(arguments: &InitArguments) -> anyhow::Result<ExitCode> {
    write_project(&arguments.folder, arguments.ci.map(Ci::forge))?;
    let folder = arguments.folder.to_string_lossy();
    let enter = if folder == "." {
        String::new()
    } else {
        format!("  cd {}\n", quote(&folder))
    };
    print(&format!(
        "created a project in {folder}; next:\n{enter}\
         \x20 homelab lab up dev                   # create a throw-away Debian host (needs Docker)\n\
         \x20 homelab deploy dev site --dry-run    # show the diff, change nothing\n\
         \x20 homelab deploy dev site              # show the diff, ask, apply\n\
         \x20 homelab lab down dev                 # delete the host\n\
         see README.md for more\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}
