//! Swap files.

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};

/// The swap file at this path.
#[derive(Clone, Copy)]
pub struct SwapKey<'a>(pub &'a str);

impl<'a> Key<'a> for SwapKey<'a> {
    type Fact = SwapFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("swap `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<SwapFact> {
        Some(SwapFact::Absent)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// What is at the path of a swap file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapFact {
    Absent,
    /// Something else than swap.
    Other,
    File {
        /// In bytes.
        size: u64,
        /// Whether the kernel uses it.
        in_use: bool,
    },
}
