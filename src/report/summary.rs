//! How a run ended: failures in full, what was not reached, what to do next, and the totals last.

use super::TextOptions;
use super::duration::taken;
use super::failure::{self, ENDS, all_ended, ended, note, words};
use super::layout::joined;
use super::phrases::{host_end, host_end_after, host_ends};
use super::sanitize::one_line;
use super::style::{Tone, counted, grouped, paint, width};
use crate::apply::{HostEnd, HostResult, ResourceEnd};

/// How the run ended; with verbose options also the duration of each operation and the round trips.
pub fn summary(results: &[HostResult], options: &TextOptions) -> String {
    let mut lines = Vec::new();
    for (hosts, trouble) in troubles(results) {
        lines.extend(trouble.lines(&hosts));
        lines.push(String::new());
    }
    let (idle, busy): (Vec<&HostResult>, Vec<&HostResult>) = results.iter().partition(|one| is_idle(one));
    let column = busy.iter().map(|one| width(&one_line(&one.host))).max().unwrap_or(0);
    for result in busy {
        lines.push(host_line(result, column));
        if options.verbose {
            lines.extend(timings(result));
        }
    }
    if !idle.is_empty() {
        let names: Vec<String> = idle.iter().map(|one| one_line(&one.host)).collect();
        lines.push(format!("nothing to do on {}", names.join(", ")));
    }
    if results.len() > 1 {
        lines.push(total(results));
    }
    joined(&lines)
}

/// Durations of operations, the longest first, and how often the host was asked.
fn timings(result: &HostResult) -> Vec<String> {
    let mut operations: Vec<_> = result.operations.iter().collect();
    operations.sort_by_key(|operation| std::cmp::Reverse(operation.took));
    let timed = operations.into_iter().filter_map(|operation| {
        let took = taken(operation.took)?;
        Some(format!("  {took:>10}  {}", one_line(operation.operation.slug())))
    });
    let asked = format!("  {:>10}  round trips", result.round_trips);
    timed.chain([asked]).collect()
}

fn is_idle(result: &HostResult) -> bool {
    result.end == HostEnd::Converged && result.operations.is_empty() && result.failure.is_none()
}

/// Everything that went wrong, each with the hosts on which all of it is the same.
fn troubles(results: &[HostResult]) -> Vec<(Vec<&str>, Trouble)> {
    let mut troubles: Vec<(Vec<&str>, Trouble)> = Vec::new();
    for result in results {
        let trouble = Trouble::of(result);
        match troubles.iter_mut().find(|(_, other)| *other == trouble) {
            _ if trouble == Trouble::default() => {}
            Some((hosts, _)) => hosts.push(&result.host),
            None => troubles.push((vec![&result.host], trouble)),
        }
    }
    troubles
}

/// What went wrong on a host, without its name.
#[derive(Debug, Default, PartialEq)]
struct Trouble {
    /// Each begins with the host's name.
    reports: Vec<Report>,
    /// What was not done, and what to do next.
    rest: Vec<String>,
}

/// A failure or a notice: its first line, and those below.
#[derive(Debug, PartialEq)]
struct Report {
    tone: Tone,
    head: String,
    details: Vec<String>,
}

impl Trouble {
    fn of(result: &HostResult) -> Self {
        let failures = result.operations.iter().filter_map(|one| one.failure.as_ref());
        let failures = failures.chain(&result.failure).map(|failure| Report {
            tone: Tone::Removed,
            head: failure::attempted(&result.host, failure),
            details: failure::details(failure),
        });
        let notices = result.notices.iter().map(|notice| Report {
            tone: Tone::Plain,
            head: one_line(notice),
            details: Vec::new(),
        });
        let mut reports: Vec<Report> = failures.chain(notices).collect();
        let mut rest = Vec::new();
        let Some(next) = next_step(result.end) else {
            return Self { reports, rest };
        };
        if reports.is_empty() {
            reports.push(Report {
                tone: Tone::Removed,
                head: host_end(result.end).0.to_owned(),
                details: Vec::new(),
            });
        }
        for end in [ResourceEnd::PutBack, ResourceEnd::Unknown, ResourceEnd::NotReached] {
            let left = all_ended(result, end);
            if !left.is_empty() {
                let (words, tone) = words(end);
                rest.push(format!("  {}:", paint(tone, words)));
                rest.extend(left.iter().map(|one| format!("    {one}")));
            }
        }
        if !has_hint(result) {
            rest.extend(note("next", next));
        }
        Self { reports, rest }
    }

