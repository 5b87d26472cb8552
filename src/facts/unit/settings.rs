//! The settings of a unit file that decide how its unit can be used (systemd.syntax(7)).

use std::collections::BTreeMap;

use super::{Reload, UnitState};

/// Whether a setting has a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Setting {
    #[default]
    Missing,
    Given,
}

impl Setting {
    fn of(is_given: bool) -> Self {
        if is_given { Self::Given } else { Self::Missing }
    }
}

/// What one file of a unit sets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// `Type`; without it, the default depends on other settings.
    service_type: Option<String>,
    start_command: Setting,
    /// `ExecStop` or `SuccessAction`, which a service may have instead of `ExecStart`.
    other_command: Setting,
    /// `ExecReload`; `None` if there is no such line.
    reload_command: Option<Setting>,
    has_bus_name: bool,
    remains: Option<bool>,
    refuses_start: Option<bool>,
    refuses_stop: Option<bool>,
    /// There is something to do when the unit is enabled.
    installs: bool,
    also: Vec<String>,
}

impl Settings {
    /// Settings that systemd does not understand count as not set, as they do for it.
    pub(super) fn read(text: &str) -> Self {
        let mut settings = Self::default();
        for (section, key, value) in settings_of(text) {
            settings.set(&section, &key, &value);
        }
        settings
    }

    fn set(&mut self, section: &str, key: &str, value: &str) {
        match (section, key) {
            ("Service", "Type") => self.service_type = Some(value.to_owned()),
            ("Service", "ExecStart") => self.start_command = Setting::of(!value.is_empty()),
            ("Service", "ExecStop") => self.other_command = Setting::of(!value.is_empty()),
            ("Service", "ExecReload") => self.reload_command = Some(Setting::of(!value.is_empty())),
            ("Unit", "SuccessAction") if !matches!(value, "" | "none") => self.other_command = Setting::Given,
            ("Service", "BusName") => self.has_bus_name = !value.is_empty(),
            ("Service", "RemainAfterExit") => self.remains = boolean(value),
            ("Unit", "RefuseManualStart") => self.refuses_start = boolean(value),
            ("Unit", "RefuseManualStop") => self.refuses_stop = boolean(value),
            ("Install", "WantedBy" | "RequiredBy" | "UpheldBy" | "Alias" | "DefaultInstance") => {
                self.installs |= !value.is_empty();
            }
            ("Install", "Also") => self.also.extend(value.split_whitespace().map(str::to_owned)),
            _ => {}
        }
    }

    /// The unit with a unit file of these settings; its old one no longer counts.
    pub(super) fn replace(self, state: &mut UnitState) {
        if state.id.ends_with(".service") {
            state.service_type = match &self.service_type {
                Some(written) => written.clone(),
                None if self.has_bus_name => "dbus".to_owned(),
                None if self.start_command == Setting::Missing => "oneshot".to_owned(),
                None => "simple".to_owned(),
            };
            state.lacks_command = self.has_no_command();
            let has_command = self.reload_command == Some(Setting::Given);
            state.reload = Reload::of_file(
                has_command || reloads_by_itself(&state.service_type),
                state.has_drop_ins,
            );
        }
        state.remains = self.remains == Some(true);
        state.can_start = self.refuses_start != Some(true);
        state.can_stop = self.refuses_stop != Some(true);
        "loaded".clone_into(&mut state.load);
        // Links of a unit that is enabled stay.
        if !matches!(
            state.enabled.as_str(),
            "enabled" | "enabled-runtime" | "linked" | "linked-runtime"
        ) {
            state.also = BTreeMap::new();
            "static".clone_into(&mut state.enabled);
            self.add_installation(state);
        }
    }

    /// The unit with these settings in addition.
    pub(super) fn add(self, state: &mut UnitState) {
        if let Some(written) = &self.service_type {
            written.clone_into(&mut state.service_type);
        }
        state.lacks_command &= self.has_no_command();
        if self.reload_command == Some(Setting::Given) || reloads_by_itself(&state.service_type) {
            state.reload = Reload::Possible;
        } else if self.reload_command.is_some() || self.service_type.is_some() {
            // Further drop-ins may count more.
            state.reload = Reload::Unknown;
        }
        state.remains = self.remains.unwrap_or(state.remains);
        state.can_start = self.refuses_start.map_or(state.can_start, |refused| !refused);
        state.can_stop = self.refuses_stop.map_or(state.can_stop, |refused| !refused);
        if matches!(state.enabled.as_str(), "static" | "indirect") {
            self.add_installation(state);
        }
    }

    fn has_no_command(&self) -> bool {
        [self.start_command, self.other_command] == [Setting::Missing; 2]
    }

    fn add_installation(self, state: &mut UnitState) {
        if self.installs {
            "disabled".clone_into(&mut state.enabled);
        } else if !self.also.is_empty() {
            "indirect".clone_into(&mut state.enabled);
            let others = self.also.into_iter().map(|other| (other, String::new()));
            state.also.extend(others);
        }
    }
}

/// The lines of a unit file: section, key and value.
pub fn settings_of(text: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    let joined = text.replace("\\\n", " ");
    for line in joined.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            found.push((
                section.clone(),
                key.trim_end().to_owned(),
                value.trim_start().to_owned(),
            ));
        }
    }
    found
}

/// Whether services of this type can be reloaded without a command.
fn reloads_by_itself(service_type: &str) -> bool {
    service_type == "notify-reload"
}

