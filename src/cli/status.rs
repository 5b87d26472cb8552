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
    let (hosts, mut ends) = match journals::read_with_orphans(inventory, host, &arguments.connection)? {
        Ok(read) => read,
        Err(code) => return Ok(code),
    };
    let (root, now) = (project::root()?, Timestamp::now());
    let expiring = Pki::read(&root).pki.expiring(now, NOTICE_DAYS);
    print(&match arguments.format {
        Format::Text => report::status(&hosts, &name_of(&root), now) + &report::expiring(&expiring),
        Format::Json => report::status_json(&hosts, &expiring),
    })?;
    ends.push(HostEnd::Converged);
    Ok(ExitCode::from(exit_code(ends)))
}
