//! YAML and JSON as kubectl reads them, with the place of everything in them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use libyaml_safer::{Event, EventData, Mark, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::scalar::{resolve, surprise};

/// Deeper files are refused.
const DEEPEST: usize = 200;
/// How many values a document may have once anchors are filled in: a few lines of aliases could make billions.
const MOST: u64 = 400_000;
/// Keys of permissions, which everybody writes as octal numbers.
const OCTAL: [&str; 2] = ["defaultMode", "mode"];
/// What some editors begin a file with.
const ORDER_MARK: char = '\u{feff}';
/// What begins the line between two documents.
const SEPARATOR: &str = "---";

/// A value with its place, in bytes of the file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Range<usize>,
    pub(super) kind: NodeKind,
    /// How many values it is, with all below.
    size: u64,
}

#[derive(Debug)]
pub(super) enum NodeKind {
    Scalar(Value),
    List(Vec<Arc<Node>>),
    Table(Vec<Entry>),
}

/// An entry of a table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Of the key.
    pub(super) place: Range<usize>,
    pub(super) value: Arc<Node>,
}

/// Why a file cannot be read, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) place: Range<usize>,
    pub(super) why: String,
}

/// A word that means something else than it looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Surprise {
    pub(super) place: Range<usize>,
    pub(super) word: String,
    pub(super) meaning: String,
}

/// The documents of a file, without empty ones.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) documents: Vec<Arc<Node>>,
    pub(super) surprises: Vec<Surprise>,
}

impl Node {
    fn new(place: Range<usize>, kind: NodeKind) -> Self {
        let size = match &kind {
            NodeKind::Scalar(_) => 1,
            NodeKind::List(items) => 1 + items.iter().map(|item| item.size).sum::<u64>(),
            NodeKind::Table(entries) => 1 + entries.iter().map(|entry| entry.value.size).sum::<u64>(),
        };
        Self { place, kind, size }
    }

    /// The value of all of it.
    pub(super) fn json(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(value) => value.clone(),
            NodeKind::List(items) => items.iter().map(|item| item.json()).collect(),
            NodeKind::Table(entries) => {
                let entries = entries.iter().map(|entry| (entry.key.clone(), entry.value.json()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// An entry of a table.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            NodeKind::Table(entries) => entries.iter().find(|entry| entry.key == key),
            NodeKind::Scalar(_) | NodeKind::List(_) => None,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Arc<Self>> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Option<&[Arc<Self>]> {
        match &self.kind {
            NodeKind::List(items) => Some(items),
            NodeKind::Scalar(_) | NodeKind::Table(_) => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar(value) => value.as_str(),
            NodeKind::List(_) | NodeKind::Table(_) => None,
        }
    }

    /// The place of what a JSON pointer names, or of the nearest thing above it.
    pub(super) fn place_of(&self, pointer: &str) -> Range<usize> {
        let mut place = self.place.clone();
        let mut node = self;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let next = match &node.kind {
                NodeKind::Table(_) => node.get(&part),
                NodeKind::List(items) => part.parse().ok().and_then(|at: usize| items.get(at)),
                NodeKind::Scalar(_) => None,
            };
            let Some(next) = next else { break };
            node = next;
            // What an anchor brings is written elsewhere, but is meant here.
            place = node.place.clone();
        }
        place
    }

    /// The place of the key that a JSON pointer ends with, or of the nearest thing above it.
    pub(super) fn key_place_of(&self, pointer: &str) -> Range<usize> {
        let (above, last) = pointer.rsplit_once('/').unwrap_or_default();
        let last = last.replace("~1", "/").replace("~0", "~");
        let key = self.at(above).and_then(|node| match &node.kind {
            NodeKind::Table(entries) => entries.iter().find(|entry| entry.key == last),
            NodeKind::List(_) | NodeKind::Scalar(_) => None,
        });
        key.map_or_else(|| self.place_of(pointer), |key| key.place.clone())
    }

    /// What a JSON pointer names.
    fn at(&self, pointer: &str) -> Option<&Self> {
        let mut node = self;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            node = match &node.kind {
                NodeKind::Table(_) => node.get(&part)?,
                NodeKind::List(items) => items.get(part.parse::<usize>().ok()?)?,
                NodeKind::Scalar(_) => return None,
            };
        }
        Some(node)
    }
}

/// The documents of a file. JSON is read as JSON, also several values one after the other.
///
/// Errors: it is not what kubectl can read, or has a key twice.
pub(super) fn parse(text: &str) -> Result<File, Broken> {
    if text.trim_start().starts_with('{')
        && let Some(file) = json(text)
    {
        return Ok(file);
    }
    let mut file = File::default();
    for chunk in chunks(text)? {
        let mut reading = Reading::new(text, chunk);
        if let Some(document) = reading.document()? {
            file.documents.push(document);
        }
        file.surprises.append(&mut reading.surprises);
    }
    Ok(file)
}

/// The parts between lines that begin with `---`.
fn chunks(text: &str) -> Result<Vec<Range<usize>>, Broken> {
    let mut chunks = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if let Some(rest) = line.strip_prefix(SEPARATOR) {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(Broken {
                    place: at..at + line.trim_end().len(),
                    why: "only a comment may follow `---`".to_owned(),
                });
            }
            chunks.push(start..at);
            start = at + line.len();
        }
        at += line.len();
    }
    chunks.push(start..at);
    chunks.retain(|chunk| !chunk.is_empty());
    Ok(chunks)
}

