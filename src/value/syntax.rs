//! What is wrong with a text that is no TOML, as people would say it: one mistake a line, at its beginning, and none that only
//! follow from one before.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use crate::error::{Diagnostic, Origin, SourceFile};

/// The mistakes behind `errors`, which are in the order of the text; `table` is what could be read.
pub(super) fn mistakes(file: &Arc<SourceFile>, errors: &[Error], table: &DeTable<'_>) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let mut last_line = 0;
    let mut repeats_heading = false;
    let mut single: Option<Diagnostic> = None;
    let mut sorted: Vec<(Range<usize>, &str)> = errors
        .iter()
        .map(|error| (between_characters(&file.text, error.span()), error.message()))
        .collect();
    sorted.sort_by_key(|(span, _)| span.start);
    for (span, message) in sorted {
        let place = Origin::new(file, span.clone());
        let line = place.line_column().0;
        if line == last_line {
            continue;
        }
        let is_repeated = message.starts_with("duplicate key");
        let is_heading = is_heading(&file.text, span.start);
        if is_repeated && repeats_heading && !is_heading {
            continue;
        }
        repeats_heading = is_repeated && is_heading;
        last_line = line;
        if let Some(open) = open_before(&file.text, &span, message) {
            mistakes.push(without_end(file, open));
            // All that follows is read as if it stood inside.
            break;
        }
        let list = is_list_heading(&file.text, span.start)
            .then(|| single_brackets(&place))
            .flatten();
        if is_repeated && list.is_some() {
            // Told once, at the first heading.
            if single.is_none() {
                mistakes.extend(list.clone());
            }
            single = list;
            continue;
        }
        mistakes.push(if is_repeated {
            repeated(&place, table)
        } else {
            told(&place, message)
        });
    }
    mistakes
}

/// The place of an error, which is nowhere inside of a character.
fn between_characters(text: &str, span: Option<Range<usize>>) -> Range<usize> {
    let span = span.unwrap_or_default();
    let is_between = |at: &usize| text.is_char_boundary(*at);
    let start = (0..=span.start.min(text.len())).rev().find(is_between).unwrap_or(0);
    let end = (span.end.max(start)..text.len()).find(is_between);
    start..end.unwrap_or(text.len())
}

/// A bracket or a quote that is still open where reading failed.
fn open_before(text: &str, span: &Range<usize>, message: &str) -> Option<usize> {
    let start = span.start.min(text.len());
    if message.contains("string, expected") {
        // The end of a line, or of the file, ends a string's search for its end.
        return last_open(&text[..start], true);
    }
    let open = last_open(&text[..start], false)?;
    let line = &text[line_of(text, start)];
    let is_item = text[open..].starts_with('{') && line.trim_start().starts_with('{');
    let is_new = text[open..start].contains('\n') && (is_item || looks_like_an_entry(line));
    let is_end = text[start..].trim().is_empty();
    (is_new || is_end || message.starts_with("unclosed array,") || message.starts_with("unclosed inline"))
        .then_some(open)
}

fn looks_like_an_entry(line: &str) -> bool {
    let line = line.trim_start();
    let key = line.trim_start_matches(|character: char| character.is_alphanumeric() || "_-.\"'".contains(character));
    let is_key = key.len() < line.len() && key.trim_start().starts_with('=');
    let heading = line.trim_start_matches('[');
    is_key || (line.starts_with('[') && heading.starts_with(|first: char| first.is_alphabetic()))
}

fn without_end(file: &Arc<SourceFile>, open: usize) -> Diagnostic {
    let rest = &file.text[open..line_of(&file.text, open).end];
    let (what, end) = match rest.as_bytes() {
        [b'[', ..] => ("list", "]"),
        [b'{', ..] => ("table", "}"),
        [b'"', b'"', b'"', ..] => ("string", "\"\"\""),
        [b'\'', b'\'', b'\'', ..] => ("string", "'''"),
        [b'\'', ..] => ("string", "'"),
        _ => ("string", "\""),
    };
    let place = Origin::new(file, open..open + rest.trim_end().len());
    Diagnostic::new(format!("unclosed {what}"))
        .at(&place, "starts here")
        .hint(format!("close it with `{end}`"))
}

