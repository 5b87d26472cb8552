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
use super::holding::{Holding, deferred};
use super::host_keys::refused;
use super::opened::opened;
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
    if let Some(mistake) = not_allowed(arguments, &saved) {
        return Err(mistake.into());
    }
    bundle.check_large(home.as_deref())?;
    let unpacked = bundle.unpack(home.as_deref(), true)?;
    let names = (saved.meta.inventory.as_str(), saved.meta.deploy.as_str());
    match prepared(&bundle, &unpacked, names) {
        Ok(prepared) => apply(arguments, &saved, &prepared),
        Err(refused) => refuse(refused, names, &arguments.run),
    }
}

/// What the plan has that was not asked for.
fn not_allowed(arguments: &ApplyArguments, saved: &SavedPlan) -> Option<Diagnostic> {
    let shown = arguments.file.display();
    let deferred = deferred(&saved.plan);
    if deferred.is_empty() || arguments.allow_deferred {
        return None;
    }
    let mut mistake = Diagnostic::new(format!("`{shown}` has operations that are planned only in their turn"));
    for name in &deferred {
        mistake = mistake.because(name);
    }
    Some(mistake.hint("`--allow-deferred` applies them too: what they may change is in the plan, marked `?`"))
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
    let targets = targets::targets(&prepared.project, &prepared.run)?;
    let refused = match refused(&targets, saved)? {
        Ok(refused) => refused,
        Err(code) => return Ok(code),
    };
    let is_refused = |name: &str| refused.iter().any(|result| result.host == name);
    let run = prepared.run.only_hosts(|host| !is_refused(host));
    let targets: Vec<Target> = targets.into_iter().filter(|target| !is_refused(&target.name)).collect();
    let holding = Holding {
        saved,
        digests: prepared.digests.clone(),
        refused,
        continues: arguments.continues,
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
