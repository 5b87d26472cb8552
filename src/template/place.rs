//! The place of a part of a string in its file, for all kinds of quotes and escapes.

use std::ops::Range;

use super::slip::Slip;
use crate::error::{Diagnostic, Origin};

/// The place of part `place` of `source`, which begins at `offset` of the string whose literal is at `origin`.
///
/// The whole literal if its text differs from the string, as with computed values.
pub(super) fn narrow(origin: &Origin, source: &str, offset: usize, place: Range<usize>) -> Origin {
    let literal = origin.file.text.get(origin.span.clone()).unwrap_or_default();
    let Some((text, places)) = decoded(literal) else {
        return origin.clone();
    };
    if text.get(offset..offset + source.len()) != Some(source) {
        return origin.clone();
    }
    let at = |part: usize| {
        places
            .get(offset + part.min(source.len()))
            .copied()
            .unwrap_or(literal.len())
    };
    let begin = at(place.start);
    // If something is missing, there is no character to point at.
    let end = at(place.end).max(begin);
    Origin::new(&origin.file, origin.span.start + begin..origin.span.start + end)
}

/// The mistake of a source that does not parse.
pub(super) fn slip_error(slip: &Slip, offset: usize, source: &str, origin: Option<&Origin>) -> Diagnostic {
    // An empty template has no part to point at, so the whole string is shown.
    let exact = origin.map(|origin| match source.trim() {
        "" => origin.clone(),
        _ => narrow(origin, source, offset, slip.place.clone()),
    });
    slip.shown(exact.as_ref())
}

/// The place of the name that is undefined, where `span` is what failed and `missed` what was looked up last in vain.
///
/// What fails may be a filter: its name comes after the one that it is given, and before its arguments.
pub(super) fn undefined_name(text: &str, span: Range<usize>, missed: Option<&str>) -> Range<usize> {
    // A text that must not be shown has dots in place of all its characters.
    let is_hidden = text
        .get(span.clone())
        .is_some_and(|name| name.trim_matches('.').is_empty());
    if is_hidden {
        return span;
    }
    let span = whole_name(text, span);
    let Some(given) = filtered_name(text, &span) else {
        return span;
    };
    let after = text.get(span.end..).unwrap_or_default();
    let end = after.find(['|', '}', '\n']).unwrap_or(after.len());
    let other = missed.filter(|missed| text.get(given.clone()) != Some(missed));
    let argument = other.and_then(|missed| Some((after[..end].find(missed)?, missed.len())));
    match argument {
        Some((at, length)) => span.end + at..span.end + at + length,
        None => given,
    }
}

/// The name that the filter at `span` is given.
fn filtered_name(text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let given = text.get(..span.start)?.trim_end().strip_suffix('|')?.trim_end();
    let is_part = |character: char| character.is_alphanumeric() || "_.".contains(character);
    let name = given.trim_end_matches(is_part);
    let is_name = name.len() < given.len() && !given[name.len()..].starts_with('.');
    is_name.then_some(name.len()..given.len())
}

/// The place of an attribute may begin at its dot or bracket; the name before it is included.
///
/// It may begin with the blanks after the word before it, and end with those before the next one, which are left out.
pub(super) fn whole_name(text: &str, span: Range<usize>) -> Range<usize> {
    let Some(excerpt) = text.get(span.clone()) else {
        return span;
    };
    let end = span.start + excerpt.trim_end().len().max(span.len().min(1));
    let excerpt = excerpt.trim_start();
    let start = span.end - excerpt.len();
    let span = if start < end { start..end } else { span.start..end };
    if !excerpt.starts_with(['.', '[']) {
        return span;
    }
    let mut depth = 0_usize;
    let mut start = span.start;
    for (at, character) in text[..span.start].char_indices().rev() {
        match character {
            ']' => depth += 1,
            '[' if depth > 0 => depth -= 1,
            _ if depth > 0 || character.is_ascii_alphanumeric() || "_.".contains(character) => {}
            _ => break,
        }
        start = at;
    }
    start..span.end
}

