//! One change, check or waiting operation as an item of a list.

use std::fmt::Write as _;

use super::quote::{code, fenced, phrase, words};
use crate::facts::overlay::OperationId;
use crate::report::TextOptions;
use crate::report::change::diff_text;
use crate::report::diff_words;
use crate::report::phrases;
use crate::report::review::{Block, Change, Entry, EntryState};
use crate::report::sanitize::one_line;
use crate::report::style::Tone;

/// An item in full, and a short form for when there is no room.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// The task that it is shown under.
    pub(super) task: Option<String>,
    pub(super) full: String,
    /// Its first line.
    pub(super) short: String,
    /// How many of the review's changes it shows.
    pub(super) changes: usize,
}

const DETAILS_LEFT_OUT: &str = " *(details left out)*";

impl Item {
    /// The items of an operation; none for one with nothing to do.
    pub(super) fn of(task: &str, entry: &Entry<'_>) -> Vec<Self> {
        if entry.is_idle() {
            return Vec::new();
        }
        let mut items = match &entry.state {
            EntryState::Unchanged => Vec::new(),
            EntryState::Change(changes) => items(changes, &[]),
            EntryState::Ensure { changes, .. } => items(changes, entry.unless_each()),
            EntryState::Deferred { .. } => vec![deferred(entry)],
            EntryState::Check { what, state } => {
                let head = code(&format!("{} {}", entry.sign().as_str(), one_line(what)));
                vec![Self::short(
                    format!("- {head}: {}\n", phrase(&phrases::check(state))),
                    1,
                )]
            }
        };
        let trigger = phrase(&phrases::aside(entry));
        if let Some(first) = items.first_mut().filter(|_| !trigger.is_empty()) {
            first.full = with_trigger(&first.full, &trigger);
            first.short = with_trigger(&first.short, &trigger);
        }
        let task = one_line(task);
        for item in &mut items {
            item.task = Some(task.clone());
        }
        items
    }

    /// A failure, with its output.
    pub(super) fn failure(lines: &[String]) -> Self {
        let lines: Vec<String> = lines
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        let head = lines.first().map_or_else(String::new, |line| code(line));
        let rest = lines.get(1..).unwrap_or_default();
        let details = if rest.is_empty() {
            String::new()
        } else {
            fenced("", rest, 2)
        };
        Self::new(format!("- **✗** {head}"), &details, 0)
    }

    /// A notice; `hosts` are those that it is about, if not all of the section.
    pub(super) fn notice(notice: &str, hosts: &[&str]) -> Self {
        Self::short(format!("- **!** {}\n", code(&phrases::notice(notice, hosts))), 0)
    }

    fn short(text: String, changes: usize) -> Self {
        Self {
            task: None,
            full: text.clone(),
            short: text,
            changes,
        }
    }

    fn new(head: String, details: &str, changes: usize) -> Self {
        if details.is_empty() {
            return Self::short(head + "\n", changes);
        }
        Self {
            task: None,
            full: format!("{head}\n{details}"),
            short: format!("{head}{DETAILS_LEFT_OUT}\n"),
            changes,
        }
    }

    /// Whether it has a shorter form.
    pub(super) fn has_details(&self) -> bool {
        self.full != self.short
    }
}

/// The text of an item with the trigger at the end of its first line.
fn with_trigger(text: &str, trigger: &str) -> String {
    let (head, rest) = text.split_once('\n').unwrap_or((text, ""));
    match head.strip_suffix(DETAILS_LEFT_OUT) {
        Some(head) => format!("{head}; {trigger}{DETAILS_LEFT_OUT}\n{rest}"),
        None => format!("{head}; {trigger}\n{rest}"),
    }
}

fn options() -> TextOptions {
    TextOptions::default()
}

fn items(changes: &[Change<'_>], unless: &[OperationId]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for change in changes {
        let (head, details) = (head(change, unless), details(change, 2));
        match items.last_mut() {
            // Additional packages are shown with the requested ones.
            Some(last) if change.along.is_some() => {
                let short = last.short.trim_end().trim_end_matches(DETAILS_LEFT_OUT);
                last.short = format!("{short}{DETAILS_LEFT_OUT}\n");
                last.full.push_str(&details);
            }
            _ => items.push(Item::new(
                format!("- {head}"),
                &details,
                usize::from(change.along.is_none()),
            )),
        }
    }
    items
}

fn head(change: &Change<'_>, unless: &[OperationId]) -> String {
    let head = code(&format!(
        "{} {} {}",
        change.sign().as_str(),
        change.kind,
        one_line(&change.name)
    ));
    let parts = phrases::parts(change, unless, &options());
    let parts: Vec<String> = parts
        .iter()
        .map(|(tone, part)| match tone {
            Tone::Removed => format!("**{}**", phrase(part)),
            _ => phrase(part),
        })
        .collect();
    if parts.is_empty() {
        return head;
    }
    format!("{head}: {}", parts.join("; "))
}

fn details(change: &Change<'_>, columns: usize) -> String {
    let mut text: String = change.blocks.iter().map(|block| diff(block, columns)).collect();
    let Some(along) = &change.along else {
        return text;
    };
    let along = phrases::along(along, &options());
    let margin = " ".repeat(columns);
    if let Some(unknown) = &along.unknown {
        let _ = writeln!(text, "{margin}- {}", phrase(unknown));
    }
    for (heading, names) in [along.installs, along.upgrades, along.removes].into_iter().flatten() {
        let _ = writeln!(text, "{margin}- {} {}", words(&heading), code(&names.join(", ")));
    }
    text
}

fn diff(block: &Block, columns: usize) -> String {
    let lines: Vec<String> = block.lines.iter().map(diff_text).collect();
    if lines.is_empty() {
        return String::new();
    }
    let name = match diff_words::block_name(block) {
        Some(name) => format!("{}{}\n", " ".repeat(columns), words(&name)),
        None => String::new(),
    };
    name + &fenced("diff", &lines, columns)
}

fn deferred(entry: &Entry<'_>) -> Item {
    let EntryState::Deferred {
        waits_for,
        why,
        touches,
        preview,
    } = &entry.state
    else {
        return Item::short(String::new(), 0);
    };
    let head = code(&format!("{} {}", entry.sign().as_str(), one_line(entry.slug())));
    let when = if entry.stays {
        String::new()
    } else {
        phrase(&phrases::known_when(waits_for))
    };
    let why = code(&one_line(why));
    let head = format!("- {head}: {when}{}{why}", if when.is_empty() { "" } else { " " });
    let mut details = String::new();
    let may_change = phrases::may_change(touches);
    if !may_change.0.is_empty() && !entry.stays {
        let _ = writeln!(details, "  - {}", phrase(&may_change));
    }
    if !preview.is_empty() {
        let _ = writeln!(details, "  - {}", words(phrases::AS_THINGS_ARE));
        for change in preview {
            if change.along.is_none() {
                let _ = writeln!(details, "    - {}", self::head(change, &[]));
            }
            details.push_str(&self::details(change, 6));
        }
    }
    Item::new(head, &details, 1)
}
