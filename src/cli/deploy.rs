//! `homelab deploy`

use std::process::ExitCode;
use std::sync::Arc;

use homelab::error::Diagnostics;
use homelab::plan::{Found, Mistake, Snapshot, build, fold_causes, unmatched};
use homelab::project::{Filter, Memory, Project, Selection, select};
use homelab::report::{self, Refusal};
use homelab::secret::DigestKey;

use super::deploy_arguments::DeployArguments;
use super::deploying::Deploying;
use super::documents::Documents;
use super::only_failed::only_failed;
use super::output::{eprint, print};
use super::{errors, project, targets};

/// What a run works on, known to have no mistake that is found without a connection.
struct Prepared {
    project: Arc<Project>,
    run: Selection,
    digests: Arc<DigestKey>,
    /// Whether any host uses facts of another.
    uses_peers: bool,
}

/// Why a run ends before anything connects.
enum Refused {
    Error(anyhow::Error),
    Mistakes(Vec<Mistake>),
}

pub(super) fn run(arguments: &DeployArguments) -> anyhow::Result<ExitCode> {
    match prepared(arguments) {
        Ok(prepared) => deploy(arguments, prepared),
        Err(refused) => refuse(arguments, refused),
    }
}

/// Shows mistakes, also in the requested documents: a program that reads those sees no other text.
fn refuse(arguments: &DeployArguments, refused: Refused) -> anyhow::Result<ExitCode> {
    let mistakes = match &refused {
        Refused::Mistakes(mistakes) => found(mistakes),
        Refused::Error(error) => errors::diagnostics(error)
            .into_iter()
            .map(|diagnostic| Found {
                diagnostic,
                hosts: Vec::new(),
            })
            .collect(),
    };
    let refusal = Refusal {
        inventory: arguments.inventory.clone(),
        deploy: arguments.deploy.clone(),
        is_dry_run: arguments.run.dry_run,
        mistakes,
    };
    if let Some(format) = arguments.run.format.document() {
        print(&format.render_refusal(&refusal))?;
    }
    Documents::create(&arguments.run.format_into)?.write_refusal(&refusal)?;
    match refused {
        Refused::Error(error) => Err(error),
        Refused::Mistakes(mistakes) => {
            eprint(&report::mistakes(&mistakes));
            errors::eprint_root(mistakes.iter().map(|mistake| &mistake.diagnostic));
            Ok(ExitCode::from(errors::INVALID))
        }
    }
}

/// Mistakes, each with all hosts that it was found on.
fn found(mistakes: &[Mistake]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for mistake in mistakes {
        match found.iter_mut().find(|one| one.diagnostic == mistake.diagnostic) {
            Some(one) if one.hosts.contains(&mistake.host) => {}
            Some(one) => one.hosts.push(mistake.host.clone()),
            None => found.push(Found {
                diagnostic: mistake.diagnostic.clone(),
                hosts: vec![mistake.host.clone()],
            }),
        }
    }
    found
}

fn prepared(arguments: &DeployArguments) -> Result<Prepared, Refused> {
    let selected = || {
        let project = Arc::new(project::for_deploy(&arguments.deploy, arguments.access())?);
        let filter = Filter {
            owed: arguments.earlier.owed,
            ..arguments.filter.read()?
        };
        let mut run = select(&project, &arguments.inventory, &arguments.deploy, &filter)?;
        let names = (arguments.inventory.as_str(), arguments.deploy.as_str());
        run.memory = Memory::of_run(&project, names, &filter, arguments.earlier.prune);
        Ok((project, run))
    };
    let (project, run) = selected().map_err(Refused::Error)?;
    if !run.closed.is_empty() {
        return Err(Refused::Error(Diagnostics(run.closed).into()));
    }
    let digests = Arc::new(DigestKey::random());
    // Plan without any facts, to report mistakes in the project before connecting.
    let unread = Snapshot {
        is_offline: true,
        ..Snapshot::default()
    };
    let offline = build(&run, &unread, &digests);
    if !offline.mistakes.is_empty() {
        let mistakes = fold_causes(&project, &arguments.inventory, offline.mistakes);
        return Err(Refused::Mistakes(mistakes));
    }
    let unmatched = unmatched(&run, &offline);
    if !unmatched.is_empty() {
        return Err(Refused::Error(Diagnostics(unmatched).into()));
    }
    Ok(Prepared {
        project,
        run,
        digests,
        uses_peers: offline.plan.uses_peers(),
    })
}

fn deploy(arguments: &DeployArguments, mut prepared: Prepared) -> anyhow::Result<ExitCode> {
    eprint(&report::not_decrypted(prepared.project.keyring.unopened()));
    eprint(&report::not_set(&prepared.project.variables.unset()));
    if arguments.earlier.only_failed {
        let targets = targets::targets(&prepared.project, &prepared.run)?;
        let targets = arguments.run.connection.complete(targets)?;
        prepared.run = match only_failed(&prepared.run, &targets)? {
            Ok(run) => run,
            Err(code) => return Ok(code),
        };
    }
    let targets = || targets::targets(&prepared.project, &prepared.run);
    let deploying = Deploying {
        arguments: &arguments.run,
        run: &prepared.run,
        digests: prepared.digests.clone(),
        uses_peers: prepared.uses_peers,
        rollback_of: None,
    };
    deploying.carry_out(targets)
}
