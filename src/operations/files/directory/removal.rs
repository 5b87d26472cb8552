//! The removal of a directory.

use super::shown::{attributed, directory_id};
use crate::change::{
    Action, Attribute, Attributes, Before, Expect, NotKnown, Outcome, RemoveDirectory, ResourceChange, Risk, Step, Stop,
};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{Entries, EntriesKey, Inode, InodeKind, PathFact, ancestors, is_below, parent};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;

/// Directories that a host cannot do without, besides all directly below `/`.
const NEEDED: [&str; 17] = [
    "/etc/apt",
    "/etc/network",
    "/etc/pam.d",
    "/etc/ssh",
    "/etc/systemd",
    "/etc/systemd/system",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local",
    "/usr/sbin",
    "/usr/share",
    "/var/cache",
    "/var/lib",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/log",
];

/// Plans that an empty directory goes, or one that is empty by then.
pub(in crate::operations::files) fn plan_emptied(context: &PlanContext<'_>, path: &str) -> Result<Outcome, Stop> {
    match context.path(path)? {
        PathFact::Present(inode) if inode.kind == InodeKind::Directory => {
            context.metadata(path);
            let change = change(path.to_owned(), &inode, &Entries::default(), false);
            Ok(Outcome::Change(vec![change]))
        }
        _ => Ok(Outcome::Unchanged),
    }
}

pub(in crate::operations::files) fn plan(
    context: &PlanContext<'_>,
    written: &str,
    recursive: bool,
) -> Result<Outcome, Stop> {
    check_needed(context, written)?;
    let path = context.resolve_parent(written)?;
    check_needed(context, &path)?;
    let inode = match context.path(&path)? {
        PathFact::Present(inode) if inode.kind == InodeKind::Directory => inode,
        _ => return Ok(Outcome::Unchanged),
    };
    let metadata = context.metadata(&path);
    let entries = match context.get(EntriesKey(&path)) {
        Err(Stop::NotKnown {
            cause: NotKnown::Since(..),
            ..
        }) if !recursive && !metadata.is_mount && is_emptied(context, &path) => return plan_emptied(context, &path),
        entries => entries?,
    };
    if metadata.is_mount || entries.has_mounts {
        let title = format!("something is mounted at `{path}` or below");
        return Err(context
            .refuse("path", title, "what is mounted would be removed too")
            .hint(format!("unmount it first: `findmnt -R {path}` lists what is mounted")));
    }
    if entries.count > 0 && !recursive {
        let title = format!("directory `{path}` is not empty");
        let label = format!("contains {}", counted(&entries));
        return Err(context
            .refuse("path", title, label)
            .hint("add `recursive = true` to remove it with everything in it"));
    }
    Ok(Outcome::Change(vec![change(path, &inode, &entries, recursive)]))
}

/// Whether earlier operations remove all that is in a directory.
fn is_emptied(context: &PlanContext<'_>, path: &str) -> bool {
    let Some(Fact::Listing(listing)) = context.ask(FactKey::Listing(path.to_owned())) else {
        return false;
    };
    let is_absent =
        |path: &str| context.known_fact(&FactKey::Path(path.to_owned())) == Some(Fact::Path(PathFact::Absent));
    let is_gone = |name: &String| {
        let own = format!("{}/{name}", path.trim_end_matches('/'));
        let above = ancestors(&own);
        is_absent(&own)
            || above
                .iter()
                .any(|way| is_below(way, path) && way != path && is_absent(way))
    };
    let has_mounts = match context.ask(FactKey::Entries(path.to_owned())) {
        Some(Fact::Entries(entries)) => entries.has_mounts,
        _ => true,
    };
    !has_mounts && listing.is_complete && listing.unusable.is_empty() && listing.entries.keys().all(is_gone)
}

fn change(path: String, inode: &Inode, entries: &Entries, recursive: bool) -> ResourceChange {
    let attributes = Attributes {
        owner: inode.owner.clone(),
        group: inode.group.clone(),
        mode: inode.mode,
    };
    let mut before = attributed(&attributes);
    if entries.count > 0 {
        before.insert("contains", Attribute::known(counted(entries)));
    }
    let names = entries.digest.as_ref().filter(|_| recursive);
    let expect = [Expect::Directory {
        path: path.clone(),
        attributes,
    }]
    .into_iter()
    .chain(names.map(|digest| Expect::Names {
        path: path.clone(),
        digest: digest.clone(),
    }))
    .collect();
    // What is below one that is empty does not change, such as the units that would have drop-ins there.
    let emptied = if recursive {
        FactScope::Tree(path.clone())
    } else {
        FactScope::Key(FactKey::Listing(path.clone()))
    };
    ResourceChange {
        id: directory_id(&path),
        action: Action::Remove,
        before: Before::Present(before),
        after: None,
        expect,
        effects: vec![
            Effect::Forget(emptied, "its directory is removed".to_owned()),
            Effect::Set(FactKey::Path(path.clone()), Fact::Path(PathFact::Absent)),
        ],
        steps: vec![Step::RemoveDirectory(RemoveDirectory { path, recursive })],
        risk: Risk::Removal,
        is_asked_as_before: false,
    }
}

fn counted(entries: &Entries) -> String {
    match entries.count {
        1 => "1 file or directory".to_owned(),
        Entries::MOST.. => format!("{} files and directories or more", Entries::MOST),
        count => format!("{count} files and directories"),
    }
}

/// Whether a directory is one that systems have, which is never removed.
pub fn is_needed(path: &str) -> bool {
    parent(path) == "/" || NEEDED.contains(&path)
}

fn check_needed(context: &PlanContext<'_>, path: &str) -> Result<(), Stop> {
    if !is_needed(path) {
        return Ok(());
    }
    let title = format!("`{path}` is a directory of the system");
    Err(context
        .refuse("path", title, "homelab does not remove it")
        .hint("name the directories in it that are to be removed"))
}