/// The text of a TOML string, with the position in the literal of each byte and of the end.
fn decoded(literal: &str) -> Option<(String, Vec<usize>)> {
    let quote = literal.chars().next().filter(|first| ['"', '\''].contains(first))?;
    let long: String = [quote; 3].iter().collect();
    let is_long = literal.len() >= 6 && literal.starts_with(&long) && literal.ends_with(&long);
    let width = if is_long { 3 } else { 1 };
    let end = literal.len().checked_sub(width).filter(|end| *end >= width)?;
    let mut at = width;
    if is_long {
        let inner = &literal[width..end];
        at += ["\r\n", "\n"]
            .iter()
            .find(|line_end| inner.starts_with(**line_end))
            .map_or(0, |line_end| line_end.len());
    }
    let mut text = String::new();
    let mut places = Vec::new();
    while at < end {
        let rest = &literal[at..end];
        let (character, length) = match rest.chars().next()? {
            '\\' if quote == '"' => escape(rest)?,
            plain => (Some(plain), plain.len_utf8()),
        };
        if let Some(character) = character {
            text.push(character);
            places.resize(text.len(), at);
        }
        at += length;
    }
    places.push(end);
    Some((text, places))
}

/// The character of an escape, and its length; `None` if it joins lines.
fn escape(text: &str) -> Option<(Option<char>, usize)> {
    let second = text[1..].chars().next()?;
    let of_code = |digits: usize| {
        let code = u32::from_str_radix(text.get(2..2 + digits)?, 16).ok()?;
        Some((Some(char::from_u32(code)?), 2 + digits))
    };
    match second {
        'b' => Some((Some('\u{8}'), 2)),
        't' => Some((Some('\t'), 2)),
        'n' => Some((Some('\n'), 2)),
        'f' => Some((Some('\u{c}'), 2)),
        'r' => Some((Some('\r'), 2)),
        'e' => Some((Some('\u{1b}'), 2)),
        'x' => of_code(2),
        'u' => of_code(4),
        'U' => of_code(8),
        '"' | '\\' => Some((Some(second), 2)),
        _ => {
            let rest = text[1..].trim_start_matches([' ', '\t', '\n', '\r']);
            Some((None, text.len() - rest.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SourceFile;
    use crate::value::{Kind, parse_toml};

    /// The text that an error about `word` in the value of `a` points at.
    fn blamed(file: &str, word: &str) -> (usize, usize, String) {
        let file = SourceFile::new("t.toml", file);
        let table = parse_toml(&file).expect("TOML");
        let Kind::String(text) = &table["a"].value.kind else {
            panic!("a string")
        };
        let at = text.find(word).expect("the word is there");
        let origin = table["a"].value.origin.as_ref().expect("a place");
        let place = narrow(origin, text, 0, at..at + word.len());
        let (line, column) = place.line_column();
        (line, column, file.text[place.span].to_owned())
    }

    #[test]
    fn of_a_filter_the_name_is_shown_that_it_is_given() {
        let shown = |text: &str, failed: &str, missed: Option<&str>| {
            let at = text.find(failed).expect("the word is there");
            text[undefined_name(text, at..at + failed.len(), missed)].to_owned()
        };
        assert_eq!(shown("app.nope | upper", "upper", Some("app.nope")), "app.nope");
        assert_eq!(shown("app.nope | upper", "upper", None), "app.nope");
        assert_eq!(shown("x ~ nope|upper", "upper", None), "nope");
        assert_eq!(shown("a is defined and b.c", "b.c", Some("a")), "b.c");
        assert_eq!(shown("a | join(b.c)", "join", Some("b.c")), "b.c");
        assert_eq!(shown("(a ~ b) | upper", "upper", None), "upper");
        assert_eq!(shown("a.b", ".b", Some("a.b")), "a.b");
        assert_eq!(shown("'a' in b[c].d", " b[c].d", None), "b[c].d");
        assert_eq!(undefined_name("......", 2..4, Some("app")), 2..4, "a hidden text");
    }

    #[test]
    fn a_word_is_found_in_every_kind_of_string() {
        assert_eq!(blamed("a = 'x word'", "word"), (1, 8, "word".to_owned()));
        assert_eq!(blamed("a = \"\"\"\nx\n word\"\"\"", "word"), (3, 2, "word".to_owned()));
        assert_eq!(blamed("a = '''\r\nx\r\n word'''", "word"), (3, 2, "word".to_owned()));
        assert_eq!(
            blamed("a = \"\\\"x\\\" \\u00e4\\t word\"", "word"),
            (1, 21, "word".to_owned())
        );
        assert_eq!(
            blamed("a = \"\"\"one \\\n   word\"\"\"", "word"),
            (2, 4, "word".to_owned())
        );
        assert_eq!(blamed("a = \"ä\\u00e4\"", "ää"), (1, 6, "ä\\u00e4".to_owned()));
    }
}
