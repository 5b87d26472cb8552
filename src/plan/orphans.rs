//! Orphans: what earlier runs created on a host, and what no operation of the project is about any more.
//!
//! They are told in each review. `--prune` removes files, links, units, timers, entries of cron, and directories with nothing else in
//! them; packages and accounts are only told.

use std::collections::BTreeSet;
use std::fmt;

use toml::{Table, Value};

use super::Survey;
use super::rollback::{literal, operation};
use crate::facts::account::{GroupFact, UserFact};
use crate::facts::docker::Engine;
use crate::facts::made::{Creation, Kind, Subject, digest};
use crate::facts::package::PackageFact;
use crate::facts::path::{ContentFact, EntryKind, InodeKind, PathFact, ancestors, is_below, parent};
use crate::facts::remembered::Found;
use crate::facts::unit::{UnitFact, UnitFilePath};
use crate::facts::{Fact, FactKey, Facts};
use crate::operations::{CronEntry, is_needed};
use crate::secret::sha256_hex;
use crate::value::Known;

/// Where homelab's operations put unit files.
const UNITS: &str = "/etc/systemd/system/";

/// Something that left the configuration and is still there.
#[derive(Debug)]
pub struct Orphan {
    pub creation: Creation,
    /// Whether it is not as homelab left it.
    pub is_changed: bool,
    /// Why homelab does not remove it.
    pub stays: Option<String>,
    /// The volumes of a compose project, which stay.
    pub volumes: Vec<String>,
}

/// What is there of what runs created.
#[derive(Debug, Default)]
pub struct Judged {
    /// In the order in which they can be removed.
    pub orphans: Vec<Orphan>,
    /// The digests of what is not there any more.
    pub absent: BTreeSet<String>,
}

impl fmt::Display for Orphan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self.creation.subject() {
            Subject::CronEntry(user, name) => ("cron entry", format!("{name} of {user}")),
            Subject::Project(name) => ("compose project", name),
            _ => (self.creation.kind.into(), self.creation.name.clone()),
        };
        write!(formatter, "{kind} {name}")
    }
}

impl Orphan {
    /// What a review says of it.
    pub fn notice(&self, prunes: bool) -> Option<String> {
        let kept = match self.volumes.join(", ") {
            names if names.is_empty() => String::new(),
            names => format!("; its volumes stay: {names}"),
        };
        match (&self.stays, self.is_changed, prunes) {
            (Some(why), ..) => Some(format!("orphan: {self} is no longer in the configuration; {why}")),
            (None, true, true) => Some(format!(
                "{self} was changed since homelab wrote it; it is removed as shown"
            )),
            (None, false, true) if kept.is_empty() => None,
            (None, false, true) => Some(format!("{self} is removed{kept}")),
            (None, true, false) => Some(format!(
                "orphan: {self} is no longer in the configuration, and was changed since homelab wrote it; `--prune` removes it"
            )),
            (None, false, false) => Some(format!(
                "orphan: {self} is no longer in the configuration; `--prune` removes it{kept}"
            )),
        }
    }
}

/// The digests among `made` of what no operation of any survey is about.
pub fn left<'a>(made: impl IntoIterator<Item = &'a String>, surveys: &[Survey]) -> BTreeSet<String> {
    let is_left = |digest: &&String| !surveys.iter().any(|survey| survey.has(digest));
    made.into_iter().filter(is_left).cloned().collect()
}

/// Whether an operation has what was created among files of its own.
pub fn is_claimed(creation: &Creation, surveys: &[Survey]) -> bool {
    let path = creation.path();
    surveys
        .iter()
        .any(|survey| survey.has(&digest(&creation.subject())) || path.is_some_and(|path| survey.has_in_tree(path)))
}

/// The facts that [`judged`] needs.
pub fn orphan_keys(found: &[Found]) -> BTreeSet<FactKey> {
    let mut keys = BTreeSet::new();
    for one in found {
        let subject = one.creation.subject();
        keys.extend(fact_of(&subject));
        if let Subject::Path(path) = &subject {
            keys.insert(FactKey::PathResolution(parent(path).to_owned()));
        }
        match (one.creation.kind, &subject) {
            (Kind::Directory, Subject::Path(path)) => {
                keys.insert(FactKey::Listing(path.clone()));
            }
            (Kind::File, Subject::Path(path)) => {
                keys.extend(unit_file(path).and_then(|file| FactKey::of_unit(file.unit)));
            }
            (_, Subject::Project(name)) => {
                keys.extend([FactKey::DockerEngine, FactKey::ProjectVolumes(name.clone())]);
            }
            (_, Subject::CronEntry(user, name)) => {
                let table = entry(user, name).table();
                keys.extend([FactKey::Path(table.clone()), FactKey::Content(table)]);
            }
            _ => {}
        }
    }
    keys
}

