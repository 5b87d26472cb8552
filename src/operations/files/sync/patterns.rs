//! Patterns of paths below a folder.

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
            let glob = GlobBuilder::new(bare)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| refused(error.kind().to_string()))?;
            Ok(Pattern {
                glob: glob.compile_matcher(),
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
