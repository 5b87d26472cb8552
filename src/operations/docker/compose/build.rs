//! What an image is built from: the files of a build context that are in the stack, and the section `build` of its service.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use globset::{GlobBuilder, GlobMatcher};

use crate::content::Content;
use crate::facts::compose::Service;
use crate::facts::path::is_below;
use crate::secret::sha256_hex;

/// What is left out of a context that has no list for its own Dockerfile.
const IGNORED: &str = ".dockerignore";

/// Files of a stack on the host, with whether they can be executed there.
pub(super) struct ContextFiles<'a> {
    pub(super) contents: BTreeMap<String, (&'a Content, bool)>,
}

/// What an image is built from.
pub(super) struct BuildInputs {
    /// Of the section of the service, and of the paths, bytes and executable bits of all files.
    pub(super) digest: String,
    /// The paths of the files on the host.
    pub(super) paths: BTreeSet<String>,
    /// The directory of most of them.
    context: String,
    /// The paths of the files in it that are left out.
    ignored: BTreeSet<String>,
}

impl BuildInputs {
    /// Whether any of these files, which are written or removed, may be one of them.
    pub(super) fn has_any_of(&self, changed: &BTreeSet<String>) -> bool {
        let ignored = |path: &String| self.ignored.contains(path);
        let is_own = |path: &String| self.paths.contains(path) || is_below(path, &self.context) && !ignored(path);
        changed.iter().any(is_own)
    }
}

impl ContextFiles<'_> {
    /// What the image of a service is built from; `None` if it is not built, or from a place that is not in the stack.
    pub(super) fn inputs_of(&self, service: &Service) -> Option<BuildInputs> {
        let build = service.build.as_ref()?;
        let context = build.context.trim_end_matches('/');
        if context.is_empty() {
            return None;
        }
        let below = |path: &'_ str| -> Option<String> {
            let name = path.strip_prefix(context)?.strip_prefix('/')?;
            Some(name.to_owned())
        };
        let dockerfile = match &build.dockerfile {
            Some(path) if path.starts_with('/') => path.clone(),
            Some(path) => format!("{context}/{path}"),
            None => format!("{context}/Dockerfile"),
        };
        let own_list = format!("{dockerfile}{IGNORED}");
        let list = [own_list, format!("{context}/{IGNORED}")];
        let list = list.iter().find_map(|path| self.contents.get(path));
        let ignored = list.and_then(|(content, _)| std::str::from_utf8(content.bytes()?).ok());
        let ignored = Ignored::new(ignored.unwrap_or_default());
        let is_input = |path: &str| path == dockerfile || below(path).is_some_and(|name| !ignored.matches(&name));
        let files = self.contents.iter().filter(|(path, _)| is_input(path));
        let mut paths = BTreeSet::new();
        let mut text = format!("{}\n", build.digest);
        for (path, (content, is_executable)) in files {
            let name = below(path).unwrap_or_else(|| path.clone());
            let _ = writeln!(text, "{} {is_executable} {name:?}", content.sha256());
            paths.insert(path.clone());
        }
        let ignored = self
            .contents
            .keys()
            .filter(|path| !paths.contains(*path))
            .cloned()
            .collect();
        (!paths.is_empty()).then(|| BuildInputs {
            digest: sha256_hex(text.as_bytes()),
            paths,
            context: context.to_owned(),
            ignored,
        })
    }
}

/// A list of patterns as in `.dockerignore`: the last one that matches a path or a directory that it is in counts, and `!` takes back.
struct Ignored(Vec<(GlobMatcher, bool)>);

impl Ignored {
    fn new(text: &str) -> Self {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let patterns = lines.filter_map(|line| {
            let (pattern, is_ignored) = match line.strip_prefix('!') {
                Some(pattern) => (pattern.trim(), false),
                None => (line, true),
            };
            let pattern = pattern.trim_start_matches("./").trim_matches('/');
            // A pattern that is none ignores nothing: then more is built than has to be.
            let glob = GlobBuilder::new(pattern).literal_separator(true).build().ok()?;
            Some((glob.compile_matcher(), is_ignored))
        });
        Self(patterns.collect())
    }

    fn matches(&self, name: &str) -> bool {
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        let parts: Vec<&str> = ends.map(|end| &name[..end]).collect();
        let last = self
            .0
            .iter()
            .rfind(|(glob, _)| parts.iter().any(|part| glob.is_match(part)));
        last.is_some_and(|(_, is_ignored)| *is_ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::compose::Build;

    const FOLDER: &str = "/opt/stacks/web/app";

    fn service(digest: &str) -> Service {
        Service {
            build: Some(Build {
                context: FOLDER.to_owned(),
                dockerfile: None,
                digest: digest.to_owned(),
            }),
            ..Service::default()
        }
    }

    fn inputs(digest: &str, files: &[(&str, &str, bool)]) -> Option<BuildInputs> {
        let contents: Vec<Content> = files.iter().map(|(_, text, _)| Content::new(text.as_bytes())).collect();
        let named = files.iter().zip(&contents);
        let contents = named.map(|((path, _, is_executable), content)| ((*path).to_owned(), (content, *is_executable)));
        let contents = contents.collect();
        ContextFiles { contents }.inputs_of(&service(digest))
    }

    const FILES: [(&str, &str, bool); 5] = [
        ("/opt/stacks/web/compose.yaml", "services: {}", false),
        ("/opt/stacks/web/app/Dockerfile", "FROM scratch", false),
        (
            "/opt/stacks/web/app/.dockerignore",
            "# lists\n*.md\ndata/\n!data/keep\n",
            false,
        ),
        ("/opt/stacks/web/app/data/log", "x", false),
        ("/opt/stacks/web/app/run", "x", true),
    ];

    #[test]
    fn what_is_ignored_and_outside_does_not_count() {
        let own = inputs("d", &FILES).expect("a context");
        let names: Vec<&str> = own.paths.iter().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "/opt/stacks/web/app/.dockerignore",
                "/opt/stacks/web/app/Dockerfile",
                "/opt/stacks/web/app/run"
            ]
        );
        for (at, text, is_executable, is_other) in [
            (0, "services: {a: {}}", false, false),
            (1, "FROM demo:1", false, true),
            (3, "y", false, false),
            (4, "y", true, true),
            (4, "x", false, true),
        ] {
            let mut files = FILES;
            (files[at].1, files[at].2) = (text, is_executable);
            let digest = inputs("d", &files).expect("a context").digest;
            assert_eq!(digest != own.digest, is_other, "{}", files[at].0);
        }
        assert_ne!(inputs("other", &FILES).expect("a context").digest, own.digest);
        assert!(inputs("d", &FILES[..1]).is_none(), "none of it is in the stack");
    }

    #[test]
    fn the_last_pattern_of_the_list_counts() {
        let ignored = Ignored::new("*\n!src\nsrc/**/*.tmp\n!/src/a.tmp\n");
        for (name, expected) in [
            ("README", true),
            ("src/main.rs", false),
            ("src/deep/x.tmp", true),
            ("src/a.tmp", false),
        ] {
            assert_eq!(ignored.matches(name), expected, "{name}");
        }
    }
}
