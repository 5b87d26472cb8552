//! The few styles of all texts. Each text is understood without them.

use anstyle::{AnsiColor, Effects, Style};
use unicode_width::UnicodeWidthStr as _;

use crate::change::Risk;

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Text as it is.
    Plain,
    /// A heading.
    Heading,
    /// Less important text.
    Faint,
    /// What is created.
    Added,
    /// What is removed, and what failed.
    Removed,
    /// What is changed.
    Changed,
    /// What is known later.
    Later,
    /// What is done each time.
    EachTime,
    /// Words that are added to a line.
    AddedWord,
    /// Words that are removed from a line.
    RemovedWord,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Added => AnsiColor::Green.on_default(),
            Self::Removed => AnsiColor::Red.on_default(),
            Self::Changed => AnsiColor::Yellow.on_default(),
            Self::Later => AnsiColor::Cyan.on_default(),
            Self::EachTime => AnsiColor::Blue.on_default(),
            Self::AddedWord => AnsiColor::Green.on_default().effects(Effects::INVERT),
            Self::RemovedWord => AnsiColor::Red.on_default().effects(Effects::INVERT),
        }
    }
}

/// `text` in the style of `tone`.
pub(super) fn paint(tone: Tone, text: &str) -> String {
    if tone == Tone::Plain || text.is_empty() {
        return text.to_owned();
    }
    let style = tone.style();
    format!("{style}{text}{style:#}")
}

/// Columns that `text` takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// `count` with the singular or plural of a noun.
pub(super) fn counted(count: usize, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{} {stem}ies", grouped(count)),
        (_, None) => format!("{} {noun}s", grouped(count)),
    }
}

/// `count` with commas between thousands.
pub(super) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What is said of a risk, beside what its sign says.
pub(super) fn warning(risk: Risk) -> Option<&'static str> {
    match risk {
        Risk::None | Risk::Removal => None,
        Risk::Restart => Some("! interrupts a running service"),
        Risk::Reboot => Some("! restarts the host"),
        Risk::DataLoss => Some("! deletes data"),
        Risk::LockOut => Some("! may lock you out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn width_is_that_of_a_terminal() {
        assert_eq!(width("naïve"), 5);
        assert_eq!(width("nai\u{308}ve"), 5);
        assert_eq!(width("日本"), 4);
        assert_eq!(width(""), 0);
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(counted(1, "operation"), "1 operation");
        assert_eq!(counted(0, "operation"), "0 operations");
        assert_eq!(counted(2, "library"), "2 libraries");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(999), "999");
    }
}
