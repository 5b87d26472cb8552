//! Comparisons are strict: values of different types are never compared in silence.
//!
//! minijinja compares whatever it is given. So before a source is compiled, its comparisons are written as a test of our
//! own: `a == b` becomes `((a) is _compared('==', (b)))`. Places in that code lead back to places in the source.

use std::fmt;
use std::ops::Range;

use minijinja::machinery::Token;
use minijinja::value::Rest;
use minijinja::{Environment, Error, ErrorKind, Value};

use super::slip::Form;
use super::sorts::{COMPARING_TESTS, Misfit, Sort, misfit, not_among, numbers_in_strings};
use super::tokens::Word;
use super::watch::is_unknown;

/// The name of the test that takes the place of comparisons.
const TEST: &str = "_compared";

/// A source with its comparisons as tests, ready to be compiled.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) code: String,
    edits: Vec<Edit>,
    comparisons: Vec<Comparison>,
}

/// A part of the source, and what stands in its place in the code.
#[derive(Debug)]
struct Edit {
    source: Range<usize>,
    code: Range<usize>,
}

/// A comparison of the source: `a < b`, or `a < b < c`.
#[derive(Debug)]
struct Comparison {
    /// Where the test begins in the code.
    code: usize,
    whole: Range<usize>,
    operands: Vec<Range<usize>>,
}

impl Reading {
    /// `source` of the given words, which it was parsed from before.
    pub(super) fn of(source: &str, words: &[Word<'_>], form: Form) -> Self {
        let mut found = Finder {
            words,
            open: Vec::new(),
            block: Block::None,
            found: Vec::new(),
        };
        found.run(form);
        Self::with(source, &found.found)
    }

    fn with(source: &str, found: &[Found]) -> Self {
        let mut replacements: Vec<(Range<usize>, String, Option<usize>)> = Vec::new();
        for (number, comparison) in found.iter().enumerate() {
            let Range { start, end } = comparison.whole;
            replacements.push((start..start, "((".to_owned(), None));
            for (position, (place, sign)) in comparison.signs.iter().enumerate() {
                let (text, of) = match position {
                    0 => (format!(") is {TEST}('{sign}', ("), Some(number)),
                    _ => (format!("), '{sign}', ("), None),
                };
                replacements.push((place.clone(), text, of));
            }
            replacements.push((end..end, ")))".to_owned(), None));
        }
        replacements.sort_by_key(|(place, _, _)| (place.start, place.end));
        let mut reading = Self {
            code: String::with_capacity(source.len() + 32 * replacements.len()),
            edits: Vec::new(),
            comparisons: Vec::new(),
        };
        let mut done = 0;
        for (place, text, of) in replacements {
            reading.code.push_str(source.get(done..place.start).unwrap_or_default());
            let start = reading.code.len();
            reading.code.push_str(&text);
            done = place.end;
            if let Some(found) = of.and_then(|number| found.get(number)) {
                reading.comparisons.push(Comparison {
                    code: start + ") is ".len(),
                    whole: found.whole.clone(),
                    operands: found.operands(),
                });
            }
            reading.edits.push(Edit {
                source: place,
                code: start..start + text.len(),
            });
        }
        reading.code.push_str(source.get(done..).unwrap_or_default());
        reading
    }

    /// The places of its comparisons in the source.
    pub(super) fn places(&self) -> Vec<Range<usize>> {
        self.comparisons.iter().map(|one| one.whole.clone()).collect()
    }

    /// The place in the source of an error of the code.
    pub(super) fn place(&self, error: &Error) -> Option<Range<usize>> {
        let range = error.range()?;
        if let Some(comparison) = self.comparisons.iter().find(|one| one.code == range.start) {
            let undefined = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Operand>());
            let operand = undefined.and_then(|operand| comparison.operands.get(operand.0));
            return Some(operand.unwrap_or(&comparison.whole).clone());
        }
        let (start, end) = (self.original(range.start), self.original(range.end));
        Some(start..end.max(start))
    }

    fn original(&self, at: usize) -> usize {
        // The end of the last edit before, in the code and in the source.
        let (mut code, mut source) = (0, 0);
        for edit in &self.edits {
            if at < edit.code.start {
                break;
            }
            if at < edit.code.end {
                return edit.source.start;
            }
            (code, source) = (edit.code.end, edit.source.end);
        }
        source + (at - code)
    }
}