/// The values of a file of JSON; `None` if it is something else, or has a key twice, which only the parser of YAML tells.
fn json(text: &str) -> Option<File> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut file = File::default();
    let mut start = 0;
    while let Some(value) = values.next() {
        let value = value.ok()?;
        let end = values.byte_offset();
        let begin = start + text[start..end].len() - text[start..end].trim_start().len();
        let mut reading = Reading::new(text, begin..end);
        let read = reading.document();
        if matches!(&read, Err(broken) if broken.why.ends_with(TWICE)) {
            return None;
        }
        // JSON has words that YAML reads otherwise, such as `\ud83d\ude00`.
        let node = read.ok().flatten().filter(|node| node.json() == value);
        file.documents
            .push(node.unwrap_or_else(|| Arc::new(unplaced(value, &(begin..end)))));
        start = end;
    }
    file.documents
        .retain(|node| !matches!(&node.kind, NodeKind::Scalar(Value::Null)));
    Some(file)
}

/// A value of which only the whole has a place.
fn unplaced(value: Value, place: &Range<usize>) -> Node {
    let kind = match value {
        Value::Array(items) => {
            let items = items.into_iter().map(|item| Arc::new(unplaced(item, place)));
            NodeKind::List(items.collect())
        }
        Value::Object(table) => {
            let entries = table.into_iter().map(|(key, value)| Entry {
                key,
                place: place.clone(),
                value: Arc::new(unplaced(value, place)),
            });
            NodeKind::Table(entries.collect())
        }
        scalar => NodeKind::Scalar(scalar),
    };
    Node::new(place.clone(), kind)
}

/// How the reason ends where a key is there a second time.
const TWICE: &str = "is there twice, with different values";

struct Reading<'a> {
    parser: Parser<&'a [u8]>,
    /// Where the document begins and ends in the file.
    chunk: Range<usize>,
    anchors: HashMap<String, Arc<Node>>,
    surprises: Vec<Surprise>,
}

impl<'a> Reading<'a> {
    fn new(text: &'a str, chunk: Range<usize>) -> Self {
        let mut parser = Parser::new();
        // The parser does not count the mark of the order of bytes.
        let mark = if text[chunk.clone()].starts_with(ORDER_MARK) {
            ORDER_MARK.len_utf8()
        } else {
            0
        };
        let chunk = chunk.start + mark..chunk.end;
        parser.set_input(text[chunk.clone()].as_bytes());
        Self {
            parser,
            chunk,
            anchors: HashMap::new(),
            surprises: Vec::new(),
        }
    }

