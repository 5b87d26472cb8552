//! `homelab operations`

use std::process::ExitCode;

use clap::Args;
use homelab::error::Diagnostic;
use homelab::operations::{Definition, OPERATIONS, family, find, operation_suggestion};
use homelab::report;

use super::format::Format;
use super::output::print;
use super::{completion, terminal};

/// Arguments of `homelab operations`.
#[derive(Debug, Args)]
pub(crate) struct OperationsArguments {
    /// Operation to describe, such as `apt.packages`, or family to list, such as `apt`; all are listed if omitted
    #[arg(add = completion::operations())]
    name: Option<String>,
    /// Output format; docs/format.md describes `json`
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &OperationsArguments) -> anyhow::Result<ExitCode> {
    let name = arguments.name.as_deref();
    let listed = name.map_or(OPERATIONS, family);
    let one = name.filter(|_| listed.is_empty()).map(named).transpose()?;
    print(&match (arguments.format, one) {
        (Format::Text, None) => report::operations(listed),
        (Format::Text, Some(definition)) => report::operation_reference(definition, terminal::columns()),
        (Format::Json, None) => report::operations_json(listed),
        (Format::Json, Some(definition)) => report::operations_json([definition]),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn named(name: &str) -> Result<&'static Definition, Diagnostic> {
    find(name).ok_or_else(|| Diagnostic::new(format!("unknown operation `{name}`")).hint(operation_suggestion(name)))
}
