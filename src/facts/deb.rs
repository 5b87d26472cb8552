//! Packages that come from a file instead of a repository, and homelab's records of those that it installed.

use serde::{Deserialize, Serialize};

use super::download::Download;
use super::environment::Environment;
use super::owed::STATE_FOLDER;
use crate::quote::quote;

/// The fields that say what apt would do with a package.
const FIELDS: [&str; 14] = [
    "Package",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Essential",
    "Pre-Depends",
    "Depends",
    "Recommends",
    "Suggests",
    "Enhances",
    "Conflicts",
    "Breaks",
    "Replaces",
    "Provides",
];

/// Makes a folder for a moment, and prints its path.
const TEMPORARY: &str = "mktemp -d -p /run homelab-deb.XXXXXXXX 2>/dev/null || mktemp -d -p /tmp homelab-deb.XXXXXXXX";

/// How much room a program needs for the file that can only write it, in KiB: with less, it is in another folder for a moment.
const ENOUGH: u32 = 200 << 10;

/// The control file is in so many bytes at the start of a package: the rest is not kept.
const HEAD: u32 = 8 << 20;

/// What a package says of itself, as far as apt decides by it: a line for each field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Control(Box<str>);

impl Control {
    /// Reads a control file. `None` if it has no name, version or architecture.
    pub fn read(text: &str) -> Option<Self> {
        let mut fields: Vec<(&str, String)> = Vec::new();
        for line in text.lines().take_while(|line| !line.trim().is_empty()) {
            match (line.strip_prefix([' ', '\t']), fields.last_mut()) {
                (Some(more), Some((_, value))) => value.extend([" ", more.trim()]),
                (Some(_), None) => return None,
                (None, _) => {
                    let (name, value) = line.split_once(':')?;
                    fields.push((name, value.trim().to_owned()));
                }
            }
        }
        let value = |wanted: &&str| {
            let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value).filter(|value| !value.is_empty())
        };
        if FIELDS[..3].iter().any(|name| value(name).is_none()) {
            return None;
        }
        let lines = FIELDS
            .iter()
            .filter_map(|name| Some(format!("{name}: {}\n", value(name)?)));
        Some(Self(lines.collect::<String>().into()))
    }

    /// All fields, as lines.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Its name.
    pub fn package(&self) -> &str {
        self.field("Package")
    }

    /// Its version.
    pub fn version(&self) -> &str {
        self.field("Version")
    }

    /// The architecture that it is for; `all` is any.
    pub fn architecture(&self) -> &str {
        self.field("Architecture")
    }

    fn field(&self, name: &str) -> &str {
        let found = self
            .0
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or_default()
    }

    /// Shell text that makes a package with nothing in it that says the same of itself: its path is `$deb/local.deb`, and `$deb` is to
    /// be removed. apt simulates with it what it would do with the real one. Reading it needs a folder for temporary files
    /// (`TMPDIR`), as dpkg-deb does: it is a folder there, so that a review leaves `/tmp` as it is.
    pub fn stand_in(&self) -> String {
        let text = format!("{}Maintainer: homelab\nDescription: homelab\n", self.text());
        format!(
            "deb=$({TEMPORARY}) && export TMPDIR=\"$deb/tmp\" && (umask 022; mkdir -m 1777 \"$TMPDIR\" \
             && mkdir -p \"$deb/of/DEBIAN\" && printf \"%s\" {} >\"$deb/of/DEBIAN/control\" \
             && dpkg-deb -b \"$deb/of\" \"$deb/local.deb\" && chmod 0755 \"$deb\") >/dev/null 2>&1 || exit\n",
            quote(&text)
        )
    }
}

/// A package that a host downloads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RemoteDeb {
    /// Its name, with which it is recorded.
    pub package: String,
    pub url: String,
    /// In lower-case hex.
    pub sha256: String,
    /// The variables of its download.
    pub env: Environment,
}

/// How long its download may take while a host is read, in seconds.
pub const LONGEST: u32 = 540;

impl RemoteDeb {
    /// Where it is recorded that this file was installed, and what it says of itself: so it is not downloaded again.
    pub fn record(&self) -> String {
        format!("{STATE_FOLDER}/debs/{}", self.package)
    }

    /// What its record says: the digest, then the fields.
    pub fn recorded(&self, control: &Control) -> String {
        format!("sha256 {}\n{}", self.sha256, control.text())
    }

    /// Shell text for root that prints `recorded` and the fields of the record, `control` and those of the file, `other` and the
    /// digest of another file, or `bad` and why it is no package. It may call `hl_failed` with a reason, and needs `hl_said`.
    pub(super) fn probe(&self) -> String {
        format!(
            "{env}r={record}; if [ -f \"$r\" ] && [ \"$(head -n 1 \"$r\")\" = {of} ]; then {{ echo recorded; tail -n +2 \"$r\"; }} | hl_said; exit; fi\n\
             f=$({TEMPORARY}) || hl_failed \"there is no room for a file in /run\"; trap \"rm -rf $f\" EXIT; trap \"exit 1\" HUP INT PIPE TERM\n\
             [ \"$(df -Pk /run | awk \"NR == 2 {{ print \\$4 }}\")\" -lt {ENOUGH} ] || export TMPDIR=/run\n\
             {{ {download} 2>\"$f/why\" || : >\"$f/failed\"; }} | {{ head -c {HEAD} >\"$f/deb\"; cat \"$f/deb\" - | sha256sum >\"$f/sum\"; }}\n\
             [ ! -e \"$f/failed\" ] || hl_failed \"$(grep . \"$f/why\" || echo it failed)\"\n\
             d=$(cat \"$f/sum\"); d=${{d%% *}} f=$f/deb\n\
             if [ \"$d\" != {sha256} ]; then echo \"other $d\" | hl_said\n\
             elif c=$(dpkg-deb -f \"$f\" 2>&1); then printf \"control\\n%s\\n\" \"$c\" | hl_said\n\
             else printf \"bad %s\\n\" \"$c\" | head -n 1 | sed \"s|$f|the file|g\" | hl_said; fi",
            env = self.env.exports(),
            record = quote(&self.record()),
            of = quote(&format!("sha256 {}", self.sha256)),
            sha256 = quote(&self.sha256),
            download = self.download(LONGEST)
        )
    }

    /// Shell text that prints the file, in at most so many seconds.
    pub fn download(&self, longest: u32) -> String {
        let limit = format!("timeout -k 5 {longest}");
        let download = Download {
            url: &self.url,
            has_headers: false,
            limit: &limit,
        };
        download.script()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_apt_decides_by_is_kept_each_field_in_a_line() {
        let text = "package: tool\nVersion: 1:2.0-1\nMaintainer: x\nDepends: libc6 (>= 2.36),\n libtool |\n\tother\n\
            architecture: amd64\nRecommends:\nDescription: one\n two\n .\n three\n\nPackage: second\n";
        let control = Control::read(text).expect("a control file");
        assert_eq!(
            control.text(),
            "Package: tool\nVersion: 1:2.0-1\nArchitecture: amd64\nDepends: libc6 (>= 2.36), libtool | other\n"
        );
        assert_eq!(
            (control.package(), control.version(), control.architecture()),
            ("tool", "1:2.0-1", "amd64")
        );
        assert_eq!(Control::read(control.text()), Some(control));
    }

    #[test]
    fn a_text_without_name_version_and_architecture_is_none() {
        for text in [
            "",
            "Package: a\nVersion: 1\n",
            " Package: a\n",
            "Package a\n",
            "Package: a\nVersion:\nArchitecture: all\n",
        ] {
            assert_eq!(Control::read(text), None, "{text}");
        }
    }
}