/// The place of the innermost bracket that is open at the end of `text`, or of the last quote.
fn last_open(text: &str, wants_quote: bool) -> Option<usize> {
    let mut open = Vec::new();
    let mut at = 0;
    let mut quote = None;
    while at < text.len() {
        let rest = &text[at..];
        let first = rest.chars().next()?;
        match first {
            '#' => at += rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => {
                quote = Some(at);
                at += string_length(rest, first);
            }
            '[' if open.is_empty() && text[line_of(text, at).start..at].trim().is_empty() => {
                at += rest.find('\n').unwrap_or(rest.len());
            }
            '[' | '{' => {
                open.push(at);
                at += 1;
            }
            ']' | '}' => {
                let last = open.pop();
                let is_other = |open: &usize| text[*open..].starts_with('[') != (first == ']');
                // One that is closed as another was not closed.
                if let Some(last) = last.filter(is_other).filter(|_| !wants_quote) {
                    return Some(last);
                }
                at += 1;
            }
            other => at += other.len_utf8(),
        }
    }
    if wants_quote { quote } else { open.pop() }
}

/// The length of the string at the start of `text`, as far as it goes.
fn string_length(text: &str, quote: char) -> usize {
    let long: String = [quote; 3].iter().collect();
    if let Some(rest) = text.strip_prefix(&long) {
        return rest.find(&long).map_or(text.len(), |end| end + 6);
    }
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '\n' => return at,
            _ if is_escaped => is_escaped = false,
            '\\' if quote == '"' => is_escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn told(place: &Origin, message: &str) -> Diagnostic {
    let text = &place.file.text;
    let line = line_of(text, place.span.start);
    let word = widened(place);
    let excerpt = text.get(word.span.clone()).unwrap_or_default();
    let key = text[line.clone()].split('=').next().unwrap_or_default().trim();
    let (wrong, _) = message.split_once(", expected").unwrap_or((message, ""));
    // A bare word that begins as `nan` or `inf` does is no number either.
    let is_word = excerpt.starts_with(|first: char| first.is_alphabetic());
    let wrong = if wrong == "invalid float" && is_word {
        "invalid boolean"
    } else {
        wrong
    };
    let quoted = "put strings in quotes";
    if let Some(mistake) = without_quotes(place, wrong).or_else(|| quotes_inside(place, wrong)) {
        return mistake;
    }
    match wrong {
        "string values must be quoted" if excerpt.is_empty() => Diagnostic::new(format!("`{key}` has no value"))
            .at(place, "missing value")
            .hint(format!("write `{key} = …`, or remove the line")),
        "invalid boolean" | "string values must be quoted" => {
            let hint = match excerpt.to_lowercase().as_str() {
                "true" | "yes" | "on" => "write `true`".to_owned(),
                "false" | "no" | "off" => "write `false`".to_owned(),
                "none" | "null" | "nil" => "remove the line: TOML has no null".to_owned(),
                _ => format!("{quoted}: `\"{excerpt}\"`"),
            };
            Diagnostic::new(format!("`{excerpt}` is not a valid value"))
                .at(&word, "not a quoted string, a number, `true` or `false`")
                .hint(hint)
        }
        "unexpected leading zero" => Diagnostic::new(format!("`{excerpt}` is not a valid number"))
            .at(&word, "numbers cannot start with `0`")
            .hint(format!("{quoted}, for example modes: `\"{excerpt}\"`")),
        "missing comma between array elements" | "missing comma between key-value pairs"
            if text[line.start..place.span.start].trim().is_empty() =>
        {
            let above = text[..line.start].trim_end();
            let above = trimmed(text, &line_of(text, above.len()));
            let end = text[above.clone()].rsplit(' ').next().unwrap_or_default();
            Diagnostic::new("missing comma")
                .at(&Origin::new(&place.file, above), "after this")
                .hint(format!("write `{end},`"))
        }
        "missing comma between array elements" | "missing comma between key-value pairs" => {
            Diagnostic::new("missing comma")
                .at(&word, "before this")
                .hint(format!("write `, {excerpt}`"))
        }
        "unclosed table" | "unclosed array table" => {
            let heading = text[line.clone()].trim_end();
            let end = if wrong == "unclosed table" { "]" } else { "]]" };
            let closed = heading.trim_end_matches(']');
            Diagnostic::new("unclosed table header")
                .at(
                    &Origin::new(&place.file, line.start..line.start + heading.len()),
                    "not closed",
                )
                .hint(format!("write `{closed}{end}`"))
        }
        "key with no value" | "invalid unquoted key"
            if text[line.clone()].contains(':') && excerpt.starts_with(':') =>
        {
            let key = text[line.start..place.span.start].trim();
            Diagnostic::new("unexpected `:`")
                .at(&word, "TOML uses `=`")
                .hint(format!("write `{key} = …`"))
        }
        "key with no value" => {
            let heading = text[line.clone()].trim();
            Diagnostic::new(format!("`{heading}` is neither a key with a value nor a table header"))
                .at(&Origin::new(&place.file, trimmed(text, &line)), "missing `=`")
                .hint("write `key = value`, or `[heading]`")
        }
        "missing escaped value" | "too few unicode value digits" => backslash(place),
        _ => Diagnostic::new("invalid TOML")
            .at(&word, message)
            .hint("check quotes, commas and brackets here and in the line above"),
    }
}

/// A backslash in double quotes that begins no escape.
fn backslash(place: &Origin) -> Diagnostic {
    let text = &place.file.text;
    let start = place.span.start.min(text.len());
    let begin = last_open(&text[..start], true).unwrap_or(start);
    let string = widened(&Origin::new(&place.file, begin..begin));
    let written = &text[string.span.clone()];
    let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let single = inner.filter(|inner| !inner.contains(['\'', '"', '\n']));
    Diagnostic::new("invalid escape in a string")
        .at(&string, "in double quotes, `\\` begins an escape")
        .hint(match single {
            Some(inner) => format!("write `'{inner}'`, or `\\\\` for each backslash"),
            None => "use single quotes, or write `\\\\` for each backslash".to_owned(),
        })
}

/// A template, or an expression of several words, that is not in quotes, or in those of a word processor.
fn without_quotes(place: &Origin, wrong: &str) -> Option<Diagnostic> {
    let text = &place.file.text;
    let start = place.span.start;
    let line = line_of(text, start);
    if wrong == "missing key for inline table element" {
        // Behind the bracket of a table. Behind anything else, no template begins.
        let begin = text[..start].strip_suffix('{')?.len();
        let rest = &text[begin..line.end];
        let end = begin + rest.starts_with("{{").then(|| rest.rfind("}}"))?? + 2;
        let behind = text[end..line.end]
            .split([' ', ',', ']', '\t'])
            .next()
            .unwrap_or_default();
        let value = Origin::new(&place.file, begin..end + behind.len());
        return Some(
            Diagnostic::new("template without quotes")
                .at(&value, "templates are written in strings")
                .hint(format!("write `{}`", quoted(&text[value.span.clone()]))),
        );
    }
    if !["string values must be quoted", "invalid boolean"].contains(&wrong) {
        return None;
    }
    let mut word = widened(place);
    if text[start..].starts_with(CURLY)
        && let Some(end) = text[start..line.end].rfind(CURLY).filter(|end| *end > 0)
    {
        word.span.end = start + end + '”'.len_utf8();
    }
    let excerpt = &text[word.span.clone()];
    let plain = excerpt.trim_matches(CURLY);
    if plain != excerpt && !plain.contains(CURLY) {
        return Some(
            Diagnostic::new(format!("`{excerpt}` is not a valid value"))
                .at(&word, "curly quotes are not quotes of TOML")
                .hint(format!("write straight quotes: `\"{plain}\"`")),
        );
    }
    let (_, value) = text[line.clone()].split_once('=')?;
    let begins_here = line.end - value.trim_start().len() == start;
    let value = value.trim();
    let is_expression = value.split_whitespace().count() > 1 && !value.contains(['#', '[', '{']) && begins_here;
    is_expression.then(|| {
        let whole = Origin::new(&place.file, start..start + value.len());
        Diagnostic::new("expression without quotes")
            .at(&whole, "expressions are written in strings")
            .hint(format!("write `{}`", quoted(value)))
    })
}

/// Text behind a string that its author meant to go on: `"x == "y""`.
fn quotes_inside(place: &Origin, wrong: &str) -> Option<Diagnostic> {
    let text = &place.file.text;
    let line = line_of(text, place.span.start);
    let before = &text[line.start..place.span.start];
    if wrong != "unexpected key or value" || !before.ends_with(['"', '\'']) {
        return None;
    }
    let begin = line.start + before.find('=')? + 1;
    let value = text[begin..line.end].trim();
    let outer = value.chars().next().filter(|quote| before.ends_with(*quote))?;
    let inner = value.strip_prefix(outer)?.strip_suffix(outer);
    Some(
        Diagnostic::new("text behind the end of a string")
            .at(
                &Origin::new(
                    &place.file,
                    place.span.start..line.start + text[line.clone()].trim_end().len(),
                ),
                format!("`{outer}` before this ends the string"),
            )
            .hint(match inner {
                Some(inner) => format!("write `{}`", quoted(inner)),
                None => "use one kind of quotes around the string, and the other in it".to_owned(),
            }),
    )
}

/// Quotes of word processors.
const CURLY: [char; 6] = ['“', '”', '„', '‘', '’', '‚'];

/// `text` as a string, with single quotes in it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "'"))
}

