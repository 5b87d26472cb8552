//! What a review announces, read back from its text.

use std::collections::BTreeSet;

/// The text of a review, with `--verbose` where packages are to be read from it.
pub(crate) struct Review<'a>(pub(crate) &'a str);

const MARKS: &[&str] = &["+ ", "~ ", "- ", "? ", "↻ "];
/// Hosts stand at the margin, tasks below them, and what changes below these.
const HEAD: &str = "    ";
/// What is said about a change, and the lines of a file.
const BODY: &str = "        ";

impl<'a> Review<'a> {
    /// Mark, kind and name of every resource, such as `~ unit cron.service`.
    pub(crate) fn resources(&self) -> Vec<String> {
        let words = |head: &str| head.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        self.heads().map(words).collect()
    }

    /// Names of resources of a kind, whatever happens to them.
    pub(crate) fn named(&self, kind: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for head in self.heads() {
            let mut words = head.split_whitespace().skip(1);
            if words.next() == Some(kind) {
                names.extend(words.next().map(str::to_owned));
            }
        }
        names
    }

    /// The packages that are asked for, and all that come along with them, each with its version.
    pub(crate) fn packages(&self) -> BTreeSet<(String, String)> {
        let named = |mark: &'static str| self.heads().filter_map(move |head| head.strip_prefix(mark));
        let all = named("+ package ").chain(named("~ package ")).chain(self.along());
        all.filter_map(|package| {
            let (name, versions) = package.split_once(' ')?;
            let new = versions.rsplit("→").next()?.split_whitespace().next()?;
            Some((name.to_owned(), new.to_owned()))
        })
        .collect()
    }

    /// The lists after "and … additional packages:", one package a line.
    fn along(&self) -> Vec<&'a str> {
        let mut packages = Vec::new();
        let mut is_list = false;
        for line in self.0.lines() {
            let package = line.strip_prefix(BODY).and_then(|text| text.strip_prefix("+ "));
            match package {
                Some(package) if is_list => packages.push(package),
                _ => is_list = line.trim_start().starts_with("and ") && line.ends_with("additional packages:"),
            }
        }
        packages
    }

    /// The content shown for a new file.
    pub(crate) fn content(&self, path: &str) -> String {
        let head = format!("{HEAD}+ file {path} ");
        let mut content = String::new();
        let after = self.0.lines().skip_while(|line| !line.starts_with(&head)).skip(1);
        for line in after.map_while(|line| line.strip_prefix(BODY)) {
            if let Some(added) = line.strip_prefix("+ ") {
                content.push_str(added);
                content.push('\n');
            }
        }
        content
    }

    /// Lines that announce a resource.
    fn heads(&self) -> impl Iterator<Item = &'a str> {
        let inner = self.0.lines().filter_map(|line| line.strip_prefix(HEAD));
        inner.filter(|line| MARKS.iter().any(|mark| line.starts_with(mark)))
    }
}

/// The resources that the lines of a deploy call applied, such as `unit cron.service`, in order.
pub(crate) fn applied(told: &str) -> Vec<String> {
    let mut resources = Vec::new();
    for line in told.lines() {
        let mut words = line.splitn(3, "  ").map(str::trim);
        if let (Some(_), Some("applied"), Some(rest)) = (words.next(), words.next(), words.next()) {
            let rest = rest.split(" (").next().unwrap_or(rest);
            let names = rest.split(", ").map(str::trim);
            // Of many packages, such as upgrades on a day with many, only a count is told.
            let is_count = |name: &str| {
                name.strip_suffix(" more")
                    .is_some_and(|count| count.parse::<u32>().is_ok())
            };
            resources.extend(names.filter(|name| !is_count(name)).map(str::to_owned));
        }
    }
    resources
}
