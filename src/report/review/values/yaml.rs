//! The tree of a YAML document. Anchors, tags, keys that are no strings and further documents are left to the line diff.

use std::collections::BTreeSet;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::tree::{DEEPEST, Entry, Kind, Node};

/// The tree of `text`; `None` if it is not YAML or has what the tree does not.
pub(super) fn read(text: &str) -> Option<Node> {
    let mut reading = Reading {
        text,
        events: Parser::new_from_str(text),
        offsets: text.char_indices().map(|(at, _)| at).chain([text.len()]).collect(),
    };
    let root = loop {
        match reading.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (event @ (Event::MappingStart(..) | Event::SequenceStart(..)), span) => {
                break reading.node(event, span, 0)?;
            }
            _ => return None,
        }
    };
    loop {
        match reading.next()? {
            (Event::DocumentEnd | Event::Nothing, _) => {}
            (Event::StreamEnd, _) => return Some(root),
            _ => return None,
        }
    }
}

struct Reading<'a> {
    text: &'a str,
    events: Parser<'a, StrInput<'a>>,
    /// The byte at which each character begins.
    offsets: Vec<usize>,
}

impl<'a> Reading<'a> {
    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        self.events.next()?.ok()
    }

    fn place(&self, span: Span) -> Option<Range<usize>> {
        Some(*self.offsets.get(span.start.index())?..*self.offsets.get(span.end.index())?)
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Option<Node> {
        if depth > DEEPEST {
            return None;
        }
        match event {
            Event::Scalar(text, style, 0, None) => self.scalar(&text, style, span),
            Event::SequenceStart(0, None) => {
                let mut items = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::SequenceEnd, end) => break end,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                };
                Some(Node {
                    places: self.brackets(span, end)?,
                    kind: Kind::List(items),
                })
            }
            Event::MappingStart(0, None) => {
                let mut entries = Vec::new();
                let mut keys = BTreeSet::new();
                let end = loop {
                    let (event, span) = match self.next()? {
                        (Event::MappingEnd, end) => break end,
                        key => key,
                    };
                    let (key, place) = self.key(event, span)?;
                    if !keys.insert(key.clone()) {
                        return None;
                    }
                    let (event, span) = self.next()?;
                    let value = self.node(event, span, depth + 1)?;
                    entries.push(Entry { key, place, value });
                };
                Some(Node {
                    places: self.brackets(span, end)?,
                    kind: Kind::Table(entries),
                })
            }
            _ => None,
        }
    }

    /// A key that is a string for all that read YAML, on a line.
    fn key(&self, event: Event<'a>, span: Span) -> Option<(String, Range<usize>)> {
        let Event::Scalar(text, style, 0, None) = event else {
            return None;
        };
        let node = self.scalar(&text, style, span)?;
        let place = node.places.into_iter().next()?;
        match node.kind {
            Kind::String(text) if text != "<<" => Some((text, place)),
            _ => None,
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Span) -> Option<Node> {
        let place = self.place(span)?;
        let written = self.text.get(place.clone())?;
        let is_quoted = |quote: char| {
            let inner = written.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            inner.is_some_and(|inner| !inner.contains('\n'))
        };
        let kind = match style {
            ScalarStyle::Plain if written.trim_end() == text => {
                if is_string(text) {
                    Kind::String(text.to_owned())
                } else if text.is_empty() {
                    Kind::Other("null".to_owned())
                } else {
                    Kind::Other(text.to_owned())
                }
            }
            ScalarStyle::SingleQuoted if is_quoted('\'') => Kind::String(text.to_owned()),
            ScalarStyle::DoubleQuoted if is_quoted('"') => Kind::String(text.to_owned()),
            _ => Kind::Long(text.to_owned()),
        };
        let written = place.start..place.start + written.trim_end().len();
        Some(Node {
            places: vec![written],
            kind,
        })
    }

    /// Where the brackets of a list or table are written, if it has any.
    fn brackets(&self, start: Span, end: Span) -> Option<Vec<Range<usize>>> {
        let (start, end) = (self.place(start)?.start, self.place(end)?.start);
        let has = |at: usize, brackets: [char; 2]| self.text.get(at..).is_some_and(|rest| rest.starts_with(brackets));
        Some(if has(start, ['[', '{']) && has(end, [']', '}']) {
            vec![start..start + 1, end..end + 1]
        } else {
            Vec::new()
        })
    }
}

/// Whether text without quotes is a string in every version of YAML.
fn is_string(text: &str) -> bool {
    let word = text.to_ascii_lowercase();
    let is_word = matches!(
        word.as_str(),
        "" | "~" | "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "="
    );
    let may_be_number = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "_+.:-".contains(character));
    !is_word && !may_be_number
}
