//! The words of templates and expressions, all of them.
//!
//! minijinja's parser takes an unreadable character after a string for the end of an expression. So the words are read
//! before it.

use std::ops::Range;

use minijinja::Error;
use minijinja::machinery::{self, Token};
use minijinja::syntax::SyntaxConfig;

use super::mistake::syntax_mistake;
use super::slip::{Form, Slip};

/// A word of a source.
pub(super) struct Word<'a> {
    pub(super) token: Token<'a>,
    pub(super) place: Range<usize>,
}

/// A file keeps its last line break. Blocks keep the white space around them, and `{%- -%}` removes it. So no line is
/// joined to the next by an `{% endif %}` at its end.
pub(super) fn config() -> SyntaxConfig {
    let config = SyntaxConfig::builder().keep_trailing_newline(true).build();
    config.unwrap_or_default()
}

/// The place of an error, between characters of the source.
pub(super) fn place_of(error: &Error, source: &str) -> Range<usize> {
    let range = error.range().unwrap_or(0..source.len());
    let is_between = |at: &usize| source.is_char_boundary(*at);
    let start = (0..=range.start.min(source.len())).rev().find(is_between);
    let end = (range.end.min(source.len())..=source.len()).find(is_between);
    let (start, end) = (start.unwrap_or(0), end.unwrap_or(source.len()));
    start..end.max(start)
}

/// A word that cannot be read, behind the others.
fn unreadable(source: &str, form: Form, error: &Error, words: &[Word<'_>]) -> Slip {
    let what = error.detail().unwrap_or("cannot be read");
    if what.contains("end of string") {
        // minijinja points behind the end.
        let start = words.last().map_or(0, |word| word.place.end);
        let rest = source.get(start..).unwrap_or_default();
        let start = start + (rest.len() - rest.trim_start().len());
        let line = source
            .get(start..)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        let place = start..start + line.len();
        return Slip::new(place, form.invalid(), "this quote is not closed", "close the quote");
    }
    syntax_mistake(source, form, place_of(error, source), what)
}

/// All words of a source.
pub(super) fn words(source: &str, form: Form) -> Result<Vec<Word<'_>>, Slip> {
    if form == Form::Expression && source.trim().is_empty() {
        let hint = "write one, such as `name == 'x'`, or remove the key";
        return Err(Slip::new(0..source.len(), "empty expression", "this is empty", hint));
    }
    let mut words: Vec<Word<'_>> = Vec::new();
    for token in machinery::tokenize(source, form == Form::Expression, config()) {
        let (token, span) = token.map_err(|error| unreadable(source, form, &error, &words))?;
        let place = span.start_offset as usize..span.end_offset as usize;
        check_word(source, form, (words.last(), &token), &place)?;
        words.push(Word { token, place });
    }
    check_comments(source, form)?;
    Ok(words)
}

/// Signs of other languages that are two words here.
const SIGNS: &[(&str, &str)] = &[
    ("||", "write `or`"),
    ("===", "use `==` to compare"),
    ("!==", "use `!=` to compare"),
    ("<>", "use `!=` to compare"),
    ("=<", "write `<=`"),
    ("=>", "write `>=`"),
    (":=", "use `==` to compare"),
    ("++", "write `+ 1`"),
    ("..", "write one dot between names"),
];

fn check_word(
    source: &str,
    form: Form,
    (before, token): (Option<&Word<'_>>, &Token<'_>),
    place: &Range<usize>,
) -> Result<(), Slip> {
    let is_string = |token: &Token<'_>| matches!(token, Token::Str(_) | Token::String(_));
    if is_string(token) && before.is_some_and(|before| is_string(&before.token)) {
        return Err(Slip::new(
            place.clone(),
            "two strings without an operator",
            "follows a string",
            "join them with `~`, or write a comma between them",
        ));
    }
    if matches!(token, Token::TemplateData(_)) || is_string(token) {
        return Ok(());
    }
    let rest = source.get(place.start..).unwrap_or_default();
    if let Some((sign, hint)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Err(Slip::new(
            place.start..place.start + sign.len(),
            form.invalid(),
            format!("`{sign}` is not an operator here"),
            *hint,
        ));
    }
    if matches!(token, Token::Int(_) | Token::Int128(_) | Token::Float(_)) {
        return check_number(source.get(place.clone()).unwrap_or_default(), place);
    }
    Ok(())
}

fn check_number(text: &str, place: &Range<usize>) -> Result<(), Slip> {
    let slip = |label: &str, hint: String| Err(Slip::new(place.clone(), "invalid number", label, hint));
    if text.ends_with('.') {
        return slip("ends with a dot", format!("write `{text}0`, or remove the dot"));
    }
    let is_padded = text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_padded {
        let number = text.trim_start_matches('0');
        let number = if number.is_empty() { "0" } else { number };
        return slip(
            "begins with a zero",
            format!("write `{number}`, or in quotes if it is a string: `'{text}'`"),
        );
    }
    Ok(())
}

/// In a shell, `${#name}` is a length. In a template, `{#` begins a comment, and what follows would vanish.
fn check_comments(source: &str, form: Form) -> Result<(), Slip> {
    if form == Form::Expression || source.contains("{% raw") || source.contains("{%- raw") {
        return Ok(());
    }
    match source.find("${#") {
        Some(at) => Err(dollar_comment(at)),
        None => Ok(()),
    }
}

/// The mistake of `${#` at `at`.
fn dollar_comment(at: usize) -> Slip {
    Slip::new(
        at + 1..at + 3,
        "`{#` begins a comment of a template",
        "what follows would be left out",
        "write `{{ '{#' }}` instead of `{#`",
    )
}
