//! Asks dpkg for Debian packages.

use std::collections::BTreeMap;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, held, no_allowance};
use crate::facts::grammar::Grammar;
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::package::{PackageFact, PackageKey};
use crate::quote::quote_all;
use crate::template::NamedFact;
use crate::value::Known;

static PACKAGES: Family = Family {
    subject: "packages",
    probe: |keys| probe(&names(keys)),
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for PackageKey<'a> {
    const FAMILY: &'static Family = &PACKAGES;
    const IN_TEMPLATES: Option<&'static InTemplates> = Some(&IN_TEMPLATES);
}

static IN_TEMPLATES: InTemplates = InTemplates {
    family: "packages",
    attributes: &["version"],
    key: |name| PackageKey(name).stored(),
    attributes_of: |fact| match fact {
        Fact::Package(PackageFact::Installed { version }) => {
            NamedFact::present([("version", held(Grammar::Version, version))])
        }
        Fact::Package(PackageFact::Broken { status }) => NamedFact::Unknown(format!("the package is {status}")),
        _ => NamedFact::Absent,
    },
};

fn names(keys: &[FactKey]) -> Vec<&str> {
    keys.iter().filter_map(PackageKey::of).map(|key| key.0).collect()
}

/// One `dpkg-query` for all packages; it prints nothing on standard output for unknown ones.
fn probe(names: &[&str]) -> String {
    format!(
        "command -v dpkg-query >/dev/null || exit 127\n\
         dpkg-query -W -f '${{Package}} ${{Version}} ${{Status}}\\n' -- {} 2>/dev/null\n\
         true",
        quote_all(names.iter().copied())
    )
}

fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    if status == 127 {
        return Err(UnreadableAnswer::new(
            "`dpkg-query` not found: this is not a Debian host",
        ));
    }
    let mut known: BTreeMap<String, PackageFact> = BTreeMap::new();
    for line in lines(answer) {
        let unreadable = || UnreadableAnswer::new(format!("`dpkg-query` printed `{line}`"));
        let (name, rest) = line.split_once(' ').ok_or_else(unreadable)?;
        let (version, state) = rest.split_once(' ').ok_or_else(unreadable)?;
        let package = state_of(version, state).ok_or_else(unreadable)?;
        // A package for several architectures has a line for each: installed wins.
        if known.get(name).is_none_or(|before| *before == PackageFact::Absent) {
            known.insert(name.to_owned(), package);
        }
    }
    Ok(keys
        .iter()
        .filter_map(|key| match key {
            FactKey::Package(name) => Some(name),
            _ => None,
        })
        .map(|name| {
            let fact = known.get(name).cloned().unwrap_or(PackageFact::Absent);
            (FactKey::Package(name.clone()), Fact::Package(fact))
        })
        .collect())
}

/// dpkg's status has three words: wanted, error, state (dpkg-query(1)).
fn state_of(version: &str, status: &str) -> Option<PackageFact> {
    Some(match status.split(' ').nth(2)? {
        "installed" => PackageFact::Installed {
            version: Known::Yes(version.to_owned()),
        },
        "not-installed" | "config-files" => PackageFact::Absent,
        other => PackageFact::Broken {
            status: other.to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_installed_from_removed_and_broken() {
        let keys: Vec<FactKey> = ["bash", "cron", "gone", "half"]
            .map(|name| FactKey::Package(name.to_owned()))
            .to_vec();
        let answer = b"bash 5.2.37-2+b7 install ok installed\ncron 3.0 deinstall ok config-files\nhalf 1 install ok half-configured\n";
        let facts: Vec<Fact> = parse(&keys, 0, answer)
            .expect("readable")
            .into_iter()
            .map(|(_, fact)| fact)
            .collect();
        assert_eq!(
            facts,
            [
                Fact::Package(PackageFact::Installed {
                    version: Known::Yes("5.2.37-2+b7".to_owned())
                }),
                Fact::Package(PackageFact::Absent),
                Fact::Package(PackageFact::Absent),
                Fact::Package(PackageFact::Broken {
                    status: "half-configured".to_owned()
                }),
            ]
        );
    }

    #[test]
    fn a_missing_dpkg_is_reported() {
        let error = parse(&[], 127, b"").expect_err("unreadable");
        assert!(error.what.contains("dpkg-query"), "{error}");
    }
}
