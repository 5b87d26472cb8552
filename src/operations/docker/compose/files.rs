//! The files of a stack, and what a plan makes of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::back::ChangedPaths;
use super::build::ContextFiles;
use crate::change::{Before, ResourceChange, ResourceKind, Step, Stop};
use crate::content::Content;
use crate::facts::compose::{DEFAULT_FILES, OVERRIDES, PlannedFile};
use crate::facts::overlay::WrittenFiles;
use crate::facts::path::is_below;
use crate::operations::PlanContext;
use crate::operations::files::sync::{Folder, Unknown};
use crate::secret::Secret;

/// The files of a stack.
#[derive(Default)]
pub(super) struct Written {
    /// By their paths below the project's directory.
    contents: BTreeMap<String, Content>,
    /// Those that the plan changes, by their paths on the host; `None` is removed.
    changed: BTreeMap<String, Option<Content>>,
    /// Those of them that are on the host before.
    replaced: BTreeSet<String>,
    /// The directories that the plan makes for them.
    directories: BTreeSet<String>,
    /// Those that earlier operations change.
    earlier: BTreeSet<String>,
    /// The files of the stack that use unknown values, by their paths below the directory. Their contents are outlines.
    unknown: BTreeMap<String, Unknown>,
}

impl Written {
    fn new(contents: BTreeMap<String, Content>, unknown: BTreeMap<String, Unknown>) -> Self {
        Self {
            contents,
            unknown,
            ..Self::default()
        }
    }

    /// What is in the files of a stack, if there is one.
    ///
    /// Errors: one of them cannot be read.
    pub(super) fn of(context: &PlanContext<'_>, folder: Option<&Folder<'_>>) -> Result<Self, Stop> {
        let Some(folder) = folder else {
            return Ok(Self::default());
        };
        Ok(Self::new(folder.contents(context)?, folder.unknown()))
    }

    /// Whether the files are known that say what the project is: those that compose reads by itself.
    pub(super) fn is_meaning_known(&self, files: &[String]) -> bool {
        let mut names = compose_names(files).into_iter().chain([".env"]);
        // Any file may be one that they name.
        let leads_on = || {
            let texts = self.compose_texts(files);
            texts
                .iter()
                .any(|(_, text)| text.contains("include") || text.contains("extends"))
        };
        names.all(|name| !self.unknown.contains_key(name)) && (self.unknown.is_empty() || !leads_on())
    }

    /// Why nothing can be planned yet.
    pub(super) fn why_unready(&self, files: &[String]) -> Option<&str> {
        let is_meaning_known = self.is_meaning_known(files);
        let mut unready = self.unknown.values().filter(|one| !is_meaning_known || !one.is_ready());
        unready.next().map(|one| one.why.as_str())
    }

    /// Why a file of the stack is not known.
    pub(super) fn why_unknown(&self) -> Option<&str> {
        self.unknown.values().next().map(|one| one.why.as_str())
    }

    /// The same, after earlier operations have written and removed these files.
    pub(super) fn after(mut self, earlier: WrittenFiles) -> Self {
        self.earlier.extend(earlier.keys().cloned());
        let contents = earlier.into_iter().map(|(path, bytes)| (path, bytes.map(Content::new)));
        self.changed.extend(contents);
        self
    }

    /// The same, as `changes` write the files into `directory`.
    pub(super) fn changed_by(mut self, changes: &[ResourceChange], directory: &str) -> Self {
        let of = |kind: ResourceKind| changes.iter().filter(move |change| change.id.kind == kind);
        let new = of(ResourceKind::Directory).filter(|change| change.before == Before::Absent);
        self.directories.extend(new.map(|change| change.id.name.clone()));
        for change in of(ResourceKind::File) {
            let path = &change.id.name;
            let is_written = change.is_outline() || change.steps.iter().any(|step| matches!(step, Step::WriteFile(_)));
            if is_written {
                let below = path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/'));
                let content = below.and_then(|name| self.contents.get(name)).cloned();
                self.changed.insert(path.clone(), content);
            } else if change.after.is_none() {
                self.changed.insert(path.clone(), None);
            } else {
                continue;
            }
            if change.before != Before::Absent {
                self.replaced.insert(path.clone());
            }
        }
        self
    }

