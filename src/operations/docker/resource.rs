//! What networks and volumes have in common.

use std::collections::BTreeMap;

use crate::change::{Attribute, Attributed, NotKnown, Stop};
use crate::facts::{Fact, FactKey};
use crate::operations::PlanContext;
use crate::operations::parameters::NumberOrText;

/// Names with values, as they are written.
pub(super) type Pairs = BTreeMap<String, NumberOrText>;

/// Refuses a name that Docker does not take.
pub(super) fn check_name(context: &PlanContext<'_>, argument: &str, name: &str, least: usize) -> Result<(), Stop> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    if name.len() >= least && name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(plain) {
        return Ok(());
    }
    let title = format!("`{name}` is not a valid name for a Docker {argument}");
    let label = match least {
        1 => "use letters, digits, `_`, `.` and `-`, starting with a letter or digit",
        _ => "use at least two letters, digits, `_`, `.` and `-`, starting with a letter or digit",
    };
    Err(context.refuse(argument, title, label).hint("choose another name"))
}

/// Refuses names of options and labels that a command line cannot hold.
pub(super) fn check_pairs(context: &PlanContext<'_>, argument: &str, pairs: Option<&Pairs>) -> Result<(), Stop> {
    let is_wrong = |name: &&String| name.is_empty() || name.contains(['=', '\n', '\0']);
    match pairs.iter().flat_map(|pairs| pairs.keys()).find(is_wrong) {
        None => Ok(()),
        Some(name) => Err(context
            .refuse_entry(
                argument,
                name,
                format!("`{name}` is not a valid name in `{argument}`"),
                "no `=` and no line break",
            )
            .hint("write `NAME = \"VALUE\"`")),
    }
}

/// Refuses names of labels that Docker refuses.
pub(super) fn check_labels(context: &PlanContext<'_>, labels: Option<&Pairs>) -> Result<(), Stop> {
    check_pairs(context, "labels", labels)?;
    let has_blank = |name: &&String| name.contains(char::is_whitespace);
    match labels.iter().flat_map(|labels| labels.keys()).find(has_blank) {
        None => Ok(()),
        Some(name) => {
            let title = format!("`{name}` is not a valid name of a label");
            Err(context
                .refuse_entry("labels", name, title, "Docker allows no blanks in it")
                .hint("rename it, such as `com.example.name`"))
        }
    }
}

/// `found` with what is given.
pub(super) fn merged(found: &BTreeMap<String, String>, given: Option<&Pairs>) -> BTreeMap<String, String> {
    let given = given
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.0.clone()));
    found.clone().into_iter().chain(given).collect()
}

/// Adds names with values to what a review shows, a line for each.
pub(super) fn show_pairs(attributed: &mut Attributed, name: &'static str, pairs: &BTreeMap<String, String>) {
    let lines = pairs.iter().map(|(name, value)| format!("{name}={}", shown(value)));
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        attributed.insert(name, Attribute::known(lines.join(", ")));
    }
}

/// The value of an option, without passwords such as that of a share: `username=anna,password=[hidden]`.
fn shown(value: &str) -> String {
    let parts = value.split(',').map(|part| match part.split_once('=') {
        Some((name @ ("pass" | "passwd" | "password" | "password2"), _)) => format!("{name}=[hidden]"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Says that something differs where only what is hidden does.
pub(super) fn tell_hidden(before: &Attributed, after: &mut Attributed) {
    if before == after {
        after.insert("hidden options", Attribute::known("changed"));
    }
}

/// What differs, in words: `driver bridge → macvlan`.
pub(super) fn differences(before: &Attributed, after: &Attributed) -> String {
    let mut names: Vec<&'static str> = before.keys().copied().collect();
    names.extend(after.keys().copied().filter(|name| !before.contains_key(name)));
    let shown = |attributed: &Attributed, name: &str| match attributed.get(name) {
        Some(attribute) => attribute.shown().unwrap_or("another one").to_owned(),
        None => "none".to_owned(),
    };
    let differing = names.into_iter().filter(|name| before.get(name) != after.get(name));
    let words = differing.map(|name| format!("{name} {} → {}", shown(before, name), shown(after, name)));
    words.collect::<Vec<_>>().join("; ")
}

/// The refusal for what containers do now, unless an earlier operation may start or remove them before it counts.
pub(super) fn unless_they_change(context: &PlanContext<'_>, key: FactKey, refusal: Stop) -> Stop {
    match context.containers_change() {
        None => refusal,
        Some(operation) => Stop::NotKnown {
            key,
            cause: NotKnown::Since(operation, "it may start and remove containers".to_owned()),
        },
    }
}

/// Those of these containers that no earlier operation removes.
pub(super) fn remaining(context: &PlanContext<'_>, containers: &[String]) -> Vec<String> {
    let is_removed = |name: &String| {
        let key = FactKey::DockerContainer(name.clone());
        context.predicted_by(&key).is_some() && context.known_fact(&key) == Some(Fact::DockerContainer(None))
    };
    containers.iter().filter(|name| !is_removed(name)).cloned().collect()
}

/// Containers by name, in a sentence.
pub(super) fn named(containers: &[String]) -> String {
    let names: Vec<String> = containers.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_shares_are_not_shown_and_their_change_is_told() {
        let attributed = |password: &str| {
            let value = format!("addr=nas,username=anna,password={password}");
            let mut attributed = Attributed::new();
            show_pairs(
                &mut attributed,
                "options",
                &BTreeMap::from([("o".to_owned(), value), ("type".to_owned(), "cifs".to_owned())]),
            );
            attributed
        };
        let (before, mut after) = (attributed("one=1"), attributed("two"));
        let shown = before.get("options").and_then(Attribute::shown);
        assert_eq!(shown, Some("o=addr=nas,username=anna,password=[hidden], type=cifs"));
        tell_hidden(&before, &mut after);
        assert_eq!(differences(&before, &after), "hidden options none → changed");
    }
}
