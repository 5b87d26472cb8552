//! The files of a unit: what a change to one of them means for what is known about the unit (systemd.unit(5)).

use std::collections::BTreeSet;

use super::name::{is_unit_name, template_of};
use super::settings::Settings;
use super::{Reload, UnitFact, UnitState};
use crate::facts::path::{InodeKind, PathFact, is_below};

/// Where systemd looks for the files of units, the most important first.
const FOLDERS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The path of a unit file or of a drop-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitFilePath<'a> {
    /// The unit, or the template.
    pub unit: &'a str,
    /// The name of the drop-in in the unit's folder.
    pub drop_in: Option<&'a str>,
}

impl<'a> UnitFilePath<'a> {
    /// What `path` is to which unit; `None` if it is no file of one unit.
    pub fn of(path: &'a str) -> Option<Self> {
        let below = FOLDERS
            .iter()
            .find_map(|folder| path.strip_prefix(folder)?.strip_prefix('/'))?;
        let (unit, drop_in) = match below.split_once('/') {
            None => (below, None),
            Some((folder, name)) => (folder.strip_suffix(".d")?, Some(name)),
        };
        let is_read =
            drop_in.is_none_or(|name| matches!(name.rsplit_once('.'), Some((_, "conf"))) && !name.contains('/'));
        (is_read && is_unit_name(unit)).then_some(Self { unit, drop_in })
    }
}

/// What a file is to a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The unit file.
    File,
    /// A file that adds settings to it, or the folder of such files.
    DropIn,
}

/// A change to a file of a unit.
#[derive(Clone, Copy, Debug)]
pub(in crate::facts) struct FileChange<'a> {
    part: Part,
    /// What is at which path now; `None` if that is not known.
    now: Option<(&'a str, &'a PathFact)>,
}

impl<'a> FileChange<'a> {
    /// The change of `unit` if `fact` is at `path` now.
    pub(in crate::facts) fn at(unit: &str, path: &'a str, fact: &'a PathFact) -> Option<Self> {
        // A folder that goes is empty, or what is below it is forgotten, too.
        if is_directory(fact) || *fact == PathFact::Absent && is_drop_in_folder(path) {
            return None;
        }
        Some(Self {
            part: part(unit, path)?,
            now: Some((path, fact)),
        })
    }

    /// The change of `unit` if it is not known what is at `path` now.
    pub(in crate::facts) fn unknown(unit: &str, path: &str) -> Option<Self> {
        Some(Self {
            part: part(unit, path)?,
            now: None,
        })
    }

    /// The change of `unit` if it is not known what is in and below `top` now.
    pub(in crate::facts) fn unknown_below(unit: &str, top: &str) -> Option<Self> {
        if FOLDERS.iter().any(|folder| is_below(folder, top)) {
            return Some(Self {
                part: Part::File,
                now: None,
            });
        }
        Self::unknown(unit, top)
    }

    /// The path whose content is a part of the unit now.
    pub(in crate::facts) fn path(&self) -> Option<&'a str> {
        self.now.filter(|(_, fact)| is_file(fact)).map(|(path, _)| path)
    }

    /// The unit after the change; `text` is the content of the file, if that is known. `None` if the unit is not known then.
    pub(in crate::facts) fn applied(&self, unit: &str, before: UnitFact, text: Option<&str>) -> Option<UnitFact> {
        let (path, fact) = self.now?;
        match (self.part, before) {
            (Part::File, UnitFact::Present(state)) if !is_effective(path, &state) => Some(UnitFact::Present(state)),
            (Part::File, UnitFact::Present(state)) if is_file(fact) => {
                let state = UnitState {
                    file: path.to_owned(),
                    reload: Reload::Unknown,
                    ..changed(state)
                };
                Some(UnitFact::Present(match text {
                    Some(text) => with_text(state, text),
                    None => state,
                }))
            }
            (Part::File, UnitFact::Absent) if is_file(fact) => {
                Some(UnitFact::Present(with_text(new(unit, path), text?)))
            }
            (Part::File, UnitFact::Absent) if *fact == PathFact::Absent => Some(UnitFact::Absent),
            (Part::File, _) => None,
            (Part::DropIn, UnitFact::Absent) => Some(UnitFact::Absent),
            (Part::DropIn, UnitFact::Present(state)) => {
                let mut state = changed(state);
                let before = state.reload;
                state.reload = Reload::Unknown;
                if is_file(fact) {
                    state.has_drop_ins = true;
                    if let Some(text) = text {
                        state.reload = before;
                        Settings::read(text).add(&mut state);
                    }
                }
                Some(UnitFact::Present(state))
            }
        }
    }
}

