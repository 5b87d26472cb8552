//! A case: a mistake, where it is, and what the user is told.
//!
//! ```text
//! What was done wrong, in a line.
//! $ check home site
//! -- tasks/system/base.toml
//! < packages = ["tree", "curl"]
//! > «pakages» = ["tree", "curl"]
//! -- templates/web/footer.j2
//! a file that the right project does not have, or has otherwise
//! -- group_data/dns.toml (removed)
//! ==
//! error: …
//! ```
//!
//! Lines after `<` are replaced by those after `>`, which alone are added to the file's end. `«…»` is where a mistake is
//! told, `‹…›` where a further end of it is. With `(bytes)` behind its path a whole file may hold bytes as `\xff`;
//! `(link to /etc)` makes a symbolic link, `(pipe)` a named pipe, and `(20 MiB)` a file of that size without text.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// What stands between a case and what is printed about it.
const END: &str = "==";

/// A wrong project and what is said of it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
    /// The files that differ from the right project; `None` where one is taken away.
    pub(crate) files: BTreeMap<String, Option<Vec<u8>>>,
    /// What is no file with text: its path and how it is made.
    pub(crate) odd: Vec<(String, Odd)>,
    pub(crate) marks: Vec<Mark>,
    /// The case as it is written, without what is told.
    pub(crate) given: String,
    pub(crate) told: String,
}

/// What a project may contain besides files with text.
pub(crate) enum Odd {
    Link(String),
    Pipe,
    /// In MiB.
    Large(u64),
}

/// A place that the case marks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) file: String,
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) word: String,
    /// Whether it is the mistake itself, rather than a further end.
    pub(crate) is_first: bool,
}

impl Case {
    pub(crate) fn read(path: &Path, base: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (given, told) = text
            .split_once(&format!("\n{END}\n"))
            .unwrap_or_else(|| panic!("{name}: no `{END}`"));
        let mut case = Self {
            name,
            command: vec!["check".to_owned()],
            files: BTreeMap::new(),
            odd: Vec::new(),
            marks: Vec::new(),
            given: given.to_owned(),
            told: told.to_owned(),
        };
        let mut sections = given.split("\n-- ");
        for line in sections.next().unwrap_or_default().lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                case.command = command.split(' ').map(str::to_owned).collect();
            }
        }
        for section in sections {
            let (head, body) = section.split_once('\n').unwrap_or((section, ""));
            case.section(head, body, base);
        }
        case.marks.sort();
        case
    }

    fn section(&mut self, head: &str, body: &str, base: &Path) {
        let (path, manner) = head.split_once(" (").unwrap_or((head, ""));
        let odd = match manner.strip_suffix(')') {
            Some("pipe") => Some(Odd::Pipe),
            Some(manner) => match (manner.strip_prefix("link to "), manner.strip_suffix(" MiB")) {
                (Some(target), _) => Some(Odd::Link(target.to_owned())),
                (None, size) => size.map(|size| Odd::Large(size.parse().unwrap())),
            },
            None => None,
        };
        if let Some(odd) = odd {
            self.odd.push((path.to_owned(), odd));
            return;
        }
        let file = match manner {
            "removed)" => None,
            "bytes)" => {
                // As the tool shows what is no text.
                self.unmarked(path, &lossy(body));
                Some(bytes(&format!("{body}\n").replace(['«', '»', '‹', '›'], "")))
            }
            _ => {
                let text = if body.starts_with("< ") || body.starts_with("> ") {
                    let right = std::fs::read_to_string(base.join(path)).unwrap();
                    edited(&right, body, &self.name)
                } else {
                    format!("{body}\n")
                };
                Some(self.unmarked(path, &text).into_bytes())
            }
        };
        self.files.insert(path.to_owned(), file);
    }

    /// The text without marks, which are noted.
    fn unmarked(&mut self, path: &str, text: &str) -> String {
        let mut plain = String::new();
        let mut open: Vec<(usize, bool)> = Vec::new();
        for character in text.chars() {
            match character {
                '«' | '‹' => open.push((plain.len(), character == '«')),
                '»' | '›' => {
                    let (start, is_first) = open.pop().expect("a mark that was opened");
                    self.marks.push(Mark::of(path, &plain, start..plain.len(), is_first));
                }
                other => plain.push(other),
            }
        }
        assert!(open.is_empty(), "{}: a mark without end", self.name);
        plain
    }
}

impl Mark {
    fn of(file: &str, text: &str, span: Range<usize>, is_first: bool) -> Self {
        let before = &text[..span.start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() as u64 + 1,
            column: before[line_start..].chars().count() as u64 + 1,
            word: text[span].to_owned(),
            is_first,
        }
    }
}

fn edited(right: &str, body: &str, name: &str) -> String {
    let mut lines: Vec<&str> = right.lines().collect();
    let body: Vec<&str> = body.lines().collect();
    for change in body.chunk_by(|above, below| above.starts_with('<') || !below.starts_with('<')) {
        let part = |sign: char| -> Vec<&str> {
            let of_sign = change.iter().filter_map(|line| line.strip_prefix(sign));
            of_sign.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect()
        };
        let (old, new) = (part('<'), part('>'));
        if old.is_empty() {
            lines.extend(new);
            continue;
        }
        let at = lines
            .windows(old.len())
            .position(|window| window == old)
            .unwrap_or_else(|| panic!("{name}: the right project has no line `{}`", old[0]));
        lines.splice(at..at + old.len(), new);
    }
    lines.join("\n") + "\n"
}

fn lossy(text: &str) -> String {
    let mut parts = text.split("\\x");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        // Its two digits may stand before the end of a mark.
        format!("{text}\u{fffd}{}", &part[2..])
    })
}

fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut parts = text.split("\\x");
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(part[2..].bytes());
    }
    bytes
}
