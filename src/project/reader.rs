//! Files to tables, and tables to structs, with positions.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::fields::unknown_key;
use crate::agent;
use crate::content::{
    Assets, CHARTS, DOWNLOADS, EncryptedFile, LAB, ProjectFolder, Refused, chart_file, download, lab_archives,
    lab_file, lab_files, read_in_place,
};
use crate::error::{Diagnostic, Origin, SourceFile, not_text};
use crate::operations::{schema_of, value_at};
use crate::pki::Pki;
use crate::secrets::{Keyring, check_places, is_made_by_age, read_sops, sops_name};
use crate::value::{Entry, Kind, Table, Value, advice, deserialize, keys_of, parse_toml};

/// The folder of files for operations.
pub(super) const TEMPLATES: &str = "templates";
/// The folder of groups.
pub(super) const GROUP_DATA: &str = "group_data";
/// The folder of stacks, which may contain files of any format.
pub(super) const STACKS: &str = "templates/services";
/// A larger file is not parsed or rendered, in bytes.
const LARGEST_TEXT: u64 = 16 * 1024 * 1024;

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
pub(super) struct Reader {
    files: ProjectFolder,
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

impl Reader {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            files: ProjectFolder::new(root),
            mistakes: Vec::new(),
            broken: BTreeSet::new(),
        }
    }

    /// Reads every file below a folder; mistakes are reported, and only the wrong parts are left out. Files that `name` does
    /// not name are skipped.
    pub(super) fn folder<T>(
        &mut self,
        folder: &str,
        name: impl Fn(&str) -> Option<String>,
        read: impl Fn(Source, &mut Vec<Diagnostic>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut found = BTreeMap::new();
        for file in self.files.list(folder) {
            let shown = file.shown.to_string_lossy().into_owned();
            if folder == GROUP_DATA && sops_name(&shown).is_some() {
                continue;
            }
            let Some(name) = name(below(&shown, folder)) else {
                if let Err(refused) = file.place
                    && file.is_folder
                {
                    self.mistakes.push(unreadable(&shown, &refused));
                    self.broken.insert(shown);
                } else if folder != STACKS
                    && let Some((path, mistake)) = other_format(&self.files, &shown)
                {
                    self.mistakes.push(mistake);
                    self.broken.insert(path);
                }
                continue;
            };
            let source = read_source(file.place, name.clone(), &shown)
                .map_err(|more| self.mistakes.extend(more))
                .ok();
            if let Some(source) = &source {
                self.mistakes.extend(check_places(&shown, &source.table));
            }
            match source.and_then(|source| read(source, &mut self.mistakes)) {
                Some(value) => {
                    found.insert(name, value);
                }
                None => {
                    self.broken.insert(shown);
                }
            }
        }
        found
    }

    /// Reads the files of groups that `sops` encrypted.
    pub(super) fn sops(&mut self) -> Vec<Source> {
        let mut found = Vec::new();
        for file in self.files.list(GROUP_DATA) {
            let shown = file.shown.to_string_lossy().into_owned();
            let Some(name) = sops_name(below(&shown, GROUP_DATA)).map(str::to_owned) else {
                continue;
            };
            let read = read_text(file.place, &shown).and_then(|text| {
                let file = SourceFile::new(&shown, text);
                let table = read_sops(&file)?;
                Ok(Source { name, file, table })
            });
            match read {
                Ok(source) => found.push(source),
                Err(mistake) => {
                    self.mistakes.push(mistake);
                    self.broken.insert(shown);
                }
            }
        }
        found
    }

    /// Reads every file below `templates/`. `keyring` decrypts those that are encrypted.
    pub(super) fn assets(&mut self, keyring: &Arc<Keyring>) -> Assets {
        let mut assets = Assets::default();
        for file in self.files.list(TEMPLATES) {
            let shown = file.shown.to_string_lossy().into_owned();
            if let Some(name) = content_name(below(&shown, TEMPLATES)) {
                let read = file.place.and_then(|place| read_in_place(&place, LARGEST_TEXT));
                self.add_encrypted(&mut assets, &shown, name, read, keyring);
                continue;
            }
            let read = file
                .place
                .and_then(|place| read_asset(below(&shown, TEMPLATES), &place, &mut assets));
            if let Err(refused) = read {
                // Empty in its place, so that its uses are no further mistakes.
                assets.insert(below(&shown, TEMPLATES), Vec::new());
                self.mistakes.push(unreadable(&shown, &refused));
                self.broken.insert(shown);
            }
        }
        let twice = assets.all_encrypted().filter(|(name, _)| assets.is_open(name));
        let mistakes = twice.map(|(name, file)| {
            let title = format!("`{TEMPLATES}/{name}` and `{}` are one file for operations", file.name());
            Diagnostic::new(title)
                .hint("delete the one that is not encrypted; if it was committed, change the secret itself")
        });
        self.mistakes.extend(mistakes);
        self.kept(&mut assets);
        assets
    }

    /// Adds the files that git does not have. They are read when they are needed.
    fn kept(&mut self, assets: &mut Assets) {
        for folder in [DOWNLOADS, CHARTS] {
            let name = if folder == CHARTS { chart_file } else { download };
            for file in self.files.list(folder) {
                let shown = file.shown.to_string_lossy().into_owned();
                match file.place {
                    Ok(place) => assets.insert_kept(name(below(&shown, folder)), &shown, &place),
                    Err(refused) => {
                        self.mistakes.push(unreadable(&shown, &refused));
                        self.broken.insert(shown);
                    }
                }
            }
        }
        agent::add_to(assets, &self.files);
        for name in lab_files() {
            let shown = format!("{LAB}/{name}");
            // Whatever is wrong with what the lab made, `lab up` makes it again.
            let Ok(Some(place)) = self.files.find(Path::new(&shown)) else {
                continue;
            };
            let digest = std::fs::read_to_string(format!("{}.sha256", place.display())).unwrap_or_default();
            let size = place.metadata().map_or(0, |metadata| metadata.len());
            if !digest.trim().is_empty() {
                assets.insert_measured(lab_file(&name), &shown, &place, (digest.trim().to_owned(), size));
            }
        }
        for file in lab_archives() {
            let shown = format!("{LAB}/{file}");
            if let Ok(Some(place)) = self.files.find(Path::new(&shown)) {
                assets.insert_kept(lab_file(&file), &shown, &place);
            }
        }
    }

    /// Reads the certificates of the project, and adds them to the files that operations use.
    pub(super) fn certificates(&mut self, assets: &mut Assets, keyring: &Arc<Keyring>) -> Pki {
        let read = Pki::read(self.files.root());
        self.mistakes.extend(read.mistakes);
        self.broken.extend(read.broken);
        read.pki.add_to(assets, keyring);
        read.pki
    }

    fn add_encrypted(
        &mut self,
        assets: &mut Assets,
        shown: &str,
        name: &str,
        read: Result<Vec<u8>, Refused>,
        keyring: &Arc<Keyring>,
    ) {
        let mistake = match &read {
            Ok(bytes) if is_made_by_age(bytes) => None,
            Ok(_) => Some(
                Diagnostic::new(format!("`{shown}` was not made by age"))
                    .hint(format!("encrypt it with `homelab secrets set {shown}`, or rename it")),
            ),
            Err(refused) => Some(unreadable(shown, refused)),
        };
        if let Some(mistake) = mistake {
            // Empty in its place, so that its uses are no further mistakes.
            assets.insert(name, Vec::new());
            self.mistakes.push(mistake);
            self.broken.insert(shown.to_owned());
            return;
        }
        let keyring = Arc::clone(keyring);
        let decrypt = Arc::new(move |path: &str, bytes: &[u8]| keyring.open_file(path, bytes));
        assets.insert_encrypted(name, EncryptedFile::new(shown, read.unwrap_or_default(), decrypt));
    }
}

