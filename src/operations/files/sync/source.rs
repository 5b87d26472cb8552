//! The files of a folder of the project.

use std::collections::{BTreeMap, BTreeSet};

use super::patterns::Patterns;
use crate::change::Stop;
use crate::content::{Assets, Content};
use crate::error::suggestion;
use crate::operations::PlanContext;
use crate::value::Known;

/// The files of a folder of the project, by their paths on the host below the destination.
pub(super) struct Source<'a> {
    files: BTreeMap<String, File<'a>>,
}

struct File<'a> {
    /// Below `templates/`.
    asset: &'a str,
    is_rendered: bool,
}

/// What a file of the host gets.
pub(super) enum Text<'a> {
    /// A file of the project, by its path below `templates/`.
    Asset(&'a str),
    Rendered(Content),
}

/// Files by their paths below `dest`, with what each gets.
type Texts<'s, 'a> = Vec<(&'s str, Text<'a>)>;

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

    /// What each file gets. `Known::No` if a template uses an unknown value.
    ///
    /// Errors: a template is not valid.
    pub(super) fn texts(&self, context: &PlanContext<'_>) -> Result<Known<Texts<'_, 'a>>, Stop> {
        Ok(match self.known_texts(context)? {
            (_, Some(why)) => Known::No(why),
            (texts, None) => Known::Yes(texts),
        })
    }

    /// What each file gets that uses no unknown value, and why another one is not known.
    ///
    /// Errors: a template is not valid.
    pub(super) fn known_texts(&self, context: &PlanContext<'_>) -> Result<(Texts<'_, 'a>, Option<String>), Stop> {
        let mut texts = Vec::with_capacity(self.files.len());
        let mut unknown = None;
        for (name, file) in &self.files {
            let text = if file.is_rendered {
                match context.render_asset("src", file.asset)? {
                    Known::Yes(text) => Text::Rendered(Content::of_text(&text)),
                    Known::No(why) => {
                        unknown.get_or_insert(format!("`templates/{}` uses an unknown value: {why}", file.asset));
                        continue;
                    }
                }
            } else if context.is_encrypted_asset(file.asset) {
                Text::Rendered(context.asset_or_secret("src", file.asset)?)
            } else {
                Text::Asset(file.asset)
            };
            texts.push((name.as_str(), text));
        }
        Ok((texts, unknown))
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
