//! YAML, of which JSON is a part, as a table with positions.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::error::{Diagnostic, Origin, SourceFile};
use crate::value::{Entry, Kind, Table, Value};

/// Deeper files are refused.
const DEEPEST: usize = 64;

/// The table that a file is.
///
/// Errors: it is not YAML, is something else than a table, or uses what `sops` does not write.
pub(super) fn parse(file: &Arc<SourceFile>) -> Result<Table, Diagnostic> {
    let mut reading = Reading {
        events: Parser::new_from_str(&file.text),
        file,
        offsets: file
            .text
            .char_indices()
            .map(|(at, _)| at)
            .chain([file.text.len()])
            .collect(),
    };
    loop {
        let (event, span) = reading.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::MappingStart(..) => return reading.table(0),
            _ => return Err(reading.wrong(span, "a table at the top is needed")),
        }
    }
}

struct Reading<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    file: &'a Arc<SourceFile>,
    /// The byte at which each character begins.
    offsets: Vec<usize>,
}

impl<'a> Reading<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Diagnostic> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let at = Span::empty(*error.marker());
                Err(self.wrong(at, "not valid YAML").because(error.info().to_owned()))
            }
            None => Err(self.wrong(Span::default(), "the file ends too early")),
        }
    }

    fn origin(&self, span: Span) -> Origin {
        let byte = |index: usize| self.offsets.get(index).copied().unwrap_or(self.file.text.len());
        Origin::new(self.file, byte(span.start.index())..byte(span.end.index()))
    }

    fn wrong(&self, span: Span, label: &str) -> Diagnostic {
        Diagnostic::new(format!("cannot read `{}`", self.file.path))
            .at(&self.origin(span), label)
            .hint("restore the file from git, or write it again with `sops`")
    }

    /// The rest of a table.
    fn table(&mut self, depth: usize) -> Result<Table, Diagnostic> {
        let mut table: Table = IndexMap::new();
        let mut keys: HashSet<String> = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(table),
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(self.wrong(span, "a key must be text")),
            };
            if !keys.insert(key.clone()) {
                return Err(self.wrong(span, "this key is there twice"));
            }
            let place = self.origin(span);
            let (event, span) = self.next()?;
            if let Some(value) = self.value(event, span, depth + 1)? {
                let key_place = Some(place);
                table.insert(key, Entry { key: key_place, value });
            }
        }
    }

    /// A value; `None` for null.
    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Option<Value>, Diagnostic> {
        if depth > DEEPEST {
            return Err(self.wrong(span, "nested too deep"));
        }
        let kind = match event {
            Event::Scalar(text, ScalarStyle::Plain, _, None) => match plain(&text) {
                Some(kind) => kind,
                None => return Ok(None),
            },
            Event::Scalar(text, ..) => Kind::String(text.into_owned()),
            Event::MappingStart(..) => Kind::Table(self.table(depth)?),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break Kind::List(items);
                    }
                    items.extend(self.value(event, span, depth + 1)?);
                }
            }
            _ => return Err(self.wrong(span, "aliases are not supported")),
        };
        Ok(Some(Value {
            kind,
            origin: Some(self.origin(span)),
        }))
    }
}

/// What text without quotes is; `None` for null.
fn plain(text: &str) -> Option<Kind> {
    let is_number = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => return None,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ if is_number => match (text.parse(), text.parse()) {
            (Ok(number), _) => Kind::Integer(number),
            (_, Ok(number)) => Kind::Float(number),
            _ => Kind::String(text.to_owned()),
        },
        _ => Kind::String(text.to_owned()),
    })
}