/// Whether the line at `at` is the heading of a table that can be there several times.
fn is_list_heading(text: &str, at: usize) -> bool {
    let heading = text[line_of(text, at)].trim();
    let name = heading.trim_matches(['[', ']']);
    heading.starts_with('[') && LISTS.contains(&name)
}

/// The keys of lists of tables.
const LISTS: [&str; 3] = ["operation", "handler", "stage"];

/// The first heading with one bracket, `[operation]`, where `place` is in a later one of the same name.
fn single_brackets(place: &Origin) -> Option<Diagnostic> {
    let text = &place.file.text;
    let name = text[line_of(text, place.span.start)].trim().trim_matches(['[', ']']);
    let wanted = format!("[{name}]");
    let mut start = 0;
    let line = text.split_inclusive('\n').find(|line| {
        let is_it = line.trim() == wanted;
        start += if is_it { 0 } else { line.len() };
        is_it
    })?;
    let indent = line.len() - line.trim_start().len();
    let at = start + indent + 1;
    Some(
        Diagnostic::new(format!("`{name}` must be a list of tables"))
            .at(&Origin::new(&place.file, at..at + name.len()), "this is a table")
            .hint(format!("write `[[{name}]]`, with two brackets, above each")),
    )
}

/// A key or a heading that is there already.
fn repeated(place: &Origin, table: &DeTable<'_>) -> Diagnostic {
    let text = &place.file.text;
    let name = text
        .get(place.span.clone())
        .unwrap_or_default()
        .trim_matches(['"', '\'']);
    let mut found = Vec::new();
    keys_called(name, table, &mut found);
    let is_heading = is_heading(text, place.span.start);
    let heading = is_heading.then(|| same_heading(place)).flatten();
    let alike = found
        .into_iter()
        .filter(|span| span.start < place.span.start && self::is_heading(text, span.start) == is_heading);
    let first = heading
        .or_else(|| alike.max_by_key(|span| span.start))
        .map(|span| Origin::new(&place.file, span));
    let what = if is_heading { "table" } else { "key" };
    Diagnostic::new(format!("duplicate {what} `{name}`"))
        .at(place, "used again here")
        .at_maybe(first.as_ref(), "first used here")
        .hint(if is_heading {
            "move its keys below the first one"
        } else {
            "remove one of them"
        })
}

