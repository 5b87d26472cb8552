//! Stacks: folders below `templates/services/`, each with the settings in its `stack.toml`.

mod files;
mod sites;

pub use self::sites::wrong_port;

use std::collections::{BTreeMap, BTreeSet};

use super::allow::{Allowance, allowance};
use super::fields::Fields;
use super::reader::Source;
use crate::content::Assets;
use crate::error::{Diagnostic, Origin, suggestion};
use crate::operations::certificate_hint;
use crate::template::{STACKS, is_template, stack_of};
use crate::value::{Entry, Kind, Table, Value, advice, merge};

/// Every stack by name.
pub type Catalogue = BTreeMap<String, Stack>;

/// The settings of a stack.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    /// Defaults that a host's `stack_settings` can override.
    pub defaults: Table,
    /// The rest of `stack.toml`: `sites`, and `backup` if present.
    pub settings: Table,
    /// The lints that are allowed in its files.
    pub allow: Allowance,
    /// Its files that are certificates of the project.
    borrowed: Vec<files::Borrowed>,
    /// Whether a mistake in its `stack.toml` hides what it has: then templates see nothing of it that is known, so what they use of it
    /// is no further mistake.
    pub is_unread: bool,
}

const KEYS: &[&str] = &[
    "defaults",
    "files",
    "directories",
    "on_change",
    "sites",
    "backup",
    "allow",
    "allow_reason",
];
/// The certificate of the project's authority, among its files.
const AUTHORITY: &str = "pki:ca";
/// Names of `catalogue.NAME` that are not defaults.
const TAKEN: &[&str] = &["name", "sites", "backup"];
/// How many backups are kept, and when one is made, unless `[backup]` says so.
const KEEP: i64 = 7;
const AT: &str = "02:30";
const BACKUP_KEYS: &[&str] = &["service", "command", "restore", "restart", "keep", "at"];

/// Reads a `stack.toml`.
pub(super) fn read(source: Source, mistakes: &mut Vec<Diagnostic>) -> Stack {
    let place = source.start();
    let mut backup = source.table.get("backup").cloned();
    if let Some(Kind::Table(backup)) = backup.as_mut().map(|entry| &mut entry.value.kind) {
        for (key, value) in [("keep", Value::new(Kind::Integer(KEEP))), ("at", Value::string(AT))] {
            backup
                .entry(key.to_owned())
                .or_insert_with(|| Entry { key: None, value });
        }
    }
    let mut fields = Fields::new(source.table, &place, mistakes);
    let is_misspelt = fields.has_meant("defaults", KEYS);
    let defaults = fields.fitting_table("defaults");
    let is_unread = is_misspelt || defaults.is_none();
    let defaults = defaults.unwrap_or_default();
    let sites = sites::read(&mut fields);
    check_backup(&mut fields);
    let borrowed = files::read(&mut fields);
    let allow = allowance(&mut fields);
    fields.end("a stack", KEYS);
    for (key, entry) in defaults.iter().filter(|(key, _)| TAKEN.contains(&key.as_str())) {
        let mistake = Diagnostic::new(format!("`{key}` cannot be the name of a default"));
        mistakes.push(
            mistake
                .at_maybe(entry.key.as_ref(), "`catalogue.NAME` already uses this name")
                .hint("choose another name"),
        );
    }
    let mut settings = backup
        .map(|backup| ("backup".to_owned(), backup))
        .into_iter()
        .collect::<Table>();
    let entry = Entry {
        key: None,
        value: sites,
    };
    settings.insert("sites".to_owned(), entry);
    Stack {
        defaults,
        settings,
        allow,
        borrowed,
        is_unread,
    }
}

fn check_backup(fields: &mut Fields<'_>) {
    if !fields.has("backup") {
        return;
    }
    let place = fields.value_place("backup").unwrap_or_else(|| fields.place().clone());
    let table = fields.table("backup");
    let mut mistakes = Vec::new();
    let mut backup = Fields::new(table, &place, &mut mistakes);
    if !backup.has("command") {
        let mistake = Diagnostic::new("missing `command` in `backup`").at(&place, "needs `command`");
        backup.mistake(mistake.hint("add `command = [\"…\"]`"));
    }
    backup.text("service");
    backup.names("command");
    backup.names("restore");
    backup.names("restart");
    backup.count("keep", 1);
    let at = backup.entry("at").map(|entry| entry.value);
    if let Some(at) = at.filter(|at| !at.as_str().is_some_and(is_time)) {
        let mistake = Diagnostic::new("`at` must be a time of day");
        backup.mistake(
            mistake
                .at_maybe(at.origin.as_ref(), format!("this is {}", at.shown()))
                .hint(time_hint(&at)),
        );
    }
    backup.end("`backup`", BACKUP_KEYS);
    fields.mistakes(mistakes);
}

