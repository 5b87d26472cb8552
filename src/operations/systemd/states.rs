//! What systemd's states mean for `enabled` and `state`: for each value, whether it holds and what leads there.

use crate::facts::unit::UnitState;

/// A cell of the tables: what a value means for what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Holds,
    Do(Verb),
    Refuse(Obstacle),
    /// For `indirect`: the units of `Also=` decide.
    AsInstalled,
}

/// What leads to the wanted state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Enable,
    Disable,
    Start,
    /// Forgets failed attempts first: after too many of them systemd refuses a start.
    StartAfresh,
    /// Nothing runs that this could interrupt; a start would wait for the automatic restart.
    Restart,
    /// Restarts what was started before a file of the unit changed.
    Renew,
    Stop,
    Mask,
    Unmask,
}

impl Verb {
    /// Whether the unit runs afterwards.
    pub(super) fn starts(self) -> bool {
        matches!(self, Self::Start | Self::StartAfresh | Self::Restart | Self::Renew)
    }

    /// The parameter that asks for it.
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::Enable | Self::Disable => "enabled",
            Self::Start | Self::StartAfresh | Self::Restart | Self::Renew | Self::Stop => "state",
            Self::Mask | Self::Unmask => "masked",
        }
    }
}

/// Why nothing leads to the wanted state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The name is an alias, and the unit's own name is not known.
    Alias,
    /// The file says nothing about enabling.
    NoInstallSection,
    /// The file only installs other units.
    OtherUnits,
    /// A generator makes the file at each boot.
    Generated,
    /// It was started without a file.
    Transient,
    /// systemd made the unit itself.
    NoFile,
    /// Something runs without a file.
    FileIsGone,
    BadFile,
    Masked,
    /// It is masked by an empty file, which `unmask` leaves alone.
    MaskedByFile,
    /// Its file is where the link that masks it would be.
    OwnFile,
    /// A service that is never active, since it ends.
    EndsByItself,
    /// A service without a command to run.
    NoCommand,
    StartIsRefused,
    StopIsRefused,
    /// A value of a later systemd.
    UnknownState,
}

use Cell::{AsInstalled, Do, Holds, Refuse};

/// `UnitFileState` of systemctl(1): `enabled = true`, `enabled = false`.
const FILE_STATES: &[(&str, Cell, Cell)] = &[
    ("enabled", Holds, Do(Verb::Disable)),
    // Until the next boot.
    ("enabled-runtime", Do(Verb::Enable), Do(Verb::Disable)),
    // Known through a link, which `disable` would remove.
    ("linked", Do(Verb::Enable), Holds),
    ("linked-runtime", Do(Verb::Enable), Holds),
    ("alias", Refuse(Obstacle::Alias), Refuse(Obstacle::Alias)),
    ("masked", Refuse(Obstacle::Masked), Holds),
    ("masked-runtime", Refuse(Obstacle::Masked), Holds),
    // Other units may start these.
    ("static", Refuse(Obstacle::NoInstallSection), Holds),
    ("indirect", AsInstalled, AsInstalled),
    ("disabled", Do(Verb::Enable), Holds),
    // Whether it starts at boot is up to its source.
    ("generated", Refuse(Obstacle::Generated), Refuse(Obstacle::Generated)),
    ("transient", Refuse(Obstacle::Transient), Holds),
    ("bad", Refuse(Obstacle::BadFile), Refuse(Obstacle::BadFile)),
    ("", Refuse(Obstacle::NoFile), Holds),
];

/// Where a unit is masked: by a link to `/dev/null` with its name.
const MASKS: [(&str, &str); 2] = [
    ("masked", "/etc/systemd/system/"),
    ("masked-runtime", "/run/systemd/system/"),
];

/// `ActiveState` and `SubState` (`*` is any other): `state = "started"`, `state = "stopped"`.
const ACTIVE_STATES: &[(&str, &str, Cell, Cell)] = &[
    ("active", "*", Holds, Do(Verb::Stop)),
    ("reloading", "*", Holds, Do(Verb::Stop)),
    ("refreshing", "*", Holds, Do(Verb::Stop)),
    ("inactive", "*", Do(Verb::Start), Holds),
    ("failed", "*", Do(Verb::StartAfresh), Holds),
    ("activating", AUTO_RESTART, Do(Verb::Restart), Do(Verb::Stop)),
    ("activating", "auto-restart-queued", Do(Verb::Restart), Do(Verb::Stop)),
    ("activating", "*", Holds, Do(Verb::Stop)),
    ("deactivating", "*", Do(Verb::Start), Do(Verb::Stop)),
    ("maintenance", "*", Do(Verb::Start), Holds),
];

