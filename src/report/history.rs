//! What earlier runs did on hosts, from their journals.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::certificates::json_expiring;
use super::document::document;
use super::layout::joined;
use super::review::stands_alone;
use super::sanitize::one_line;
use super::style::{Tone, counted, paint, width};
use crate::change::ResourceKind;
use crate::facts::journal::{ChangeEnd, ChangeRecord, Run, RunEnd, Taken, standing};
use crate::facts::owed::Owed;
use crate::facts::own_units::OwnUnit;
use crate::facts::{Fact, FactKey};
use crate::gather::HostJournal;
use crate::pki::Expiring;
use crate::quote::quote;

/// The version of the JSON documents about earlier runs.
const FORMAT_VERSION: u32 = 1;
/// The ends of changes that are counted, in order.
const COUNTED: [(ChangeEnd, &str); 6] = [
    (ChangeEnd::Applied, "applied"),
    (ChangeEnd::PutBack, "put back"),
    (ChangeEnd::Ignored, "ignored"),
    (ChangeEnd::Failed, "failed"),
    (ChangeEnd::Unknown, "not known"),
    (ChangeEnd::NotReached, "not reached"),
];

/// The runs of hosts, the latest first.
pub fn history(hosts: &[HostJournal]) -> String {
    let mut lines = Vec::new();
    for host in hosts {
        lines.push(format!(
            "{} ({})",
            paint(Tone::Heading, &one_line(&host.host)),
            counted(host.runs.len(), "run")
        ));
        let rows: Vec<[String; 4]> = host.runs.iter().map(|(run, _)| row(run)).collect();
        for (row, (run, _)) in rows.iter().zip(&host.runs) {
            let mut line = String::from(" ");
            for (column, text) in row.iter().enumerate() {
                let widest = rows.iter().map(|row| width(&row[column])).max().unwrap_or_default();
                let padding = " ".repeat(widest.saturating_sub(width(text)));
                let tone = if column == 3 { tone(&run.end) } else { Tone::Plain };
                let _ = write!(line, " {}{padding} ", paint(tone, text));
            }
            lines.push(format!("{line} {}", paint(Tone::Faint, &one_line(&run.record.who))));
        }
        lines.extend(odd(host).map(|odd| format!("  notice  {odd}")));
    }
    joined(&lines)
}

fn row(run: &Run) -> [String; 4] {
    let record = &run.record;
    [
        one_line(&record.run),
        one_line(&run.record.called()),
        counts(run),
        one_line(run.end.word()),
    ]
}

fn tone(end: &RunEnd) -> Tone {
    if end.is_good() || *end == RunEnd::Running {
        Tone::Plain
    } else {
        Tone::Removed
    }
}

fn counts(run: &Run) -> String {
    let counts = COUNTED.iter().map(|(end, word)| (count(run, *end), word));
    let told: Vec<String> = counts
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if told.is_empty() {
        "nothing changed".to_owned()
    } else {
        told.join(", ")
    }
}

/// How many of a run's changes ended so. Additional packages end like the requested ones, which are counted, as in the summary of a
/// deploy.
fn count(run: &Run, end: ChangeEnd) -> usize {
    let ended = || run.changes.iter().filter(|change| change.end == end);
    let is_along = |record: &ChangeRecord| record.kind == ResourceKind::PackagesAlong.as_str();
    let is_represented = |record: &ChangeRecord| {
        let mut others = ended().filter(|other| other.record.operation == record.operation);
        others.any(|other| !is_along(&other.record))
    };
    ended()
        .filter(|change| !is_along(&change.record) || !is_represented(&change.record))
        .count()
}

/// A run with its changes.
pub fn run(host: &str, run: &Run) -> String {
    let record = &run.record;
    let mut lines = vec![
        format!("{} on {}", paint(Tone::Heading, &one_line(&record.run)), one_line(host)),
        format!("  {} by {}", one_line(&run.record.called()), one_line(&record.who)),
        format!(
            "  began {}, ended {}: {}",
            one_line(&record.at),
            paint(tone(&run.end), &one_line(run.end.word())),
            counts(run)
        ),
    ];
    let mut operation = "";
    for change in &run.changes {
        if change.record.operation != operation {
            operation = &change.record.operation;
            lines.push(format!("  {}", one_line(operation)));
        }
        lines.push(change_line(change));
    }
    lines.extend(run.owed.iter().map(|owed| format!("  owes `{}`", one_line(owed))));
    lines.extend(run.made_up.iter().map(|at| {
        let at = one_line(at);
        format!("  made up for: at {at} a later run had nothing left to do")
    }));
    if run.unreadable > 0 {
        lines.push(format!(
            "  {} of the journal cannot be read",
            counted(run.unreadable, "line")
        ));
    }
    joined(&lines)
}

