//! `homelab check`

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use homelab::pki::NOTICE_DAYS;
use homelab::plan::{CheckRequest, check};
use homelab::project::read_with;
use homelab::report;
use homelab::secrets::{Access, stale};
use jiff::Timestamp;

use super::filter::FilterArguments;
use super::output::{eprint, print};
use super::{completion, errors, project};

/// Arguments of `homelab check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Name of an inventory, such as `prod`; all inventories if omitted
    #[arg(add = completion::inventories())]
    inventory: Option<String>,
    /// Name of a deploy, such as `site`; all deploys if omitted
    #[arg(add = completion::deploys())]
    deploy: Option<String>,
    #[command(flatten)]
    filter: FilterArguments,
    /// Output format: `json` (see docs/format.md) for programs, `github` for annotations in GitHub Actions
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
    let root = project::root()?;
    let reading = read_with(&root, Access::IfPossible);
    let scope = CheckRequest {
        inventory: arguments.inventory.clone(),
        deploy: arguments.deploy.clone(),
        filter: arguments.filter.read()?,
    };
    let checked = check(&reading, &scope)?;
    let expiring = reading.project.pki.expiring(Timestamp::now(), NOTICE_DAYS);
    match arguments.format {
        CheckFormat::Text if checked.mistakes.is_empty() => {
            let stale = report::not_for_recipients(stale(&root));
            let missing = report::missing_keys(&reading.project.missing_keys());
            let expiring = report::expiring(&expiring);
            print(&(report::nothing_wrong(&checked) + &stale + &missing + &expiring))?;
        }
        CheckFormat::Text => {
            eprint(&report::found(&checked));
            errors::eprint_root(checked.mistakes.iter().map(|found| &found.diagnostic));
        }
        CheckFormat::Json => print(&report::found_json(&checked, &expiring))?,
        CheckFormat::Github => print(&report::found_github(&checked))?,
    }
    let code = if checked.mistakes.is_empty() {
        0
    } else {
        errors::INVALID
    };
    Ok(ExitCode::from(code))
}
