//! One operation as lines: what it would do, what it may find done, or what it waits for.

use super::TextOptions;
use super::change;
use super::layout::{Part, indented, joined, row, wrapped};
use super::sanitize::one_line;
use super::style::{Tone, paint, width};
use crate::change::{CheckState, Outcome};
use crate::facts::overlay::{FactScope, OperationId};
use crate::plan::PlannedOperation;

/// One operation's block; empty for one with nothing to do, unless all is listed.
pub fn operation(operation: &PlannedOperation, options: &TextOptions) -> String {
    joined(&lines(operation, options, options.width))
}

/// The lines of an operation in `room` columns.
pub(super) fn lines(operation: &PlannedOperation, options: &TextOptions, room: usize) -> Vec<String> {
    let slug = one_line(operation.id.slug());
    let changes = |unless: Option<&str>| {
        let changes = operation.changes().iter();
        changes
            .flat_map(|change| change::lines(change, unless, options, room))
            .collect::<Vec<_>>()
    };
    let mut lines = match &operation.outcome {
        Outcome::Unchanged
        | Outcome::Check {
            state: CheckState::Holds,
            ..
        } if !options.verbose => return Vec::new(),
        Outcome::Unchanged => vec![paint(Tone::Faint, &format!("= {slug}   unchanged"))],
        Outcome::Check { what, state, .. } => check(what, state, room),
        Outcome::Change(_) => changes(None),
        Outcome::Ensure { since, .. } => changes(Some(&format!("unless {} brings it", named(since)))),
        Outcome::Deferred {
            waits_for,
            why,
            touches,
            ..
        } => {
            let mut lines = deferred(&slug, waits_for, why, touches, room);
            let preview = changes(None);
            if !preview.is_empty() {
                lines.push("    as things are now:".to_owned());
                lines.extend(indented(preview, 6));
            }
            lines
        }
    };
    if options.verbose {
        let place = format!("    by `{slug}` at {}", one_line(&operation.origin.to_string()));
        lines.push(paint(Tone::Faint, &place));
    }
    lines
}

/// A check is no change: whether it holds is shown.
fn check(what: &str, state: &CheckState, room: usize) -> Vec<String> {
    let (sign, tone, words) = match state {
        CheckState::Holds => ("✓", Tone::Faint, "holds now".to_owned()),
        CheckState::Fails(why) => ("✗", Tone::Removed, format!("fails now: {}", one_line(why))),
        CheckState::Later => ("✓", Tone::Later, "is tried after the changes".to_owned()),
    };
    let head = [
        Part::new(tone, sign),
        Part::new(Tone::Heading, format!(" {}", one_line(what))),
    ];
    row(&head, &[Part::new(tone, words)], room)
}

/// Every scope is shown: it is what applying is held to.
fn deferred(slug: &str, waits_for: &[OperationId], why: &str, touches: &[FactScope], room: usize) -> Vec<String> {
    let head = [
        Part::new(Tone::Later, "?"),
        Part::new(Tone::Heading, format!(" {slug}")),
    ];
    let (when, why) = if waits_for.is_empty() {
        (String::new(), one_line(why))
    } else {
        let through = if waits_for.len() == 1 { "is" } else { "are" };
        let when = format!("known when {} {through} through:", named(waits_for));
        (when, without_names(&one_line(why), waits_for))
    };
    let both = format!("{when} {why}").trim_start().to_owned();
    let mut lines = if width(slug) + width(&both) + 5 <= room {
        row(&head, &[Part::new(Tone::Later, both)], room)
    } else {
        let mut lines = row(
            &head,
            &[Part::new(Tone::Later, when)].as_slice()[..usize::from(!waits_for.is_empty())],
            room,
        );
        lines.extend(indented(wrapped(&why, room.saturating_sub(4)), 4));
        lines
    };
    let scopes: Vec<String> = touches.iter().map(scope).collect();
    if !scopes.is_empty() {
        let text = format!("may change {}", scopes.join(", "));
        lines.extend(indented(wrapped(&text, room.saturating_sub(4)), 4));
    }
    lines
}

/// The reason without the names of operations at its end, which were just given.
fn without_names(why: &str, waits_for: &[OperationId]) -> String {
    match waits_for {
        [one] => {
            let name = format!(" ({})", named(std::slice::from_ref(one)));
            why.strip_suffix(&name).unwrap_or(why).to_owned()
        }
        _ => why.to_owned(),
    }
}

fn named(operations: &[OperationId]) -> String {
    let mut names: Vec<String> = Vec::new();
    for operation in operations {
        let name = format!("`{}`", one_line(operation.slug()));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// What may be touched, in words.
pub(super) fn scope(scope: &FactScope) -> String {
    match scope {
        FactScope::Key(key) => match key.path() {
            Some(path) => one_line(path),
            None => one_line(&key.to_string()),
        },
        FactScope::Tree(top) => format!("anything in {}", one_line(top)),
        FactScope::Packages => "any package".to_owned(),
        FactScope::FilesOfPackages => "files of packages".to_owned(),
        FactScope::Owned(paths) => format!("{} paths of packages", paths.len()),
        FactScope::Units => "any unit".to_owned(),
        FactScope::MayComeWithPackages => "what a package may create".to_owned(),
        FactScope::Accounts => "any user or group".to_owned(),
        FactScope::Everything => "anything".to_owned(),
    }
}
