//! Where a path leads on a host. A link that another user planted is not followed.

use super::context::PlanContext;
use crate::change::Stop;
use crate::facts::path::{Inode, InodeKind, PathFact, Place, follow, parent};

/// The owner of a directory in which others may create entries, but not replace those of others.
const STICKY_FOR_ALL: u32 = 0o1002;

impl PlanContext<'_> {
    /// `path` with the links in its directory followed, but not a link at `path` itself.
    ///
    /// Errors: see [`PlanContext::resolve`].
    pub fn resolve_parent(&self, path: &str) -> Result<String, Stop> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let above = self.resolve(parent(path))?;
        Ok(format!("{}/{name}", above.trim_end_matches('/')))
    }

    /// `path` with all links followed, including the last.
    ///
    /// The part below an absent directory stays as written. Errors: a part of the path is not known, or a link is not to be trusted.
    pub fn resolve(&self, path: &str) -> Result<String, Stop> {
        let mut links: Vec<(String, Inode)> = Vec::new();
        let led = follow(path, |at, is_last| match self.path(at) {
            // The caller asks for the last part itself.
            Err(_) if is_last => Ok(Place::Nothing),
            Err(stop) => Err(stop),
            Ok(PathFact::Absent) => Ok(Place::Nothing),
            Ok(PathFact::Present(inode)) => Ok(match &inode.kind {
                InodeKind::Link { target } => {
                    let target = target.clone();
                    links.push((at.to_owned(), inode));
                    Place::Link(target)
                }
                _ => Place::Other,
            }),
        })?;
        for (link, inode) in &links {
            self.check_link(path, link, inode)?;
        }
        led.end.ok_or_else(|| self.endless(path))
    }

    /// Refuses a link that neither root, nor this user, nor the owner of what it leads to has created.
    fn check_link(&self, path: &str, link: &str, inode: &Inode) -> Result<(), Stop> {
        if self.is_trusted(&inode.owner) {
            return Ok(());
        }
        let (end, owner) = self.owner_of_end(link)?;
        let holder = match self.path(parent(link)) {
            Ok(PathFact::Present(holder)) => Some(holder),
            _ => None,
        };
        // The kernel's own rule, `fs.protected_symlinks`, in proc_sys_fs(5).
        let is_protected =
            holder.is_some_and(|holder| holder.mode & STICKY_FOR_ALL == STICKY_FOR_ALL && holder.owner != inode.owner);
        if owner.as_ref() == Some(&inode.owner) && !is_protected {
            return Ok(());
        }
        let of = owner.map_or_else(String::new, |owner| format!(", which belongs to `{owner}`"));
        let argument = self.argument_of(path);
        let title = format!("`{link}` is a link of `{}`, which is not followed", inode.owner);
        let label = if is_protected {
            format!("it is in `{}`, where every user can create links", parent(link))
        } else {
            format!("it leads to `{end}`{of}")
        };
        Err(self.refuse(&argument, title, label).hint(format!(
            "remove the link on the host, or write `{end}` if that is what you mean"
        )))
    }

    /// Where a link leads, and the owner of what is there: if nothing is, of the nearest directory above.
    fn owner_of_end(&self, link: &str) -> Result<(String, Option<String>), Stop> {
        let look = |at: &str, _| {
            Ok::<_, Stop>(match self.path(at) {
                Ok(PathFact::Present(Inode {
                    kind: InodeKind::Link { target },
                    ..
                })) => Place::Link(target),
                Ok(PathFact::Present(_)) => Place::Other,
                Ok(PathFact::Absent) | Err(_) => Place::Nothing,
            })
        };
        let end = follow(link, look)?.end.ok_or_else(|| self.endless(link))?;
        let mut at = end.as_str();
        loop {
            match self.path(at)? {
                PathFact::Present(inode) => return Ok((end.clone(), Some(inode.owner))),
                PathFact::Absent if at == "/" => return Ok((end.clone(), None)),
                PathFact::Absent => at = parent(at),
            }
        }
    }

    /// Whether a user is root or the one that homelab acts as: what they own, no other user has planted.
    pub(super) fn is_trusted(&self, owner: &str) -> bool {
        owner == "root" || owner == self.acting_user()
    }

    pub(super) fn acts_as_root(&self) -> bool {
        self.acting_user() == "root"
    }

    fn acting_user(&self) -> String {
        let unprivileged = self.session().and_then(|session| session.unprivileged);
        unprivileged.map_or_else(|| "root".to_owned(), |unprivileged| unprivileged.account.user)
    }

    fn endless(&self, path: &str) -> Stop {
        let argument = self.argument_of(path);
        let label = "the links lead in a circle, or to a name with a line break";
        self.refuse(&argument, format!("`{path}` cannot be followed"), label)
            .hint("look at the links with `namei -l` on the host, and remove the wrong one")
    }

    /// The argument that a path was written in.
    pub(super) fn argument_of(&self, path: &str) -> String {
        let is_it = |text: Option<&str>| text == Some(path);
        let written = self.arguments.iter().find(|(_, entry)| is_it(entry.value.as_str()));
        let usual = ["path", "dest", "home"];
        written.map_or_else(
            || {
                let given = usual.iter().find(|name| self.arguments.contains_key(**name));
                (*given.unwrap_or(&"path")).to_owned()
            },
            |(name, _)| name.clone(),
        )
    }
}

#[cfg(test)]
mod tests;