/// What to write instead of a value that is no time of day.
fn time_hint(value: &Value) -> String {
    let text = match &value.kind {
        Kind::Integer(hour) => format!("{hour}:00"),
        Kind::String(text) => text.replace(['.', 'h'], ":"),
        _ => String::new(),
    };
    let (hours, minutes) = text.split_once(':').unwrap_or((&text, "00"));
    let meant = format!("{hours:0>2}:{minutes:0<2}");
    if !hours.is_empty() && is_time(&meant) {
        format!("write hours and minutes: `at = \"{meant}\"`")
    } else {
        format!("write hours and minutes, such as `at = \"{AT}\"`")
    }
}

fn is_time(text: &str) -> bool {
    let number = |part: &str, limit: u8| part.len() == 2 && part.parse::<u8>().is_ok_and(|number| number < limit);
    text.split_once(':')
        .is_some_and(|(hours, minutes)| number(hours, 24) && number(minutes, 60))
}

/// The stacks that have a folder, including those without a `stack.toml`, and those whose `stack.toml` is one of the `broken` files.
pub(super) fn complete(mut catalogue: Catalogue, assets: &Assets, broken: &BTreeSet<String>) -> Catalogue {
    for name in assets.names().filter_map(stack_of) {
        let is_unread = broken.contains(&format!("templates/{STACKS}/{name}/stack.toml"));
        catalogue.entry(name.to_owned()).or_insert_with(|| Stack {
            is_unread,
            ..Stack::default()
        });
    }
    catalogue
}

/// Finds sites that need an authority where the project has none, although its templates use one.
pub(super) fn check_authority(catalogue: &Catalogue, assets: &Assets) -> Vec<Diagnostic> {
    if assets.contains(AUTHORITY) {
        return Vec::new();
    }
    let is_template = |path: &str| path.ends_with(Assets::TEMPLATE_SUFFIX);
    let mut texts = assets.in_memory().filter(|(path, _)| is_template(path));
    if !texts.any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("pki.ca")) {
        return Vec::new();
    }
    let sites = catalogue.values().filter_map(|stack| stack.settings.get("sites"));
    let tables = sites.flat_map(|sites| match &sites.value.kind {
        Kind::List(sites) => sites.iter().filter_map(Value::as_table).collect(),
        _ => Vec::new(),
    });
    let kinds = tables.filter_map(|site| site.get("kind"));
    let of_mtls = kinds.filter(|kind| kind.value.as_str() == Some("mtls"));
    of_mtls
        .map(|kind| {
            Diagnostic::new("a site of the kind \"mtls\" needs an authority")
                .at_maybe(
                    kind.value.origin.as_ref(),
                    "the project has none that signs the certificates of devices",
                )
                .hint("run `homelab pki init`, then `homelab pki issue NAME` for each device")
        })
        .collect()
}

/// Adds the files of stacks that are certificates of the project.
pub(super) fn borrow_files(catalogue: &Catalogue, assets: &mut Assets, mistakes: &mut Vec<Diagnostic>) {
    for (name, stack) in catalogue {
        for borrowed in &stack.borrowed {
            let (path, src) = (format!("{STACKS}/{name}/{}", borrowed.path), &borrowed.src);
            let origin = src.origin.as_ref();
            if assets.contains(&path) {
                let mistake = Diagnostic::new(format!("`templates/{path}` and `{}` are one file", src.name));
                let mistake = mistake.at_maybe(origin, "there is such a file in the folder");
                mistakes.push(mistake.hint("remove one of the two"));
            } else if !assets.insert_again(path, &src.name) {
                let mistake = Diagnostic::new(format!("`{}` does not exist", src.name));
                let mistake = mistake.at_maybe(origin, "no such certificate");
                mistakes.push(mistake.hint(certificate_hint(assets, &src.name)));
            }
        }
    }
}

