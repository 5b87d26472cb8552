//! Host patterns: names, groups and globs; a leading `!` excludes hosts.

use globset::{Glob, GlobMatcher};

use super::fields::Named;
use super::group::ALL;
use super::host::{Host, Inventory};
use crate::error::{Diagnostic, habits, suggestion};

/// The hosts that `patterns` select, in the inventory's order. If all patterns exclude, the rest is selected.
///
/// Errors: a pattern that matches nothing, unless it `may_be_empty`.
pub(super) fn select<'a>(
    inventory: &'a Inventory,
    inventory_name: &str,
    patterns: &[Named],
    may_be_empty: impl Fn(&str) -> bool,
) -> Result<Vec<&'a Host>, Diagnostic> {
    let is_all = patterns.iter().all(|pattern| pattern.name.starts_with('!'));
    let mut selected: Vec<&str> = Vec::new();
    if is_all {
        selected.extend(inventory.hosts.keys().map(String::as_str));
    }
    for pattern in patterns {
        let (takes_out, text) = match pattern.name.strip_prefix('!') {
            Some(text) => (true, text),
            None => (false, pattern.name.as_str()),
        };
        let place = pattern.origin.as_ref();
        let matched = matching(inventory, text).map_err(|mistake| mistake.at_maybe(place, "invalid glob"))?;
        if matched.is_empty() && !may_be_empty(text) {
            return Err(
                Diagnostic::new(format!("`{text}` matches nothing in inventory `{inventory_name}`"))
                    .at_maybe(place, "no host or group has this name")
                    .hint(pattern_suggestion(text, known(inventory)).unwrap_or_else(|| {
                        let listed = format!("`homelab inventory list {inventory_name}` lists the hosts and groups");
                        match place {
                            Some(_) => format!(
                                "{listed}; what this deploy made on a host that left the group is removed by another deploy of that host with `--prune`"
                            ),
                            None => listed,
                        }
                    })),
            );
        }
        if takes_out {
            selected.retain(|name| !matched.iter().any(|host| host.name == *name));
        } else {
            selected.extend(matched.iter().map(|host| host.name.as_str()));
        }
    }
    Ok(inventory
        .hosts
        .values()
        .filter(|host| selected.contains(&host.name.as_str()))
        .collect())
}

/// Patterns of the command line, which have no place in a file.
pub(super) fn unplaced(patterns: &[String]) -> Vec<Named> {
    let name = |pattern: &String| Named {
        name: pattern.clone(),
        origin: None,
    };
    patterns.iter().map(name).collect()
}

/// Hosts whose name or group `pattern` matches.
fn matching<'a>(inventory: &'a Inventory, pattern: &str) -> Result<Vec<&'a Host>, Diagnostic> {
    let glob = glob(pattern)?;
    let in_all = glob.is_match(ALL) || inventory.groups.iter().any(|group| glob.is_match(&group.name));
    Ok(inventory
        .hosts
        .values()
        .filter(|host| {
            in_all || glob.is_match(&host.name) || host.groups.iter().any(|group| glob.is_match(&group.name))
        })
        .collect())
}

/// `pattern` as a glob.
pub(super) fn glob(pattern: &str) -> Result<GlobMatcher, Diagnostic> {
    Glob::new(pattern).map(|glob| glob.compile_matcher()).map_err(|error| {
        Diagnostic::new(format!("`{pattern}` is not a valid pattern"))
            .because(error.kind().to_string())
            .hint("`*` matches any text, `?` one character, `[ab]` one of these characters, `{a,b}` one of these texts")
    })
}

/// What to write instead of a pattern that matches nothing, where `known` are names that could be meant.
pub(super) fn pattern_suggestion<'a>(pattern: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    habits::pattern(pattern).or_else(|| suggestion(pattern, known))
}

/// Everything that a pattern can name.
pub(super) fn known(inventory: &Inventory) -> Vec<&str> {
    let hosts = inventory.hosts.values();
    let groups = hosts.clone().flat_map(|host| &host.groups).chain(&inventory.groups);
    let mut names: Vec<&str> = hosts
        .map(|host| host.name.as_str())
        .chain(groups.map(|group| group.name.as_str()))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
