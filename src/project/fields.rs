//! Takes the keys of a table one by one. A wrong one is reported and left out, so it does not hide other mistakes.

use crate::error::{Diagnostic, Origin, closest, habits, suggestion};
use crate::operations::operation_as_key;
use crate::value::{Entry, Kind, Table, Value, advice};

/// A name and where it was written.
#[derive(Clone, Debug)]
pub struct Named {
    pub name: String,
    pub origin: Option<Origin>,
}

/// The remaining keys of a table while it is read.
pub(super) struct Fields<'a> {
    table: Table,
    place: Origin,
    mistakes: &'a mut Vec<Diagnostic>,
}

impl<'a> Fields<'a> {
    /// The fields of `table`, written at `place`.
    pub(super) fn new(table: Table, place: &Origin, mistakes: &'a mut Vec<Diagnostic>) -> Self {
        Self {
            table,
            place: place.clone(),
            mistakes,
        }
    }

    /// The table's own place.
    pub(super) fn place(&self) -> &Origin {
        &self.place
    }

    /// Adds a mistake.
    pub(super) fn mistake(&mut self, mistake: Diagnostic) {
        self.mistakes.push(mistake);
    }

    /// Whether the key exists.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether there is a key that was probably meant to be one of `keys`.
    pub(super) fn has_near(&self, keys: &[&str]) -> bool {
        let is_near =
            |written: &String| !keys.contains(&written.as_str()) && closest(written, keys.iter().copied()).is_some();
        self.table.keys().any(is_near)
    }

    /// Whether there is a key, not in `known`, that was probably meant to be `own`.
    pub(super) fn has_meant(&self, own: &str, known: &[&str]) -> bool {
        let mut unknown = self.table.keys().filter(|key| !known.contains(&key.as_str()));
        unknown.any(|key| is_meant(key, own))
    }

    /// Whether there is a key that is not in `known`.
    pub(super) fn has_unknown(&self, known: &[&str]) -> bool {
        self.table.keys().any(|key| !known.contains(&key.as_str()))
    }

    /// The place of a list that exists and is empty.
    pub(super) fn empty_list(&self, key: &str) -> Option<Origin> {
        let value = &self.table.get(key)?.value;
        let is_empty = matches!(&value.kind, Kind::List(items) if items.is_empty());
        value.origin.clone().filter(|_| is_empty)
    }

    /// Where the value of a key is written.
    pub(super) fn value_place(&self, key: &str) -> Option<Origin> {
        self.table.get(key).and_then(|entry| entry.value.origin.clone())
    }

    /// Adds mistakes of nested values.
    pub(super) fn mistakes(&mut self, mistakes: Vec<Diagnostic>) {
        self.mistakes.extend(mistakes);
    }

    /// Takes a key with any value.
    pub(super) fn entry(&mut self, key: &str) -> Option<Entry> {
        self.table.shift_remove(key)
    }

    /// Takes a string.
    pub(super) fn text(&mut self, key: &str) -> Option<Named> {
        let entry = self.entry(key)?;
        match &entry.value.kind {
            Kind::String(text) => Some(Named {
                name: text.clone(),
                origin: entry.value.origin,
            }),
            _ => self.misfit(key, "a string", &entry.value),
        }
    }

    /// Takes a whole number of at least `least`.
    pub(super) fn count(&mut self, key: &str, least: i64) -> Option<usize> {
        let entry = self.entry(key)?;
        match entry.value.kind {
            Kind::Integer(number) if number >= least => usize::try_from(number).ok(),
            _ => self.misfit(key, &format!("a whole number, at least {least}"), &entry.value),
        }
    }

    /// Takes a boolean.
    pub(super) fn truth(&mut self, key: &str) -> Option<bool> {
        let entry = self.entry(key)?;
        match entry.value.kind {
            Kind::Bool(truth) => Some(truth),
            _ => self.misfit(key, "`true` or `false`", &entry.value),
        }
    }

