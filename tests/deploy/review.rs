//! What a review announces, read back from its text.

use std::collections::BTreeSet;

/// The text of a review, `--verbose` and with its marks at the beginning of lines.
pub(crate) struct Review<'a>(pub(crate) &'a str);

const MARKS: &[&str] = &["+ ", "~ ", "- ", "? ", "↻ "];

impl<'a> Review<'a> {
    /// Mark, kind and name of every resource, such as `~ unit cron.service`.
    pub(crate) fn resources(&self) -> Vec<String> {
        self.heads().map(|head| first_words(head, 3)).collect()
    }

    /// Names of resources of a kind, whatever happens to them.
    pub(crate) fn named(&self, kind: &str) -> BTreeSet<String> {
        self.heads()
            .map(|head| head.split_whitespace().skip(1).take(2).collect::<Vec<_>>())
            .filter(|words| words.first() == Some(&kind))
            .filter_map(|words| words.get(1).map(|name| (*name).to_owned()))
            .collect()
    }

    /// The packages that are asked for, and all that come along with them, each with its version.
    pub(crate) fn packages(&self) -> BTreeSet<(String, String)> {
        let asked_for = self.heads().filter_map(|head| head.strip_prefix("+ package "));
        let along = self
            .0
            .lines()
            .filter_map(|line| line.trim().strip_prefix("and with it "));
        let along = along
            .filter_map(|line| line.split_once(": "))
            .flat_map(|(_, all)| all.split(", "));
        asked_for
            .chain(along)
            .filter_map(|package| {
                let mut words = package.split_whitespace();
                Some((words.next()?.to_owned(), words.next()?.to_owned()))
            })
            .collect()
    }

    /// The content shown for a new file.
    pub(crate) fn content(&self, path: &str) -> String {
        let mut lines = self
            .0
            .lines()
            .skip_while(|line| !line.contains(&format!("+ file {path}")));
        let head = lines.next().unwrap_or_default();
        let deeper = |line: &&str| indent(line) > indent(head) && line.trim_start().starts_with('+');
        let mut content = String::new();
        for line in lines.take_while(deeper) {
            let added = line.trim_start().trim_start_matches('+');
            content.push_str(added.strip_prefix(' ').unwrap_or(added));
            content.push('\n');
        }
        content
    }

    /// Lines that announce a resource: content lies deeper than the shallowest marks.
    fn heads(&self) -> impl Iterator<Item = &'a str> {
        let marked = |line: &&str| MARKS.iter().any(|mark| line.trim_start().starts_with(mark));
        let shallowest = self.0.lines().filter(marked).map(indent).min().unwrap_or_default();
        self.0
            .lines()
            .filter(marked)
            .filter(move |line| indent(line) == shallowest)
            .map(str::trim)
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn first_words(line: &str, count: usize) -> String {
    line.split_whitespace().take(count).collect::<Vec<_>>().join(" ")
}
