//! Images that are held to digests: what a new lock file changes, and which registries have something newer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::sanitize;
use super::style::{Tone, paint};
use crate::project::lock_line;

/// The lines of the lock file at `path` that differ; empty if none does.
pub fn lock_diff(path: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> String {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut lines = String::new();
    for name in names {
        let (before, after) = (old.get(name), new.get(name));
        if before == after {
            continue;
        }
        for (sign, tone, digest) in [("-", Tone::Removed, before), ("+", Tone::Added, after)] {
            if let Some(digest) = digest {
                let line = format!("{sign} {}", lock_line(name, digest));
                let _ = writeln!(lines, "    {}", paint(tone, &sanitize::one_line(&line)));
            }
        }
    }
    if lines.is_empty() {
        return lines;
    }
    let (sign, tone) = if old.is_empty() {
        ("+", Tone::Added)
    } else {
        ("~", Tone::Changed)
    };
    format!("{} file {path}\n{lines}", paint(tone, sign))
}

/// A pinned image, or one that is used and not pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageState {
    pub name: String,
    pub pin: Option<String>,
    /// What the registry has; `None` if that is not known.
    pub now: Option<String>,
    /// What uses it: `stack grafana`.
    pub used_by: Vec<String>,
}

impl ImageState {
    /// Whether the registry has another image than the pinned one.
    pub fn is_outdated(&self) -> bool {
        self.pin.is_some() && self.now.is_some() && self.pin != self.now
    }
}

/// One line for each image that is outdated or not pinned, and how many are as pinned.
pub fn outdated(images: &[ImageState]) -> String {
    let mut text = String::new();
    for image in images {
        let users = sanitize::one_line(&image.used_by.join(", "));
        let name = sanitize::one_line(&image.name);
        match (&image.pin, &image.now) {
            (Some(pin), Some(now)) if pin != now => {
                let sign = paint(Tone::Changed, "~");
                let _ = writeln!(text, "{sign} {name}   {} → {}   {users}", short(pin), short(now));
            }
            (None, Some(now)) => {
                let sign = paint(Tone::Added, "+");
                let _ = writeln!(text, "{sign} {name}   not pinned → {}   {users}", short(now));
            }
            _ => {}
        }
    }
    let current = images
        .iter()
        .filter(|one| one.pin.is_some() && one.pin == one.now)
        .count();
    let outdated = images.iter().filter(|one| one.is_outdated()).count();
    let open = images.iter().filter(|one| one.pin.is_none()).count();
    let mut counts = vec![format!("{outdated} outdated"), format!("{current} as pinned")];
    counts.extend((open > 0).then(|| format!("{open} not pinned")));
    text + &format!("images: {}\n", counts.join(", "))
}

/// The line about a pin that nothing uses.
pub fn unused_pin(name: &str, place: &str, inventory: &str) -> String {
    let name = sanitize::one_line(name);
    format!("nothing uses the pinned image `{name}` ({place}): `homelab images pin {inventory}` removes the pin\n")
}

/// The line about `pull = "always"` of a pinned image.
pub fn asked_in_vain(name: &str, place: &str) -> String {
    let name = sanitize::one_line(name);
    format!("`{name}` is pinned, so `pull = \"always\"` ({place}) does not ask its registry: remove one of the two\n")
}

/// A digest as Docker shortens it.
fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs.map(|(name, digest)| (name.to_owned(), digest.to_owned())).into()
    }

    #[test]
    fn only_lines_that_differ_are_shown() {
        let (old, new) = (
            pins([("a:1", "d1"), ("b:1", "d1"), ("gone:1", "d1")]),
            pins([("a:1", "d1"), ("b:1", "d2"), ("new:1", "d3")]),
        );
        let shown = anstream::adapter::strip_str(&lock_diff("x.images.lock", &old, &new)).to_string();
        assert_eq!(
            shown,
            "~ file x.images.lock\n    - \"b:1\" = \"d1\"\n    + \"b:1\" = \"d2\"\n    - \"gone:1\" = \"d1\"\n    + \"new:1\" = \"d3\"\n"
        );
        assert_eq!(lock_diff("x", &old, &old), "");
    }

    #[test]
    fn what_is_as_pinned_is_counted() {
        let state = |name: &str, pin: Option<&str>, now: Option<&str>| ImageState {
            name: name.to_owned(),
            pin: pin.map(str::to_owned),
            now: now.map(str::to_owned),
            used_by: vec!["stack web".to_owned(), "docker.image".to_owned()],
        };
        let images = [
            state("a:1", Some("sha256:0a0b0c0d0e0f00"), Some("sha256:010203040506ff")),
            state("b:1", Some("d"), Some("d")),
            state("c:1", None, Some("sha256:010203040506ff")),
            state("d:1", Some("d"), None),
        ];
        let shown = anstream::adapter::strip_str(&outdated(&images)).to_string();
        assert_eq!(
            shown,
            "~ a:1   0a0b0c0d0e0f → 010203040506   stack web, docker.image\n\
             + c:1   not pinned → 010203040506   stack web, docker.image\n\
             images: 1 outdated, 1 as pinned, 1 not pinned\n"
        );
    }
}
