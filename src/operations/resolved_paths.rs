//! What a change relies on besides its own path: the directories above, and who else may change them.

use super::context::PlanContext;
use crate::change::{
    Above, Attribute, Attributed, Before, End, Expect, FileNumber, NotKnown, Outcome, ResolvedPath, Step, Stop,
};
use crate::facts::path::{Inode, InodeKind, Metadata, MetadataKey, PathFact, ancestors, parent};
use crate::facts::place::DiskLocation;
use crate::facts::{Fact, FactKey};

const STICKY: u32 = 0o1000;
const WRITABLE_BY_OTHERS: u32 = 0o022;

impl PlanContext<'_> {
    /// Adds to the changes of an operation what its steps rely on.
    ///
    /// Errors: a change that other users could abuse.
    pub fn with_resolved_paths(&self, planned: Result<Outcome, Stop>) -> Result<Outcome, Stop> {
        let mut outcome = planned?;
        let (Outcome::Change(changes) | Outcome::Ensure { changes, .. }) = &mut outcome else {
            return Ok(outcome);
        };
        let written = self.written();
        for change in changes {
            if let Some(step) = change.steps.iter().find(|step| step.path().is_some()) {
                let mut resolved = self.resolved_path(step.path().unwrap_or_default())?;
                let metadata = match resolved.end {
                    End::Present { .. } => self.metadata(&resolved.path),
                    End::Absent | End::Unknown => Metadata::default(),
                };
                self.check_links(step, &resolved)?;
                self.check_metadata(step, &resolved, &metadata)?;
                self.check_parent(step, &resolved, &metadata)?;
                if let (Step::WriteFile(_), Before::Present(before), Some(after)) =
                    (step, &mut change.before, &mut change.after)
                {
                    resolved.in_place = metadata.is_mount;
                    describe(before, after, &resolved, &metadata);
                }
                // The review names the path that is changed; this is how to find it in the project.
                if let Some((written, ends)) = &written
                    && ends.contains(&change.id.name)
                {
                    let shown = match (&mut change.after, &mut change.before) {
                        (Some(after), _) => Some(after),
                        (None, Before::Present(before)) => Some(before),
                        _ => None,
                    };
                    shown.map(|shown| shown.insert("through", Attribute::known(written)));
                }
                change.expect.insert(0, Expect::ResolvedPath(Box::new(resolved)));
            }
            // The next change of the operation builds on this one.
            self.assume(change.effects.iter().cloned());
        }
        Ok(outcome)
    }

    /// The path of the operation as written, and where it leads with and without a link at its end, if links are on the way.
    fn written(&self) -> Option<(String, Vec<String>)> {
        let written = ["path", "dest"]
            .iter()
            .find_map(|name| self.arguments.get(*name)?.value.as_str())?;
        let name = written.rsplit('/').next().unwrap_or_default();
        let above = self.leads_to(parent(written)).pop();
        let beside = above.map(|above| format!("{}/{name}", above.trim_end_matches('/')));
        let ends: Vec<String> = self.leads_to(written).pop().into_iter().chain(beside).collect();
        (!ends.is_empty()).then(|| (written.to_owned(), ends))
    }

    /// What could prevent a change of what is at a path: nothing if an earlier operation creates it. The host is asked if it was
    /// not yet.
    pub(super) fn metadata(&self, path: &str) -> Metadata {
        let is_old = self.predicted_by(&FactKey::Path(path.to_owned())).is_none();
        let asked = is_old.then(|| self.get(MetadataKey(path)).ok());
        asked.flatten().unwrap_or_default()
    }

    /// Asks for what a change of the file at a path will need, so that it is read along with other facts.
    pub(super) fn metadata_with_parent(&self, path: &str) {
        self.metadata(path);
        self.metadata(parent(path));
    }

    fn check_metadata(&self, step: &Step, resolved: &ResolvedPath, metadata: &Metadata) -> Result<(), Stop> {
        let is_replaced = match step {
            Step::WriteFile(_) => resolved.is_open,
            Step::Link(_) | Step::Remove(_) | Step::RemoveDirectory(_) => true,
            _ => false,
        };
        let path = &resolved.path;
        self.check_own(&self.argument_of(path), path, metadata, is_replaced)
    }

    /// Refuses what the file or directory itself does not allow.
    fn check_own(&self, argument: &str, path: &str, metadata: &Metadata, is_replaced: bool) -> Result<(), Stop> {
        for (flag, word) in [('i', "immutable"), ('a', "append-only")] {
            if metadata.flags.contains(flag) {
                let label = format!("`lsattr` shows the flag `{flag}`, with which it cannot be changed");
                return Err(self
                    .refuse(argument, format!("`{path}` is {word}"), label)
                    .hint(format!("remove the flag first: `chattr -{flag} {path}`")));
            }
        }
        if metadata.is_mount && is_replaced {
            let label = "something is mounted there, so it cannot be removed or replaced";
            return Err(self
                .refuse(argument, format!("`{path}` is a mount point"), label)
                .hint(format!("unmount it first: `umount {path}`")));
        }
        Ok(())
    }

    /// Refuses what the directory above does not allow, not even to root.
    fn check_parent(&self, step: &Step, resolved: &ResolvedPath, own: &Metadata) -> Result<(), Stop> {
        let path = &resolved.path;
        let is_kept = match step {
            Step::SetAttributes(_) => true,
            Step::WriteFile(_) => own.is_mount && !resolved.is_open,
            _ => false,
        };
        let argument = self.argument_of(path);
        if is_kept {
            return self.check_is_mounted_writable(&argument, path, own);
        }
        let parent = parent(path);
        // For what is there it is read along with its own. What is created needs no further round, unless root may not create it.
        let above = match resolved.end {
            End::Absent | End::Unknown if !self.is_closed(parent) => Metadata::default(),
            _ => self.metadata(parent),
        };
        let is_only_added = matches!(step, Step::MakeDirectory(_)) && !resolved.is_open;
        self.check_is_mounted_writable(&argument, path, &above)?;
        self.check_above(&argument, parent, &above, is_only_added)
    }

    /// Refuses the directory that a program of the host is to create at a path, if nothing can be created there, not even by root.
    /// The program tries it out first, so that an append-only directory above is no place for it.
    pub(super) fn check_can_create(&self, argument: &str, path: &str) -> Result<(), Stop> {
        let parent = parent(path);
        let above = self.metadata(parent);
        self.check_is_mounted_writable(argument, path, &above)?;
        self.check_above(argument, parent, &above, false)
    }

    /// Refuses the directory that a program of the host is to remove, if it cannot be removed, not even by root.
    pub(super) fn check_can_remove(&self, argument: &str, path: &str) -> Result<(), Stop> {
        self.check_own(argument, path, &self.metadata(path), true)?;
        self.check_can_create(argument, path)
    }

    /// Whether not even root may write to a directory.
    fn is_closed(&self, directory: &str) -> bool {
        self.acts_as_root() && self.location(directory).is_some_and(|location| location.is_closed)
    }

    fn check_is_mounted_writable(&self, argument: &str, path: &str, metadata: &Metadata) -> Result<(), Stop> {
        let Some(mount) = &metadata.read_only else {
            return Ok(());
        };
        let title = format!("`{path}` is on a read-only file system");
        Err(self
            .refuse(argument, title, format!("`{mount}` is mounted read-only"))
            .hint(format!("remount it first: `mount -o remount,rw {mount}`")))
    }

    /// Refuses what the directory above does not allow.
    fn check_above(&self, argument: &str, parent: &str, above: &Metadata, is_only_added: bool) -> Result<(), Stop> {
        for (flag, word, consequence, holds) in [
            (
                'i',
                "immutable",
                "nothing in it can be created, replaced or removed",
                true,
            ),
            (
                'a',
                "append-only",
                "nothing in it can be replaced or removed",
                !is_only_added,
            ),
        ] {
            if holds && above.flags.contains(flag) {
                let title = format!("`{parent}` is {word}: {consequence}");
                let label = format!("`lsattr -d {parent}` shows the flag `{flag}`");
                return Err(self
                    .refuse(argument, title, label)
                    .hint(format!("remove the flag first: `chattr -{flag} {parent}`")));
            }
        }
        if self.is_closed(parent) && self.is_read(parent) {
            let title = format!("nothing in `{parent}` can be created, replaced or removed");
            let label = "not even root may write to this directory";
            let hint = if above.without_flags {
                format!(
                    "it may be immutable, which only `lsattr` shows: install `e2fsprogs`, then see `lsattr -d {parent}`; or see \
                     `findmnt -T {parent}`"
                )
            } else {
                format!("see `lsattr -d {parent}` and `findmnt -T {parent}` on the host")
            };
            return Err(self.refuse(argument, title, label).hint(hint));
        }
        Ok(())
    }

    /// Whether the metadata of a path were read: only then is it known that nothing in them is the reason.
    fn is_read(&self, path: &str) -> bool {
        self.overlay
            .borrow()
            .gathered(&FactKey::Metadata(path.to_owned()))
            .is_some()
    }

    fn check_links(&self, step: &Step, resolved: &ResolvedPath) -> Result<(), Stop> {
        match (step, &resolved.end) {
            (Step::SetAttributes(_), End::Present { links, .. })
                if *links > 1 && resolved.is_open && !self.is_directory(&resolved.path) =>
            {
                let title = format!(
                    "`{}` has {links} names, and other users can create names there",
                    resolved.path
                );
                let label = "owner and mode would change for all of its names";
                Err(self
                    .refuse(&self.argument_of(&resolved.path), title, label)
                    .hint(format!(
                        "find the others with `find / -xdev -samefile {}`, and remove those that are wrong",
                        resolved.path
                    )))
            }
            _ => Ok(()),
        }
    }

    fn is_directory(&self, path: &str) -> bool {
        matches!(self.path(path), Ok(PathFact::Present(inode)) if inode.kind == InodeKind::Directory)
    }

    /// The way to a path, refused where another user could have what is done there, the `work`, end elsewhere.
    pub(super) fn closed_path(&self, argument: &str, path: &str, work: &str, hint: &str) -> Result<ResolvedPath, Stop> {
        let way = self.resolved_path(path)?;
        if !way.is_open {
            return Ok(way);
        }
        // What an earlier operation may change is known after it.
        for above in ancestors(path) {
            self.path(&above)?;
        }
        let title = format!("other users can change the directory of `{path}`");
        let label = format!("one of them could have the {work} end elsewhere");
        Err(self.refuse(argument, title, label).hint(hint))
    }

    pub(super) fn resolved_path(&self, path: &str) -> Result<ResolvedPath, Stop> {
        let mut above = Vec::new();
        let mut is_open = false;
        // Directories in which no other user can replace a file of root, and their devices.
        let mut safe: Vec<(String, Option<u64>)> = Vec::new();
        let directories = ancestors(path);
        let found: Vec<Option<Inode>> = directories
            .iter()
            .map(|directory| self.directory_at(directory))
            .collect::<Result<_, _>>()?;
        for (at, (directory, inode)) in directories.iter().zip(&found).enumerate() {
            let Some(inode) = inode else {
                is_open = true;
                continue;
            };
            let location = self.location(directory);
            above.push(Above {
                path: directory.clone(),
                number: location.and_then(number),
                owner: inode.owner.clone(),
                mode: inode.mode,
            });
            let is_writable = !self.is_trusted(&inode.owner) || inode.mode & WRITABLE_BY_OTHERS != 0;
            let is_sticky = self.is_trusted(&inode.owner) && inode.mode & STICKY != 0;
            if !is_open && (!is_writable || is_sticky) {
                safe.push((directory.clone(), location.map(|location| location.device)));
            }
            // In a sticky directory, no other user can replace what this user owns.
            let next = found.get(at + 1).and_then(Option::as_ref);
            let is_kept = is_sticky && next.is_some_and(|next| self.is_trusted(&next.owner));
            is_open |= is_writable && !is_kept;
        }
        let device = self.location(parent(path)).map(|location| location.device);
        let safe = safe.pop().filter(|(_, of)| of.is_some() && *of == device);
        Ok(ResolvedPath {
            path: path.to_owned(),
            above,
            is_open: is_open && self.acts_as_root(),
            end: self.end(path)?,
            in_place: false,
            safe: safe.map(|(directory, _)| directory),
        })
    }

    /// The directory at a path; `None` if an earlier operation may change what is there.
    fn directory_at(&self, path: &str) -> Result<Option<Inode>, Stop> {
        Ok(match self.known(path)? {
            Some(PathFact::Present(inode)) if inode.kind == InodeKind::Directory => Some(inode),
            _ => None,
        })
    }

    fn end(&self, path: &str) -> Result<End, Stop> {
        Ok(match self.known(path)? {
            None => End::Unknown,
            Some(PathFact::Absent) => End::Absent,
            Some(PathFact::Present(inode)) => {
                let location = self.location(path);
                End::Present {
                    number: location.and_then(number),
                    owner: inode.owner,
                    mode: inode.mode,
                    links: location.map_or(1, |location| location.links.max(1)),
                }
            }
        })
    }

    fn known(&self, path: &str) -> Result<Option<PathFact>, Stop> {
        match self.path(path) {
            Ok(fact) => Ok(Some(fact)),
            Err(Stop::NotKnown {
                cause: NotKnown::Since(..) | NotKnown::Denied(_),
                ..
            }) => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    /// Where a path was before any operation, if none creates it anew.
    fn location(&self, path: &str) -> Option<DiskLocation> {
        if self.predicted_by(&FactKey::Path(path.to_owned())).is_some() {
            return None;
        }
        match self.overlay.borrow().gathered(&FactKey::DiskLocation(path.to_owned())) {
            Some(Fact::DiskLocation(location)) => *location,
            _ => None,
        }
    }
}

/// What does not stay as it was although no parameter asks for it.
fn describe(before: &mut Attributed, after: &mut Attributed, resolved: &ResolvedPath, metadata: &Metadata) {
    if resolved.in_place {
        after.insert("written", Attribute::known("in place, as it is a mount point"));
        return;
    }
    if let End::Present { links, .. } = resolved.end
        && links > 1
    {
        before.insert("hard links", Attribute::known(links.to_string()));
        after.insert("hard links", Attribute::known("1"));
    }
    if !metadata.flags.is_empty() {
        before.insert("flags", Attribute::known(&metadata.flags));
        after.insert("flags", Attribute::known("none"));
    }
}

fn number(location: DiskLocation) -> Option<FileNumber> {
    (location.inode != 0).then_some(FileNumber {
        device: location.device,
        inode: location.inode,
    })
}

#[cfg(test)]
mod tests;