    /// Takes a list of names; empty if the key is missing.
    pub(super) fn names(&mut self, key: &str) -> Vec<Named> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let Kind::List(items) = &entry.value.kind else {
            self.misfit::<()>(key, "a list of strings", &entry.value);
            return Vec::new();
        };
        let mut names = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if let Kind::String(name) = &item.kind {
                names.push(Named {
                    name: name.clone(),
                    origin: item.origin.clone(),
                });
                continue;
            }
            let place = item.origin.clone().unwrap_or_else(|| self.place.clone());
            let mistake = Diagnostic::new(format!("item {} of `{key}` must be a string", index + 1));
            let mistake = mistake.at(&place, format!("this is {}", item.shown()));
            self.mistake(mistake.hint("write a name, in quotes"));
        }
        names
    }

    /// Takes a table; an empty one if the key is missing.
    pub(super) fn table(&mut self, key: &str) -> Table {
        self.fitting_table(key).unwrap_or_default()
    }

    /// Takes a table; an empty one if the key is missing, `None` if its value is something else.
    pub(super) fn fitting_table(&mut self, key: &str) -> Option<Table> {
        let Some(entry) = self.entry(key) else {
            return Some(Table::new());
        };
        match entry.value.kind {
            Kind::Table(table) => Some(table),
            _ => self.misfit(key, "a table", &entry.value),
        }
    }

    /// Takes a list of tables, written as `[[key]]`.
    pub(super) fn tables(&mut self, key: &str) -> Vec<(Table, Origin)> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let Kind::List(items) = entry.value.kind else {
            let mistake = Diagnostic::new(format!("`{key}` must be a list of tables"))
                .at_maybe(
                    entry.key.as_ref(),
                    format!("this is {}", Value::new(entry.value.kind).describe()),
                )
                .hint(format!("write `[[{key}]]`, with two brackets"));
            self.mistake(mistake);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let place = item.origin.clone().unwrap_or_else(|| self.place.clone());
            if let Kind::Table(table) = item.kind {
                tables.push((table, place));
                continue;
            }
            let mistake = Diagnostic::new(format!("item {} of `{key}` must be a table", index + 1));
            let mistake = mistake.at(&place, format!("this is {}", Value::new(item.kind).shown()));
            self.mistake(mistake.hint(format!("write `[[{key}]]`, with two brackets, and its keys below")));
        }
        tables
    }

    /// Takes all tables but those of `known` keys.
    pub(super) fn tables_but(&mut self, known: &[&str]) -> Vec<(String, Entry)> {
        let is_wanted = |key: &str, entry: &Entry| entry.value.as_table().is_some() && !known.contains(&key);
        let keys = self.table.iter().filter(|(key, entry)| is_wanted(key, entry));
        let keys: Vec<String> = keys.map(|(key, _)| key.clone()).collect();
        keys.into_iter()
            .filter_map(|key| self.table.shift_remove_entry(&key))
            .collect()
    }

    /// Gives back what was taken.
    pub(super) fn put_back(&mut self, key: String, entry: Entry) {
        self.table.insert(key, entry);
    }

    /// Takes a condition: a bare expression or a boolean.
    pub(super) fn condition(&mut self, key: &str) -> Option<Value> {
        let value = self.entry(key)?.value;
        match value.kind {
            Kind::String(_) | Kind::Bool(_) => Some(value),
            _ => self.misfit(key, "an expression, `true` or `false`", &value),
        }
    }

    /// Takes a list, or a bare expression that gives one.
    pub(super) fn listing(&mut self, key: &str) -> Option<Value> {
        let value = self.entry(key)?.value;
        match value.kind {
            Kind::String(_) | Kind::List(_) => Some(value),
            // An empty list, so that `item` still counts as known.
            _ => self
                .misfit(key, "a list, or an expression for one", &value)
                .or(Some(Value::new(Kind::List(Vec::new())))),
        }
    }

    /// Takes the tables whose keys are unknown and near none of `known`, each with the dotted name that its header adds to
    /// `above`: `[hosts.nas.local]`.
    pub(super) fn tables_except(&mut self, known: &[&str], above: &str) -> Vec<(Named, String)> {
        let mut found = Vec::new();
        self.table.retain(|key, entry| {
            let is_known = known.contains(&key.as_str()) || closest(key, known.iter().copied()).is_some();
            let Some(mut table) = entry.value.as_table().filter(|_| !is_known) else {
                return true;
            };
            let mut name = format!("{above}.{key}");
            while let Some((key, inner)) = table.first().filter(|(key, _)| !known.contains(&key.as_str()))
                && let Some(inner) = inner.value.as_table()
            {
                name = format!("{name}.{key}");
                table = inner;
            }
            let key = Named {
                name: key.clone(),
                origin: entry.key.clone(),
            };
            found.push((key, name));
            false
        });
        found
    }

    /// The remaining keys, which the caller reads.
    pub(super) fn rest(self) -> Table {
        self.table
    }

    /// Refuses the remaining keys; `known` are the valid keys of the table.
    pub(super) fn end(self, what: &str, known: &[&str]) {
        for (key, entry) in &self.table {
            self.mistakes.push(unknown_key(what, key, entry, known));
        }
    }

    /// Reports a value of the wrong type.
    pub(super) fn misfit<T>(&mut self, key: &str, expected: &str, found: &Value) -> Option<T> {
        let place = found.origin.clone().unwrap_or_else(|| self.place.clone());
        let mistake = Diagnostic::new(format!("`{key}` must be {expected}"));
        self.mistake(
            mistake
                .at(&place, format!("this is {}", found.shown()))
                .hint(advice(key, expected, found)),
        );
        None
    }
}

