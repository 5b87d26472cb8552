//! systemd units.

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};

/// The systemd unit of this name, with its suffix.
#[derive(Clone, Copy)]
pub struct UnitKey<'a>(pub &'a str);

impl<'a> Key<'a> for UnitKey<'a> {
    type Fact = UnitFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("unit `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Unit(self.0)
    }

    fn absent() -> Option<UnitFact> {
        Some(UnitFact::Absent)
    }

    fn may_come_with_packages(self) -> bool {
        true
    }
}

/// A systemd unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitFact {
    /// systemd knows no such unit.
    Absent,
    Present(UnitState),
}

/// The state of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// `ActiveState`: `active`, `inactive`, `failed`, `activating` …
    pub active: String,
    /// `UnitFileState`: `enabled`, `disabled`, `static`, `masked` …
    pub enabled: String,
    /// `LoadState`: `loaded`, `masked`, `error` …
    pub load: String,
    /// The unit file has changed since systemd loaded it.
    pub needs_reload: bool,
}

impl UnitState {
    /// Whether the unit is active or starting.
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading")
    }

    /// Whether the unit starts at boot.
    pub fn is_enabled(&self) -> bool {
        matches!(self.enabled.as_str(), "enabled" | "enabled-runtime")
    }
}
