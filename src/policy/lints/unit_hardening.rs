//! `unit-hardening`: settings of a systemd unit that contradict each other.

use crate::operations::PlacedText;
use crate::policy::finding::Finding;
use crate::policy::lint::{Level, Lint};
use crate::policy::planned::{file_name, line_place};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "unit-hardening",
    level: Level::Warning,
    title: "Settings of a systemd unit that contradict each other",
    why: "The service fails when it starts, or runs with other rights than the unit seems to say.",
    remedy: "Decide which of the two is meant, and remove the other.",
    check,
};

/// Settings of `[Service]`, each with the number of its line.
struct Settings<'a>(Vec<(usize, &'a str, &'a str)>);

impl<'a> Settings<'a> {
    fn of(text: &'a str) -> Self {
        let mut section = "";
        let mut found = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.starts_with('[') {
                section = line;
            } else if section == "[Service]" && !line.starts_with(['#', ';']) {
                let pair = line.split_once('=');
                found.extend(pair.map(|(key, value)| (index + 1, key.trim(), value.trim())));
            }
        }
        Self(found)
    }

    /// The last value of a setting.
    fn last(&self, key: &str) -> Option<(usize, &'a str)> {
        let mut found = self.0.iter().rev().filter(|(_, own, _)| *own == key);
        found.next().map(|(line, _, value)| (*line, *value))
    }

    fn is_on(&self, key: &str) -> bool {
        self.last(key).is_some_and(|(_, value)| is_yes(value))
    }

    fn all(&self, is_wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (usize, &'a str)> {
        let found = self.0.iter().filter(move |(_, key, _)| is_wanted(key));
        found.map(|(line, _, value)| (*line, *value))
    }

    /// The programs that it runs, with the lines.
    fn programs(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let commands = self.all(|key| key.starts_with("Exec") && key != "ExecSearchPath");
        commands.filter_map(|(line, value)| {
            // With `+` and `!` a command runs without what restricts the service.
            let program = value.split_whitespace().next()?;
            let is_free = program.starts_with(['+', '!']);
            (!is_free).then(|| (line, program.trim_start_matches(['-', '@', ':'])))
        })
    }
}

fn is_yes(value: &str) -> bool {
    ["yes", "true", "on", "1"].contains(&value.to_ascii_lowercase().as_str())
}

/// The contradictions, with their lines.
fn contradictions(text: &str) -> Vec<(usize, String)> {
    let settings = Settings::of(text);
    let mut found = Vec::new();
    let mut add = |line: usize, why: &str| found.push((line, why.to_owned()));
    if let Some((line, _)) = settings
        .last("User")
        .filter(|(_, user)| *user == "root" || *user == "0")
        && settings.is_on("DynamicUser")
    {
        add(
            line,
            "`User=root` takes the effect from `DynamicUser=`: it runs as root",
        );
    }
    if settings.is_on("NoNewPrivileges") {
        let gains = ["sudo", "su", "doas", "pkexec"];
        for (line, program) in settings
            .programs()
            .filter(|(_, program)| gains.contains(&file_name(program)))
        {
            add(
                line,
                &format!(
                    "`{}` cannot change the user with `NoNewPrivileges=`",
                    file_name(program)
                ),
            );
        }
    }
    let hides_home = settings.last("ProtectHome").is_some_and(|(_, value)| is_yes(value));
    let has_bind = settings.all(|key| key.starts_with("Bind")).next().is_some();
    if hides_home && !has_bind {
        let is_home = |path: &str| {
            ["/home/", "/root/", "/run/user/"]
                .iter()
                .any(|home| path.starts_with(home))
        };
        for (line, _) in settings.programs().filter(|(_, program)| is_home(program)) {
            add(line, "the program is hidden by `ProtectHome=`");
        }
        if let Some((line, _)) = settings.last("WorkingDirectory").filter(|(_, path)| is_home(path)) {
            add(line, "the directory is hidden by `ProtectHome=`");
        }
    }
    if settings.is_on("PrivateDevices") {
        let hidden = settings
            .all(|key| key == "DeviceAllow")
            .find(|(_, value)| value.starts_with("/dev/"));
        if let Some((line, _)) = hidden {
            add(line, "the device is hidden by `PrivateDevices=`");
        }
    }
    found.extend(beyond_bounds(&settings));
    found.extend(read_only_pid_file(&settings));
    found
}

