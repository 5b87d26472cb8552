//! Handlers that an earlier run owed a host: something changed that notifies them, and they did not run since.
//!
//! Before a change that notifies a handler, the handler is recorded in a file of its own on the host. The file goes when the
//! handler has run. Its first line is a JSON object. Each line `kept FOLDER` after it names what was kept of something before it
//! was changed. Any other line is the unit's invocation after the change.
//!
//! Several projects may manage a host, and a handler may become another one while it is owed. So a record says what it is about.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::quote::quote;
use crate::secret::sha256_hex;

/// The folder for records, below homelab's own.
const FOLDER: &str = "owed";
/// Where homelab keeps its state as root.
pub const STATE_FOLDER: &str = "/var/lib/homelab";
/// Where it is recorded as root what units ran with before their files changed. The first line of a record is the unit's
/// invocation then.
pub const CHANGED_UNITS: &str = "/var/lib/homelab/units";
/// How much of a digest is enough for a file's name, in digits.
const NAME: usize = 16;

/// A handler that is owed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owed {
    /// The name of the file with its record.
    pub file: String,
    /// The name of the project that notified it; `None` if a version recorded it that did not say so.
    pub project: Option<String>,
    /// The deploy that notified it, and the stage; `None` if a version recorded it that did not say so.
    pub place: Option<String>,
    /// Its id without the host and the stage: `task / handler`.
    pub handler: String,
    /// The name of the operation; empty if it was not known when it was notified.
    pub op: String,
    /// Its parameters, rendered; `None` if they were not known when it was notified.
    pub parameters: Option<Map<String, Json>>,
    /// The unit that it restarts or reloads.
    pub unit: Option<String>,
    /// Whether its unit ran before a restart or reload that may have stopped it: then the handler starts the unit.
    pub starts: bool,
}

/// The first line of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    handler: String,
    op: String,
    parameters: Option<Map<String, Json>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// The last field, which shell text looks for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    starts: bool,
}

/// How the line of a record ends whose handler starts its unit.
pub const STARTS: &str = ",\"starts\":true}";

impl Owed {
    /// With the file that it has unless the host has a record of it already. Two handlers share a file only if both have the same
    /// name and do the same to the same unit: then a restart for one is a restart for the other. Others share it within a stage.
    #[must_use]
    pub fn in_its_file(self) -> Self {
        let of = match (&self.unit, &self.project) {
            (Some(unit), _) if self.is_restart() => format!("{}\nunit {unit}", self.handler),
            (Some(unit), _) => format!("{}\nreload {unit}", self.handler),
            (None, Some(project)) => {
                let place = self.place.as_deref().unwrap_or_default();
                format!("{}\nproject {project}\n{place}", self.handler)
            }
            (None, None) => self.handler.clone(),
        };
        let mut file = sha256_hex(of.as_bytes());
        file.truncate(NAME);
        Self { file, ..self }
    }

    /// The path of its record; `state_folder` is that of a user without root.
    pub fn path(&self, state_folder: Option<&str>) -> String {
        let folder = state_folder.unwrap_or(STATE_FOLDER);
        format!("{folder}/{FOLDER}/{}", self.file)
    }

