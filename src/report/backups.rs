//! The backups of a host's stacks.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::document;
use super::history::age;
use super::layout::joined;
use super::sanitize::one_line;
use super::style::{Tone, counted, paint, width};
use crate::gather::Backup;

/// The version of the JSON document.
const FORMAT_VERSION: u32 = 1;

/// A host's backups, a line each.
pub fn backups(host: &str, backups: &[&Backup], now: Timestamp) -> String {
    let mut lines = vec![format!(
        "{} ({})",
        paint(Tone::Heading, &one_line(host)),
        counted(backups.len(), "backup")
    )];
    let rows: Vec<[String; 5]> = backups
        .iter()
        .map(|of| {
            [
                one_line(&of.stack),
                one_line(&of.name),
                size(of.bytes),
                backup_age(of, now),
                copies(of),
            ]
        })
        .collect();
    for row in &rows {
        let mut line = String::new();
        for (column, text) in row.iter().enumerate() {
            let widest = rows.iter().map(|row| width(&row[column])).max().unwrap_or_default();
            let padding = " ".repeat(widest.saturating_sub(width(text)));
            line.push_str("  ");
            // Sizes end below each other.
            let parts = if column == 2 {
                [&padding, text]
            } else {
                [text, &padding]
            };
            line.extend(parts.map(String::as_str));
        }
        lines.push(line.trim_end().to_owned());
    }
    joined(&lines)
}

/// The same as JSON; without the age, since the same host gives the same bytes.
pub fn backups_json(host: &str, backups: &[&Backup]) -> String {
    let listed = backups.iter().map(|of| {
        let at = made(of).map(|at| at.to_string());
        json!({"stack": of.stack, "name": of.name, "at": at, "bytes": of.bytes, "copies": of.copies})
    });
    let listed: Vec<Json> = listed.collect();
    let document = json!({"format_version": FORMAT_VERSION, "host": host, "backups": listed});
    document::document(&document)
}

/// What is said of one backup: its name, its size and how old it is.
pub fn backup(of: &Backup, now: Timestamp) -> String {
    one_line(&format!("{} ({}, {})", of.name, size(of.bytes), backup_age(of, now)))
}

/// Where else it is.
fn copies(of: &Backup) -> String {
    match of.copies.as_slice() {
        [] => String::new(),
        names => one_line(&format!("copy on {}", names.join(", "))),
    }
}

fn backup_age(of: &Backup, now: Timestamp) -> String {
    made(of).map_or_else(|| "made at an unknown time".to_owned(), |at| age(&at.to_string(), now))
}

/// Its name is the time at which it was made.
fn made(of: &Backup) -> Option<Timestamp> {
    let (day, time) = of.name.split_once('T')?;
    format!("{day}T{}", time.replace('-', ":")).parse().ok()
}

/// A size in the largest unit that it fills.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    const STEP: u64 = 1024;
    let mut unit = None;
    let mut tenths = u128::from(bytes) * 10;
    for next in UNITS {
        if tenths < u128::from(STEP) * 10 {
            break;
        }
        tenths /= u128::from(STEP);
        unit = Some(next);
    }
    unit.map_or_else(
        || format!("{bytes} B"),
        |unit| format!("{}.{} {unit}", tenths / 10, tenths % 10),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stack: &str, name: &str, bytes: u64) -> Backup {
        Backup {
            stack: stack.to_owned(),
            name: name.to_owned(),
            bytes,
            copies: Vec::new(),
        }
    }

    #[test]
    fn backups_have_size_and_age() {
        let mut all = [
            of("web", "2026-01-01T02-30-00Z", 900),
            of("paperless", "2026-01-02T02-30-00Z", 13 << 20),
        ];
        all[0].copies = ["nas", "attic"].map(str::to_owned).to_vec();
        let now = "2026-01-02T05:30:00Z".parse().unwrap();
        let listed: Vec<&Backup> = all.iter().collect();
        let text = backups("alpha", &listed, now);
        let text = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            text,
            "alpha (2 backups)\n  web        2026-01-01T02-30-00Z     900 B  27 hours ago  copy on nas, attic\n  \
             paperless  2026-01-02T02-30-00Z  13.0 MiB  3 hours ago\n"
        );
        assert_eq!(backup(&all[1], now), "2026-01-02T02-30-00Z (13.0 MiB, 3 hours ago)");
        crate::report::schemas::check("backups", &backups_json("alpha", &listed));
        assert!(backups_json("alpha", &listed).contains("\"at\": \"2026-01-01T02:30:00Z\""));
    }

    #[test]
    fn sizes_are_in_the_largest_unit() {
        for (bytes, expected) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")] {
            assert_eq!(size(bytes), expected);
        }
    }
}