fn change_line(change: &Taken) -> String {
    let record = &change.record;
    let (sign, tone) = match record.action.as_str() {
        "create" => ("+", Tone::Added),
        "remove" => ("-", Tone::Removed),
        "update" => ("~", Tone::Changed),
        _ => ("↻", Tone::EachTime),
    };
    let kind = record.kind.parse::<ResourceKind>().ok();
    let differences: Vec<String> = record
        .after
        .iter()
        .filter_map(|(name, after)| {
            let before = record.before.get(name).filter(|before| !before.is_empty());
            let change = match before {
                Some(before) if before == after => return None,
                Some(before) if after.is_empty() => format!("{before} → none"),
                Some(before) => format!("{before} → {after}"),
                None if after.is_empty() => return None,
                None => after.clone(),
            };
            let is_clear = kind.is_some_and(|kind| stands_alone(kind, name));
            Some(if is_clear { change } else { format!("{name} {change}") })
        })
        .collect();
    let end = match change.end {
        ChangeEnd::Applied => String::new(),
        ChangeEnd::AlreadySo => "   already so".to_owned(),
        other => {
            let word = COUNTED
                .iter()
                .find(|(end, _)| *end == other)
                .map_or("", |(_, word)| word);
            format!("   {}", paint(Tone::Removed, word))
        }
    };
    format!(
        "    {} {} {}{}{end}",
        paint(tone, sign),
        one_line(&record.kind),
        one_line(&record.name),
        if differences.is_empty() {
            String::new()
        } else {
            paint(Tone::Faint, &one_line(&format!("   {}", differences.join(", "))))
        },
    )
}

/// The runs of hosts as JSON, with their changes if `with_changes`.
pub fn history_json(hosts: &[HostJournal], with_changes: bool) -> String {
    let hosts: Vec<Json> = hosts
        .iter()
        .map(|host| {
            let runs: Vec<Json> = host.runs.iter().map(|(run, _)| run_json(run, with_changes)).collect();
            json!({"host": host.host, "runs": runs, "notices": odd(host).collect::<Vec<_>>()})
        })
        .collect();
    document(&json!({"format_version": FORMAT_VERSION, "hosts": hosts}))
}

fn run_json(run: &Run, with_changes: bool) -> Json {
    let record = &run.record;
    let counts: serde_json::Map<String, Json> = COUNTED
        .iter()
        .map(|(end, word)| (word.replace(' ', "_"), count(run, *end).into()))
        .collect();
    let mut json = json!({
        "run": record.run,
        "at": record.at,
        "who": record.who,
        "inventory": record.inventory,
        "deploy": record.deploy,
        "filters": record.filters,
        "rollback_of": record.rollback_of,
        "plan": record.plan,
        "version": record.version,
        "end": run.end.word(),
        "made_up": run.made_up,
        "counts": counts,
        "owed": run.owed,
    });
    if with_changes {
        let changes: Vec<Json> = run.changes.iter().map(change_json).collect();
        json["changes"] = changes.into();
    }
    json
}

fn change_json(change: &Taken) -> Json {
    let record = &change.record;
    json!({
        "operation": record.operation,
        "kind": record.kind,
        "name": record.name,
        "action": record.action,
        "before": record.before,
        "after": record.after,
        "end": change.end,
        "previous": record.kept,
        "notifies": record.notifies,
    })
}

/// What is said of files that look like journals.
pub fn odd(host: &HostJournal) -> impl Iterator<Item = String> {
    host.odd.iter().map(|path| {
        one_line(&format!(
            "`{path}` is no journal of a run, so it is not read; `rm -r {}` on the host removes it",
            quote(path)
        ))
    })
}

/// A word for what is told, and what it is.
type Told<'a> = (&'a str, String);

/// What is left of earlier runs on hosts, at this time. `project` is the name by which hosts know the project.
pub fn status(hosts: &[HostJournal], project: &str, now: Timestamp) -> String {
    let mut lines = Vec::new();
    for host in hosts {
        lines.push(paint(Tone::Heading, &one_line(&host.host)));
        let told = told(host, project, now);
        let told: Vec<(String, String)> = told
            .iter()
            .map(|(word, text)| (one_line(word), one_line(text)))
            .collect();
        let widest = told.iter().map(|(word, _)| word.len()).max().unwrap_or_default();
        lines.extend(told.iter().map(|(word, text)| format!("  {word:widest$}  {text}")));
    }
    joined(&lines)
}

