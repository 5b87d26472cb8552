//! Whether hosts are as their configuration says: a line for each.

use serde::Serialize;

use super::sanitize::one_line;
use super::style::{Tone, paint};
use super::{document, phrases};
use crate::apply::HostEnd;
use crate::plan::{Cause, Drift, Drifted};
use crate::secret::redacted;

/// A host that was compared with its configuration, or could not be.
#[derive(Clone, Debug)]
pub struct HostDrift {
    pub host: String,
    /// `None` if it could not be read.
    pub drift: Option<Drift>,
    pub end: HostEnd,
}

impl HostDrift {
    /// How the comparison ended. `counts_upgrades` is whether newer packages are a difference.
    pub fn end_of_drift(&self, counts_upgrades: bool) -> HostEnd {
        match &self.drift {
            None => self.end,
            Some(drift) if drift.is_none() && (drift.upgrades.is_empty() || !counts_upgrades) => HostEnd::Converged,
            Some(_) => HostEnd::Pending,
        }
    }
}

/// What is printed about a cause.
const CAUSES: [(Cause, &str); 4] = [
    (Cause::Host, "changed on the host"),
    (Cause::Configuration, "changed in the configuration"),
    (Cause::Both, "changed on the host and in the configuration"),
    (Cause::NotKnown, "differs"),
];

/// A line for each host. `counts_upgrades` is whether newer packages are a difference.
pub fn drift(hosts: &[HostDrift], counts_upgrades: bool) -> String {
    hosts.iter().map(|host| line(host, counts_upgrades) + "\n").collect()
}

fn line(host: &HostDrift, counts_upgrades: bool) -> String {
    let name = one_line(&host.host);
    let Some(drift) = &host.drift else {
        let end = phrases::host_end(host.end).0;
        return paint(Tone::Removed, &format!("{name}: not read ({end})"));
    };
    let mut parts: Vec<String> = Vec::new();
    for (cause, words) in CAUSES {
        let of_cause: Vec<String> = drift
            .drifted
            .iter()
            .filter(|one| one.cause == cause)
            .map(named)
            .collect();
        if of_cause.is_empty() {
            continue;
        }
        let begin = drift
            .oldest_run
            .as_deref()
            .and_then(day)
            .filter(|_| cause == Cause::NotKnown);
        let begin = begin.map_or_else(String::new, |day| format!(" (journals begin {day})"));
        parts.push(format!("{words}: {}{begin}", of_cause.join(", ")));
    }
    let listed = |texts: &[String]| texts.iter().map(|text| one_line(text)).collect::<Vec<_>>().join(", ");
    if !drift.checks.is_empty() {
        parts.push(format!("fails: {}", listed(&drift.checks)));
    }
    if !drift.later.is_empty() {
        parts.push(format!("known only when it runs: {}", listed(&drift.later)));
    }
    let upgrades = format!("upgrades: {}", listed(&drift.upgrades));
    let has_upgrades = !drift.upgrades.is_empty();
    let tone = if drift.is_none() && !(counts_upgrades && has_upgrades) {
        parts.push("as configured".to_owned());
        Tone::Plain
    } else {
        Tone::Changed
    };
    parts.extend(has_upgrades.then_some(upgrades));
    paint(tone, &format!("{name}: {}", parts.join("; ")))
}

/// The day that a run began, which its name begins with.
fn day(run: &str) -> Option<String> {
    let digits = run
        .get(..8)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..]))
}

fn named(one: &Drifted) -> String {
    let what = format!("{} {}", one.kind, one_line(&one.name));
    if !one.taken.is_empty() {
        let taken = one.taken.iter().map(|(field, owner)| {
            let (field, owner) = (redacted(field), redacted(owner));
            format!("{} belongs to {}", one_line(&field), one_line(&owner))
        });
        return format!("{what} ({})", taken.collect::<Vec<_>>().join(", "));
    }
    match one.attributes.join(", ") {
        attributes if attributes.is_empty() => what,
        attributes => format!("{what} ({attributes})"),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    hosts: Vec<JsonHost<'a>>,
}

#[derive(Serialize)]
struct JsonHost<'a> {
    host: &'a str,
    was_read: bool,
    as_configured: bool,
    drifted: Vec<JsonDrifted<'a>>,
    failing_checks: &'a [String],
    known_later: &'a [String],
    upgrades: &'a [String],
    /// The oldest run whose journal the host still has, if something differs for a reason that is not known.
    oldest_run: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonDrifted<'a> {
    kind: &'a str,
    name: &'a str,
    /// `host`, `configuration`, `both` or `not_known`.
    changed: &'static str,
    attributes: &'a [&'static str],
    /// Fields that another manager has taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taken: Vec<JsonTaken<'a>>,
}

#[derive(Serialize)]
struct JsonTaken<'a> {
    field: &'a str,
    /// The name that its manager has in the cluster, such as `kubectl-set`.
    by: &'a str,
}

/// The same as JSON.
pub fn drift_json(hosts: &[HostDrift]) -> String {
    let none = Drift::default();
    let hosts = hosts.iter().map(|host| {
        let drift = host.drift.as_ref().unwrap_or(&none);
        JsonHost {
            host: &host.host,
            was_read: host.drift.is_some(),
            as_configured: host.drift.as_ref().is_some_and(Drift::is_none),
            drifted: drift.drifted.iter().map(JsonDrifted::of).collect(),
            failing_checks: &drift.checks,
            known_later: &drift.later,
            upgrades: &drift.upgrades,
            oldest_run: drift.oldest_run.as_deref(),
        }
    });
    let document = Document {
        format_version: 1,
        hosts: hosts.collect(),
    };
    document::document(&document)
}

impl<'a> JsonDrifted<'a> {
    fn of(one: &'a Drifted) -> Self {
        Self {
            kind: one.kind.as_str(),
            name: &one.name,
            changed: match one.cause {
                Cause::Host => "host",
                Cause::Configuration => "configuration",
                Cause::Both => "both",
                Cause::NotKnown => "not_known",
            },
            attributes: &one.attributes,
            taken: one.taken.iter().map(|(field, by)| JsonTaken { field, by }).collect(),
        }
    }
}
