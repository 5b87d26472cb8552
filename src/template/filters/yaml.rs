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
    block(value, (0, Strings::Quoted), &mut text);
    text.trim_matches('\n').to_owned()
}

/// The same for people to read, with a line break at the end: a text of several lines has lines of its own.
pub fn readable(value: &Json) -> String {
    let mut text = String::new();
    block(value, (0, Strings::InLines), &mut text);
    text.trim_start_matches('\n').to_owned()
}

/// How texts of several lines are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strings {
    Quoted,
    InLines,
}

/// Writes what stands behind a key or a dash, from the blank or the line break on.
fn block(value: &Json, (depth, strings): (usize, Strings), text: &mut String) {
    match value {
        Json::String(word) if strings == Strings::InLines && depth > 0 && has_lines(word) => {
            lines(word, depth, text);
        }
        Json::Object(table) if !table.is_empty() => {
            text.push('\n');
            entries(table, (depth, strings), text);
        }
        Json::Array(items) if !items.is_empty() => {
            text.push('\n');
            list(items, (depth, strings), text);
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

fn entries(table: &Map<String, Json>, (depth, strings): (usize, Strings), text: &mut String) {
    for (name, value) in table {
        let indent = "  ".repeat(depth);
        let key = string(name);
        if key.chars().count() > LONGEST_KEY {
            let _ = write!(text, "{indent}? {key}\n{indent}:");
        } else {
            let _ = write!(text, "{indent}{key}:");
        }
        block(value, (depth + 1, strings), text);
    }
}

fn list(items: &[Json], (depth, strings): (usize, Strings), text: &mut String) {
    for item in items {
        text.push_str(&"  ".repeat(depth));
        text.push('-');
        match item {
            // The first entry stands behind the dash, the others below it.
            Json::Object(table) if !table.is_empty() => {
                let mut below = String::new();
                entries(table, (depth + 1, strings), &mut below);
                text.push(' ');
                text.push_str(below.trim_start_matches(' '));
            }
            other => block(other, (depth + 1, strings), text),
        }
    }
}

/// Whether a text can stand in lines of its own: they begin where the first one does, and have no characters that YAML does not allow.
fn has_lines(word: &str) -> bool {
    let is_allowed = |character: char| {
        matches!(character, '\n' | '\t' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
            && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    word.trim_end_matches('\n').contains('\n') && !word.starts_with([' ', '\t', '\n']) && word.chars().all(is_allowed)
}

fn lines(word: &str, depth: usize, text: &mut String) {
    let shown = word.trim_end_matches('\n');
    let end = match word.len() - shown.len() {
        0 => "-",
        1 => "",
        _ => "+",
    };
    let _ = writeln!(text, " |{end}");
    let shown = if end == "+" { &word[..word.len() - 1] } else { shown };
    for line in shown.split('\n') {
        let indent = if line.is_empty() {
            String::new()
        } else {
            "  ".repeat(depth)
        };
        let _ = writeln!(text, "{indent}{line}");
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_of_several_lines_has_lines_of_its_own_and_is_read_as_it_was() {
        for (word, shown) in [
            ("one", "a:\n  b: one\n"),
            ("one\n", "a:\n  b: \"one\\n\"\n"),
            ("one\ntwo", "a:\n  b: |-\n    one\n    two\n"),
            ("one\n\n  two\n", "a:\n  b: |\n    one\n\n      two\n"),
            ("one\ntwo\n\n\n", "a:\n  b: |+\n    one\n    two\n\n\n"),
            (
                "one\n\ttwo\n# three: {}\n",
                "a:\n  b: |\n    one\n    \ttwo\n    # three: {}\n",
            ),
            (" one\ntwo", "a:\n  b: \" one\\ntwo\"\n"),
            ("\none\ntwo", "a:\n  b: \"\\none\\ntwo\"\n"),
            ("one\r\ntwo", "a:\n  b: \"one\\r\\ntwo\"\n"),
            ("one\u{1b}[31m\ntwo", "a:\n  b: \"one\\u001b[31m\\ntwo\"\n"),
        ] {
            let value = json!({ "a": { "b": word } });
            assert_eq!(readable(&value), shown, "{word:?}");
            let read: Json = serde_saphyr::from_str(&readable(&value)).expect(word);
            assert_eq!(read, value, "{word:?}");
        }
        let value = json!({ "a": ["one\ntwo", { "b": "c\nd\n", "e": 1 }] });
        assert_eq!(
            readable(&value),
            "a:\n  - |-\n    one\n    two\n  - b: |\n      c\n      d\n    e: 1\n"
        );
        assert_eq!(
            serde_saphyr::from_str::<Json>(&readable(&value)).expect("readable"),
            value
        );
    }
}