fn told<'a>(host: &'a HostJournal, project: &str, now: Timestamp) -> Vec<Told<'a>> {
    let mut told: Vec<Told<'_>> = vec![(
        "last run",
        match host.runs.first() {
            Some((run, _)) => format!(
                "{}, {}, {}",
                run.record.called(),
                age(&run.record.at, now),
                run.end.word()
            ),
            None => "none that changed anything".to_owned(),
        },
    )];
    let last = host.runs.first().map(|(run, _)| run.record.run.as_str());
    // How the last run ended is told; of one that was cut off, its name too.
    let unfinished = unfinished(host).filter(|run| is_interrupted(run) || Some(run.record.run.as_str()) != last);
    told.extend(unfinished.map(|run| (run.end.word(), format!("{} ({})", run.record.run, run.record.called()))));
    if let Some(Fact::System(system)) = host.facts.get(&FactKey::System) {
        told.extend(system.owed.iter().map(|owed| ("owed", told_owed(owed, project))));
        told.extend(system.notices().into_iter().map(|notice| ("notice", notice)));
    }
    let units = own_units(host)
        .iter()
        .map(|unit| ("unit", format!("{} {}", unit.name, unit.state())));
    told.extend(units);
    told.extend(odd(host).map(|odd| ("notice", odd)));
    told.extend(host.orphans.iter().map(|orphan| ("notice", orphan.clone())));
    told
}

/// The units of the host whose files are its own.
fn own_units(host: &HostJournal) -> &[OwnUnit] {
    match host.facts.get(&FactKey::OwnUnits) {
        Some(Fact::OwnUnits(units)) => units,
        _ => &[],
    }
}

fn told_owed(owed: &Owed, project: &str) -> String {
    let unit = owed.unit.as_deref().map(|unit| format!(" ({unit})"));
    let of = owed.project.as_deref().filter(|own| *own != project);
    let of = of.map(|project| format!(", of project `{project}`"));
    [Some(owed.name().to_owned()), unit, of].into_iter().flatten().collect()
}

/// The runs that did not come to their end, and whose end still counts.
fn unfinished(host: &HostJournal) -> impl Iterator<Item = &Run> {
    let standing = standing(host.runs.iter().map(|(run, _)| run));
    standing
        .into_iter()
        .filter(|run| run.is_unfinished() && run.end != RunEnd::Running)
}

fn is_interrupted(run: &Run) -> bool {
    run.end.word() == RunEnd::Interrupted.word()
}

/// How long ago that was.
pub(super) fn age(at: &str, now: Timestamp) -> String {
    let Ok(at) = at.parse::<Timestamp>() else {
        return "at an unknown time".to_owned();
    };
    let seconds = now.as_second().saturating_sub(at.as_second()).max(0);
    match usize::try_from(seconds).unwrap_or_default() {
        seconds @ 0..120 => format!("{} ago", counted(seconds, "second")),
        seconds @ 120..7200 => format!("{} ago", counted(seconds / 60, "minute")),
        seconds @ 7200..172_800 => format!("{} ago", counted(seconds / 3600, "hour")),
        seconds => format!("{} ago", counted(seconds / 86_400, "day")),
    }
}

/// The names of those of the unfinished runs that are meant.
fn names(host: &HostJournal, is_meant: impl Fn(&Run) -> bool) -> Vec<&str> {
    let meant = unfinished(host).filter(|run| is_meant(run));
    meant.map(|run| run.record.run.as_str()).collect()
}

/// The same as JSON; without the age, since the same host gives the same bytes.
pub fn status_json(hosts: &[HostJournal], expiring: &[Expiring]) -> String {
    let hosts: Vec<Json> = hosts
        .iter()
        .map(|host| {
            let system = match host.facts.get(&FactKey::System) {
                Some(Fact::System(system)) => Some(system),
                _ => None,
            };
            json!({
                "host": host.host,
                "last_run": host.runs.first().map(|(run, _)| run_json(run, false)),
                "interrupted": names(host, is_interrupted),
                "failed": names(host, |run| !is_interrupted(run)),
                "owed": system.map(|system| system.owed.iter().map(Owed::name).collect::<Vec<_>>()),
                "notices": system.map(|system| system.notices().into_iter().chain(odd(host)).collect::<Vec<_>>()),
                "units": own_units(host),
                "orphans": host.orphans,
            })
        })
        .collect();
    document(&json!({"format_version": FORMAT_VERSION, "hosts": hosts, "expiring": json_expiring(expiring)}))
}

#[cfg(test)]
mod tests;