    /// The record as one line.
    pub fn line(&self) -> String {
        let Self {
            project,
            place,
            handler,
            op,
            parameters,
            unit,
            starts,
            ..
        } = self.clone();
        let line = Line {
            project,
            place,
            handler,
            op,
            parameters,
            unit,
            starts,
        };
        // It has no map with keys that are no strings.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// The same for a handler that starts its unit.
    #[must_use]
    pub fn that_starts(&self) -> Self {
        Self {
            starts: true,
            ..self.clone()
        }
    }

    /// Reads what the host says: a file's name, and its first line.
    pub fn read(said: &str) -> Self {
        let (file, line) = said.split_once(' ').unwrap_or((said, ""));
        let is_name = file.len() == NAME && file.bytes().all(|byte| byte.is_ascii_hexdigit());
        let line = serde_json::from_str::<Line>(line).ok().filter(|_| is_name);
        let Some(line) = line else {
            return Self {
                file: file.to_owned(),
                ..Self::default()
            };
        };
        Self {
            file: file.to_owned(),
            project: line.project,
            place: line.place,
            handler: line.handler,
            op: line.op,
            parameters: line.parameters,
            unit: line.unit,
            starts: line.starts,
        }
    }

    /// Whether it could be read.
    pub fn is_readable(&self) -> bool {
        !self.handler.is_empty()
    }

    /// Whether it is known to restart a unit, and not to reload it.
    pub fn is_restart(&self) -> bool {
        self.has_state("restarted")
    }

    /// Whether it is known to reload a unit.
    pub fn is_reload(&self) -> bool {
        self.has_state("reloaded")
    }

    fn has_state(&self, wanted: &str) -> bool {
        let state = self.parameters.as_ref().and_then(|all| all.get("state"));
        state.is_some_and(|state| state == wanted)
    }

    /// Whether a project of this name recorded it, as far as it says that.
    pub fn may_be_of(&self, project: &str) -> bool {
        self.project.as_deref().is_none_or(|own| own == project)
    }

    /// What it is called: its name, or that of its file.
    pub fn name(&self) -> &str {
        if self.is_readable() { &self.handler } else { &self.file }
    }
}

/// Shell text that prints the invocation of a unit after the last change that a record is about, if the record has that, and what the
/// unit is now.
pub(super) fn probe(unit: &str, record: &str) -> String {
    format!(
        "{{ while read -r w; do case $w in \"{{\"*|\"kept \"*) ;; *) echo \"noted=$w\" ;; esac; done <{record}\n\
         systemctl show -p ActiveState,InvocationID,NRestarts,NeedDaemonReload -- {unit}; }} 2>/dev/null",
        record = quote(record),
        unit = quote(unit),
    )
}

/// Whether a unit that runs was started after the last change that notified its handler, by what [`probe`] prints. One that systemd
/// started by itself says nothing: it may end again and again because of the change. One that has files which systemd did not load was
/// started without them.
pub fn was_started_since(said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said);
    let last = |name: &str| {
        let mut values = said
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        values.next_back()
    };
    let runs = matches!(last("ActiveState"), Some("active" | "reloading" | "refreshing"));
    let is_by_itself = !matches!(last("NRestarts"), None | Some("" | "0"));
    let is_loaded = last("NeedDaemonReload") != Some("yes");
    match (last("noted"), last("InvocationID")) {
        (Some(noted), Some(now)) => runs && is_loaded && !is_by_itself && !now.is_empty() && now != noted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let owed = Owed {
            project: Some("my lab".to_owned()),
            place: Some("site / web".to_owned()),
            handler: "web/proxy / restart 'it'".to_owned(),
            op: "systemd.service".to_owned(),
            parameters: Some(Map::from_iter([("service".to_owned(), "proxy".into())])),
            unit: Some("proxy.service".to_owned()),
            ..Owed::default()
        }
        .in_its_file();
        let path = owed.path(None);
        let file = path.strip_prefix("/var/lib/homelab/owed/").expect("below it");
        assert_eq!((file.len(), owed.line().lines().count()), (16, 1));
        assert_eq!(Owed::read(&format!("{file} {}", owed.line())), owed);
        assert!(!owed.line().ends_with(STARTS));
        let starts = owed.that_starts();
        assert!(starts.line().ends_with(STARTS));
        assert_eq!(Owed::read(&format!("{file} {}", starts.line())), starts);
    }

    #[test]
    fn a_record_of_an_earlier_version_is_read() {
        let line = r#"{"handler":"t / x","op":"systemd.service","parameters":{"service":"a"},"starts":true}"#;
        let owed = Owed::read(&format!("0123456789abcdef {line}"));
        assert_eq!((owed.project.as_deref(), owed.unit.as_deref()), (None, None));
        assert_eq!(
            (owed.handler.as_str(), owed.file.as_str()),
            ("t / x", "0123456789abcdef")
        );
        assert!(owed.starts && owed.may_be_of("any"));
        assert_eq!(owed.line(), line);
    }

