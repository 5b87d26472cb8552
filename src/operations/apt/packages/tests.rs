use super::*;
use crate::change::{Attribute, Command, ResourceChange, Risk, Step};
use crate::facts::apt::{InstallationFact, ListsFact, SimulatedInstall, SimulatedRemoval, Simulation};
use crate::facts::overlay::Effect;
use crate::facts::package::PackageFact;
use crate::facts::{AptVerb, Fact, Installation};
use crate::operations::testing::Bench;

fn wish(packages: &[&str]) -> Installation {
    Installation::new(AptVerb::Install, packages)
}

fn install(name: &str, old: Option<&str>) -> SimulatedInstall {
    SimulatedInstall {
        name: name.to_owned(),
        old: old.map(str::to_owned),
        new: "2".to_owned(),
        automatic: false,
    }
}

fn lists() -> Fact {
    Fact::PackageLists(ListsFact {
        age: Some(60),
        refreshed: false,
        outdated: false,
    })
}

fn bench(fact: InstallationFact) -> Bench {
    Bench::new::<Packages>("packages = ['cron', 'bash', 'jq']")
        .package("bash", "1")
        .no_package("cron")
        .no_package("jq")
        .fact(FactKey::PackageLists, lists())
        .fact(FactKey::Installation(wish(&["cron", "jq"])), Fact::Installation(fact))
}

fn changes(outcome: Result<Outcome, Stop>) -> Vec<ResourceChange> {
    match outcome {
        Ok(Outcome::Change(changes)) => changes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn additional_packages_are_part_of_the_plan() {
    let simulation = Simulation {
        installs: vec![
            install("libjq1", None),
            install("libc6", Some("1")),
            install("jq", None),
            install("cron", None),
        ],
        removals: vec![SimulatedRemoval {
            name: "exim4".to_owned(),
            old: "4".to_owned(),
        }],
        ..Simulation::default()
    };
    let changes = changes(bench(InstallationFact::Possible(simulation)).plan());
    let names: Vec<&str> = changes.iter().map(|change| change.id.name.as_str()).collect();
    assert_eq!(names, ["cron", "jq", "cron jq"]);
    let along = changes[2].after.as_ref().expect("something");
    assert_eq!(along["installs"], Attribute::known("libjq1 2"));
    assert_eq!(along["upgrades"], Attribute::known("libc6 1 → 2"));
    assert_eq!(along["removes"], Attribute::known("exim4"));
    assert_eq!(changes[2].risk, Risk::Removal);
    let Step::Run(Command { script, supervised, .. }) = &changes[0].steps[0] else {
        panic!("{changes:?}")
    };
    assert!(supervised);
    assert!(
        script.starts_with("export DEBIAN_FRONTEND=noninteractive LC_ALL=C\n"),
        "{script}"
    );
    let reviewed = "\nInst libjq1 2\nInst libc6 2\nInst jq 2\nInst cron 2\nRemv exim4\n";
    assert!(script.contains(reviewed), "{script}");
    let run = "\napt-get -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o 'DPkg::Pre-Install-Pkgs::=eval \"$homelab_check\"' -o DPkg::Tools::Options::eval::Version=3 \
        -o APT::Install-Recommends=true install -- cron jq || not_reviewed";
    assert!(script.ends_with(run), "{script}");
}

#[test]
fn apt_simulates_without_packages_that_earlier_operations_remove() {
    let removal = Effect::Set(
        FactKey::Package("libjq1".to_owned()),
        Fact::Package(PackageFact::Absent),
    );
    let bench = bench(InstallationFact::NoLists).after(removal);
    assert!(matches!(&bench.missing()[..], [FactKey::Installation(wish)] if *wish.without == ["libjq1"]));
}

#[test]
fn without_lists_they_are_fetched_first_and_versions_are_unknown() {
    let changes = changes(bench(InstallationFact::NoLists).plan());
    assert!(matches!(
        changes[0].after.as_ref().expect("comes")["version"],
        Attribute::Unknown(_)
    ));
    assert!(matches!(&changes[0].steps[0], Step::Run(run) if run.script.contains("=any update")));
}

#[test]
fn the_time_to_wait_for_the_lock_is_a_parameter() {
    let wish = wish(&["jq"]);
    let bench = Bench::new::<Packages>("packages = ['jq']\nlock_timeout = '1h 10s'")
        .fact(FactKey::PackageLists, lists())
        .no_package("jq");
    let fact = Fact::Installation(InstallationFact::NoLists);
    let changes = changes(bench.fact(FactKey::Installation(wish), fact).plan());
    let Step::Run(run) = &changes[0].steps[0] else {
        panic!("{changes:?}")
    };
    for part in ["[ $tries -ge 3610 ]", "-o DPkg::Lock::Timeout=3610 "] {
        assert!(run.script.contains(part), "{}", run.script);
    }
    // Waiting for the lock must not use up the time for the work itself.
    assert!(run.limit().as_secs() > 3610);
}
