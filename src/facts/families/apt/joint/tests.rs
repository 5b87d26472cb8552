use std::process::Command;

use super::*;
use crate::facts::families::apt::parse as parse_all;

fn key(packages: &[&str]) -> FactKey {
    FactKey::Installation(Installation::new(AptVerb::Install, packages))
}

const SAID: &str = "Reading package lists...\nThe following NEW packages will be installed:\n  jq libjq1 libonig5 lsof\n\
    Inst libonig5 (6.9 Debian:13/stable [amd64])\nInst libjq1 (1.7 Debian:13/stable [amd64])\nInst jq (1.7 Debian:13/stable [amd64])\n\
    Inst lsof (4.99 Debian:13/stable [amd64])\nConf jq (1.7 Debian:13/stable [amd64])\n";
const NEEDED: &str = "libonig5\n  Depends: libc6\nlibjq1\n  Depends: libc6\n  Depends: libonig5\njq\n |Depends: libc6\n  Depends: libc7\n  Depends: libjq1\n\
    lsof\n  Depends: libc6\n  Recommends: <awk>\n    mawk\n";

/// What the shell prints where apt says `said` and apt-cache `needed`.
fn answer(keys: &[FactKey], said: &str, needed: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    // Another process writes them: what is open for writing, be it in a child of another test, cannot be run.
    let programs = "for p in apt-get apt-cache; do printf '#!/bin/sh\\nprintf \"%%s\\\\n\" \"$%s\"\\n' \"${p#apt-}\" >$p; chmod 755 $p; done; PATH=.:$PATH";
    let text = format!("{programs}; nobody= cut=\n{}", probe(&together(keys)));
    let output = Command::new("sh")
        .args(["-c", &text])
        .current_dir(folder.path())
        .env("get", said)
        .env("cache", needed)
        .output()
        .expect("sh runs");
    String::from_utf8(output.stdout).expect("text")
}

fn installs(fact: &Fact) -> Vec<&str> {
    match fact {
        Fact::Installation(InstallationFact::Possible(simulation)) => simulation
            .installs
            .iter()
            .map(|install| install.name.as_str())
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_simulation_tells_what_each_request_brings() {
    let keys = [key(&["jq"]), key(&["lsof"])];
    let text = answer(&keys, SAID, NEEDED);
    let facts = parse_all(&keys, 0, text.as_bytes()).expect("readable");
    let told: Vec<_> = facts.iter().map(|(key, fact)| (key, installs(fact))).collect();
    assert_eq!(
        told,
        [(&keys[0], vec!["libonig5", "libjq1", "jq"]), (&keys[1], vec!["lsof"])]
    );

    // A request of another kind has a simulation of its own.
    let FactKey::Installation(removal) = key(&["cron"]) else {
        unreachable!()
    };
    let removal = FactKey::Installation(Installation {
        verb: AptVerb::Remove,
        ..removal
    });
    let keys = [removal, keys[0].clone(), keys[1].clone()];
    let text = format!("{text}lists yes\nRemv cron [1]\nexit 0\nowned\n");
    let facts = parse_all(&keys, 0, text.as_bytes()).expect("readable");
    assert_eq!(facts.len(), 3);
    assert!(
        matches!(&facts[2].1, Fact::Installation(InstallationFact::Possible(simulation)) if simulation.removals.len() == 1)
    );
}

#[test]
fn what_is_not_certain_is_asked_for_each_request() {
    let keys = [key(&["jq"]), key(&["lsof"])];
    let with = |said: &str, needed: &str| answer(&keys, &format!("{SAID}{said}"), &format!("{NEEDED}{needed}"));
    assert!(!with("", "").is_empty());
    for (said, needed) in [
        ("Remv cron [1]\n", ""),
        ("Inst libc6 [2.41] (2.42 Debian:13/stable [amd64])\n", ""),
        ("The following held packages will be changed:\n  a\n", ""),
        ("The following packages will be DOWNGRADED:\n  a\n", ""),
        // A choice, of which apt alone knows what it takes.
        ("", "mail\n |Depends: exim4\n  Depends: jq\n"),
        ("", "mail\n |Depends: jq\n  Depends: exim4\n"),
        ("", "mail\n  Depends: <viewer>\n    jq\n    less\n"),
    ] {
        assert_eq!(with(said, needed), "", "{said}{needed}");
    }
    assert_eq!(answer(&keys, &SAID.replace("Inst lsof", "Conf lsof"), NEEDED), "");
    assert_eq!(answer(&keys, SAID, ""), "");
    for other in [key(&["jq=1.7"]), key(&["jq:amd64"]), key(&["g++"])] {
        assert_eq!(together(&[keys[0].clone(), other.clone()]).len(), 0, "{other:?}");
    }
}
