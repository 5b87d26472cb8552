//! Directories in which one operation removes, or writes again, what another one writes: no run would be quiet.

use super::PlannedOperation;
use super::demands::Demanded;
use crate::error::Diagnostic;
use crate::facts::FactKey;
use crate::facts::overlay::FactScope;
use crate::facts::path::is_below;
use crate::operations::Tree;

/// What an operation of the plan occupies.
pub(super) struct Occupied {
    /// Of the operation, in the plan.
    pub(super) position: usize,
    pub(super) trees: Vec<Tree>,
    /// Everything that it may change.
    pub(super) touches: Vec<FactScope>,
}

/// What happens to a path that two operations are about.
enum Clash {
    Removed(String),
    Restored(String),
}

/// A mistake for each operation that removes or writes again what another one writes.
pub(super) fn shared_trees(
    planned: &[PlannedOperation],
    occupied: &[Occupied],
    demanded: &[Demanded],
) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    for owner in occupied {
        for tree in &owner.trees {
            let others = occupied.iter().filter(|other| other.position != owner.position);
            let clash = others.filter_map(|other| Some((other.position, clash(tree, other, demanded)?)));
            let found = clash.map(|(other, clash)| mistake(&planned[owner.position], &planned[other], &clash));
            mistakes.extend(found.take(1));
        }
    }
    mistakes
}

/// The first path of `other` that `tree` does not leave as it is.
fn clash(tree: &Tree, other: &Occupied, demanded: &[Demanded]) -> Option<Clash> {
    let from_there = |path: &str| {
        let rest = is_below(path, &tree.path).then(|| &path[tree.path.len().min(path.len())..])?;
        Some(rest.trim_start_matches('/').to_owned()).filter(|rest| !rest.is_empty())
    };
    let is_removed = |path: &str| {
        let stays = tree.stays.as_ref()?;
        from_there(path).filter(|rest| !stays(rest))
    };
    let removes = |path: &str| {
        let is_absent = |(position, demand): &&Demanded| {
            *position == other.position
                && demand.resource.name == path
                && demand.property == "present"
                && demand.value == "false"
        };
        demanded.iter().find(is_absent).is_some()
    };
    let touched = other.touches.iter().filter_map(|scope| match scope {
        FactScope::Key(FactKey::Path(path)) => Some(path.as_str()),
        _ => None,
    });
    for path in touched.filter(|path| !removes(path)) {
        if is_removed(path).is_some() {
            return Some(Clash::Removed(path.to_owned()));
        }
        if from_there(path).is_some_and(|rest| tree.restores.contains(&rest)) {
            return Some(Clash::Restored(path.to_owned()));
        }
    }
    other.trees.iter().find_map(|inner| {
        let top = inner.path.trim_end_matches('/');
        match &inner.files {
            Some(files) => {
                let mut paths = files.iter().map(|name| format!("{top}/{name}"));
                paths.find(|path| is_removed(path).is_some()).map(Clash::Removed)
            }
            None if tree.stays.is_some() && inner.path == tree.path => Some(Clash::Removed(inner.path.clone())),
            None => is_removed(&inner.path).map(|_| Clash::Removed(inner.path.clone())),
        }
    })
}

fn mistake(owner: &PlannedOperation, other: &PlannedOperation, clash: &Clash) -> Diagnostic {
    let (own_name, other_name) = (owner.id.slug(), other.id.slug());
    match clash {
        Clash::Removed(path) => Diagnostic::new(format!("`{own_name}` removes what `{other_name}` writes"))
            .at(
                &owner.origin,
                format!("this removes `{path}`: it is not in the project's folder"),
            )
            .at(&other.origin, "and this writes it")
            .hint("add it to `protect`, put it into that folder, or use `delete = \"recorded\"`"),
        Clash::Restored(path) => Diagnostic::new(format!("`{own_name}` and `{other_name}` undo each other"))
            .at(
                &owner.origin,
                format!("this writes `{path}`, and again once it has changed"),
            )
            .at(&other.origin, "and this changes it")
            .hint("leave it out with `exclude`, or remove one of the two"),
    }
}