    /// The first document; `None` if it is empty.
    fn document(&mut self) -> Result<Option<Arc<Node>>, Broken> {
        let node = loop {
            let event = self.next()?;
            match event.data {
                EventData::StreamStart { .. } | EventData::DocumentStart { .. } => {}
                EventData::StreamEnd => return Ok(None),
                _ => break self.node(event, 0)?,
            }
        };
        loop {
            let event = self.next()?;
            match event.data {
                EventData::DocumentEnd { .. } => {}
                EventData::StreamEnd => break,
                _ => return Err(self.broken(&event, "kubectl reads nothing after `...`")),
            }
        }
        let is_empty = matches!(&node.kind, NodeKind::Scalar(Value::Null));
        Ok((!is_empty).then_some(node))
    }

    fn next(&mut self) -> Result<Event, Broken> {
        self.parser.parse().map_err(|error| {
            let mark = error.problem_mark().unwrap_or_default();
            let why = match error.context() {
                Some(context) => format!("{} {context}", error.problem()),
                None => error.problem().to_owned(),
            };
            let place = self.byte(mark);
            Broken {
                place: place..place,
                why,
            }
        })
    }

    fn byte(&self, mark: Mark) -> usize {
        let index = usize::try_from(mark.index).unwrap_or(usize::MAX);
        self.chunk.start.saturating_add(index).min(self.chunk.end)
    }

    fn place(&self, event: &Event) -> Range<usize> {
        self.byte(event.start_mark)..self.byte(event.end_mark)
    }

