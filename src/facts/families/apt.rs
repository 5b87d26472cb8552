//! Asks apt what it would do: its own simulation, without its lock and without writing its caches.

mod joint;
pub(super) mod near;
mod nobody;
mod printed;
mod question;
mod refresh;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use self::printed::simulation;
use self::question::{NO_CACHES, careful_question, is_plain, other_files, wish};
use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::apt::{
    AptVerb, Installation, InstallationFact, InstallationKey, ListsFact, PackageListsKey, Simulation,
};
use crate::facts::family::{Family, InTemplates, Readable, no_allowance};
use crate::facts::key::{Fact, FactKey};
use crate::quote::{quote, quote_all};

static INSTALLATIONS: Family = Family {
    subject: "what apt would do",
    probe,
    allowance,
    parse,
};

impl<'a> Readable<'a> for InstallationKey<'a> {
    const FAMILY: &'static Family = &INSTALLATIONS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

static PACKAGE_LISTS: Family = Family {
    subject: "the package lists",
    probe: |_| lists_probe(),
    allowance: no_allowance,
    parse: parse_lists,
};

impl Readable<'_> for PackageListsKey {
    const FAMILY: &'static Family = &PACKAGE_LISTS;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// Removes the probe's temporary files, however the probe ends.
const CLEAN_UP: &str = "aside= status= marks= deb=\ntrap 'rm -rf \"$aside\" \"$status\" \"$marks\" \"$deb\"' EXIT\ntrap 'exit 1' HUP INT PIPE TERM\n";

/// dpkg's status file without the packages that will be removed: one paragraph per package, the name in its first line.
fn status_script(without: &[String]) -> String {
    format!(
        "status=$(mktemp -p /run --suffix=.homelab-status 2>/dev/null || mktemp -p /tmp --suffix=.homelab-status) && awk -v RS= -v ORS='\\n\\n' -v without={} \
         '!index(without, \" \" $2 \" \")' /var/lib/dpkg/status > \"$status\" || exit\n",
        quote(&format!(" {} ", without.join(" ")))
    )
}

/// apt's list of packages that were installed automatically, without those that will be marked as wanted.
fn marks_script(manual: &[String]) -> String {
    format!(
        "marks=$(mktemp -p /run --suffix=.homelab-marks 2>/dev/null || mktemp -p /tmp --suffix=.homelab-marks) && awk -v RS= -v ORS='\\n\\n' -v manual={} \
         '!index(manual, \" \" $2 \" \")' /var/lib/apt/extended_states > \"$marks\" || exit\n",
        quote(&format!(" {} ", manual.join(" ")))
    )
}

/// The time limit of one simulation, for a small machine with a slow disk.
const SIMULATION: Duration = Duration::from_secs(120);

/// What each further one adds: they run one after the other.
const FURTHER: Duration = Duration::from_secs(20);

/// apt prints nothing until a simulation is finished; the same is true while lists are fetched.
fn allowance(keys: &[FactKey]) -> Duration {
    let refreshes = keys.iter().filter_map(wish).any(|wish| wish.refreshed);
    let further = u32::try_from(keys.len().saturating_sub(1)).unwrap_or(u32::MAX);
    SIMULATION + FURTHER * further + if refreshes { refresh::PATIENCE } else { Duration::ZERO }
}

