//! Quotes foreign text so that it cannot become markup.

use std::fmt::Write as _;

use crate::report::html::escaped;
use crate::report::phrases::{Phrase, Piece};
use crate::report::sanitize::one_line;
use crate::report::style::counted;

/// One line of foreign text as a code span.
pub(super) fn code(text: &str) -> String {
    // Markdown has no empty spans, and a line break would be a space.
    if text.is_empty() {
        return "` `".to_owned();
    }
    let ticks = "`".repeat(longest_run(text) + 1);
    // Markdown removes one space from both sides, unless everything is spaces.
    let needs_room = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    let room = if needs_room && !text.trim_matches(' ').is_empty() {
        " "
    } else {
        ""
    };
    format!("{ticks}{room}{text}{room}{ticks}")
}

/// One line of foreign text within HTML.
pub(super) fn html_code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// Lines as a fenced block, moved to the right.
pub(super) fn fenced(language: &str, lines: &[String], columns: usize) -> String {
    let longest = lines.iter().map(|line| longest_run(line)).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let margin = " ".repeat(columns);
    let mut text = format!("{margin}{fence}{language}\n");
    for line in lines {
        let _ = writeln!(text, "{margin}{line}");
    }
    let _ = writeln!(text, "{margin}{fence}");
    text
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0)
}

/// homelab's own words, with Markdown's markup escaped.
pub(super) fn words(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(
            character,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '#' | '|' | '~'
        ) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

/// A phrase, its foreign pieces as code.
pub(super) fn phrase(phrase: &Phrase) -> String {
    phrase
        .0
        .iter()
        .map(|piece| match piece {
            Piece::Word(text) => words(text),
            Piece::Value(text) | Piece::Name(text) => code(text),
        })
        .collect()
}

/// Names as code, as many as fit in `room` bytes; the rest is counted.
pub(super) fn names(names: &[&str], room: usize) -> String {
    listed(names, room, code)
}

/// Names as `quote` shows them, as many as fit in `room` bytes; the rest is counted.
pub(super) fn listed(names: &[&str], room: usize, quote: fn(&str) -> String) -> String {
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        let name = quote(&one_line(name));
        if text.len() + name.len() > room {
            let rest = counted(names.len() - index, "host");
            return if text.is_empty() {
                rest
            } else {
                format!("{text} and {rest} more")
            };
        }
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(&name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_spans_hold_what_they_quote() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`a"), "`` `a ``");
        assert_eq!(code(" a"), "`  a `");
        assert_eq!(code("  "), "`  `");
    }

    #[test]
    fn fences_are_longer_than_what_they_hold() {
        let lines = ["````".to_owned(), "x".to_owned()];
        assert_eq!(fenced("diff", &lines, 2), "  `````diff\n  ````\n  x\n  `````\n");
    }

    #[test]
    fn a_long_list_of_names_is_counted() {
        let all: Vec<String> = (0..100).map(|number| format!("host-{number}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let text = names(&all, 40);
        assert_eq!(text, "`host-0`, `host-1`, `host-2`, `host-3` and 96 hosts more");
    }
}
