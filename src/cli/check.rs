//! `homelab check`

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use homelab::pki::NOTICE_DAYS;
use homelab::plan::{CheckRequest, Checked, check};
use homelab::policy::{Level, Verdict, judge};
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
    /// Output format: `json` (see docs/format.md) for programs, `github` for annotations in GitHub Actions, `sarif` for code review
    #[arg(long, value_enum, default_value_t = CheckFormat::Text)]
    format: CheckFormat,
    /// Exit with 3 for warnings of lints too
    #[arg(long)]
    deny_warnings: bool,
    /// List all lints, and check nothing
    #[arg(long)]
    lints: bool,
    /// Show notes of lints too, and what is allowed with its reason
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    Text,
    Json,
    Github,
    Sarif,
}

pub(super) fn run(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    if arguments.lints {
        print(&report::lint_table())?;
        return Ok(ExitCode::SUCCESS);
    }
    let root = project::root()?;
    let reading = read_with(&root, Access::IfPossible);
    let scope = CheckRequest {
        inventory: arguments.inventory.clone(),
        deploy: arguments.deploy.clone(),
        filter: arguments.filter.read()?,
    };
    let mut checked = check(&reading, &scope)?;
    let verdict = judge(&reading.project, &checked, Timestamp::now());
    for mistake in &verdict.mistakes {
        checked.add_mistake(mistake);
    }
    let expiring = reading.project.pki.expiring(Timestamp::now(), NOTICE_DAYS);
    match arguments.format {
        CheckFormat::Text => show(arguments, &checked, &verdict, || {
            let stale = report::not_for_recipients(stale(&root));
            let missing = report::missing_keys(&reading.project.missing_keys());
            stale + &missing + &report::expiring(&expiring)
        })?,
        CheckFormat::Json => print(&report::found_json(&checked, &expiring, &verdict))?,
        CheckFormat::Github => print(&report::found_github(&checked, &verdict))?,
        CheckFormat::Sarif => print(&report::found_sarif(&checked, &verdict))?,
    }
    let is_denied = arguments.deny_warnings && verdict.count(Level::Warning) > 0;
    let is_wrong = is_denied || verdict.count(Level::Error) > 0 || !checked.mistakes.is_empty();
    Ok(ExitCode::from(if is_wrong { errors::INVALID } else { 0 }))
}

/// `others` are lines that only a project without mistakes has.
fn show(
    arguments: &CheckArguments,
    checked: &Checked,
    verdict: &Verdict,
    others: impl FnOnce() -> String,
) -> anyhow::Result<()> {
    let lints = report::lints(verdict, arguments.verbose);
    let counts = report::lint_counts(verdict, arguments.verbose);
    let has_mistakes = !checked.mistakes.is_empty();
    let space = if has_mistakes && !lints.is_empty() { "\n" } else { "" };
    eprint(&(report::found(checked) + space + &lints));
    let mistakes = checked.mistakes.iter().map(|found| &found.diagnostic);
    let shown = verdict.found.iter().filter(|judged| judged.lint.level != Level::Note);
    errors::eprint_root(mistakes.chain(shown.map(|judged| &judged.diagnostic)));
    if has_mistakes {
        eprint(&counts);
        return Ok(());
    }
    let has_lints = verdict.found.iter().any(|judged| judged.lint.level != Level::Note);
    print(&(report::nothing_wrong(checked, has_lints) + &counts + &others()))?;
    Ok(())
}
