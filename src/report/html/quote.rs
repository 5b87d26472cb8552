//! Foreign text on a page, escaped.

use crate::report::TextOptions;
use crate::report::phrases::{Phrase, Piece};
use crate::report::style::Tone;

/// Reasons are given in full: a page has room.
pub(super) const OPTIONS: TextOptions = TextOptions {
    verbose: true,
    full_diff: true,
    width: usize::MAX,
};

/// `text`, escaped so that a page only shows it.
pub(in crate::report) fn escaped(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => harmless.push_str("&amp;"),
            '<' => harmless.push_str("&lt;"),
            '>' => harmless.push_str("&gt;"),
            '"' => harmless.push_str("&quot;"),
            '\'' => harmless.push_str("&#39;"),
            '`' => harmless.push_str("&#96;"),
            other => harmless.push(other),
        }
    }
    harmless
}

pub(super) fn chip(tone: Tone, text: &str) -> String {
    format!("<span class=\"chip {}\">{}</span> ", class(tone), escaped(text))
}

pub(super) fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain | Tone::Heading | Tone::Faint => "plain",
        Tone::Added | Tone::AddedWord => "added",
        Tone::Removed | Tone::RemovedWord => "removed",
        Tone::Changed => "changed",
        Tone::Later => "later",
        Tone::EachTime => "each",
    }
}

/// A phrase, its foreign pieces as code.
pub(super) fn phrase(phrase: &Phrase) -> String {
    phrase
        .0
        .iter()
        .map(|piece| match piece {
            Piece::Word(text) => escaped(text),
            Piece::Value(text) | Piece::Name(text) => format!("<code>{}</code>", escaped(text)),
        })
        .collect()
}
