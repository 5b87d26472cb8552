//! Patterns of paths below a folder.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

use crate::change::Stop;
use crate::operations::PlanContext;

/// Patterns of paths below a folder.
pub(super) struct Patterns(Vec<Pattern>);

struct Pattern {
    glob: GlobMatcher,
    /// Whether it stands for a name in any directory.
    is_name: bool,
}

impl Patterns {
    /// The patterns of a parameter.
    ///
    /// Errors: one of them is not valid.
    pub(super) fn new(context: &PlanContext<'_>, argument: &str, patterns: &[String]) -> Result<Self, Stop> {
        let read = |pattern: &String| {
            let bare = pattern.trim_matches('/');
            let refused = |why: String| {
                context
                    .refuse_item(argument, pattern, format!("`{}` is not a valid pattern", pattern.escape_debug()), why)
                    .hint("`*` matches any text without `/`, `**` any directories, `?` one character, `[ab]` one of these, `{a,b}` one of these texts")
            };
            if bare.is_empty() {
                return Err(refused("names nothing".to_owned()));
            }
            Ok(Pattern {
                glob: matcher(bare).map_err(refused)?,
                is_name: !pattern.trim_end_matches('/').contains('/'),
            })
        };
        patterns.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a path below the folder, or a directory that it is in, is one of those meant.
    pub(super) fn matches(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut parts = ends.map(|end| (&path[..end], path[..end].rsplit('/').next().unwrap_or_default()));
        parts.any(|(whole, name)| {
            let is_meant = |pattern: &Pattern| pattern.glob.is_match(if pattern.is_name { name } else { whole });
            self.0.iter().any(is_meant)
        })
    }
}

/// Errors: why it is no pattern, for a person.
fn matcher(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build();
    let glob = glob.map_err(|error| error.kind().to_string())?;
    Ok(glob.compile_matcher())
}

/// Why this is no pattern of paths below a folder, for a person; `None` if it is one.
pub fn pattern_mistake(pattern: &str) -> Option<String> {
    if pattern.trim_matches('/').is_empty() {
        return Some("names nothing".to_owned());
    }
    if pattern.starts_with('/') {
        return Some("must not start with `/`".to_owned());
    }
    matcher(pattern).err()
}

/// What is said of paths below a folder, by patterns of whole paths. Of several that match, the longest one counts.
pub(in crate::operations) struct Rules<T>(Vec<(String, GlobMatcher, T)>);

impl<T> Rules<T> {
    /// Errors: why one is no pattern, for a person.
    pub(in crate::operations) fn new(rules: impl Iterator<Item = (String, T)>) -> Result<Self, String> {
        let read = rules.map(|(pattern, rule)| {
            let glob = matcher(&pattern)?;
            Ok((pattern, glob, rule))
        });
        read.collect::<Result<_, String>>().map(Self)
    }

    /// What is said of a path.
    pub(in crate::operations) fn of(&self, path: &str) -> Option<&T> {
        let matching = self.0.iter().filter(|(_, glob, _)| glob.is_match(path));
        let longest = matching.max_by_key(|(pattern, ..)| pattern.len());
        longest.map(|(_, _, rule)| rule)
    }

    /// The patterns.
    pub(in crate::operations) fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(pattern, ..)| pattern.as_str())
    }

    /// Whether one of the patterns matches a path.
    pub(in crate::operations) fn matches(&self, pattern: &str, path: &str) -> bool {
        let mut all = self.0.iter();
        all.any(|(one, glob, _)| one == pattern && glob.is_match(path))
    }

    /// All that is said.
    pub(in crate::operations) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, _, rule)| rule)
    }
}

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: fmt::Debug> fmt::Debug for Rules<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.0.iter().map(|(pattern, _, rule)| (pattern, rule));
        formatter.debug_map().entries(rules).finish()
    }
}
