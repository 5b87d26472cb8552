//! Words that users of other tools write out of habit, and what to write instead.
//!
//! One table for each place where a word can stand. In a table, words with the same answer stand in one string.

mod answer;
mod keys;
mod operations;
mod options;
mod templates;

use answer::Answer::{self, Do, If, Its, Own};

/// What to do about an unknown operation `name`, where `known` are the valid ones. The name may have a collection or a module
/// before its last part.
pub fn operation(name: &str, known: &[&str]) -> Option<String> {
    operation_answers(name).find_map(|answer| answer.hint(known))
}

/// The whole name first, then its family, then ends of it, the longest first.
fn operation_answers(name: &str) -> impl Iterator<Item = Answer> {
    let name = name.replace("::", ".");
    let ends: Vec<String> = name
        .match_indices('.')
        .map(|(at, _)| name[at + 1..].to_owned())
        .collect();
    let family = name.split_once('.').map(|(family, _)| format!("{family}."));
    let candidates = std::iter::once(name).chain(family).chain(ends);
    candidates.flat_map(|word| find(operations::OPERATIONS, word))
}

/// What to do about the unknown key `key`, where `known` are the valid ones. `value` is its value, if that is a word.
pub fn key(key: &str, value: Option<&str>, known: &[&str]) -> Option<String> {
    let by_value = keys::VALUES
        .iter()
        .filter(|(keys, words, _)| has(keys, key) && value.is_some_and(|value| has(words, value)))
        .map(|(_, _, answer)| *answer);
    by_value
        .chain(find(keys::KEYS, key.to_owned()))
        .find_map(|answer| answer.hint(known))
}

/// Whether the unknown key `key` is another word for `own`.
pub fn is_answered(key: &str, own: &str) -> bool {
    find(keys::KEYS, key.to_owned()).any(|answer| matches!(answer, Own(word) | Its(_, word) if word == own))
}

/// What to do about a key that is the name of an operation, as modules are keys in Ansible; `operations` are the valid ones.
pub fn operation_as_key(key: &str, operations: &[&str]) -> Option<String> {
    let written = |own: &str| format!("write `op = \"{own}\"`, and its parameters as keys beside it");
    if operations.contains(&key) {
        return Some(written(key));
    }
    operation_answers(key).find_map(|answer| match answer {
        Own(own) => operations.contains(&own).then(|| written(own)),
        answer => answer.hint(operations),
    })
}

/// What to do about the undefined name or the unknown function `name` of a template.
pub fn name(name: &str) -> Option<String> {
    let answer = find(templates::NAMES, name.to_owned()).next();
    match answer {
        Some(Own(own) | Its(_, own)) => Some(format!("did you mean `{own}`?")),
        Some(Do(text) | If(_, text)) => Some(text.to_owned()),
        None if name.starts_with("ansible_") => answer::ABOUT_FACTS.hint(&[]),
        None => None,
    }
}

/// What to do about `groups['web']`, which are the hosts of a group for Ansible.
pub fn hosts_of_group(group: &str) -> String {
    let key = group.replace(|one: char| !one.is_ascii_alphanumeric(), "_");
    format!(
        "`'{group}' in groups` asks whether this host is in the group; to go over some hosts, mark them in the inventory: \
         `data = {{ {key} = true }}`, and `{{% for name in hosts if hosts[name].data.{key} is defined %}}`"
    )
}

/// What to do about an unknown filter, which may have a collection before its name.
pub fn filter(name: &str) -> Option<String> {
    find(templates::FILTERS, last_part(name)).find_map(|answer| answer.hint(&[]))
}

/// What to do about an unknown test, which may have a collection before its name.
pub fn test(name: &str) -> Option<String> {
    find(templates::TESTS, last_part(name)).find_map(|answer| answer.hint(&[]))
}

/// What to do about an unknown function.
pub fn function(called: &str) -> Option<String> {
    let answer = find(templates::FUNCTIONS, called.to_owned()).find_map(|answer| answer.hint(&[]));
    answer.or_else(|| name(called))
}

/// What to do about a method, as in `name.upper()`.
pub fn method(name: &str) -> Option<String> {
    find(templates::METHODS, name.to_owned()).find_map(|answer| answer.hint(&[]))
}

/// What to do about an unknown option of the command line, in the words of its messages.
pub fn option(option: &str) -> Option<&'static str> {
    let found = options::OPTIONS.iter().find(|(words, _)| has(words, option));
    found.map(|(_, text)| *text)
}

/// What to do about an unknown command, in the words of the command line's messages.
pub fn command(command: &str) -> Option<&'static str> {
    let found = options::COMMANDS.iter().find(|(words, _)| has(words, command));
    found.map(|(_, text)| *text)
}

/// What to do about a pattern of hosts that matches nothing and is written as for Ansible.
pub fn pattern(pattern: &str) -> Option<String> {
    let text = pattern.trim_start_matches(['&', '@']);
    if pattern.starts_with('@') {
        return Some("name the hosts: there is no file of hosts to try again".to_owned());
    }
    if pattern.contains(":&") || text != pattern {
        return Some("intersections are not supported: exclude hosts with `!`, or write a group for them".to_owned());
    }
    let parts: Vec<&str> = pattern.split(':').collect();
    (parts.len() > 1).then(|| format!("separate patterns with commas: `{}`", parts.join(",")))
}

fn find(table: &'static [(&str, Answer)], word: String) -> impl Iterator<Item = Answer> {
    let entries = table.iter().filter(move |(words, _)| has(words, &word));
    entries.map(|(_, answer)| *answer)
}

fn has(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|one| one == word)
}

fn last_part(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_owned()
}

/// The keys that other keys are answered with.
#[cfg(test)]
pub(crate) fn own_keys() -> impl Iterator<Item = &'static str> {
    keys::KEYS.iter().flat_map(|(_, answer)| match answer {
        Own(own) | If(own, _) => own.split_whitespace().chain(None),
        Its(condition, own) => condition.split_whitespace().chain(Some(*own)),
        Do(_) => "".split_whitespace().chain(None),
    })
}

/// The words that operations are answered for.
#[cfg(test)]
pub(crate) fn operation_words() -> impl Iterator<Item = &'static str> {
    let entries = operations::OPERATIONS.iter();
    entries.flat_map(|(words, _)| words.split_whitespace())
}

#[cfg(test)]
mod tests;
