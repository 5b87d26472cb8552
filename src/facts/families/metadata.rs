//! Reads what could prevent a change of a file: its flags, and whether something is mounted there.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey};
use crate::facts::path::{Metadata, MetadataKey, mount_field};
use crate::quote::{quote, quote_all};

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

/// A mount point is compared, never looked at: a dead server of NFS does not answer.
fn probe(keys: &[FactKey]) -> String {
    let paths: Vec<&str> = keys.iter().filter_map(FactKey::path).collect();
    let escaped: Vec<String> = paths.iter().map(|path| mount_field(path)).collect();
    format!(
        "lsattr -d -- {} 2>/dev/null\n\
         printf \"mounts\\n\"\n\
         n=\"\n\"\n\
         m=$n{}$n\n\
         while read -r i i i i p i; do case $m in *\"$n$p$n\"*) printf \"%s\\n\" \"$p\" ;; esac; done </proc/self/mountinfo 2>/dev/null\n\
         true",
        quote_all(paths),
        quote(&escaped.join("\n")),
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
    let mounts: BTreeSet<&str> = lines[mounts_at + 1..].iter().map(String::as_str).collect();
    let facts = keys.iter().filter_map(|key| {
        let path = key.path()?;
        let metadata = Metadata {
            flags: flags
                .get(path)
                .map(|flags| flags.replace(|flag| BY_ITSELF.contains(flag), ""))
                .unwrap_or_default(),
            is_mount: mounts.contains(mount_field(path).as_str()),
        };
        Some((key.clone(), Fact::Metadata(metadata)))
    });
    Ok(facts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_mount_points_are_seen() {
        let keys = ["/etc/a b", "/etc/i", "/etc/none"].map(|path| FactKey::Metadata(path.to_owned()));
        let answer = b"--------------e------- /etc/a b\n----i-d-------e------- /etc/i\nmounts\n/etc/a\\040b\n";
        let facts = parse(&keys, 0, answer).expect("readable");
        let found: Vec<(&str, bool)> = facts
            .iter()
            .map(|(_, fact)| match fact {
                Fact::Metadata(metadata) => (metadata.flags.as_str(), metadata.is_mount),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found, [("", true), ("id", false), ("", false)]);
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
                matches!(&facts[0].1, Fact::Metadata(metadata) if metadata.is_mount),
                "{output:?}"
            );
            assert!(
                matches!(&facts[1].1, Fact::Metadata(metadata) if !metadata.is_mount),
                "{output:?}"
            );
        }
    }
}