/// A service that waits until it is started again after a crash.
const AUTO_RESTART: &str = "auto-restart";

/// `LoadState` that prevents a start, unless the file has changed since it was loaded.
const LOAD_STATES: &[(&str, Obstacle)] = &[
    ("masked", Obstacle::Masked),
    ("bad-setting", Obstacle::BadFile),
    ("error", Obstacle::BadFile),
    ("not-found", Obstacle::FileIsGone),
];

/// What `enabled` means for a unit in this state.
pub(super) fn enablement(state: &UnitState, wanted: bool) -> Cell {
    match file_state(&state.enabled, wanted) {
        AsInstalled => as_installed(state, wanted),
        // Also the state of a unit whose file was removed or repaired, until systemd reads it again.
        Refuse(Obstacle::BadFile) if state.needs_reload => Do(if wanted { Verb::Enable } else { Verb::Disable }),
        cell => cell,
    }
}

fn file_state(value: &str, wanted: bool) -> Cell {
    let row = FILE_STATES.iter().find(|(known, ..)| *known == value);
    match row {
        None => Refuse(Obstacle::UnknownState),
        Some((_, enabled, disabled)) => {
            if wanted {
                *enabled
            } else {
                *disabled
            }
        }
    }
}

/// An `indirect` unit is what the units of `Also=` are. Without any, it is enabled under another name only.
fn as_installed(state: &UnitState, wanted: bool) -> Cell {
    let verb = if wanted { Verb::Enable } else { Verb::Disable };
    if state.also.is_empty() {
        return Do(verb);
    }
    let holds = |other: &String| other == "static" || file_state(other, wanted) == Holds;
    if state.also.values().all(holds) {
        Holds
    } else {
        Refuse(Obstacle::OtherUnits)
    }
}

/// What `masked` means for a unit in this state.
pub(super) fn masking(state: &UnitState, wanted: bool) -> Cell {
    let is_known = FILE_STATES.iter().any(|(known, ..)| *known == state.enabled);
    let mask = MASKS.iter().find(|(value, _)| *value == state.enabled);
    match (mask, wanted) {
        _ if !is_known => Refuse(Obstacle::UnknownState),
        (Some(("masked", _)), true) | (None, false) => Holds,
        (Some((_, folder)), false) if !state.file.is_empty() && !state.file.starts_with(folder) => {
            Refuse(Obstacle::MaskedByFile)
        }
        (Some(_), false) => Do(Verb::Unmask),
        // The file of a transient unit counts more than a mask.
        (None, true) if state.enabled == "transient" => Refuse(Obstacle::Transient),
        (None, true) if state.file.starts_with(MASKS[0].1) => Refuse(Obstacle::OwnFile),
        (_, true) => Do(Verb::Mask),
    }
}

/// What `state` means for a unit in this state.
pub(super) fn activity(state: &UnitState, is_wanted: bool) -> Cell {
    if is_wanted && let Some(obstacle) = never_active(state) {
        return Refuse(obstacle);
    }
    let sub = if state.was_restarted && state.active == "activating" {
        AUTO_RESTART
    } else {
        &state.sub
    };
    let fits = |row: &&(&str, &str, Cell, Cell)| row.0 == state.active && (row.1 == sub || row.1 == "*");
    let cell = match ACTIVE_STATES.iter().find(fits) {
        None => Refuse(Obstacle::UnknownState),
        Some((.., started, stopped)) => {
            if is_wanted {
                *started
            } else {
                *stopped
            }
        }
    };
    match cell {
        Holds if is_wanted && is_renewed(state) => Do(Verb::Renew),
        Do(Verb::Stop) if !state.can_stop => Refuse(Obstacle::StopIsRefused),
        Do(Verb::Start | Verb::StartAfresh | Verb::Restart) => startable(state).map_or(cell, Refuse),
        cell => cell,
    }
}