/// The fact that shows what is there of a creation; `None` if its path has to be looked at otherwise.
fn fact_of(subject: &Subject) -> Option<FactKey> {
    match subject {
        Subject::Path(path) => Some(FactKey::Path(path.clone())),
        Subject::Package(name) => Some(FactKey::Package(name.clone())),
        Subject::User(name) => Some(FactKey::User(name.clone())),
        Subject::Group(name) => Some(FactKey::Group(name.clone())),
        Subject::Project(name) => Some(FactKey::ComposeProject(name.clone())),
        Subject::CronEntry(..) => None,
    }
}

fn entry(user: &str, name: &str) -> CronEntry {
    CronEntry {
        user: user.to_owned(),
        name: name.to_owned(),
    }
}

fn unit_file(path: &str) -> Option<UnitFilePath<'_>> {
    UnitFilePath::of(path).filter(|_| path.starts_with(UNITS))
}

/// Judges what was found by what is on the host now.
pub fn judged(found: &[Found], facts: &Facts) -> Judged {
    let mut judged = Judged::default();
    let mut found: Vec<&Found> = found.iter().collect();
    // What starts a unit goes before the unit, and what is in a directory before the directory.
    found.sort_by_cached_key(|one| {
        let name = &one.creation.name;
        let is_starter = [".timer", ".socket", ".path"]
            .iter()
            .any(|suffix| name.ends_with(suffix));
        let depth = if one.creation.kind == Kind::Directory {
            name.matches('/').count()
        } else {
            0
        };
        (one.creation.kind, !is_starter, usize::MAX - depth, name.clone())
    });
    let mut going: BTreeSet<String> = BTreeSet::new();
    for one in found {
        match state(one, facts, &going) {
            State::Absent => {
                judged.absent.insert(digest(&one.creation.subject()));
            }
            State::There { is_changed, stays } => {
                if stays.is_none() {
                    going.extend(one.creation.path().map(str::to_owned));
                }
                let volumes = match facts.get(&FactKey::ProjectVolumes(one.creation.name.clone())) {
                    Some(Fact::ProjectVolumes(volumes)) if one.creation.kind == Kind::Project => {
                        volumes.keys().cloned().collect()
                    }
                    _ => Vec::new(),
                };
                judged.orphans.push(Orphan {
                    volumes,
                    creation: one.creation.clone(),
                    is_changed,
                    stays,
                });
            }
        }
    }
    judged
}

enum State {
    Absent,
    There { is_changed: bool, stays: Option<String> },
}

impl State {
    const OWN: Self = Self::There {
        is_changed: false,
        stays: None,
    };

    fn changed(is_changed: bool) -> Self {
        Self::There {
            is_changed,
            stays: None,
        }
    }

    fn stays(why: &str) -> Self {
        Self::There {
            is_changed: false,
            stays: Some(why.to_owned()),
        }
    }
}

/// What is there of it; `going` are the paths that can be removed before.
fn state(found: &Found, facts: &Facts, going: &BTreeSet<String>) -> State {
    let creation = &found.creation;
    let subject = creation.subject();
    if let Subject::CronEntry(user, name) = &subject {
        let entry = entry(user, name);
        return match facts.get(&FactKey::Content(entry.table())) {
            Some(Fact::Content(ContentFact::Bytes(bytes))) => match entry.line(&String::from_utf8_lossy(bytes)) {
                Some(line) => State::changed(!found.is_as_written(&sha256_hex(line.as_bytes()))),
                None => State::Absent,
            },
            Some(Fact::Content(ContentFact::Absent)) => State::Absent,
            _ => State::stays("its table cannot be read"),
        };
    }
    let fact = fact_of(&subject).and_then(|key| facts.get(&key));
    if let (Some(Fact::Path(PathFact::Present(_))), Some(link)) = (fact, link_above(&creation.name, facts)) {
        // It was written without one: what is behind it now is something else.
        return State::stays(&format!("a link is on the way to it now: `{link}`"));
    }
    match fact {
        Some(Fact::Path(PathFact::Present(inode))) => match (&inode.kind, creation.kind) {
            (InodeKind::Directory, Kind::Directory) => directory(&creation.name, facts, going),
            (InodeKind::Link { target }, Kind::Link) => {
                State::changed(!found.is_as_written(&sha256_hex(target.as_bytes())))
            }
            (
                InodeKind::File {
                    digest: Known::Yes(now),
                },
                Kind::File,
            ) => State::changed(!found.is_as_written(now)),
            (InodeKind::File { .. }, Kind::File) => State::changed(true),
            _ => State::stays("something else is in its place now"),
        },
        Some(Fact::Package(package @ PackageFact::Listed { .. })) if package.is_installed() => {
            State::stays("homelab removes no packages by itself")
        }
        Some(Fact::User(UserFact::Present(_)) | Fact::Group(GroupFact::Present(_))) => {
            State::stays("homelab removes no accounts by itself")
        }
        Some(Fact::ComposeProject(project)) => match facts.get(&FactKey::DockerEngine) {
            Some(Fact::DockerEngine(Engine::Running))
                if project.containers.is_empty() && project.own_networks.is_empty() =>
            {
                State::Absent
            }
            Some(Fact::DockerEngine(Engine::Running)) => State::OWN,
            Some(Fact::DockerEngine(Engine::Absent { has_state: false, .. })) => State::Absent,
            _ => State::stays("the Docker engine does not run"),
        },
        Some(Fact::Denied(_)) => State::stays("it cannot be read without root"),
        _ => State::Absent,
    }
}

