//! Versions of k3s, such as `v1.34.4+k3s1`.

use std::str::FromStr;

/// A version, in the order in which versions follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub(super) major: u32,
    pub(super) minor: u32,
    patch: u32,
    /// Of k3s itself.
    build: u32,
}

/// The text is no version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoVersion;

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let (numbers, build) = text
            .strip_prefix('v')
            .and_then(|rest| rest.split_once("+k3s"))
            .ok_or(NoVersion)?;
        let number = |text: &str| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            if is_number {
                text.parse().map_err(|_| NoVersion)
            } else {
                Err(NoVersion)
            }
        };
        let [major, minor, patch] = numbers.split('.').collect::<Vec<_>>()[..] else {
            return Err(NoVersion);
        };
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
            patch: number(patch)?,
            build: number(build)?,
        })
    }
}

/// Why a version cannot follow another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Fine,
    /// It is older.
    Back,
    /// Minor versions between them are left out.
    TooFar,
}

impl Version {
    /// How it follows `old`.
    pub(super) fn after(self, old: Self) -> Step {
        if self < old {
            Step::Back
        } else if self.major != old.major || self.minor > old.minor + 1 {
            Step::TooFar
        } else {
            Step::Fine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_follow_each_other_one_minor_version_at_a_time() {
        for (old, new, expected) in [
            ("v1.34.4+k3s1", "v1.34.4+k3s1", Step::Fine),
            ("v1.34.4+k3s1", "v1.34.5+k3s1", Step::Fine),
            ("v1.34.4+k3s1", "v1.34.4+k3s2", Step::Fine),
            ("v1.34.9+k3s1", "v1.34.10+k3s1", Step::Fine),
            ("v1.34.4+k3s1", "v1.35.0+k3s1", Step::Fine),
            ("v1.34.4+k3s1", "v1.36.0+k3s1", Step::TooFar),
            ("v1.34.4+k3s1", "v2.0.0+k3s1", Step::TooFar),
            ("v1.34.4+k3s1", "v1.34.3+k3s1", Step::Back),
            ("v1.34.4+k3s2", "v1.34.4+k3s1", Step::Back),
            ("v1.34.4+k3s1", "v1.33.9+k3s1", Step::Back),
        ] {
            let [old_version, new_version] = [old, new].map(|text| text.parse::<Version>().expect("a version"));
            assert_eq!(new_version.after(old_version), expected, "{old} {new}");
        }
    }

    #[test]
    fn other_texts_are_no_versions() {
        for text in [
            "",
            "1.34.4+k3s1",
            "v1.34.4",
            "v1.34+k3s1",
            "v1.34.4+rke2r1",
            "v1.34.x+k3s1",
            "v1.34.4+k3s",
            "v1.+1.4+k3s1",
            "stable",
        ] {
            let read = text.parse::<Version>();
            assert!(read.is_err(), "{text}: {read:?}");
        }
    }
}
