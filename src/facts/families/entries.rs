//! Counts what is in a directory, and looks for mount points below: before it is removed.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey};
use crate::facts::path::{Entries, EntriesKey, mount_field};
use crate::quote::quote;

static ENTRIES: Family = Family {
    subject: "what is in directories",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for EntriesKey<'a> {
    const FAMILY: &'static Family = &ENTRIES;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// Prints two numbers for each path: how many entries are below, without what is mounted there, and how many mount points.
fn probe(keys: &[FactKey]) -> String {
    let counts = keys.iter().filter_map(FactKey::path).map(|path| {
        let (quoted, mounted) = (quote(path), quote(&mount_field(path)));
        format!(
            "m=0; while read -r i i i i p i; do case $p in {mounted}/*) m=$((m+1)) ;; esac; done 2>/dev/null </proc/self/mountinfo\n\
             printf \"%s %s\\n\" \"$(find {quoted} -xdev -mindepth 1 -printf x 2>/dev/null | head -c {} | wc -c)\" $m\n",
            Entries::MOST
        )
    });
    counts.collect()
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let lines = lines(answer);
    let read = |line: &String| -> Option<Entries> {
        let (count, mounts) = line.trim().split_once(' ')?;
        Some(Entries {
            count: count.parse().ok()?,
            has_mounts: mounts != "0",
        })
    };
    let facts = keys.iter().enumerate().map(|(at, key)| {
        let entries = lines.get(at).and_then(read);
        let entries = entries.ok_or_else(|| UnreadableAnswer::new(format!("{key}: two numbers are missing")))?;
        Ok((key.clone(), Fact::Entries(entries)))
    });
    facts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_mount_points_below_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("text").to_owned();
        std::fs::create_dir(folder.path().join("a b")).expect("made");
        std::fs::write(folder.path().join("a b/c\nd"), "").expect("written");
        let keys = [path, "/no such".to_owned(), "/".to_owned()].map(FactKey::Entries);
        for shell in ["dash", "bash"] {
            let output = std::process::Command::new(shell)
                .arg("-c")
                .arg(probe(&keys[..2]))
                .output();
            let facts = parse(&keys[..2], 0, &output.expect("it runs").stdout).expect("readable");
            let of = |count| {
                Fact::Entries(Entries {
                    count,
                    has_mounts: false,
                })
            };
            assert_eq!((&facts[0].1, &facts[1].1), (&of(2), &of(0)));
        }
        assert!(parse(&keys, 0, b"1 0\n").is_err());
        let facts = parse(&keys[..1], 0, b"10000 2\n").expect("readable");
        assert!(matches!(&facts[0].1, Fact::Entries(entries) if entries.has_mounts && entries.count == 10_000));
    }
}
