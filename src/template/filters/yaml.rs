//! Values as YAML: blocks for tables and lists, and in quotes every string that some version of YAML reads as something else.
//!
//! JSON's notation of a string is also YAML's, so only the blocks and the plain words are to be decided here.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

/// The longest key that may stand before its colon: YAML allows 1024 characters.
const LONGEST_KEY: usize = 1000;

/// Words that a version of YAML takes for no string.
const NO_STRINGS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// The value, without a line break at the end.
pub fn text(value: &Json) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text.trim_matches('\n').to_owned()
}

/// Writes what stands behind a key or a dash, from the blank or the line break on.
fn block(value: &Json, depth: usize, text: &mut String) {
    match value {
        Json::Object(table) if !table.is_empty() => {
            text.push('\n');
            entries(table, depth, text);
        }
        Json::Array(items) if !items.is_empty() => {
            text.push('\n');
            list(items, depth, text);
        }
        other => {
            if depth > 0 {
                text.push(' ');
            }
            text.push_str(&scalar(other));
            text.push('\n');
        }
    }
}

fn entries(table: &Map<String, Json>, depth: usize, text: &mut String) {
    for (name, value) in table {
        let indent = "  ".repeat(depth);
        let key = string(name);
        if key.chars().count() > LONGEST_KEY {
            let _ = write!(text, "{indent}? {key}\n{indent}:");
        } else {
            let _ = write!(text, "{indent}{key}:");
        }
        block(value, depth + 1, text);
    }
}

fn list(items: &[Json], depth: usize, text: &mut String) {
    for item in items {
        text.push_str(&"  ".repeat(depth));
        text.push('-');
        match item {
            // The first entry stands behind the dash, the others below it.
            Json::Object(table) if !table.is_empty() => {
                let mut below = String::new();
                entries(table, depth + 1, &mut below);
                text.push(' ');
                text.push_str(below.trim_start_matches(' '));
            }
            other => block(other, depth + 1, text),
        }
    }
}

fn scalar(value: &Json) -> String {
    match value {
        Json::String(word) => string(word),
        Json::Number(number) => exponent(&number.to_string()),
        other => other.to_string(),
    }
}

/// YAML 1.1 reads `1e20` as a string.
fn exponent(number: &str) -> String {
    let Some((mantissa, exponent)) = number.split_once('e') else {
        return number.to_owned();
    };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

fn string(word: &str) -> String {
    let is_plain = word.starts_with(|first: char| first.is_ascii_alphabetic() || "/_".contains(first))
        && word
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "._/-".contains(character))
        && !NO_STRINGS.contains(&word.to_ascii_lowercase().as_str());
    if is_plain {
        return word.to_owned();
    }
    // YAML allows fewer characters as they are than JSON does.
    let mut quoted = String::new();
    for character in Json::String(word.to_owned()).to_string().chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            other => quoted.push(other),
        }
    }
    quoted
}