    fn lines(self, hosts: &[&str]) -> Vec<String> {
        let names: Vec<String> = hosts.iter().map(|host| one_line(host)).collect();
        let names = names.join(", ");
        let mut lines = Vec::new();
        for report in self.reports {
            lines.push(paint(report.tone, &format!("{names}: {}", report.head)));
            lines.extend(report.details);
        }
        lines.extend(self.rest);
        lines
    }
}

/// Without a hint: a hint already is a next step.
fn has_hint(result: &HostResult) -> bool {
    let failures = result.operations.iter().map(|one| &one.failure);
    failures
        .chain([&result.failure])
        .flatten()
        .any(|failure| failure.hint.is_some())
}

fn next_step(end: HostEnd) -> Option<&'static str> {
    match end {
        HostEnd::Converged | HostEnd::Pending => None,
        HostEnd::Failed => Some("fix the cause and rerun; changes already applied are kept"),
        HostEnd::Unreachable => Some("rerun the deploy when the host is reachable"),
        HostEnd::Locked => Some("rerun the deploy when the other run is finished"),
        HostEnd::Stale | HostEnd::Outdated => Some("rerun the deploy and review the new diff"),
        HostEnd::Invalid => Some("fix the project or the command line, then rerun the deploy"),
        HostEnd::Interrupted => Some("rerun the deploy to continue"),
        HostEnd::HeldBack => Some("fix the hosts that failed before it, then rerun the deploy"),
    }
}

/// `nas  converged  3 applied, 1 unchanged in 4.2 s`, the host's name in a column of that width.
pub(super) fn host_line(result: &HostResult, column: usize) -> String {
    let host = format!("{:<column$}", one_line(&result.host));
    let (end, tone) = host_end_after(result.end, &result.operations);
    let counts = counts(std::slice::from_ref(result));
    let end = paint(tone, &format!("{end:<11}"));
    let took = taken(result.took).map_or_else(String::new, |took| format!(" in {took}"));
    format!(
        "{}  {end}  {}{took}",
        paint(Tone::Heading, &host),
        counted_ends(&counts)
    )
}

fn counts(results: &[HostResult]) -> [usize; ENDS.len()] {
    ENDS.map(|end| {
        let operations = results
            .iter()
            .flat_map(|result| result.operations.iter().map(|one| (result.end, one)));
        operations
            .map(|(host, operation)| ended(host, operation, end).len())
            .sum()
    })
}

fn counted_ends(counts: &[usize; ENDS.len()]) -> String {
    let parts: Vec<String> = std::iter::zip(ENDS, counts)
        .filter(|(_, count)| **count > 0)
        .map(|(end, count)| {
            let (words, tone) = words(end);
            let tone = if end == ResourceEnd::Applied { Tone::Plain } else { tone };
            paint(tone, &format!("{} {words}", grouped(*count)))
        })
        .collect();
    if parts.is_empty() {
        return "nothing applied".to_owned();
    }
    parts.join(", ")
}

fn total(results: &[HostResult]) -> String {
    let ends: Vec<String> = host_ends(results.iter().map(|result| (result.end, &result.operations[..])))
        .into_iter()
        .map(|(count, (words, tone))| paint(tone, &format!("{count} {words}")))
        .collect();
    let hosts = paint(Tone::Heading, &counted(results.len(), "host"));
    format!("{hosts}: {}; {}", ends.join(", "), counted_ends(&counts(results)))
}