    fn broken(&self, event: &Event, why: impl Into<String>) -> Broken {
        Broken {
            place: self.place(event),
            why: why.into(),
        }
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Arc<Node>, Broken> {
        if depth > DEEPEST {
            return Err(self.broken(&event, "too deep"));
        }
        let start = self.byte(event.start_mark);
        let (node, anchor) = match event.data {
            EventData::Alias { ref anchor } => {
                let known = self.anchors.get(anchor);
                let known = known.ok_or_else(|| self.broken(&event, format!("unknown anchor `{anchor}`")))?;
                return Ok(Arc::clone(known));
            }
            EventData::Scalar { .. } => return self.scalar(event),
            EventData::SequenceStart { anchor, .. } => {
                let mut items = Vec::new();
                let end = loop {
                    let event = self.next()?;
                    if event.data == EventData::SequenceEnd {
                        break self.byte(event.end_mark);
                    }
                    items.push(self.node(event, depth + 1)?);
                };
                (Node::new(start..end, NodeKind::List(items)), anchor)
            }
            EventData::MappingStart { anchor, .. } => {
                let (entries, end) = self.entries(depth)?;
                (Node::new(start..end, NodeKind::Table(entries)), anchor)
            }
            _ => return Err(self.broken(&event, "a value is missing")),
        };
        if node.size > MOST {
            return Err(Broken {
                place: node.place,
                why: format!("its anchors and aliases make more than {MOST} values"),
            });
        }
        let node = Arc::new(node);
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        Ok(node)
    }

    fn scalar(&mut self, event: Event) -> Result<Arc<Node>, Broken> {
        let place = self.place(&event);
        let EventData::Scalar {
            anchor,
            tag,
            value,
            style,
            ..
        } = event.data
        else {
            return Err(self.broken(&event, "a value is missing"));
        };
        let is_plain = style == ScalarStyle::Plain;
        let broken = |why| Broken {
            place: place.clone(),
            why,
        };
        let word = resolve(tag.as_deref(), &value, is_plain).map_err(broken)?;
        if is_plain
            && tag.is_none()
            && let Some(meaning) = surprise(&value, &word)
        {
            self.surprises.push(Surprise {
                place: place.clone(),
                word: value,
                meaning,
            });
        }
        let value = word.json().map_err(broken)?;
        let node = Arc::new(Node::new(place, NodeKind::Scalar(value)));
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        Ok(node)
    }

    /// The rest of a table, and its end.
    fn entries(&mut self, depth: usize) -> Result<(Vec<Entry>, usize), Broken> {
        let mut entries: Vec<Entry> = Vec::new();
        // What is written here, which may not be there twice; what is merged may be replaced.
        let mut own: HashMap<String, usize> = HashMap::new();
        loop {
            let event = self.next()?;
            if event.data == EventData::MappingEnd {
                return Ok((entries, self.byte(event.end_mark)));
            }
            let place = self.place(&event);
            let Some((key, is_merge)) = self.key(&event)? else {
                return Err(Broken {
                    place,
                    why: "a key must be text".to_owned(),
                });
            };
            let event = self.next()?;
            let of_value = self.place(&event);
            let before = self.surprises.len();
            let value = self.node(event, depth + 1)?;
            if OCTAL.contains(&key.as_str()) {
                self.surprises.truncate(before);
            }
            if is_merge {
                for entry in merged(&value).ok_or_else(|| Broken {
                    place: of_value,
                    why: "`<<` takes a table or a list of tables".to_owned(),
                })? {
                    put(&mut entries, entry);
                }
                continue;
            }
            let entry = Entry { key, place, value };
            let before = own.get(&entry.key).and_then(|at| entries.get(*at));
            if before.is_some_and(|before| before.value.json() != entry.value.json()) {
                return Err(Broken {
                    place: entry.place,
                    why: format!("`{}` {TWICE}", entry.key),
                });
            }
            let key = entry.key.clone();
            let at = put(&mut entries, entry);
            own.insert(key, at);
        }
    }

    /// The key that an event is, and whether it stands for the entries of other tables; `None` if it is no text.
    fn key(&mut self, event: &Event) -> Result<Option<(String, bool)>, Broken> {
        let place = self.place(event);
        match &event.data {
            EventData::Scalar {
                anchor,
                tag,
                value,
                style,
                ..
            } => {
                let is_plain = *style == ScalarStyle::Plain;
                let is_merge = value == "<<" && is_plain && tag.is_none();
                let broken = |why| Broken {
                    place: place.clone(),
                    why,
                };
                let word = resolve(tag.as_deref(), value, is_plain).map_err(broken)?;
                if is_plain
                    && tag.is_none()
                    && let Some(meaning) = surprise(value, &word)
                {
                    // A key is text in any case, so only another text is a surprise.
                    self.surprises.push(Surprise {
                        place: place.clone(),
                        word: value.clone(),
                        meaning,
                    });
                }
                if let Some(anchor) = anchor {
                    let kind = NodeKind::Scalar(Value::String(value.clone()));
                    let node = Node::new(place.clone(), kind);
                    self.anchors.insert(anchor.clone(), Arc::new(node));
                }
                Ok(Some((word.key().map_err(broken)?, is_merge)))
            }
            EventData::Alias { anchor } => {
                let known = self.anchors.get(anchor);
                let known = known.ok_or_else(|| self.broken(event, format!("unknown anchor `{anchor}`")))?;
                Ok(known.text().map(|text| (text.to_owned(), false)))
            }
            _ => Ok(None),
        }
    }
}

/// The entries that `<<` brings; of several tables the first one counts.
fn merged(value: &Node) -> Option<Vec<Entry>> {
    match &value.kind {
        NodeKind::Table(entries) => Some(entries.clone()),
        NodeKind::List(items) => {
            let mut all = Vec::new();
            for item in items.iter().rev() {
                let NodeKind::Table(entries) = &item.kind else {
                    return None;
                };
                all.extend(entries.iter().cloned());
            }
            Some(all)
        }
        NodeKind::Scalar(_) => None,
    }
}

/// Adds an entry, or puts it in the place of the one with its key. Returns where it is.
fn put(entries: &mut Vec<Entry>, entry: Entry) -> usize {
    if let Some(at) = entries.iter().position(|one| one.key == entry.key) {
        entries[at] = entry;
        return at;
    }
    entries.push(entry);
    entries.len() - 1
}

#[cfg(test)]
mod tests;
