//! The text of a file with data, whose values can be replaced while the rest of it stays as it is.

use std::sync::Arc;

use toml_edit::{DocumentMut, InlineTable, Item, Table, Value};

use super::table::data_path;
use super::{DataPath, Step, is_encrypted};
use crate::error::{Diagnostic, Diagnostics, SourceFile, suggestion};
use crate::template::{RESERVED, reserved};
use crate::value::parse_toml;

/// A TOML file of a project: its path there, and what it says.
#[derive(Clone, Debug)]
pub(super) struct Document {
    shown: String,
    toml: DocumentMut,
}

impl Document {
    /// Reads the text of the file `shown`.
    ///
    /// Errors: it is not TOML.
    pub(super) fn parse(shown: &str, text: &str) -> Result<Self, Diagnostics> {
        let file: Arc<SourceFile> = SourceFile::new(shown, text);
        parse_toml(&file).map_err(Diagnostics)?;
        let toml = text.parse().map_err(|error: toml_edit::TomlError| {
            Diagnostic::new(format!("`{shown}` is not valid TOML")).because(error.message().to_owned())
        })?;
        Ok(Self {
            shown: shown.to_owned(),
            toml,
        })
    }

    /// The text.
    pub(super) fn text(&self) -> String {
        self.toml.to_string()
    }

    /// The name among the data of hosts of what is at `path`.
    ///
    /// Errors: it is no data.
    pub(super) fn name_of(&self, path: &DataPath) -> Result<String, Diagnostic> {
        if let Some(name) = data_path(&self.shown, path) {
            // A value for a host that is not there would make one.
            if let [Step::Key(_), Step::Key(host), ..] = path.0.as_slice()
                && name.0.len() < path.0.len()
                && !self.has(&DataPath(path.0[..2].to_vec()))
            {
                let title = format!("`{}` has no host `{host}`", self.shown);
                return Err(Diagnostic::new(title).hint("correct the name, or write the host first"));
            }
            if let Some(Step::Key(first)) = name.0.first()
                && RESERVED.contains(&first.as_str())
            {
                return Err(reserved(first));
            }
            return Ok(name.name());
        }
        let exact = path.exact();
        Err(Diagnostic::new(format!("`{exact}` of `{}` is not data", self.shown))
            .because("only data can be encrypted; in an inventory, that is what a host has below `data`")
            .hint(format!(
                "write `hosts.NAME.data.{exact}`, or use a file of `group_data/`"
            )))
    }

    /// The string at `path`.
    ///
    /// Errors: there is none.
    pub(super) fn string(&self, path: &DataPath) -> Result<&str, Diagnostic> {
        let mut item = self.toml.as_item();
        for step in &path.0 {
            item = match step {
                Step::Key(key) => item.get(key.as_str()),
                Step::Item(number) => item.get(*number),
            }
            .ok_or_else(|| self.unknown(path))?;
        }
        item.as_str().ok_or_else(|| {
            Diagnostic::new(format!("`{}` of `{}` is not a string", path.exact(), self.shown))
                .because(format!("it is {}", with_article(item.type_name())))
                .hint("name a value: tables and lists are not encrypted as a whole")
        })
    }

    /// Whether there is something at `path`.
    pub(super) fn has(&self, path: &DataPath) -> bool {
        let mut item = Some(self.toml.as_item());
        for step in &path.0 {
            item = item.and_then(|item| match step {
                Step::Key(key) => item.get(key.as_str()),
                Step::Item(number) => item.get(*number),
            });
        }
        item.is_some()
    }

    fn unknown(&self, path: &DataPath) -> Diagnostic {
        let name = path.exact();
        let mut known: Vec<String> = Vec::new();
        self.visit(|path, text| {
            if is_encrypted(text) {
                known.push(path.exact());
            }
        });
        let hint = suggestion(&name, known.iter().map(String::as_str));
        Diagnostic::new(format!("`{}` has no `{name}`", self.shown))
            .hint(hint.unwrap_or_else(|| format!("`homelab secrets set {} {name}` adds it", self.shown)))
    }