/// Whether `path` is that of a file of `unit`, or of a folder of its drop-ins.
pub fn is_file_of(unit: &str, path: &str) -> bool {
    part(unit, path).is_some()
}

/// Whether `path` is that of a folder of drop-ins.
pub fn is_drop_in_folder(path: &str) -> bool {
    let name = FOLDERS
        .iter()
        .find_map(|folder| path.strip_prefix(folder)?.strip_prefix('/'));
    name.is_some_and(|name| !name.contains('/') && matches!(name.rsplit_once('.'), Some((_, "d"))))
}

/// Whether a file at `path` may be one of some unit.
pub(in crate::facts) fn is_unit_file(path: &str) -> bool {
    FOLDERS.iter().any(|folder| is_below(path, folder))
}

/// Whether files of units may be below `top`.
pub(in crate::facts) fn are_unit_files_below(top: &str) -> bool {
    FOLDERS
        .iter()
        .any(|folder| is_below(top, folder) || is_below(folder, top))
}

/// A unit whose file is new.
fn new(unit: &str, path: &str) -> UnitState {
    UnitState {
        id: unit.to_owned(),
        load: "loaded".to_owned(),
        active: "inactive".to_owned(),
        sub: "dead".to_owned(),
        file: path.to_owned(),
        is_new: true,
        needs_reload: true,
        ..UnitState::default()
    }
}

fn with_text(mut state: UnitState, text: &str) -> UnitState {
    if text.is_empty() {
        // An empty file masks its unit.
        "masked".clone_into(&mut state.load);
        "masked".clone_into(&mut state.enabled);
    } else {
        Settings::read(text).replace(&mut state);
    }
    state
}

/// A unit with a file that changed: systemd has not loaded it yet, and what runs was started before.
fn changed(state: UnitState) -> UnitState {
    let runs = !matches!(state.active.as_str(), "inactive" | "failed");
    UnitState {
        needs_reload: true,
        is_outdated: runs || state.is_outdated,
        ..state
    }
}

/// Whether the unit file at `path` is the one that counts.
fn is_effective(path: &str, state: &UnitState) -> bool {
    let rank = |path: &str| FOLDERS.iter().position(|folder| is_below(path, folder));
    match (rank(path), rank(&state.file)) {
        (Some(changed), Some(loaded)) => changed <= loaded,
        _ => true,
    }
}

fn is_file(fact: &PathFact) -> bool {
    matches!(fact, PathFact::Present(inode) if matches!(inode.kind, InodeKind::File { .. }))
}

fn is_directory(fact: &PathFact) -> bool {
    matches!(fact, PathFact::Present(inode) if inode.kind == InodeKind::Directory)
}

/// What the file at `path` is to `unit`.
fn part(unit: &str, path: &str) -> Option<Part> {
    let below = FOLDERS
        .iter()
        .find_map(|folder| path.strip_prefix(folder)?.strip_prefix('/'))?;
    let (name, inside) = match below.split_once('/') {
        Some((name, inside)) => (name, Some(inside)),
        None => (below, None),
    };
    let names = names(unit);
    let Some(of) = name.strip_suffix(".d") else {
        return (inside.is_none() && names.contains(name)).then_some(Part::File);
    };
    let is_read = inside.is_none_or(|file| matches!(file.rsplit_once('.'), Some((_, "conf"))));
    (is_read && (names.contains(of) || prefixes(unit).contains(of))).then_some(Part::DropIn)
}