/// The first link among the directories above a path.
fn link_above(path: &str, facts: &Facts) -> Option<String> {
    let is_link = |path: &String| {
        let fact = facts.get(&FactKey::Path(path.clone()));
        matches!(fact, Some(Fact::Path(PathFact::Present(inode))) if matches!(inode.kind, InodeKind::Link { .. }))
    };
    ancestors(path).into_iter().find(is_link)
}

fn directory(path: &str, facts: &Facts, going: &BTreeSet<String>) -> State {
    let Some(Fact::Listing(listing)) = facts.get(&FactKey::Listing(path.to_owned())) else {
        return State::stays("it cannot be read");
    };
    let below = |name: &str| format!("{}/{name}", path.trim_end_matches('/'));
    let other = listing.entries.iter().find(|(name, kind)| {
        let own = below(name);
        let is_way = **kind == EntryKind::Directory && going.iter().any(|path| is_below(path, &own));
        !going.contains(&own) && !is_way
    });
    match other {
        _ if is_needed(path) => State::stays("it stays, since homelab removes no directories of the system"),
        Some((name, _)) => State::stays(&format!("it stays, since `{}` is in it", below(name))),
        None if !listing.is_complete || !listing.unusable.is_empty() => {
            State::stays("there is more in it than can be listed")
        }
        None => State::OWN,
    }
}

/// The directory of a compose project, as its containers tell it. What remains without them is found by the project's name.
fn directory_of(project: &str, facts: &Facts) -> String {
    let found = match facts.get(&FactKey::ComposeProject(project.to_owned())) {
        Some(Fact::ComposeProject(found)) => found.containers.first().map(|one| one.directory.clone()),
        _ => None,
    };
    let found = found.filter(|path| path.len() > 1 && path.starts_with('/'));
    found.unwrap_or_else(|| format!("/srv/{project}"))
}

/// The task that removes orphans; each operation has the name of its orphan.
pub fn removals<'a>(orphans: impl IntoIterator<Item = &'a Orphan>, facts: &Facts) -> Option<String> {
    let mut operations: Vec<Value> = Vec::new();
    let mut outdated: BTreeSet<String> = BTreeSet::new();
    for orphan in orphans {
        let name = orphan.creation.name.as_str();
        let mut table = match orphan.creation.subject() {
            Subject::CronEntry(user, name) => operation("crontab.crontab", &[("cron_name", &name), ("user", &user)]),
            Subject::Project(project) => {
                let directory = directory_of(&project, facts);
                operation(
                    "docker.compose",
                    &[("project_directory", directory.as_str()), ("project_name", &project)],
                )
            }
            _ => match (orphan.creation.kind, unit_file(name)) {
                (Kind::Link, _) => operation("files.link", &[("path", name)]),
                (Kind::Directory, _) => operation("files.directory", &[("path", name)]),
                (_, Some(UnitFilePath { unit, drop_in: None })) => operation("systemd.unit", &[("unit", unit)]),
                (
                    _,
                    Some(UnitFilePath {
                        unit,
                        drop_in: Some(drop_in),
                    }),
                ) => {
                    outdated.insert(unit.to_owned());
                    let name = drop_in.strip_suffix(".conf").unwrap_or(drop_in);
                    operation("systemd.unit", &[("unit", unit), ("drop_in", name)])
                }
                _ => operation("files.file", &[("path", name)]),
            },
        };
        table.insert("name".to_owned(), literal(&orphan.to_string()).into());
        table.insert("present".to_owned(), false.into());
        if orphan.creation.is_secret {
            table.insert("sensitive".to_owned(), true.into());
        }
        operations.push(table.into());
    }
    let is_gone = |unit: &String| {
        operations
            .iter()
            .any(|table| table.get("unit").and_then(Value::as_str) == Some(unit) && table.get("drop_in").is_none())
    };
    outdated.retain(|unit| !is_gone(unit));
    // What runs with settings that go is restarted without them.
    for unit in outdated {
        if let Some(Fact::Unit(UnitFact::Present(state))) = facts.get(&FactKey::Unit(unit.clone()))
            && !state.has_stopped()
        {
            operations.push(operation("systemd.service", &[("service", &unit), ("state", "started")]).into());
        }
    }
    let task = Table::from_iter([("operation".to_owned(), operations.clone().into())]);
    toml::to_string(&task).ok().filter(|_| !operations.is_empty())
}

#[cfg(test)]
mod tests;
