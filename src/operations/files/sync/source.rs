//! The files of a folder of the project.

use std::collections::{BTreeMap, BTreeSet};

use super::patterns::Patterns;
use crate::change::Stop;
use crate::content::Assets;
use crate::error::suggestion;
use crate::operations::PlanContext;

/// The files of a folder of the project, by their paths on the host below the destination.
pub(super) struct Source<'a> {
    files: BTreeMap<String, File<'a>>,
}

struct File<'a> {
    /// Below `templates/`.
    asset: &'a str,
    is_rendered: bool,
}

impl<'a> Source<'a> {
    /// No files.
    pub(super) fn empty() -> Self {
        Self { files: BTreeMap::new() }
    }

    /// The files of the folder `src`.
    ///
    /// Errors: there is no such folder, two files would become one, or a name cannot be on a host.
    pub(super) fn new(
        context: &'a PlanContext<'_>,
        src: &str,
        render: bool,
        excluded: &Patterns,
    ) -> Result<Self, Stop> {
        let top = format!("{}/", src.trim_end_matches('/'));
        let mut files: BTreeMap<String, File<'a>> = BTreeMap::new();
        let mut is_there = false;
        for asset in context.asset_names() {
            let Some(name) = asset.strip_prefix(&top) else { continue };
            is_there = true;
            let without_end = name.strip_suffix(Assets::TEMPLATE_SUFFIX);
            let rendered = without_end.filter(|name| render && !name.is_empty() && !name.ends_with('/'));
            if excluded.matches(name) || rendered.is_some_and(|name| excluded.matches(name)) {
                continue;
            }
            if name.chars().any(char::is_control) {
                let title = format!("`templates/{}` is not a valid name", asset.escape_debug());
                return Err(context
                    .refuse("src", title, "contains a control character")
                    .hint("rename it, or leave it out with `exclude`"));
            }
            let file = File {
                asset,
                is_rendered: rendered.is_some(),
            };
            let name = rendered.unwrap_or(name).to_owned();
            if let Some(other) = files.get(&name) {
                let title = format!(
                    "`templates/{}` and `templates/{asset}` would be one file on the host",
                    other.asset
                );
                return Err(context
                    .refuse("src", title, format!("both become `{name}`"))
                    .hint("remove or rename one of them, or leave it out with `exclude`"));
            }
            files.insert(name, file);
        }
        let source = Self { files };
        if let Some(name) = directories_of(source.names())
            .iter()
            .find(|name| source.files.contains_key(*name))
        {
            let title = format!("`{name}` would be a file and a directory on the host");
            return Err(context
                .refuse("src", title, format!("`{name}.j2` becomes `{name}`"))
                .hint("remove or rename one of them, or leave it out with `exclude`"));
        }
        if is_there {
            Ok(source)
        } else {
            Err(missing(context, src))
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Whether a file can be executed in the project.
    pub(super) fn is_executable(&self, context: &PlanContext<'_>, name: &str) -> bool {
        let file = self.files.get(name);
        file.is_some_and(|file| context.is_executable_asset(file.asset))
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// The paths of files and directories below `dest`.
    pub(super) fn paths(&self, dest: &str) -> Vec<String> {
        let dest = dest.trim_end_matches('/');
        let directories = directories_of(self.names());
        let names = directories.iter().map(String::as_str).chain(self.names());
        names.map(|name| format!("{dest}/{name}")).collect()
    }

    /// The paths of files on the host, below the destination, with those below `templates/`, and whether they are rendered.
    pub(super) fn assets(&self) -> impl Iterator<Item = (&str, &'a str, bool)> {
        self.files
            .iter()
            .map(|(name, file)| (name.as_str(), file.asset, file.is_rendered))
    }
}

/// The directories that paths are in, those above others first.
pub(super) fn directories_of<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names
        .flat_map(|name| name.match_indices('/').map(|(at, _)| name[..at].to_owned()))
        .collect()
}

fn missing(context: &PlanContext<'_>, src: &str) -> Stop {
    let name = src.trim_end_matches('/');
    if context.asset_names().any(|asset| asset == name) {
        return context
            .refuse("src", format!("`templates/{name}` is not a folder"), "this is a file")
            .hint("use `files.put` or `files.template` for one file");
    }
    let folders = directories_of(context.asset_names());
    let bare = name.trim_start_matches("templates/").trim_start_matches('/');
    let hint = if folders.contains(bare) {
        format!("paths start below `templates/`: write `{bare}`")
    } else {
        suggestion(name, folders.iter().map(String::as_str)).unwrap_or_else(|| {
            "put files into that folder; git keeps no folder without files, so it does not count".to_owned()
        })
    };
    context
        .refuse(
            "src",
            format!("`templates/{name}` does not exist, or has no files"),
            "no files of the project are there",
        )
        .hint(hint)
}
