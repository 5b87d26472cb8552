//! Keys that the language has and this version does not act on: each is refused where it is written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::deploy::bad_input::Guarded;

/// A file of the project with a key to fill in, which is `@`.
pub(crate) struct Place {
    path: &'static str,
    around: &'static str,
    /// Keys with values.
    pub(crate) keys: &'static [(&'static str, &'static str)],
}

pub(crate) const PLACES: &[Place] = &[Place {
    path: "inventories/dev.toml",
    around: "[hosts.alpha]\naddress = '127.0.0.1'\n[connection]\n@\n",
    keys: &[("keep", "'5m'"), ("known_hosts", "'known_hosts'")],
}];

const DRY_RUN: &[&str] = &["deploy", "dev", "all", "--dry-run"];

#[test]
fn keys_without_an_effect_yet_are_errors_with_a_place() {
    for Place { path, around, keys } in PLACES {
        let (index, line) = around.lines().enumerate().find(|(_, line)| line.contains('@')).unwrap();
        let (line, column) = (index + 1, line.find('@').unwrap() + 1);
        for (key, value) in *keys {
            let guarded = Guarded::new();
            guarded
                .project
                .write(path, around.replace('@', &format!("{key} = {value}")));
            let title = format!("`{key}` is not supported yet");
            let place = format!("{path}:{line}:{column}");
            guarded.refuses(DRY_RUN, &[&title, &place]);
        }
    }
}

/// What stands in the lists of such keys in the source: one that is added there is to be tried here.
#[test]
fn every_key_that_the_source_refuses_so_is_among_them() {
    let tried: BTreeSet<&str> = PLACES
        .iter()
        .flat_map(|place| place.keys)
        .map(|(key, _)| *key)
        .collect();
    let mut refused = BTreeSet::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src/project", "src/project/catalogue"];
    for entry in folders
        .iter()
        .flat_map(|folder| fs::read_dir(top.join(folder)).unwrap())
    {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|suffix| suffix == "rs") {
            collect_refused(&fs::read_to_string(path).unwrap(), &mut refused);
        }
    }
    assert!(refused.len() >= 2, "the lists are not found: {refused:?}");
    let missing: Vec<&String> = refused.iter().filter(|key| !tried.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "refused and not tried: {missing:?}");
}

fn collect_refused(source: &str, refused: &mut BTreeSet<String>) {
    for list in source.split("NOT_YET: &[&str] = &[").skip(1) {
        let list = list.split_once(']').unwrap().0;
        refused.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
    }
}
