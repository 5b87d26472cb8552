//! A failure in full, and what was not reached because of it.

use super::layout::wrapped;
use super::review::come_along;
use super::sanitize;
use super::style::{Tone, counted, grouped, paint, width};
use crate::apply::{Failure, HostEnd, HostResult, OperationResult, ResourceEnd};
use crate::change::{ResourceId, ResourceKind};

/// Lines of output that are shown, the last ones.
const MOST_OUTPUT: usize = 40;
/// Longer lines of output are cut, in characters.
const LONG: usize = 400;
const ROOM: usize = 100;

/// What was attempted on `host`, why it failed, the output, and what came of it.
pub(super) fn lines(host: &str, failure: &Failure) -> Vec<String> {
    let headline = format!("{}: {}", sanitize::one_line(host), attempted(host, failure));
    let mut lines = vec![paint(Tone::Removed, &headline)];
    lines.extend(details(failure));
    lines
}

/// The same without the host, below a heading that names it: hosts that fail in the same way are shown once.
pub(super) fn lines_below_host(host: &str, failure: &Failure) -> Vec<String> {
    let mut lines = vec![paint(Tone::Removed, &attempted(host, failure))];
    lines.extend(details(failure));
    lines
}

/// What is below the first line.
pub(super) fn details(failure: &Failure) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(place) = &failure.place {
        let parameter = place.parameter.as_ref();
        let parameter = parameter.map_or_else(String::new, |parameter| format!(" (`{parameter}`)"));
        lines.push(format!("  --> {}{parameter}", sanitize::one_line(&place.written_at)));
    }
    if let Some(cause) = &failure.cause {
        lines.extend(note("caused by", cause));
    }
    if let Some(code) = failure.exit_code {
        lines.push(format!("  exit code {code}"));
    }
    lines.extend(output(&failure.output));
    if let Some(outcome) = &failure.outcome {
        lines.extend(note("outcome", outcome));
    }
    if let Some(hint) = &failure.hint {
        lines.extend(note("hint", hint));
    }
    lines
}

/// What was attempted is a phrase such as "write `/etc/motd`", or an error text that already names the host.
pub(super) fn attempted(host: &str, failure: &Failure) -> String {
    let attempted = sanitize::one_line(&failure.attempted);
    let own = attempted.strip_prefix(&format!("{}: ", sanitize::one_line(host)));
    match own {
        Some(rest) => rest.to_owned(),
        None => format!("failed to {attempted}"),
    }
}

/// A labeled note; further lines are indented below its first.
pub(super) fn note(name: &str, text: &str) -> Vec<String> {
    let text = sanitize::lines(text);
    let room = ROOM.saturating_sub(name.len() + 4);
    let mut texts = text.trim_end().lines().flat_map(|line| wrapped(line, room));
    let first = texts.next().unwrap_or_default();
    let mut lines = vec![format!("  {}: {first}", paint(Tone::Heading, name))];
    let margin = " ".repeat(name.len() + 4);
    lines.extend(texts.map(|line| format!("{margin}{line}")));
    lines
}

/// The last lines of what was printed.
pub(super) fn output(text: &str) -> Vec<String> {
    let all: Vec<&str> = text.trim_end().split('\n').collect();
    if text.trim().is_empty() {
        return Vec::new();
    }
    let left_out = all.len().saturating_sub(MOST_OUTPUT);
    let mut lines = Vec::new();
    if left_out > 0 {
        let note = format!("  | … {} before", counted(left_out, "line"));
        lines.push(paint(Tone::Faint, &note));
    }
    lines.extend(all[left_out..].iter().map(|line| {
        let line = format!("| {}", cut(&last_state(line)));
        format!("  {}", line.trim_end())
    }));
    lines
}

/// What a terminal would show of an overwritten line, such as a progress bar.
pub(super) fn last_state(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    sanitize::lines(line.rsplit('\r').next().unwrap_or(line))
}

fn cut(line: &str) -> String {
    let count = width(line);
    if count <= LONG {
        return line.to_owned();
    }
    let head: String = line.chars().take(LONG).collect();
    format!("{head}…[{} more characters]", grouped(count - LONG))
}

/// What of a stopped host ended so: resources or, if not planned yet, operations.
pub(super) fn all_ended(result: &HostResult, end: ResourceEnd) -> Vec<String> {
    let operations = result.operations.iter();
    operations.flat_map(|one| ended(result.end, one, end)).collect()
}

/// The resources of an operation that ended as `end`, in words.
pub(super) fn ended(host: HostEnd, operation: &OperationResult, end: ResourceEnd) -> Vec<String> {
    if operation.lines.is_empty() {
        let own = end_without_lines(host, operation);
        let slug = sanitize::one_line(operation.operation.slug());
        return if own == end { vec![slug] } else { Vec::new() };
    }
    let ids = operation
        .lines
        .iter()
        .filter(|line| line.end == end)
        .map(|line| &line.resource);
    let (along, named): (Vec<&ResourceId>, Vec<&ResourceId>) = ids.partition(|id| come_along(id));
    // Additional packages end like the requested ones, unless those are not listed.
    let mut listed = if named.is_empty() { along } else { named };
    // What takes long comes first: its files may be many.
    listed.sort_by_key(|id| id.kind != ResourceKind::ComposeService);
    listed.into_iter().map(resource).collect()
}

/// Deferred operations are shown by their name.
fn resource(id: &ResourceId) -> String {
    let name = sanitize::one_line(&id.name);
    if id.kind == ResourceKind::Operation {
        return name;
    }
    format!("{} {name}", id.kind)
}

/// An operation without lines was never fully planned: the host stopped before it.
fn end_without_lines(host: HostEnd, operation: &OperationResult) -> ResourceEnd {
    match host {
        _ if operation.failure.is_some() => ResourceEnd::Failed,
        HostEnd::Converged | HostEnd::Pending => ResourceEnd::AlreadySo,
        _ => ResourceEnd::NotReached,
    }
}

/// An end in words.
pub(super) fn words(end: ResourceEnd) -> (&'static str, Tone) {
    match end {
        ResourceEnd::Applied => ("applied", Tone::Added),
        ResourceEnd::AlreadySo => ("unchanged", Tone::Plain),
        ResourceEnd::Holds => ("passed", Tone::Added),
        ResourceEnd::PutBack => ("put back", Tone::Changed),
        ResourceEnd::Failed => ("failed", Tone::Removed),
        ResourceEnd::Ignored => ("failed (ignored)", Tone::Removed),
        ResourceEnd::Unknown => ("under way, outcome unknown", Tone::Removed),
        ResourceEnd::NotReached => ("not reached", Tone::Changed),
    }
}

/// All ends, in the order shown.
pub(super) const ENDS: [ResourceEnd; 8] = [
    ResourceEnd::Applied,
    ResourceEnd::AlreadySo,
    ResourceEnd::Holds,
    ResourceEnd::PutBack,
    ResourceEnd::Failed,
    ResourceEnd::Ignored,
    ResourceEnd::Unknown,
    ResourceEnd::NotReached,
];
