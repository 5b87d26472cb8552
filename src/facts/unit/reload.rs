//! Whether a unit can read its configuration again while it runs.

use serde::{Deserialize, Serialize};

use crate::facts::kind::{DependsOn, Key, Subject};

/// Whether systemd can reload the unit of this name. Only a handler that reloads it needs to know.
#[derive(Clone, Copy)]
pub struct ReloadKey<'a>(pub &'a str);

impl<'a> Key<'a> for ReloadKey<'a> {
    type Fact = bool;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("whether unit `{}` can be reloaded", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Unit(self.0)
    }

    fn absent() -> Option<bool> {
        Some(false)
    }

    fn may_come_with_packages(self) -> bool {
        true
    }
}

/// What the files that the plan changes say about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reload {
    /// They are as on the host: [`ReloadKey`] tells.
    #[default]
    AsOnHost,
    Possible,
    Impossible,
    Unknown,
}

impl Reload {
    /// Of a unit with this unit file, which may have drop-ins.
    pub(super) fn of_file(is_possible: bool, has_drop_ins: bool) -> Self {
        match (is_possible, has_drop_ins) {
            (true, _) => Self::Possible,
            (false, true) => Self::Unknown,
            (false, false) => Self::Impossible,
        }
    }
}