/// The name of the content of an encrypted file; `None` if it is not one by its name.
fn content_name(path: &str) -> Option<&str> {
    let name = path.strip_suffix(EncryptedFile::SUFFIX)?;
    (!name.is_empty() && !name.ends_with('/')).then_some(name)
}

/// The mistake of a file in a format of other tools, and the path of the file that has its place.
fn other_format(files: &ProjectFolder, shown: &str) -> Option<(String, Diagnostic)> {
    let (name, ending) = shown.rsplit_once('.')?;
    if !["yml", "yaml", "json", "ini"].contains(&ending) {
        return None;
    }
    let path = format!("{name}.toml");
    if files.find(Path::new(&path)).is_ok_and(|found| found.is_some()) {
        return None;
    }
    let mistake = Diagnostic::new(format!("`{shown}` is not a TOML file"))
        .hint(format!("write it as TOML in `{path}`, or move it to `templates/`"));
    Some((path, mistake))
}

/// Adds a file that can be read.
fn read_asset(name: &str, place: &Path, assets: &mut Assets) -> Result<(), Refused> {
    if place
        .metadata()
        .is_ok_and(|metadata| metadata.permissions().mode() & 0o100 != 0)
    {
        assets.note_executable(name);
    }
    // A template is rendered, so it is read whole.
    if name.ends_with(Assets::TEMPLATE_SUFFIX) {
        assets.insert(name, read_in_place(place, LARGEST_TEXT)?);
        return Ok(());
    }
    match read_in_place(place, Assets::LARGEST_IN_MEMORY) {
        Ok(bytes) => assets.insert(name, bytes),
        Err(Refused::TooLarge(_)) => assets.insert_large(name, place),
        Err(refused) => return Err(refused),
    }
    Ok(())
}

