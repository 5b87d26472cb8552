//! How a run ended: failures in full, what was not reached, what to do next, and the totals last.

use super::TextOptions;
use super::duration::taken;
use super::failure::{self, ENDS, all_ended, ended, note, words};
use super::layout::joined;
use super::phrases::{HOST_ENDS, host_end};
use super::sanitize::one_line;
use super::style::{Tone, counted, grouped, paint, width};
use crate::apply::{HostEnd, HostResult, ResourceEnd};

/// How the run ended; with verbose options also the duration of each operation.
pub fn summary(results: &[HostResult], options: &TextOptions) -> String {
    let mut lines = Vec::new();
    for result in results {
        let trouble = trouble(result);
        if !trouble.is_empty() {
            lines.extend(trouble);
            lines.push(String::new());
        }
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

/// Durations of operations, the longest first.
fn timings(result: &HostResult) -> Vec<String> {
    let mut operations: Vec<_> = result.operations.iter().collect();
    operations.sort_by_key(|operation| std::cmp::Reverse(operation.took));
    let timed = operations.into_iter().filter_map(|operation| {
        let took = taken(operation.took)?;
        Some(format!("  {took:>10}  {}", one_line(operation.operation.slug())))
    });
    timed.collect()
}

fn is_idle(result: &HostResult) -> bool {
    result.end == HostEnd::Converged && result.operations.is_empty() && result.failure.is_none()
}

/// Everything that went wrong on a host; empty if nothing did.
fn trouble(result: &HostResult) -> Vec<String> {
    let mut lines = Vec::new();
    for failure in result.operations.iter().filter_map(|one| one.failure.as_ref()) {
        lines.extend(failure::lines(&result.host, failure));
    }
    if let Some(failure) = &result.failure {
        lines.extend(failure::lines(&result.host, failure));
    }
    let notices = result.notices.iter();
    lines.extend(notices.map(|notice| format!("{}: {}", one_line(&result.host), one_line(notice))));
    let Some(next) = next_step(result.end) else {
        return lines;
    };
    if lines.is_empty() {
        let text = format!("{}: {}", one_line(&result.host), host_end(result.end).0);
        lines.push(paint(Tone::Removed, &text));
    }
    for end in [ResourceEnd::PutBack, ResourceEnd::Unknown, ResourceEnd::NotReached] {
        let left = all_ended(result, end);
        if !left.is_empty() {
            let (words, tone) = words(end);
            lines.push(format!("  {}:", paint(tone, words)));
            lines.extend(left.iter().map(|one| format!("    {one}")));
        }
    }
    if !has_hint(result) {
        lines.extend(note("next", next));
    }
    lines
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
    let (end, tone) = host_end(result.end);
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
    let ends: Vec<String> = HOST_ENDS
        .iter()
        .filter_map(|end| {
            let count = results.iter().filter(|result| result.end == *end).count();
            let (words, tone) = host_end(*end);
            (count > 0).then(|| paint(tone, &format!("{count} {words}")))
        })
        .collect();
    let hosts = paint(Tone::Heading, &counted(results.len(), "host"));
    format!("{hosts}: {}; {}", ends.join(", "), counted_ends(&counts(results)))
}
