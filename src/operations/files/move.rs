//! `files.move`: move a file or directory of the host.
//!
//! ```toml
//! [[operation]]
//! op = "files.move"
//! src = "/srv/data-old"
//! dest = "/srv/data"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::parameters::{check_path, link_and_ancestors, octal};
use super::whole_file::check_parent;
use crate::change::{
    Action, Attribute, Attributes, Before, Expect, MovePath, Outcome, ResolvedPath, ResourceChange, ResourceId,
    ResourceKind, Risk, Step, Stop,
};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::path::{ContentFact, EntriesKey, Inode, InodeKind, PathFact, is_below, is_of_system, parent};
use crate::facts::place::DiskLocationKey;
use crate::facts::{Fact, FactKey};
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Known;

const CLOSED: &str = "move it by hand, or copy it with `files.copy` and remove the old one with `files.file`";

/// Parameters of `files.move`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Move {
    /// Absolute path on the host of what is moved.
    src: String,
    /// Absolute path on the host that it gets. Nothing is replaced.
    dest: String,
}

impl Define for Move {
    const NAME: &'static str = "files.move";
    const SUMMARY: &'static str = "Move a file or directory of the host";
    const MAIN_ARGUMENT: &'static str = "dest";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "files.move"
src = "/srv/data-old"
dest = "/srv/data"
"#;
}

impl Operation for Move {
    fn needs(&self) -> Vec<FactKey> {
        [&self.src, &self.dest]
            .into_iter()
            .flat_map(|path| link_and_ancestors(path))
            .collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        vec![FactScope::Tree(self.src.clone()), FactScope::Tree(self.dest.clone())]
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check_path(context, "src", &self.src)?;
        check_path(context, "dest", &self.dest)?;
        if is_below(&self.dest, &self.src) || is_below(&self.src, &self.dest) {
            return Err(context
                .refuse("dest", "`src` and `dest` contain each other", "one is in the other")
                .hint("choose another path"));
        }
        let src = context.resolve_parent(&self.src)?;
        if is_of_system(&src) {
            return Err(context
                .refuse(
                    "src",
                    format!("`{src}` cannot be moved"),
                    "the running system needs it there",
                )
                .hint("move what is in it"));
        }
        let dest = context.resolve_parent(&self.dest)?;
        let (there, wanted) = (context.path(&src), context.path(&dest));
        match (there?, wanted?) {
            (PathFact::Absent, PathFact::Present(_)) => Ok(Outcome::Unchanged),
            (PathFact::Absent, PathFact::Absent) => {
                let title = format!("neither `{src}` nor `{dest}` exists");
                let mistake = context.mistake("src", title, "nothing to move on the host");
                Err(Stop::Refused(Box::new(
                    mistake.hint("correct the path, or remove the operation"),
                )))
            }
            (PathFact::Present(_), PathFact::Present(_)) => Err(context
                .refuse(
                    "dest",
                    format!("`{src}` and `{dest}` both exist"),
                    "nothing is replaced",
                )
                .hint("remove one of them on the host")),
            (PathFact::Present(inode), PathFact::Absent) => {
                check_parent(context, "dest", &dest)?;
                check_mounts(context, &src, &dest, &inode)?;
                let closed = |argument, path| context.closed_path(argument, path, "move", CLOSED);
                let ways = [closed("src", &src)?, closed("dest", &dest)?];
                Ok(Outcome::Change(vec![change(src, dest, &inode, ways)]))
            }
        }
    }
}

/// Refuses what is mounted, and what would take along what is mounted in it: it cannot be renamed to another file system.
fn check_mounts(context: &PlanContext<'_>, src: &str, dest: &str, inode: &Inode) -> Result<(), Stop> {
    let metadata = context.metadata(src);
    let refused = |title: String, label: &str, hint: String| Err(context.refuse("src", title, label).hint(hint));
    if metadata.is_mount {
        let title = format!("something is mounted on `{src}`");
        let hint = "mount it elsewhere with `server.mount`, or move what is in it".to_owned();
        return refused(title, "a mount point cannot be moved", hint);
    }
    if inode.kind != InodeKind::Directory || !leads_to_other_disk(context, src, parent(dest)) {
        return Ok(());
    }
    if context.get(EntriesKey(src))?.has_mounts {
        let title = format!("something is mounted below `{src}`");
        let hint = format!("unmount it first: `findmnt -R {src}` lists what is mounted");
        return refused(
            title,
            "`dest` is on another file system, so it would have to be copied",
            hint,
        );
    }
    Ok(())
}

/// Whether two paths that are there are on different file systems.
fn leads_to_other_disk(context: &PlanContext<'_>, one: &str, other: &str) -> bool {
    let device = |path: &str| match context.get(DiskLocationKey(path)) {
        Ok(Some(location)) => Some(location.device),
        _ => None,
    };
    matches!((device(one), device(other)), (Some(one), Some(other)) if one != other)
}

fn change(src: String, dest: String, inode: &Inode, ways: [ResolvedPath; 2]) -> ResourceChange {
    let attributes = Attributes {
        owner: inode.owner.clone(),
        group: inode.group.clone(),
        mode: inode.mode,
    };
    let (kind, as_reviewed) = match &inode.kind {
        InodeKind::Directory => (
            ResourceKind::Directory,
            Some(Expect::Directory {
                path: src.clone(),
                attributes: attributes.clone(),
            }),
        ),
        InodeKind::Link { target } => (
            ResourceKind::Link,
            Some(Expect::Link {
                path: src.clone(),
                target: target.clone(),
            }),
        ),
        InodeKind::File { digest } => (
            ResourceKind::File,
            Some(Expect::File {
                path: src.clone(),
                digest: match digest {
                    Known::Yes(digest) => Some(digest.clone()),
                    Known::No(_) => None,
                },
                attributes: attributes.clone(),
            }),
        ),
        InodeKind::Other => (ResourceKind::File, None),
    };
    let [way_from, _] = ways;
    let why = "it is moved".to_owned();
    let after = [
        ("mode", Attribute::known(octal(attributes.mode))),
        ("owner", Attribute::known(&attributes.owner)),
        ("group", Attribute::known(&attributes.group)),
        ("moved from", Attribute::known(&src)),
    ];
    let mut effects = vec![
        Effect::Forget(FactScope::Tree(src.clone()), why.clone()),
        Effect::Forget(FactScope::Tree(dest.clone()), why),
        Effect::Set(FactKey::Path(src.clone()), Fact::Path(PathFact::Absent)),
        Effect::Set(
            FactKey::Path(dest.clone()),
            Fact::Path(PathFact::Present(inode.clone())),
        ),
    ];
    if !matches!(inode.kind, InodeKind::Directory) {
        effects.push(Effect::Set(
            FactKey::Content(src.clone()),
            Fact::Content(ContentFact::Absent),
        ));
    }
    ResourceChange {
        id: ResourceId {
            kind,
            name: dest.clone(),
        },
        action: Action::Create,
        before: Before::Absent,
        after: Some(after.into_iter().collect()),
        expect: [Expect::ResolvedPath(Box::new(way_from))]
            .into_iter()
            .chain(as_reviewed)
            .chain([Expect::Absent { path: dest.clone() }])
            .collect(),
        effects,
        steps: vec![Step::MovePath(MovePath {
            from: src,
            path: dest,
            owner: attributes.owner,
            group: attributes.group,
        })],
        risk: Risk::None,
        is_asked_as_before: false,
    }
}
