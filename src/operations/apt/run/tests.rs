use std::fs;
use std::process::Command as Process;

use super::*;
use crate::facts::apt::SimulatedRemoval;

/// What apt shows before dpkg starts, in the form that it calls the third.
const SHOWN: &str = "VERSION 3\nAPT::Architecture=amd64\nDPkg::Tools::Options::eval::Version=3\n\n\
    libjq1 - - none < 1.7 amd64 same /var/cache/apt/archives/libjq1_1.7_amd64.deb\n\
    jq 1.6 amd64 foreign < 1.7 amd64 foreign /srv/a folder/jq.deb\n\
    docs - - none < 2 all none /var/cache/apt/archives/docs_2_all.deb\n\
    wine - - none < 8 i386 none /var/cache/apt/archives/wine_8_i386.deb\n\
    jq 1.6 amd64 foreign < 1.7 amd64 foreign **CONFIGURE**\n\
    exim4 4.98 all none > - - none **REMOVE**\n\
    old:any 1 i386 same > - - none **REMOVE**\n";

/// Shows [`SHOWN`] to the command of its options, as apt-get(8) does, and fails as that does.
const APT_GET: &str = r#"#!/bin/sh
while [ $# != 0 ]; do case $1 in DPkg::Pre-Install-Pkgs::=*) command=${1#*=} ;; esac; shift; done
sh -c "$command" <shown || { echo "E: Sub-process $command returned an error code (1)"; exit 100; }
[ ! -e broken ] || exit 100
touch installed
"#;

fn simulation(installs: &[(&str, &str)], removals: &[&str]) -> Simulation {
    let install = |(name, new): &(&str, &str)| SimulatedInstall {
        name: (*name).to_owned(),
        old: None,
        new: (*new).to_owned(),
        automatic: false,
    };
    let removal = |name: &&str| SimulatedRemoval {
        name: (*name).to_owned(),
        old: "1".to_owned(),
    };
    Simulation {
        installs: installs.iter().map(install).collect(),
        removals: removals.iter().map(removal).collect(),
        ..Simulation::default()
    }
}

fn wish(package: &str) -> Installation {
    Installation::new(AptVerb::Install, &[package])
}

fn command(wish: &Installation, reviewed: &Simulation) -> Command {
    let mut run = AptRun::new(wish, LockTimeout::default());
    run.reviewed = Some(reviewed);
    match run.step() {
        Step::Run(command) => command,
        other => panic!("{other:?}"),
    }
}

/// Runs `command` with an apt that shows `shown`: its exit code, what it printed, and whether anything was installed.
fn run(command: &Command, shown: &str, broken: bool) -> (Option<i32>, String, bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("shown"), shown).expect("written");
    if broken {
        fs::write(path("broken"), "").expect("written");
    }
    // Another process writes it: one that is open for writing, be it in a child of another test, cannot be run.
    let write = "printf %s \"$1\" >apt-get; printf '#!/bin/sh\\necho amd64\\n' >dpkg; chmod 755 apt-get dpkg; printf %s \"$2\" >script; \
        PATH=.:$PATH exec sh ./script";
    let output = Process::new("sh")
        .args(["-c", write, "-", APT_GET, &command.text()])
        .current_dir(folder.path())
        .output()
        .expect("sh runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), printed, path("installed").exists())
}

#[test]
fn apt_does_no_more_than_what_was_reviewed() {
    let all = [("libjq1", "1.7"), ("jq", "1.7"), ("docs", "2"), ("wine:i386", "8")];
    let newer = [("libjq1", "1.7"), ("jq", "1.8"), ("docs", "2"), ("wine:i386", "8")];
    let own = [("libjq1", "1.7"), ("jq", "1.7"), ("docs", "2"), ("wine", "8")];
    let gone = ["exim4", "old:any:i386", "never"];
    for (reviewed, broken, status, said) in [
        (simulation(&all, &gone), false, 0, ""),
        (simulation(&all, &gone), true, 100, ""),
        (simulation(&all[1..], &gone), false, NOT_REVIEWED, "Inst libjq1 1.7"),
        (simulation(&newer, &gone), false, NOT_REVIEWED, "Inst jq 1.7"),
        (simulation(&own, &gone), false, NOT_REVIEWED, "Inst wine:i386 8"),
        (simulation(&all, &gone[1..]), false, NOT_REVIEWED, "Remv exim4"),
        (
            simulation(&[], &[]),
            false,
            NOT_REVIEWED,
            "Inst libjq1 1.7\nInst jq 1.7",
        ),
    ] {
        let (code, printed, is_installed) = run(&command(&wish("jq"), &reviewed), SHOWN, broken);
        assert_eq!(code, Some(status), "{reviewed:?}: {printed}");
        assert_eq!(is_installed, status == 0);
        if !said.is_empty() {
            assert!(printed.contains(&format!("\n{said}\n")), "{printed}");
            assert!(
                printed.ends_with("apt would now do this, which was not reviewed\n"),
                "{printed}"
            );
        }
    }
}

#[test]
fn one_run_for_several_operations_does_exactly_what_was_reviewed_for_all_of_them() {
    let shown = "VERSION 3\n\nlibjq1 - - none < 1.7 amd64 same /a.deb\njq - - none < 1.7 amd64 foreign /b.deb\ntree - - none < 2 amd64 none /c.deb\n";
    let all = [&[("libjq1", "1.7"), ("jq", "1.7")][..], &[("tree", "2")]];
    let less = [&[("jq", "1.7")][..], &[("tree", "2")]];
    let more = [
        &[("libjq1", "1.7"), ("jq", "1.7")][..],
        &[("tree", "2"), ("libtree", "2")],
    ];
    for (reviewed, status, said) in [
        (all, 0, ""),
        (less, NOT_REVIEWED, "\nInst libjq1 1.7\n"),
        (more, NOT_REVIEWED, "\nnot: Inst libtree 2\n"),
    ] {
        let (jq, tree) = (simulation(reviewed[0], &[]), simulation(reviewed[1], &[]));
        let (jq, tree) = (command(&wish("jq"), &jq), command(&wish("tree"), &tree));
        let both = Command::joined(&[&jq, &tree]).expect("they join");
        assert_eq!(both.summary, "apt-get install jq tree");
        let (code, printed, is_installed) = run(&both, shown, false);
        assert_eq!(code, Some(status), "{printed}");
        assert_eq!(is_installed, status == 0);
        assert!(format!("\n{printed}").contains(said), "{printed}");
    }
}

#[test]
fn only_runs_that_install_and_nothing_else_join_others() {
    let plain = simulation(&[("jq", "1.7")], &[]);
    let own = command(&wish("jq"), &plain);
    assert!(own.joins(&own));
    let removes = simulation(&[("jq", "1.7")], &["mawk"]);
    let foreign = simulation(&[("jq:i386", "1.7")], &[]);
    let configures = Simulation {
        configures: vec!["mawk".to_owned()],
        ..plain.clone()
    };
    for other in [removes, foreign, configures, simulation(&[], &[])] {
        assert!(!own.joins(&command(&wish("jq"), &other)), "{other:?}");
    }
    let removal = Installation {
        verb: AptVerb::Remove,
        ..wish("jq")
    };
    let without_recommends = Installation {
        recommends: false,
        ..wish("jq")
    };
    for other in [removal, without_recommends] {
        assert!(!own.joins(&command(&other, &plain)), "{other:?}");
    }
}