/// What templates see of a stack on a host with `data`: its defaults, overridden by the host's settings, and the rest.
pub fn described(name: &str, stack: &Stack, data: &Table) -> Table {
    let mut table = stack.defaults.clone();
    let settings = data.get("stack_settings").and_then(|entry| entry.value.as_table());
    if let Some(own) = settings
        .and_then(|settings| settings.get(name))
        .and_then(|entry| entry.value.as_table())
    {
        merge(&mut table, own);
    }
    table.extend(stack.settings.clone());
    table.entry("sites".to_owned()).or_insert_with(|| Entry {
        key: None,
        value: Value::new(Kind::List(Vec::new())),
    });
    let entry = Entry {
        key: None,
        value: Value::string(name),
    };
    table.insert("name".to_owned(), entry);
    table
}

/// The names in a host's `stacks` without a folder.
pub fn missing_stacks<'a>(catalogue: &'a Catalogue, data: &'a Table) -> impl Iterator<Item = &'a str> {
    let names = listed(data).iter().filter_map(Value::as_str);
    names.filter(|name| !catalogue.contains_key(*name))
}

fn listed(data: &Table) -> &[Value] {
    match data.get("stacks").map(|entry| &entry.value.kind) {
        Some(Kind::List(items)) => items.as_slice(),
        _ => &[],
    }
}

/// Values in `stacks` and `stack_settings` of a table of data that are of another type than these have. From here on they are not
/// known: nothing that only follows from them is a mistake too.
pub(super) fn take_misfits(data: &mut Table) -> Vec<Diagnostic> {
    // What a template gives is known only when it is used.
    let is_open = |value: &Value| match &value.kind {
        Kind::String(text) => is_template(text),
        Kind::Unknown(_) | Kind::Secret(_) => true,
        _ => false,
    };
    let misfit = |name: &str, key: &str, expected: &str, value: &Value| {
        let hint = match expected {
            "a string" => "write the name of a stack, in quotes".to_owned(),
            _ => advice(key, expected, value),
        };
        Diagnostic::new(format!("{name} must be {expected}"))
            .at_maybe(value.origin.as_ref(), format!("this is {}", value.shown()))
            .hint(hint)
    };
    let mut found = Vec::new();
    let mut take = |key: &str, of: &dyn Fn(&Value) -> Vec<Diagnostic>| {
        let Some(entry) = data.get_mut(key).filter(|entry| !is_open(&entry.value)) else {
            return;
        };
        let wrong = of(&entry.value);
        if !wrong.is_empty() {
            entry.value.kind = Kind::Unknown(format!("`{key}` has a mistake").into());
        }
        found.extend(wrong);
    };
    take("stacks", &|value| match &value.kind {
        Kind::List(items) => {
            let items = items.iter().enumerate();
            let wrong = items.filter(|(_, item)| item.as_str().is_none() && !is_open(item));
            let name = |at: usize| format!("item {} of `stacks`", at + 1);
            wrong
                .map(|(at, item)| misfit(&name(at), "stacks", "a string", item))
                .collect()
        }
        _ => vec![misfit("`stacks`", "stacks", "a list of strings", value)],
    });
    take("stack_settings", &|value| match value.as_table() {
        Some(settings) => {
            let wrong = settings.iter().map(|(name, entry)| (name, &entry.value));
            let wrong = wrong.filter(|(_, value)| value.as_table().is_none() && !is_open(value));
            wrong
                .map(|(name, value)| misfit(&format!("`{name}` in `stack_settings`"), name, "a table", value))
                .collect()
        }
        None => vec![misfit("`stack_settings`", "stack_settings", "a table", value)],
    });
    found
}

/// Names in a host's `stacks` and `stack_settings` without a folder.
pub fn check_names(catalogue: &Catalogue, data: &Table) -> Vec<Diagnostic> {
    if catalogue.is_empty() {
        return Vec::new();
    }
    let known = || catalogue.keys().map(String::as_str);
    let missing = |name: &str, origin: Option<&Origin>| {
        (!catalogue.contains_key(name)).then(|| {
            Diagnostic::new(format!("unknown stack `{name}`"))
                .at_maybe(origin, format!("`templates/{STACKS}/{name}/` does not exist"))
                .hint_maybe(suggestion(name, known()))
        })
    };
    let mut mistakes: Vec<Diagnostic> = listed(data)
        .iter()
        .filter_map(|item| missing(item.as_str()?, item.origin.as_ref()))
        .collect();
    if let Some(settings) = data.get("stack_settings").and_then(|entry| entry.value.as_table()) {
        mistakes.extend(
            settings
                .iter()
                .filter_map(|(name, entry)| missing(name, entry.key.as_ref())),
        );
    }
    mistakes
}
