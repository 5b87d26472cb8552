//! `homelab backup list`

use std::process::ExitCode;

use clap::Args;
use homelab::gather::Backup;
use homelab::report;

use super::super::connection_arguments::ConnectionArguments;
use super::asked::Place;
use crate::cli::format::Format;
use crate::cli::output::print;

/// Arguments of `homelab backup list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    place: Place,
    /// Name of a stack; all of them if omitted
    stack: Option<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
    /// Output format; docs/backups.md describes `json`
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &ListArguments) -> anyhow::Result<ExitCode> {
    let ListArguments { place, stack, .. } = arguments;
    let asked = match place.ask(&arguments.connection)? {
        Ok(asked) => asked,
        Err(code) => return Ok(code),
    };
    let all = &asked.backups(place)?.backups;
    let of_stack = |of: &&Backup| stack.as_ref().is_none_or(|stack| *stack == of.stack);
    let listed: Vec<&Backup> = all.iter().filter(of_stack).collect();
    // A stack that left the host may still have backups.
    if let (Some(stack), []) = (stack, listed.as_slice()) {
        asked.settings(place, stack)?;
    }
    print(&match arguments.format {
        Format::Text => report::backups(&place.host, &listed, jiff::Timestamp::now()),
        Format::Json => report::backups_json(&place.host, &listed),
    })?;
    Ok(ExitCode::SUCCESS)
}
