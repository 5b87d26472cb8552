//! The one value type of everything that people write: a TOML value that remembers where it was written, that it is
//! secret, and that it is not known yet. Plain TOML or JSON values lose all three.

mod advice;
pub mod bytes;
mod deserialize;
mod json;
mod keys;
mod parse;
mod syntax;
mod why;
mod worlds;

use indexmap::IndexMap;

use crate::error::Origin;
use crate::secret::Secret;

pub use advice::advice;
pub use deserialize::{Known, Part, ValueError, deserialize};
pub use json::{from_json, to_json};
pub use keys::keys_of;
pub use parse::parse_toml;
pub use why::{After, Why, Withheld};
pub use worlds::{DecidedKeys, Text, Varied};

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// What it is.
    pub kind: Kind,
    /// Where it was written; `None` for what the program made itself.
    pub origin: Option<Origin>,
}

/// What a [`Value`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text; dates arrive as text too.
    String(String),
    /// A list.
    List(Vec<Value>),
    /// A table, in the order written.
    Table(Table),
    /// Text that is never shown.
    Secret(Secret),
    /// Not known, for this reason.
    Unknown(Why),
}

/// The keys and values of a table, in the order written.
pub type Table = IndexMap<String, Entry>;

/// A value in a table, with the place of its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where the key was written.
    pub key: Option<Origin>,
    /// The value.
    pub value: Value,
}

impl Value {
    /// A value that the program made itself.
    pub fn new(kind: Kind) -> Self {
        Self { kind, origin: None }
    }

    /// Text that the program made itself.
    pub fn string(text: impl Into<String>) -> Self {
        Self::new(Kind::String(text.into()))
    }

    /// The same value, said to be written at `origin`.
    #[must_use]
    pub fn at(mut self, origin: Option<&Origin>) -> Self {
        self.origin = origin.cloned();
        self
    }

    /// The text, where it is text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The table, where it is one.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// What it is, with the value where it is short: "the string `x`", "a list".
    pub fn shown(&self) -> String {
        match &self.kind {
            Kind::String(text) if text.len() <= 60 && !text.contains('\n') => format!("the string `{text}`"),
            Kind::Integer(number) => format!("the integer `{number}`"),
            Kind::Float(number) => format!("the float `{number}`"),
            Kind::Bool(truth) => format!("the boolean `{truth}`"),
            _ => self.describe().to_owned(),
        }
    }

    /// What kind of value it is, in words for an error: "a string", "a list".
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Bool(_) => "a boolean",
            Kind::Integer(_) => "an integer",
            Kind::Float(_) => "a float",
            Kind::String(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
            Kind::Secret(_) => "a secret",
            Kind::Unknown(_) => "a value that is not known yet",
        }
    }
}

impl Entry {
    /// The table that is its value, where it is one.
    pub fn table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.value.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Where its key is, if its value is written elsewhere: in another file, or on another line.
    pub fn key_apart(&self) -> Option<&Origin> {
        let (key, value) = (self.key.as_ref()?, self.value.origin.as_ref()?);
        let is_apart = key.file != value.file || key.line_column().0 != value.line_column().0;
        is_apart.then_some(key)
    }
}

/// Lays `over` on `base`: tables merge deeply, anything else is replaced.
pub fn merge(base: &mut Table, over: &Table) {
    for (key, entry) in over {
        if let Kind::Table(over_table) = &entry.value.kind
            && let Some(Entry {
                value:
                    Value {
                        kind: Kind::Table(base_table),
                        ..
                    },
                ..
            }) = base.get_mut(key)
        {
            merge(base_table, over_table);
            continue;
        }
        base.insert(key.clone(), entry.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceFile;

    fn table(text: &str) -> Table {
        parse_toml(&SourceFile::new("t.toml", text)).expect("valid TOML")
    }

    #[test]
    fn merges_tables_deeply_and_replaces_the_rest() {
        let mut base = table("a = { x = 1, y = [1] }\nb = 1");
        merge(&mut base, &table("a = { y = [2], z = 3 }\nb = { c = 1 }"));
        let expected = table("a = { x = 1, y = [2], z = 3 }\nb = { c = 1 }");
        assert_eq!(plain(&base), plain(&expected));
    }

    fn plain(table: &Table) -> String {
        table
            .iter()
            .map(|(key, entry)| match &entry.value.kind {
                Kind::Table(inner) => format!("{key}={{{}}}", plain(inner)),
                Kind::List(items) => {
                    let kinds: Vec<&Kind> = items.iter().map(|item| &item.kind).collect();
                    format!("{key}={kinds:?} ")
                }
                other => format!("{key}={other:?} "),
            })
            .collect()
    }
}
