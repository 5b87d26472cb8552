//! Reads which installed packages a name could stand for that is no package at all.

use std::collections::BTreeMap;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::families::apt::near;
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::package::MisspellingKey;
use crate::quote::quote;

static MISSPELLINGS: Family = Family {
    subject: "names of packages",
    probe: |keys| probe(&names(keys)),
    allowance: no_allowance,
    parse,
};

impl<'a> Readable<'a> for MisspellingKey<'a> {
    const FAMILY: &'static Family = &MISSPELLINGS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

fn names(keys: &[FactKey]) -> Vec<&str> {
    keys.iter().filter_map(MisspellingKey::of).map(|key| key.0).collect()
}

/// Prints `near NAME CANDIDATE` for installed packages, then `Package: NAME` for each such name that apt's lists have. The lists
/// are read only if there is a candidate; without lists nothing is said.
fn probe(names: &[&str]) -> String {
    format!(
        "[ -e /var/lib/dpkg/status ] || exit 0\n\
         near=$(awk '{INSTALLED}' /var/lib/dpkg/status | wanted={} awk '{}')\n\
         set -- /var/lib/apt/lists/*_Packages*\n\
         [ -n \"$near\" ] && [ -e \"$1\" ] || exit 0\n\
         printf \"%s\\n\" \"$near\"\n\
         /usr/lib/apt/apt-helper cat-file \"$@\" 2>/dev/null | grep -F -x \"$(printf \"%s\\n\" \"$near\" | \
         awk '{{print \"Package:\",$2}}')\" | sort -u",
        quote(&names.join("\n")),
        near::SCRIPT
    )
}

/// Without single quotes.
const INSTALLED: &str = r#"BEGIN{RS="";FS="\n"}/\nStatus: [a-z]+ ok installed\n/{print substr($1,10)}"#;

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines(answer) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["near", name, candidate] => found.entry(name.to_owned()).or_default().push(candidate.to_owned()),
            ["Package:", name] => drop(found.remove(name)),
            _ => return Err(UnreadableAnswer::new(format!("the list of near names has `{line}`"))),
        }
    }
    let facts = names(keys).into_iter().map(|name| {
        let mut candidates = found.get(name).cloned().unwrap_or_default();
        candidates.retain(|candidate| without_digits(candidate) != without_digits(name));
        (MisspellingKey(name).stored(), Fact::Misspelling(candidates))
    });
    Ok(facts.collect())
}

/// `postgresql-14` is no slip of `postgresql-15`.
fn without_digits(name: &str) -> String {
    name.chars().filter(|one| !one.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const STATUS: &str = "Package: nginx\nStatus: install ok installed\nVersion: 1\n\n\
        Package: htop\nStatus: deinstall ok config-files\nVersion: 1\n\n\
        Package: mawk\nStatus: hold ok installed\nVersion: 1\n\n\
        Package: postgresql-15\nStatus: install ok installed\nVersion: 1\n";

    /// The candidates for each name on a host whose lists have the packages `listed`; `None` without lists.
    fn read(wanted: &[&str], listed: Option<&[&str]>) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        write("status", STATUS);
        if let Some(listed) = listed {
            let stanzas = listed.iter().map(|name| format!("Package: {name}\nVersion: 1\n\n"));
            write("x_Packages", &stanzas.collect::<String>());
        }
        let script = probe(wanted)
            .replace("/var/lib/dpkg/", "./")
            .replace("/var/lib/apt/lists/", "./")
            .replace("/usr/lib/apt/apt-helper cat-file", "cat");
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .output()
            .expect("sh runs");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let keys: Vec<FactKey> = wanted.iter().map(|name| MisspellingKey(name).stored()).collect();
        let facts = parse(&keys, 0, &output.stdout).expect("readable");
        let candidates = |fact: Fact| match fact {
            Fact::Misspelling(candidates) => candidates,
            other => panic!("{other:?}"),
        };
        facts.into_iter().map(|(_, fact)| candidates(fact)).collect()
    }

    #[test]
    fn only_a_name_that_is_no_package_may_be_misspelt() {
        let wanted = ["ngnix", "htpo", "gawk", "postgresql-14", "postgrseql-15", "apache2"];
        let none = Vec::<String>::new;
        let nginx = || vec!["nginx".to_owned()];
        assert_eq!(
            read(&wanted, Some(&["nginx", "gawk", "mawk"])),
            [
                nginx(),
                none(),
                none(),
                none(),
                vec!["postgresql-15".to_owned()],
                none()
            ]
        );
        assert_eq!(read(&["ngnix"], None), [none()]);
        assert_eq!(read(&["ngnix"], Some(&["ngnix"])), [none()]);
        assert_eq!(read(&["ngnix", "xginx"], Some(&[])), [nginx(), nginx()]);
    }
}