fn probe(keys: &[FactKey]) -> String {
    let mut script = String::from("command -v apt-get >/dev/null || exit 127\n");
    if keys
        .iter()
        .filter_map(wish)
        .any(|wish| !is_plain(wish) || wish.deb.is_some())
    {
        script.push_str(CLEAN_UP);
    }
    if keys.iter().filter_map(wish).any(is_plain) {
        script.push_str(&nobody::script());
    }
    if keys.iter().filter_map(wish).any(|wish| wish.refreshed) {
        script.push_str(&refresh::script());
    }
    script.push_str(INTERRUPTED);
    let together = joint::together(keys);
    script.push_str(&joint::probe(&together));
    for wish in keys.iter().filter_map(wish) {
        if together.contains(wish) {
            script.push_str("[ -n \"$joint\" ] || ");
        }
        script.push_str("if [ -n \"$cut\" ]; then printf \"lists interrupted\\nexit 100\\nowned\\n\"\n");
        if wish.refreshed {
            script.push_str(
                "elif [ -n \"$failure\" ]; then printf \"lists unrefreshed\\n%s\\nexit 100\\nowned\\n\" \"$failure\"\n",
            );
        }
        script.push_str("else\n");
        let lists = if wish.refreshed {
            "\"$aside/lists\""
        } else {
            "/var/lib/apt/lists"
        };
        if !wish.without.is_empty() {
            script.push_str(&status_script(&wish.without));
        }
        if !wish.manual.is_empty() {
            script.push_str(&marks_script(&wish.manual));
        }
        if let Some(control) = &wish.deb {
            script.push_str(&control.stand_in());
        }
        // A pattern without a match stays as it is, and `-e` then fails.
        let _ = writeln!(
            script,
            "have=no; for f in {lists}/*Packages*; do [ -e \"$f\" ] && have=yes; done\nprintf \"lists %s\\n\" $have\n\
             {}printf \"%s\\nexit %s\\n\" \"$said\" $code",
            careful_question(wish)
        );
        script.push_str(
            "printf \"%s\\n\" \"$said\" | sed -n \"s/^Inst \\([^ ]*\\) \\[.*/\\1/p;s/^Remv \\([^ ]*\\).*/\\1/p\" | xargs -r dpkg -L 2>/dev/null\n",
        );
        script.push_str(AUTOMATIC);
        script.push_str(&providers_script(wish));
        script.push_str(&near_script(wish));
        script.push_str("echo owned\n");
        if !wish.without.is_empty() {
            script.push_str("rm -f \"$status\"\n");
        }
        if !wish.manual.is_empty() {
            script.push_str("rm -f \"$marks\"\n");
        }
        if wish.deb.is_some() {
            script.push_str("rm -rf \"$deb\"; unset TMPDIR\n");
        }
        script.push_str("fi\n");
    }
    script
}

/// Sets `$cut` if dpkg was interrupted. A simulation says nothing of it. What a dpkg that runs has noted looks the same,
/// but it, or the apt that started it, holds a lock: /proc/locks ends the number of a file's inode with a blank (proc(5)).
const INTERRUPTED: &str = "cut=; for f in /var/lib/dpkg/updates/[0-9]*; do [ ! -e \"$f\" ] || cut=yes; done\n\
     if [ -n \"$cut\" ] && stat -c \":%i \" /var/lib/dpkg/lock* 2>/dev/null | grep -q -F -f - /proc/locks; then cut=; fi\n";

/// Prints the packages that were installed automatically, if any package would be installed or upgraded.
const AUTOMATIC: &str = "case $said in *\"Inst \"*) [ ! -e /var/lib/apt/extended_states ] || \
    awk -v RS= '/\\nAuto-Installed: 1/{print \"auto\", $2}' /var/lib/apt/extended_states;; esac\n";

/// Prints what provides the requested packages that apt would not install under their own name. apt-cache may take a name for a
/// pattern and print several packages: only the one of that very name counts.
fn providers_script(wish: &Installation) -> String {
    if wish.deb.is_some() || !matches!(wish.verb, AptVerb::Install | AptVerb::Reinstall) {
        return String::new();
    }
    let names = wish
        .packages
        .iter()
        .map(|package| package.split('=').next().unwrap_or_default());
    format!(
        "[ $code != 0 ] || for name in {}; do case \"\n$said\" in *\"\nInst $name \"*|*\"\nConf $name \"*) ;;\n\
         *) LC_ALL=C apt-cache {}{NO_CACHES}showpkg -- \"$name\" 2>/dev/null | \
         awk -v n=\"$name\" '/^Package: /{{p=($2==n);r=0}}/^Reverse Provides/{{r=p;next}}r&&NF{{print\"provider\",n,$1}}';; esac; done\n",
        quote_all(names),
        other_files(wish)
    )
}

