//! Values in JSON, as a review shows them.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use crate::facts::http::differences;

/// What stands for a text that is not shown.
const HIDDEN: &str = "…";

/// A line for each value in it, with its path.
pub(super) fn lines(value: &Json) -> String {
    let mut text = String::new();
    write(&mut text, "", value);
    text
}

fn write(text: &mut String, path: &str, value: &Json) {
    match value {
        Json::Object(entries) if !entries.is_empty() => {
            let dot = if path.is_empty() { "" } else { "." };
            for (name, value) in entries {
                write(text, &format!("{path}{dot}{name}"), value);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                write(text, &format!("{path}[{index}]"), value);
            }
        }
        _ => {
            let equals = if path.is_empty() { "" } else { " = " };
            let _ = writeln!(text, "{path}{equals}{value}");
        }
    }
}

/// The lines of what is found, where new values are `real` and shown as `masked`: a value is hidden where the new one is.
pub(super) fn old_lines(found: &str, real: &str, masked: &str) -> String {
    let place = |line: &str| line.split_once(" = ").map_or("", |(path, _)| path).to_owned();
    let new: Vec<(&str, &str)> = real.lines().zip(masked.lines()).collect();
    let is_whole = real.lines().count() == masked.lines().count();
    let shown = found.lines().map(|line| {
        let same = new.iter().find(|(real, _)| place(real) == place(line));
        match same.filter(|_| is_whole) {
            Some((real, masked)) if *real == line => (*masked).to_owned(),
            Some((real, masked)) if real == masked => line.to_owned(),
            _ => format!("{} = [hidden]", place(line)),
        }
    });
    shown.map(|line| line + "\n").collect()
}

/// What is found in the places of `want`; where that is as wanted, in the words of `want`.
pub(super) fn in_places_of(want: &Json, found: &Json) -> Json {
    if differences(want, found).is_empty() {
        return want.clone();
    }
    match (want, found) {
        (Json::Object(want), Json::Object(found)) => {
            let both = want
                .iter()
                .filter_map(|(name, want)| Some((name, want, found.get(name)?)));
            let entries: Map<String, Json> = both
                .map(|(name, want, found)| (name.clone(), in_places_of(want, found)))
                .collect();
            Json::Object(entries)
        }
        (Json::Array(want), Json::Array(found)) => {
            let items = found.iter().enumerate();
            let items = items.map(|(index, found)| {
                want.get(index)
                    .map_or_else(|| found.clone(), |want| in_places_of(want, found))
            });
            items.collect()
        }
        (_, found) => found.clone(),
    }
}

/// `sent` without the texts that `want` does not have: one may be a password.
pub(super) fn without_other_texts(sent: &Json, want: &Json) -> Json {
    match sent {
        Json::Object(entries) => {
            let entries = entries.iter();
            let hidden = entries.map(|(name, value)| (name.clone(), without_other_texts(value, want)));
            Json::Object(hidden.collect())
        }
        Json::Array(items) => items.iter().map(|item| without_other_texts(item, want)).collect(),
        Json::String(text) if !has_text(want, text) => Json::String(HIDDEN.to_owned()),
        other => other.clone(),
    }
}

fn has_text(value: &Json, text: &str) -> bool {
    match value {
        Json::Object(entries) => entries.values().any(|value| has_text(value, text)),
        Json::Array(items) => items.iter().any(|item| has_text(item, text)),
        Json::String(own) => own == text,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_shown_of_an_answer_has_the_places_of_what_is_wanted() {
        for (want, found, expected) in [
            (json!({ "a": 1 }), json!({ "a": 1.0, "b": 2 }), "a = 1\n"),
            (
                json!({ "a": { "b": true } }),
                json!({ "a": { "b": false, "c": "x" } }),
                "a.b = false\n",
            ),
            (json!({ "a": { "b": true } }), json!({ "a": 7 }), "a = 7\n"),
            (
                json!([{ "id": 1 }]),
                json!([{ "id": 2, "x": 0 }, { "id": 3, "x": 0 }]),
                "[0].id = 2\n[1].id = 3\n[1].x = 0\n",
            ),
            (json!({ "a": 1 }), json!({}), "{}\n"),
            (json!("x"), json!("a\nb"), "\"a\\nb\"\n"),
            (json!({ "a": [] }), json!({ "a": [1] }), "a[0] = 1\n"),
        ] {
            assert_eq!(lines(&in_places_of(&want, &found)), expected, "{want} {found}");
        }
        assert_eq!(
            lines(&json!({ "a": { "b": [], "c": [1, "x"] } })),
            "a.b = []\na.c[0] = 1\na.c[1] = \"x\"\n"
        );
    }

    #[test]
    fn a_text_that_is_only_sent_is_hidden() {
        let want = json!({ "name": "anna", "roles": ["admin"] });
        let sent = json!({ "user": { "name": "anna", "password": "hunter2", "age": 7 }, "roles": ["admin", "x"] });
        assert_eq!(
            without_other_texts(&sent, &want),
            json!({ "user": { "name": "anna", "password": "…", "age": 7 }, "roles": ["admin", "…"] })
        );
    }
}
