//! `homelab operations`

use std::process::ExitCode;

use clap::Args;
use homelab::error::{Diagnostic, suggestion};
use homelab::operations::{Definition, OPERATIONS, find};
use homelab::report;

use super::format::Format;
use super::output::print;
use super::{completion, terminal};

/// Arguments of `homelab operations`.
#[derive(Debug, Args)]
pub(crate) struct OperationsArguments {
    /// Operation to describe, such as `apt.packages`; all are listed if omitted
    #[arg(add = completion::operations())]
    name: Option<String>,
    /// Output format; docs/format.md describes `json`
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(arguments: &OperationsArguments) -> anyhow::Result<ExitCode> {
    let one = arguments.name.as_deref().map(named).transpose()?;
    print(&match (arguments.format, one) {
        (Format::Text, None) => report::operations(OPERATIONS),
        (Format::Text, Some(definition)) => report::operation_reference(definition, terminal::columns()),
        (Format::Json, None) => report::operations_json(OPERATIONS),
        (Format::Json, Some(definition)) => report::operations_json([definition]),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn named(name: &str) -> Result<&'static Definition, Diagnostic> {
    find(name).ok_or_else(|| {
        let known = OPERATIONS.iter().map(|definition| definition.name);
        let hint = suggestion(name, known).unwrap_or_else(|| "`homelab operations` lists all operations".to_owned());
        Diagnostic::new(format!("unknown operation `{name}`")).hint(hint)
    })
}
