//! `secret-in-clear`: a password or token as everybody who has the project can read it.

use super::default_password::is_default;
use crate::policy::assignment::{Secrecy, is_no_secret, secrets};
use crate::policy::finding::Finding;
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "secret-in-clear",
    level: Level::Warning,
    title: "A password or token that is not encrypted in the project",
    why: "Anyone who can read the repository, or a copy of it, has the secret; so has git's history for ever.",
    remedy: "Encrypt it with `homelab secrets set`, and change the secret itself if it was committed.",
    check,
};

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let found = secrets(scene).into_iter().filter(|one| {
        let Some(secrecy) = Secrecy::of_key(&one.key) else {
            return false;
        };
        let is_told = secrecy == Secrecy::Certain && is_default(&one.value);
        !is_told && !is_no_secret(&one.value, secrecy)
    });
    found
        .map(|one| {
            let title = format!("`{}` is not encrypted", one.key);
            Finding::new(title, one.place, "a secret in clear")
                .of(one.operation)
                .hiding()
        })
        .collect()
}
