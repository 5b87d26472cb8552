//! A compose file as it is written, with the place of everything in it: what is wrong in it can be shown where it is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

/// Deeper files are refused.
const DEEPEST: usize = 64;
/// How many values a file may have once anchors are filled in: a few lines of aliases could make billions.
const MOST: u64 = 100_000;

/// A value with its place, in bytes.
#[derive(Debug)]
pub struct Node {
    pub place: Range<usize>,
    pub kind: NodeKind,
    /// Whether a tag says what it is, such as `!reset`.
    pub is_tagged: bool,
    /// Whether the tag is `!reset`, which takes out what is written.
    is_reset: bool,
    /// How many values it is, with all below.
    size: u64,
}

/// What a value is.
#[derive(Debug)]
pub enum NodeKind {
    /// Whether it is written without quotes.
    Scalar {
        text: String,
        is_plain: bool,
    },
    List(Vec<Rc<Node>>),
    Table(Vec<Entry>),
}

/// An entry of a table.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    /// Of the key.
    pub place: Range<usize>,
    pub value: Rc<Node>,
}

/// Why a file cannot be read, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    pub place: Range<usize>,
    pub why: String,
}

impl Node {
    /// Its text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            NodeKind::List(_) | NodeKind::Table(_) => None,
        }
    }

    /// Whether there is nothing: `key:`, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { text, is_plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// Its entries; none if it is no table.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            NodeKind::Table(entries) => entries,
            NodeKind::Scalar { .. } | NodeKind::List(_) => &[],
        }
    }

    /// Its items; none if it is no list.
    pub fn items(&self) -> &[Rc<Self>] {
        match &self.kind {
            NodeKind::List(items) => items,
            NodeKind::Scalar { .. } | NodeKind::Table(_) => &[],
        }
    }

    /// Its items that compose uses: none of a list that `!reset` takes out.
    pub fn used_items(&self) -> &[Rc<Self>] {
        if self.is_reset { &[] } else { self.items() }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Rc<Self>> {
        let entry = self.entries().iter().find(|entry| entry.key == key)?;
        Some(&entry.value)
    }

    /// The keys of a table, or what `of` says of each item of a list, with their places.
    pub fn named(&self, of: fn(&Self) -> Option<&str>) -> Vec<(Range<usize>, String)> {
        let keys = self
            .entries()
            .iter()
            .map(|entry| (entry.place.clone(), entry.key.clone()));
        let items = self.items().iter();
        let items = items.filter_map(|item| Some((item.place.clone(), of(item)?.to_owned())));
        keys.chain(items).collect()
    }

    /// Every text in it, with its place.
    pub fn texts(&self) -> Vec<(&str, &Range<usize>)> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => vec![(text, &self.place)],
            NodeKind::List(items) => items.iter().flat_map(|item| item.texts()).collect(),
            NodeKind::Table(entries) => entries.iter().flat_map(|entry| entry.value.texts()).collect(),
        }
    }
}

/// The first document of a file.
///
/// Errors: it is not YAML, has a key twice, or is too large.
pub fn parse(text: &str) -> Result<Rc<Node>, Broken> {
    first_document(text).map_err(|broken| match broken.why.as_str() {
        BLOCK_TAB if is_in_brackets(&text[..broken.place.start]) => Broken {
            why: BRACKETS_TAB.to_owned(),
            ..broken
        },
        _ => broken,
    })
}

/// Whether brackets are open at the end of a text, by its quotes and comments alone.
fn is_in_brackets(text: &str) -> bool {
    let (mut depth, mut quote, mut before) = (0_usize, None, '\n');
    let mut is_comment = false;
    for sign in text.chars() {
        match (sign, quote) {
            ('\n', None) => is_comment = false,
            _ if is_comment => {}
            (_, Some(open)) => quote = Some(open).filter(|open| *open != sign),
            ('#', None) if before.is_whitespace() => is_comment = true,
            ('"' | '\'', None) if !before.is_alphanumeric() => quote = Some(sign),
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = sign;
    }
    depth > 0
}

fn first_document(text: &str) -> Result<Rc<Node>, Broken> {
    let mut reading = Reading {
        events: Parser::new_from_str(text),
        offsets: text.char_indices().map(|(at, _)| at).chain([text.len()]).collect(),
        anchors: BTreeMap::new(),
    };
    loop {
        let (event, span) = reading.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd => {
                let kind = NodeKind::Scalar {
                    text: String::new(),
                    is_plain: true,
                };
                return Ok(Rc::new(Node {
                    place: 0..0,
                    kind,
                    is_tagged: false,
                    is_reset: false,
                    size: 1,
                }));
            }
            event => return reading.node(event, span, 0),
        }
    }
}

/// What the parser says of a tab that begins a line, whether brackets are open there or not.
const BLOCK_TAB: &str = "tabs disallowed within this context (block indentation)";
/// The same within brackets, where indentation means nothing.
const BRACKETS_TAB: &str = "a tab begins a line within brackets";

/// What the parser refuses and compose's does not: where brackets and further lines of a quoted text begin, and tabs between words.
const TAKEN_BY_COMPOSE: [&str; 9] = [
    "invalid indentation",
    "invalid indentation in flow construct",
    "invalid indentation in quoted scalar",
    "':' must be followed by a valid YAML whitespace",
    "'-' must be followed by a valid YAML whitespace",
    "tab cannot be used as indentation",
    "tabs disallowed in this context",
    BRACKETS_TAB,
    "while scanning a plain scalar, found a tab",
];

impl Broken {
    /// Whether only compose can say if it is wrong.
    pub(super) fn is_left_to_compose(&self) -> bool {
        TAKEN_BY_COMPOSE.contains(&self.why.as_str())
    }
}