/// Why a service has no active state. One without a command counts as a `oneshot` for systemd.
fn never_active(state: &UnitState) -> Option<Obstacle> {
    let is_bad = matches!(state.load.as_str(), "bad-setting" | "error") && !state.needs_reload;
    if state.lacks_command {
        Some(Obstacle::NoCommand)
    } else if state.service_type != "oneshot" || state.remains {
        None
    } else if is_bad {
        Some(Obstacle::BadFile)
    } else {
        // It is starting, and then it has ended.
        Some(Obstacle::EndsByItself)
    }
}

/// Whether a restart brings a change of its files into use. Other kinds of units may have users that a restart takes along.
fn is_renewed(state: &UnitState) -> bool {
    state.is_outdated && can_renew(&state.id) && state.can_stop && state.can_start
}

/// Whether units of this kind are restarted for a change of their files.
pub(super) fn can_renew(unit: &str) -> bool {
    matches!(unit.rsplit('.').next(), Some("service" | "timer" | "path"))
}

/// What prevents a start.
fn startable(state: &UnitState) -> Option<Obstacle> {
    let row = LOAD_STATES.iter().find(|(value, _)| *value == state.load);
    match row {
        Some((_, Obstacle::BadFile)) if state.needs_reload => None,
        Some((_, obstacle)) => Some(*obstacle),
        None if !state.can_start => Some(Obstacle::StartIsRefused),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded() -> UnitState {
        UnitState {
            load: "loaded".to_owned(),
            can_start: true,
            can_stop: true,
            ..UnitState::default()
        }
    }

    fn file(enabled: &str) -> UnitState {
        UnitState {
            enabled: enabled.to_owned(),
            ..loaded()
        }
    }

    fn runs(active: &str, sub: &str) -> UnitState {
        UnitState {
            active: active.to_owned(),
            sub: sub.to_owned(),
            ..loaded()
        }
    }

    #[test]
    fn every_unit_file_state_says_whether_enabled_and_disabled_hold() {
        let (on, off) = (Do(Verb::Enable), Do(Verb::Disable));
        let cells = [
            ("enabled", Holds, off),
            ("enabled-runtime", on, off),
            ("linked", on, Holds),
            ("linked-runtime", on, Holds),
            ("alias", Refuse(Obstacle::Alias), Refuse(Obstacle::Alias)),
            ("masked", Refuse(Obstacle::Masked), Holds),
            ("masked-runtime", Refuse(Obstacle::Masked), Holds),
            ("static", Refuse(Obstacle::NoInstallSection), Holds),
            ("indirect", on, off),
            ("disabled", on, Holds),
            ("generated", Refuse(Obstacle::Generated), Refuse(Obstacle::Generated)),
            ("transient", Refuse(Obstacle::Transient), Holds),
            ("bad", Refuse(Obstacle::BadFile), Refuse(Obstacle::BadFile)),
            ("", Refuse(Obstacle::NoFile), Holds),
            (
                "of-tomorrow",
                Refuse(Obstacle::UnknownState),
                Refuse(Obstacle::UnknownState),
            ),
        ];
        assert_eq!(cells.len(), FILE_STATES.len() + 1);
        for (value, enabled, disabled) in cells {
            assert_eq!(enablement(&file(value), true), enabled, "`{value}` and enabled");
            assert_eq!(enablement(&file(value), false), disabled, "`{value}` and disabled");
        }
    }

    #[test]
    fn every_unit_file_state_says_whether_masked_and_unmasked_hold() {
        let (mask, unmask) = (Do(Verb::Mask), Do(Verb::Unmask));
        let unknown = Refuse(Obstacle::UnknownState);
        let cells = [
            ("enabled", mask, Holds),
            ("enabled-runtime", mask, Holds),
            ("linked", mask, Holds),
            ("linked-runtime", mask, Holds),
            ("alias", mask, Holds),
            ("masked", Holds, unmask),
            ("masked-runtime", mask, unmask),
            ("static", mask, Holds),
            ("indirect", mask, Holds),
            ("disabled", mask, Holds),
            ("generated", mask, Holds),
            ("transient", Refuse(Obstacle::Transient), Holds),
            ("bad", mask, Holds),
            ("", mask, Holds),
            ("of-tomorrow", unknown, unknown),
        ];
        assert_eq!(cells.len(), FILE_STATES.len() + 1);
        for (value, masked, unmasked) in cells {
            assert_eq!(masking(&file(value), true), masked, "`{value}` and masked");
            assert_eq!(masking(&file(value), false), unmasked, "`{value}` and unmasked");
        }
    }

    #[test]
    fn where_its_file_is_says_whether_a_unit_can_be_masked() {
        let at = |file: &str, enabled: &str, wanted: bool| {
            let state = UnitState {
                file: file.to_owned(),
                ..self::file(enabled)
            };
            masking(&state, wanted)
        };
        let (etc, run, usr) = (
            "/etc/systemd/system/a.service",
            "/run/systemd/system/a.service",
            "/usr/lib/systemd/system/a.service",
        );
        let (own_file, by_file) = (Refuse(Obstacle::OwnFile), Refuse(Obstacle::MaskedByFile));
        for (file, enabled, masked, unmasked) in [
            (usr, "enabled", Do(Verb::Mask), Holds),
            (run, "generated", Do(Verb::Mask), Holds),
            (etc, "disabled", own_file, Holds),
            (etc, "linked", own_file, Holds),
            (etc, "masked", Holds, Do(Verb::Unmask)),
            (run, "masked-runtime", Do(Verb::Mask), Do(Verb::Unmask)),
            (usr, "masked", Holds, by_file),
        ] {
            assert_eq!(at(file, enabled, true), masked, "{file} {enabled}");
            assert_eq!(at(file, enabled, false), unmasked, "{file} {enabled}");
        }
    }

    #[test]
    fn a_bad_file_that_changed_is_read_again() {
        let unit = UnitState {
            needs_reload: true,
            ..file("bad")
        };
        assert_eq!(enablement(&unit, true), Do(Verb::Enable));
        assert_eq!(enablement(&unit, false), Do(Verb::Disable));
    }

    #[test]
    fn an_indirect_unit_is_what_it_installs() {
        let others = Refuse(Obstacle::OtherUnits);
        for (installed, enabled, disabled) in [
            (&["enabled"][..], Holds, others),
            (&["disabled"], others, Holds),
            (&["enabled-runtime"], others, others),
            (&["enabled", "static"], Holds, others),
            (&["masked"], others, Holds),
            (&["enabled", "enabled"], Holds, others),
            (&["enabled", "disabled"], others, others),
        ] {
            let mut unit = file("indirect");
            let states = installed.iter().enumerate();
            unit.also = states
                .map(|(at, state)| (format!("{at}.socket"), (*state).to_owned()))
                .collect();
            assert_eq!(enablement(&unit, true), enabled, "{installed:?} and enabled");
            assert_eq!(enablement(&unit, false), disabled, "{installed:?} and disabled");
        }
    }

    #[test]
    fn every_active_state_says_whether_started_and_stopped_hold() {
        let (start, restart, stop) = (Do(Verb::Start), Do(Verb::Restart), Do(Verb::Stop));
        let cells = [
            ("active", "running", Holds, stop),
            ("active", "exited", Holds, stop),
            ("active", "waiting", Holds, stop),
            ("reloading", "reload", Holds, stop),
            ("refreshing", "refresh", Holds, stop),
            ("inactive", "dead", start, Holds),
            ("failed", "failed", Do(Verb::StartAfresh), Holds),
            ("activating", "auto-restart", restart, stop),
            ("activating", "auto-restart-queued", restart, stop),
            ("activating", "start", Holds, stop),
            ("activating", "start-pre", Holds, stop),
            ("deactivating", "stop-sigterm", start, stop),
            ("maintenance", "cleaning", start, Holds),
            (
                "of-tomorrow",
                "",
                Refuse(Obstacle::UnknownState),
                Refuse(Obstacle::UnknownState),
            ),
        ];
        for row in ACTIVE_STATES {
            assert!(
                cells
                    .iter()
                    .any(|cell| cell.0 == row.0 && (row.1 == "*" || cell.1 == row.1))
            );
        }
        for (active, sub, started, stopped) in cells {
            assert_eq!(
                activity(&runs(active, sub), true),
                started,
                "`{active} ({sub})` and started"
            );
            assert_eq!(
                activity(&runs(active, sub), false),
                stopped,
                "`{active} ({sub})` and stopped"
            );
        }
    }

    #[test]
    fn a_unit_that_crashes_while_it_starts_is_not_started() {
        let mut unit = runs("activating", "start");
        unit.was_restarted = true;
        assert_eq!(activity(&unit, true), Do(Verb::Restart));
        let mut unit = runs("active", "running");
        unit.was_restarted = true;
        assert_eq!(activity(&unit, true), Holds);
    }

    #[test]
    fn the_type_of_a_service_says_whether_it_can_be_started() {
        let ends = Refuse(Obstacle::EndsByItself);
        for (kind, remains, active, started) in [
            ("oneshot", false, "inactive", ends),
            ("oneshot", false, "failed", ends),
            ("oneshot", false, "activating", ends),
            ("oneshot", true, "inactive", Do(Verb::Start)),
            ("oneshot", true, "active", Holds),
            ("simple", false, "inactive", Do(Verb::Start)),
            ("notify", false, "active", Holds),
            ("", false, "active", Holds),
        ] {
            let unit = UnitState {
                service_type: kind.to_owned(),
                remains,
                ..runs(active, "")
            };
            assert_eq!(activity(&unit, true), started, "{kind} {remains} {active}");
        }
        let unit = UnitState {
            service_type: "oneshot".to_owned(),
            ..runs("activating", "start")
        };
        assert_eq!(activity(&unit, false), Do(Verb::Stop));
    }

    #[test]
    fn a_service_without_a_command_is_no_oneshot() {
        for (load, needs_reload, lacks_command, started) in [
            ("bad-setting", false, false, Obstacle::BadFile),
            ("error", false, false, Obstacle::BadFile),
            ("bad-setting", true, false, Obstacle::EndsByItself),
            ("loaded", false, false, Obstacle::EndsByItself),
            ("bad-setting", true, true, Obstacle::NoCommand),
            ("bad-setting", false, true, Obstacle::NoCommand),
        ] {
            let unit = UnitState {
                service_type: "oneshot".to_owned(),
                load: load.to_owned(),
                needs_reload,
                lacks_command,
                ..runs("inactive", "dead")
            };
            assert_eq!(
                activity(&unit, true),
                Refuse(started),
                "{load} {needs_reload} {lacks_command}"
            );
            assert_eq!(activity(&unit, false), Holds, "{load} {needs_reload} {lacks_command}");
        }
    }

    #[test]
    fn what_was_started_before_its_files_changed_is_restarted() {
        for (id, can_stop, started) in [
            ("a.service", true, Do(Verb::Renew)),
            ("a.timer", true, Do(Verb::Renew)),
            ("a.service", false, Holds),
            ("a.socket", true, Holds),
            ("a.mount", true, Holds),
        ] {
            let unit = UnitState {
                id: id.to_owned(),
                is_outdated: true,
                can_stop,
                ..runs("active", "running")
            };
            assert_eq!(activity(&unit, true), started, "{id} {can_stop}");
        }
    }

    #[test]
    fn what_cannot_be_started_or_stopped_is_refused() {
        for (load, needs_reload, started) in [
            ("loaded", false, Do(Verb::Start)),
            ("masked", false, Refuse(Obstacle::Masked)),
            ("masked", true, Refuse(Obstacle::Masked)),
            ("bad-setting", false, Refuse(Obstacle::BadFile)),
            ("bad-setting", true, Do(Verb::Start)),
            ("error", false, Refuse(Obstacle::BadFile)),
            ("error", true, Do(Verb::Start)),
            ("not-found", false, Refuse(Obstacle::FileIsGone)),
        ] {
            let unit = UnitState {
                load: load.to_owned(),
                needs_reload,
                ..runs("inactive", "dead")
            };
            assert_eq!(activity(&unit, true), started, "{load} {needs_reload}");
            assert_eq!(activity(&unit, false), Holds, "{load} {needs_reload}");
        }
        let unit = |active: &str| UnitState {
            can_start: false,
            can_stop: false,
            ..runs(active, "")
        };
        assert_eq!(activity(&unit("inactive"), true), Refuse(Obstacle::StartIsRefused));
        assert_eq!(activity(&unit("active"), true), Holds);
        assert_eq!(activity(&unit("active"), false), Refuse(Obstacle::StopIsRefused));
        assert_eq!(activity(&unit("inactive"), false), Holds);
    }
}
