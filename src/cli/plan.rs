//! `homelab plan`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use homelab::project::{Filter, Project};
use homelab::saved::{Asked, Bundle, Unpacked, gather_files};
use homelab::secret::DigestKey;
use homelab::secrets::Access;

use super::deploying::{Deploying, Saved};
use super::filter::FilterArguments;
use super::host_keys::host_keys;
use super::interruption::waited;
use super::plan_file::place;
use super::prepared::{Prepared, Refused, refuse};
use super::read_as::read_as;
use super::review_arguments::ReviewArguments;
use super::run_arguments::RunArguments;
use super::saving::{Saving, check};
use super::{completion, project, targets};

/// Arguments of `homelab plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    inventory: String,
    /// Name of a deploy, such as `site` for `deploys/site.toml`
    #[arg(add = completion::deploys())]
    deploy: String,
    /// Save the plan to FILE
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    filter: FilterArguments,
    /// Remove files, links, units, timers and cron entries that earlier runs created and that left the configuration
    #[arg(long, conflicts_with_all = ["only", "tags", "data"])]
    prune: bool,
    /// Decrypt no secret and ask no provider: the plan can be shown, and not applied
    #[arg(long)]
    without_secrets: bool,
    /// Log in as USER, without sudo and the inventory's keys, and show what root would do: the plan can be shown, and not applied
    #[arg(long, value_name = "USER", conflicts_with = "prune")]
    read_as: Option<String>,
    /// Save the plan of the other hosts if some cannot be read
    #[arg(long = "continue")]
    continues: bool,
    #[command(flatten)]
    review: ReviewArguments,
}

impl PlanArguments {
    /// Why the plan can only be shown; `None` if it can be applied.
    fn not_applicable(&self) -> Option<String> {
        if self.without_secrets {
            return Some("it was made without the private keys of the project (`--without-secrets`)".to_owned());
        }
        if let Some(user) = &self.read_as {
            return Some(format!(
                "it was read as `{user}`, who cannot change the hosts (`--read-as`)"
            ));
        }
        let is_unconditional = self.review.skips_conditions();
        is_unconditional
            .then(|| "it was made without the conditions and checks of the project (`--no-conditions`)".to_owned())
    }
}

pub(super) fn run(arguments: &PlanArguments) -> anyhow::Result<ExitCode> {
    let names = (arguments.inventory.as_str(), arguments.deploy.as_str());
    let options = arguments.review.as_dry_run();
    let placed = || -> anyhow::Result<_> { Ok((place(&arguments.output)?, copied(arguments)?)) };
    let (file, (unpacked, bundle)) = match placed() {
        Ok(placed) => placed,
        Err(error) => return refuse(Refused::Error(error), names, &options),
    };
    match prepared(arguments, names, &unpacked) {
        Ok(prepared) => plan((arguments, file), bundle, &prepared, &options),
        Err(refused) => refuse(refused, names, &options),
    }
}

/// The files as they are now: what is planned is what is saved, whatever is written to the project meanwhile.
fn copied(arguments: &PlanArguments) -> anyhow::Result<(Unpacked, Bundle)> {
    let home = project::root()?;
    let (limit, only, tags, data) = arguments.filter.given();
    let mut bundle = gather_files(&home)?;
    bundle.asked = Asked {
        limit,
        only,
        tags,
        data,
        owed: false,
        prune: arguments.prune,
    };
    Ok((bundle.unpack(Some(&home), false)?, bundle))
}

fn prepared(arguments: &PlanArguments, names: (&str, &str), unpacked: &Unpacked) -> Result<Prepared, Refused> {
    let access = if arguments.without_secrets {
        Access::Withheld
    } else {
        Access::Required
    };
    let read = || -> anyhow::Result<(Project, Filter)> {
        let project = project::copied_for_deploy(&unpacked.copied, &arguments.deploy, access)?;
        Ok((project, arguments.filter.read()?))
    };
    let (project, filter) = read().map_err(Refused::Error)?;
    Prepared::new(project, names, &filter, arguments.prune, DigestKey::random())
}

fn plan(
    (arguments, file): (&PlanArguments, PathBuf),
    bundle: Bundle,
    prepared: &Prepared,
    options: &RunArguments,
) -> anyhow::Result<ExitCode> {
    prepared.tell_unknown();
    check(&prepared.project)?;
    let targets = targets::targets(&prepared.project, &prepared.run)?;
    let targets = read_as(arguments.read_as.as_deref(), targets)?;
    let keys = match waited(host_keys(&targets), "interrupted: nothing was saved")? {
        Ok(keys) => keys,
        Err(code) => return Ok(code),
    };
    let saving = Saving {
        file: (arguments.output.clone(), file),
        bundle,
        project: &prepared.project,
        digests: &prepared.digests,
        keys,
        not_applicable: arguments.not_applicable(),
        continues: arguments.continues,
    };
    let deploying = Deploying {
        arguments: options,
        run: &prepared.run,
        digests: prepared.digests.clone(),
        uses_peers: prepared.uses_peers,
        rollback_of: None,
        reads_only: arguments.read_as.is_some(),
        saved: Saved::Writes(&saving),
    };
    deploying.carry_out(|| Ok(targets))
}
