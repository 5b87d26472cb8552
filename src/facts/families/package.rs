//! Reads Debian packages from dpkg's database, and from apt's list of those that were installed automatically.

use std::collections::BTreeMap;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::family::{Family, InTemplates, Readable, held, no_allowance};
use crate::facts::grammar::Grammar;
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::facts::package::{PackageFact, PackageKey, State, Status};
use crate::quote::quote;
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
        Fact::Package(PackageFact::Listed { version, status, .. }) => match status.state {
            State::NotInstalled | State::ConfigFiles => NamedFact::Absent,
            State::Installed => NamedFact::present([("version", held(Grammar::Version, version))]),
            state => NamedFact::Unknown(format!("the package is {}", state.word())),
        },
        _ => NamedFact::Absent,
    },
};

fn names(keys: &[FactKey]) -> Vec<&str> {
    keys.iter().filter_map(PackageKey::of).map(|key| key.0).collect()
}

/// One `awk` for all: `dpkg-query` finds neither what provides a name nor what was installed automatically. What an interrupted
/// dpkg left in `updates` replaces what is in `status`.
fn probe(names: &[&str]) -> String {
    format!(
        "[ -e /var/lib/dpkg/status ] || exit 127\n\
         set -- /var/lib/apt/extended_states /var/lib/dpkg/status /var/lib/dpkg/updates/[0-9]*\n\
         [ -e \"$3\" ] || set -- \"$1\" \"$2\"; [ -e \"$1\" ] || shift\n\
         names={} awk '{SCRIPT}' \"$@\"",
        quote(&names.join("\n"))
    )
}

/// Without single quotes. Prints `native ARCHITECTURE`, `auto NAME ARCHITECTURE…`, `package NAME ARCHITECTURE VERSION STATUS` and
/// `provides NAME PROVIDER ARCHITECTURE STATUS`.
const SCRIPT: &str = r#"function f(n){return match($0,"\n"n": [^\n]*")?substr($0,RSTART+length(n)+3,RLENGTH-length(n)-3):""}
BEGIN{RS="";FS="\n";c=split(ENVIRON["names"],k);for(i=1;i<=c;i++){sub(/:.*/,"",k[i]);w[k[i]]}}
{p=substr($1,10)}
FILENAME~/extended/{if(f("Auto-Installed")==1)a[p]=a[p]" "f("Architecture");next}
p=="dpkg"{print"native",f("Architecture")}
p in w{if(p in a)print"auto",p a[p];v=f("Version");print"package",p,f("Architecture"),v==""?"-":v,f("Status")}
index($0,"\nProvides: "){c=split(f("Provides"),q,/, */);for(i=1;i<=c;i++){sub(/[ :].*/,"",q[i]);if(q[i]in w){if(p in a)print"auto",p a[p];print"provides",q[i],p,f("Architecture"),f("Status")}}}"#;

/// A record of dpkg.
struct Record {
    architecture: String,
    version: String,
    status: Status,
}

/// What the host's databases hold for the names that were asked for.
#[derive(Default)]
struct Database {
    native: String,
    automatic: Vec<(String, String)>,
    /// By name; a package may be there for several architectures.
    records: BTreeMap<String, Vec<Record>>,
    /// By the provided name.
    providers: BTreeMap<String, Vec<(String, Record)>>,
}

fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    if status == 127 {
        return Err(UnreadableAnswer::new(
            "`/var/lib/dpkg/status` not found: this is not a Debian host",
        ));
    }
    let mut database = Database::default();
    for line in lines(answer) {
        let read = database.add(&line);
        read.ok_or_else(|| UnreadableAnswer::new(format!("dpkg's database has `{line}`")))?;
    }
    let facts = names(keys).into_iter().map(|name| {
        let fact = Fact::Package(database.fact(name));
        (PackageKey(name).stored(), fact)
    });
    Ok(facts.collect())
}

impl Database {
    fn add(&mut self, line: &str) -> Option<()> {
        let (what, rest) = line.split_once(' ')?;
        match what {
            "native" => rest.clone_into(&mut self.native),
            "auto" => {
                let (name, architectures) = rest.split_once(' ')?;
                let marks = architectures.split(' ').map(|one| (name.to_owned(), one.to_owned()));
                self.automatic.extend(marks);
            }
            "package" => {
                let [name, architecture, version, status] = rest.splitn(4, ' ').collect::<Vec<_>>()[..] else {
                    return None;
                };
                let record = Record {
                    architecture: architecture.to_owned(),
                    version: version.to_owned(),
                    status: status.parse().ok()?,
                };
                let records = self.records.entry(name.to_owned()).or_default();
                // The journal comes after the database.
                records.retain(|other| other.architecture != record.architecture);
                records.push(record);
            }
            "provides" => {
                let [name, provider, architecture, status] = rest.splitn(4, ' ').collect::<Vec<_>>()[..] else {
                    return None;
                };
                let record = Record {
                    architecture: architecture.to_owned(),
                    version: String::new(),
                    status: status.parse().ok()?,
                };
                let providers = self.providers.entry(name.to_owned()).or_default();
                providers.retain(|(other, found)| other != provider || found.architecture != record.architecture);
                providers.push((provider.to_owned(), record));
            }
            _ => return None,
        }
        Some(())
    }

