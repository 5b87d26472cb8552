//! Every mistake of a project that shows without a connection.

use std::collections::BTreeSet;

use super::{Build, Mistake, Snapshot, build};
use crate::error::Diagnostic;
use crate::project::{Filter, LoadedProject, Selection, TaskUse, matches_nothing, select};
use crate::secret::DigestKey;

/// What is checked.
#[derive(Clone, Debug, Default)]
pub struct CheckRequest {
    /// One inventory; all without it.
    pub inventory: Option<String>,
    /// One deploy; all without it.
    pub deploy: Option<String>,
    /// What a deploy is to be filtered by.
    pub filter: Filter,
}

/// What a check came to.
#[derive(Debug, Default)]
pub struct Checked {
    /// What is wrong; of what concerns hosts, the hosts are named.
    pub mistakes: Vec<Found>,
    /// Pairs of an inventory and a deploy that were planned.
    pub pairs: usize,
}

/// A mistake and the hosts that it was found on, as `inventory/host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is wrong.
    pub diagnostic: Diagnostic,
    /// On which hosts; none where it is wrong without any.
    pub hosts: Vec<String>,
}

/// Checks `reading`, and plans every deploy of `scope` on every inventory of it that has hosts for it.
///
/// Errors: an inventory or a deploy that does not exist.
pub fn check(reading: &LoadedProject, scope: &CheckRequest) -> Result<Checked, Diagnostic> {
    let project = &reading.project;
    let mut checked = Checked::default();
    for mistake in &reading.mistakes {
        checked.add(mistake, None);
    }
    let is_readable = |folder: &str, name: &str| !reading.broken.contains(&format!("{folder}/{name}.toml"));
    let inventories = names(scope.inventory.as_ref(), project.inventories.keys());
    let deploys = names(scope.deploy.as_ref(), project.deploys.keys());
    for name in inventories.iter().filter(|name| is_readable("inventories", name)) {
        project.inventory(name)?;
    }
    let wants_data = |path: &String| path.starts_with("group_data/") || path.starts_with("inventories/");
    let mut only = Only::default();
    let mut runs: Vec<Selection> = Vec::new();
    let is_planned = !reading.broken.iter().any(wants_data);
    for deploy in deploys.iter().filter(|name| is_readable("deploys", name)) {
        project.deploy(deploy)?;
        let mut unmatched: Option<Diagnostic> = None;
        let mut is_matched = false;
        for inventory in inventories.iter().filter(|name| is_readable("inventories", name)) {
            match select(project, inventory, deploy, &scope.filter) {
                Ok(run) => {
                    is_matched = true;
                    if is_planned {
                        runs.push(run);
                    }
                }
                Err(mistake) => unmatched = Some(unmatched.unwrap_or(mistake)),
            }
        }
        // A deploy is for the inventories that have its hosts: one of them must.
        if let Some(mistake) = unmatched.filter(|_| !is_matched) {
            checked.add(&mistake, None);
        }
    }
    for (run, build) in runs.iter().zip(builds(&runs)) {
        checked.pairs += 1;
        only.note(run, &build);
        checked.add_build(build, &run.inventory);
    }
    for mistake in only.unmatched(&scope.filter.only) {
        checked.add(&mistake, None);
    }
    checked.mistakes.sort_by_cached_key(|found| {
        let origin = found.diagnostic.origin();
        origin.map(|origin| (origin.file.path.clone(), origin.span.start))
    });
    Ok(checked)
}

/// The plans of all runs, in their order, made on all processors.
fn builds(runs: &[Selection]) -> Vec<Build> {
    let nothing = Snapshot {
        is_offline: true,
        ..Snapshot::default()
    };
    let one = |run: &Selection| build(run, &nothing, &DigestKey::random());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = runs.len().div_ceil(workers).max(1);
    std::thread::scope(|scope| {
        let shares: Vec<_> = runs
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(one).collect::<Vec<_>>()))
            .collect();
        let built = shares.into_iter().map(|share| match share.join() {
            Ok(builds) => builds,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        built.flatten().collect()
    })
}

/// The patterns of `--only` that selected nothing on any host, as mistakes.
pub fn unmatched(run: &crate::project::Selection, build: &Build) -> Vec<Diagnostic> {
    let items: Vec<String> = build.items.iter().cloned().collect();
    run.only
        .iter()
        .filter(|only| !build.selected.contains(&only.text))
        .map(|only| {
            let uses = run.stages.iter().flat_map(|stage| &stage.tasks);
            matches_nothing(&only.text, uses, &items)
        })
        .collect()
}

/// What `--only` selected, and what it could have, in all plans.
#[derive(Default)]
struct Only {
    selected: BTreeSet<String>,
    items: BTreeSet<String>,
    uses: Vec<TaskUse>,
    plans: usize,
}

impl Only {
    fn note(&mut self, run: &Selection, build: &Build) {
        self.plans += 1;
        self.selected.extend(build.selected.iter().cloned());
        self.items.extend(build.items.iter().cloned());
        self.uses
            .extend(run.stages.iter().flat_map(|stage| stage.tasks.clone()));
    }

    fn unmatched(&self, wanted: &[String]) -> Vec<Diagnostic> {
        let items: Vec<String> = self.items.iter().cloned().collect();
        let missed = wanted
            .iter()
            .filter(|text| self.plans > 0 && !self.selected.contains(*text));
        missed
            .map(|text| matches_nothing(text, self.uses.iter(), &items))
            .collect()
    }
}

fn names<'a>(wanted: Option<&'a String>, all: impl Iterator<Item = &'a String>) -> BTreeSet<&'a str> {
    match wanted {
        Some(name) => BTreeSet::from([name.as_str()]),
        None => all.map(String::as_str).collect(),
    }
}

impl Checked {
    fn add_build(&mut self, build: Build, inventory: &str) {
        for Mistake { host, diagnostic } in build.mistakes {
            self.add(&diagnostic, Some(format!("{inventory}/{host}")));
        }
    }

    /// A place is blamed once: what is said of it first is what is wrong with it on every host. Further ends are added.
    fn add(&mut self, mistake: &Diagnostic, host: Option<String>) {
        let is_same = |found: &&mut Found| {
            let known = &found.diagnostic;
            let is_placed = place(known).is_some() && place(known) == place(mistake);
            known == mistake || (is_placed && (found.hosts.is_empty() || known.title == mistake.title))
        };
        match self.mistakes.iter_mut().find(is_same) {
            Some(found) => {
                if !found.hosts.is_empty() {
                    found.hosts.extend(host.filter(|host| !found.hosts.contains(host)));
                }
                add_ends(&mut found.diagnostic, mistake);
            }
            None => self.mistakes.push(Found {
                diagnostic: mistake.clone(),
                hosts: host.into_iter().collect(),
            }),
        }
    }
}

fn place(mistake: &Diagnostic) -> Option<(&str, usize)> {
    let origin = mistake.origin()?;
    Some((&origin.file.path, origin.span.start))
}

/// The ends of `more` that `known` does not show, up to a number that people still look at.
fn add_ends(known: &mut Diagnostic, more: &Diagnostic) {
    const MOST: usize = 4;
    for label in more.labels.iter().skip(1) {
        let is_new = known.labels.iter().all(|one| one.origin != label.origin);
        if is_new && known.labels.len() < MOST {
            known.labels.push(label.clone());
        }
    }
}
