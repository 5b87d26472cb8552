//! Unused keys of data whose name is close to one that is used: probably misspelled, they would have no effect. Other
//! unused data is allowed.

use std::collections::BTreeSet;

use super::parts::data_tables;
use crate::error::{Diagnostic, closest};
use crate::project::Project;
use crate::value::{Kind, Table};

/// The data that homelab itself reads.
const READ_BY_ITSELF: &[&str] = &["stacks", "stack_settings"];
/// Shorter names are close to too many others.
const SHORTEST: usize = 4;
/// Names of at least this length may differ in two letters.
const LONG: usize = 8;

/// Finds such keys; `used` are the dotted names of all templates and expressions.
pub(super) fn check(project: &Project, used: &BTreeSet<String>) -> Vec<Diagnostic> {
    // A loop over whole hosts may use anything.
    if ["hosts", "host", "host.data"].iter().any(|whole| used.contains(*whole)) {
        return Vec::new();
    }
    let required = project.tasks.values().flat_map(|task| &task.required);
    let names = used
        .iter()
        .map(String::as_str)
        .chain(required.map(|name| name.name.as_str()));
    let words: BTreeSet<&str> = names.flat_map(|name| name.split('.')).collect();
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
