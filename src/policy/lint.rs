//! What a lint is.

use super::finding::Finding;
use super::scene::Scene;

/// How bad what a lint finds is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It cannot work, or gives a secret away: the exit code is 3.
    Error,
    /// It is a risk, or a contradiction.
    Warning,
    /// It could be better. Shown with `--verbose` only.
    Note,
}

impl Level {
    /// The word for it, also that of SARIF.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A line of the table of lints.
pub struct Lint {
    /// Its name, for `allow`.
    pub name: &'static str,
    pub level: Level,
    /// What it finds, in one line.
    pub title: &'static str,
    /// Why that is bad.
    pub why: &'static str,
    /// What to do instead.
    pub remedy: &'static str,
    pub(super) check: fn(&Scene<'_>) -> Vec<Finding>,
}

impl std::fmt::Debug for Lint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

impl PartialEq for Lint {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