/// Ambient capabilities that the bounding set takes away.
fn beyond_bounds(settings: &Settings<'_>) -> Option<(usize, String)> {
    let mut bounds = settings.all(|key| key == "CapabilityBoundingSet");
    let (_, bound) = bounds.next().filter(|(_, value)| !value.starts_with('~'))?;
    if bounds.next().is_some() {
        return None;
    }
    let bound: Vec<&str> = bound.split_whitespace().collect();
    let (line, ambient) = settings
        .last("AmbientCapabilities")
        .filter(|(_, value)| !value.starts_with('~'))?;
    let beyond = ambient.split_whitespace().find(|name| !bound.contains(name))?;
    Some((line, format!("`{beyond}` is not in `CapabilityBoundingSet=`")))
}

/// A file that the service has to write where it may not.
fn read_only_pid_file(settings: &Settings<'_>) -> Option<(usize, String)> {
    settings.last("ProtectSystem").filter(|(_, value)| *value == "strict")?;
    let (line, path) = settings.last("PIDFile")?;
    let writable = settings.all(|key| key == "ReadWritePaths" || key == "RuntimeDirectory" || key.starts_with("Bind"));
    let is_written = writable
        .flat_map(|(_, value)| value.split_whitespace())
        .next()
        .is_some();
    (!is_written && path.starts_with('/')).then(|| (line, "`ProtectSystem=strict` makes this read-only".to_owned()))
}

/// Whether a text is a service, or settings for one.
fn is_service(text: &PlacedText) -> bool {
    let is_unit = text.path.contains("/systemd/system/") || text.path.contains("/systemd/user/");
    is_unit && (text.path.ends_with(".service") || text.path.contains(".service.d/"))
}

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, text) in scene.texts().filter(|(_, text)| is_service(text)) {
        for (line, why) in contradictions(&text.text) {
            let title = format!("settings of `{}` contradict each other", file_name(&text.path));
            found.push(Finding::new(title, line_place(text, line), why).of(Some(number)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::contradictions;

    fn said(service: &str) -> String {
        let text = format!("[Unit]\nUser=root\n[Service]\n{service}");
        let found = contradictions(&text).into_iter();
        found
            .map(|(line, why)| format!("{line}: {why}"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn only_what_cannot_be_meant_is_found() {
        for (service, expected) in [
            ("DynamicUser=yes\nUser=root\n", "5: `User=root` takes"),
            (
                "NoNewPrivileges=true\nExecStart=/usr/bin/sudo -u x y\n",
                "5: `sudo` cannot",
            ),
            ("ProtectHome=yes\nExecStart=/home/x/run\n", "5: the program is hidden"),
            (
                "ProtectHome=yes\nWorkingDirectory=/root/x\n",
                "5: the directory is hidden",
            ),
            (
                "PrivateDevices=yes\nDeviceAllow=/dev/ttyUSB0 rw\n",
                "5: the device is hidden",
            ),
            (
                "CapabilityBoundingSet=\nAmbientCapabilities=CAP_NET_RAW\n",
                "5: `CAP_NET_RAW` is not",
            ),
            (
                "ProtectSystem=strict\nPIDFile=/run/x.pid\n",
                "5: `ProtectSystem=strict` makes",
            ),
        ] {
            assert!(said(service).starts_with(expected), "{service}: {}", said(service));
        }
        for service in [
            "DynamicUser=no\nUser=root\n",
            "DynamicUser=yes\nUser=metrics\n",
            "NoNewPrivileges=true\nExecStart=+/usr/bin/sudo x\n",
            "NoNewPrivileges=true\nExecStart=/usr/bin/sudoku\n",
            "ProtectHome=read-only\nExecStart=/home/x/run\n",
            "ProtectHome=yes\nBindReadOnlyPaths=/home/x\nExecStart=/home/x/run\n",
            "CapabilityBoundingSet=CAP_NET_RAW\nAmbientCapabilities=CAP_NET_RAW\n",
            "CapabilityBoundingSet=~CAP_SYS_ADMIN\nAmbientCapabilities=CAP_NET_RAW\n",
            "ProtectSystem=strict\nRuntimeDirectory=x\nPIDFile=/run/x/x.pid\n",
            "ProtectSystem=strict\nStateDirectory=x\n",
        ] {
            assert_eq!(said(service), "", "{service}");
        }
    }
}