/// Prints the names that are almost those that apt does not know.
fn near_script(wish: &Installation) -> String {
    match wish.verb {
        AptVerb::Install | AptVerb::Reinstall => {
            near::script(&format!("LC_ALL=C apt-cache {}{NO_CACHES}", other_files(wish)))
        }
        AptVerb::Remove | AptVerb::Upgrade | AptVerb::FullUpgrade => String::new(),
    }
}

fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    if status == 127 {
        return Err(UnreadableAnswer::new("`apt-get` not found: this is not a Debian host"));
    }
    let lines = lines(answer);
    let (mut facts, mut rest) = joint::parse(keys, &lines);
    let told: BTreeSet<FactKey> = facts.iter().map(|(key, _)| key.clone()).collect();
    for key in keys.iter().filter(|key| !told.contains(key)) {
        let early = || UnreadableAnswer::new(format!("{key}: the answer ends early"));
        let end = rest
            .iter()
            .position(|line| line.starts_with("exit "))
            .ok_or_else(early)?;
        let owned = rest[end..].iter().position(|line| line == "owned").ok_or_else(early)? + end;
        let mut fact = installation(key, &rest[..end], &rest[end]);
        let further = &rest[end + 1..owned];
        match &mut fact {
            InstallationFact::Possible(simulation) => {
                simulation.owned = Arc::new(own_paths(further));
                complete(simulation, further);
            }
            InstallationFact::Impossible { near, .. } => *near = named(further, "near "),
            InstallationFact::NoLists | InstallationFact::Unrefreshed { .. } | InstallationFact::Interrupted => {}
        }
        facts.push((key.clone(), Fact::Installation(fact)));
        rest = &rest[owned + 1..];
    }
    Ok(facts)
}

/// The paths that belong to the packages alone. dpkg also lists the directories above, which packages share.
fn own_paths(listed: &[String]) -> BTreeSet<String> {
    let all: BTreeSet<&str> = listed
        .iter()
        .map(String::as_str)
        .filter(|line| line.starts_with('/'))
        .collect();
    let holds_another = |path: &str| {
        let inside = format!("{}/", path.trim_end_matches("/."));
        let from = (Bound::Included(inside.as_str()), Bound::Unbounded);
        let next = all.range::<str, _>(from).find(|other| **other != path);
        next.is_some_and(|other| other.starts_with(&inside))
    };
    let own = all.iter().filter(|path| !holds_another(path));
    own.map(|path| (*path).to_owned()).collect()
}

/// Adds the marks and the providers that were printed after a simulation.
fn complete(simulation: &mut Simulation, lines: &[String]) {
    let automatic: BTreeSet<&str> = lines.iter().filter_map(|line| line.strip_prefix("auto ")).collect();
    for install in &mut simulation.installs {
        install.automatic = install.old.is_some() && automatic.contains(install.name.as_str());
    }
    simulation.providers = named(lines, "provider ");
}

/// The names in lines that begin with `what` and a name of the request, each once.
fn named(lines: &[String], what: &str) -> BTreeMap<String, Vec<String>> {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines.iter().filter_map(|line| line.strip_prefix(what)) {
        if let Some((name, other)) = line.split_once(' ') {
            let others = named.entry(name.to_owned()).or_default();
            if !others.iter().any(|known| known == other) {
                others.push(other.to_owned());
            }
        }
    }
    named
}

/// The heading of apt for what packages need and cannot get.
const UNMET: &str = "The following packages have unmet dependencies:";

