//! What leaves the host because it is not in the project.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, directories_of};
use crate::change::{Outcome, Stop};
use crate::facts::path::{EntriesKey, EntryKind, InodeKind, ListingKey, MetadataKey, PathFact, PathKey, parent};
use crate::operations::PlanContext;
use crate::operations::files::directory;
use crate::operations::files::link::Link;
use crate::operations::files::removal::plan_absent;
use crate::operations::work::{Work, later};

/// What leaves the host, by whole paths.
#[derive(Default)]
pub(super) struct Removal {
    files: Vec<String>,
    links: Vec<String>,
    /// Planned before the rest: what is in them is known only until then.
    directories: Vec<(String, Outcome)>,
    /// Recorded directories that stay because of what others put there: they leave once that has gone.
    pub(super) left: BTreeSet<String>,
}

impl Removal {
    /// What was recorded and is not in the project any more.
    ///
    /// Errors: what is there is not known.
    pub(super) fn of_recorded(
        context: &PlanContext<'_>,
        top: &str,
        recorded: &BTreeSet<String>,
        source: &Source<'_>,
        stays: impl Fn(&str) -> bool,
    ) -> Result<Self, Stop> {
        let kept = directories_of(source.names());
        let mut removal = Self::default();
        let mut gone: BTreeMap<String, u64> = BTreeMap::new();
        let below = |name: &str| format!("{}/{name}", top.trim_end_matches('/'));
        let leaving: Vec<&String> = recorded.iter().filter(|name| !stays(name)).collect();
        // All of them in one round.
        for name in &leaving {
            match name.strip_suffix('/') {
                Some(name) if kept.contains(name) => {}
                Some(name) => {
                    ask(context, &below(name));
                    let _ = context.get(EntriesKey(&below(name)));
                }
                None if source.contains(name) => {}
                None => ask(context, &below(name)),
            }
        }
        let count = |gone: &mut BTreeMap<String, u64>, name: &str| {
            for (at, _) in name.match_indices('/') {
                *gone.entry(name[..at].to_owned()).or_default() += 1;
            }
        };
        let is_file = |name: &&&String| !name.ends_with('/') && !source.contains(name);
        for name in leaving.iter().filter(is_file) {
            let path = below(name);
            if let PathFact::Present(inode) = context.path(&path)?
                && matches!(inode.kind, InodeKind::File { .. })
            {
                count(&mut gone, name);
                removal.files.push(path);
            }
        }
        // Those in others first.
        for name in leaving.iter().rev().filter_map(|name| name.strip_suffix('/')) {
            let path = below(name);
            if kept.contains(name) || !is_directory(context, &path)? {
                continue;
            }
            let entries = context.get(EntriesKey(&path))?;
            if !entries.has_mounts && entries.count == gone.get(name).copied().unwrap_or_default() {
                count(&mut gone, name);
                let outcome = directory::plan_emptied(context, &path)?;
                removal.directories.push((path, outcome));
            } else {
                removal.left.insert(format!("{name}/"));
            }
        }
        Ok(removal)
    }

