//! Reads what could prevent a change of a file: its flags, whether something is mounted there, and whether its file system can be
//! changed.

use std::collections::BTreeMap;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey};
use crate::facts::path::{Metadata, MetadataKey, each_mount, mount_field, unescaped};
use crate::quote::quote_all;

static METADATA: Family = Family {
    subject: "flags of files",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for MetadataKey<'a> {
    const FAMILY: &'static Family = &METADATA;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// Flags that file systems set by themselves, in the letters of lsattr(1).
const BY_ITSELF: &str = "-eEINV";

/// What is printed in the place of flags if the host has no `lsattr`.
const WITHOUT_LSATTR: &str = "without";

/// A mount point is compared, never looked at: a dead server of NFS does not answer. Of each mount point at or above a path, its options
/// and those of its file system are printed.
fn probe(keys: &[FactKey]) -> String {
    let paths: Vec<&str> = keys.iter().filter_map(FactKey::path).collect();
    let escaped: Vec<String> = paths.iter().map(|path| mount_field(path)).collect();
    format!(
        "lsattr -d -- {} 2>/dev/null; [ $? != 127 ] || echo {WITHOUT_LSATTR}\n\
         printf \"mounts\\n\"\n\
         set -- {}\n\
         {each} 2>/dev/null\n\
         true",
        quote_all(paths),
        quote_all(escaped.iter().map(String::as_str)),
        each = each_mount(
            "o i",
            "for k; do case $k/ in \"${p%/}\"/*) printf \"%s,%s %s\\n\" \"$o\" \"${i##* }\" \"$p\"; break ;; esac; done"
        ),
    )
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let lines = lines(answer);
    let mounts_at = lines
        .iter()
        .position(|line| line == "mounts")
        .ok_or_else(|| UnreadableAnswer::new("missing section `mounts`"))?;
    let flags: BTreeMap<&str, &str> = lines[..mounts_at]
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(flags, path)| (path, flags))
        .collect();
    let mounts: Vec<(&str, &str)> = lines[mounts_at + 1..]
        .iter()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let without_flags = lines[..mounts_at] == [WITHOUT_LSATTR];
    let facts = keys.iter().filter_map(|key| {
        let path = key.path()?;
        let metadata = Metadata {
            without_flags,
            flags: flags
                .get(path)
                .map(|flags| flags.replace(|flag| BY_ITSELF.contains(flag), ""))
                .unwrap_or_default(),
            is_mount: mounts.iter().any(|(_, mount)| *mount == mount_field(path)),
            read_only: read_only(&mount_field(path), &mounts),
        };
        Some((key.clone(), Fact::Metadata(metadata)))
    });
    Ok(facts.collect())
}

/// The mount point that a path is below, if its file system is read-only. Of two at the same place, the later one covers the other.
fn read_only(path: &str, mounts: &[(&str, &str)]) -> Option<String> {
    let is_above = |mount: &str| format!("{path}/").starts_with(&format!("{}/", mount.trim_end_matches('/')));
    let above = mounts.iter().filter(|(_, mount)| is_above(mount));
    let (options, mount) = above.max_by_key(|(_, mount)| mount.len())?;
    options
        .split(',')
        .any(|option| option == "ro")
        .then(|| unescaped(mount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_mount_points_are_seen() {
        let keys = ["/etc/a b", "/etc/i", "/etc/none", "/etc/a b/c", "/proc/sys"]
            .map(|path| FactKey::Metadata(path.to_owned()));
        let answer = b"--------------e------- /etc/a b\n----i-d-------e------- /etc/i\nmounts\nrw,relatime,rw /\n\
            rw,relatime,ro /etc/a\\040b\nrw,rw /proc\nro,nosuid,rw /proc/sys\nrw,rw /proc/sys\n";
        let facts = parse(&keys, 0, answer).expect("readable");
        let found: Vec<(&str, bool, Option<&str>)> = facts
            .iter()
            .map(|(_, fact)| match fact {
                Fact::Metadata(metadata) => (
                    metadata.flags.as_str(),
                    metadata.is_mount,
                    metadata.read_only.as_deref(),
                ),
                other => panic!("{other:?}"),
            })
            .collect();
        let below = Some("/etc/a b");
        assert_eq!(
            found,
            [
                ("", true, below),
                ("id", false, None),
                ("", false, None),
                ("", false, below),
                ("", true, None)
            ]
        );
    }

    #[test]
    fn a_host_without_lsattr_says_so() {
        let keys = [FactKey::Metadata("/proc".to_owned())];
        let output = std::process::Command::new("/bin/sh")
            .arg("-c")
            .arg(probe(&keys))
            .env("PATH", "/nowhere")
            .output()
            .expect("it runs");
        let facts = parse(&keys, 0, &output.stdout).expect("readable");
        assert!(
            matches!(&facts[0].1, Fact::Metadata(metadata) if metadata.without_flags && metadata.is_mount),
            "{output:?}"
        );
    }

    #[test]
    fn the_probe_prints_the_mount_points_among_the_paths() {
        let keys = ["/proc", "/no such"].map(|path| FactKey::Metadata(path.to_owned()));
        for shell in ["dash", "bash"] {
            let output = std::process::Command::new(shell)
                .arg("-c")
                .arg(probe(&keys))
                .output()
                .expect("it runs");
            let facts = parse(&keys, 0, &output.stdout).expect("readable");
            assert!(
                matches!(&facts[0].1, Fact::Metadata(metadata) if metadata.is_mount && !metadata.without_flags),
                "{output:?}"
            );
            assert!(
                matches!(&facts[1].1, Fact::Metadata(metadata) if !metadata.is_mount),
                "{output:?}"
            );
        }
    }
}
