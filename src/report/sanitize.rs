//! Sanitizes foreign text: characters that control a terminal or are invisible are shown as escapes.

use std::fmt::Write as _;

/// Text for one line: line breaks and tabs become escapes too.
pub(super) fn one_line(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => harmless.push_str("\\n"),
            '\r' => harmless.push_str("\\r"),
            '\t' => harmless.push_str("\\t"),
            other => push(&mut harmless, other),
        }
    }
    harmless
}

/// Text of several lines: line breaks and tabs stay.
pub(super) fn lines(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    text.replace("\r\n", "\n")
        .chars()
        .for_each(|character| push(&mut harmless, character));
    harmless
}

/// Adds a character, escaped if needed. Tabs and line breaks stay.
pub(super) fn push(text: &mut String, character: char) {
    match character {
        '\n' | '\t' => text.push(character),
        '\r' => text.push('␍'),
        other if !is_hidden(other) => text.push(other),
        other if u32::from(other) < 0x100 => {
            let _ = write!(text, "\\x{:02x}", u32::from(other));
        }
        other => {
            let _ = write!(text, "\\u{{{:x}}}", u32::from(other));
        }
    }
}

/// JSON as text in which no character controls a terminal: they can only stand within strings, which may have them as escapes.
pub(super) fn json(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || !is_hidden(character) {
            harmless.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(harmless, "\\u{unit:04x}");
        }
    }
    harmless
}

/// Whether a character controls a terminal, changes the writing direction, or has no width.
pub(super) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_drives_the_terminal() {
        let hostile = "a\x1b]0;title\x07b\u{9b}2Jc\x7fd\u{202e}e\u{feff}";
        assert_eq!(one_line(hostile), r"a\x1b]0;title\x07b\x9b2Jc\x7fd\u{202e}e\u{feff}");
        let everything: String = ('\0'..='\u{3000}').collect();
        assert!(!one_line(&everything).chars().any(is_hidden));
        let kept: String = lines(&everything).chars().filter(|one| is_hidden(*one)).collect();
        assert_eq!(kept, "\t\n");
    }

    #[test]
    fn what_people_write_stays() {
        let text = "grün 日本 “x” 🎉\tend";
        assert_eq!(lines(text), text);
        assert_eq!(one_line("a\tb\r\n"), r"a\tb\r\n");
    }
}
