//! One mistake for one cause: a host that is not in a group lacks all data of that group.

use std::collections::{BTreeMap, BTreeSet};

use super::Mistake;
use crate::error::Diagnostic;
use crate::project::{Host, Inventory, Project};
use crate::template::LAB_KEY;
use crate::value::Table;

/// Fewer names of a group may be missing for another reason.
const FEWEST: usize = 2;
/// The most places that one mistake shows.
const MOST_PLACES: usize = 3;

/// `mistakes` found on hosts of an inventory, with those that follow from a missing group as one mistake a host.
pub fn fold_causes(project: &Project, inventory: &str, mistakes: Vec<Mistake>) -> Vec<Mistake> {
    let Some(inventory) = project.inventories.get(inventory) else {
        return mistakes;
    };
    let names: BTreeSet<String> = mistakes.iter().map(|mistake| mistake.host.clone()).collect();
    let mut folded = Vec::new();
    let mut rest = mistakes;
    for host in names.iter().filter_map(|name| inventory.hosts.get(name)) {
        let (of_host, others): (Vec<Mistake>, Vec<Mistake>) =
            rest.into_iter().partition(|mistake| mistake.host == host.name);
        rest = others;
        let (cause, left) = of_one(project, inventory, host, of_host);
        folded.extend(cause.map(|diagnostic| Mistake {
            host: host.name.clone(),
            diagnostic,
        }));
        folded.extend(left);
    }
    folded.extend(rest);
    one_for_the_key(folded)
}

/// One mistake for all places that need the key of the lab.
fn one_for_the_key(mistakes: Vec<Mistake>) -> Vec<Mistake> {
    let (of_key, mut others): (Vec<Mistake>, Vec<Mistake>) = mistakes
        .into_iter()
        .partition(|mistake| needs_lab_key(&mistake.diagnostic));
    let places: BTreeSet<String> = of_key
        .iter()
        .filter_map(|mistake| Some(mistake.diagnostic.origin()?.to_string()))
        .collect();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let of_hosts = of_key.iter().filter(|mistake| known.insert(&mistake.host));
    let folded: Vec<Mistake> = of_hosts
        .map(|mistake| {
            let mut diagnostic = of_key[0].diagnostic.clone();
            if places.len() > 1 {
                diagnostic.labels.truncate(1);
                let others = places.len() - 1;
                let noun = if others == 1 { "place needs" } else { "places need" };
                diagnostic.causes.push(format!("{others} more {noun} it"));
            }
            Mistake {
                host: mistake.host.clone(),
                diagnostic,
            }
        })
        .collect();
    others.extend(folded);
    others
}

/// Whether a mistake is that the key of the lab is missing, or is none.
pub(super) fn needs_lab_key(mistake: &Diagnostic) -> bool {
    mistake.lacks() == Some(LAB_KEY)
}

/// The mistake that a group is missing, if it is, and the mistakes that do not follow from it.
fn of_one(
    project: &Project,
    inventory: &Inventory,
    host: &Host,
    mistakes: Vec<Mistake>,
) -> (Option<Diagnostic>, Vec<Mistake>) {
    let mut lacked: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for name in mistakes.iter().filter_map(|mistake| mistake.diagnostic.lacks()) {
        for group in groups_with(project, inventory, host, name) {
            lacked.entry(group).or_default().insert(name);
        }
    }
    let most = lacked.into_iter().rev().max_by_key(|(_, names)| names.len());
    let Some((group, names)) = most.filter(|(_, names)| names.len() >= FEWEST) else {
        return (None, mistakes);
    };
    let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let title = format!(
        "host `{}` is not in group `{group}`, whose data is used for it",
        host.name
    );
    let mut cause = Diagnostic::new(title)
        .at_maybe(host.origin.as_ref(), format!("lacks {}", listed.join(", ")))
        .hint(format!(
            "add `groups = [\"{group}\"]` to the host, set the data for it, or exclude it from the deploy with `\"!{}\"`",
            host.name
        ));
    let follows = |mistake: &Mistake| {
        let lacks = mistake.diagnostic.lacks();
        // A look-up such as `catalogue[name]` fails because of a name that is lacking.
        lacks.is_some_and(|name| names.contains(name) || name.contains('['))
    };
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    for mistake in mistakes.iter().filter(|mistake| follows(mistake)) {
        if let (Some(name), Some(origin)) = (mistake.diagnostic.lacks(), mistake.diagnostic.origin())
            && names.contains(name)
            && shown.len() < MOST_PLACES
            && shown.insert(name)
        {
            cause = cause.at(origin, "used here");
        }
    }
    let left = mistakes.iter().filter(|mistake| !follows(mistake)).cloned().collect();
    (Some(cause), left)
}

/// The groups of other hosts of the inventory that have data of this name.
fn groups_with<'a>(
    project: &'a Project,
    inventory: &'a Inventory,
    host: &'a Host,
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    let of_others = inventory.hosts.values().flat_map(|other| &other.groups);
    let names: BTreeSet<&str> = of_others.map(|group| group.name.as_str()).collect();
    names.into_iter().filter(move |group| {
        let is_own = host.groups.iter().any(|own| own.name == *group);
        let data = project.group_data.get(*group).map(|group| &group.data);
        !is_own && data.is_some_and(|data| has(data, name))
    })
}

/// Whether the first part of a dotted name that `data` could lack is there.
fn has(data: &Table, name: &str) -> bool {
    let (first, rest) = name
        .split_once('.')
        .map_or((name, None), |(first, rest)| (first, Some(rest)));
    let Some(entry) = data.get(first) else { return false };
    match (rest, entry.value.as_table()) {
        (Some(rest), Some(table)) => has(table, rest),
        // The result of a template may have it.
        (Some(_), None) | (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Origin, SourceFile};

    #[test]
    fn what_lacks_the_key_is_one_mistake() {
        let file = SourceFile::new("a.toml", "0123456789");
        let mistake = |host: &str, at: usize, lacks: &str| Mistake {
            host: host.to_owned(),
            diagnostic: Diagnostic::new("no key")
                .at(&Origin::new(&file, at..at + 1), "used here")
                .lacking(lacks),
        };
        for (places, expected) in [
            (vec![("a", 1)], vec!["a: no key []"]),
            (vec![("a", 1), ("b", 1)], vec!["a: no key []", "b: no key []"]),
            (vec![("a", 1), ("a", 2)], vec!["a: no key [1 more place needs it]"]),
            (
                vec![("a", 1), ("a", 2), ("b", 3), ("b", 2)],
                vec!["a: no key [2 more places need it]", "b: no key [2 more places need it]"],
            ),
        ] {
            let found: Vec<Mistake> = places.iter().map(|(host, at)| mistake(host, *at, LAB_KEY)).collect();
            let other = mistake("a", 5, "other");
            let folded = one_for_the_key(found.into_iter().chain([other]).collect());
            let told: Vec<String> = folded
                .iter()
                .map(|one| {
                    format!(
                        "{}: {} [{}]",
                        one.host,
                        one.diagnostic.title,
                        one.diagnostic.causes.join("; ")
                    )
                })
                .collect();
            assert_eq!(told[0], "a: no key []", "what lacks something else");
            assert_eq!(told[1..], expected, "{places:?}");
        }
    }
}
