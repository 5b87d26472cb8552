//! What a run works on, known to have no mistake that is found without a connection.

use std::process::ExitCode;
use std::sync::Arc;

use homelab::error::Diagnostics;
use homelab::plan::{Found, Mistake, Snapshot, build, fold_causes, unmatched};
use homelab::project::{Filter, Memory, Project, Selection, select};
use homelab::report::{self, Refusal};
use homelab::secret::DigestKey;

use super::documents::Documents;
use super::errors;
use super::output::{eprint, print};
use super::run_arguments::RunArguments;

/// What a run works on.
pub(super) struct Prepared {
    pub(super) project: Arc<Project>,
    pub(super) run: Selection,
    pub(super) digests: Arc<DigestKey>,
    /// Whether any host uses facts of another.
    pub(super) uses_peers: bool,
}

/// Why a run ends before anything connects.
pub(super) enum Refused {
    Error(anyhow::Error),
    Mistakes(Vec<Mistake>),
}

impl Prepared {
    /// A deploy of a project, by the names of inventory and deploy.
    pub(super) fn new(
        project: Project,
        (inventory, deploy): (&str, &str),
        filter: &Filter,
        prunes: bool,
        digests: DigestKey,
    ) -> Result<Self, Refused> {
        let project = Arc::new(project);
        let mut run = select(&project, inventory, deploy, filter).map_err(|error| Refused::Error(error.into()))?;
        run.memory = Memory::of_run(&project, (inventory, deploy), filter, prunes);
        if !run.closed.is_empty() {
            return Err(Refused::Error(Diagnostics(run.closed).into()));
        }
        let digests = Arc::new(digests);
        // Plan without any facts, to report mistakes in the project before connecting.
        let unread = Snapshot {
            is_offline: true,
            ..Snapshot::default()
        };
        let offline = build(&run, &unread, &digests);
        if !offline.mistakes.is_empty() {
            let mistakes = fold_causes(&project, inventory, offline.mistakes);
            return Err(Refused::Mistakes(mistakes));
        }
        let unmatched = unmatched(&run, &offline);
        if !unmatched.is_empty() {
            return Err(Refused::Error(Diagnostics(unmatched).into()));
        }
        Ok(Self {
            project,
            run,
            digests,
            uses_peers: offline.plan.uses_peers(),
        })
    }

    /// Tells what cannot be known without secrets.
    pub(super) fn tell_unknown(&self) {
        eprint(&report::not_decrypted(self.project.keyring.unopened()));
        eprint(&report::not_set(&self.project.variables.unset()));
    }
}

/// Shows mistakes, also in the requested documents: a program that reads those sees no other text.
pub(super) fn refuse(
    refused: Refused,
    (inventory, deploy): (&str, &str),
    arguments: &RunArguments,
) -> anyhow::Result<ExitCode> {
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
        inventory: inventory.to_owned(),
        deploy: deploy.to_owned(),
        is_dry_run: arguments.dry_run,
        mistakes,
    };
    if let Some(format) = arguments.format.document() {
        print(&format.render_refusal(&refusal))?;
    }
    Documents::create(&arguments.format_into)?.write_refusal(&refusal)?;
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
