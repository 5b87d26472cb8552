//! The signs of a review.

use crate::change::Action;

/// The sign before an entry or a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Added,
    Changed,
    Removed,
    /// Done each time.
    EachTime,
    /// Known later.
    Later,
    /// A check that passes.
    Passes,
    /// A check that runs after the changes.
    PassesLater,
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
            Self::Passes | Self::PassesLater => "✓",
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
            Action::RunEachTime => Self::EachTime,
        }
    }
}
