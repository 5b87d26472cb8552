//! Unused keys of data whose name is close to one that is used: probably misspelled, they would have no effect. Other
//! unused data is allowed.

use std::collections::BTreeSet;

use super::parts::data_tables;
use super::used::Used;
use crate::error::{Diagnostic, closest, suggestion};
use crate::project::Project;
use crate::template::RESERVED;
use crate::value::{Kind, Table, Value};

/// The data that homelab itself reads.
const READ_BY_ITSELF: &[&str] = &["stacks", "stack_settings", "stacks_path"];
/// Shorter names are close to too many others.
const SHORTEST: usize = 4;
/// Names of at least this length may differ in two letters.
const LONG: usize = 8;

/// Finds such keys.
pub(super) fn check(project: &Project, all: &Used) -> Vec<Diagnostic> {
    // What looks up hosts by a name that is not fixed may use anything of them that some template names.
    let is_open = ["hosts", "host", "host.data"]
        .iter()
        .any(|whole| all.names.contains(*whole));
    let of_any_host = all.of_any_host.iter().filter(|_| is_open);
    let used: &BTreeSet<String> = &all.names.iter().chain(of_any_host).cloned().collect();
    let required = project.tasks.values().flat_map(|task| &task.required);
    let names = used
        .iter()
        .map(String::as_str)
        .chain(required.map(|name| name.name.as_str()));
    let words = names.flat_map(|name| name.split('.'));
    let spoken = all.words.iter().map(String::as_str).filter(|_| is_open);
    let words: BTreeSet<&str> = words.chain(spoken).collect();
    let mut mistakes = Vec::new();
    for table in data_tables(project) {
        check_table(table, "", used, &words, &mut mistakes);
    }
    mistakes
}

fn check_table(
    table: &Table,
    above: &str,
    used: &BTreeSet<String>,
    words: &BTreeSet<&str>,
    mistakes: &mut Vec<Diagnostic>,
) {
    for (key, entry) in table {
        let path = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        if READ_BY_ITSELF.contains(&path.as_str()) || used.contains(&path) {
            continue;
        }
        if !words.contains(key.as_str())
            && let Some(meant) = closest(key, siblings(above, used)).filter(|meant| is_misspelt(key, meant, table))
        {
            mistakes.push(
                Diagnostic::new(format!("unused data `{path}`"))
                    .at_maybe(entry.key.as_ref(), "this has no effect")
                    .hint(format!("did you mean `{meant}`?")),
            );
        } else if let Kind::Table(inner) = &entry.value.kind {
            check_table(inner, &path, used, words, mistakes);
        }
    }
}

/// Checks data of the command line, which overrides that of files: each key must be one that is set or used somewhere.
///
/// Errors: a key that nothing knows.
pub(crate) fn check_given(project: &Project, given: &Table, names: &BTreeSet<String>) -> Result<(), Diagnostic> {
    if given.is_empty()
        || ["hosts", "host", "host.data"]
            .iter()
            .any(|whole| names.contains(*whole))
    {
        return Ok(());
    }
    let of_hosts = names
        .iter()
        .filter_map(|name| name.split_once(".data.").map(|(_, own)| own));
    let required = project.tasks.values().flat_map(|task| &task.required);
    let used = names.iter().map(String::as_str).chain(of_hosts);
    let used: BTreeSet<&str> = used.chain(required.map(|name| name.name.as_str())).collect();
    check_given_table(given, "", &data_tables(project), &used)
}

fn check_given_table(given: &Table, above: &str, data: &[&Table], used: &BTreeSet<&str>) -> Result<(), Diagnostic> {
    for (key, entry) in given {
        let path = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        let below = format!("{path}.");
        let is_used = |name: &&str| **name == path || name.starts_with(&below) || path.starts_with(&format!("{name}."));
        let set: Vec<&Value> = data.iter().filter_map(|table| Some(&table.get(key)?.value)).collect();
        if set.is_empty() && !used.iter().any(is_used) && !READ_BY_ITSELF.contains(&path.as_str()) {
            let known = data.iter().flat_map(|table| table.keys()).map(String::as_str);
            let siblings = used.iter().filter_map(|name| {
                let rest = match above {
                    "" => name,
                    _ => name.strip_prefix(above)?.strip_prefix('.')?,
                };
                rest.split('.').next()
            });
            let known: BTreeSet<&str> = known.chain(siblings).filter(|name| !RESERVED.contains(name)).collect();
            let otherwise = "`homelab inventory show HOST` lists the data of a host";
            return Err(Diagnostic::new(format!("`--data {path}` is not used"))
                .hint(whole_suggestion(key, above, &known).unwrap_or_else(|| otherwise.to_owned())));
        }
        let tables: Vec<&Table> = set.iter().filter_map(|value| value.as_table()).collect();
        // What is not a table yet becomes one, or is used by a name that is not known before.
        if let Kind::Table(inner) = &entry.value.kind
            && tables.len() == set.len()
            && !READ_BY_ITSELF.contains(&path.as_str())
        {
            check_given_table(inner, &path, &tables, used)?;
        }
    }
    Ok(())
}

/// The names beside `key` of the table `above`, as they are written in `--data`.
fn whole_suggestion(key: &str, above: &str, known: &BTreeSet<&str>) -> Option<String> {
    if above.is_empty() {
        return suggestion(key, known.iter().copied());
    }
    let whole: Vec<String> = known.iter().map(|name| format!("{above}.{name}")).collect();
    match closest(key, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{above}.{near}`?")),
        None => suggestion(&format!("{above}.{key}"), whole.iter().map(String::as_str)),
    }
}

/// Settings of a stack whose name is close to one of its defaults.
pub(super) fn check_settings(project: &Project) -> Vec<Diagnostic> {
    let tables = data_tables(project).into_iter();
    let settings = tables.filter_map(|table| table.get("stack_settings")?.value.as_table());
    let mut mistakes = Vec::new();
    for (name, entry) in settings.flatten() {
        let (Some(stack), Some(table)) = (project.catalogue.get(name), entry.value.as_table()) else {
            continue;
        };
        for (key, entry) in table.iter().filter(|(key, _)| !stack.defaults.contains_key(*key)) {
            let near = closest(key, stack.defaults.keys().map(String::as_str));
            if let Some(meant) = near.filter(|meant| is_misspelt(key, meant, table)) {
                mistakes.push(
                    Diagnostic::new(format!("unknown setting `{key}` of stack `{name}`"))
                        .at_maybe(entry.key.as_ref(), "this has no effect")
                        .hint(format!("did you mean `{meant}`?")),
                );
            }
        }
    }
    mistakes
}

/// The used names in the table at `above`.
fn siblings<'a>(above: &'a str, used: &'a BTreeSet<String>) -> impl Iterator<Item = &'a str> {
    used.iter().filter_map(move |name| {
        let rest = match above {
            "" => name.as_str(),
            _ => name.strip_prefix(above)?.strip_prefix('.')?,
        };
        rest.split('.').next()
    })
}

/// Names that differ in a number are different names, and so are two keys of the same table.
fn is_misspelt(key: &str, meant: &str, table: &Table) -> bool {
    let without_digits = |name: &str| name.replace(|character: char| character.is_ascii_digit(), "");
    let mistakes = strsim::damerau_levenshtein(key, meant);
    let is_near = key.len() >= SHORTEST && mistakes <= if key.len() < LONG { 1 } else { 2 };
    is_near && !table.contains_key(meant) && without_digits(key) != without_digits(meant)
}