fn installation(key: &FactKey, lines: &[String], end: &str) -> InstallationFact {
    let lists = lines.first().map_or("", String::as_str);
    if lists == "lists interrupted" {
        return InstallationFact::Interrupted;
    }
    // Without lists apt finds nothing to upgrade, which is not true.
    let is_upgrade = wish(key).is_some_and(|wish| matches!(wish.verb, AptVerb::Upgrade | AptVerb::FullUpgrade));
    if lists == "lists no" && (is_upgrade || end != "exit 0") {
        return InstallationFact::NoLists;
    }
    if end == "exit 0" {
        return InstallationFact::Possible(simulation(lines));
    }
    let said: Vec<&str> = lines
        .iter()
        .skip(1)
        .map(String::as_str)
        .filter(|line| !line.is_empty())
        .collect();
    let virtual_at = said
        .iter()
        .position(|line| line.ends_with(" is a virtual package provided by:"));
    let unmet_at = said.iter().position(|line| *line == UNMET);
    let last = &said[virtual_at.or(unmet_at).unwrap_or(said.len().saturating_sub(5))..];
    if lists == "lists unrefreshed" {
        let output = errors(&said).unwrap_or_else(|| last.join(" "));
        InstallationFact::Unrefreshed { output }
    } else {
        let output = last.join("\n");
        let near = BTreeMap::new();
        InstallationFact::Impossible { output, near }
    }
}

/// The errors of apt, without the one that only sums them up.
fn errors(said: &[&str]) -> Option<String> {
    let errors = said.iter().filter(|line| line.starts_with("E: "));
    let errors: Vec<&str> = errors
        .filter(|line| !line.contains("Some index files"))
        .copied()
        .collect();
    (!errors.is_empty()).then(|| errors.join(" "))
}

/// apt-get(8) writes files in `partial` at each update, even if nothing is new. The date of a directory tells of files that were
/// removed or moved there, whatever their own dates are; `s*` are the sources. An empty file is none: unattended-upgrade makes one.
fn lists_probe() -> String {
    "command -v apt-get >/dev/null || exit 127\ndate \"+now %s\"\ncd /var/lib/apt/lists 2>/dev/null || exit 0\n\
     for f in *Packages*; do [ -e \"$f\" ] && stat -c \"fetched %Y\" partial && break; done\n\
     a=/etc/apt; for f in $a/s* $a/s*/*; do [ -s \"$f\" ] && [ \"$f\" -nt partial ] && echo newer && break; done"
        .to_owned()
}

