//! The pages about reviews and formats describe what is printed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::Value;
use strum::IntoEnumIterator as _;

use super::documents::documents_of_all_kinds;
use crate::apply::exit_code;
use crate::report::phrases::HOST_ENDS;
use crate::report::review::Sign;
use crate::report::schemas;

/// A page of the documentation.
fn page(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The first cells of the tables in `text`.
fn first_cells(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" |"))
        .map(|(cell, _)| cell)
}

#[test]
fn every_sign_is_on_the_page() {
    let output = page("output.md");
    let cells: Vec<&str> = first_cells(&output).collect();
    for sign in Sign::iter() {
        let quoted = format!("`{}`", sign.as_str());
        assert!(cells.iter().any(|cell| cell.contains(&quoted)), "{quoted}");
    }
    assert!(cells.contains(&"`!`"));
}

#[test]
fn every_exit_code_is_on_the_page_and_no_other() {
    let listed: BTreeSet<u8> = first_cells(&page("output.md"))
        .filter_map(|cell| cell.parse().ok())
        .collect();
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
    let format = page("format.md");
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| !format.contains(&format!("`{name}`")))
        .collect();
    assert_eq!(missing, Vec::<&String>::new());
}

#[test]
fn every_schema_has_an_example_and_every_example_is_as_its_schema_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    let published: BTreeSet<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    let link_or_example = Regex::new("\\(schema/([a-z_]+)\\.json\\)|\n```json\n((?s:.*?))\n```").expect("a pattern");
    let mut with_example = BTreeSet::new();
    // The link to the schema stands before its example.
    let mut name = String::new();
    for found in link_or_example.captures_iter(&page("format.md")) {
        match (found.get(1), found.get(2)) {
            (Some(link), _) => link.as_str().clone_into(&mut name),
            (_, Some(example)) => {
                schemas::check(&name, example.as_str());
                with_example.insert(name.clone());
            }
            _ => {}
        }
    }
    assert_eq!(with_example, published);
}

#[test]
fn documents_are_as_their_schema_says_and_nothing_else_is() {
    for document in documents_of_all_kinds() {
        schemas::check("review", &document);
        let mut value: Value = serde_json::from_str(&document).expect("JSON");
        value["hosts"][0]["operations"][0]["added_later"] = Value::Bool(true);
        assert_ne!(schemas::mistakes("review", &value), Vec::<String>::new());
        let fields = value["hosts"][0]["operations"][0]
            .as_object_mut()
            .expect("an operation");
        fields.remove("added_later");
        fields.remove("task");
        assert_ne!(schemas::mistakes("review", &value), Vec::<String>::new());
    }
}
