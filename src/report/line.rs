//! One line of a file as it is shown: sign, changed words, and what the eye would miss.

use std::fmt::Write as _;

use super::sanitize;
use super::style::{Tone, grouped, paint};

/// Longer lines are shown in part, in characters.
const LONG: usize = 400;
/// How much of a long stretch stays at its start.
const HEAD: usize = 120;
/// How much of a long stretch stays at its end.
const TAIL: usize = 60;

/// Where a line stands in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Kept,
    Added,
    Removed,
}

impl Sign {
    fn text(self) -> &'static str {
        match self {
            Self::Kept => "  ",
            Self::Added => "+ ",
            Self::Removed => "- ",
        }
    }

    fn tone(self, is_word: bool) -> Tone {
        match (self, is_word) {
            (Self::Kept, _) => Tone::Plain,
            (Self::Added, false) => Tone::Added,
            (Self::Added, true) => Tone::AddedWord,
            (Self::Removed, false) => Tone::Removed,
            (Self::Removed, true) => Tone::RemovedWord,
        }
    }
}

/// A line of a file, to be shown.
pub(super) struct ShownLine<'a> {
    /// Where it stands.
    pub(super) sign: Sign,
    /// Its text in stretches, with its line break; `true` marks changed words.
    pub(super) stretches: Vec<(bool, &'a str)>,
    /// Whether spaces and tabs are to be seen, since nothing else differs.
    pub(super) shows_whitespace: bool,
    /// Whether long lines are shown whole.
    pub(super) whole: bool,
}

enum Piece {
    Character(char),
    Gap(usize),
}

impl ShownLine<'_> {
    /// The line, and a second one where the file ends without a line break.
    pub(super) fn render(&self) -> Vec<String> {
        let characters = self.characters();
        let ends = characters.last().is_some_and(|(_, character)| *character == '\n');
        let characters = &characters[..characters.len() - usize::from(ends)];
        let mut lines = vec![self.painted(&self.pieces(characters), trailing_from(characters))];
        if !ends {
            lines.push(paint(Tone::Faint, "\\ no newline at end of file"));
        }
        lines
    }

    fn characters(&self) -> Vec<(bool, char)> {
        let stretches = self.stretches.iter();
        stretches
            .flat_map(|(is_word, text)| text.chars().map(|character| (*is_word, character)))
            .collect()
    }

    /// The characters with their places, the middle of long stretches left out.
    fn pieces(&self, characters: &[(bool, char)]) -> Vec<(bool, usize, Piece)> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for stretch in characters.chunk_by(|one, other| one.0 == other.0) {
            let is_word = stretch[0].0;
            let cut = !self.whole && characters.len() > LONG && stretch.len() > HEAD + TAIL;
            for (index, (_, character)) in stretch.iter().enumerate() {
                if cut && index == HEAD {
                    pieces.push((is_word, start + index, Piece::Gap(stretch.len() - HEAD - TAIL)));
                }
                if !cut || index < HEAD || index >= stretch.len() - TAIL {
                    pieces.push((is_word, start + index, Piece::Character(*character)));
                }
            }
            start += stretch.len();
        }
        if !self.whole && pieces.len() > 4 * LONG {
            let gap = pieces.len() - 4 * LONG;
            pieces.truncate(4 * LONG);
            pieces.push((false, usize::MAX, Piece::Gap(gap)));
        }
        pieces
    }

    fn painted(&self, pieces: &[(bool, usize, Piece)], trailing_from: usize) -> String {
        let mut text = paint(self.sign.tone(false), self.sign.text());
        for run in pieces.chunk_by(|one, other| one.0 == other.0) {
            let mut run_text = String::new();
            for (_, place, piece) in run {
                match piece {
                    Piece::Gap(count) => {
                        let _ = write!(run_text, "…[{} more characters]…", grouped(*count));
                    }
                    Piece::Character(character) => {
                        let marks = self.shows_whitespace || (self.sign != Sign::Kept && *place >= trailing_from);
                        push(&mut run_text, *character, marks);
                    }
                }
            }
            text.push_str(&paint(self.sign.tone(run[0].0), &run_text));
        }
        if text == self.sign.text() {
            text.truncate(text.trim_end().len());
        }
        text
    }
}

fn push(text: &mut String, character: char, marks_whitespace: bool) {
    match character {
        ' ' if marks_whitespace => text.push('·'),
        '\t' if marks_whitespace => text.push('⇥'),
        other => sanitize::push(text, other),
    }
}

/// Where the spaces and tabs at the end begin.
fn trailing_from(characters: &[(bool, char)]) -> usize {
    let blank = |character: char| matches!(character, ' ' | '\t' | '\r');
    characters
        .iter()
        .rposition(|(_, character)| !blank(*character))
        .map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sign: Sign, text: &str) -> Vec<String> {
        let line = ShownLine {
            sign,
            stretches: vec![(false, text)],
            shows_whitespace: false,
            whole: false,
        };
        let lines = line.render().into_iter();
        lines
            .map(|line| anstream::adapter::strip_str(&line).to_string())
            .collect()
    }

    #[test]
    fn what_the_eye_would_miss_is_seen() {
        assert_eq!(shown(Sign::Added, "a b \t\r\n"), ["+ a b·⇥␍"]);
        assert_eq!(shown(Sign::Kept, "a b \n"), ["  a b "]);
        assert_eq!(shown(Sign::Removed, "a"), ["- a", "\\ no newline at end of file"]);
        assert_eq!(shown(Sign::Added, "\x1b[2J\u{202e}\n"), [r"+ \x1b[2J\u{202e}"]);
    }

    #[test]
    fn a_long_line_says_how_much_is_left_out() {
        let line = &shown(Sign::Added, &format!("{}\n", "x".repeat(10_000)))[0];
        assert!(line.contains("…[9,820 more characters]…"), "{line}");
        assert!(line.len() < 250);
    }

    #[test]
    fn a_changed_word_deep_in_a_long_line_is_shown() {
        let (head, tail) = ("a ".repeat(3000), " b".repeat(3000));
        let line = ShownLine {
            sign: Sign::Added,
            stretches: vec![(false, &head), (true, "NEW"), (false, &tail), (false, "\n")],
            shows_whitespace: false,
            whole: false,
        };
        let text = &line.render()[0];
        assert!(text.contains("NEW"), "{text}");
        assert!(text.len() < 600);
    }
}
