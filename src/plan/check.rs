//! `homelab check`: every mistake of a project that can be found without a connection.

use std::collections::BTreeSet;

use super::causes::needs_lab_key;
use super::images::images_in_use;
use super::{Build, Mistake, Rendered, Snapshot, build, fold_causes};
use crate::error::{Diagnostic, Origin};
use crate::project::{Filter, LoadedProject, Project, Selection, TaskUse, matches_nothing, select};
use crate::secret::DigestKey;

/// What to check.
#[derive(Clone, Debug, Default)]
pub struct CheckRequest {
    /// One inventory; `None` means all.
    pub inventory: Option<String>,
    /// One deploy; `None` means all.
    pub deploy: Option<String>,
    pub filter: Filter,
}

/// The result of a check.
#[derive(Debug, Default)]
pub struct Checked {
    pub mistakes: Vec<Found>,
    /// The hosts that were planned, as `inventory/host`.
    pub hosts: BTreeSet<String>,
    /// How many secrets were not decrypted because no key is there for them.
    pub closed_secrets: usize,
    /// The variables that templates use and that are not set here.
    pub unset_variables: BTreeSet<String>,
    /// Pins of images that have no effect, by inventory.
    pub idle_pins: Vec<IdlePin>,
    /// The operations of all plans, with their inventories.
    pub rendered: Vec<(String, Rendered)>,
    /// Whether everything of the project was looked at.
    pub is_whole: bool,
}

/// A pin that has no effect, or makes something else have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdlePin {
    pub inventory: String,
    pub image: String,
    /// File, line and column: of the pin that nothing uses, or of `pull = "always"`, which a pin overrules.
    pub place: String,
    pub is_unused: bool,
}

/// A mistake and the hosts that it was found on, as `inventory/host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub diagnostic: Diagnostic,
    /// Empty if it does not depend on a host.
    pub hosts: Vec<String>,
}

/// Checks `loaded`, and plans the requested deploys on every requested inventory that has hosts for them.
///
/// Errors: an inventory or a deploy that does not exist.
pub fn check(loaded: &LoadedProject, request: &CheckRequest) -> Result<Checked, Diagnostic> {
    let project = &loaded.project;
    let mut checked = Checked::default();
    for mistake in &loaded.mistakes {
        checked.add(mistake, None);
    }
    let is_readable = |folder: &str, name: &str| !loaded.broken.contains(&format!("{folder}/{name}.toml"));
    let inventories = names(request.inventory.as_ref(), project.inventories.keys());
    let deploys = names(request.deploy.as_ref(), project.deploys.keys());
    for name in inventories.iter().filter(|name| is_readable("inventories", name)) {
        project.inventory(name)?;
    }
    let wants_data = |path: &String| path.starts_with("group_data/") || path.starts_with("inventories/");
    let mut only = OnlyMatches::default();
    let mut selections: Vec<Selection> = Vec::new();
    let are_all_read = inventories.iter().all(|name| is_readable("inventories", name))
        && (request.inventory.is_some() || !loaded.broken.iter().any(|path| path.starts_with("inventories/")));
    let is_planned = !loaded.broken.iter().any(wants_data);
    for deploy in deploys.iter().filter(|name| is_readable("deploys", name)) {
        project.deploy(deploy)?;
        let mut unmatched: Option<Diagnostic> = None;
        let mut is_matched = false;
        for inventory in inventories.iter().filter(|name| is_readable("inventories", name)) {
            match select(project, inventory, deploy, &request.filter) {
                Ok(selection) => {
                    is_matched = true;
                    for mistake in &selection.closed {
                        checked.add(mistake, None);
                    }
                    if is_planned {
                        selections.push(selection);
                    }
                }
                Err(mistake) => unmatched = Some(unmatched.unwrap_or(mistake)),
            }
        }
        // A deploy needs at least one inventory that has its hosts, which may be one that cannot be read.
        if let Some(mistake) = unmatched.filter(|_| !is_matched && are_all_read) {
            checked.add(&mistake, None);
        }
    }
    for (selection, build) in selections.iter().zip(builds(&selections)) {
        let hosts = selection.hosts.iter();
        let named = hosts.map(|host| format!("{}/{}", selection.inventory, host.name));
        checked.hosts.extend(named);
        only.note(selection, &build);
        checked.add_build(project, build, &selection.inventory);
    }
    for mistake in only.unmatched(&request.filter.only) {
        checked.add(&mistake, None);
    }
    let is_whole = request.deploy.is_none() && loaded.broken.is_empty();
    for inventory in inventories.iter().filter(|name| is_readable("inventories", name)) {
        checked.idle_pins.extend(idle_pins(project, inventory, is_whole)?);
    }
    checked.is_whole = is_whole
        && request.inventory.is_none()
        && request.filter.is_empty()
        && loaded.mistakes.is_empty()
        && checked.mistakes.is_empty();
    checked.closed_secrets = project.keyring.unopened();
    checked.unset_variables = project.variables.unset();
    checked.mistakes.sort_by_cached_key(|found| {
        let origin = found.diagnostic.origin();
        origin.map(|origin| (origin.file.path.clone(), origin.span.start))
    });
    Ok(checked)
}

