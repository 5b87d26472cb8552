//! One simulation for several requests: each run of apt takes a second of a processor, however little it is asked.
//!
//! What is installed for one of them is told by what the packages depend on. That is only certain for packages that are new and depend
//! on each other without a choice: for anything else, each request has a simulation of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::printed::simulation;
use super::question::{NO_CACHES, careful_question, is_plain, looked_up, wish};
use crate::facts::apt::{AptVerb, Installation, InstallationFact, Simulation};
use crate::facts::key::{Fact, FactKey};
use crate::quote::quote_all;

/// The first line of the answer, if there is a joint one.
const BEGIN: &str = "joint";

/// The last one.
const END: &str = "apart";

/// The requests that can be simulated together; fewer than two are none.
pub(super) fn together(keys: &[FactKey]) -> BTreeSet<&Installation> {
    let mut all: BTreeSet<&Installation> = BTreeSet::new();
    for wish in keys.iter().filter_map(wish).filter(|wish| fits(wish)) {
        if all.first().is_none_or(|first| first.recommends == wish.recommends) {
            all.insert(wish);
        }
    }
    if all.len() < 2 { BTreeSet::new() } else { all }
}

fn fits(wish: &Installation) -> bool {
    let is_plain_name = |name: &String| !name.contains(['=', ':', '/']);
    wish.verb == AptVerb::Install
        && is_plain(wish)
        && wish.deb.is_none()
        && !wish.auto_remove
        && looked_up(wish).is_empty()
        && wish.packages.iter().all(is_plain_name)
}

/// Reads the simulation, a line `needs`, and what its packages depend on; prints `needs A B` for each two of them. Fails if something is
/// not certain: a package that is there already, or a choice between several in which one of them takes part. apt-cache(8) puts `|`
/// before all but the last of a choice, `<>` around what others provide, and who that is deeper.
const NEEDS: &str = r#"awk '
!package && $1 == "needs" { package = "none"; next }
!package && $1 == "Inst" { if ($3 ~ /^\[/) bad = 1; new[$2] = 1; next }
!package { if ($1 == "Remv" || /held packages will be changed:|DOWNGRADED:/) bad = 1; next }
/^[^ ]/ { package = $1; next }
/^    / { if ($1 in new) bad = 1; next }
{
choice = /^ \|/
if ($NF in new) { if (choice || chosen) bad = 1; else print "needs", package, $NF }
chosen = choice
}
END { exit bad }'"#;

/// Shell text that sets `$joint` if one simulation answers all of `wishes`, and prints it.
pub(super) fn probe(wishes: &BTreeSet<&Installation>) -> String {
    let Some(first) = wishes.first() else {
        return String::new();
    };
    let names: BTreeSet<&String> = wishes.iter().flat_map(|wish| &wish.packages).collect();
    let all = Installation {
        packages: names.iter().map(|name| (*name).clone()).collect(),
        ..(*first).clone()
    };
    format!(
        "joint=\nif [ -z \"$cut\" ]; then\n{}\
         for p in {}; do case \"\n$said\" in *\"\nInst $p (\"*) ;; *) code=1; esac; done\n\
         if [ $code = 0 ]; then\n\
         o=; [ -n \"$nobody\" ] || o=\"{caches}\"\n\
         needs=$(printf \"%s\\n\" \"$said\" | sed -n \"s/^Inst \\([^ ]*\\) .*/\\1/p\" | \
         LC_ALL=C xargs $nobody apt-cache $o --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances {recommends}depends -- 2>/dev/null)\n\
         [ -n \"$needs\" ] && needs=$(printf \"%s\\nneeds\\n%s\\n\" \"$said\" \"$needs\" | {NEEDS}) && joint=yes\n\
         fi; fi\n\
         [ -z \"$joint\" ] || printf \"{BEGIN}\\n%s\\n%s\\n{END}\\n\" \"$said\" \"$needs\"\n",
        careful_question(&all),
        quote_all(names.iter().map(|name| name.as_str())),
        caches = NO_CACHES.trim(),
        recommends = if first.recommends { "" } else { "--no-recommends " },
    )
}

/// Takes the joint answer off the lines, and tells what it says for each of the requests.
pub(super) fn parse<'a>(keys: &[FactKey], lines: &'a [String]) -> (Vec<(FactKey, Fact)>, &'a [String]) {
    let end = lines.iter().position(|line| line == END);
    let (Some(end), true) = (end, lines.first().is_some_and(|line| line == BEGIN)) else {
        return (Vec::new(), lines);
    };
    let all = simulation(&lines[1..end]);
    let mut needs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines[1..end].iter().filter_map(|line| line.strip_prefix("needs ")) {
        if let Some((package, needed)) = line.split_once(' ') {
            needs.entry(package).or_default().push(needed);
        }
    }
    let together = together(keys);
    let keys = keys
        .iter()
        .filter(|key| wish(key).is_some_and(|wish| together.contains(wish)));
    let facts = keys.map(|key| {
        let packages = wish(key).map_or(&[][..], |wish| &wish.packages);
        let own = Fact::Installation(InstallationFact::Possible(part(&all, packages, &needs)));
        (key.clone(), own)
    });
    (facts.collect(), &lines[end + 1..])
}

/// What is installed for some of the packages.
fn part(all: &Simulation, packages: &[String], needs: &BTreeMap<&str, Vec<&str>>) -> Simulation {
    let mut own: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&str> = packages.iter().map(String::as_str).collect();
    while let Some(package) = open.pop() {
        if own.insert(package) {
            open.extend(needs.get(package).into_iter().flatten());
        }
    }
    let installs = all
        .installs
        .iter()
        .filter(|install| own.contains(install.name.as_str()));
    Simulation {
        installs: installs.cloned().collect(),
        ..Simulation::default()
    }
}

#[cfg(test)]
mod tests;
