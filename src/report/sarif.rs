//! The result of a check as SARIF 2.1.0
//! (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html>), which shows findings in code review.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::document::document;

use super::sanitize;
use crate::error::{Diagnostic, Label, Origin};
use crate::plan::{Checked, Found};
use crate::policy::{Judged, LINTS, Verdict};

/// The rule of what is no lint.
const MISTAKE: &str = "mistake";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Json,
    column_kind: &'static str,
    results: Vec<Outcome<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    rule_id: &'a str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression<'a>>,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
struct Suppression<'a> {
    kind: &'static str,
    justification: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    physical_location: Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

/// One document with mistakes and what lints find, also what is allowed.
pub fn found_sarif(checked: &Checked, verdict: &Verdict) -> String {
    let mistakes = checked.mistakes.iter().map(of_mistake);
    let found = verdict.found.iter().map(|judged| of_lint(judged, None));
    let allowed = verdict.allowed.iter();
    let allowed = allowed.map(|allowed| of_lint(&allowed.judged, Some(&allowed.reason)));
    let whole = Document {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: json!({ "driver": {
                "name": "homelab",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules(),
            } }),
            column_kind: "unicodeCodePoints",
            results: mistakes.chain(found).chain(allowed).collect(),
        }],
    };
    // Nothing here can fail: all keys are strings and nothing is written to but memory.
    document(&whole)
}

fn rules() -> Vec<Json> {
    let text = |text: &str| json!({ "text": text });
    let mistake = json!({
        "id": MISTAKE,
        "shortDescription": text("A mistake in the project"),
        "fullDescription": text("The project cannot be deployed."),
        "help": text("The message says what to do."),
        "defaultConfiguration": { "level": "error" },
    });
    let lints = LINTS.iter().map(|lint| {
        json!({
            "id": lint.name,
            "shortDescription": text(lint.title),
            "fullDescription": text(lint.why),
            "help": text(lint.remedy),
            "defaultConfiguration": { "level": lint.level.word() },
        })
    });
    std::iter::once(mistake).chain(lints).collect()
}

fn of_mistake(found: &Found) -> Outcome<'_> {
    outcome((MISTAKE, 0, "error"), &found.diagnostic, &found.hosts)
}

fn of_lint<'a>(judged: &'a Judged, reason: Option<&'a str>) -> Outcome<'a> {
    let index = LINTS.iter().position(|lint| lint == judged.lint).unwrap_or_default();
    let rule = (judged.lint.name, index + 1, judged.lint.level.word());
    let suppressions = reason.map(|justification| Suppression {
        kind: "inSource",
        justification,
    });
    Outcome {
        suppressions: suppressions.into_iter().collect(),
        ..outcome(rule, &judged.diagnostic, &judged.hosts)
    }
}

fn outcome<'a>(
    (rule_id, rule_index, level): (&'a str, usize, &'static str),
    diagnostic: &Diagnostic,
    hosts: &[String],
) -> Outcome<'a> {
    let mut message = vec![diagnostic.title.clone()];
    message.extend(diagnostic.causes.iter().map(|cause| format!("caused by: {cause}")));
    message.extend((!hosts.is_empty()).then(|| format!("on: {}", hosts.join(", "))));
    message.extend(diagnostic.hint.iter().map(|hint| format!("hint: {hint}")));
    let first = diagnostic.labels.first().map(|label| location(label, None));
    let others = diagnostic.labels.iter().skip(1).enumerate();
    Outcome {
        rule_id,
        rule_index,
        level,
        message: Message {
            text: sanitize::lines(&message.join("\n")),
        },
        locations: first.into_iter().collect(),
        related_locations: others.map(|(at, label)| location(label, Some(at + 1))).collect(),
        suppressions: Vec::new(),
    }
}

fn location(label: &Label, id: Option<usize>) -> Location {
    let origin = &label.origin;
    let (start_line, start_column) = origin.line_column();
    let end = Origin::new(&origin.file, origin.span.end..origin.span.end);
    let (end_line, end_column) = end.line_column();
    let message = Some(&label.text).filter(|text| !text.is_empty());
    Location {
        id,
        physical_location: json!({
            "artifactLocation": { "uri": uri(&origin.file.path), "uriBaseId": "%SRCROOT%" },
            "region": {
                "startLine": start_line,
                "startColumn": start_column,
                "endLine": end_line,
                "endColumn": end_column,
            },
        }),
        message: message.map(|text| Message {
            text: sanitize::lines(text),
        }),
    }
}

/// A path as a reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/@+".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_is_a_reference() {
        assert_eq!(uri("tasks/a b/ä:%.toml"), "tasks/a%20b/%C3%A4%3A%25.toml");
    }
}
