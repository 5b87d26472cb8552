//! The arguments of `homelab deploy`.

use clap::Args;
use homelab::secrets::Access;

use super::completion;
use super::filter::FilterArguments;
use super::run_arguments::RunArguments;

/// Arguments of `homelab deploy`.
#[derive(Debug, Args)]
pub(crate) struct DeployArguments {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    pub(super) inventory: String,
    /// Name of a deploy, such as `site` for `deploys/site.toml`
    #[arg(add = completion::deploys())]
    pub(super) deploy: String,
    #[command(flatten)]
    pub(super) filter: FilterArguments,
    #[command(flatten)]
    pub(super) earlier: EarlierArguments,
    /// With `--dry-run`: decrypt no secret and ask no provider; operations that depend on one are marked `?`
    #[arg(long, requires = "dry_run")]
    pub(super) without_secrets: bool,
    /// With `--dry-run`: log in as USER, without sudo and the inventory's keys, and show what root would do; runs no conditions
    #[arg(long, value_name = "USER", requires = "dry_run", conflicts_with_all = ["owed", "prune", "only_failed"])]
    pub(super) read_as: Option<String>,
    #[command(flatten)]
    pub(super) run: RunArguments,
}

/// What to do about earlier runs.
#[derive(Debug, Args)]
pub(crate) struct EarlierArguments {
    /// Run only the handlers that earlier runs owe the hosts, also those of other deploys
    #[arg(long, conflicts_with_all = ["only", "tags", "prune"])]
    pub(super) owed: bool,
    /// Remove files, links, units, timers and cron entries that earlier runs created and that left the configuration
    #[arg(long, conflicts_with_all = ["only", "tags", "data"])]
    pub(super) prune: bool,
    /// Go on only with hosts whose last run of this deploy failed or was interrupted, as their journals say
    #[arg(long)]
    pub(super) only_failed: bool,
}

impl DeployArguments {
    /// What to do about encrypted values.
    pub(super) fn access(&self) -> Access {
        if self.without_secrets {
            Access::Withheld
        } else {
            Access::Required
        }
    }
}
