//! Counts what is in a directory, and looks for mount points below: before it is removed.

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey};
use crate::facts::path::{Entries, EntriesKey, MountPoints, for_each_mount, names_digest};
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

/// Prints for each path how many entries are below, without what is mounted there, how many mount points, and the digest of the names
/// if there are not too many.
fn probe(keys: &[FactKey]) -> String {
    let counts = keys.iter().filter_map(FactKey::path).map(|path| {
        let quoted = quote(path);
        let count = for_each_mount(path, MountPoints::Below, "m=$((m+1))");
        format!(
            "m=0; {{ {count}; }} 2>/dev/null\n\
             c=$(find {quoted} -xdev -mindepth 1 -printf x 2>/dev/null | head -c {most} | wc -c)\n\
             [ \"$c\" -lt {most} ] && d=$({}) || d=\n\
             printf \"%s %s %s\\n\" \"$c\" $m \"$d\"\n",
            names_digest(path),
            most = Entries::MOST,
        )
    });
    counts.collect()
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let lines = lines(answer);
    let read = |line: &String| -> Option<Entries> {
        let mut fields = line.split_whitespace();
        Some(Entries {
            count: fields.next()?.parse().ok()?,
            has_mounts: fields.next()? != "0",
            digest: fields.next().map(str::to_owned),
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
    use crate::secret::sha256_hex;

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
            let of = |count, names: &[u8]| {
                Fact::Entries(Entries {
                    count,
                    has_mounts: false,
                    digest: Some(sha256_hex(names)),
                })
            };
            let expected = (&of(2, b"da b\0fa b/c\nd\0"), &of(0, b""));
            assert_eq!((&facts[0].1, &facts[1].1), expected);
        }
        assert!(parse(&keys, 0, b"1 0\n").is_err());
        let facts = parse(&keys[..1], 0, b"10000 2\n").expect("readable");
        assert!(matches!(&facts[0].1, Fact::Entries(entries) if entries.has_mounts && entries.count == 10_000));
    }
}
