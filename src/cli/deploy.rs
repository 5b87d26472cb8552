//! `homelab deploy`

use std::process::ExitCode;
use std::sync::Arc;

use homelab::error::Diagnostics;
use homelab::plan::{Snapshot, build, fold_causes, unmatched};
use homelab::project::{Filter, select};
use homelab::report;
use homelab::secret::DigestKey;

use super::deploy_arguments::DeployArguments;
use super::deploying::Deploying;
use super::documents::Documents;
use super::output::eprint;
use super::{errors, project, prompt, runtime, targets};

pub(super) fn run(arguments: &DeployArguments) -> anyhow::Result<ExitCode> {
    let project = project::project()?;
    let filter = Filter {
        owed: arguments.owed,
        ..arguments.filter.read()?
    };
    let run = select(&project, &arguments.inventory, &arguments.deploy, &filter)?;
    let digests = Arc::new(DigestKey::random());
    // Plan without any facts, to report mistakes in the project before connecting.
    let unread = Snapshot {
        is_offline: true,
        ..Snapshot::default()
    };
    let offline = build(&run, &unread, &digests);
    if !offline.mistakes.is_empty() {
        let mistakes = fold_causes(&project, &arguments.inventory, offline.mistakes);
        eprint(&report::mistakes(&mistakes));
        return Ok(ExitCode::from(errors::INVALID));
    }
    let unmatched = unmatched(&run, &offline);
    if !unmatched.is_empty() {
        return Err(Diagnostics(unmatched).into());
    }
    if !arguments.dry_run && !arguments.yes {
        prompt::check_terminal()?;
    }
    let targets = arguments.connection.complete(targets::targets(&project, &run)?)?;
    let documents = Documents::create(&arguments.format_into)?;
    let runtime = runtime::all_threads()?;
    let deploying = Deploying {
        arguments,
        run: &run,
        digests,
    };
    let ended = runtime.block_on(deploying.deploy(targets, documents));
    // Reading a file that hangs, as on a network mount, does not keep an interrupted run from ending.
    runtime.shutdown_background();
    ended
}
