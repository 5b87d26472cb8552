//! systemd units.

pub(super) mod files;
mod lines;
mod name;
mod reload;
mod settings;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};

pub use files::{UnitFilePath, is_drop_in_folder, is_file_of};
pub use lines::{Misread, misread};
pub(super) use name::instances_probe;
pub use name::{instances, is_unit_name, template, template_of};
pub use reload::{Reload, ReloadKey};
pub use settings::settings_of;

/// What the names of units end with.
pub const SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".slice",
    ".scope",
];

/// `ActiveState` of a unit that does not run.
pub const STOPPED: [&str; 3] = ["inactive", "failed", "deactivating"];

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
#[expect(clippy::large_enum_variant, reason = "nearly all units that are asked for are there")]
pub enum UnitFact {
    /// systemd knows no such unit.
    Absent,
    Present(UnitState),
}

/// The state of a unit, in systemd's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of systemd")]
pub struct UnitState {
    /// `Id`: the unit's own name; the name that was asked for may be an alias of it.
    pub id: String,
    /// `LoadState`: `loaded`, `masked`, `error` …
    pub load: String,
    /// `ActiveState`: `active`, `inactive`, `failed`, `activating` …
    pub active: String,
    /// `SubState`: `running`, `exited`, `auto-restart` …
    pub sub: String,
    /// `UnitFileState`: `enabled`, `disabled`, `static`, `masked` …; empty without a unit file.
    pub enabled: String,
    /// `Type` of a service: `simple`, `oneshot` …; empty for other units.
    pub service_type: String,
    /// `RemainAfterExit`: a service stays active after its processes have ended.
    pub remains: bool,
    /// It was restarted automatically since it was last started.
    pub was_restarted: bool,
    /// `CanStart`: it may be started by hand.
    pub can_start: bool,
    /// `CanStop`: it may be stopped by hand.
    pub can_stop: bool,
    /// `FragmentPath`: the unit file; empty without one.
    pub file: String,
    /// The unit file has changed since systemd loaded it.
    pub needs_reload: bool,
    /// What runs was started before a file of the unit changed.
    pub is_outdated: bool,
    /// An earlier operation of the plan gives a service a file without a command, which systemd refuses.
    pub lacks_command: bool,
    /// It has files that add settings to its unit file.
    #[serde(default)]
    pub has_drop_ins: bool,
    /// Whether it can be reloaded.
    #[serde(default)]
    pub reload: Reload,
    /// The unit file does not exist yet: an earlier operation of the plan writes it.
    pub is_new: bool,
    /// `SourcePath`: the file that the unit was generated from.
    pub source: String,
    /// The units of `Also=` and their `UnitFileState`; read only for `indirect` units.
    pub also: BTreeMap<String, String>,
}

impl UnitState {
    /// Whether it does not run.
    pub fn has_stopped(&self) -> bool {
        STOPPED.contains(&self.active.as_str())
    }

    /// Whether an earlier operation of the plan starts or restarts it: what its `SubState` is then is not known.
    pub fn is_started(&self) -> bool {
        self.active == "active" && self.sub.is_empty()
    }
}
