//! What a review shows of a working tree.

use super::{Repo, Seen, wrong_source};
use crate::change::{Attribute, Attributed};
use crate::facts::git::MOST;

/// A commit as it is shown.
fn short(commit: &str) -> Attribute {
    Attribute::known(commit.chars().take(12).collect::<String>())
}

impl Repo {
    /// The branch to be on; `None` for a revision, or if the source has no default branch.
    pub(super) fn followed<'a>(&'a self, seen: &'a Seen) -> Option<&'a str> {
        match &self.revision {
            None => self.branch.as_deref().or(seen.default.as_deref()),
            Some(_) => None,
        }
    }

    /// The tree as it is and as it becomes.
    pub(super) fn shown(
        &self,
        seen: &Seen,
        commit: Option<&str>,
        later: Option<&str>,
        is_repository: bool,
    ) -> (Attributed, Attributed) {
        let (mut before, mut after) = (Attributed::new(), Attributed::new());
        if seen.origin != self.src || !is_repository {
            if wrong_source(&seen.origin).is_none() {
                before.insert("source", Attribute::known(&seen.origin));
            } else if is_repository {
                // It may have a password in it.
                before.insert("source", Attribute::Described("another".to_owned()));
            }
            after.insert("source", Attribute::known(&self.src));
        }
        if !is_repository {
            for (name, value) in [("branch", self.followed(seen)), ("revision", self.revision.as_deref())] {
                if let Some(value) = value {
                    after.insert(name, Attribute::known(value));
                }
            }
            if let Some(depth) = self.depth {
                after.insert("depth", Attribute::known(depth.to_string()));
            }
            if self.submodules {
                after.insert("submodules", Attribute::known("checked out"));
            }
        }
        if let Some(head) = &seen.head {
            before.insert("commit", short(head));
        }
        match (commit, later) {
            (Some(commit), _) => drop(after.insert("commit", short(commit))),
            (None, Some(why)) => drop(after.insert("commit", Attribute::Unknown(why.to_owned()))),
            (None, None) => {}
        }
        if !is_repository {
            return (before, after);
        }
        let mut differs = |name, old: String, new: &str| {
            before.insert(name, Attribute::known(old));
            after.insert(name, Attribute::known(new));
        };
        if let Some(branch) = self.followed(seen)
            && seen.branch.as_deref() != Some(branch)
        {
            differs(
                "branch",
                seen.branch.clone().unwrap_or_else(|| "none".to_owned()),
                branch,
            );
        }
        if !seen.changed.is_empty() {
            let more = if seen.changed.len() < MOST { "" } else { " and more" };
            let changed = seen.changed.join(", ") + more;
            if seen.interrupted && !self.clean {
                differs("interrupted update", changed, "checked out again");
            } else {
                differs("local changes", changed, "discarded");
            }
        }
        if seen.commits > 0 {
            differs("local commits", seen.commits.to_string(), "discarded");
        }
        if !seen.submodules.is_empty() {
            differs(
                "submodules",
                format!("not as recorded: {}", seen.submodules.join(", ")),
                "checked out",
            );
        }
        (before, after)
    }
}