    /// Everything that is there and not in the project.
    ///
    /// Errors: what is there is not known, or too much to be listed.
    pub(super) fn of_all(
        context: &PlanContext<'_>,
        top: &str,
        source: &Source<'_>,
        stays: impl Fn(&str) -> bool,
    ) -> Result<Self, Stop> {
        let below = |name: &str| format!("{}/{name}", top.trim_end_matches('/'));
        let listing = context.get(ListingKey(top))?;
        if !listing.is_complete {
            let title = format!("`{top}` contains too much for `delete = \"all\"`");
            return Err(context
                .refuse("delete", title, "more files and directories than homelab lists")
                .hint("use `delete = \"recorded\"`, or sync a directory that contains less"));
        }
        if let Some(name) = listing.unusable.iter().find(|name| !stays(name)) {
            let title = format!("`{top}` contains names that homelab does not remove");
            let label = format!("`{}` is not UTF-8 or has a control character", name.escape_debug());
            return Err(context
                .refuse("delete", title, label)
                .hint("rename or remove it on the host, or leave it out with `exclude` or `protect`"));
        }
        // A directory with something that stays is left, and so are those above it. Sockets, pipes and devices are used by the program
        // that made them.
        let staying = listing
            .entries
            .iter()
            .filter(|(name, kind)| **kind == EntryKind::Other || stays(name))
            .map(|(name, _)| name.as_str())
            .chain(listing.unusable.iter().map(String::as_str));
        let staying: BTreeSet<String> = staying.map(str::to_owned).collect();
        let above_staying = directories_of(staying.iter().map(String::as_str));
        let directories = directories_of(source.names());
        let is_kept = |name: &str, kind: EntryKind| {
            staying.contains(name)
                || above_staying.contains(name)
                || if source.contains(name) {
                    kind != EntryKind::Directory
                } else {
                    directories.contains(name) && kind != EntryKind::File
                }
        };
        let mut removal = Self::default();
        let mut whole: BTreeSet<&str> = BTreeSet::new();
        let mut paths = Vec::new();
        for (name, kind) in &listing.entries {
            let is_in_whole = name.match_indices('/').any(|(at, _)| whole.contains(&name[..at]));
            if is_kept(name, *kind) || is_in_whole {
                continue;
            }
            match kind {
                EntryKind::Directory => {
                    whole.insert(name);
                }
                EntryKind::File => removal.files.push(below(name)),
                EntryKind::Link => removal.links.push(below(name)),
                EntryKind::Other => continue,
            }
            paths.push(below(name));
        }
        for path in &paths {
            ask(context, path);
        }
        let mut first = None;
        for name in &whole {
            let _ = context.get(EntriesKey(&below(name)));
        }
        for name in whole {
            match directory::plan_removal(context, &below(name), true) {
                Ok(outcome) => removal.directories.push((below(name), outcome)),
                Err(stop) => later(stop, &mut first)?,
            }
        }
        first.map_or(Ok(removal), Err)
    }

    /// Takes out what has to leave first: files where the project has directories, and directories where it has files.
    pub(super) fn take_in_the_way(&mut self, top: &str, source: &Source<'_>) -> Self {
        let directories = directories_of(source.names());
        let name_of = |path: &str| path[top.trim_end_matches('/').len() + 1..].to_owned();
        let is_or_is_in_file = |path: &str| {
            let name = name_of(path);
            source.contains(&name) || name.match_indices('/').any(|(at, _)| source.contains(&name[..at]))
        };
        let is_in_the_way = |path: &str| is_or_is_in_file(path) || directories.contains(&name_of(path));
        Self {
            files: self.files.extract_if(.., |path| is_in_the_way(path)).collect(),
            links: self.links.extract_if(.., |path| is_or_is_in_file(path)).collect(),
            directories: self
                .directories
                .extract_if(.., |(path, _)| is_or_is_in_file(path))
                .collect(),
            left: BTreeSet::new(),
        }
    }

    /// Adds what is removed to the work of the operation.
    ///
    /// Errors: what is there is not known.
    pub(super) fn add_to(self, context: &PlanContext<'_>, work: &mut Work) -> Result<(), Stop> {
        let mut first = None;
        for path in &self.files {
            match plan_absent(context, path) {
                Ok(outcome) => work.add(context, outcome),
                Err(stop) => later(stop, &mut first)?,
            }
        }
        for path in self.links {
            match Link::absent(path).plan_absent(context) {
                Ok(outcome) => work.add(context, outcome),
                Err(stop) => later(stop, &mut first)?,
            }
        }
        for (_, outcome) in self.directories {
            work.add(context, outcome);
        }
        first.map_or(Ok(()), Err)
    }
}

/// Asks for all that the removal of a path relies on, so that it is read in one round.
fn ask(context: &PlanContext<'_>, path: &str) {
    let _ = context.get(PathKey(path));
    for path in [path, parent(path)] {
        let _ = context.get(MetadataKey(path));
    }
}

fn is_directory(context: &PlanContext<'_>, path: &str) -> Result<bool, Stop> {
    Ok(matches!(context.path(path)?, PathFact::Present(inode) if inode.kind == InodeKind::Directory))
}