/// A boolean as systemd reads it.
fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str) -> UnitState {
        let mut state = UnitState {
            id: "a.service".to_owned(),
            ..UnitState::default()
        };
        Settings::read(text).replace(&mut state);
        state
    }

    #[test]
    fn the_type_of_a_service_has_a_default() {
        for (text, service_type, remains) in [
            ("[Service]\nExecStart=/bin/a\n", "simple", false),
            ("[Service]\nType=notify\nExecStart=/bin/a\n", "notify", false),
            ("[Service]\nExecStart=/bin/a\nBusName=org.a\n", "dbus", false),
            ("[Service]\nRemainAfterExit=yes\nExecStop=/bin/a\n", "oneshot", true),
            (
                "[Service]\n# Type=notify\n; Type=dbus\nExecStart=/bin/a\n",
                "simple",
                false,
            ),
            (
                "[Unit]\nType=notify\n[Service]\nExecStart=/bin/a \\\n  Type=x\n",
                "simple",
                false,
            ),
            (" [Service] \n Type = oneshot \nRemainAfterExit = ON\n", "oneshot", true),
        ] {
            let state = unit(text);
            assert_eq!(
                (&state.service_type[..], state.remains),
                (service_type, remains),
                "{text}"
            );
        }
    }

    #[test]
    fn a_service_needs_a_command() {
        for (text, lacks_command) in [
            ("[Service]\nExec=/bin/a\n", true),
            ("", true),
            ("[Sevice]\nExecStart=/bin/a\n", true),
            ("[Service]\nExecStart=/bin/a\nExecStart=\n", true),
            ("[Service]\nExecStart=/bin/a\n", false),
            ("[Service]\nExecStop=/bin/a\nRemainAfterExit=yes\n", false),
            ("[Unit]\nSuccessAction=reboot\n[Service]\nType=oneshot\n", false),
        ] {
            assert_eq!(unit(text).lacks_command, lacks_command, "{text}");
        }
        let mut state = unit("[Service]\nNice=5\n");
        Settings::read("[Service]\nExecStart=/bin/a\n").add(&mut state);
        assert!(!state.lacks_command);
    }

    #[test]
    fn a_command_or_the_type_says_whether_a_service_can_be_reloaded() {
        use Reload::{AsOnHost, Impossible, Possible, Unknown};
        for (text, alone, with_drop_ins, added) in [
            ("[Service]\nExecStart=/bin/a\n", Impossible, Unknown, AsOnHost),
            ("[Service]\nExecReload=/bin/a\n", Possible, Possible, Possible),
            (
                "[Service]\nExecReload=/bin/a\nExecReload=\n",
                Impossible,
                Unknown,
                Unknown,
            ),
            (
                "[Service]\nExecReload=\nExecReload=/bin/a\n",
                Possible,
                Possible,
                Possible,
            ),
            ("[Service]\nType=notify-reload\n", Possible, Possible, Possible),
            ("[Service]\nType=notify\n", Impossible, Unknown, Unknown),
            ("[Unit]\nExecReload=/bin/a\n", Impossible, Unknown, AsOnHost),
        ] {
            assert_eq!(unit(text).reload, alone, "{text}");
            let mut state = UnitState {
                id: "a.service".to_owned(),
                has_drop_ins: true,
                ..UnitState::default()
            };
            Settings::read(text).replace(&mut state);
            assert_eq!(state.reload, with_drop_ins, "{text}");
            let mut state = UnitState::default();
            Settings::read(text).add(&mut state);
            assert_eq!(state.reload, added, "{text}");
        }
    }

    #[test]
    fn the_install_section_says_whether_a_unit_can_be_enabled() {
        for (install, enabled) in [
            ("", "static"),
            ("[Install]\n", "static"),
            ("[Install]\nWantedBy=multi-user.target\n", "disabled"),
            ("[Install]\nAlias=b.service\n", "disabled"),
            ("[Install]\nWantedBy=\n", "static"),
            ("[Install]\nAlso=a.socket b.socket\n", "indirect"),
            ("[Install]\nAlso=a.socket\nWantedBy=x.target\n", "disabled"),
        ] {
            let state = unit(&format!("[Service]\nExecStart=/bin/a\n{install}"));
            assert_eq!(state.enabled, enabled, "{install}");
        }
        let state = unit("[Install]\nAlso=a.socket b.socket\n");
        assert_eq!(state.also.keys().collect::<Vec<_>>(), ["a.socket", "b.socket"]);
    }

    #[test]
    fn a_drop_in_only_adds() {
        let mut state = unit("[Service]\nType=notify\nExecStart=/bin/a\n");
        Settings::read("[Service]\nNice=5\n").add(&mut state);
        assert_eq!((&state.service_type[..], &state.enabled[..]), ("notify", "static"));
        Settings::read("[Service]\nType=exec\n[Install]\nWantedBy=a.target\n").add(&mut state);
        assert_eq!((&state.service_type[..], &state.enabled[..]), ("exec", "disabled"));
    }

    #[test]
    fn a_unit_that_is_enabled_stays_enabled() {
        let mut state = UnitState {
            id: "a.timer".to_owned(),
            enabled: "enabled".to_owned(),
            ..UnitState::default()
        };
        Settings::read("[Timer]\nOnCalendar=daily\n").replace(&mut state);
        assert_eq!((&state.enabled[..], &state.service_type[..]), ("enabled", ""));
        assert!(state.can_start && state.can_stop);
    }
}