/// A comparison, as it is found.
struct Found {
    whole: Range<usize>,
    signs: Vec<(Range<usize>, &'static str)>,
}

impl Found {
    fn operands(&self) -> Vec<Range<usize>> {
        let starts = std::iter::once(self.whole.start).chain(self.signs.iter().map(|(place, _)| place.end));
        let ends = self.signs.iter().map(|(place, _)| place.start);
        starts
            .zip(ends.chain([self.whole.end]))
            .map(|(start, end)| start..end)
            .collect()
    }
}

/// Words without an operator of lower rank between them.
#[derive(Default)]
struct Stretch {
    place: Option<Range<usize>>,
    signs: Vec<(Range<usize>, &'static str)>,
}

/// Where words stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// In `{{ … }}` or a bare expression.
    None,
    /// In `{% … %}`.
    Any,
    /// In `{% for … %}`, before its `in`.
    For,
}

/// Finds comparisons by their words: the places in minijinja's tree do not span whole operands.
struct Finder<'a> {
    words: &'a [Word<'a>],
    /// The stretches that are open, those outside of brackets first.
    open: Vec<Stretch>,
    block: Block,
    found: Vec<Found>,
}

impl<'a> Finder<'a> {
    fn run(&mut self, form: Form) {
        if form == Form::Expression {
            self.open.push(Stretch::default());
        }
        let mut at = 0;
        while at < self.words.len() {
            at += self.step(at);
        }
        while !self.open.is_empty() {
            self.close();
        }
    }

    /// Takes the word at `at`, and returns how many were taken.
    fn step(&mut self, at: usize) -> usize {
        let word = &self.words[at];
        match &word.token {
            Token::TemplateData(_) => {}
            Token::VariableStart => {
                self.block = Block::None;
                self.open = vec![Stretch::default()];
            }
            Token::BlockStart => {
                let verb = self.name(at + 1);
                self.block = if verb == Some("for") { Block::For } else { Block::Any };
                self.open = vec![Stretch::default()];
                return if verb.is_some() { 2 } else { 1 };
            }
            Token::VariableEnd | Token::BlockEnd => {
                while !self.open.is_empty() {
                    self.close();
                }
            }
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                self.extend(&word.place);
                self.open.push(Stretch::default());
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                self.close();
                self.extend(&word.place);
            }
            Token::Comma | Token::Colon | Token::Assign => self.end(),
            Token::Eq => self.sign(word.place.clone(), "=="),
            Token::Ne => self.sign(word.place.clone(), "!="),
            Token::Lt => self.sign(word.place.clone(), "<"),
            Token::Lte => self.sign(word.place.clone(), "<="),
            Token::Gt => self.sign(word.place.clone(), ">"),
            Token::Gte => self.sign(word.place.clone(), ">="),
            Token::Ident(name) => return self.named(at, name),
            _ => self.extend(&word.place),
        }
        1
    }

    fn named(&mut self, at: usize, name: &str) -> usize {
        let place = self.words[at].place.clone();
        let before = at.checked_sub(1).map(|before| &self.words[before].token);
        let is_part = match before {
            Some(Token::Dot | Token::Pipe | Token::Ident("is")) => true,
            // `is not in`
            Some(Token::Ident("not")) => at >= 2 && self.name(at - 2) == Some("is"),
            _ => false,
        };
        if is_part {
            self.extend(&place);
            return 1;
        }
        let is_statement = self.block != Block::None && self.open.len() == 1;
        match name {
            "not" if self.name(at + 1) == Some("in") => {
                self.sign(place.start..self.words[at + 1].place.end, "not in");
                return 2;
            }
            "in" if self.block == Block::For && self.open.len() == 1 => {
                self.block = Block::Any;
                self.end();
            }
            "in" => self.sign(place, "in"),
            "and" | "or" | "not" | "if" | "else" => self.end(),
            "recursive" | "as" | "ignore" | "with" | "without" | "import" if is_statement => self.end(),
            _ => self.extend(&place),
        }
        1
    }

    fn name(&self, at: usize) -> Option<&'a str> {
        match self.words.get(at)?.token {
            Token::Ident(name) => Some(name),
            _ => None,
        }
    }

    fn extend(&mut self, place: &Range<usize>) {
        if let Some(stretch) = self.open.last_mut() {
            let start = stretch.place.as_ref().map_or(place.start, |known| known.start);
            stretch.place = Some(start..place.end);
        }
    }

    fn sign(&mut self, place: Range<usize>, sign: &'static str) {
        if let Some(stretch) = self.open.last_mut() {
            stretch.signs.push((place, sign));
        }
    }

    /// Ends the innermost stretch; another begins at the same depth.
    fn end(&mut self) {
        if !self.open.is_empty() {
            self.close();
            self.open.push(Stretch::default());
        }
    }

    fn close(&mut self) {
        let Some(Stretch { place, signs }) = self.open.pop() else {
            return;
        };
        if let Some(whole) = place.filter(|_| !signs.is_empty()) {
            self.found.push(Found { whole, signs });
        }
    }
}

