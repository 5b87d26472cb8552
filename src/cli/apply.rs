//! `homelab apply`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use homelab::error::Diagnostic;
use homelab::project::{Filter, given_data};
use homelab::remote::Target;
use homelab::saved::{Asked, Bundle, SavedPlan, Unpacked};
use homelab::secret::DigestKey;
use homelab::secrets::Access;

use super::deploying::{Deploying, Saved};
use super::holding::Holding;
use super::host_keys::refused;
use super::opened::opened;
use super::output::eprint_line;
use super::prepared::{Prepared, Refused, refuse};
use super::run_arguments::RunArguments;
use super::show::{read, unusable};
use super::{project, targets};

/// Arguments of `homelab apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// File of a saved plan
    file: PathBuf,
    /// Go on with the other hosts if some are not as they were when the plan was saved, or cannot be reached
    #[arg(long = "continue")]
    continues: bool,
    /// Also run operations that could not be planned yet when the plan was saved, marked `?` in it
    #[arg(long)]
    allow_deferred: bool,
    /// Apply the plan only if it has this digest, as `plan` and `show` print it
    #[arg(long, value_name = "SHA256")]
    digest: Option<String>,
    #[command(flatten)]
    run: RunArguments,
}

pub(super) fn run(arguments: &ApplyArguments) -> anyhow::Result<ExitCode> {
    let saved = match read(&arguments.file)? {
        Ok(saved) => saved,
        Err(code) => return Ok(code),
    };
    // Before its seal: a review without keys has none, and that is not what is wrong with it.
    if let Some(why) = &saved.meta.not_applicable {
        return Ok(unusable(cannot_be_applied(&arguments.file, why)));
    }
    let home = project::root().ok();
    let bundle = match opened((&arguments.file, arguments.digest.as_deref()), &saved, home.as_deref())? {
        Ok(bundle) => bundle,
        Err(mistake) => return Ok(unusable(mistake)),
    };
    bundle.check_large(home.as_deref())?;
    let unpacked = bundle.unpack(home.as_deref(), true)?;
    let names = (saved.meta.inventory.as_str(), saved.meta.deploy.as_str());
    match prepared(&bundle, &unpacked, names) {
        Ok(prepared) => apply(arguments, &saved, &prepared),
        Err(refused) => refuse(refused, names, &arguments.run),
    }
}

fn cannot_be_applied(file: &Path, why: &str) -> Diagnostic {
    Diagnostic::new(format!(
        "`{}` is for a review only, and cannot be applied",
        file.display()
    ))
    .because(why)
    .hint("save a plan where the private key is, without `--without-secrets`, `--no-conditions` and `--read-as`")
}

fn prepared(bundle: &Bundle, unpacked: &Unpacked, names: (&str, &str)) -> Result<Prepared, Refused> {
    let read = || -> anyhow::Result<_> {
        let project = project::copied_for_deploy(&unpacked.copied, names.1, Access::Required)?;
        let Asked {
            limit,
            only,
            tags,
            data,
            owed,
            prune,
        } = bundle.asked.clone();
        let data = given_data(&data)?;
        let filter = Filter {
            limit,
            only,
            tags,
            data,
            owed,
        };
        let key = DigestKey::from_hex(&bundle.key);
        let key = key.ok_or_else(|| Diagnostic::new("the plan has no key of its digests"))?;
        Ok((project, filter, prune, key))
    };
    let (project, filter, prune, key) = read().map_err(Refused::Error)?;
    Prepared::new(project, names, &filter, prune, key)
}

fn apply(arguments: &ApplyArguments, saved: &SavedPlan, prepared: &Prepared) -> anyhow::Result<ExitCode> {
    let is_left_out = |name: &str| saved.meta.not_read.iter().any(|host| host == name);
    if !saved.meta.not_read.is_empty() {
        eprint_line(format_args!(
            "{} could not be read when the plan was saved: nothing is done there",
            saved.meta.not_read.join(", ")
        ));
    }
    let run = prepared.run.only_hosts(|host| !is_left_out(host));
    if let Some(host) = run.hosts.iter().find(|host| host.is_lab)
        && project::root().is_err()
    {
        let title = format!(
            "`{}` is a lab host, and lab hosts belong to the folder of their project",
            host.name
        );
        let why = "this folder is in no project";
        return Err(Diagnostic::new(title)
            .because(why)
            .hint("run this in the folder of the project")
            .into());
    }
    let targets = targets::targets(&prepared.project, &run)?;
    let refused = match refused(&targets, saved)? {
        Ok(refused) => refused,
        Err(code) => return Ok(code),
    };
    let is_refused = |name: &str| refused.iter().any(|result| result.host == name);
    let run = run.only_hosts(|host| !is_refused(host));
    let targets: Vec<Target> = targets.into_iter().filter(|target| !is_refused(&target.name)).collect();
    let holding = Holding {
        saved,
        digests: prepared.digests.clone(),
        refused,
        continues: arguments.continues,
        allows_deferred: arguments.allow_deferred,
        file: arguments.file.display().to_string(),
    };
    let deploying = Deploying {
        arguments: &arguments.run,
        run: &run,
        digests: prepared.digests.clone(),
        uses_peers: prepared.uses_peers,
        rollback_of: None,
        reads_only: false,
        saved: Saved::Holds(&holding),
    };
    deploying.carry_out(|| Ok(targets))
}
