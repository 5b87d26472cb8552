//! Every mistake of a project that shows without a connection.

use std::collections::BTreeSet;

use super::{Build, Known, Mistake, build};
use crate::error::Diagnostic;
use crate::project::{Filter, Reading, matches_nothing, select};
use crate::secret::DigestKey;

/// What is checked.
#[derive(Clone, Debug, Default)]
pub struct Scope {
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
pub fn check(reading: &Reading, scope: &Scope) -> Result<Checked, Diagnostic> {
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
    let is_planned = !reading.broken.iter().any(wants_data);
    for deploy in deploys.iter().filter(|name| is_readable("deploys", name)) {
        project.deploy(deploy)?;
        let mut unmatched: Option<Diagnostic> = None;
        let mut is_matched = false;
        // What `--only` finds on one inventory need not be on another.
        let mut found_nowhere: Option<Vec<Diagnostic>> = None;
        for inventory in inventories.iter().filter(|name| is_readable("inventories", name)) {
            match select(project, inventory, deploy, &scope.filter) {
                Ok(run) => {
                    is_matched = true;
                    if is_planned {
                        checked.pairs += 1;
                        let build = build(&run, &Known::default(), &DigestKey::random());
                        let nothing = self::unmatched(&run, &build);
                        let before = found_nowhere.take().unwrap_or_else(|| nothing.clone());
                        let is_here = |one: &Diagnostic| nothing.iter().any(|here| here.title == one.title);
                        found_nowhere = Some(before.into_iter().filter(is_here).collect());
                        checked.add_build(build, inventory);
                    }
                }
                Err(mistake) => unmatched = Some(unmatched.unwrap_or(mistake)),
            }
        }
        // A deploy is for the inventories that have its hosts: one of them must.
        let mistakes = unmatched.filter(|_| !is_matched).into_iter();
        for mistake in mistakes.chain(found_nowhere.into_iter().flatten()) {
            checked.add(&mistake, None);
        }
    }
    checked.mistakes.sort_by_cached_key(|found| {
        let origin = found.diagnostic.origin();
        origin.map(|origin| (origin.file.path.clone(), origin.span.start))
    });
    Ok(checked)
}

/// The patterns of `--only` that selected nothing on any host, as mistakes.
pub fn unmatched(run: &crate::project::Run, build: &Build) -> Vec<Diagnostic> {
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

    /// A place is blamed once: what is said of it first is what is wrong with it on every host.
    fn add(&mut self, mistake: &Diagnostic, host: Option<String>) {
        let start = |mistake: &Diagnostic| {
            let origin = mistake.origin();
            origin.map(|origin| (origin.file.path.clone(), origin.span.start))
        };
        let place = start(mistake);
        let same_place = |found: &&mut Found| {
            found.diagnostic == *mistake
                || (found.hosts.is_empty() && place.is_some() && start(&found.diagnostic) == place)
        };
        match self.mistakes.iter_mut().find(same_place) {
            Some(found) if found.hosts.is_empty() => {}
            Some(found) => {
                let new = host.filter(|host| !found.hosts.contains(host));
                found.hosts.extend(new);
            }
            None => self.mistakes.push(Found {
                diagnostic: mistake.clone(),
                hosts: host.into_iter().collect(),
            }),
        }
    }
}
