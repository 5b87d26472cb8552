//! Planning of the removal of a file, shared by the operations that remove one.

use super::whole_file::{before_attributed, expect, file_id, is_sensitive};
use crate::change::{Action, Attributes, Before, Outcome, Remove, ResourceChange, Risk, Step, Stop};
use crate::facts::overlay::Effect;
use crate::facts::path::{ContentFact, Inode, InodeKind, PathFact};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::value::Known;

/// Plans that there is no file at `path`. A link or a directory is no file.
pub(in crate::operations) fn plan_absent(context: &PlanContext<'_>, path: &str) -> Result<Outcome, Stop> {
    let path = context.resolve_parent(path)?;
    let PathFact::Present(inode) = context.path(&path)? else {
        return Ok(Outcome::Unchanged);
    };
    if !matches!(inode.kind, InodeKind::File { .. }) {
        return Ok(Outcome::Unchanged);
    }
    let (old, digest) = file_at(context, &path, &inode)?;
    let is_hidden = is_sensitive(old.mode) || context.sensitive() == Some(true);
    let before = before_attributed(context, &path, &old, digest, is_hidden)?;
    Ok(Outcome::Change(vec![ResourceChange {
        id: file_id(&path),
        action: Action::Remove,
        before: Before::Present(before),
        after: None,
        expect: vec![expect(&path, digest, old)],
        effects: vec![
            Effect::Set(FactKey::Path(path.clone()), Fact::Path(PathFact::Absent)),
            Effect::Set(FactKey::Content(path.clone()), Fact::Content(ContentFact::Absent)),
        ],
        steps: vec![Step::Remove(Remove { path })],
        risk: Risk::Removal,
        is_asked_as_before: false,
    }]))
}

/// Notes in the review what is at `path` if it is not the kind of thing that the operation removes, and how it is removed.
pub(in crate::operations) fn note_other_kind(context: &PlanContext<'_>, argument: &str, path: &str, removes: &str) {
    let Ok(path) = context.resolve_parent(path) else { return };
    let Ok(PathFact::Present(inode)) = context.path(&path) else {
        return;
    };
    let (operation, is_removed) = match inode.kind {
        InodeKind::File { .. } => ("files.file", removes == "a file"),
        InodeKind::Directory => ("files.directory", removes == "a directory"),
        InodeKind::Link { .. } => ("files.link", removes == "a link"),
        InodeKind::Other => ("", false),
    };
    if is_removed {
        return;
    }
    let what = inode.describe();
    let how = match operation {
        "" => "homelab removes no such thing".to_owned(),
        operation => format!("`{operation}` with `present = false` removes it"),
    };
    context.notice_of(argument, &format!("`{path}` stays: it is {what}, not {removes}; {how}"));
}

/// Plans the same of a file that a program reads: a link in its place would still count, so it is refused.
pub(in crate::operations) fn plan_unread(
    context: &PlanContext<'_>,
    argument: &str,
    path: &str,
) -> Result<Outcome, Stop> {
    let there = context.resolve_parent(path)?;
    match context.path(&there)? {
        PathFact::Present(inode) if matches!(inode.kind, InodeKind::Link { .. }) => {
            let title = format!("`{there}` is not a file");
            let label = format!("this is {} on the host, and what it leads to counts", inode.describe());
            Err(context.refuse(argument, title, label).hint(format!(
                "remove it: `op = \"files.link\"`, `path = \"{there}\"`, `present = false`"
            )))
        }
        _ => plan_absent(context, path),
    }
}

pub(super) fn file_at<'a>(
    context: &PlanContext<'_>,
    path: &str,
    inode: &'a Inode,
) -> Result<(Attributes, &'a Known<String>), Stop> {
    let InodeKind::File { digest } = &inode.kind else {
        let label = format!("this is {} on the host", inode.describe());
        return Err(context
            .refuse("path", format!("`{path}` is not a file"), label)
            .hint("move it away first, or choose another path"));
    };
    let attributes = Attributes {
        owner: inode.owner.clone(),
        group: inode.group.clone(),
        mode: inode.mode,
    };
    Ok((attributes, digest))
}
