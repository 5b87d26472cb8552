//! Values of keys, wherever the project writes them: in data, parameters, environments and files of configuration.

use super::finding::Place;
use super::planned::{Planned, file_name, place_in};
use super::scene::Scene;
use crate::error::Origin;
use crate::operations::PlacedText;
use crate::value::{Entry, Kind, Table};

/// A value with its key.
pub(super) struct Assignment {
    pub(super) key: String,
    pub(super) value: String,
    /// Of the key, so that nothing else has to be shown.
    pub(super) place: Place,
    /// The operation of the scene; `None` in data.
    pub(super) operation: Option<usize>,
}

/// Files in which a line gives a value to a key.
const CONFIGURATION: [&str; 10] = [
    "env",
    "ini",
    "conf",
    "cfg",
    "cnf",
    "toml",
    "yaml",
    "yml",
    "json",
    "properties",
];

/// All values whose keys say that they are secrets, as they are written in the project: not those of templates.
pub(super) fn secrets(scene: &Scene<'_>) -> Vec<Assignment> {
    let mut found: Vec<Assignment> = scene
        .data
        .iter()
        .map(|datum| Assignment {
            key: datum.key.clone(),
            value: datum.value.to_owned(),
            place: Place::at(datum.origin),
            operation: None,
        })
        .collect();
    for (number, planned) in scene.numbered() {
        of_table(number, planned, &planned.rendered.arguments, &mut found);
    }
    for container in &scene.containers {
        let operation = Some(container.operation);
        found.extend(container.environment.iter().map(|(key, value, place)| Assignment {
            key: key.clone(),
            value: value.clone(),
            place: place.clone(),
            operation,
        }));
    }
    for (number, text) in scene.texts().filter(|(_, text)| is_configuration(text)) {
        found.extend(of_lines(number, text));
    }
    found.retain(|one| Secrecy::of_key(&one.key).is_some() && is_written(&one.place, &one.value));
    for one in &mut found {
        one.place = one.place.of_key(&one.key);
    }
    found
}

/// How sure a key says that its value is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// A password.
    Certain,
    /// It may be the name of one.
    Likely,
}

impl Secrecy {
    /// What a key says of its value.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        let key = key.to_ascii_lowercase().replace(['-', '.'], "_");
        let ends = |words: &[&str]| {
            words
                .iter()
                .any(|word| key == *word || key.ends_with(&format!("_{word}")))
        };
        let about = [
            "no_", "min_", "max_", "allow_", "disable_", "require_", "change_", "show_",
        ];
        if about.iter().any(|start| key.starts_with(start)) {
            return None;
        }
        if ["password", "passwd", "passphrase"]
            .iter()
            .any(|word| key.ends_with(word))
            || ends(&["pass", "pwd"])
        {
            return Some(Self::Certain);
        }
        let likely = [
            "secret",
            "token",
            "api_key",
            "apikey",
            "private_key",
            "secret_key",
            "access_key",
            "psk",
            "credentials",
        ];
        ends(&likely).then_some(Self::Likely)
    }
}

/// Whether a value is only the name of a secret, its hash, or nothing.
pub(super) fn is_no_secret(value: &str, secrecy: Secrecy) -> bool {
    const STARTS: [&str; 14] = [
        "$", "/", "./", "../", "~/", "!", "*", "<", "file:", "env:", "env(", "op://", "SECRET[", "ENC[",
    ];
    const PARTS: [&str; 9] = [
        "{{",
        "{%",
        "${",
        "%(",
        "[secret]",
        "[hidden]",
        "(known after apply)",
        "pbkdf2",
        "SCRAM-SHA",
    ];
    const WORDS: [&str; 8] = ["true", "false", "yes", "no", "none", "null", "0", "1"];
    let value = value.trim();
    let is_name = || {
        let is_part = |sign: char| sign.is_ascii_alphabetic() || "-_./: ".contains(sign);
        value.chars().all(is_part)
    };
    value.is_empty()
        || STARTS.iter().any(|start| value.starts_with(start))
        || PARTS.iter().any(|part| value.contains(part))
        || value.starts_with("{S")
        || WORDS.contains(&value.to_ascii_lowercase().as_str())
        || value.contains(char::is_whitespace)
        || (secrecy == Secrecy::Likely && is_name())
}

/// Whether the value is written at the place, and is not that of an expression.
pub(super) fn is_written(place: &Place, value: &str) -> bool {
    let Origin { file, span } = &place.origin;
    let start = file.text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let line = file.text[start..].lines().next().unwrap_or_default();
    place.within.is_none() && is_literal(line, value)
}

/// Whether `value` stands in a line as it is: if the line has expressions, as a whole word between them.
fn is_literal(line: &str, value: &str) -> bool {
    if !line.contains("{{") && !line.contains("{%") {
        return true;
    }
    let mut rest = line;
    while let Some(start) = ["{{", "{%"].iter().filter_map(|sign| rest.find(sign)).min() {
        if has_word(&rest[..start], value) {
            return true;
        }
        let close = if rest[start..].starts_with("{{") { "}}" } else { "%}" };
        // What touches the expression is a part of its word.
        let Some(end) = rest[start..].find(close).map(|end| start + end + close.len()) else {
            return false;
        };
        rest = &rest[end..];
    }
    has_word(rest, value)
}

/// Whether `value` stands in the text between signs that end a value.
fn has_word(text: &str, value: &str) -> bool {
    let is_end = |sign: Option<char>| sign.is_some_and(|sign| sign.is_whitespace() || "\"'=:,;}])".contains(sign));
    !value.is_empty()
        && text.match_indices(value).any(|(at, _)| {
            let after = text[at + value.len()..].chars().next();
            is_end(text[..at].chars().next_back()) && is_end(after)
        })
}

