//! `default-password`: a password that everybody tries first.

use crate::policy::assignment::{Secrecy, secrets};
use crate::policy::finding::Finding;
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "default-password",
    level: Level::Warning,
    title: "A password that everybody tries first",
    why: "Programs that search networks try `admin`, `changeme` and the like before anything else.",
    remedy: "Have one made, `\"{{ 'grafana admin' | lab_password }}\"`, or store yours with `homelab secrets set`.",
    check,
};

/// In lower case, without signs and without digits at their end.
const DEFAULTS: [&str; 26] = [
    "admin",
    "administrator",
    "changeit",
    "changeme",
    "changethis",
    "default",
    "demo",
    "dietpi",
    "example",
    "guest",
    "letmein",
    "master",
    "minioadmin",
    "pass",
    "passwd",
    "password",
    "pi",
    "qwerty",
    "raspberry",
    "root",
    "secret",
    "test",
    "toor",
    "ubuntu",
    "user",
    "welcome",
];

/// Whether a value is such a password.
pub(in crate::policy) fn is_default(value: &str) -> bool {
    let plain: String = value
        .to_ascii_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let word = plain.trim_end_matches(|sign: char| sign.is_ascii_digit());
    let is_count = !plain.is_empty() && plain.len() > 2 && "1234567890".starts_with(&plain);
    (plain.len() == value.trim().len() || value.len() < 16) && (DEFAULTS.contains(&word) || is_count)
}

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let found = secrets(scene)
        .into_iter()
        .filter(|one| Secrecy::of_key(&one.key) == Some(Secrecy::Certain) && is_default(&one.value));
    found
        .map(|one| {
            let title = format!("`{}` is a password that everybody tries first", one.key);
            Finding::new(title, one.place, "a default password")
                .of(one.operation)
                .hiding()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::is_default;

    #[test]
    fn well_known_passwords_are_found_in_each_spelling() {
        for value in [
            "admin",
            "Admin123",
            "change-me",
            "CHANGE_ME",
            "123456",
            "Passw0rd".replace('0', "o").as_str(),
        ] {
            assert!(is_default(value), "{value}");
        }
        for value in [
            "administratively",
            "correct horse battery",
            "x7Gp",
            "9182",
            "adminton",
            "12",
        ] {
            assert!(!is_default(value), "{value}");
        }
    }
}
