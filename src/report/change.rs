//! One change as lines: its sign, its resource, its attributes.

use super::TextOptions;
use super::attributes::{Shown, shown};
use super::layout::{Part, indented, row, wrapped};
use super::packages;
use super::sanitize::one_line;
use super::style::{Tone, paint};
use crate::change::{Action, ResourceChange, Risk};

/// The sign and the style of an action.
pub(super) fn sign(action: Action) -> (&'static str, Tone) {
    match action {
        Action::Create => ("+", Tone::Added),
        Action::Update => ("~", Tone::Changed),
        Action::Remove => ("-", Tone::Removed),
        Action::RunEachTime => ("↻", Tone::EachTime),
    }
}

/// The lines of a change in `room` columns; `unless` says after what it may be so already.
pub(super) fn lines(change: &ResourceChange, unless: Option<&str>, options: &TextOptions, room: usize) -> Vec<String> {
    if packages::come_along(&change.id) {
        return indented(packages::lines(change, options, room.saturating_sub(2)), 2).collect();
    }
    let shown = shown(change, options);
    let (sign, tone) = sign(change.action);
    let name = one_line(&change.id.name);
    let head = [
        Part::new(tone, format!("{sign} {}", change.id.kind)),
        Part::new(Tone::Heading, format!(" {name}")),
    ];
    let mut lines = row(&head, &parts(change, &shown, unless), room);
    lines.extend(indented(shown.block.clone(), 4));
    if options.verbose {
        let more = indented(more(change, &shown, room), 4);
        lines.extend(more.map(|line| paint(Tone::Faint, &line)));
    }
    lines
}

fn parts(change: &ResourceChange, shown: &Shown, unless: Option<&str>) -> Vec<Part> {
    let mut parts = Vec::new();
    let words = shown.words.join(", ");
    if !words.is_empty() {
        parts.push(Part::new(Tone::Plain, words));
    }
    let risk = match change.risk {
        Risk::None | Risk::Removal => None,
        Risk::Restart => Some("interrupts what runs"),
        Risk::LockOut => Some("may lock you out"),
    };
    parts.extend(risk.map(|risk| Part::new(Tone::Removed, format!("! {risk}"))));
    if change.action == Action::RunEachTime {
        parts.push(Part::new(Tone::Faint, "each time"));
    }
    parts.extend(unless.map(|unless| Part::new(Tone::Later, unless)));
    parts
}

/// What only a verbose review says.
fn more(change: &ResourceChange, shown: &Shown, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if !shown.kept.is_empty() {
        lines.extend(wrapped(&format!("as before: {}", shown.kept.join(", ")), room));
    }
    for step in &change.steps {
        if let Some(command) = step.command() {
            lines.push(format!("runs `{}`", one_line(&command.summary)));
        }
        if let Some(command) = step.validator() {
            lines.push(format!("accepted by `{}` first", one_line(&command.join(" "))));
        }
    }
    lines
}
