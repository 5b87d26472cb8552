//! `world-readable-secret`: a secret that every user of the host can read.

use crate::policy::finding::{Finding, Place};
use crate::policy::lint::{Level, Lint};
use crate::policy::planned::file_name;
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "world-readable-secret",
    level: Level::Warning,
    title: "A secret that every user of the host can read",
    why: "Any program on the host, however little it is trusted, can read the secret.",
    remedy: "Write `mode = \"0600\"`, or `\"0640\"` with the group that reads it; without `mode`, a file with a secret gets `0600`.",
    check,
};

/// The right of everybody to read.
const READ_BY_ALL: u32 = 0o004;

/// Whether a file is a private key by its name.
fn is_key(path: &str) -> bool {
    let name = file_name(path);
    let end = name.rsplit_once('.').map(|(_, end)| end);
    end == Some("key") || ["id_rsa", "id_ecdsa", "id_ed25519"].contains(&name)
}

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, text) in scene.texts() {
        let Some(mode) = text.mode.filter(|mode| mode & READ_BY_ALL != 0) else {
            continue;
        };
        if !text.has_secret && !is_key(&text.path) {
            continue;
        }
        let planned = &scene.operations[number];
        let place = planned.argument("mode").map(|mode| planned.place_of(mode));
        let title = format!("every user of the host can read the secret in `{}`", text.path);
        let place = place.unwrap_or_else(|| Place::at(&text.used));
        found.push(Finding::new(title, place, format!("mode {mode:04o}")).of(Some(number)));
    }
    found
}