/// Which operand of a comparison is undefined.
#[derive(Debug)]
struct Operand(usize);

impl fmt::Display for Operand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "operand {}", self.0 + 1)
    }
}

impl std::error::Error for Operand {}

/// Makes all comparisons of an environment strict.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.add_test(TEST, |value: &Value, rest: Rest<Value>| {
        let mut left = value;
        for (number, pair) in rest.chunks(2).enumerate() {
            let [sign, right] = pair else { break };
            if !compared(sign.as_str().unwrap_or_default(), left, right, number)? {
                return Ok(false);
            }
            left = right;
        }
        Ok::<bool, Error>(true)
    });
    for (sign, names) in COMPARING_TESTS {
        for name in *names {
            environment.add_test(*name, move |left: &Value, right: &Value| compared(sign, left, right, 0));
        }
    }
}

fn compared(sign: &str, left: &Value, right: &Value, number: usize) -> Result<bool, Error> {
    for (offset, value) in [left, right].into_iter().enumerate() {
        if value.is_undefined() {
            return Err(Error::from(ErrorKind::UndefinedError).with_source(Operand(number + offset)));
        }
    }
    // The whole result is unknown.
    if is_unknown(left) || is_unknown(right) {
        return Ok(false);
    }
    let (Some(left_sort), Some(right_sort)) = (Sort::of(left), Sort::of(right)) else {
        return Ok(plain(sign, left, right));
    };
    if let Some(misfit) = misfit(sign, left_sort, right_sort) {
        return Err(refused(misfit));
    }
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str())
        && let Some(misfit) = numbers_in_strings(sign, left, right)
    {
        return Err(refused(misfit));
    }
    if sign.ends_with("in") && right_sort == Sort::List {
        return contains(sign, left, left_sort, right);
    }
    Ok(plain(sign, left, right))
}

fn contains(sign: &str, left: &Value, left_sort: Sort, list: &Value) -> Result<bool, Error> {
    let mut others = None;
    let mut is_alike = left_sort == Sort::None;
    let mut is_found = false;
    for item in list.try_iter()? {
        if is_unknown(&item) {
            return Ok(false);
        }
        match Sort::of(&item) {
            Some(sort) if sort != left_sort && sort != Sort::None => others = Some(sort),
            _ => is_alike = true,
        }
        is_found = is_found || item == *left;
    }
    match others {
        Some(items) if !is_alike => Err(refused(not_among(sign, left_sort, items))),
        _ => Ok(is_found == (sign == "in")),
    }
}

fn plain(sign: &str, left: &Value, right: &Value) -> bool {
    match sign {
        "==" => left == right,
        "!=" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        ">=" => left >= right,
        _ => {
            let found = match (left.as_str(), right.as_str()) {
                (Some(part), Some(text)) => text.contains(part),
                // A fact of something that does not exist is `none`.
                _ => right
                    .get_item(left)
                    .is_ok_and(|item| is_unknown(&item) || !(item.is_undefined() || item.is_none())),
            };
            found == (sign == "in")
        }
    }
}

fn refused(misfit: Misfit) -> Error {
    Error::new(ErrorKind::InvalidOperation, misfit.title.clone()).with_source(misfit)
}

#[cfg(test)]
mod tests;