fn of_table(number: usize, planned: &Planned<'_>, table: &Table, found: &mut Vec<Assignment>) {
    for (key, Entry { key: at, value }) in table {
        match &value.kind {
            Kind::String(text) => found.push(Assignment {
                key: key.clone(),
                value: text.clone(),
                place: match (at, &value.origin) {
                    // What a template takes from data is told where the data is.
                    (Some(at), Some(own)) if at.file == own.file => Place::at(at),
                    _ => planned.place_of(value),
                },
                operation: Some(number),
            }),
            Kind::Table(inner) => of_table(number, planned, inner, found),
            _ => {}
        }
    }
}

fn is_configuration(text: &PlacedText) -> bool {
    let name = file_name(&text.path);
    let end = name.rsplit('.').next().unwrap_or_default();
    CONFIGURATION.contains(&end)
}

/// What the lines of a file give to keys: `key = value`, `"key": "value",` and `KEY=value`.
fn of_lines(number: usize, text: &PlacedText) -> Vec<Assignment> {
    let mut found = Vec::new();
    let places = text.lines();
    for (index, line) in text.text.lines().enumerate() {
        let Some((key, value)) = assignment(line) else { continue };
        // The lines below have the value, and nothing here says where they end.
        let is_block = value.starts_with(['|', '>']) && value.len() <= 3;
        if is_block || Secrecy::of_key(key).is_none() {
            continue;
        }
        let written = places.as_ref().and_then(|lines| lines.line(index + 1));
        let place = place_in(text, index + 1, written);
        found.push(Assignment {
            place,
            key: key.to_owned(),
            value: value.to_owned(),
            operation: Some(number),
        });
    }
    found
}

/// The key and the value of a line.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with(['#', ';']) || line.starts_with("//") {
        return None;
    }
    let at = line.find(['=', ':'])?;
    let key = line[..at].trim().trim_start_matches("- ").trim_start_matches("export ");
    let key = key.trim().trim_matches(['"', '\'']);
    let is_key = |sign: char| sign.is_ascii_alphanumeric() || "_-.".contains(sign);
    let value = line[at + 1..].trim().trim_end_matches(',');
    let value = value.split(" #").next().unwrap_or(value).trim();
    (!key.is_empty() && key.chars().all(is_key)).then_some((key, value.trim_matches(['"', '\''])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_what_their_values_are() {
        for (key, expected) in [
            ("GF_SECURITY_ADMIN_PASSWORD", Some(Secrecy::Certain)),
            ("adminPassword", Some(Secrecy::Certain)),
            ("smtp.passwd", Some(Secrecy::Certain)),
            ("DB_PASS", Some(Secrecy::Certain)),
            ("api-key", Some(Secrecy::Likely)),
            ("MQTT_TOKEN", Some(Secrecy::Likely)),
            ("password_file", None),
            ("PAPERLESS_DBPASS_FILE", None),
            ("min_password", None),
            ("bypass", None),
            ("compass", None),
            ("secretName", None),
        ] {
            assert_eq!(Secrecy::of_key(key), expected, "{key}");
        }
    }

    #[test]
    fn what_only_names_a_secret_is_none() {
        for (value, secrecy, expected) in [
            ("hunter2", Secrecy::Certain, false),
            ("correct-horse", Secrecy::Certain, false),
            ("grafana-admin", Secrecy::Likely, true),
            ("9f86d081884c7d65", Secrecy::Likely, false),
            ("$6$salt$hash", Secrecy::Certain, true),
            ("/run/secrets/x", Secrecy::Certain, true),
            ("${DB_PASSWORD}", Secrecy::Certain, true),
            ("{{ secrets.x }}", Secrecy::Certain, true),
            ("", Secrecy::Certain, true),
            ("false", Secrecy::Certain, true),
        ] {
            assert_eq!(is_no_secret(value, secrecy), expected, "{value}");
        }
    }

    #[test]
    fn a_value_beside_an_expression_is_written() {
        for (line, value, expected) in [
            (
                "env = { A_PASSWORD = \"clear\", B = \"{{ inventory }}\" }",
                "clear",
                true,
            ),
            (
                "env = { B = \"{{ inventory }}\", A_PASSWORD = \"clear\" }",
                "clear",
                true,
            ),
            (
                "flow: { image: \"{{ x }}\", environment: { DB_PASSWORD: clear } }",
                "clear",
                true,
            ),
            ("A_PASSWORD = \"{{ x }}\"", "clear", false),
            ("A_PASSWORD = \"cle{{ x }}\"", "clear", false),
            ("A_PASSWORD = \"clear{{ x }}\"", "clear", false),
            ("A_PASSWORD = \"{{ 'clear' }}\"", "clear", false),
            ("A_PASSWORD = \"{% if x %}\"", "clear", false),
            ("A_PASSWORD = 'clear'", "clear", true),
        ] {
            assert_eq!(is_literal(line, value), expected, "{line}");
        }
    }

    #[test]
    fn lines_give_values_to_keys() {
        for (line, expected) in [
            ("password = \"x\"", Some(("password", "x"))),
            ("  \"password\": \"x\",", Some(("password", "x"))),
            ("- PASSWORD=x", Some(("PASSWORD", "x"))),
            ("export PASSWORD='x' # why", Some(("PASSWORD", "x"))),
            ("# password = x", None),
            ("the password is: x", None),
        ] {
            assert_eq!(assignment(line), expected, "{line}");
        }
    }
}
