//! `homelab facts`

use std::process::ExitCode;

use clap::Args;
use homelab::apply::{HostEnd, exit_code};
use homelab::error::{Diagnostic, suggestion};
use homelab::gather::read_system;
use homelab::report;

use super::format::Format;
use super::interruption::Interruption;
use super::output::{print, tell_line};
use super::ways::WayArguments;
use super::{completion, errors, targets};

/// Which host, and what of it.
#[derive(Debug, Args)]
pub(crate) struct FactsArguments {
    /// Inventory: the name of a file in `inventories/`
    #[arg(add = completion::inventories())]
    inventory: String,
    /// The host
    #[arg(add = completion::hosts())]
    host: String,
    /// A fact, or several that begin so: `os`, `os.codename`
    #[arg(add = completion::facts())]
    name: Option<String>,
    #[command(flatten)]
    ways: WayArguments,
    /// How the facts are told on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &FactsArguments) -> anyhow::Result<ExitCode> {
    let project = super::project()?;
    let hosts = &project.inventory(&arguments.inventory)?.hosts;
    if !hosts.contains_key(&arguments.host) {
        let (host, inventory) = (&arguments.host, &arguments.inventory);
        let mistake = Diagnostic::new(format!("there is no host `{host}` in inventory `{inventory}`"));
        let names = hosts.keys().map(String::as_str);
        return Err(mistake.hint_maybe(suggestion(host, names)).into());
    }
    let targets = targets::of_hosts(&project, &arguments.inventory, std::iter::once(arguments.host.as_str()))?;
    let targets = arguments.ways.complete(targets)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let read = runtime.block_on(async {
        let mut interruption = Interruption::listen()?;
        let Some(target) = targets.first() else {
            anyhow::bail!("no host was named");
        };
        Ok(interruption.or(read_system(target)).await)
    })?;
    let facts = match read {
        Some(Ok(facts)) => facts,
        Some(Err(error)) => {
            errors::show_reading(&error);
            return Ok(ExitCode::from(exit_code([HostEnd::Unreachable])));
        }
        None => {
            tell_line("interrupted");
            return Ok(ExitCode::from(exit_code([HostEnd::Interrupted])));
        }
    };
    let Some(text) = (match arguments.format {
        Format::Text => report::facts(&facts, arguments.name.as_deref()),
        Format::Json => report::facts_json(&facts, arguments.name.as_deref()),
    }) else {
        let name = arguments.name.as_deref().unwrap_or_default();
        let known = report::fact_names(&facts);
        let mistake = Diagnostic::new(format!("there is no fact `{name}`"));
        return Err(mistake
            .hint_maybe(suggestion(name, known.iter().map(String::as_str)))
            .into());
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
