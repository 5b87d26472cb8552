//! Packages that come along with those asked for: new ones in short, upgrades and removals always in full.

use super::TextOptions;
use super::attributes::known_after_apply;
use super::layout::indented;
use super::sanitize::one_line;
use super::style::{Tone, counted, paint, width};
use crate::change::{Attribute, ResourceChange, ResourceId, ResourceKind};

const MORE: &str = " … (--verbose lists all)";

/// Whether `id` stands for packages that come along.
pub(super) fn come_along(id: &ResourceId) -> bool {
    id.kind == ResourceKind::PackagesAlong
}

/// How many packages come along, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Along {
    pub(super) installs: usize,
    pub(super) upgrades: usize,
    pub(super) removes: usize,
    /// Whether the host has yet to say how many.
    pub(super) is_unknown: bool,
}

impl Along {
    /// Counts what `change` brings along.
    pub(super) fn add(&mut self, change: &ResourceChange) {
        self.installs += names(change, "installs").len();
        self.upgrades += names(change, "upgrades").len();
        self.removes += names(change, "removes").len();
        self.is_unknown |= unknown(change).is_some();
    }

    /// Adds other counts.
    pub(super) fn merge(&mut self, other: Self) {
        self.installs += other.installs;
        self.upgrades += other.upgrades;
        self.removes += other.removes;
        self.is_unknown |= other.is_unknown;
    }
}

fn names<'a>(change: &'a ResourceChange, attribute: &str) -> Vec<&'a str> {
    match change.after.as_ref().and_then(|after| after.get(attribute)) {
        Some(Attribute::Known(text)) => text.lines().collect(),
        _ => Vec::new(),
    }
}

fn unknown(change: &ResourceChange) -> Option<&str> {
    let mut attributes = change.after.iter().flat_map(|after| after.values());
    attributes.find_map(|attribute| match attribute {
        Attribute::Unknown(why) => Some(why.as_str()),
        _ => None,
    })
}

/// The lines below the packages asked for.
pub(super) fn lines(change: &ResourceChange, options: &TextOptions, room: usize) -> Vec<String> {
    let with = if change.id.name.contains(' ') { "them" } else { "it" };
    let mut lines = Vec::new();
    if let Some(why) = unknown(change) {
        lines.push(format!("and with {with} packages {}", known_after_apply(why, options)));
    }
    let installs: Vec<String> = names(change, "installs").into_iter().map(one_line).collect();
    if !installs.is_empty() {
        let head = format!("and with {with} {}: ", counted(installs.len(), "package"));
        lines.extend(new_packages(&head, &installs, options, room));
    }
    let upgrades = names(change, "upgrades");
    if !upgrades.is_empty() {
        lines.push(format!("and upgrades {}:", counted(upgrades.len(), "package")));
        let upgrades = upgrades.into_iter().map(|one| format!("~ {}", one_line(one)));
        lines.extend(indented(upgrades.map(|one| paint(Tone::Changed, &one)).collect(), 2));
    }
    let removes = names(change, "removes");
    if !removes.is_empty() {
        let head = format!("and removes {}:", counted(removes.len(), "package"));
        lines.push(paint(Tone::Removed, &head));
        let removes = removes.into_iter().map(|one| format!("- {}", one_line(one)));
        lines.extend(indented(removes.map(|one| paint(Tone::Removed, &one)).collect(), 2));
    }
    lines
}

fn new_packages(head: &str, installs: &[String], options: &TextOptions, room: usize) -> Vec<String> {
    let all = installs.join(", ");
    if width(head) + width(&all) <= room {
        return vec![format!("{head}{all}")];
    }
    if options.verbose {
        let mut lines = vec![head.trim_end().to_owned()];
        let installs = installs.iter().map(|one| paint(Tone::Added, &format!("+ {one}")));
        lines.extend(indented(installs.collect(), 2));
        return lines;
    }
    let mut line = head.to_owned();
    for install in installs {
        if width(&line) + width(install) + 1 + width(MORE) > room {
            break;
        }
        line.push_str(install);
        line.push_str(", ");
    }
    vec![format!("{}{MORE}", line.trim_end())]
}