struct Reading<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// The byte at which each character begins.
    offsets: Vec<usize>,
    anchors: BTreeMap<usize, Rc<Node>>,
}

impl<'a> Reading<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Broken> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.broken(Span::empty(*error.marker()), error.info())),
            None => Err(self.broken(Span::default(), "the file ends too early")),
        }
    }

    fn place(&self, span: Span) -> Range<usize> {
        let end = self.offsets.last().copied().unwrap_or_default();
        let byte = |index: usize| self.offsets.get(index).copied().unwrap_or(end);
        byte(span.start.index())..byte(span.end.index())
    }

    fn broken(&self, span: Span, why: &str) -> Broken {
        Broken {
            place: self.place(span),
            why: why.to_owned(),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Rc<Node>, Broken> {
        if depth > DEEPEST {
            return Err(self.broken(span, "too deep"));
        }
        let tag = match &event {
            Event::Scalar(_, _, _, tag) | Event::SequenceStart(_, tag) | Event::MappingStart(_, tag) => tag.as_ref(),
            _ => None,
        };
        let (is_tagged, is_reset) = (tag.is_some(), tag.is_some_and(|tag| tag.suffix == "reset"));
        let (kind, anchor, end) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                return known.ok_or_else(|| self.broken(span, "the alias is used within its own anchor"));
            }
            Event::Scalar(text, style, anchor, _) => {
                let kind = NodeKind::Scalar {
                    text: text.into_owned(),
                    is_plain: style == ScalarStyle::Plain,
                };
                (kind, anchor, span)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                let end = loop {
                    match self.next()? {
                        (Event::SequenceEnd, end) => break end,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                };
                (NodeKind::List(items), anchor, end)
            }
            Event::MappingStart(anchor, _) => {
                let (entries, end) = self.entries(depth)?;
                (NodeKind::Table(entries), anchor, end)
            }
            _ => return Err(self.broken(span, "a value is missing")),
        };
        let below: u64 = match &kind {
            NodeKind::Scalar { .. } => 0,
            NodeKind::List(items) => items.iter().map(|item| item.size).sum(),
            NodeKind::Table(entries) => entries.iter().map(|entry| entry.value.size).sum(),
        };
        if below > MOST {
            let why = format!("its anchors and aliases make more than {MOST} values");
            return Err(self.broken(span, &why));
        }
        let place = self.place(span).start..self.place(end).end;
        let node = Rc::new(Node {
            place,
            kind,
            is_tagged,
            is_reset,
            size: below + 1,
        });
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    /// The rest of a table, and its end.
    fn entries(&mut self, depth: usize) -> Result<(Vec<Entry>, Span), Broken> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => {
                    let is_new = |entry: &Entry| entries.iter().all(|one| one.key != entry.key);
                    merged.retain(is_new);
                    entries.extend(merged);
                    return Ok((entries, span));
                }
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(self.broken(span, "a key must be text")),
            };
            let (event, of_value) = self.next()?;
            let value = self.node(event, of_value, depth + 1)?;
            if key == "<<" {
                merged.extend(value.entries().iter().cloned());
                merged.extend(value.items().iter().flat_map(|item| item.entries().iter().cloned()));
                continue;
            }
            if entries.iter().any(|entry| entry.key == key) {
                return Err(self.broken(span, &format!("`{key}` is there twice")));
            }
            entries.push(Entry {
                key,
                place: self.place(span),
                value,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_place() {
        let text =
            "x-all: &all { restart: always }\nservices:\n  ü:\n    <<: *all\n    image: \"demo:1\"\n    ports: [80]\n";
        let file = parse(text).expect("valid");
        let service = file.get("services").and_then(|all| all.get("ü")).expect("a service");
        let image = service.get("image").expect("an image");
        assert_eq!(&text[image.place.clone()], "\"demo:1\"");
        assert_eq!(service.get("restart").and_then(|node| node.text()), Some("always"));
        assert_eq!(service.get("ports").map(|node| node.items().len()), Some(1));
        assert!(parse("").expect("nothing").is_null());
    }

    #[test]
    fn tabs_within_brackets_are_left_to_compose() {
        for (text, is_left) in [
            ("services:\n  web: {\n\timage: demo }\n", true),
            (
                "services:\n  web:\n    image: demo\n    ports: [\n\t\t'80:80',\n\t\t'81:81'\n\t]\n",
                true,
            ),
            ("services:\n  web:\n    command: [\"a\", # one ]\n\t'b']\n", true),
            ("services:\n\tweb:\n\t\timage: demo\n", false),
            ("x: [a, '[']\nservices:\n\tweb: {}\n", false),
            ("# [\nservices:\n\tweb: {}\n", false),
        ] {
            let broken = parse(text).expect_err(text);
            assert_eq!(broken.is_left_to_compose(), is_left, "{text}: {broken:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_a_place_and_a_reason() {
        let mut bomb = String::from("a0: &a0 [x]\n");
        for at in 1..12 {
            let before = at - 1;
            let line = format!("a{at}: &a{at} [{}]\n", vec![format!("*a{before}"); 9].join(","));
            bomb.push_str(&line);
        }
        for (text, line, why) in [
            ("a: 1\na: 2\n", 2, "`a` is there twice"),
            ("services:\n\tweb: {}\n", 2, "tab"),
            ("a: [\n", 2, ""),
            ("a: &a [*a]\n", 1, "within its own anchor"),
            (bomb.as_str(), 7, "more than 100000 values"),
        ] {
            let broken = parse(text).expect_err(text);
            let found = text[..broken.place.start].matches('\n').count() + 1;
            assert!(broken.why.contains(why), "{}", broken.why);
            assert!(found.abs_diff(line) <= 1, "{text}: {broken:?}");
        }
    }
}
