//! Two trees of values, compared.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::tree::{Entry, Node};

/// Longer lists are not compared, in items of both sides.
const MOST_ITEMS: usize = 4000;
/// What items of a list may be named by, the first that names all of them.
const NAMES: [&str; 5] = ["name", "job_name", "id", "alias", "uid"];

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// The item of a list with this index: in the old text if it is removed, in the new one if it is added.
    Index(usize),
    /// The item of a list that `key` names.
    Named {
        key: &'static str,
        name: String,
    },
    /// The same, of an item that is removed or added.
    NamedAt {
        index: usize,
        key: &'static str,
        name: String,
    },
}

/// A value that is added, removed or replaced.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) path: Vec<Step>,
    /// Where its key is written, if it is an entry that is added or removed.
    pub(super) key_place: Option<Range<usize>>,
    pub(super) before: Option<Node>,
    pub(super) after: Option<Node>,
}

/// What makes `old` the same as `new`, but for the order of keys; `None` if that takes too long to find.
pub(super) fn changes(old: &Node, new: &Node) -> Option<Vec<Change>> {
    let mut comparison = Comparison::default();
    comparison.values(old, new)?;
    Some(comparison.changes)
}

#[derive(Default)]
struct Comparison {
    path: Vec<Step>,
    changes: Vec<Change>,
}

impl Comparison {
    fn values(&mut self, old: &Node, new: &Node) -> Option<()> {
        match (old.entries(), new.entries(), old.items(), new.items()) {
            (Some(old), Some(new), ..) => self.tables(old, new),
            (.., Some(old), Some(new)) => self.lists(old, new),
            _ => {
                if old.identity() != new.identity() {
                    self.push(None, Some(old), Some(new));
                }
                Some(())
            }
        }
    }

    fn push(&mut self, key_place: Option<&Range<usize>>, before: Option<&Node>, after: Option<&Node>) {
        self.changes.push(Change {
            path: self.path.clone(),
            key_place: key_place.cloned(),
            before: before.cloned(),
            after: after.cloned(),
        });
    }

    fn at<T>(&mut self, step: Step, act: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let done = act(self);
        self.path.pop();
        done
    }

    fn tables(&mut self, old: &[Entry], new: &[Entry]) -> Option<()> {
        let by_key = |entries: &'_ [Entry]| -> BTreeMap<String, usize> {
            let entries = entries.iter().enumerate();
            entries.map(|(index, entry)| (entry.key.clone(), index)).collect()
        };
        let (known, wanted) = (by_key(old), by_key(new));
        for entry in old {
            let step = Step::Key(entry.key.clone());
            match wanted.get(&entry.key) {
                Some(index) => self.at(step, |own| own.values(&entry.value, &new[*index].value))?,
                None => self.at(step, |own| own.push(Some(&entry.place), Some(&entry.value), None)),
            }
        }
        for entry in new.iter().filter(|entry| !known.contains_key(&entry.key)) {
            self.at(Step::Key(entry.key.clone()), |own| {
                own.push(Some(&entry.place), None, Some(&entry.value));
            });
        }
        Some(())
    }

    fn lists(&mut self, old: &[Node], new: &[Node]) -> Option<()> {
        if old.len() + new.len() > MOST_ITEMS {
            return None;
        }
        let naming = NAMES
            .iter()
            .copied()
            .find(|key| is_naming(key, old) && is_naming(key, new));
        let identities = |items: &[Node]| -> Vec<String> {
            let identity = |item: &Node| match naming.and_then(|key| item.string_at(key)) {
                Some(name) => name.to_owned(),
                None => item.identity(),
            };
            items.iter().map(identity).collect()
        };
        let (old_identities, new_identities) = (identities(old), identities(new));
        let removed_or_added = |index: usize, identity: &str| match naming {
            Some(key) => Step::NamedAt {
                index,
                key,
                name: identity.to_owned(),
            },
            None => Step::Index(index),
        };
        for operation in capture_diff_slices(Algorithm::Myers, &old_identities, &new_identities) {
            let (old_range, new_range) = (operation.old_range(), operation.new_range());
            match (&operation, naming) {
                (DiffOp::Equal { .. }, None) => {}
                (DiffOp::Equal { .. }, Some(key)) => {
                    for (before, after) in std::iter::zip(old_range, new_range) {
                        let name = old_identities[before].clone();
                        self.at(Step::Named { key, name }, |own| own.values(&old[before], &new[after]))?;
                    }
                }
                (DiffOp::Replace { .. }, None) if old_range == new_range => {
                    for index in old_range {
                        self.at(Step::Index(index), |own| own.values(&old[index], &new[index]))?;
                    }
                }
                _ => {
                    for index in old_range {
                        let step = removed_or_added(index, &old_identities[index]);
                        self.at(step, |own| own.push(None, Some(&old[index]), None));
                    }
                    for index in new_range {
                        let step = removed_or_added(index, &new_identities[index]);
                        self.at(step, |own| own.push(None, None, Some(&new[index])));
                    }
                }
            }
        }
        Some(())
    }
}

/// Whether every item has a name of its own at `key`.
fn is_naming(key: &str, items: &[Node]) -> bool {
    let names: Option<BTreeSet<&str>> = items.iter().map(|item| item.string_at(key)).collect();
    names.is_some_and(|names| names.len() == items.len())
}