/// The same part of an earlier heading with the same words.
fn same_heading(place: &Origin) -> Option<Range<usize>> {
    let text = &place.file.text;
    let own = line_of(text, place.span.start);
    let mut start = 0;
    for line in text[..own.start].split_inclusive('\n') {
        if line.trim_end() == text[own.clone()].trim_end() {
            let back = own.start - start;
            return Some(place.span.start - back..place.span.end - back);
        }
        start += line.len();
    }
    None
}

fn keys_called(name: &str, table: &DeTable<'_>, found: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        if key.get_ref().as_ref() == name {
            found.push(key.span());
        }
        keys_in(name, value, found);
    }
}

fn keys_in(name: &str, value: &Spanned<DeValue<'_>>, found: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => keys_called(name, table, found),
        DeValue::Array(items) => items.iter().for_each(|item| keys_in(name, item, found)),
        _ => {}
    }
}

/// The place, and the rest of the word that begins there.
fn widened(place: &Origin) -> Origin {
    let text = &place.file.text;
    let rest = text.get(place.span.start..).unwrap_or_default();
    let first = rest.chars().next();
    let length = match first {
        Some(quote @ ('"' | '\'')) => string_length(rest, quote),
        _ => rest
            .find(|character: char| character.is_whitespace() || ",]}=".contains(character))
            .unwrap_or(rest.len()),
    };
    let end = (place.span.start + length).max(place.span.end);
    Origin::new(&place.file, place.span.start..end)
}

/// The line that holds `at`, without its line break.
fn line_of(text: &str, at: usize) -> Range<usize> {
    let at = at.min(text.len());
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    start..end
}

fn trimmed(text: &str, line: &Range<usize>) -> Range<usize> {
    let start = line.end - text[line.clone()].trim_start().len();
    start..start + text[start..line.end].trim_end().len()
}

fn is_heading(text: &str, at: usize) -> bool {
    text[line_of(text, at)].trim_start().starts_with('[')
}
