//! `homelab check`

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use homelab::plan::{CheckRequest, check};
use homelab::project::read;
use homelab::report;

use super::completion;
use super::filter::FilterArguments;
use super::output::{print, tell};

/// What to check, and how to tell.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Inventory: the name of a file in `inventories/`; all of them without one
    #[arg(add = completion::inventories())]
    inventory: Option<String>,
    /// Deploy: the name of a file in `deploys/`; all of them without one
    #[arg(add = completion::deploys())]
    deploy: Option<String>,
    #[command(flatten)]
    filter: FilterArguments,
    /// How mistakes are told: for people, as one JSON document (docs/format.md), or as annotations for GitHub's workflows
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    format: CheckFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    Text,
    Json,
    Github,
}

pub(super) fn run(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let reading = read(&super::root()?);
    let scope = CheckRequest {
        inventory: arguments.inventory.clone(),
        deploy: arguments.deploy.clone(),
        filter: arguments.filter.read()?,
    };
    let checked = check(&reading, &scope)?;
    match arguments.format {
        CheckFormat::Text if checked.mistakes.is_empty() => print(&report::nothing_wrong(&checked))?,
        CheckFormat::Text => tell(&report::found(&checked)),
        CheckFormat::Json => print(&report::found_json(&checked))?,
        CheckFormat::Github => print(&report::found_github(&checked))?,
    }
    let code = if checked.mistakes.is_empty() { 0 } else { super::INVALID };
    Ok(ExitCode::from(code))
}
