//! Additional packages, as lines of text: new ones shortened, upgrades and removals always in full.

use super::TextOptions;
use super::layout::indented;
use super::phrases;
use super::review::AlongNames;
use super::style::{Tone, paint, width};

const MORE: &str = " … (--verbose lists all)";

/// The lines below the requested packages.
pub(super) fn lines(along: &AlongNames<'_>, options: &TextOptions, room: usize) -> Vec<String> {
    let along = phrases::along(along, options);
    let mut lines = Vec::new();
    lines.extend(along.unknown.map(|phrase| phrase.text()));
    if let Some((heading, installs)) = along.installs {
        lines.extend(new_packages(&heading, &installs, options, room));
    }
    if let Some((heading, upgrades)) = along.upgrades {
        lines.push(heading);
        let upgrades = upgrades.iter().map(|one| paint(Tone::Changed, &format!("~ {one}")));
        lines.extend(indented(upgrades.collect(), 2));
    }
    if let Some((heading, removes)) = along.removes {
        lines.push(paint(Tone::Removed, &heading));
        let removes = removes.iter().map(|one| paint(Tone::Removed, &format!("- {one}")));
        lines.extend(indented(removes.collect(), 2));
    }
    lines
}

fn new_packages(heading: &str, installs: &[String], options: &TextOptions, room: usize) -> Vec<String> {
    let all = format!("{heading} {}", installs.join(", "));
    if width(&all) <= room {
        return vec![all];
    }
    if options.verbose {
        let mut lines = vec![heading.to_owned()];
        let installs = installs.iter().map(|one| paint(Tone::Added, &format!("+ {one}")));
        lines.extend(indented(installs.collect(), 2));
        return lines;
    }
    let mut line = format!("{heading} ");
    for install in installs {
        if width(&line) + width(install) + 1 + width(MORE) > room {
            break;
        }
        line.push_str(install);
        line.push_str(", ");
    }
    vec![format!("{}{MORE}", line.trim_end())]
}