    /// The fact about a name, which may end in an architecture.
    fn fact(&self, asked: &str) -> PackageFact {
        let (name, architecture) = asked
            .split_once(':')
            .map_or((asked, None), |(name, architecture)| (name, Some(architecture)));
        let fits = |record: &&Record| architecture.is_none_or(|wanted| self.is_of(record, wanted));
        let records = self.records.get(name).into_iter().flatten().filter(fits);
        let best = records.max_by_key(|record| (rank(record.status.state), self.is_of(record, "native")));
        if let Some(record) = best.filter(|record| rank(record.status.state) > 0) {
            return self.listed(name, record);
        }
        let providers = self.providers.get(name).into_iter().flatten();
        let by: BTreeMap<String, bool> = providers
            .filter(|(provider, record)| provider != name && record.status.state == State::Installed && fits(&record))
            .map(|(provider, record)| (provider.clone(), self.is_automatic(provider, record)))
            .collect();
        match best {
            _ if !by.is_empty() => PackageFact::Provided { by },
            Some(record) => self.listed(name, record),
            None => PackageFact::Absent,
        }
    }

    fn listed(&self, name: &str, record: &Record) -> PackageFact {
        PackageFact::Listed {
            version: Known::Yes(record.version.clone()),
            status: record.status,
            automatic: self.is_automatic(name, record),
        }
    }

    /// `all` is of the host's own architecture, as apt sees it.
    fn is_of(&self, record: &Record, architecture: &str) -> bool {
        let is_native = architecture == "native" || architecture == self.native;
        record.architecture == architecture
            || is_native && (record.architecture == "all" || record.architecture == self.native)
    }

    /// apt writes the host's own architecture for `all`.
    fn is_automatic(&self, name: &str, record: &Record) -> bool {
        self.automatic
            .iter()
            .any(|(automatic, architecture)| automatic == name && self.is_of(record, architecture))
    }
}

/// For a name that is there for several architectures: what is most of all there counts.
fn rank(state: State) -> u8 {
    match state {
        State::NotInstalled | State::ConfigFiles => 0,
        State::Installed => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const EXTENDED_STATES: &str = "Package: libjq1\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: cron\nArchitecture: amd64\nAuto-Installed: 0\n\n\
        Package: postfix\nArchitecture: amd64\nAuto-Installed: 1\n";

    const STATUS: &str = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2\nDescription: shell\n Provides: nothing\n\n\
        Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.22\n\n\
        Package: cron\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 3.0\n\n\
        Package: libjq1\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.7\n\n\
        Package: libjq1\nStatus: install ok half-configured\nArchitecture: i386\nVersion: 1.6\n\n\
        Package: postfix\nStatus: install ok installed\nProvides: mail-transport-agent, smtp (= 1), any-mta:any\nArchitecture: all\nVersion: 3\n\n\
        Package: gone\nStatus: hold ok not-installed\nArchitecture: amd64\n\n\
        Package: removed-mta\nStatus: deinstall ok config-files\nProvides: mail-transport-agent\nArchitecture: all\nVersion: 3\n";

    /// The facts, as a host's awk prints them.
    fn read(names: &[&str]) -> Vec<PackageFact> {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        write("extended_states", EXTENDED_STATES);
        write("status", STATUS);
        write(
            "0001",
            "Package: bash\nStatus: install ok half-installed\nArchitecture: amd64\nVersion: 5.3\n",
        );
        let output = Command::new("awk")
            .arg(SCRIPT)
            .args(["extended_states", "status", "0001"])
            .env("names", names.join("\n"))
            .current_dir(folder.path())
            .output()
            .expect("awk runs");
        let keys: Vec<FactKey> = names.iter().map(|name| PackageKey(name).stored()).collect();
        let facts = parse(&keys, 0, &output.stdout).expect("readable");
        let package = |fact: Fact| match fact {
            Fact::Package(fact) => fact,
            other => panic!("{other:?}"),
        };
        facts.into_iter().map(|(_, fact)| package(fact)).collect()
    }

    fn listed(version: &str, status: &str, automatic: bool) -> PackageFact {
        PackageFact::Listed {
            version: Known::Yes(version.to_owned()),
            status: status.parse().expect("a status"),
            automatic,
        }
    }

    #[test]
    fn tells_installed_from_removed_and_broken() {
        let facts = read(&[
            "cron",
            "none",
            "gone",
            "libjq1",
            "libjq1:i386",
            "libjq1:native",
            "libjq1:arm64",
        ]);
        let expected = [
            listed("3.0", "deinstall ok config-files", false),
            PackageFact::Absent,
            listed("-", "hold ok not-installed", false),
            listed("1.7", "install ok installed", true),
            listed("1.6", "install ok half-configured", false),
            listed("1.7", "install ok installed", true),
            PackageFact::Absent,
        ];
        assert_eq!(facts, expected);
    }

    #[test]
    fn what_an_interrupted_dpkg_noted_counts() {
        assert_eq!(read(&["bash"]), [listed("5.3", "install ok half-installed", false)]);
    }

    #[test]
    fn a_virtual_package_is_there_if_an_installed_package_provides_it() {
        let provided = || PackageFact::Provided {
            by: [("postfix".to_owned(), true)].into(),
        };
        let facts = read(&[
            "mail-transport-agent",
            "smtp",
            "any-mta",
            "smtp:amd64",
            "smtp:i386",
            "nothing",
        ]);
        let absent = || PackageFact::Absent;
        assert_eq!(
            facts,
            [provided(), provided(), provided(), provided(), absent(), absent()]
        );
        // A package for all architectures is marked for the host's own.
        assert_eq!(read(&["postfix:amd64"]), [listed("3", "install ok installed", true)]);
    }

    #[test]
    fn a_missing_dpkg_is_reported() {
        let error = parse(&[], 127, b"").expect_err("unreadable");
        assert!(error.what.contains("dpkg"), "{error}");
    }
}