    /// The SHA-256 of each file of the stack, by its path on the host.
    pub(super) fn digests(&self, directory: &str) -> BTreeMap<String, String> {
        let files = self.contents.iter();
        files
            .map(|(name, content)| (format!("{directory}/{name}"), content.sha256().to_owned()))
            .collect()
    }

    /// The files of the stack, for what images are built from. `executable` are names below the directory.
    pub(super) fn context_files(&self, directory: &str, executable: &BTreeSet<String>) -> ContextFiles<'_> {
        let files = self.contents.iter();
        let contents =
            files.map(|(name, content)| (format!("{directory}/{name}"), (content, executable.contains(name))));
        ContextFiles {
            contents: contents.collect(),
        }
    }

    /// The paths of what the plan changes.
    pub(super) fn changed(&self) -> impl Iterator<Item = &str> {
        self.changed.keys().map(String::as_str)
    }

    /// What the operation itself changes.
    pub(super) fn changed_paths(&self) -> ChangedPaths {
        let changed = self.changed.keys().filter(|path| !self.earlier.contains(*path));
        let files = changed.map(|path| (path.clone(), self.replaced.contains(path)));
        ChangedPaths {
            files: files.collect(),
            directories: self.directories.clone(),
        }
    }

    /// What the operation itself writes and removes (`None`), by path.
    pub(super) fn own_changes(&self) -> impl Iterator<Item = (&str, Option<&Content>)> {
        let own = self.changed.iter().filter(|(path, _)| !self.earlier.contains(*path));
        own.map(|(path, content)| (path.as_str(), content.as_ref()))
    }

    /// What compose has to see before it is written. A large file, and one that is no text, is none that compose reads.
    pub(super) fn planned(&self) -> Vec<PlannedFile> {
        let changed = self.changed.iter().filter_map(|(path, content)| {
            let text = match content {
                None => None,
                Some(content) => Some(Secret::new(std::str::from_utf8(content.bytes()?).ok()?)),
            };
            Some(PlannedFile {
                path: path.clone(),
                is_removed: content.is_none(),
                text,
            })
        });
        changed.collect()
    }

    /// The paths that compose reads or looks for, and those of them that are not in the stack; `None` if it may read more.
    pub(super) fn read_by_compose(
        &self,
        directory: &str,
        files: &[String],
    ) -> Option<(BTreeSet<String>, BTreeSet<String>)> {
        let names: BTreeSet<&str> = compose_names(files).into_iter().collect();
        let mut reads = BTreeSet::new();
        let mut foreign = BTreeSet::new();
        for name in &names {
            let path = format!("{directory}/{name}");
            match self.contents.get(*name) {
                Some(content) => {
                    let text = std::str::from_utf8(content.bytes()?).ok()?;
                    reads.extend(references(directory, text)?);
                }
                None => drop(foreign.insert(path.clone())),
            }
            reads.insert(path);
        }
        reads.insert(format!("{directory}/.env"));
        let is_plain = |path: &String| !path.contains('\n');
        (foreign.len() < names.len() && reads.iter().all(is_plain)).then_some((reads, foreign))
    }

    /// Files outside of the directory that the compose files of the stack name for variables: earlier operations may write them.
    pub(super) fn outside(&self, directory: &str, files: &[String]) -> BTreeSet<String> {
        let names = compose_names(files);
        let texts = names.iter().filter_map(|name| self.contents.get(*name)?.bytes());
        let parsed = texts.filter_map(|text| serde_saphyr::from_str::<Value>(std::str::from_utf8(text).ok()?).ok());
        let mut found = BTreeSet::new();
        for file in parsed {
            let services = file.get("services").and_then(Value::as_object);
            for (_, service) in services.into_iter().flatten() {
                let named = variable_files(service).into_iter().flatten();
                found.extend(named.filter_map(|path| on_host(directory, path)));
            }
        }
        found.retain(|path| !is_below(path, directory));
        found
    }

    /// The names of all files.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.contents.keys().map(String::as_str)
    }

    /// The files among them that compose would find by itself, the one that it reads first.
    pub(super) fn default_files(&self) -> impl Iterator<Item = &str> {
        DEFAULT_FILES
            .into_iter()
            .filter(|name| self.contents.contains_key(*name))
    }

    /// The compose files that compose reads, with their texts.
    pub(super) fn compose_texts<'a>(&'a self, files: &'a [String]) -> Vec<(&'a str, &'a str)> {
        let names: Vec<&str> = match files {
            [] => {
                let first = self.default_files().next();
                let overrides = OVERRIDES.into_iter().filter(|_| first.is_some());
                first.into_iter().chain(overrides).collect()
            }
            files => files.iter().map(String::as_str).collect(),
        };
        let text = |name: &str| std::str::from_utf8(self.contents.get(name)?.bytes()?).ok();
        names.into_iter().filter_map(|name| Some((name, text(name)?))).collect()
    }

    /// The first file that uses a variable of compose, with its line.
    pub(super) fn user_of(&self, variable: &str) -> Option<(&str, usize)> {
        let [braced, bare] = [format!("${{{variable}"), format!("${variable}")];
        let uses = |line: &str| line.contains(&braced) || line.contains(&bare);
        self.contents.iter().find_map(|(name, content)| {
            let text = std::str::from_utf8(content.bytes()?).ok()?;
            Some((name.as_str(), text.lines().position(uses)? + 1))
        })
    }

    /// The text of the compose file, if there is only one.
    pub(super) fn only_text(&self, files: &[String]) -> Option<&str> {
        let name = match files {
            [] => *DEFAULT_FILES.iter().find(|name| self.contents.contains_key(**name))?,
            [one] => one,
            _ => return None,
        };
        let (start, end) = name.rsplit_once('.')?;
        let has_override = files.is_empty() && self.contents.contains_key(&format!("{start}.override.{end}"));
        let content = self.contents.get(name).filter(|_| !has_override)?;
        std::str::from_utf8(content.bytes()?).ok()
    }

    /// The name of the project in the compose file, if it has one. Of several files the last one counts.
    pub(super) fn name(&self, files: &[String]) -> Option<String> {
        let text = |name: &str| {
            self.contents
                .get(name)
                .and_then(|content| std::str::from_utf8(content.bytes()?).ok())
        };
        if files.is_empty() {
            let found = DEFAULT_FILES.iter().find_map(|name| text(name));
            return top_name(found?);
        }
        files.iter().rev().find_map(|name| top_name(text(name)?))
    }
}

