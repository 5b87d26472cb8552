//! `homelab drift`

use std::process::ExitCode;

use clap::Args;
use homelab::apply::{HostEnd, exit_code};
use homelab::project::Filter;
use homelab::report::{self, HostDrift};
use homelab::secret::DigestKey;
use homelab::secrets::Access;

use super::comparing::hosts;
use super::connection_arguments::ConnectionArguments;
use super::filter::FilterArguments;
use super::format::Format;
use super::interruption::waited;
use super::output::{eprint, print};
use super::prepared::{Prepared, Refused};
use super::{completion, errors, project, targets};

/// Arguments of `homelab drift`.
#[derive(Debug, Args)]
pub(crate) struct DriftArguments {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    inventory: String,
    /// Name of a deploy, such as `site` for `deploys/site.toml`
    #[arg(add = completion::deploys())]
    deploy: String,
    #[command(flatten)]
    filter: FilterArguments,
    /// Exit with 2 also if nothing but newer versions of packages is pending
    #[arg(long)]
    include_upgrades: bool,
    /// Print nothing of hosts that are as configured, for cron
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
    /// Output format; see docs/format.md
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &DriftArguments) -> anyhow::Result<ExitCode> {
    let prepared = match prepared(arguments) {
        Ok(prepared) => prepared,
        Err(Refused::Error(error)) => return Err(error),
        Err(Refused::Mistakes(mistakes)) => {
            eprint(&report::mistakes(&mistakes));
            return Ok(ExitCode::from(errors::INVALID));
        }
    };
    let targets = targets::targets(&prepared.project, &prepared.run)?;
    let targets = arguments.connection.complete(targets)?;
    let hosts = match waited(hosts(&prepared, targets), "interrupted")? {
        Ok(hosts) => hosts?,
        Err(code) => return Ok(code),
    };
    let Ok(hosts) = hosts else {
        return Ok(ExitCode::from(errors::INVALID));
    };
    print(&match arguments.format {
        Format::Text if arguments.quiet => {
            let counts = |host: &&HostDrift| host.end_of_drift(arguments.include_upgrades) != HostEnd::Converged;
            let told: Vec<HostDrift> = hosts.iter().filter(counts).cloned().collect();
            report::drift(&told, arguments.include_upgrades)
        }
        Format::Text => report::drift(&hosts, arguments.include_upgrades),
        Format::Json => report::drift_json(&hosts),
    })?;
    let ends = hosts.iter().map(|host| host.end_of_drift(arguments.include_upgrades));
    Ok(ExitCode::from(exit_code(ends)))
}

fn prepared(arguments: &DriftArguments) -> Result<Prepared, Refused> {
    let project = project::for_deploy(&arguments.deploy, Access::Required).map_err(Refused::Error)?;
    let filter: Filter = arguments.filter.read().map_err(|error| Refused::Error(error.into()))?;
    let names = (arguments.inventory.as_str(), arguments.deploy.as_str());
    Prepared::new(project, names, &filter, false, DigestKey::random())
}