/// The pins of an inventory that have no effect.
fn idle_pins(project: &Project, inventory: &str, is_whole: bool) -> Result<Vec<IdlePin>, Diagnostic> {
    let pins = project.pins_of(inventory);
    if pins.iter().next().is_none() {
        return Ok(Vec::new());
    }
    let used = images_in_use(project, inventory)?;
    let idle = |image: &str, place: &Origin, is_unused: bool| IdlePin {
        inventory: inventory.to_owned(),
        image: image.to_owned(),
        place: place.to_string(),
        is_unused,
    };
    let unused = used.unused(&pins).into_iter().filter(|_| is_whole);
    let unused = unused.map(|(image, place)| idle(image, place, true));
    let asked = used.asked_in_vain(&pins).into_iter();
    let asked = asked.map(|(image, place)| idle(image, place, false));
    Ok(unused.chain(asked).collect())
}

/// The plans of all selections, in order, made in parallel.
fn builds(selections: &[Selection]) -> Vec<Build> {
    let unread = Snapshot {
        is_offline: true,
        keeps_rendered: true,
        ..Snapshot::default()
    };
    let one = |selection: &Selection| build(selection, &unread, &DigestKey::random());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = selections.len().div_ceil(workers).max(1);
    std::thread::scope(|scope| {
        let shares: Vec<_> = selections
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
pub fn unmatched(selection: &Selection, build: &Build) -> Vec<Diagnostic> {
    let items: Vec<String> = build.items.iter().cloned().collect();
    selection
        .only
        .iter()
        .filter(|only| !build.selected.contains(&only.text))
        .map(|only| {
            let uses = selection.stages.iter().flat_map(|stage| &stage.tasks);
            matches_nothing(&only.text, uses, &items)
        })
        .collect()
}

/// What `--only` selected, and what it could have selected, in all plans.
#[derive(Default)]
struct OnlyMatches {
    selected: BTreeSet<String>,
    items: BTreeSet<String>,
    uses: Vec<TaskUse>,
    plans: usize,
}

impl OnlyMatches {
    fn note(&mut self, selection: &Selection, build: &Build) {
        self.plans += 1;
        self.selected.extend(build.selected.iter().cloned());
        self.items.extend(build.items.iter().cloned());
        self.uses
            .extend(selection.stages.iter().flat_map(|stage| stage.tasks.clone()));
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
    /// Adds a mistake that does not depend on a host.
    pub fn add_mistake(&mut self, mistake: &Diagnostic) {
        self.add(mistake, None);
    }

    fn add_build(&mut self, project: &Project, mut build: Build, inventory: &str) {
        let rendered = std::mem::take(&mut build.rendered).into_iter();
        self.rendered.extend(rendered.map(|one| (inventory.to_owned(), one)));
        for Mistake { host, diagnostic } in fold_causes(project, inventory, build.mistakes) {
            self.add(&diagnostic, Some(format!("{inventory}/{host}")));
        }
    }

    /// Reports one mistake for each place in a file: the first one, for all hosts, with the labels of later ones added.
    fn add(&mut self, mistake: &Diagnostic, host: Option<String>) {
        let is_same = |found: &&mut Found| {
            let first = &found.diagnostic;
            let is_placed = start(first).is_some() && start(first) == start(mistake);
            first == mistake
                || (needs_lab_key(first) && needs_lab_key(mistake))
                || (is_placed && (found.hosts.is_empty() || first.title == mistake.title))
        };
        match self.mistakes.iter_mut().find(is_same) {
            Some(found) => {
                if !found.hosts.is_empty() {
                    found.hosts.extend(host.filter(|host| !found.hosts.contains(host)));
                }
                add_labels(&mut found.diagnostic, mistake);
            }
            None => self.mistakes.push(Found {
                diagnostic: mistake.clone(),
                hosts: host.into_iter().collect(),
            }),
        }
    }
}

/// The file that a mistake points at, and the byte in it.
fn start(mistake: &Diagnostic) -> Option<(&str, usize)> {
    let origin = mistake.origin()?;
    Some((&origin.file.path, origin.span.start))
}

/// The labels of `more` that `shown` lacks, up to a readable number.
fn add_labels(shown: &mut Diagnostic, more: &Diagnostic) {
    const MOST: usize = 4;
    for label in more.labels.iter().skip(1) {
        let is_new = shown.labels.iter().all(|one| one.origin != label.origin);
        if is_new && shown.labels.len() < MOST {
            shown.labels.push(label.clone());
        }
    }
}
