//! Where a file of a project can be spoilt, and what is written there.

use std::ops::Range;

use homelab::error::SourceFile;
use homelab::value::{Entry, Kind, Table, Value, parse_toml};

/// What stands at a place, which decides whether spoiling it makes the project wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A key of the language, or a parameter.
    Key,
    /// A key of data, of `[vars]` or of a stack's defaults: what uses it would miss it.
    DataKey,
    /// A text that names an operation, a task, a host, a group or a file.
    Reference,
    /// A text of which only few are right: a state, a mode, a length of time.
    Choice,
    /// A name in a template or in an expression.
    Name,
    /// A text that cannot be judged, such as a package's name, a description, or a line of a file.
    Free,
}

/// A place that can be spoilt.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) class: Class,
    pub(crate) span: Range<usize>,
    /// The value's kind, where it is a value.
    pub(crate) value: Option<&'static str>,
    pub(crate) key: String,
}

/// The keys below `folder` whose texts name something that must be there.
fn is_reference(folder: &str, key: &str) -> bool {
    match folder {
        "tasks" => ["op", "include", "src", "required"].contains(&key),
        "deploys" => ["hosts", "tasks", "task"].contains(&key),
        "inventories" => key == "groups",
        "group_data" => key == "stacks",
        _ => false,
    }
}

const CHOICES: &[&str] = &["state", "become", "image", "mode", "cache_time", "within", "at"];
const EXPRESSIONS: &[&str] = &["when", "for_each"];
/// Words of expressions that are no names of data.
const WORDS: &[&str] = &[
    "for", "in", "if", "endif", "endfor", "and", "or", "not", "is", "include", "set", "lower", "none",
];

/// What stands for an item of a list among keys.
const ITEM: &str = "[]";

/// Every place of a TOML file; a template's places are its names.
pub(crate) fn places(path: &str, text: &str) -> Vec<Place> {
    let folder = path.split('/').next().unwrap_or_default();
    let mut places = Vec::new();
    if !has_suffix(path, "toml") {
        if has_suffix(path, "j2") {
            names(text, 0, &mut places);
        }
        return places;
    }
    let file = SourceFile::new(path, text);
    let table = parse_toml(&file).expect("a right project");
    walk(folder, &table, &mut Vec::new(), text, &mut places);
    places
}

pub(crate) fn has_suffix(path: &str, suffix: &str) -> bool {
    path.rsplit('.').next() == Some(suffix) && path.contains('.')
}

fn walk(folder: &str, table: &Table, above: &mut Vec<String>, text: &str, places: &mut Vec<Place>) {
    for (key, Entry { key: place, value }) in table {
        let class = key_class(folder, above);
        if let (Some(class), Some(place)) = (class, place) {
            places.push(Place {
                class,
                span: place.span.clone(),
                value: None,
                key: key.clone(),
            });
        }
        above.push(key.clone());
        walk_value(folder, key, value, above, text, places);
        above.pop();
    }
}

/// What a key is in a table below `above`; `None` for names that people choose.
fn key_class(folder: &str, above: &[String]) -> Option<Class> {
    let is_below = |name: &str| above.iter().any(|one| one == name);
    match folder {
        "group_data" => Some(Class::DataKey),
        "inventories" if is_below("data") => Some(Class::DataKey),
        "inventories" if above.last().is_some_and(|last| last == "hosts") => None,
        "templates" if is_below("defaults") => Some(Class::DataKey),
        "tasks" if above.first().is_some_and(|first| first == "vars") => Some(Class::DataKey),
        _ => Some(Class::Key),
    }
}

fn walk_value(folder: &str, key: &str, value: &Value, above: &mut Vec<String>, text: &str, places: &mut Vec<Place>) {
    let Some(origin) = &value.origin else { return };
    let literal = &text[origin.span.clone()];
    let mut class = Class::Free;
    let is_item = above.last().is_some_and(|last| last == ITEM);
    match &value.kind {
        Kind::Table(table) => return walk(folder, table, above, text, places),
        Kind::List(items) => {
            above.push(ITEM.to_owned());
            for item in items {
                walk_value(folder, key, item, above, text, places);
            }
            above.pop();
        }
        Kind::String(_) if literal.contains("{{") || literal.contains("{%") => {
            names(literal, origin.span.start, places);
            return;
        }
        Kind::String(_) if EXPRESSIONS.contains(&key) && !is_item => {
            expression(literal, origin.span.start, places);
            return;
        }
        Kind::String(_) if is_reference(folder, key) => class = Class::Reference,
        Kind::String(_) if CHOICES.contains(&key) && folder != "group_data" => class = Class::Choice,
        _ => {}
    }
    places.push(Place {
        class,
        span: origin.span.clone(),
        value: Some(value.describe()),
        key: key.to_owned(),
    });
}

/// Names in the braces of a template.
fn names(text: &str, offset: usize, places: &mut Vec<Place>) {
    for (open, close) in [("{{", "}}"), ("{%", "%}")] {
        let mut at = 0;
        while let Some(found) = text[at..].find(open) {
            let start = at + found + 2;
            let end = text[start..].find(close).map_or(text.len(), |end| start + end);
            expression(&text[start..end], offset + start, places);
            at = end;
        }
    }
}

/// Names of an expression, those that it binds itself and its own words left out.
fn expression(text: &str, offset: usize, places: &mut Vec<Place>) {
    let mut at = 0;
    let mut quote = None;
    let mut is_bound = false;
    while at < text.len() {
        let rest = &text[at..];
        let first = rest.chars().next().expect("more");
        let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '.';
        let length = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        if quote == Some(first) {
            quote = None;
        } else if quote.is_none() && ['"', '\''].contains(&first) && at > 0 {
            quote = Some(first);
        } else if quote.is_none() && (first.is_ascii_alphabetic() || first == '_') {
            let word = &rest[..length];
            if !is_bound && !WORDS.contains(&word) && word.len() > 4 {
                places.push(Place {
                    class: Class::Name,
                    span: offset + at..offset + at + length,
                    value: None,
                    key: word.to_owned(),
                });
            }
            is_bound = word == "for" || word == "set" || (is_bound && word != "in");
        }
        at += if first.is_ascii() && length > 0 && quote.is_none() {
            length
        } else {
            first.len_utf8()
        };
    }
}