fn parse_lists(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    if status == 127 {
        return Err(UnreadableAnswer::new("`apt-get` not found: this is not a Debian host"));
    }
    let lines = lines(answer);
    let number = |name: &str| {
        let value = lines.iter().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().parse::<u64>().ok())
    };
    let now = number("now").ok_or_else(|| UnreadableAnswer::new("`date` printed no number"))?;
    let age = number("fetched").and_then(|fetched| now.checked_sub(fetched));
    let lists = ListsFact {
        age,
        refreshed: false,
        outdated: age.is_some() && lines.iter().any(|line| line == "newer"),
    };
    Ok(keys
        .iter()
        .map(|key| (key.clone(), Fact::PackageLists(lists)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::question::simulation_command;
    use super::*;
    use crate::facts::apt::SimulatedRemoval;

    fn key(name: &str) -> FactKey {
        FactKey::Installation(Installation::new(AptVerb::Install, &[name]))
    }

    #[test]
    fn the_simulation_writes_no_cache() {
        let FactKey::Installation(wish) = key("a b") else {
            unreachable!()
        };
        assert_eq!(
            simulation_command(&wish),
            "DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -s -q -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Dir::Log::Planner=/dev/null \
             -o APT::Install-Recommends=true install -- 'a b'"
        );
    }

    #[test]
    fn reads_installs_upgrades_and_removals() {
        let answer = b"lists yes\nReading package lists...\nRemv exim4 [4.98]\n\
            Inst libc6 [2.41-1] (2.41-2 Debian:13.7/stable [amd64]) []\n\
            Inst ipmitool (1.8.19-9 Debian:13.7/stable [amd64])\nConf ipmitool (1.8.19-9 Debian:13.7/stable [amd64])\nexit 0\n/.\n/usr\n/usr/lib\n\
            /usr/lib/libc.so\n/etc\n/etc/ld.so.conf\n/etc/ld.so.conf.d\nowned\n";
        let facts = parse(&[key("ipmitool")], 0, answer).expect("readable");
        let Fact::Installation(InstallationFact::Possible(simulation)) = &facts[0].1 else {
            panic!("{facts:?}")
        };
        let exim4 = SimulatedRemoval {
            name: "exim4".to_owned(),
            old: "4.98".to_owned(),
        };
        assert_eq!(simulation.removals, [exim4]);
        let owned: Vec<&str> = simulation.owned.iter().map(String::as_str).collect();
        assert_eq!(owned, ["/etc/ld.so.conf", "/etc/ld.so.conf.d", "/usr/lib/libc.so"]);
        let expected = [("libc6", Some("2.41-1"), "2.41-2"), ("ipmitool", None, "1.8.19-9")];
        let installs: Vec<_> = simulation
            .installs
            .iter()
            .map(|install| (install.name.as_str(), install.old.as_deref(), install.new.as_str()))
            .collect();
        assert_eq!(installs, expected);
        let mut lines = simulation.lines();
        lines.sort();
        assert_eq!(lines, ["Inst ipmitool 1.8.19-9", "Inst libc6 2.41-2", "Remv exim4"]);
    }

    #[test]
    fn reads_the_age_of_the_lists() {
        let lists = |answer: &str| {
            let facts = parse_lists(&[FactKey::PackageLists], 0, answer.as_bytes()).expect("readable");
            match facts[0].1 {
                Fact::PackageLists(lists) => lists,
                _ => panic!("{facts:?}"),
            }
        };
        let age = |answer: &str| lists(answer).age;
        assert_eq!(age("fetched 1000\nnow 1600\n"), Some(600));
        assert_eq!(age("now 1600\n"), None);
        // A clock that was ahead: lists like these would be young for ever.
        assert_eq!(age("fetched 1601\nnow 1600\n"), None);
        assert!(lists("now 1600\nfetched 1000\nnewer\n").outdated);
        assert!(!lists("now 1600\nfetched 1000\n").outdated);
        assert!(!lists("now 1600\nnewer\n").outdated);
    }

    #[test]
    fn says_in_one_line_why_lists_could_not_be_fetched() {
        let output = |said: &str| {
            let answer = format!("lists unrefreshed\n{said}\nexit 100\nowned\n");
            let facts = parse(&[key("a")], 0, answer.as_bytes()).expect("readable");
            match &facts[0].1 {
                Fact::Installation(InstallationFact::Unrefreshed { output }) => output.clone(),
                _ => panic!("{facts:?}"),
            }
        };
        let said = "Err:1 http://a ./ InRelease\n  refused\nE: Failed to fetch http://a  refused\n\
            E: Failed to fetch http://b  refused\nE: Some index files failed to download. They have been ignored, or old ones used instead.";
        let both = "E: Failed to fetch http://a  refused E: Failed to fetch http://b  refused";
        assert_eq!(output(said), both);
        assert_eq!(output("it took too long"), "it took too long");
    }

    #[test]
    fn tells_missing_lists_from_a_missing_package() {
        let unknown = "E: Unable to locate package nope";
        let answer =
            format!("lists no\n{unknown}\nexit 100\nowned\nlists yes\n{unknown}\nexit 100\nnear nope note\nowned\n");
        let facts = parse(&[key("a"), key("nope")], 0, answer.as_bytes()).expect("readable");
        assert_eq!(facts[0].1, Fact::Installation(InstallationFact::NoLists));
        assert_eq!(
            facts[1].1,
            Fact::Installation(InstallationFact::Impossible {
                output: unknown.to_owned(),
                near: BTreeMap::from([("nope".to_owned(), vec!["note".to_owned()])])
            })
        );
    }
}
