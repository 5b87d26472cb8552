//! Lays out parts of a line next to each other if they fit, otherwise below each other.

use super::style::{Tone, paint, width};

/// A part of a line that is never wrapped.
pub(super) struct Part {
    tone: Tone,
    text: String,
}

impl Part {
    pub(super) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
        }
    }
}

/// `head` and `parts` in lines of at most `room` columns, if the parts are short enough; further lines are indented.
pub(super) fn row(head: &[Part], parts: &[Part], room: usize) -> Vec<String> {
    let mut taken: usize = head.iter().map(|part| width(&part.text)).sum();
    let mut lines = vec![head.iter().map(|part| paint(part.tone, &part.text)).collect::<String>()];
    for part in parts {
        let painted = paint(part.tone, &part.text);
        let needed = width(&part.text);
        if taken + 3 + needed <= room {
            let line = lines.last_mut().expect("starts with one");
            line.push_str("   ");
            line.push_str(&painted);
            taken += 3 + needed;
        } else {
            lines.push(format!("    {painted}"));
            taken = 4 + needed;
        }
    }
    lines
}

/// `lines` moved to the right.
pub(super) fn indented(lines: Vec<String>, columns: usize) -> impl Iterator<Item = String> {
    let margin = " ".repeat(columns);
    lines.into_iter().map(move |line| format!("{margin}{line}"))
}

/// `text` in lines of at most `room` columns, wrapped at spaces.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `lines` as a text, each with its line break.
pub(super) fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}