    #[test]
    fn handlers_that_are_different_things_have_files_of_their_own() {
        let file = |project: &str, handler: &str, unit: Option<&str>| {
            let owed = Owed {
                project: Some(project.to_owned()),
                handler: handler.to_owned(),
                unit: unit.map(str::to_owned),
                ..Owed::default()
            };
            let [restarted, reloaded] = ["restarted", "reloaded"].map(|state| {
                let parameters = Some(Map::from_iter([("state".to_owned(), state.into())]));
                let owed = Owed {
                    parameters,
                    ..owed.clone()
                };
                owed.in_its_file().file
            });
            assert_eq!(restarted == reloaded, unit.is_none(), "a reload is no restart");
            restarted
        };
        let one = file("p", "t / x", Some("a.service"));
        assert_eq!(file("q", "t / x", Some("a.service")), one, "the same restart");
        let all = [
            one,
            file("p", "t / x", Some("b.service")),
            file("p", "t / y", Some("a.service")),
            file("p", "t / x", None),
            file("q", "t / x", None),
        ];
        let different: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len(), "{all:?}");
    }

    #[test]
    fn a_unit_has_nothing_to_do_if_it_was_started_after_the_change() {
        for (said, expected) in [
            ("noted=a1\nActiveState=active\nInvocationID=b2\nNRestarts=0\n", true),
            ("noted=a1\nInvocationID=b2\nActiveState=reloading\n", true),
            // It did not run when the file changed.
            ("noted=\nActiveState=active\nInvocationID=b2\nNRestarts=0\n", true),
            // The last change counts.
            (
                "noted=a1\nnoted=b2\nActiveState=active\nInvocationID=b2\nNRestarts=0\n",
                false,
            ),
            ("noted=a1\nActiveState=active\nInvocationID=a1\nNRestarts=0\n", false),
            // The run was cut off at the change.
            ("ActiveState=active\nInvocationID=b2\nNRestarts=0\n", false),
            ("noted=a1\nActiveState=active\nInvocationID=b2\nNRestarts=3\n", false),
            (
                "noted=a1\nActiveState=activating\nInvocationID=b2\nNRestarts=0\n",
                false,
            ),
            (
                "noted=a1\nActiveState=active\nInvocationID=b2\nNRestarts=0\nNeedDaemonReload=yes\n",
                false,
            ),
            ("noted=a1\nActiveState=failed\nInvocationID=b2\nNRestarts=0\n", false),
            ("noted=a1\nActiveState=active\nInvocationID=\nNRestarts=0\n", false),
            ("noted=a1\n", false),
            ("", false),
        ] {
            assert_eq!(was_started_since(said.as_bytes()), expected, "{said}");
        }
    }

    #[test]
    fn the_host_says_what_a_record_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let record = folder.path().join("a record");
        let said = |text: &str| {
            std::fs::write(&record, text).expect("written");
            let text = format!(
                "systemctl() {{ echo InvocationID=b2; }}\n{}",
                probe("x.service", record.to_str().expect("a path"))
            );
            let output = std::process::Command::new("sh").arg("-c").arg(text).output();
            String::from_utf8(output.expect("sh runs").stdout).expect("text")
        };
        assert_eq!(said("{\"handler\":\"x\"}\nkept /a b\n"), "InvocationID=b2\n");
        assert_eq!(said("{}\nkept /a b\na1\n\n"), "noted=a1\nnoted=\nInvocationID=b2\n");
        std::fs::remove_file(&record).expect("removed");
        let text = format!("systemctl() {{ echo InvocationID=b2; }}\n{}", probe("x", "/nowhere"));
        let output = std::process::Command::new("sh").arg("-c").arg(text).output();
        assert_eq!(output.expect("sh runs").stdout, b"InvocationID=b2\n");
    }

    #[test]
    fn what_is_no_record_is_still_told_of() {
        for said in [
            "abc {}",
            "abc",
            "abc {\"handler\":\"t / x\",\"op\":\"y\",\"parameters\":null}",
            "0123456789abcde/ {\"handler\":\"t / x\",\"op\":\"y\",\"parameters\":null}",
        ] {
            let owed = Owed::read(said);
            assert!(said.starts_with(owed.name()) && !owed.is_readable(), "{said}");
        }
    }
}
