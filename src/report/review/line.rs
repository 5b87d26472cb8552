//! One line of a file in a review: changed words are marked, and invisible differences made visible.

use super::super::sanitize;

/// Longer lines are shown in part, in characters.
const LONG: usize = 400;
/// How much of a long stretch stays at its start.
const HEAD: usize = 120;
/// How much of a long stretch stays at its end.
const TAIL: usize = 60;

/// A line of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiffLine {
    /// The header of a hunk.
    Hunk(String),
    /// A line of the file.
    Line {
        /// Whether the line is kept, added or removed.
        sign: LineSign,
        /// The text, cut where marked words begin and end.
        spans: Vec<Span>,
    },
    /// The heading of values that change, which stand in place of lines.
    Values {
        /// Whether blank lines, indentation or line ends change too.
        with_white_space: bool,
    },
    /// The line above ends the file without a line break.
    NoNewline,
    /// Lines that are counted, not shown.
    LeftOut(LeftOut),
}

/// Lines that a diff counts, but does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// All changed lines.
    Changed { removed: usize, added: usize },
    /// All changed lines; there are more than this many.
    ChangedOver(usize),
    /// The end of a text that is added or removed as a whole.
    Listed {
        /// Lines left out.
        more: usize,
        /// Lines of the whole text.
        all: usize,
    },
}

/// Which side of a comparison a line is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineSign {
    Kept,
    Added,
    Removed,
    /// Of a value, not of a line.
    Changed,
}

impl LineSign {
    /// The sign and the space after it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "  ",
            Self::Added => "+ ",
            Self::Removed => "- ",
            Self::Changed => "~ ",
        }
    }
}

/// A stretch of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Whether these words differ from the line on the other side.
    pub is_changed: bool,
    pub text: SpanText,
}

/// The text of a span. Characters that control a terminal or are invisible are escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanText {
    Shown(String),
    /// The number of characters left out.
    LeftOut(usize),
}

/// A line of a file, before it is cut into spans.
pub(super) struct SourceLine<'a> {
    pub(super) sign: LineSign,
    /// Its text in stretches, with its line break; `true` marks changed words.
    pub(super) stretches: Vec<(bool, &'a str)>,
    /// Whether spaces and tabs are made visible, since nothing else differs.
    pub(super) shows_whitespace: bool,
    /// Whether long lines are shown whole.
    pub(super) whole: bool,
}

enum Piece {
    Character(char),
    Gap(usize),
}

impl SourceLine<'_> {
    /// The line, and a second one where the file ends without a line break.
    pub(super) fn lines(&self) -> Vec<DiffLine> {
        let characters = self.characters();
        let ends = characters.last().is_some_and(|(_, character)| *character == '\n');
        let characters = &characters[..characters.len() - usize::from(ends)];
        let mut lines = vec![DiffLine::Line {
            sign: self.sign,
            spans: self.spans(&self.pieces(characters), trailing_from(characters)),
        }];
        if !ends {
            lines.push(DiffLine::NoNewline);
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

    fn spans(&self, pieces: &[(bool, usize, Piece)], trailing_from: usize) -> Vec<Span> {
        let mut spans = Vec::new();
        for run in pieces.chunk_by(|one, other| one.0 == other.0) {
            let is_changed = run[0].0;
            let mut text = String::new();
            let shown = |text: String| Span {
                is_changed,
                text: SpanText::Shown(text),
            };
            for (_, place, piece) in run {
                match piece {
                    Piece::Gap(count) => {
                        spans.extend((!text.is_empty()).then(|| shown(std::mem::take(&mut text))));
                        spans.push(Span {
                            is_changed,
                            text: SpanText::LeftOut(*count),
                        });
                    }
                    Piece::Character(character) => {
                        let marks = self.shows_whitespace || (self.sign != LineSign::Kept && *place >= trailing_from);
                        push(&mut text, *character, marks);
                    }
                }
            }
            spans.extend((!text.is_empty()).then(|| shown(text)));
        }
        spans
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

    fn shown(sign: LineSign, stretches: Vec<(bool, &str)>) -> Vec<String> {
        let line = SourceLine {
            sign,
            stretches,
            shows_whitespace: false,
            whole: false,
        };
        let lines = line.lines().into_iter();
        lines
            .map(|line| match line {
                DiffLine::Line { sign, spans } => {
                    let texts = spans.iter().map(|span| match &span.text {
                        SpanText::Shown(text) => text.clone(),
                        SpanText::LeftOut(count) => format!("…{count}…"),
                    });
                    format!("{}{}", sign.as_str(), texts.collect::<String>())
                }
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn what_the_eye_would_miss_is_seen() {
        assert_eq!(shown(LineSign::Added, vec![(false, "a b \t\r\n")]), ["+ a b·⇥␍"]);
        assert_eq!(shown(LineSign::Kept, vec![(false, "a b \n")]), ["  a b "]);
        assert_eq!(shown(LineSign::Removed, vec![(false, "a")]), ["- a", "NoNewline"]);
        assert_eq!(
            shown(LineSign::Added, vec![(false, "\x1b[2J\u{202e}\n")]),
            [r"+ \x1b[2J\u{202e}"]
        );
    }

    #[test]
    fn a_long_line_says_how_much_is_left_out() {
        let line = &shown(LineSign::Added, vec![(false, &format!("{}\n", "x".repeat(10_000)))])[0];
        assert!(line.contains("…9820…"), "{line}");
        assert!(line.len() < 250);
    }

    #[test]
    fn a_changed_word_deep_in_a_long_line_is_shown() {
        let (head, tail) = ("a ".repeat(3000), " b".repeat(3000));
        let stretches = vec![(false, head.as_str()), (true, "NEW"), (false, &tail), (false, "\n")];
        let text = &shown(LineSign::Added, stretches)[0];
        assert!(text.contains("NEW"), "{text}");
        assert!(text.len() < 600);
    }
}
