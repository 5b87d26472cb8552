//! A text of values as a tree that knows where everything in it is written.

use std::fmt::Write as _;
use std::ops::Range;

/// Deeper texts are not read.
pub(super) const DEEPEST: usize = 64;

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What is written for it alone, in bytes: a scalar, or the brackets or the heading of a list or table.
    pub(super) places: Vec<Range<usize>>,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    String(String),
    /// A number, a truth value, a date: anything that is not written in quotes and may be no string.
    Other(String),
    /// A string that does not fit on a line as it is written.
    Long(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// An entry of a table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Range<usize>,
    pub(super) value: Node,
}

impl Node {
    /// The items of a list.
    pub(super) fn items(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a table.
    pub(super) fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The string at `key`.
    pub(super) fn string_at(&self, key: &str) -> Option<&str> {
        let entry = self.entries()?.iter().find(|entry| entry.key == key)?;
        match &entry.value.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value on one line, the same for equal values only: tables are sorted by key.
    pub(super) fn identity(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, true);
        text
    }

    /// The value on one line, with keys in the order of the text.
    pub(super) fn on_one_line(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, false);
        text
    }

    fn write(&self, text: &mut String, is_sorted: bool) {
        match &self.kind {
            Kind::String(string) | Kind::Long(string) => text.push_str(&quoted(string)),
            Kind::Other(other) => text.push_str(other),
            Kind::List(items) => {
                text.push('[');
                for (index, item) in items.iter().enumerate() {
                    text.push_str(if index > 0 { ", " } else { "" });
                    item.write(text, is_sorted);
                }
                text.push(']');
            }
            Kind::Table(entries) => {
                let mut entries: Vec<&Entry> = entries.iter().collect();
                if is_sorted {
                    entries.sort_by(|one, other| one.key.cmp(&other.key));
                }
                text.push('{');
                for (index, entry) in entries.into_iter().enumerate() {
                    text.push_str(if index > 0 { ", " } else { "" });
                    let _ = write!(text, "{}: ", key(&entry.key));
                    entry.value.write(text, is_sorted);
                }
                text.push('}');
            }
        }
    }

    /// Whether a string in it does not fit on a line.
    pub(super) fn is_long(&self) -> bool {
        match &self.kind {
            Kind::Long(_) => true,
            Kind::String(_) | Kind::Other(_) => false,
            Kind::List(items) => items.iter().any(Self::is_long),
            Kind::Table(entries) => entries.iter().any(|entry| entry.value.is_long()),
        }
    }

    /// All that is written for it and what is in it.
    pub(super) fn all_places(&self) -> Vec<Range<usize>> {
        let below: Vec<Range<usize>> = match &self.kind {
            Kind::List(items) => items.iter().flat_map(Self::all_places).collect(),
            Kind::Table(entries) => entries
                .iter()
                .flat_map(|entry| std::iter::once(entry.place.clone()).chain(entry.value.all_places()))
                .collect(),
            Kind::String(_) | Kind::Other(_) | Kind::Long(_) => Vec::new(),
        };
        [self.places.clone(), below].concat()
    }
}

/// A string in quotes, as JSON writes it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A key as a part of a path: in quotes if it could be read as more than one.
pub(super) fn key(text: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "_-/".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        quoted(text)
    }
}
