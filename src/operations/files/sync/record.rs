//! The record of what homelab wrote, kept on the host.
//!
//! It is written before the first file with everything that may be there from then on, and again after the last removal: so a run
//! that is cut off leaves no file that no record names.

use std::collections::BTreeSet;

use super::source::{Source, directories_of};
use crate::change::{Action, Attributes, Before, Outcome, ResourceKind, Step, Stop, WriteRecord};
use crate::content::Content;
use crate::facts::overlay::Effect;
use crate::facts::owed::STATE_FOLDER;
use crate::facts::path::{ContentFact, ContentKey, Inode, InodeKind, PathFact, is_below};
use crate::facts::session::Session;
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::operations::work::Work;
use crate::secret::sha256_hex;
use crate::value::Known;

/// The first line of a record.
const TITLE: &str = "# what homelab wrote with files.sync";

/// Where what is written from `src` to `dest` is recorded.
pub(super) fn record_path(session: Option<&Session>, src: &str, dest: &str) -> String {
    let unprivileged = session.and_then(|session| session.unprivileged.as_ref());
    let folder = unprivileged.map_or(STATE_FOLDER, |user| &user.state_folder);
    let both = format!("{}\0{}", src.trim_end_matches('/'), dest.trim_end_matches('/'));
    format!("{folder}/sync/{}", &sha256_hex(both.as_bytes())[..32])
}

pub(super) struct Record {
    path: String,
    attributes: Attributes,
}

impl Record {
    pub(super) fn of(context: &PlanContext<'_>, src: &str, dest: &str) -> Self {
        let session = context.session();
        let account = session
            .as_ref()
            .and_then(|session| session.unprivileged.as_ref())
            .map(|user| &user.account);
        let root = || "root".to_owned();
        Self {
            path: record_path(session.as_ref(), src, dest),
            attributes: Attributes {
                owner: account.map_or_else(root, |account| account.user.clone()),
                group: account.map_or_else(root, |account| account.group.clone()),
                mode: 0o600,
            },
        }
    }

    /// The recorded paths below the destination; those of directories end in `/`.
    ///
    /// Errors: it is not known.
    pub(super) fn read(&self, context: &PlanContext<'_>) -> Result<BTreeSet<String>, Stop> {
        // In the same round.
        let fact = context.path(&self.path);
        let content = context.get(ContentKey(&self.path));
        if !matches!(fact?, PathFact::Present(_)) {
            return Ok(BTreeSet::new());
        }
        let ContentFact::Bytes(bytes) = content? else {
            return Ok(BTreeSet::new());
        };
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return Ok(BTreeSet::new());
        }
        Ok(lines.filter(|line| is_plain(line)).map(str::to_owned).collect())
    }

    /// The work, with the steps that keep the record true before and after it. `stays` says what else of the old record stays. Directories
    /// in `filled`, which others fill, are in no record.
    pub(super) fn kept_along(
        &self,
        old: &BTreeSet<String>,
        source: &Source<'_>,
        (top, filled): (&str, &BTreeSet<String>),
        stays: impl Fn(&str) -> bool,
        mut work: Work,
    ) -> Outcome {
        let directories = directories_of(source.names());
        let is_in_source = |name: &str| match name.strip_suffix('/') {
            Some(directory) => directories.contains(directory),
            None => source.contains(name),
        };
        let mut new: BTreeSet<String> = old
            .iter()
            .filter(|name| is_in_source(name) || stays(name))
            .cloned()
            .collect();
        for change in &work.changes {
            let is_written = match change.id.kind {
                ResourceKind::File => change.action != Action::Remove,
                ResourceKind::Directory => change.action == Action::Create && change.before == Before::Absent,
                _ => false,
            };
            let end = if change.id.kind == ResourceKind::Directory {
                "/"
            } else {
                ""
            };
            let below = change.id.name.strip_prefix(top.trim_end_matches('/'));
            let name = below.and_then(|rest| rest.strip_prefix('/'));
            let is_kept = |name: &str| is_written && !name.is_empty() && !filled.contains(name);
            if let Some(name) = name.filter(|name| is_kept(name) && is_below(&change.id.name, top)) {
                new.insert(format!("{name}{end}"));
            }
        }
        let all: BTreeSet<String> = old.union(&new).cloned().collect();
        if all != *old
            && let Some(first) = work.changes.first_mut()
        {
            first.steps.insert(0, self.write(&all));
            first.effects.extend(self.effects(&all));
        }
        if new != all
            && let Some(last) = work.changes.last_mut()
        {
            last.steps.push(self.write(&new));
            last.effects.extend(self.effects(&new));
        }
        work.outcome()
    }

    fn write(&self, names: &BTreeSet<String>) -> Step {
        Step::WriteRecord(WriteRecord {
            path: self.path.clone(),
            content: content(names),
            attributes: self.attributes.clone(),
        })
    }

    fn effects(&self, names: &BTreeSet<String>) -> [Effect; 2] {
        let content = content(names);
        let inode = Inode {
            owner_id: None,
            group_id: None,
            kind: InodeKind::File {
                digest: Known::Yes(content.sha256().to_owned()),
            },
            owner: self.attributes.owner.clone(),
            group: self.attributes.group.clone(),
            mode: self.attributes.mode,
        };
        let bytes = content.bytes().unwrap_or_default().to_vec();
        [
            Effect::Set(FactKey::Path(self.path.clone()), Fact::Path(PathFact::Present(inode))),
            Effect::Set(
                FactKey::Content(self.path.clone()),
                Fact::Content(ContentFact::Bytes(bytes)),
            ),
        ]
    }
}

fn content(names: &BTreeSet<String>) -> Content {
    let lines = [TITLE].into_iter().chain(names.iter().map(String::as_str)).chain([""]);
    Content::new(lines.collect::<Vec<_>>().join("\n").into_bytes())
}

/// Whether a recorded path leads nowhere else than below the destination.
fn is_plain(name: &str) -> bool {
    let name = name.strip_suffix('/').unwrap_or(name);
    name.split('/')
        .all(|part| !part.is_empty() && part != "." && part != "..")
}