fn read_source(place: Result<PathBuf, Refused>, name: String, shown: &str) -> Result<Source, Vec<Diagnostic>> {
    let text = read_text(place, shown).map_err(|mistake| vec![mistake])?;
    let file = SourceFile::new(shown, text);
    let table = parse_toml(&file)?;
    Ok(Source { name, file, table })
}

fn read_text(place: Result<PathBuf, Refused>, shown: &str) -> Result<String, Diagnostic> {
    let bytes = place
        .and_then(|place| read_in_place(&place, LARGEST_TEXT))
        .map_err(|refused| unreadable(shown, &refused))?;
    String::from_utf8(bytes).map_err(|error| not_text(shown, error.as_bytes()))
}

/// The mistake of a file that cannot be read.
pub(super) fn unreadable(shown: &str, refused: &Refused) -> Diagnostic {
    let title = match refused {
        Refused::LeadsOut(_) => format!("`{shown}` leads out of the project"),
        _ => format!("cannot read `{shown}`"),
    };
    Diagnostic::new(title)
        .hint(next_step(shown, refused))
        .because(refused.to_string())
}

fn next_step(shown: &str, refused: &Refused) -> &'static str {
    match refused {
        Refused::LeadsOut(_) => "copy what it leads to into the project, or remove the link",
        Refused::Loop(_) | Refused::Dangling(_) => "remove the link, or correct its target",
        Refused::Special(_) => "remove it, or move it out of the project's folders",
        Refused::TooLarge(_) if !shown.starts_with(TEMPLATES) => "divide it into several files",
        Refused::TooLarge(_) => "make it smaller, or copy it as it is with `files.put`, under a name without `.j2`",
        Refused::TooMany | Refused::TooDeep => "remove what does not belong to the project",
        Refused::Io(_) => "check its permissions with `ls -l`",
    }
}

/// The path without its first folders.
fn below<'a>(shown: &'a str, folder: &str) -> &'a str {
    shown.strip_prefix(folder).unwrap_or(shown).trim_start_matches('/')
}

/// Reads a table as a struct of which nothing is required. `what` names it in mistakes; what has one is left out.
pub(super) fn read_struct<T: DeserializeOwned + JsonSchema + Default>(
    mut table: Table,
    origin: Option<&Origin>,
    what: &str,
    mistakes: &mut Vec<Diagnostic>,
) -> T {
    let read = |table: Table| deserialize::<T>(&Value::new(Kind::Table(table)).at(origin));
    table.retain(|key, entry| {
        if !keys_of::<T>().contains(&key.as_str()) {
            mistakes.push(unknown_key(what, key, entry, keys_of::<T>()));
            return false;
        }
        let Err(error) = read(Table::from_iter([(key.clone(), entry.clone())])) else {
            return true;
        };
        let wrong = value_at(&schema_of::<T>(), error.path());
        let misfit = wrong.and_then(|(name, kind)| error.misfit(&name, &kind, None));
        mistakes.push(misfit.unwrap_or_else(|| error.into_diagnostic(format!("invalid {what}"), origin)));
        false
    });
    read(table).unwrap_or_default()
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