/// Whether the unknown key `key` was probably meant to be `own`.
pub(super) fn is_meant(key: &str, own: &str) -> bool {
    closest(key, [own]).is_some() || begun(key, [own]).is_some() || habits::is_answered(key, own)
}

/// The only one of `known` that begins with `key`, as `hostname` does with `host`.
fn begun<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SHORTEST: usize = 3;
    let mut begun = known.into_iter().filter(|one| one.starts_with(key));
    let first = begun.next().filter(|_| key.len() >= SHORTEST)?;
    begun.next().is_none().then_some(first)
}

/// What to do about the unknown `key` of this value: the key or the operation that was probably meant, or the list of
/// `known` keys if it is short.
pub(super) fn key_suggestion(key: &str, value: &Value, known: &[&str]) -> Option<String> {
    let word = match &value.kind {
        Kind::String(text) => Some(text.clone()),
        Kind::Bool(truth) => Some(truth.to_string()),
        _ => None,
    };
    let near = || closest(key, known.iter().copied()).or_else(|| begun(key, known.iter().copied()));
    let as_operation = || operation_as_key(key).filter(|_| known.contains(&"op") && near().is_none());
    habits::key(key, word.as_deref(), known)
        .or_else(as_operation)
        .or_else(|| near().map(|near| format!("did you mean `{near}`?")))
        .or_else(|| suggestion(key, known.iter().copied()))
}

/// The mistake of a key that `what` does not have.
pub(super) fn unknown_key(what: &str, key: &str, entry: &Entry, known: &[&str]) -> Diagnostic {
    Diagnostic::new(format!("unknown key `{key}` in {what}"))
        .at_maybe(entry.key.as_ref(), "no such key")
        .hint_maybe(key_suggestion(key, &entry.value, known))
}

/// Refuses keys of the language that are not supported yet.
pub(super) fn refuse_not_yet(table: &Table, keys: &[&str], mistakes: &mut Vec<Diagnostic>) {
    for (key, entry) in table.iter().filter(|(key, _)| keys.contains(&key.as_str())) {
        mistakes.push(
            Diagnostic::new(format!("`{key}` is not supported yet"))
                .at_maybe(entry.key.as_ref(), "this would have no effect")
                .hint("remove it"),
        );
    }
}