    /// Writes a string to `path`; tables on the way to it are made.
    ///
    /// Errors: something on the way is no table, or there is a table or a list at `path`.
    pub(super) fn set(&mut self, path: &DataPath, text: &str) -> Result<(), Diagnostic> {
        let wrong = |what: &str, item: &Item| {
            Diagnostic::new(format!("cannot set `{}` in `{}`", path.exact(), self.shown))
                .because(format!("{what} is {} there", with_article(item.type_name())))
                .hint("choose another name")
        };
        let Some((last, above)) = path.0.split_last() else {
            return Ok(());
        };
        let mut item = self.toml.as_item_mut();
        let mut so_far = DataPath::default();
        for (step, next) in above.iter().zip(path.0.iter().skip(1)) {
            so_far = so_far.then(step.clone());
            let is_table = matches!(next, Step::Key(_));
            item =
                inner(item, step, is_table.then_some(New::Table)).ok_or_else(|| no_such_item(&self.shown, &so_far))?;
            if is_table && !item.is_table_like() {
                return Err(wrong(&format!("`{}`", so_far.exact()), item));
            }
        }
        let place = inner(item, last, Some(New::String)).ok_or_else(|| no_such_item(&self.shown, path))?;
        match place {
            Item::Value(value) if !value.is_array() && !value.is_inline_table() => replace(value, text),
            other => return Err(wrong("it", other)),
        }
        Ok(())
    }

    /// Calls `see` with every string and its path.
    pub(super) fn visit(&self, mut see: impl FnMut(&DataPath, &str)) {
        // The same walk, over a copy.
        let mut copy = self.toml.clone();
        let _ = walk(copy.as_item_mut(), &DataPath::default(), &mut |path, text| {
            see(path, text);
            Ok::<_, ()>(None)
        });
    }

    /// Replaces every string for which `new` has another text.
    ///
    /// Errors: the first of `new`.
    pub(super) fn replace<E>(
        &mut self,
        mut new: impl FnMut(&DataPath, &str) -> Result<Option<String>, E>,
    ) -> Result<(), E> {
        walk(self.toml.as_item_mut(), &DataPath::default(), &mut new)
    }
}

/// What is made where nothing is.
#[derive(Clone, Copy)]
enum New {
    Table,
    String,
}

/// What a step leads to, made where it is missing.
fn inner<'a>(item: &'a mut Item, step: &Step, new: Option<New>) -> Option<&'a mut Item> {
    let key = match step {
        Step::Item(number) => return item.get_mut(*number),
        Step::Key(key) => key.as_str(),
    };
    let is_inline = item.is_inline_table();
    let is_dotted = item.as_table().is_some_and(Table::is_dotted);
    let table = item.as_table_like_mut()?;
    if !table.contains_key(key) {
        let made = match new? {
            New::String => Item::Value(Value::from("")),
            New::Table if is_inline => Item::Value(Value::InlineTable(InlineTable::new())),
            New::Table => {
                let mut made = Table::new();
                made.set_dotted(is_dotted);
                Item::Table(made)
            }
        };
        table.insert(key, made);
    }
    table.get_mut(key)
}

fn no_such_item(shown: &str, path: &DataPath) -> Diagnostic {
    Diagnostic::new(format!("`{shown}` has no `{}`", path.exact()))
        .hint("items are counted from 0; add the item to the list first")
}

/// Puts a string in the place of a value; what is around it stays.
fn replace(value: &mut Value, text: &str) {
    let around = value.decor().clone();
    *value = Value::from(text);
    *value.decor_mut() = around;
}

type Replacing<'a, E> = dyn FnMut(&DataPath, &str) -> Result<Option<String>, E> + 'a;

fn walk<E>(item: &mut Item, path: &DataPath, new: &mut Replacing<'_, E>) -> Result<(), E> {
    match item {
        Item::None => {}
        Item::Value(value) => walk_value(value, path, new)?,
        Item::Table(table) => {
            for (key, item) in table.iter_mut() {
                walk(item, &path.then(Step::Key(key.get().to_owned())), new)?;
            }
        }
        Item::ArrayOfTables(tables) => {
            for (number, table) in tables.iter_mut().enumerate() {
                let path = path.then(Step::Item(number));
                for (key, item) in table.iter_mut() {
                    walk(item, &path.then(Step::Key(key.get().to_owned())), new)?;
                }
            }
        }
    }
    Ok(())
}

fn walk_value<E>(value: &mut Value, path: &DataPath, new: &mut Replacing<'_, E>) -> Result<(), E> {
    match value {
        Value::String(text) => {
            if let Some(text) = new(path, text.value())? {
                replace(value, &text);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter_mut().enumerate() {
                walk_value(item, &path.then(Step::Item(number)), new)?;
            }
        }
        Value::InlineTable(table) => {
            for (key, item) in table.iter_mut() {
                walk_value(item, &path.then(Step::Key(key.get().to_owned())), new)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {kind}")
}
