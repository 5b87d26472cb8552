//! An operation as lints see it, and its places.

use super::finding::Place;
use crate::error::Origin;
use crate::operations::PlacedText;
use crate::plan::Rendered;
use crate::value::{Kind, Value};

/// An operation on a host.
pub(super) struct Planned<'a> {
    pub(super) inventory: &'a str,
    pub(super) rendered: &'a Rendered,
}

impl Planned<'_> {
    /// The host with its inventory.
    pub(super) fn host(&self) -> String {
        format!("{}/{}", self.inventory, self.rendered.host)
    }

    /// The name of the operation.
    pub(super) fn name(&self) -> &'static str {
        self.rendered.definition.name
    }

    /// A parameter.
    pub(super) fn argument(&self, key: &str) -> Option<&Value> {
        Some(&self.rendered.arguments.get(key)?.value)
    }

    /// A parameter that is a string.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.argument(key)?.as_str()
    }

    /// The strings of a parameter that is a list of them, with their places.
    pub(super) fn items(&self, key: &str) -> Vec<(&str, Place)> {
        let items = match self.argument(key).map(|value| &value.kind) {
            Some(Kind::List(items)) => items.as_slice(),
            _ => &[],
        };
        let items = items
            .iter()
            .filter_map(|item| Some((item.as_str()?, self.place_of(item))));
        items.collect()
    }

    /// Where a value is written, or the operation.
    pub(super) fn place_of(&self, value: &Value) -> Place {
        Place::at(value.origin.as_ref().unwrap_or(&self.rendered.origin))
    }

    /// Where the operation is written.
    pub(super) fn place(&self) -> Place {
        Place::at(&self.rendered.origin)
    }
}

/// Where line `number` of a text is written, counted from 1.
pub(super) fn line_place(text: &PlacedText, number: usize) -> Place {
    place_in(text, number, text.line(number))
}

/// The same, where the place is looked up already.
pub(super) fn place_in(text: &PlacedText, number: usize, found: Option<Origin>) -> Place {
    match found {
        Some(origin) => Place { origin, within: None },
        None => Place {
            origin: text.used.clone(),
            within: Some(format!("line {number} of `{}`", text.path)),
        },
    }
}

/// The number of the line that the byte `at` of a text is in, counted from 1.
pub(super) fn line_number(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
