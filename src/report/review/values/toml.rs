//! The tree of a TOML file.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::tree::{DEEPEST, Entry, Kind, Node};

/// The tree of `text`; `None` if it is not TOML.
pub(super) fn read(text: &str) -> Option<Node> {
    let table = DeTable::parse(text).ok()?;
    Some(Node {
        places: Vec::new(),
        kind: Kind::Table(entries(text, table.get_ref(), 0)?),
    })
}

fn entries(text: &str, table: &DeTable<'_>, depth: usize) -> Option<Vec<Entry>> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &Spanned<std::borrow::Cow<'_, str>> = key;
        Some(Entry {
            key: key.get_ref().to_string(),
            place: key.span(),
            value: node(text, value, depth + 1)?,
        })
    };
    table.iter().map(entry).collect()
}

fn node(text: &str, value: &Spanned<DeValue<'_>>, depth: usize) -> Option<Node> {
    let place = value.span();
    let written = text.get(place.clone())?;
    if depth > DEEPEST {
        return None;
    }
    let (places, kind) = match value.get_ref() {
        DeValue::String(string) => {
            let is_long = written.starts_with("\"\"\"") || written.starts_with("'''");
            let kind = if is_long { Kind::Long } else { Kind::String };
            (vec![place], kind(string.to_string()))
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            (vec![place], Kind::Other(written.to_owned()))
        }
        DeValue::Array(items) => {
            let is_of_headings = items.iter().next().is_some_and(|first| first.span() == place);
            let places = if is_of_headings { Vec::new() } else { brackets(place) };
            let items = items
                .iter()
                .map(|item| node(text, item, depth + 1))
                .collect::<Option<_>>()?;
            (places, Kind::List(items))
        }
        DeValue::Table(table) => {
            let places = match written.chars().next() {
                Some('[') => vec![place],
                Some('{') => brackets(place),
                // It has no heading of its own.
                _ => Vec::new(),
            };
            (places, Kind::Table(entries(text, table, depth)?))
        }
    };
    Some(Node { places, kind })
}

fn brackets(place: Range<usize>) -> Vec<Range<usize>> {
    vec![place.start..place.start + 1, place.end - 1..place.end]
}
