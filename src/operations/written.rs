//! Where the lines of a text are written that an operation puts on the host.

use std::collections::HashMap;

use super::context::PlanContext;
use crate::content::Assets;
use crate::error::{Origin, SourceFile};
use crate::value::{Kind, Table};

/// The folder of assets, as people see it.
const FOLDER: &str = "templates";

/// A text of the project that becomes a file of the host: a string of a task or of data, or a whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenText {
    place: Origin,
    /// Where the file is named, if it is one.
    pub used: Option<Origin>,
}

impl WrittenText {
    /// The text that an operation with `arguments` puts at `path` of the host; `None` if it is not in the project as text.
    pub fn of(arguments: &Table, assets: &Assets, path: &str) -> Option<Self> {
        let written = |key: &str| {
            let value = &arguments.get(key)?.value;
            Some((value, value.as_str()?))
        };
        if let Some(content) = arguments.get("content") {
            let is_text = matches!(content.value.kind, Kind::String(_) | Kind::Secret(_));
            let place = content.value.origin.clone().filter(|_| is_text)?;
            return Some(Self { place, used: None });
        }
        let (value, src) = written("src")?;
        let below = written("dest").and_then(|(_, dest)| path.strip_prefix(dest)?.strip_prefix('/'));
        let inside = below.map(|below| format!("{}/{below}", src.trim_end_matches('/')));
        let rendered = inside.as_ref().map(|name| format!("{name}{}", Assets::TEMPLATE_SUFFIX));
        let names = [Some(src.to_owned()), inside, rendered];
        let name = names.into_iter().flatten().find(|name| assets.get(name).is_some())?;
        Self::of_file(assets, &name, value.origin.as_ref())
    }

    /// The file of the project at `name` below `templates/`, which `used` names; `None` if it is no text.
    pub fn of_file(assets: &Assets, name: &str, used: Option<&Origin>) -> Option<Self> {
        let text = std::str::from_utf8(assets.get(name)?).ok()?;
        let file = SourceFile::new(format!("{FOLDER}/{name}"), text);
        Some(Self {
            place: Origin::new(&file, 0..text.len()),
            used: used.cloned(),
        })
    }

    /// The place of line `number` of `text`, counted from 1, which was made from it; `None` if that is not clear.
    pub fn line(&self, text: &str, number: usize) -> Option<Origin> {
        self.lines(text)?.line(number)
    }

    /// The places of the lines of `text`, which was made from it; `None` if they are not clear.
    pub fn lines<'a>(&'a self, text: &'a str) -> Option<WrittenLines<'a>> {
        let source = self.place.file.text.get(self.place.span.clone())?;
        let mut start = match self.used {
            Some(_) => 0,
            None => begin(source)?,
        };
        let mut lines = Vec::new();
        for line in source[start..].split_inclusive('\n') {
            lines.push((start, line));
            start += line.len();
        }
        let mut alike: HashMap<&str, Option<usize>> = HashMap::new();
        for (at, (_, line)) in lines.iter().enumerate() {
            let mut add = |line| {
                alike.entry(line).and_modify(|only| *only = None).or_insert(Some(at));
            };
            let line = line.trim();
            add(line);
            let without_quotes = line.trim_end_matches(['"', '\'']);
            if at + 1 == lines.len() && without_quotes != line {
                add(without_quotes);
            }
        }
        Some(WrittenLines {
            written: self,
            made: text.lines().collect(),
            has_blocks: lines.iter().any(|(_, line)| line.contains("{%")),
            lines,
            alike,
        })
    }
}

/// The lines of a text and of what it was made from.
#[derive(Debug)]
pub struct WrittenLines<'a> {
    written: &'a WrittenText,
    made: Vec<&'a str>,
    /// With their places in the string or file.
    lines: Vec<(usize, &'a str)>,
    has_blocks: bool,
    /// The index of the only line that reads so; `None` if there are several.
    alike: HashMap<&'a str, Option<usize>>,
}

impl WrittenLines<'_> {
    /// The place of line `number` of the text, counted from 1; `None` if that is not clear.
    pub fn line(&self, number: usize) -> Option<Origin> {
        let index = number.checked_sub(1)?;
        let found = self.found(self.made.get(index)?.trim(), index)?;
        let (start, line) = self.lines[found];
        let place = &self.written.place;
        let at = place.span.start + start + line.len() - line.trim_start().len();
        let end = line.trim().trim_end_matches(['"', '\'']).len();
        let is_last = found + 1 == self.lines.len() && self.written.used.is_none();
        Some(Origin::new(
            &place.file,
            at..at + if is_last { end } else { line.trim().len() },
        ))
    }

    /// The index of the line that became `wanted`, line `index`: the one in its place, or the only one that reads alike.
    fn found(&self, wanted: &str, index: usize) -> Option<usize> {
        let is_last = index + 1 == self.lines.len();
        if let Some((_, written)) = self.lines.get(index) {
            let line = written.trim();
            let is_alike = line == wanted || is_last && line.trim_end_matches(['"', '\'']) == wanted;
            let has_all = !self.has_blocks && self.lines.len().abs_diff(self.made.len()) <= 1;
            if is_alike || has_all && line.contains("{{") {
                return Some(index);
            }
        }
        self.alike.get(wanted).copied().flatten().filter(|_| !wanted.is_empty())
    }
}

