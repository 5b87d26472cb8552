//! The signs of a review.

use strum::EnumIter;

use crate::change::Action;

/// The sign before an entry or a change.
#[derive(Clone, Copy, Debug, EnumIter, PartialEq, Eq)]
pub enum Sign {
    Added,
    Changed,
    Removed,
    /// Done each time, or when it is due.
    EachTime,
    /// Known later.
    Later,
    /// A check that runs after the changes.
    CheckLater,
    /// A check that passes.
    Passes,
    /// A check that fails.
    Fails,
    /// Nothing to do.
    Unchanged,
}

impl Sign {
    /// The sign itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "+",
            Self::Changed => "~",
            Self::Removed => "-",
            Self::EachTime => "↻",
            Self::Later => "?",
            Self::CheckLater => "○",
            Self::Passes => "✓",
            Self::Fails => "✗",
            Self::Unchanged => "=",
        }
    }
}

impl From<Action> for Sign {
    fn from(action: Action) -> Self {
        match action {
            Action::Create => Self::Added,
            Action::Update => Self::Changed,
            Action::Remove => Self::Removed,
            Action::RunEachTime | Action::Refresh => Self::EachTime,
        }
    }
}
