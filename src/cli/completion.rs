//! Shell completion with the names of the current project. Outside of a project there are none, and no error is
//! reported.

use clap::Command;
use clap_complete::engine::CompletionCandidate as Candidate;
use clap_complete::{ArgValueCandidates, CompleteEnv};
use homelab::facts::{Fact, FactKey, Facts};
use homelab::operations::OPERATIONS;
use homelab::plan::visible_tree;
use homelab::report;
use homelab::secrets::{data_files as data_files_of, secret_files};

use super::typed::Typed;

/// Answers a completion request of a shell; false if there is none.
pub(super) fn answer(command: fn() -> Command) -> clap::error::Result<bool> {
    let factory = || {
        let mut command = command();
        // This includes `--help`.
        command.build();
        options_last(command)
    };
    CompleteEnv::with_factory(factory).try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref())
}

/// Options are offered if nothing else fits or an option is being typed: clap shows hidden ones if all are hidden.
fn options_last(command: Command) -> Command {
    let hidden = command.mut_args(|argument| {
        let is_option = !argument.is_positional();
        argument.hide(is_option)
    });
    hidden.mut_subcommands(options_last)
}

/// Names of inventories.
pub(super) fn inventories() -> ArgValueCandidates {
    candidates(|typed| typed.project.inventories.keys().map(Candidate::new).collect())
}

/// Names of inventories with lab hosts.
pub(super) fn labs() -> ArgValueCandidates {
    candidates(Typed::labs)
}

/// Names of deploys.
pub(super) fn deploys() -> ArgValueCandidates {
    candidates(|typed| {
        let deploys = typed.project.deploys.iter();
        deploys
            .map(|(name, deploy)| described(name, deploy.description.as_deref()))
            .collect()
    })
}

/// Hosts of the inventory.
pub(super) fn hosts() -> ArgValueCandidates {
    candidates(|typed| typed.of_inventories(|inventory| &inventory.hosts))
}

/// Hosts and groups of the inventory.
pub(super) fn host_patterns() -> ArgValueCandidates {
    candidates(|typed| {
        let mut all = typed.of_inventories(|inventory| &inventory.hosts);
        for group in typed.of_inventories(|inventory| &inventory.groups) {
            if all.iter().all(|one| one.get_value() != group.get_value()) {
                all.push(group.help(Some("a group".into())));
            }
        }
        all
    })
}

/// Lab hosts of the inventory.
pub(super) fn lab_hosts() -> ArgValueCandidates {
    candidates(|typed| typed.of_inventories(|inventory| &inventory.lab_hosts))
}

/// Lab hosts, and inventories if none was typed yet.
pub(super) fn lab_targets() -> ArgValueCandidates {
    candidates(|typed| {
        let mut all = typed.of_inventories(|inventory| &inventory.lab_hosts);
        if typed.inventory().is_none() {
            all.extend(typed.labs());
        }
        all
    })
}

/// Tasks of the deploy, or of all deploys if none was typed.
pub(super) fn tasks() -> ArgValueCandidates {
    candidates(|typed| {
        let tasks = &typed.project.tasks;
        let help = |name: &String| described(name, tasks.get(name).and_then(Option::as_deref));
        typed.deploy().map_or_else(
            || tasks.keys().map(help).collect(),
            |deploy| deploy.tasks.iter().map(help).collect(),
        )
    })
}

/// Tags of tasks and operations.
pub(super) fn tags() -> ArgValueCandidates {
    candidates(|typed| typed.project.tags.iter().map(Candidate::new).collect())
}

/// Files with data of hosts.
pub(super) fn data_files() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let files = super::project::root()
            .map(|root| [data_files_of(&root), secret_files(&root)].concat())
            .unwrap_or_default();
        files.into_iter().map(Candidate::new).collect::<Vec<_>>()
    })
}

/// Names of operations.
pub(super) fn operations() -> ArgValueCandidates {
    let candidate = |name, summary| described(name, Some(summary));
    ArgValueCandidates::new(move || {
        OPERATIONS
            .iter()
            .map(|one| candidate(one.name, one.summary))
            .collect::<Vec<_>>()
    })
}

/// Names of facts.
pub(super) fn facts() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let mut facts = Facts::default();
        facts.insert(FactKey::System, Fact::System(Box::default()));
        let names = report::fact_names(&visible_tree(&facts, None)).into_iter();
        names.map(Candidate::new).collect::<Vec<_>>()
    })
}

fn described(name: &str, help: Option<&str>) -> Candidate {
    Candidate::new(name).help(help.map(|help| help.to_owned().into()))
}

fn candidates(find: fn(&Typed) -> Vec<Candidate>) -> ArgValueCandidates {
    ArgValueCandidates::new(move || Typed::read().map(|typed| find(&typed)).unwrap_or_default())
}
