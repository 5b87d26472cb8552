//! One operation as lines of text: its changes, what other operations may already do, or what it waits for.

use super::TextOptions;
use super::change;
use super::layout::{Part, indented, joined, row, wrapped};
use super::phrases;
use super::review::{Change, Entry, EntryState};
use super::sanitize::one_line;
use super::style::{Tone, paint, width};
use crate::facts::overlay::{FactScope, OperationId};
use crate::plan::PlannedOperation;

/// One operation's block; empty if there is nothing to do, unless everything is listed.
pub fn operation(operation: &PlannedOperation, options: &TextOptions) -> String {
    let entry = Entry::new(operation, options.full_diff);
    joined(&lines(&entry, options, options.width))
}

/// The lines of an operation in `room` columns.
pub(super) fn lines(entry: &Entry<'_>, options: &TextOptions, room: usize) -> Vec<String> {
    let slug = one_line(entry.slug());
    let changes = |changes: &[Change<'_>], unless: &[OperationId]| -> Vec<String> {
        changes
            .iter()
            .flat_map(|change| change::lines(change, unless, options, room))
            .collect()
    };
    if entry.is_idle() && !options.verbose {
        return Vec::new();
    }
    let mut lines = match &entry.state {
        EntryState::Unchanged => vec![paint(Tone::Faint, &format!("= {slug}   unchanged"))],
        EntryState::Check { what, state } => {
            let tone = change::tone(entry.sign());
            let head = [
                Part::new(tone, entry.sign().as_str()),
                Part::new(Tone::Heading, format!(" {}", one_line(what))),
            ];
            row(&head, &[Part::new(tone, phrases::check(state).text())], room)
        }
        EntryState::Change(all) => changes(all, &[]),
        EntryState::Ensure { changes: all, .. } => changes(all, entry.unless_each()),
        EntryState::Deferred { why, .. } if entry.stays => {
            let head = [
                Part::new(Tone::Later, "?"),
                Part::new(Tone::Heading, format!(" {slug}")),
            ];
            row(&head, &[Part::new(Tone::Later, one_line(why))], room)
        }
        EntryState::Deferred {
            waits_for,
            why,
            touches,
            preview,
        } => {
            let mut lines = deferred(&slug, waits_for, why, touches, room);
            let preview = changes(preview, &[]);
            if !preview.is_empty() {
                lines.push(format!("    {}", phrases::AS_THINGS_ARE));
                lines.extend(indented(preview, 6));
            }
            lines
        }
    };
    let trigger = phrases::aside(entry).text();
    if !trigger.is_empty() {
        let trigger = wrapped(&trigger, room.saturating_sub(4));
        lines.extend(indented(trigger, 4).map(|line| paint(Tone::Later, &line)));
    }
    if options.verbose {
        let place = format!("    {}", phrases::written_at(entry).text());
        lines.push(paint(Tone::Faint, &place));
    }
    lines
}

/// Shows every scope, because apply enforces them.
fn deferred(slug: &str, waits_for: &[OperationId], why: &str, touches: &[FactScope], room: usize) -> Vec<String> {
    let head = [
        Part::new(Tone::Later, "?"),
        Part::new(Tone::Heading, format!(" {slug}")),
    ];
    let when = phrases::known_when(waits_for).text();
    let why = one_line(why);
    let both = format!("{when} {why}").trim_start().to_owned();
    let mut lines = if width(slug) + width(&both) + 5 <= room {
        row(&head, &[Part::new(Tone::Later, both)], room)
    } else {
        let when: Vec<Part> = (!when.is_empty())
            .then(|| Part::new(Tone::Later, when))
            .into_iter()
            .collect();
        let mut lines = row(&head, &when, room);
        lines.extend(indented(wrapped(&why, room.saturating_sub(4)), 4));
        lines
    };
    let may_change = phrases::may_change(touches).text();
    if !may_change.is_empty() {
        lines.extend(indented(wrapped(&may_change, room.saturating_sub(4)), 4));
    }
    lines
}
