//! `homelab rollback`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use homelab::error::Diagnostic;
use homelab::facts::journal::{ROLLBACK, Run};
use homelab::gather::{HostJournal, read_run};
use homelab::plan::{Rollback, rollback, rollback_keys};
use homelab::project::own_deploy;
use homelab::secret::DigestKey;
use homelab::secrets::Access;

use super::deploying::{Deploying, Saved};
use super::history::one_of;
use super::interruption::waited_for_host;
use super::output::eprint_line;
use super::run_arguments::RunArguments;
use super::{completion, errors, journals, project, targets};

/// Arguments of `homelab rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    inventory: String,
    /// Name of a host of the inventory
    #[arg(add = completion::hosts())]
    host: String,
    /// The run to take back: its name or the beginning of it, as `homelab history` shows it, or `last`
    run: String,
    /// Take back PATH although it was changed since; can be repeated
    #[arg(long, value_name = "PATH")]
    overwrite: Vec<String>,
    #[command(flatten)]
    options: RunArguments,
}

pub(super) fn run(arguments: &RollbackArguments) -> anyhow::Result<ExitCode> {
    let (inventory, host) = (arguments.inventory.as_str(), arguments.host.as_str());
    let wanted = journals::wanted(&arguments.run)?;
    project::remember_secrets()?;
    let project = project::project(Access::Withheld)?;
    let name = journals::known(&project, inventory, host)?;
    let targets = targets::of_hosts(&project, inventory, std::iter::once(name))?;
    let completed = arguments.options.connection.complete(targets.clone())?;
    let Some(target) = completed.first() else {
        anyhow::bail!("no host given");
    };
    let reading = read_run(target, wanted, rollback_keys);
    let journal = match waited_for_host(reading, "interrupted", errors::show_reading)? {
        Ok(journal) => journal,
        Err(code) => return Ok(code),
    };
    journals::tell_odd(&journal);
    one_of(&journal, &arguments.run)?;
    let HostJournal { runs, facts, .. } = &journal;
    let (run, key) = &runs[0];
    let key = key.as_deref().and_then(DigestKey::from_hex);
    let Rollback { tasks, stays } = rollback(run, key.as_ref(), facts, &arguments.overwrite);
    if tasks.is_empty() {
        return nothing(run, &stays);
    }
    let shown = format!("rollback of {}", run.record.run);
    let own = own_deploy(project, (inventory, host), (ROLLBACK, &shown), &tasks, stays)?;
    let deploying = Deploying {
        arguments: &arguments.options,
        run: &own,
        digests: Arc::new(DigestKey::random()),
        uses_peers: false,
        rollback_of: Some(run.record.run.clone()),
        reads_only: false,
        saved: Saved::No,
    };
    deploying.carry_out(|| Ok(targets))
}

/// Says why nothing goes back.
fn nothing(run: &Run, stays: &[String]) -> anyhow::Result<ExitCode> {
    if stays.is_empty() {
        eprint_line(format_args!(
            "run {} changed nothing that is still there",
            run.record.run
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let mut mistake = Diagnostic::new(format!("nothing of run {} can be taken back", run.record.run));
    for why in stays {
        mistake = mistake.because(why);
    }
    Err(mistake.into())
}
