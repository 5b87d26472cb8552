//! The result of a check: for people, for programs, and as annotations of GitHub's workflows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::certificates::{JsonExpiring, json_expiring};
use super::images::{asked_in_vain, unused_pin};
use super::style::counted;
use super::{diagnostic, document, sanitize};
use crate::error::{Diagnostic, Label, Origin};
use crate::pki::Expiring;
use crate::plan::{Checked, Found};
use crate::policy::{Level, Verdict};

/// Rises when a change could mislead programs that read the format.
const FORMAT_VERSION: u32 = 1;

/// The line without mistakes, with how much was checked. `has_lints` says whether lints find something.
pub fn nothing_wrong(checked: &Checked, has_lints: bool) -> String {
    let hosts = counted(checked.hosts.len(), "host");
    let what = if has_lints { "mistakes" } else { "problems" };
    let found = format!("no {what} found ({hosts} checked without connecting)\n");
    let pins = checked.idle_pins.iter().map(|pin| {
        if pin.is_unused {
            unused_pin(&pin.image, &pin.place, &pin.inventory)
        } else {
            asked_in_vain(&pin.image, &pin.place)
        }
    });
    let pins: String = pins.collect();
    found + &not_decrypted(checked.closed_secrets) + &not_set(&checked.unset_variables) + &pins
}

/// The line about secrets that were not decrypted; empty if there are none.
pub fn not_decrypted(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "1 secret was not decrypted: what depends on it is not known here\n".to_owned(),
        count => format!("{count} secrets were not decrypted: what depends on them is not known here\n"),
    }
}

/// The line about secrets that are encrypted for others than the recipients of the project; empty if there are none.
pub fn not_for_recipients(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "1 secret is not encrypted for the recipients of today: run `homelab secrets rekey`\n".to_owned(),
        count => {
            format!("{count} secrets are not encrypted for the recipients of today: run `homelab secrets rekey`\n")
        }
    }
}

/// A line for each private key that is not on this machine, with the hosts whose connections set it.
pub fn missing_keys(keys: &BTreeMap<String, Vec<String>>) -> String {
    let lines = keys.iter().map(|(path, hosts)| {
        let (path, hosts) = (sanitize::one_line(path), sanitize::one_line(&hosts.join(", ")));
        format!("`{path}`, the `identity_file` of {hosts}, does not exist on this machine\n")
    });
    lines.collect()
}

/// The line about environment variables that are not set; empty if there are none.
pub fn not_set(names: &BTreeSet<String>) -> String {
    let Some(last) = names.last() else {
        return String::new();
    };
    if names.len() == 1 {
        return format!("variable `{last}` is not set: what depends on it is not known here\n");
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "variables {} are not set: what depends on them is not known here\n",
        names.join(", ")
    )
}

/// All mistakes and their number.
pub fn found(checked: &Checked) -> String {
    let mistakes: Vec<(&Diagnostic, Vec<&str>)> = checked
        .mistakes
        .iter()
        .map(|found| (&found.diagnostic, found.hosts.iter().map(String::as_str).collect()))
        .collect();
    diagnostic::together(&mistakes)
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    mistakes: Vec<JsonMistake<'a>>,
    expiring: Vec<JsonExpiring<'a>>,
    lints: Vec<JsonLint<'a>>,
}

#[derive(Serialize)]
struct JsonLint<'a> {
    lint: &'a str,
    level: &'a str,
    #[serde(flatten)]
    found: JsonMistake<'a>,
    /// Why it is allowed.
    allowed: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct JsonMistake<'a> {
    title: &'a str,
    #[serde(flatten)]
    place: Option<JsonPlace<'a>>,
    also: Vec<JsonPlace<'a>>,
    causes: &'a [String],
    hint: Option<&'a str>,
    hosts: &'a [String],
}

/// Lines and columns count from 1, columns in characters; the end is the first character after.
#[derive(Serialize)]
struct JsonPlace<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    label: &'a str,
}

/// One JSON document, with the certificates that expire soon, and all that lints find.
pub fn found_json(checked: &Checked, expiring: &[Expiring], verdict: &Verdict) -> String {
    let found = verdict.found.iter().map(|judged| (judged, None));
    let allowed = verdict.allowed.iter();
    let allowed = allowed.map(|allowed| (&allowed.judged, Some(allowed.reason.as_str())));
    let lints = found.chain(allowed).map(|(judged, allowed)| JsonLint {
        lint: judged.lint.name,
        level: judged.lint.level.word(),
        found: json_mistake(&judged.diagnostic, &judged.hosts),
        allowed,
    });
    let document = Document {
        format_version: FORMAT_VERSION,
        mistakes: json_mistakes(&checked.mistakes),
        expiring: json_expiring(expiring),
        lints: lints.collect(),
    };
    document::document(&document)
}

/// Mistakes as they are in documents.
pub(super) fn json_mistakes(found: &[Found]) -> Vec<JsonMistake<'_>> {
    let mistakes = found.iter().map(|found| json_mistake(&found.diagnostic, &found.hosts));
    mistakes.collect()
}

fn json_mistake<'a>(diagnostic: &'a Diagnostic, hosts: &'a [String]) -> JsonMistake<'a> {
    JsonMistake {
        title: &diagnostic.title,
        place: diagnostic.labels.first().map(JsonPlace::of),
        also: diagnostic.labels.iter().skip(1).map(JsonPlace::of).collect(),
        causes: &diagnostic.causes,
        hint: diagnostic.hint.as_deref(),
        hosts,
    }
}

impl<'a> JsonPlace<'a> {
    fn of(label: &'a Label) -> Self {
        let origin = &label.origin;
        let (line, column) = origin.line_column();
        let end = Origin::new(&origin.file, origin.span.end..origin.span.end);
        let (end_line, end_column) = end.line_column();
        Self {
            file: &origin.file.path,
            line,
            column,
            end_line,
            end_column,
            label: &label.text,
        }
    }
}

/// A line for each mistake, in the form of workflow commands
/// (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions>).
pub fn found_github(checked: &Checked, verdict: &Verdict) -> String {
    let mistakes = checked.mistakes.iter();
    let mistakes = mistakes.map(|found| ("error", None, &found.diagnostic, &found.hosts));
    let lints = verdict.found.iter().map(|judged| {
        let command = match judged.lint.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "notice",
        };
        (command, Some(judged.lint.name), &judged.diagnostic, &judged.hosts)
    });
    let mut text = String::new();
    for (command, lint, diagnostic, hosts) in mistakes.chain(lints) {
        let mut message = vec![diagnostic.title.clone()];
        message.extend(
            diagnostic
                .labels
                .iter()
                .filter(|label| !label.text.is_empty())
                .map(|label| format!("{}: {}", label.origin, label.text)),
        );
        message.extend(diagnostic.causes.iter().map(|cause| format!("caused by: {cause}")));
        message.extend((!hosts.is_empty()).then(|| format!("on: {}", hosts.join(", "))));
        message.extend(diagnostic.hint.iter().map(|hint| format!("hint: {hint}")));
        let place = diagnostic.origin().map_or_else(String::new, |origin| {
            let (line, column) = origin.line_column();
            format!("file={},line={line},col={column},", property(&origin.file.path))
        });
        let title = match lint {
            Some(lint) => property(&format!("{lint}: {}", diagnostic.title)),
            None => property(&diagnostic.title),
        };
        let _ = writeln!(text, "::{command} {place}title={title}::{}", data(&message.join("\n")));
    }
    text
}

fn data(text: &str) -> String {
    sanitize::lines(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
