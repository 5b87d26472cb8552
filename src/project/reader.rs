//! Files to tables, and tables to structs, with positions.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::fields::unknown_key;
use crate::content::{Assets, open_regular};
use crate::error::{Diagnostic, Origin, SourceFile, not_text};
use crate::operations::{Parameter, schema_of};
use crate::value::{Entry, Kind, Table, Value, advice, deserialize, keys_of, parse_toml};

/// A file's name (relative to its folder, without `.toml`) and its table.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) file: Arc<SourceFile>,
    pub(super) table: Table,
}

impl Source {
    /// The file's first character, for mistakes of the whole file.
    pub(super) fn start(&self) -> Origin {
        Origin::new(&self.file, 0..0)
    }
}

/// Reads a project's files and collects mistakes.
pub(super) struct Reader<'a> {
    root: &'a Path,
    pub(super) mistakes: Vec<Diagnostic>,
    pub(super) broken: BTreeSet<String>,
}

/// Names a file by its path without `.toml`.
pub(super) fn any_name(path: &str) -> Option<String> {
    path.strip_suffix(".toml").map(str::to_owned)
}

/// Names a stack by its folder.
pub(super) fn stack_name(path: &str) -> Option<String> {
    path.strip_suffix("/stack.toml")
        .filter(|name| !name.contains('/'))
        .map(str::to_owned)
}

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Self {
            root,
            mistakes: Vec::new(),
            broken: BTreeSet::new(),
        }
    }

    /// Reads every file below a folder; mistakes are reported, and only the wrong parts are left out.
    pub(super) fn folder<T>(
        &mut self,
        folder: &str,
        name: impl Fn(&str) -> Option<String>,
        read: impl Fn(Source, &mut Vec<Diagnostic>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut found = BTreeMap::new();
        let mut paths = Vec::new();
        list_files(&self.root.join(folder), &mut paths, &mut self.mistakes);
        for path in paths {
            let Some(name) = name(&relative(&self.root.join(folder), &path)) else {
                continue;
            };
            let source = read_source(self.root, name.clone(), &path)
                .map_err(|more| self.mistakes.extend(more))
                .ok();
            match source.and_then(|source| read(source, &mut self.mistakes)) {
                Some(value) => {
                    found.insert(name, value);
                }
                None => {
                    self.broken.insert(relative(self.root, &path));
                }
            }
        }
        found
    }

    /// Reads every file below `templates/`.
    pub(super) fn assets(&mut self) -> Assets {
        let folder = self.root.join("templates");
        let mut paths = Vec::new();
        list_files(&folder, &mut paths, &mut self.mistakes);
        let mut assets = Assets::default();
        for path in paths {
            let name = relative(&folder, &path);
            // A template is rendered, so it is read whole, whatever its size.
            let is_large = !name.ends_with(Assets::TEMPLATE_SUFFIX)
                && std::fs::metadata(&path).is_ok_and(|found| found.len() > Assets::LARGEST_IN_MEMORY);
            let read = if is_large {
                // Check now that it can be read.
                open_regular(&path).map(|_| assets.insert_large(name, &path))
            } else {
                read_regular(&path).map(|bytes| assets.insert(name, bytes))
            };
            if let Err(error) = read {
                let shown = relative(self.root, &path);
                let mistake = Diagnostic::new(format!("cannot read `{shown}`"));
                self.mistakes.push(mistake.because(error.to_string()));
            }
        }
        assets
    }
}

fn read_source(root: &Path, name: String, path: &Path) -> Result<Source, Vec<Diagnostic>> {
    let shown = relative(root, path);
    let bytes = read_regular(path).map_err(|error| {
        let mistake = Diagnostic::new(format!("cannot read `{shown}`")).because(error.to_string());
        vec![mistake.hint("check its permissions with `ls -l`")]
    })?;
    let text = String::from_utf8(bytes).map_err(|error| vec![not_text(&shown, error.as_bytes())])?;
    let file = SourceFile::new(shown, text);
    let table = parse_toml(&file)?;
    Ok(Source { name, file, table })
}

fn read_regular(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Files below `folder`, sorted; empty if the folder does not exist.
fn list_files(folder: &Path, found: &mut Vec<PathBuf>, mistakes: &mut Vec<Diagnostic>) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => {
            mistakes.push(Diagnostic::new(format!("cannot list `{}`", folder.display())).because(error.to_string()));
            return;
        }
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            list_files(&path, found, mistakes);
        } else {
            found.push(path);
        }
    }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

/// Reads a table as a struct; the title of the error names what was read.
pub(super) fn read_struct<T: DeserializeOwned + JsonSchema>(
    table: Table,
    origin: Option<&Origin>,
    what: &str,
) -> Result<T, Diagnostic> {
    if let Some((key, entry)) = table.iter().find(|(key, _)| !keys_of::<T>().contains(&key.as_str())) {
        return Err(unknown_key(what, key, entry, keys_of::<T>()));
    }
    let value = Value::new(Kind::Table(table)).at(origin);
    deserialize(&value).map_err(|error| {
        let parameters = Parameter::all_of(&schema_of::<T>());
        let wrong = parameters.iter().find(|parameter| error.key() == Some(&parameter.name));
        let misfit = wrong.and_then(|one| error.misfit(&format!("`{}`", one.name), &one.kind, None));
        misfit.unwrap_or_else(|| error.into_diagnostic(format!("invalid {what}"), origin))
    })
}

/// Takes a table out of a table; an error if the key has a value that is not a table.
pub(super) fn take_table(table: &mut Table, key: &str) -> Result<Option<(Table, Entry)>, Diagnostic> {
    let Some(entry) = table.shift_remove(key) else {
        return Ok(None);
    };
    match &entry.value.kind {
        Kind::Table(inner) => Ok(Some((inner.clone(), entry))),
        _ => Err(Diagnostic::new(format!("`{key}` must be a table"))
            .at_maybe(entry.value.origin.as_ref(), format!("this is {}", entry.value.shown()))
            .hint(advice(key, "a table", &entry.value))),
    }
}