/// The names of a unit's files: its own, and that of the template that it is an instance of.
fn names(unit: &str) -> BTreeSet<String> {
    [unit.to_owned()].into_iter().chain(template_of(unit)).collect()
}

/// The further names that folders of drop-ins may have: `a-.service` for `a-b.service`, and the type of the unit.
fn prefixes(unit: &str) -> BTreeSet<String> {
    let Some((stem, suffix)) = unit.rsplit_once('.') else {
        return BTreeSet::new();
    };
    let dashes = stem
        .match_indices('-')
        .map(|(at, _)| format!("{}.{suffix}", &stem[..=at]));
    dashes.chain([suffix.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::path::Inode;

    fn at(kind: InodeKind) -> PathFact {
        PathFact::Present(Inode {
            owner_id: None,
            group_id: None,
            kind,
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: 0o644,
        })
    }

    fn file() -> PathFact {
        at(InodeKind::File {
            digest: crate::value::Known::Yes("00ff".to_owned()),
        })
    }

    /// The unit after a file was written.
    fn after(unit: &str, path: &str, fact: &PathFact, before: UnitFact, text: Option<&str>) -> Option<UnitFact> {
        assert!(is_unit_file(path));
        FileChange::at(unit, path, fact)
            .expect("a file of the unit")
            .applied(unit, before, text)
    }

    fn running() -> UnitState {
        UnitState {
            id: "a.service".to_owned(),
            load: "loaded".to_owned(),
            active: "active".to_owned(),
            enabled: "enabled".to_owned(),
            file: "/etc/systemd/system/a.service".to_owned(),
            service_type: "simple".to_owned(),
            can_start: true,
            can_stop: true,
            ..UnitState::default()
        }
    }

    const TEXT: &str = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";

    #[test]
    fn a_path_is_a_file_of_the_units_that_read_it() {
        let etc = |path: &str| format!("/etc/systemd/system/{path}");
        for (unit, path, expected) in [
            ("a.service", etc("a.service"), Some(Part::File)),
            (
                "a.service",
                "/usr/local/lib/systemd/system/a.service".to_owned(),
                Some(Part::File),
            ),
            ("a.service", etc("b.service"), None),
            ("a.service", etc("a.timer"), None),
            ("a.service", "/etc/systemd/user/a.service".to_owned(), None),
            ("a.service", etc("a.service.d/x.conf"), Some(Part::DropIn)),
            ("a.service", etc("a.service.d/x.txt"), None),
            ("a.service", etc("a.service.d"), Some(Part::DropIn)),
            ("a.service", etc("service.d/x.conf"), Some(Part::DropIn)),
            ("a.service", etc("multi-user.target.wants/a.service"), None),
            ("a@x.service", etc("a@.service"), Some(Part::File)),
            ("a@x.service", etc("a@.service.d/x.conf"), Some(Part::DropIn)),
            ("a@x.service", etc("a@y.service"), None),
            ("a-b-c.service", etc("a-.service.d/x.conf"), Some(Part::DropIn)),
            ("a-b-c.service", etc("a-b-.service.d/x.conf"), Some(Part::DropIn)),
            ("a-b-c.service", etc("a.service.d/x.conf"), None),
        ] {
            assert_eq!(part(unit, &path), expected, "{unit} and {path}");
        }
    }

    #[test]
    fn a_path_of_a_unit_file_names_its_unit() {
        let etc = |path: &str| format!("/etc/systemd/system/{path}");
        for (path, expected) in [
            (etc("a.service"), Some(("a.service", None))),
            (etc("a@.timer"), Some(("a@.timer", None))),
            (etc("a.service.d/x.conf"), Some(("a.service", Some("x.conf")))),
            ("/run/systemd/system/a.socket".to_owned(), Some(("a.socket", None))),
            (etc("service.d/x.conf"), None),
            (etc(".service"), None),
            (etc("a b.service"), None),
            (etc("a b.service.d/x.conf"), None),
            (etc("a.service.d/x.txt"), None),
            (etc("a.service.d/x/y.conf"), None),
            (etc("multi-user.target.wants/a.service"), None),
            (etc("notes.txt"), None),
            ("/srv/a.service".to_owned(), None),
        ] {
            let found = UnitFilePath::of(&path).map(|of| (of.unit, of.drop_in));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn a_folder_of_drop_ins_that_goes_is_no_change() {
        let absent = PathFact::Absent;
        let changes = |path: &str| FileChange::at("a.service", path, &absent).is_some();
        assert!(!changes("/etc/systemd/system/a.service.d") && !changes("/run/systemd/system/service.d"));
        assert!(changes("/etc/systemd/system/a.service.d/x.conf") && changes("/etc/systemd/system/a.service"));
    }

    #[test]
    fn a_new_file_makes_its_unit_known() {
        let path = "/etc/systemd/system/a.service";
        let Some(UnitFact::Present(state)) = after("a.service", path, &file(), UnitFact::Absent, Some(TEXT)) else {
            panic!("the unit is known")
        };
        assert_eq!((&state.id[..], &state.enabled[..]), ("a.service", "disabled"));
        assert!(state.is_new && state.needs_reload && state.can_start && !state.is_outdated);
        assert_eq!(after("a.service", path, &file(), UnitFact::Absent, None), None);
        let gone = after("a.service", path, &PathFact::Absent, UnitFact::Absent, None);
        assert_eq!(gone, Some(UnitFact::Absent));
    }

    #[test]
    fn a_changed_file_makes_what_runs_outdated() {
        let path = "/etc/systemd/system/a.service";
        let drop_in = "/etc/systemd/system/a.service.d/x.conf";
        for (path, fact, text) in [
            (path, file(), Some(TEXT)),
            (path, file(), None),
            (drop_in, file(), Some("[Service]\nNice=5\n")),
            (drop_in, PathFact::Absent, None),
        ] {
            let Some(UnitFact::Present(state)) = after("a.service", path, &fact, UnitFact::Present(running()), text)
            else {
                panic!("the unit is known")
            };
            assert!(state.needs_reload && state.is_outdated && !state.is_new, "{path}");
            assert_eq!((&state.active[..], &state.enabled[..]), ("active", "enabled"), "{path}");
        }
        let stopped = UnitState {
            active: "failed".to_owned(),
            ..running()
        };
        let after_stopped = after("a.service", path, &file(), UnitFact::Present(stopped), Some(TEXT));
        assert!(matches!(after_stopped, Some(UnitFact::Present(state)) if !state.is_outdated));
    }

    #[test]
    fn what_is_not_known_stays_unknown() {
        let path = "/etc/systemd/system/a.service";
        let link = at(InodeKind::Link {
            target: "/srv/a.service".to_owned(),
        });
        for fact in [PathFact::Absent, link] {
            assert_eq!(
                after("a.service", path, &fact, UnitFact::Present(running()), None),
                None
            );
        }
        for (change, top) in [
            (FileChange::unknown_below("a.service", "/etc"), "/etc"),
            (FileChange::unknown_below("a.service", "/"), "/"),
            (
                FileChange::unknown_below("a.service", "/etc/systemd/system/a.service.d"),
                "/etc/systemd/system/a.service.d",
            ),
            (FileChange::unknown("a.service", path), path),
        ] {
            assert!(are_unit_files_below(top), "{top}");
            let change = change.expect("a file of the unit");
            assert_eq!(
                change.applied("a.service", UnitFact::Present(running()), None),
                None,
                "{top}"
            );
        }
        assert!(!are_unit_files_below("/srv") && FileChange::unknown_below("a.service", "/srv").is_none());
    }

    #[test]
    fn a_file_behind_another_one_changes_nothing() {
        let vendor = "/usr/lib/systemd/system/a.service";
        let same = after("a.service", vendor, &file(), UnitFact::Present(running()), Some(TEXT));
        assert_eq!(same, Some(UnitFact::Present(running())));
        let directory = at(InodeKind::Directory);
        assert!(FileChange::at("a.service", "/etc/systemd/system/a.service.d", &directory).is_none());
    }
}
