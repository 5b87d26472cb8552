//! The page of tested operations, which counts the cases.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;

use super::case::{self, Case};
use super::hosts::RELEASES;

const HEAD: &str = "| Operation | From facts | Debian 12 | Debian 13 |\n|---|---|---|---|\n";

/// The counts of an operation: its cases, and those that run on hosts of each release.
type Counts = [usize; 1 + RELEASES.len()];

/// docs/tested-operations.md has a row for each operation, and no more cases than there are: one more case needs no change of the
/// page. `HOMELAB_WRITE_TEXTS=1` writes the table anew.
pub(super) fn is_current(files: &[PathBuf]) -> Result<(), Failed> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tested-operations.md");
    let text = fs::read_to_string(&page)?;
    let (before, rest) = text.split_once(HEAD).ok_or("docs/tested-operations.md has no table")?;
    let (table, after): (Vec<&str>, Vec<&str>) = rest.lines().partition(|line| line.starts_with("| `"));
    let counts = counts(files)?;
    if std::env::var_os("HOMELAB_WRITE_TEXTS").is_some() {
        let rows = counts.iter().map(|(operation, counts)| row(operation, counts));
        fs::write(
            page,
            format!("{before}{HEAD}{}{}\n", rows.collect::<String>(), after.join("\n")),
        )?;
        return Ok(());
    }
    let written: BTreeMap<String, Counts> = table.iter().filter_map(|line| read(line)).collect();
    let is_true = |(operation, counts): (&String, &Counts)| {
        let row = written.get(operation);
        row.is_some_and(|row| row.iter().zip(counts).all(|(written, counted)| written <= counted))
    };
    if written.len() == counts.len() && counts.iter().all(is_true) {
        return Ok(());
    }
    Err("docs/tested-operations.md is out of date: write it with `HOMELAB_WRITE_TEXTS=1 cargo test --test cases tested_operations`".into())
}

fn counts(files: &[PathBuf]) -> Result<BTreeMap<String, Counts>, Failed> {
    let mut all: BTreeMap<String, Counts> = BTreeMap::new();
    for file in files {
        let case = Case::read(file)?;
        let counts = all.entry(case::operation_of(file)).or_default();
        counts[0] += 1;
        for (count, release) in counts[1..].iter_mut().zip(RELEASES) {
            *count += usize::from(case.host.as_ref().is_some_and(|host| host.runs_on(release)));
        }
    }
    Ok(all)
}

fn row(operation: &str, counts: &Counts) -> String {
    let cells: Vec<String> = counts.iter().map(usize::to_string).collect();
    format!("| `{operation}` | {} |\n", cells.join(" | "))
}

fn read(row: &str) -> Option<(String, Counts)> {
    let mut cells = row.trim_matches('|').split('|').map(str::trim);
    let operation = cells.next()?.trim_matches('`').to_owned();
    let counts: Vec<usize> = cells.map(str::parse).collect::<Result<_, _>>().ok()?;
    Some((operation, counts.try_into().ok()?))
}
