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
    directories: Vec<Outcome>,
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
                removal.directories.push(directory::plan_emptied(context, &path)?);
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
        // A directory with something that stays is left, and so are those above it.
        let staying = listing.entries.keys().filter(|name| stays(name)).map(String::as_str);
        let names: Vec<&str> = source.names().chain(staying).collect();
        let mut kept = directories_of(names.iter().copied());
        kept.extend(names.into_iter().map(str::to_owned));
        let mut removal = Self::default();
        let mut whole: BTreeSet<&str> = BTreeSet::new();
        let mut paths = Vec::new();
        for (name, kind) in &listing.entries {
            let is_in_whole = name.match_indices('/').any(|(at, _)| whole.contains(&name[..at]));
            if kept.contains(name) || is_in_whole {
                continue;
            }
            match kind {
                EntryKind::Directory => {
                    whole.insert(name);
                }
                EntryKind::File => removal.files.push(below(name)),
                EntryKind::Link => removal.links.push(below(name)),
                // A program made it, and uses it.
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
                Ok(outcome) => removal.directories.push(outcome),
                Err(stop) => later(stop, &mut first)?,
            }
        }
        first.map_or(Ok(removal), Err)
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
        for outcome in self.directories {
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
