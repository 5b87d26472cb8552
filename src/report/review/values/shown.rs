//! Changed values as they are shown: each on a line, large ones on a line for each part.

use super::compare::{Change, Step};
use super::tree::{Kind, Node, key, quoted};

/// Lists and tables that take more are shown in parts, in characters.
const MOST_OF_A_VALUE: usize = 80;
/// A longer string is shown by its lines only, in characters.
const LONGEST: usize = 200;

/// A value, or a part of one, that is added, removed or replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShownValue {
    pub(super) path: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// A change as it is shown; `None` if a string is too long to be shown on a line.
pub(super) fn values(change: &Change) -> Option<Vec<ShownValue>> {
    if change.before.iter().chain(&change.after).any(Node::is_long) {
        return None;
    }
    let path = path(&change.path);
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => Some(vec![ShownValue {
            path,
            before: Some(on_one_line(before, LONGEST)?),
            after: Some(on_one_line(after, LONGEST)?),
        }]),
        (Some(before), None) => {
            let parts = parts(path, before)?.into_iter();
            let removed = parts.map(|(path, value)| ShownValue {
                path,
                before: Some(value),
                after: None,
            });
            Some(removed.collect())
        }
        (None, Some(after)) => {
            let parts = parts(path, after)?.into_iter();
            let added = parts.map(|(path, value)| ShownValue {
                path,
                before: None,
                after: Some(value),
            });
            Some(added.collect())
        }
        (None, None) => Some(Vec::new()),
    }
}

fn path(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |path, step| match step {
        Step::Key(name) => joined(path, name),
        Step::Index(index) => format!("{path}[{index}]"),
        Step::Named { key, name } => format!("{path}[{key}={}]", self::key(name)),
        Step::NamedAt { index, key, name } => format!("{path}[{index}, {key}={}]", self::key(name)),
    })
}

fn joined(path: String, name: &str) -> String {
    if path.is_empty() {
        key(name)
    } else {
        path + "." + &key(name)
    }
}

fn on_one_line(node: &Node, most: usize) -> Option<String> {
    let text = node.on_one_line();
    (text.chars().count() <= most).then_some(text)
}

/// The paths and values that a value is shown as.
fn parts(path: String, node: &Node) -> Option<Vec<(String, String)>> {
    if let Some(text) = on_one_line(node, MOST_OF_A_VALUE) {
        return Some(vec![(path, text)]);
    }
    let mut all = Vec::new();
    match &node.kind {
        Kind::String(text) | Kind::Long(text) => {
            let text = quoted(text);
            (text.chars().count() <= LONGEST).then(|| all.push((path, text)))?;
        }
        Kind::Other(text) => (text.chars().count() <= LONGEST).then(|| all.push((path, text.clone())))?,
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                all.extend(parts(format!("{path}[{index}]"), item)?);
            }
        }
        Kind::Table(entries) => {
            for entry in entries {
                all.extend(parts(joined(path.clone(), &entry.key), &entry.value)?);
            }
        }
    }
    Some(all)
}
