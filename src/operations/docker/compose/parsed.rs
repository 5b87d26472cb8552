//! The compose files of a project as they are written, and how a mistake in one of them is told.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use super::yaml::{Broken, Entry, Node, parse};

/// What is wrong at a place of a compose file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The file.
    pub(super) name: String,
    pub(super) place: Range<usize>,
    pub(super) title: String,
    pub(super) label: String,
    pub(super) hint: String,
}

/// The compose files of a project, each with its name and text.
pub(super) struct ComposeFiles<'a> {
    pub(super) files: Vec<(&'a str, Rc<Node>)>,
    /// Whether they say all that there is.
    pub(super) is_whole: bool,
}

impl<'a> ComposeFiles<'a> {
    /// `are_all` says whether there is no other one.
    ///
    /// Errors: one of them is no YAML, or too large.
    pub(super) fn parse(texts: &[(&'a str, &str)], are_all: bool) -> Result<Self, Wrong> {
        let mut files = Vec::new();
        for (name, text) in texts {
            match parse(text) {
                Ok(file) => files.push((*name, file)),
                Err(broken) if broken.is_left_to_compose() => {
                    return Ok(Self {
                        files: Vec::new(),
                        is_whole: false,
                    });
                }
                Err(broken) => return Err(unreadable(name, text, broken)),
            }
        }
        let extends = |file: &Node| services(file).any(|service| service.value.get("extends").is_some());
        let is_alone = |file: &Node| file.get("include").is_none() && !extends(file);
        let is_whole = are_all && files.iter().all(|(_, file)| is_alone(file));
        Ok(Self { files, is_whole })
    }

    /// The names of the services; `None` if there may be others.
    pub(super) fn service_names(&self) -> Option<BTreeSet<&str>> {
        self.is_whole.then(|| self.names("services"))
    }

    /// The names in a table at the top of the files.
    pub(super) fn names(&self, table: &str) -> BTreeSet<&str> {
        let tables = self.files.iter().filter_map(|(_, file)| file.get(table));
        tables
            .flat_map(|table| table.entries().iter().map(|entry| entry.key.as_str()))
            .collect()
    }

    /// Whether any file gives a service one of these keys.
    pub(super) fn has_any(&self, service: &str, keys: &[&str]) -> bool {
        let all = self.files.iter().flat_map(|(_, file)| services(file));
        let mut own = all.filter(|entry| entry.key == service);
        own.any(|entry| entry.value.is_tagged || keys.iter().any(|key| entry.value.get(key).is_some()))
    }
}

/// The services of a file.
pub(super) fn services(file: &Node) -> impl Iterator<Item = &Entry> {
    let services = file.get("services").map(|services| services.entries());
    services.unwrap_or_default().iter()
}

/// That a file is no YAML.
fn unreadable(name: &str, text: &str, broken: Broken) -> Wrong {
    let start = text[..broken.place.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let above = text[..start].lines().next_back().unwrap_or_default();
    let hint = if line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t') {
        "YAML takes no tabs for indentation: use spaces".to_owned()
    } else if line.contains("{{") || above.contains("{{") {
        format!("call the file `{name}.j2` if it is a template; otherwise put the text in quotes")
    } else {
        "check the indentation, quotes and brackets there and in the line before".to_owned()
    };
    Wrong {
        name: name.to_owned(),
        place: broken.place,
        title: format!("`{name}` is not valid YAML"),
        label: broken.why,
        hint,
    }
}
