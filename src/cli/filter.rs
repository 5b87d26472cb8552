//! Options that select a part of a deploy.

use clap::Args;
use homelab::error::Diagnostic;
use homelab::project::{Filter, given_data};

use super::completion;

/// The heading above these options in help texts.
const HEADING: &str = "Selection";

/// Which part of a deploy to work on.
#[derive(Clone, Debug, Args)]
pub(crate) struct FilterArguments {
    /// Select hosts by name, group or glob, such as `web*`; `!web*` excludes them
    #[arg(help_heading = HEADING, long, value_name = "PATTERN", value_delimiter = ',', add = completion::host_patterns())]
    limit: Vec<String>,
    /// Select tasks, or items of a deploy entry's `for_each`: TASK, TASK:ITEM or ITEM, each a name or glob
    #[arg(help_heading = HEADING, long, value_name = "TASK", value_delimiter = ',', add = completion::tasks())]
    only: Vec<String>,
    /// Select operations by tag; they inherit the tags of their task, include and deploy entry
    #[arg(help_heading = HEADING, long, value_name = "TAG", value_delimiter = ',', add = completion::tags())]
    tags: Vec<String>,
    /// Override data for this run; VALUE is TOML, or a string if it is not valid TOML
    #[arg(help_heading = HEADING, long, value_name = "KEY=VALUE")]
    data: Vec<String>,
}

impl FilterArguments {
    /// What is given, as it is written: patterns of hosts, of tasks, tags, and data.
    pub(super) fn given(&self) -> (Vec<String>, Vec<String>, Vec<String>, Vec<String>) {
        let Self {
            limit,
            only,
            tags,
            data,
        } = self.clone();
        (limit, only, tags, data)
    }

    /// What is given, read.
    pub(super) fn read(&self) -> Result<Filter, Diagnostic> {
        Ok(Filter {
            limit: self.limit.clone(),
            only: self.only.clone(),
            tags: self.tags.clone(),
            data: given_data(&self.data)?,
            owed: false,
        })
    }
}
