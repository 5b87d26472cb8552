//! `homelab status`

use std::process::ExitCode;

use clap::Args;
use homelab::apply::{HostEnd, exit_code};
use homelab::pki::{NOTICE_DAYS, Pki};
use homelab::project::name_of;
use homelab::report;
use jiff::Timestamp;

use super::connection_arguments::ConnectionArguments;
use super::format::Format;
use super::output::print;
use super::{completion, journals, project};

/// Arguments of `homelab status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    inventory: String,
    /// Name of a host of the inventory; all of them if omitted
    #[arg(add = completion::hosts())]
    host: Option<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
    /// Output format; docs/journal.md describes `json`
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &StatusArguments) -> anyhow::Result<ExitCode> {
    let (inventory, host) = (&arguments.inventory, arguments.host.as_deref());
    let read = journals::read_with_orphans(inventory, host, &arguments.connection)?;
    let Some((hosts, mut ends)) = read else {
        return Ok(ExitCode::from(exit_code([HostEnd::Interrupted])));
    };
    print(&match arguments.format {
        Format::Text => {
            let (root, now) = (project::root()?, Timestamp::now());
            let expiring = report::expiring(&Pki::read(&root).pki.expiring(now, NOTICE_DAYS));
            report::status(&hosts, &name_of(&root), now) + &expiring
        }
        Format::Json => report::status_json(&hosts),
    })?;
    ends.push(HostEnd::Converged);
    Ok(ExitCode::from(exit_code(ends)))
}
