//! `private-key-in-clear`: a private key as everybody who has the project can read it.

use crate::error::{Origin, SourceFile};
use crate::policy::finding::{Finding, Place};
use crate::policy::lint::{Level, Lint};
use crate::policy::scene::Scene;

pub(in crate::policy) const LINT: Lint = Lint {
    name: "private-key-in-clear",
    level: Level::Error,
    title: "A private key that is not encrypted in the project",
    why: "Anyone who can read the repository can pass as its owner; a key that was committed is lost.",
    remedy: "Make a new key, and store it with `homelab secrets set templates/NAME.age` or as encrypted data.",
    check,
};

/// The place of the first whole private key in a text. Text that only speaks of one has none.
fn key_in(text: &str) -> Option<std::ops::Range<usize>> {
    const LABELS: [&str; 5] = ["", "RSA ", "EC ", "DSA ", "OPENSSH "];
    let of_label = LABELS.iter().find_map(|label| {
        let head = format!("-----BEGIN {label}PRIVATE KEY-----");
        let start = text.find(&head)?;
        let body = text[start + head.len()..].trim_start_matches(['\n', '\r', ' ', '\\', 'n']);
        let is_body = |sign: char| sign.is_ascii_alphanumeric() || "+/=".contains(sign);
        let length = body.chars().take_while(|sign| is_body(*sign)).count();
        (length >= 32).then_some(start..start + head.len())
    });
    of_label.or_else(|| {
        const AGE: &str = "AGE-SECRET-KEY-1";
        let start = text.find(AGE)?;
        let length = text[start + AGE.len()..]
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .count();
        (length >= 50).then_some(start..start + AGE.len())
    })
}

fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let title = |name: &str| format!("`{name}` has a private key that is not encrypted");
    let mut found = Vec::new();
    for (name, bytes) in scene.project.assets.in_memory() {
        let Ok(text) = std::str::from_utf8(bytes) else { continue };
        if let Some(span) = key_in(text) {
            let name = format!("templates/{name}");
            let place = Place::at(&Origin::new(&SourceFile::new(&name, text), span));
            found.push(Finding::new(title(&name), place, "a private key in clear").hiding());
        }
    }
    for datum in scene.data.iter().filter(|datum| key_in(datum.value).is_some()) {
        let place = Place::at(datum.origin).of_key(&datum.key);
        found.push(Finding::new(title(&datum.key), place, "a private key in clear").hiding());
    }
    for (number, planned) in scene.numbered() {
        let written = planned.rendered.arguments.iter();
        let keys = written.filter(|(_, entry)| entry.value.as_str().is_some_and(|text| key_in(text).is_some()));
        for (key, entry) in keys {
            let own = entry.key.as_ref().filter(|at| {
                let value = entry.value.origin.as_ref();
                value.is_some_and(|value| value.file == at.file && !at.file.text[value.span.clone()].contains("{{"))
            });
            // What comes from data is told there.
            let Some(own) = own else { continue };
            let finding = Finding::new(title(key), Place::at(own), "a private key in clear");
            found.push(finding.of(Some(number)).hiding());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::key_in;

    #[test]
    fn only_a_whole_key_counts() {
        let body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB";
        for label in ["", "RSA ", "EC ", "OPENSSH "] {
            assert!(key_in(&format!("x\n-----BEGIN {label}PRIVATE KEY-----\n{body}\n")).is_some());
        }
        assert!(key_in(&format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}\n")).is_none());
        assert!(key_in("-----BEGIN PRIVATE KEY-----\n{{ secrets.key }}\n").is_none());
        assert!(key_in("-----BEGIN PRIVATE KEY-----\n…\n").is_none());
        assert!(key_in("AGE-SECRET-KEY-1…").is_none());
    }
}