/// The names of compose files: those that are given, or those that compose looks for.
fn compose_names(files: &[String]) -> Vec<&str> {
    match files {
        [] => DEFAULT_FILES.into_iter().chain(OVERRIDES).collect(),
        files => files.iter().map(String::as_str).collect(),
    }
}

/// The files that a compose file has compose read; `None` if that is not certain.
fn references(directory: &str, text: &str) -> Option<BTreeSet<String>> {
    let file: Value = serde_saphyr::from_str(text).ok()?;
    if file.get("include").is_some() {
        return None;
    }
    let services = file.get("services").and_then(Value::as_object);
    let mut found = BTreeSet::new();
    for service in services.into_iter().flatten().map(|(_, service)| service) {
        if service.get("extends").is_some() {
            return None;
        }
        for path in variable_files(service) {
            found.insert(on_host(directory, path?)?);
        }
    }
    Some(found)
}

/// The files that a service has variables and labels from; `None` for one that is written in an unknown way.
fn variable_files(service: &Value) -> Vec<Option<&str>> {
    let keys = ["env_file", "label_file"].into_iter();
    let items = keys.flat_map(|key| match service.get(key) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    });
    items
        .map(|item| item.as_str().or_else(|| item.get("path")?.as_str()))
        .collect()
}

/// The path of a file that a compose file names; `None` if only compose can say.
pub(super) fn on_host(directory: &str, path: &str) -> Option<String> {
    if path.contains('$') || path.starts_with('~') {
        return None;
    }
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{directory}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// The value of the key `name` at the top of a compose file.
pub(super) fn top_name(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("name:"))?;
    let value = value.split(" #").next().unwrap_or(value).trim();
    let value = value.trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// The name that compose gives to a project in this directory.
pub(super) fn project_name(directory: &str) -> String {
    let last = directory.rsplit('/').next().unwrap_or(directory).to_lowercase();
    let plain =
        |character: &char| character.is_ascii_lowercase() || character.is_ascii_digit() || "_-".contains(*character);
    let name: String = last.chars().filter(plain).collect();
    name.trim_start_matches(['_', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_called_as_compose_calls_it() {
        for (directory, expected) in [
            ("/opt/stacks/grafana", "grafana"),
            ("/opt/stacks/Home.Assistant", "homeassistant"),
            ("/opt/_web-1", "web-1"),
        ] {
            assert_eq!(project_name(directory), expected);
        }
        for (text, expected) in [
            ("name: shop\nservices: {}\n", Some("shop")),
            ("services:\n  a:\n    name: no\nname: \"shop\" # ours\n", Some("shop")),
            ("services:\n  name: {}\n", None),
            ("name:\n", None),
        ] {
            assert_eq!(top_name(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_compose_reads_is_known_unless_files_lead_to_others() {
        let reads = |text: &str| {
            let contents = [("compose.yaml".to_owned(), Content::new(text.as_bytes()))].into();
            Written::new(contents, BTreeMap::new()).read_by_compose("/opt/web", &[])
        };
        let text = "x-all: &all { env_file: all.env }\nservices:\n  a:\n    <<: *all\n  b:\n    env_file: [b.env, { path: /etc/c.env, required: false }]\n";
        let (all, foreign) = reads(text).expect("known");
        for name in ["compose.yaml", "compose.override.yml", ".env", "all.env", "b.env"] {
            assert!(all.contains(&format!("/opt/web/{name}")), "{name}");
        }
        assert!(all.contains("/etc/c.env"));
        assert!(foreign.contains("/opt/web/docker-compose.yml") && !foreign.contains("/opt/web/compose.yaml"));
        for text in [
            "include: [other.yaml]\nservices: {}\n",
            "services: { a: { extends: { file: b.yaml, service: b } } }\n",
            "services: { a: { env_file: '${NAME}.env' } }\n",
            "services: { a: { env_file: ~/a.env } }\n",
            "services: [\n",
        ] {
            assert!(reads(text).is_none(), "{text}");
        }
        assert!(Written::default().read_by_compose("/opt/web", &[]).is_none());
    }

    #[test]
    fn the_first_file_that_compose_finds_names_the_project() {
        let content = |text: &str| Content::new(text.as_bytes());
        let written = Written::new(
            [
                ("compose.yaml".to_owned(), content("name: a\n")),
                ("docker-compose.yml".to_owned(), content("name: b\n")),
                ("prod.yaml".to_owned(), content("services: {}\n")),
            ]
            .into(),
            BTreeMap::new(),
        );
        assert_eq!(written.name(&[]).as_deref(), Some("a"));
        let named = ["docker-compose.yml".to_owned(), "prod.yaml".to_owned()];
        assert_eq!(written.name(&named).as_deref(), Some("b"));
    }
}
