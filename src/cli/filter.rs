//! What a deploy is filtered by.

use clap::Args;
use homelab::error::Diagnostic;
use homelab::project::{Filter, given_data};

use super::completion;

/// What a deploy is filtered by.
#[derive(Clone, Debug, Args)]
pub(crate) struct FilterArguments {
    /// Only hosts that match: a name, a group or a glob; with `!` before it, all but those
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', add = completion::host_patterns())]
    limit: Vec<String>,
    /// Only tasks or items that match: TASK, TASK:ITEM or ITEM, each a name or a glob
    #[arg(long, value_name = "TASK", value_delimiter = ',', add = completion::tasks())]
    only: Vec<String>,
    /// Only operations that have one of these tags, by themselves, their task or what uses it
    #[arg(long, value_name = "TAG", value_delimiter = ',', add = completion::tags())]
    tags: Vec<String>,
    /// Data that wins over all other; the value is TOML, or else a string
    #[arg(long, value_name = "KEY=VALUE")]
    data: Vec<String>,
}

impl FilterArguments {
    /// What is given, read.
    pub(super) fn read(&self) -> Result<Filter, Diagnostic> {
        Ok(Filter {
            limit: self.limit.clone(),
            only: self.only.clone(),
            tags: self.tags.clone(),
            data: given_data(&self.data)?,
        })
    }
}
