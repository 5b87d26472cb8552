//! Effects in order, indexed by key.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Effect, FactScope, OperationId};
use crate::facts::FactKey;
use crate::facts::path::ancestors;

/// An effect and its operation.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) operation: OperationId,
    pub(super) effect: Effect,
}

/// Effects in order. The positions in each list are ascending.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    entries: Vec<Entry>,
    set: HashMap<FactKey, Vec<usize>>,
    /// By key; all keys of one path share an entry.
    forgotten: HashMap<FactKey, Vec<usize>>,
    trees: HashMap<String, Vec<usize>>,
    /// Positions of effects whose scope is not indexed by key.
    wide: Vec<usize>,
    /// Positions of effects that may change files of units.
    unit_files: Vec<usize>,
}

impl Log {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The first `end` entries.
    pub(super) fn entries(&self, end: usize) -> &[Entry] {
        &self.entries[..end.min(self.entries.len())]
    }

    pub(super) fn extend(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            let at = self.entries.len();
            let positions = match &entry.effect {
                Effect::Set(key, _) => self.set.entry(key.clone()).or_default(),
                Effect::Forget(FactScope::Key(key), _) => self.forgotten.entry(place_of(key).into_owned()).or_default(),
                Effect::Forget(FactScope::Tree(top), _) => self.trees.entry(name_of(top).to_owned()).or_default(),
                Effect::Forget(..) => &mut self.wide,
            };
            positions.push(at);
            if entry.effect.may_change_unit_files() {
                self.unit_files.push(at);
            }
            self.entries.push(entry);
        }
    }

    /// The latest of the first `end` entries that sets `key`.
    pub(super) fn set(&self, key: &FactKey, end: usize) -> Option<&Entry> {
        latest(self.set.get(key), end).map(|at| &self.entries[at])
    }

    /// The latest of the first `end` entries that affects `key`, with its position. `as_now` leaves out what may change.
    pub(super) fn newest(&self, key: &FactKey, end: usize, as_now: bool) -> Option<(usize, &Entry)> {
        if self.entries.is_empty() || end == 0 {
            return None;
        }
        let set = latest(self.set.get(key), end);
        if as_now {
            return set.map(|at| (at, &self.entries[at]));
        }
        let forgotten = latest(self.forgotten.get(&place_of(key)), end);
        let tree = self.newest_tree(key, end);
        let known = set.max(forgotten).max(tree);
        let wide = &self.wide[..self.wide.partition_point(|at| *at < end)];
        let newer = wide.iter().rev().take_while(|at| Some(**at) > known);
        let wide = newer.copied().find(|at| match &self.entries[*at].effect {
            Effect::Forget(scope, _) => scope.covers(key),
            Effect::Set(..) => false,
        });
        let at = wide.or(known)?;
        Some((at, &self.entries[at]))
    }

    /// The latest of the first `end` entries that changes a file of `unit`, with its position. `as_now` leaves out what may
    /// change.
    pub(super) fn newest_file_change(&self, unit: &str, end: usize, as_now: bool) -> Option<(usize, &Entry)> {
        let before = &self.unit_files[..self.unit_files.partition_point(|at| *at < end)];
        let found = before.iter().rev().find(|at| {
            let effect = &self.entries[**at].effect;
            !(as_now && matches!(effect, Effect::Forget(..))) && effect.file_change(unit).is_some()
        })?;
        Some((*found, &self.entries[*found]))
    }

    fn newest_tree(&self, key: &FactKey, end: usize) -> Option<usize> {
        if self.trees.is_empty() {
            return None;
        }
        let path = key.path()?;
        let above = ancestors(path);
        let tops = above.iter().map(String::as_str).chain([path, "/"]);
        tops.filter_map(|top| latest(self.trees.get(top), end)).max()
    }
}

/// A directory's path as [`ancestors`] gives it.
fn name_of(top: &str) -> &str {
    match top.trim_end_matches('/') {
        "" => "/",
        name => name,
    }
}

/// All facts about a path are invalidated together.
fn place_of(key: &FactKey) -> Cow<'_, FactKey> {
    match (key, key.path()) {
        (FactKey::Path(_), _) | (_, None) => Cow::Borrowed(key),
        (_, Some(path)) => Cow::Owned(FactKey::Path(path.to_owned())),
    }
}

/// The last of `positions` before `end`.
fn latest(positions: Option<&Vec<usize>>, end: usize) -> Option<usize> {
    let positions = positions?;
    positions[..positions.partition_point(|at| *at < end)].last().copied()
}
