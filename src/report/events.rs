//! Events as plain lines: one per finished operation, failures in full.

use super::TextOptions;
use super::duration::taken;
use super::failure::{self, ENDS, ended, words};
use super::layout::{indented, joined};
use super::operation;
use super::review::Entry;
use super::sanitize::one_line;
use super::style::{Tone, paint};
use super::summary;
use crate::apply::{ApplyEvent, HostEnd, OperationResult, ResourceEnd};

/// The most resources that one line names; the rest is counted.
const MOST_NAMED: usize = 3;

/// What a plain log prints for an event; `None` if nothing. With `leaves_ends`, a summary follows: failures, what was not
/// reached and the host's end are left to it, so that they are printed once.
pub fn event(event: &ApplyEvent, options: &TextOptions, leaves_ends: bool) -> Option<String> {
    let lines = match event {
        ApplyEvent::HostStarted { .. }
        | ApplyEvent::Started { .. }
        | ApplyEvent::Output { .. }
        | ApplyEvent::OutputLeftOut { .. }
        | ApplyEvent::Sent { .. } => Vec::new(),
        ApplyEvent::Resolved { host, operation } => {
            let entry = Entry::new(operation, options.full_diff);
            let block = operation::lines(&entry, options, options.width.saturating_sub(4));
            let slug = one_line(operation.id.slug());
            let (words, tone) = if block.is_empty() || operation.changes().is_empty() {
                ("unchanged", Tone::Plain)
            } else {
                ("now known", Tone::Later)
            };
            let mut lines = vec![line(host, words, tone, &slug)];
            lines.extend(indented(block, 4));
            lines
        }
        ApplyEvent::Waits { host, attempt, words } => {
            let what = format!("{}: {}", one_line(attempt), one_line(words));
            vec![line(host, "waiting", Tone::Later, &what)]
        }
        ApplyEvent::Retries {
            host,
            operation,
            retry,
            of,
            pause,
            failure,
        } => {
            let slug = one_line(operation.slug());
            let why = match (&failure.cause, failure.exit_code) {
                (Some(cause), _) => format!(": {}", one_line(cause.lines().next().unwrap_or_default())),
                (None, Some(code)) => format!(": exit code {code}"),
                (None, None) => String::new(),
            };
            let what = format!("{slug} in {} s (retry {retry} of {of}){why}", pause.as_secs());
            let mut lines = vec![line(host, "trying again", Tone::Later, &what)];
            lines.extend(failure::output(&failure.output));
            lines
        }
        ApplyEvent::Ignored { host, operation } => {
            let what = format!("{}: the failure is ignored (`on_error`)", one_line(operation.slug()));
            vec![line(host, "continuing", Tone::Later, &what)]
        }
        ApplyEvent::Finished { host, result } => {
            let mut lines = finished(host, result, leaves_ends);
            if let Some(failure) = result.failure.as_ref().filter(|_| !leaves_ends) {
                lines.extend(failure::lines(host, failure));
            }
            lines
        }
        ApplyEvent::HostFinished { .. } if leaves_ends => Vec::new(),
        ApplyEvent::HostFinished { result } => {
            let mut lines = Vec::new();
            if let Some(failure) = &result.failure {
                lines.extend(failure::lines(&result.host, failure));
            }
            lines.push(summary::host_line(result, 0));
            lines
        }
    };
    (!lines.is_empty()).then(|| joined(&lines))
}

fn finished(host: &str, result: &OperationResult, leaves_ends: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for end in ENDS {
        if leaves_ends && end == ResourceEnd::NotReached {
            continue;
        }
        // An operation without changes and without a failure had nothing to do.
        let mut names = ended(HostEnd::Converged, result, end);
        if names.is_empty() {
            continue;
        }
        if names.len() > MOST_NAMED {
            let rest = names.len() - MOST_NAMED;
            names.truncate(MOST_NAMED);
            names.push(format!("{rest} more"));
        }
        let took = if matches!(end, ResourceEnd::Applied | ResourceEnd::Failed) {
            taken(result.took).map_or_else(String::new, |took| format!(" ({took})"))
        } else {
            String::new()
        };
        let (words, tone) = words(end);
        lines.push(line(host, words, tone, &format!("{}{took}", names.join(", "))));
    }
    lines
}

fn line(host: &str, words: &str, tone: Tone, what: &str) -> String {
    let column = format!("{words:<11}");
    format!("{}  {}  {what}", one_line(host), paint(tone, &column))
}
