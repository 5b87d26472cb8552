//! The pages about reviews and formats describe what is printed.

use std::collections::BTreeSet;

use serde_json::Value;
use strum::IntoEnumIterator as _;

use super::documents::documents_of_all_kinds;
use crate::apply::exit_code;
use crate::report::phrases::HOST_ENDS;
use crate::report::review::Sign;

const OUTPUT: &str = include_str!("../../../docs/output.md");
const FORMAT: &str = include_str!("../../../docs/format.md");

/// The first cells of the tables in `text`.
fn first_cells(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" |"))
        .map(|(cell, _)| cell)
}

#[test]
fn every_sign_is_on_the_page() {
    let cells: Vec<&str> = first_cells(OUTPUT).collect();
    for sign in Sign::iter() {
        let quoted = format!("`{}`", sign.as_str());
        assert!(cells.iter().any(|cell| cell.contains(&quoted)), "{quoted}");
    }
    assert!(cells.contains(&"`!`"));
}

#[test]
fn every_exit_code_is_on_the_page_and_no_other() {
    let listed: BTreeSet<u8> = first_cells(OUTPUT).filter_map(|cell| cell.parse().ok()).collect();
    let returned: BTreeSet<u8> = HOST_ENDS.iter().map(|end| exit_code([*end])).collect();
    assert_eq!(listed, returned);
}

/// The names in a document that do not depend on the project.
fn collect_names(value: &Value, names: &mut BTreeSet<String>) {
    /// Their keys are the names of attributes.
    const OF_ATTRIBUTES: [&str; 3] = ["before", "after", "after_unknown"];
    /// Their values are a fixed set of words.
    const WORDS: [&str; 6] = ["action", "end", "outcome", "risk", "state", "trigger"];
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                names.insert(name.clone());
                if WORDS.contains(&name.as_str()) {
                    names.extend(value.as_str().map(str::to_owned));
                }
                if !OF_ATTRIBUTES.contains(&name.as_str()) {
                    collect_names(value, names);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        _ => {}
    }
}

#[test]
fn every_field_and_word_of_the_json_is_on_the_page() {
    let mut names = BTreeSet::new();
    for document in documents_of_all_kinds() {
        collect_names(&serde_json::from_str(&document).expect("JSON"), &mut names);
    }
    let expected = [
        "deferred",
        "ensure",
        "after_hidden",
        "notified_by",
        "preview",
        "exit_code",
        "later",
    ];
    assert!(expected.iter().all(|name| names.contains(*name)), "{names:?}");
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| !FORMAT.contains(&format!("`{name}`")))
        .collect();
    assert_eq!(missing, Vec::<&String>::new());
}
