//! Selects as much of a review as fits.

use super::item::Item;
use super::quote::code;
use crate::report::style::counted;

/// Room for a list of names, in bytes.
pub(super) const NAMES: usize = 1_000;
/// Room reserved for the description of what is left out, in bytes.
const RESERVE: usize = 4_000;

/// Hosts with the same items.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) hosts: Vec<String>,
    pub(super) open: String,
    pub(super) items: Vec<Item>,
    pub(super) close: String,
}

impl Section {
    /// The section unfolded.
    pub(super) fn opened(mut self) -> Self {
        self.open = self.open.replacen("<details>", "<details open>", 1);
        self
    }
}

/// The part of a review that fits, with its counts.
#[derive(Debug, Default)]
pub(super) struct Fit {
    pub(super) text: String,
    /// All changes; one on three hosts counts three times.
    pub(super) all: usize,
    /// Changes that are shown.
    pub(super) shown: usize,
    /// Changes that are shown without their details.
    pub(super) shortened: usize,
    /// Hosts of which changes are left out.
    pub(super) cut_hosts: Vec<String>,
    left_out: usize,
}

impl Fit {
    /// Whether nothing is left out.
    pub(super) fn is_whole(&self) -> bool {
        self.left_out == 0
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Out,
    Short,
    Full,
}

/// The sections in at most `room` bytes: first as many changes as possible, then the details of as many as possible.
pub(super) fn fit(sections: &[Section], room: usize) -> Fit {
    let mut levels: Vec<Option<Vec<Level>>> = sections
        .iter()
        .map(|section| Some(vec![Level::Full; section.items.len()]))
        .collect();
    if composed(sections, &levels).text.len() > room {
        levels = chosen(sections, room.saturating_sub(RESERVE));
    }
    composed(sections, &levels)
}

fn chosen(sections: &[Section], room: usize) -> Vec<Option<Vec<Level>>> {
    let mut left = room;
    let mut take = |bytes: usize| {
        let fits = bytes <= left;
        left -= if fits { bytes } else { 0 };
        fits
    };
    // Hosts are named and counted first, but leave room for changes.
    let mut frames = 0;
    let mut levels: Vec<Option<Vec<Level>>> = sections
        .iter()
        .map(|section| {
            let frame = section.open.len() + section.close.len() + more(usize::MAX).len() + 1;
            frames += frame;
            (frames <= room / 2 && take(frame)).then(|| vec![Level::Out; section.items.len()])
        })
        .collect();
    for (section, levels) in sections.iter().zip(&mut levels) {
        let Some(levels) = levels else { continue };
        let mut task = None;
        for (item, level) in section.items.iter().zip(levels) {
            let heading = heading(item, &mut task.clone()).len();
            if !take(heading + item.short.len()) {
                break;
            }
            task.clone_from(&item.task);
            *level = Level::Short;
        }
    }
    for (section, levels) in sections.iter().zip(&mut levels) {
        let shown = section.items.iter().zip(levels.iter_mut().flatten());
        for (item, level) in shown.filter(|(_, level)| **level == Level::Short) {
            if take(item.full.len().saturating_sub(item.short.len())) {
                *level = Level::Full;
            }
        }
    }
    levels
}

fn composed(sections: &[Section], levels: &[Option<Vec<Level>>]) -> Fit {
    let mut fit = Fit::default();
    for (section, levels) in sections.iter().zip(levels) {
        let changes = |item: &Item| item.changes * section.hosts.len();
        fit.all += section.items.iter().map(changes).sum::<usize>();
        let Some(levels) = levels else {
            fit.cut_hosts.extend(section.hosts.iter().cloned());
            fit.left_out += section.items.len();
            continue;
        };
        fit.text.push_str(&section.open);
        let mut task = None;
        let mut hidden = (0, 0);
        for (item, level) in section.items.iter().zip(levels) {
            if *level == Level::Out {
                hidden = (hidden.0 + item.changes, hidden.1 + 1);
                continue;
            }
            let heading = heading(item, &mut task);
            // There is already an empty line below the section's opening.
            let is_first = fit.text.ends_with("\n\n");
            fit.text
                .push_str(if is_first { heading.trim_start() } else { &heading });
            fit.shown += changes(item);
            if *level == Level::Short && item.has_details() {
                fit.text.push_str(&item.short);
                fit.shortened += changes(item);
                fit.left_out += 1;
            } else {
                fit.text.push_str(&item.full);
            }
        }
        if hidden.1 > 0 {
            fit.text.push_str(&more(hidden.0));
            fit.left_out += hidden.1;
            fit.cut_hosts.extend(section.hosts.iter().cloned());
        }
        fit.text.push('\n');
        fit.text.push_str(&section.close);
    }
    fit
}

/// The heading of an item's task, if it differs from the one before.
fn heading(item: &Item, task: &mut Option<String>) -> String {
    if item.task == *task {
        return String::new();
    }
    task.clone_from(&item.task);
    match &item.task {
        Some(task) => format!("\n**{}**\n\n", code(task)),
        None => String::new(),
    }
}

fn more(changes: usize) -> String {
    format!("- … {} left out here\n", counted(changes, "more change"))
}
