//! Everything on a host, and what differs between two snapshots.

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::host::Host;

/// Kind, mode, owner, size, times, target and digest of every file, by path. `/run` and `/tmp` are separate file systems.
/// Access times are left out, since reading changes them. What nothing wrote to since the host was created has no digest: the
/// time of its last change says so, which cannot be set.
const FILES: &str = r#"export LC_ALL=C
for top in / /run /tmp; do
    find "$top" -xdev -printf '%p\t%y %m %u:%g %s %T@ %C@ %l\n'
    find "$top" -xdev -type f -newerct CREATED -exec sha256sum {} + | sed 's/^\([0-9a-f]*\)  \(.*\)$/\2\tsha256 \1/'
done"#;

/// Digest or link target, mode and owner of what is below /etc, to compare two hosts.
const ETC: &str = r"export LC_ALL=C
find /etc -printf '%p\t%y %m %u:%g %l\n'
find /etc -type f -exec sha256sum {} + | sed 's/^\([0-9a-f]*\)  \(.*\)$/\2\tsha256 \1/'";

const PACKAGES: &str = r"dpkg-query -W -f '${Package}\t${db:Status-Abbrev}${Version}\n'";

/// Without units that a login starts: they end seconds after it, as do the names of units that they only mention.
const UNITS: &str = r#"systemctl list-units --all --plain --no-legend --type=service,socket,timer |
    awk '$1 !~ /^user(-runtime-dir)?@/ && $2 != "not-found" { print $1 ": runs\t" $3 }'
systemctl list-unit-files --no-legend | awk '$2 != "transient" { print $1 ": at boot\t" $2 }'"#;

/// Something that a host has, by name.
pub(crate) type Listing = BTreeMap<String, String>;

/// Every file of the host, with everything that a change to it would change.
pub(crate) fn files(host: &Host<'_>) -> Listing {
    listing(host, &FILES.replace("CREATED", host.created()))
}

/// What is below /etc, without times.
pub(crate) fn etc(host: &Host<'_>) -> Listing {
    listing(host, ETC)
}

/// The packages that dpkg knows.
pub(crate) fn packages(host: &Host<'_>) -> Listing {
    listing(host, PACKAGES)
}

/// Whether each unit runs, and whether it starts at boot.
pub(crate) fn units(host: &Host<'_>) -> Listing {
    listing(host, UNITS)
}

fn listing(host: &Host<'_>, line: &str) -> Listing {
    let mut listing = Listing::new();
    for (name, value) in host.inside(line).lines().filter_map(|line| line.split_once('\t')) {
        let all = listing.entry(name.to_owned()).or_default();
        all.push_str(value);
        all.push(' ');
    }
    assert!(!listing.is_empty(), "nothing was listed: {line}");
    listing
}

/// The names that are new, gone or have another value.
pub(crate) fn changed(before: &Listing, after: &Listing) -> BTreeSet<String> {
    let names = before.keys().chain(after.keys());
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect()
}

/// Paths that change on any host when a user logs in, whatever the user does.
pub(crate) struct LoginPaths(GlobSet);

impl LoginPaths {
    /// Reads the committed list; each path needs a reason.
    pub(crate) fn committed() -> Self {
        let mut set = GlobSetBuilder::new();
        let list = include_str!("paths-that-logging-in-changes.txt");
        for line in list.lines().filter(|line| line.starts_with('/')) {
            let (path, reason) = line.split_once("  ").unwrap_or((line, ""));
            assert!(!reason.trim().is_empty(), "no reason is given for {path}");
            set.add(GlobBuilder::new(path).literal_separator(true).build().unwrap());
        }
        Self(set.build().unwrap())
    }

    /// Those of `paths` that a login does not explain.
    pub(crate) fn unexplained(&self, paths: impl IntoIterator<Item = String>) -> Vec<String> {
        paths.into_iter().filter(|path| !self.0.is_match(path)).collect()
    }
}
