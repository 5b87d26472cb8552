//! Asks apt what it would do: its own simulation, without its lock and without writing its caches.

mod nobody;
mod refresh;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::apt::{
    Installation, InstallationFact, InstallationKey, ListsFact, PackageListsKey, SimulatedInstall, SimulatedRemoval,
    Simulation,
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
const CLEAN_UP: &str = "aside= status=\ntrap 'rm -rf \"$aside\" \"$status\"' EXIT\ntrap 'exit 1' HUP INT PIPE TERM\n";

/// The option that makes apt-get use the file of [`status_script`].
const STATUS_OPTION: &str = "-o Dir::State::status=\"$status\" ";

/// dpkg's status file without the packages that will be removed: one paragraph per package, the name in its first line.
fn status_script(without: &[String]) -> String {
    format!(
        "status=$(mktemp -p /run --suffix=.homelab-status 2>/dev/null || mktemp -p /tmp --suffix=.homelab-status) && awk -v RS= -v ORS='\\n\\n' -v without={} \
         '!index(without, \" \" $2 \" \")' /var/lib/dpkg/status > \"$status\" || exit\n",
        quote(&format!(" {} ", without.join(" ")))
    )
}

/// The command line that simulates `wish`. Without cache files apt keeps its caches in memory; as root it would write them even
/// in a simulation.
pub fn simulation_command(wish: &Installation) -> String {
    let command = apt_get(wish, "-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= ");
    format!("{LANGUAGE} {command}")
}

/// No questions, and messages in English.
const LANGUAGE: &str = "DEBIAN_FRONTEND=noninteractive LC_ALL=C";

fn apt_get(wish: &Installation, further: &str) -> String {
    format!(
        "apt-get {}{}-s -q {further}-o Dir::Log::Planner=/dev/null -o APT::Install-Recommends={} {}{} -- {}",
        if wish.refreshed { refresh::OPTION } else { "" },
        if wish.without.is_empty() { "" } else { STATUS_OPTION },
        wish.recommends,
        if wish.auto_remove { "--auto-remove " } else { "" },
        wish.verb.word(),
        quote_all(wish.packages.iter().map(String::as_str))
    )
}

/// The time limit of one simulation, for a small machine with a slow disk.
const SIMULATION: Duration = Duration::from_secs(120);

/// apt prints nothing until a simulation is finished; the same is true while lists are fetched.
fn allowance(keys: &[FactKey]) -> Duration {
    let refreshes = keys.iter().filter_map(wish).any(|wish| wish.refreshed);
    SIMULATION + if refreshes { refresh::PATIENCE } else { Duration::ZERO }
}

/// Runs the simulation: sets `$said` to its output and `$code` to its exit code. If it fails as `nobody`, it runs again as root,
/// and that result counts.
fn question(wish: &Installation) -> String {
    let as_root = format!("said=$({} 2>&1)\ncode=$?\n", simulation_command(wish));
    if !is_plain(wish) {
        return as_root;
    }
    let command = apt_get(wish, nobody::OPTION);
    format!(
        "code=1\nif [ -n \"$nobody\" ]; then said=$({LANGUAGE} $nobody {command} 2>&1)\ncode=$?; fi\n\
         if [ $code != 0 ]; then {as_root}fi\n"
    )
}

/// Whether the simulation uses only files of the host.
fn is_plain(wish: &Installation) -> bool {
    !wish.refreshed && wish.without.is_empty()
}

fn probe(keys: &[FactKey]) -> String {
    let mut script = String::from("command -v apt-get >/dev/null || exit 127\n");
    if keys
        .iter()
        .filter_map(wish)
        .any(|wish| wish.refreshed || !wish.without.is_empty())
    {
        script.push_str(CLEAN_UP);
    }
    if keys.iter().filter_map(wish).any(is_plain) {
        script.push_str(&nobody::script());
    }
    if keys.iter().filter_map(wish).any(|wish| wish.refreshed) {
        script.push_str(&refresh::script());
    }
    for wish in keys.iter().filter_map(wish) {
        if wish.refreshed {
            script.push_str("if [ -n \"$failure\" ]; then printf 'lists unrefreshed\\n%s\\nexit 100\\nowned\\n' \"$failure\"; else\n");
        }
        let lists = if wish.refreshed {
            "\"$aside/lists\""
        } else {
            "/var/lib/apt/lists"
        };
        if !wish.without.is_empty() {
            script.push_str(&status_script(&wish.without));
        }
        // A pattern without a match stays as it is, and `-e` then fails.
        let _ = writeln!(
            script,
            "have=no; for f in {lists}/*Packages*; do [ -e \"$f\" ] && have=yes; done\nprintf 'lists %s\\n' $have\n\
             {}printf '%s\\nexit %s\\n' \"$said\" $code",
            question(wish)
        );
        script.push_str(
            "printf '%s\\n' \"$said\" | sed -n 's/^Inst \\([^ ]*\\) \\[.*/\\1/p;s/^Remv \\([^ ]*\\).*/\\1/p' | xargs -r dpkg -L 2>/dev/null\nprintf 'owned\\n'\n",
        );
        if !wish.without.is_empty() {
            script.push_str("rm -f \"$status\"\n");
        }
        if wish.refreshed {
            script.push_str("fi\n");
        }
    }
    script
}

fn wish(key: &FactKey) -> Option<&Installation> {
    match key {
        FactKey::Installation(wish) => Some(wish),
        _ => None,
    }
}

fn parse(keys: &[FactKey], status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    if status == 127 {
        return Err(UnreadableAnswer::new("`apt-get` not found: this is not a Debian host"));
    }
    let lines = lines(answer);
    let mut rest = lines.as_slice();
    let mut facts = Vec::new();
    for key in keys {
        let early = || UnreadableAnswer::new(format!("{key}: the answer ends early"));
        let end = rest
            .iter()
            .position(|line| line.starts_with("exit "))
            .ok_or_else(early)?;
        let owned = rest[end..].iter().position(|line| line == "owned").ok_or_else(early)? + end;
        let mut fact = installation(&rest[..end], &rest[end]);
        if let InstallationFact::Possible(simulation) = &mut fact {
            simulation.owned = Arc::new(own_paths(&rest[end + 1..owned]));
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

fn installation(lines: &[String], end: &str) -> InstallationFact {
    if end == "exit 0" {
        return InstallationFact::Possible(simulation(lines));
    }
    let lists = lines.first().map_or("", String::as_str);
    if lists == "lists no" {
        return InstallationFact::NoLists;
    }
    let said: Vec<&str> = lines
        .iter()
        .skip(1)
        .map(String::as_str)
        .filter(|line| !line.is_empty())
        .collect();
    let last = &said[said.len().saturating_sub(5)..];
    if lists == "lists unrefreshed" {
        let output = errors(&said).unwrap_or_else(|| last.join(" "));
        InstallationFact::Unrefreshed { output }
    } else {
        let output = last.join("\n");
        InstallationFact::Impossible { output }
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

fn simulation(lines: &[String]) -> Simulation {
    let mut simulation = Simulation::default();
    for line in lines {
        if let Some(rest) = line.strip_prefix("Inst ") {
            simulation.installs.extend(simulated_install(rest));
        } else if let Some(rest) = line.strip_prefix("Remv ") {
            simulation.removals.extend(simulated_removal(rest));
        }
    }
    simulation
}

/// `name [old]`, followed by the packages that need it.
fn simulated_removal(line: &str) -> Option<SimulatedRemoval> {
    let (name, rest) = line.split_once(' ')?;
    let old = rest.strip_prefix('[')?.split(']').next()?;
    Some(SimulatedRemoval {
        name: name.to_owned(),
        old: old.to_owned(),
    })
}

/// apt-get(8) writes files in `partial` at each update, even if nothing is new.
fn lists_probe() -> String {
    "command -v apt-get >/dev/null || exit 127\n\
     for f in /var/lib/apt/lists/*Packages*; do [ -e \"$f\" ] && stat -c 'fetched %Y' /var/lib/apt/lists/partial && break; done\n\
     date '+now %s'"
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
    let age = number("fetched").map(|fetched| now.saturating_sub(fetched));
    Ok(keys
        .iter()
        .map(|key| (key.clone(), Fact::PackageLists(ListsFact { age, refreshed: false })))
        .collect())
}

/// `name [old] (new origin [arch]) []`, the old version only for an upgrade.
fn simulated_install(line: &str) -> Option<SimulatedInstall> {
    let (name, rest) = line.split_once(' ')?;
    let (before, after) = rest.split_once('(')?;
    Some(SimulatedInstall {
        name: name.to_owned(),
        old: before
            .trim()
            .strip_prefix('[')
            .and_then(|old| old.strip_suffix(']'))
            .map(str::to_owned),
        new: after.split(' ').next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::facts::apt::{AptVerb, line_filter};

    fn key(name: &str) -> FactKey {
        FactKey::Installation(Installation {
            verb: AptVerb::Install,
            packages: vec![name.to_owned()],
            recommends: true,
            auto_remove: false,
            refreshed: false,
            without: Vec::new(),
        })
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
        let filtered = Command::new("sh")
            .arg("-c")
            .arg(format!("printf '%s' \"$1\" | sed -n {}", quote(line_filter())))
            .args(["sh", std::str::from_utf8(answer).expect("text")])
            .output()
            .expect("sh runs");
        let mut printed: Vec<String> = String::from_utf8_lossy(&filtered.stdout)
            .lines()
            .map(str::to_owned)
            .collect();
        printed.sort();
        assert_eq!(printed, ["Inst ipmitool 1.8.19-9", "Inst libc6 2.41-2", "Remv exim4"]);
        let mut lines = simulation.lines();
        lines.sort();
        assert_eq!(lines, printed);
    }

    #[test]
    fn reads_the_age_of_the_lists() {
        let age = |answer: &str| {
            let facts = parse_lists(&[FactKey::PackageLists], 0, answer.as_bytes()).expect("readable");
            match facts[0].1 {
                Fact::PackageLists(lists) => lists.age,
                _ => panic!("{facts:?}"),
            }
        };
        assert_eq!(age("fetched 1000\nnow 1600\n"), Some(600));
        assert_eq!(age("now 1600\n"), None);
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
        let answer = format!("lists no\n{unknown}\nexit 100\nowned\nlists yes\n{unknown}\nexit 100\nowned\n");
        let facts = parse(&[key("a"), key("nope")], 0, answer.as_bytes()).expect("readable");
        assert_eq!(facts[0].1, Fact::Installation(InstallationFact::NoLists));
        assert_eq!(
            facts[1].1,
            Fact::Installation(InstallationFact::Impossible {
                output: unknown.to_owned()
            })
        );
    }
}
