//! What lints find: for people, and the list of lints.

use std::fmt::Write as _;

use super::diagnostic::rendered_as;
use super::sanitize;
use super::style::counted;
use crate::policy::{Judged, LINTS, Level, Verdict};

/// All errors and warnings of lints; with `is_verbose` also notes, and what is allowed with its reason.
pub fn lints(verdict: &Verdict, is_verbose: bool) -> String {
    let shown = verdict
        .found
        .iter()
        .filter(|judged| is_verbose || judged.lint.level != Level::Note);
    let mut blocks: Vec<String> = shown.map(block).collect();
    if is_verbose {
        let allowed = verdict.allowed.iter().map(|allowed| {
            let judged = &allowed.judged;
            let place = judged.diagnostic.origin().map(ToString::to_string).unwrap_or_default();
            format!(
                "allowed[{}]: {}\n --> {}\n  = reason: {}\n",
                judged.lint.name,
                sanitize::one_line(&judged.diagnostic.title),
                sanitize::one_line(&place),
                sanitize::one_line(&allowed.reason)
            )
        });
        blocks.extend(allowed);
    }
    blocks.join("\n")
}

fn block(judged: &Judged) -> String {
    let hosts: Vec<&str> = judged.hosts.iter().map(String::as_str).collect();
    rendered_as(judged.lint.level, judged.lint.name, &judged.diagnostic, &hosts)
}

/// How much lints find; empty if it is nothing.
pub fn lint_counts(verdict: &Verdict, is_verbose: bool) -> String {
    let mut parts = Vec::new();
    for level in [Level::Error, Level::Warning, Level::Note] {
        let count = verdict.count(level);
        if count > 0 {
            parts.push(counted(count, level.word()));
        }
    }
    if !verdict.allowed.is_empty() {
        parts.push(format!("{} allowed", verdict.allowed.len()));
    }
    if parts.is_empty() {
        return String::new();
    }
    let is_hidden = verdict.count(Level::Note) > 0 || !verdict.allowed.is_empty();
    let hint = if is_hidden && !is_verbose {
        " (`--verbose` shows all)"
    } else {
        ""
    };
    format!("lints: {}{hint}\n", parts.join(", "))
}

/// The table of lints.
pub fn lint_table() -> String {
    let width = LINTS.iter().map(|lint| lint.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for lint in LINTS {
        let _ = writeln!(text, "{:width$}  {:7}  {}", lint.name, lint.level.word(), lint.title);
    }
    text
}

/// The same as a part of a page: the reasons, and what to do.
pub fn lint_page() -> String {
    let mut text = "| Lint | Level | What it finds |\n|---|---|---|\n".to_owned();
    for lint in LINTS {
        let _ = writeln!(
            text,
            "| [`{0}`](#{0}) | {1} | {2} |",
            lint.name,
            lint.level.word(),
            lint.title
        );
    }
    for lint in LINTS {
        let _ = write!(
            text,
            "\n### {}\n\n{}: {}\n",
            lint.name,
            capital(lint.level.word()),
            lint.why
        );
        let _ = writeln!(text, "\n{}", lint.remedy);
    }
    text
}

fn capital(word: &str) -> String {
    let mut signs = word.chars();
    let first = signs.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(signs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_lints_is_that_of_the_table() {
        const PAGE: &str = include_str!("../../docs/lints.md");
        let (_, table) = PAGE.split_once("<!-- lints -->\n").expect("the mark of the table");
        if std::env::var_os("HOMELAB_WRITE_TEXTS").is_some() {
            let page = PAGE.replace(table, &format!("\n{}", lint_page()));
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/lints.md"), page).expect("written");
        } else {
            assert_eq!(
                table,
                format!("\n{}", lint_page()),
                "HOMELAB_WRITE_TEXTS=1 writes it anew"
            );
        }
    }
}
