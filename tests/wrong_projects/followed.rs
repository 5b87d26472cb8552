//! Hints that name what to write, followed to the letter: what is written then is no mistake any more.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::case::Mark;
use super::homelab;

/// Mistakes that have another one in the same words, which is told when the first is corrected.
const TWO_IN_ONE: &[&str] = &[
    // With its name right, it is always defined.
    "`facts.packges` is undefined",
    // What was meant is a host of the other inventory only.
    "`hosts.dnss` is undefined",
    // The other task has no handler at all.
    "unknown task `system/bas`",
];

/// The hints of `mistakes` that lead into another mistake at the same place. `marks` are their places.
pub(super) fn in_vain(project: &Path, command: &[&str], mistakes: &[Json], marks: &[Mark]) -> Vec<String> {
    mistakes
        .iter()
        .zip(marks)
        .filter_map(|(mistake, mark)| {
            let title = mistake["title"].as_str().filter(|title| !TWO_IN_ONE.contains(title))?;
            let hint = mistake["hint"].as_str()?;
            let then = follow(project, command, mark, &instead(title, hint, &mark.word)?)?;
            Some(format!("`{title}` says: {hint}; who does that is told: {then}"))
        })
        .collect()
}

/// What to write in place of `word`, if the hint names that.
fn instead(title: &str, hint: &str, word: &str) -> Option<String> {
    let between = |start: &str, end: &str| {
        let named = hint.strip_prefix(start)?.strip_suffix(end)?;
        (!named.contains(['`', '…'])).then_some(named)
    };
    if let Some(meant) = between("did you mean `", "`?") {
        return Some(match word.chars().next() {
            Some(quote @ ('"' | '\'')) => match word.split_once(':') {
                Some((_, rest)) if !meant.contains(':') => format!("{quote}{meant}:{rest}"),
                _ => format!("{quote}{meant}{quote}"),
            },
            None => return None,
            _ => match word.rsplit_once('.') {
                Some((above, _)) if !meant.contains('.') => format!("{above}.{meant}"),
                _ => meant.to_owned(),
            },
        });
    }
    let value = [
        "write it in quotes: `",
        "write it without quotes: `",
        "put strings in quotes: `",
        "write a list: `",
    ];
    let named = value.iter().find_map(|start| between(start, "`"));
    let is_about_value = ["must be", "without quotes", "is not a valid value"];
    let whole = || {
        let named = between("write `", "`").filter(|named| !named.contains(" = "))?;
        is_about_value
            .iter()
            .any(|words| title.contains(words))
            .then_some(named)
    };
    let named = named.or_else(whole)?;
    let is_template = |text: &str| text.contains("{{");
    match (is_template(named), is_template(word)) {
        (true, true) => Some(format!("\"{named}\"")),
        // The place is that of the data, and not where they are used.
        (true, false) => None,
        (false, _) => Some(named.to_owned()),
    }
}

/// What is told at the same place after `text` was written there.
fn follow(project: &Path, command: &[&str], mark: &Mark, text: &str) -> Option<String> {
    let path = project.join(&mark.file);
    let before = fs::read_to_string(&path).ok()?;
    let line = usize::try_from(mark.line).ok()? - 1;
    let above: usize = before.split_inclusive('\n').take(line).map(str::len).sum();
    let column = usize::try_from(mark.column).ok()? - 1;
    let start = above + before[above..].chars().take(column).map(char::len_utf8).sum::<usize>();
    let mut after = before.clone();
    after.replace_range(start..start + mark.word.len(), text);
    fs::write(&path, after).unwrap();
    let (_, document, _) = homelab(project, command);
    fs::write(&path, before).unwrap();
    let document: Json = serde_json::from_str(&document).ok()?;
    let is_there = |mistake: &&Json| {
        let is = |key: &str, wanted: u64| mistake[key].as_u64() == Some(wanted);
        mistake["file"].as_str() == Some(&mark.file) && is("line", mark.line) && is("column", mark.column)
    };
    let mistakes = document["mistakes"].as_array()?;
    // What another operation needs beside this word is one more step.
    let is_more = |mistake: &&Json| {
        mistake["title"]
            .as_str()
            .is_some_and(|title| title.starts_with("missing `"))
    };
    let told = mistakes.iter().find(|mistake| is_there(mistake) && !is_more(mistake))?;
    Some(format!("{} ({})", told["title"], told["hint"]))
}
