//! Reads datasets of ZFS.

use std::collections::BTreeMap;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::zfs::{Dataset, DatasetFact, DatasetKey, Property};
use crate::quote::quote_all;

static DATASETS: Family = Family {
    subject: "ZFS datasets",
    probe,
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for DatasetKey<'a> {
    const FAMILY: &'static Family = &DATASETS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// For each dataset a line with its state; for one that is there, its properties (`=`, with tabs between name, value and
/// source) and what is below it (`/`).
fn probe(keys: &[FactKey]) -> String {
    let names = keys.iter().filter_map(DatasetKey::of).map(|key| key.0);
    format!(
        r#"(export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
for n in {}; do
if ! command -v zfs >/dev/null; then echo no_program
elif a=$(zfs get -Hp -o property,value,source all "$n" 2>/dev/null); then
echo present; printf "%s\n" "$a" | sed s/^/=/
zfs list -H -d 1 -t all -o name "$n" 2>/dev/null | sed 1d | sed s,^,/,
else a=$(zfs get -Hp -o property,value,source all "$n" 2>&1 >/dev/null); case $a in *"does not exist"*) echo absent;; *) printf "%s\n" "$a" | sed -n "1s/^/fails /p";; esac
fi; done)"#,
        quote_all(names)
    )
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let mut facts: Vec<DatasetFact> = Vec::new();
    for line in lines(answer) {
        let unreadable = || UnreadableAnswer::new(format!("ZFS datasets: `{line}`"));
        let (sign, rest) = line.split_at_checked(1).unwrap_or((&line, ""));
        match (sign, facts.last_mut()) {
            ("=", Some(DatasetFact::Present(dataset))) => {
                let mut fields = rest.split('\t');
                let (Some(name), Some(value), Some(source)) = (fields.next(), fields.next(), fields.next()) else {
                    return Err(unreadable());
                };
                let property = Property {
                    value: value.to_owned(),
                    source: source.to_owned(),
                };
                dataset.properties.insert(name.to_owned(), property);
            }
            ("/", Some(DatasetFact::Present(dataset))) => dataset.below.push(rest.to_owned()),
            _ => facts.push(match line.as_str() {
                "no_program" => DatasetFact::NoProgram,
                "absent" => DatasetFact::Absent,
                "present" => DatasetFact::Present(Box::new(Dataset {
                    properties: BTreeMap::new(),
                    below: Vec::new(),
                })),
                other => DatasetFact::Fails(other.strip_prefix("fails ").ok_or_else(unreadable)?.to_owned()),
            }),
        }
    }
    if facts.len() != keys.len() {
        return Err(UnreadableAnswer::new("an answer for each ZFS dataset was expected"));
    }
    let facts = facts.into_iter().map(Fact::ZfsDataset);
    Ok(keys.iter().cloned().zip(facts).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_its_properties_and_what_is_below() {
        let keys = ["tank", "tank/none", "dozer", "x"].map(|name| FactKey::ZfsDataset(name.to_owned()));
        let answer =
            b"present\n=type\tfilesystem\t-\n=quota\t0\tdefault\n=a:b\tx y\tlocal\n/tank/media\n/tank@a\nabsent\n\
            fails The ZFS modules cannot be auto-loaded.\nno_program\n";
        let facts = parse(&keys, 0, answer).expect("readable");
        let Fact::ZfsDataset(DatasetFact::Present(tank)) = &facts[0].1 else {
            panic!("{facts:?}")
        };
        assert_eq!(tank.value("a:b"), Some("x y"));
        assert_eq!(tank.properties["type"].source, "-");
        assert_eq!(tank.below, ["tank/media", "tank@a"]);
        assert_eq!(facts[1].1, Fact::ZfsDataset(DatasetFact::Absent));
        let why = "The ZFS modules cannot be auto-loaded.".to_owned();
        assert_eq!(facts[2].1, Fact::ZfsDataset(DatasetFact::Fails(why)));
        assert_eq!(facts[3].1, Fact::ZfsDataset(DatasetFact::NoProgram));
        for bad in [
            &b"absent\n"[..],
            b"=a\tb\tc\n",
            b"present\n=a\tb\nabsent\nabsent\nabsent\n",
            b"what\n",
        ] {
            assert!(parse(&keys, 0, bad).is_err());
        }
    }

    #[test]
    fn a_host_without_zfs_says_so() {
        let keys = [FactKey::ZfsDataset("tank".to_owned())];
        for shell in ["sh", "bash"] {
            let output = std::process::Command::new(shell)
                .args([
                    "-c",
                    &format!("PATH=/nowhere; command() {{ return 1; }}; {}", probe(&keys)),
                ])
                .output()
                .expect("a shell");
            let facts = parse(&keys, 0, &output.stdout).expect("readable");
            assert_eq!(facts[0].1, Fact::ZfsDataset(DatasetFact::NoProgram), "{shell}");
        }
    }
}