impl PlanContext<'_> {
    /// The text of the project that this operation puts at `path` of the host.
    pub(super) fn written_text(&self, path: &str) -> Option<WrittenText> {
        WrittenText::of(self.arguments, self.assets, path)
    }
}

/// Where the text of a TOML string begins within what is written of it; `None` if it is written in another way.
fn begin(literal: &str) -> Option<usize> {
    for quotes in ["\"\"\"", "'''"] {
        if let Some(rest) = literal.strip_prefix(quotes) {
            let line_end = ["\r\n", "\n"].iter().find(|end| rest.starts_with(**end));
            return Some(quotes.len() + line_end.map_or(0, |end| end.len()));
        }
    }
    literal.starts_with(['"', '\'']).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::parse_toml;

    fn place(written: &str, text: &str, number: usize) -> Option<(String, String)> {
        let file = SourceFile::new("t.toml", format!("op = 'x'\ncontent = {written}\nb = 1\n"));
        let arguments = parse_toml(&file).expect("valid TOML");
        let at = WrittenText::of(&arguments, &Assets::default(), "/etc/x")?.line(text, number)?;
        Some((at.to_string(), at.file.text[at.span].to_owned()))
    }

    fn asset(src: &str, name: &str, written: &str, text: &str, number: usize) -> Option<(String, String)> {
        let file = SourceFile::new("t.toml", format!("src = '{src}'\ndest = '/etc/d'\n"));
        let arguments = parse_toml(&file).expect("valid TOML");
        let mut assets = Assets::default();
        assets.insert(name, written.as_bytes().to_vec());
        let at = WrittenText::of(&arguments, &assets, "/etc/d/a/b")?.line(text, number)?;
        Some((at.to_string(), at.file.text[at.span].to_owned()))
    }

    #[test]
    fn a_line_of_a_string_is_found_where_it_is_written() {
        let found = |place: &str, text: &str| Some((place.to_owned(), text.to_owned()));
        let long = "\"\"\"\none\n  two\n  two\n\"\"\"";
        let text = "one\n  two\n  two\n";
        assert_eq!(place(long, text, 1), found("t.toml:3:1", "one"));
        assert_eq!(place(long, text, 3), found("t.toml:5:3", "two"));
        assert_eq!(place("'''one\ntwo'''", "one\ntwo", 1), found("t.toml:2:14", "one"));
        assert_eq!(place("'''one\ntwo'''", "one\ntwo", 2), found("t.toml:3:1", "two"));
        assert_eq!(place("\"one\"", "one", 1), found("t.toml:2:12", "one"));
        // Line breaks that are written as signs, another text, and a line that it does not have.
        assert_eq!(place("\"one\\ntwo\"", "one\ntwo", 2), None);
        assert_eq!(place(long, "one\nthree\n", 2), None);
        assert_eq!(place(long, "one\n", 9), None);
    }

    #[test]
    fn a_line_of_a_template_is_the_one_in_its_place_or_the_only_one_alike() {
        let found = |place: &str, text: &str| Some((place.to_owned(), text.to_owned()));
        let template = "\"\"\"\na\nb {{ x }}\nc\n\"\"\"";
        assert_eq!(place(template, "a\nb 1\nc\n", 2), found("t.toml:4:1", "b {{ x }}"));
        let blocks = "\"\"\"\n{% for x in y %}\nb {{ x }}\n{% endfor %}\nc\nd\nd\n\"\"\"";
        assert_eq!(place(blocks, "b 1\nb 2\nc\nd\nd\n", 3), found("t.toml:6:1", "c"));
        assert_eq!(place(blocks, "b 1\nb 2\nc\nd\nd\n", 2), None);
        assert_eq!(place(blocks, "b 1\nc\nd\nd\n", 4), None);
    }

    #[test]
    fn a_line_of_a_file_is_found_in_it() {
        let found = |place: &str, text: &str| Some((place.to_owned(), text.to_owned()));
        let text = "one\ntwo\n";
        assert_eq!(asset("x", "x", text, text, 2), found("templates/x:2:1", "two"));
        assert_eq!(asset("s", "s/a/b", text, text, 2), found("templates/s/a/b:2:1", "two"));
        let template = "one\n{{ y }}\n";
        assert_eq!(
            asset("s/", "s/a/b.j2", template, text, 2),
            found("templates/s/a/b.j2:2:1", "{{ y }}")
        );
        assert_eq!(asset("s", "x", text, text, 2), None);
    }
}
