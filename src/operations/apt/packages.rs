//! `apt.packages`: install or remove Debian packages.
//!
//! ```toml
//! [[operation]]
//! op = "apt.packages"
//! packages = ["prometheus-node-exporter", "unattended-upgrades"]
//! ```
//!
//! The plan contains everything that apt would change, from apt's own simulation. Right before the change apt simulates again,
//! and the deploy stops if apt would do more than what was reviewed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::run::{LockTimeout, apt_run, forgotten, known, no_more_than, touched};
use crate::change::{
    Action, Attribute, Attributed, Before, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Stop,
};
use crate::facts::apt::{InstallationFact, InstallationKey, SimulatedInstall, Simulation};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::package::{PackageFact, PackageKey};
use crate::facts::{AptVerb, Fact, FactKey, Installation};
use crate::operations::{Define, Operation, PlanContext};
use crate::value::Known;

/// Parameters of `apt.packages`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Packages {
    /// Names of packages.
    packages: Vec<String>,
    /// `false` removes the packages.
    #[serde(default = "crate::operations::parameters::yes")]
    present: bool,
    /// `true` installs the packages without those they recommend.
    #[serde(default)]
    no_recommends: bool,
    /// How long to wait for another process that holds dpkg's lock.
    #[serde(default)]
    lock_timeout: LockTimeout,
}

const NO_LISTS: &str = "the host has no package lists yet";

impl Define for Packages {
    const NAME: &'static str = "apt.packages";
    const SUMMARY: &'static str = "Install or remove Debian packages";
    const MAIN_ARGUMENT: &'static str = "packages";
    const EXAMPLE: &'static str = r#"[[operation]]
op = "apt.packages"
packages = ["htop", "tree"]
no_recommends = true
"#;
}

impl Operation for Packages {
    fn needs(&self) -> Vec<FactKey> {
        self.packages.iter().cloned().map(FactKey::Package).collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        touched()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        self.check(context)?;
        let mut unsettled = Vec::new();
        for name in &self.packages {
            let fact = context.get(PackageKey(name))?;
            if matches!(fact, PackageFact::Installed { .. }) != self.present {
                unsettled.push((name.as_str(), fact));
            }
        }
        unsettled.retain(|(_, fact)| self.present || *fact != PackageFact::Absent);
        if unsettled.is_empty() {
            return Ok(Outcome::Unchanged);
        }
        unsettled.sort_by_key(|(name, _)| *name);
        unsettled.dedup_by_key(|(name, _)| *name);
        let wish = Installation {
            verb: if self.present {
                AptVerb::Install
            } else {
                AptVerb::Remove
            },
            packages: unsettled.iter().map(|(name, _)| (*name).to_owned()).collect(),
            recommends: !self.no_recommends,
            auto_remove: false,
            refreshed: context.lists_refresh().is_some(),
            without: context.removed_packages(),
        };
        let changes = match context.get(InstallationKey(&wish))? {
            InstallationFact::Possible(mut simulation) => {
                // apt simulated the host as it is now, without the packages that earlier operations install.
                simulation
                    .installs
                    .retain(|install| !context.is_installed_before(&install.name));
                self.simulated(&wish, &unsettled, &simulation)
            }
            InstallationFact::NoLists => self.unsimulated(&wish, &unsettled, true, NO_LISTS),
            InstallationFact::Unrefreshed { output } => {
                let why = format!("cannot fetch the package lists: {output}");
                self.unsimulated(&wish, &unsettled, false, &why)
            }
            InstallationFact::Impossible { output } => {
                return Err(self.impossible(context, &output));
            }
        };
        Ok(Outcome::Change(changes))
    }
}

impl Packages {
    fn impossible(&self, context: &PlanContext<'_>, output: &str) -> Stop {
        let unknown = output
            .lines()
            .find_map(|line| line.strip_prefix("E: Unable to locate package "));
        let stop = if let Some(name) = unknown {
            let title = format!("unknown package `{name}`");
            context
                .refuse_item("packages", name, title, "not in the host's package lists")
                .hint("check the name, and that the host has the repository that contains it")
        } else {
            let verb = if self.present { "install" } else { "remove" };
            let title = format!("apt cannot {verb} these packages");
            context.refuse("packages", title, "fails with the host's package lists")
        };
        stop.because(errors_of(output))
    }

    fn check(&self, context: &PlanContext<'_>) -> Result<(), Stop> {
        if self.packages.is_empty() {
            return Err(context
                .refuse("packages", "`packages` is empty", "lists no package")
                .hint("write `packages = [\"…\"]`, or remove the operation"));
        }
        for name in &self.packages {
            // Debian policy 5.6.1, and an architecture.
            let plain = |character: char| {
                character.is_ascii_lowercase() || character.is_ascii_digit() || "+-.:".contains(character)
            };
            let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
            if !starts_well || !name.chars().all(plain) {
                let title = format!("`{name}` is not a valid package name");
                let label = "use lowercase letters, digits and `+-.`; versions are not supported yet";
                return Err(context
                    .refuse_item("packages", name, title, label)
                    .hint("write only the name; apt installs the newest version"));
            }
        }
        Ok(())
    }

    fn simulated(
        &self,
        wish: &Installation,
        unsettled: &[(&str, PackageFact)],
        simulation: &Simulation,
    ) -> Vec<ResourceChange> {
        let named = |name: &str| wish.packages.iter().any(|wanted| wanted == name);
        let mut changes: Vec<ResourceChange> = unsettled
            .iter()
            .map(|(name, fact)| {
                let install = simulation.installs.iter().find(|install| install.name == *name);
                let version = install.map_or_else(
                    || Attribute::Unknown("apt did not name a version".to_owned()),
                    |install| Attribute::known(&install.new),
                );
                requested(wish, name, fact, version)
            })
            .collect();
        let others: Vec<&SimulatedInstall> = simulation
            .installs
            .iter()
            .filter(|install| !named(&install.name))
            .collect();
        let removals: Vec<&str> = simulation
            .removals
            .iter()
            .map(|removal| removal.name.as_str())
            .filter(|name| !named(name))
            .collect();
        changes.extend(along(wish, &others, &removals));
        let first = &mut changes[0];
        first.expect.push(no_more_than(wish, simulation));
        first.steps.push(apt_run(wish, false, self.lock_timeout));
        first.effects.extend(forgotten(wish, simulation));
        first.effects.extend(known(simulation));
        changes
    }

    /// Without lists, only the requested packages are known, not their versions or dependencies.
    fn unsimulated(
        &self,
        wish: &Installation,
        unsettled: &[(&str, PackageFact)],
        refresh: bool,
        why: &str,
    ) -> Vec<ResourceChange> {
        let unknown = || Attribute::Unknown(why.to_owned());
        let mut changes: Vec<ResourceChange> = unsettled
            .iter()
            .map(|(name, fact)| requested(wish, name, fact, unknown()))
            .collect();
        let mut dependencies = along_change(wish);
        dependencies.after = Some([("installs", unknown())].into_iter().collect());
        changes.push(dependencies);
        let first = &mut changes[0];
        first.steps.push(apt_run(wish, refresh, self.lock_timeout));
        first.effects.extend(forgotten(wish, &Simulation::default()));
        first.effects.extend(wish.packages.iter().map(|name| {
            let fact = match wish.verb {
                AptVerb::Remove => PackageFact::Absent,
                _ => PackageFact::Installed {
                    version: Known::No(why.to_owned()),
                },
            };
            Effect::Set(FactKey::Package(name.clone()), Fact::Package(fact))
        }));
        changes
    }
}

fn requested(wish: &Installation, name: &str, fact: &PackageFact, version: Attribute) -> ResourceChange {
    let before = match fact {
        PackageFact::Absent => Before::Absent,
        PackageFact::Installed {
            version: Known::Yes(version),
        } => Before::Present([("version", Attribute::known(version))].into_iter().collect()),
        PackageFact::Installed {
            version: Known::No(why),
        } => Before::Unknown(why.clone()),
        PackageFact::Broken { status } => Before::Present([("status", Attribute::known(status))].into_iter().collect()),
    };
    ResourceChange {
        id: ResourceId {
            kind: ResourceKind::Package,
            name: name.to_owned(),
        },
        action: match (&before, wish.verb == AptVerb::Remove) {
            (_, true) => Action::Remove,
            (Before::Absent, _) => Action::Create,
            _ => Action::Update,
        },
        before,
        after: (wish.verb != AptVerb::Remove).then(|| [("version", version)].into_iter().collect()),
        expect: Vec::new(),
        effects: Vec::new(),
        steps: Vec::new(),
        risk: if wish.verb == AptVerb::Remove {
            Risk::Removal
        } else {
            Risk::None
        },
    }
}

/// What apt would change in addition to the requested packages.
fn along(wish: &Installation, others: &[&SimulatedInstall], removals: &[&str]) -> Option<ResourceChange> {
    let mut attributed = Attributed::new();
    let listed = |upgrade: bool| {
        others
            .iter()
            .filter(|install| install.old.is_some() == upgrade)
            .map(|install| match &install.old {
                Some(old) => format!("{} {old} → {}", install.name, install.new),
                None => format!("{} {}", install.name, install.new),
            })
            .collect::<Vec<_>>()
    };
    for (name, lines) in [
        ("installs", listed(false)),
        ("upgrades", listed(true)),
        ("removes", removals.iter().map(|name| (*name).to_owned()).collect()),
    ] {
        if !lines.is_empty() {
            attributed.insert(name, Attribute::known(lines.join("\n")));
        }
    }
    if attributed.is_empty() {
        return None;
    }
    let mut change = along_change(wish);
    change.after = Some(attributed);
    if !removals.is_empty() {
        change.risk = Risk::Removal;
    }
    Some(change)
}

fn along_change(wish: &Installation) -> ResourceChange {
    ResourceChange {
        id: ResourceId {
            kind: ResourceKind::PackagesAlong,
            name: wish.packages.join(" "),
        },
        action: Action::Create,
        before: Before::Absent,
        after: None,
        expect: Vec::new(),
        effects: Vec::new(),
        steps: Vec::new(),
        risk: Risk::None,
    }
}

/// The errors in the output of apt, or all of it if none is marked.
fn errors_of(output: &str) -> String {
    let errors: Vec<&str> = output.lines().filter(|line| line.starts_with("E: ")).collect();
    if errors.is_empty() {
        return output.to_owned();
    }
    errors.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Command, Expect, Step};
    use crate::facts::apt::SimulatedRemoval;
    use crate::operations::testing::Bench;

    fn wish(packages: &[&str]) -> Installation {
        Installation {
            verb: AptVerb::Install,
            packages: packages.iter().map(|name| (*name).to_owned()).collect(),
            recommends: true,
            auto_remove: false,
            refreshed: false,
            without: Vec::new(),
        }
    }

    fn install(name: &str, old: Option<&str>) -> SimulatedInstall {
        SimulatedInstall {
            name: name.to_owned(),
            old: old.map(str::to_owned),
            new: "2".to_owned(),
        }
    }

    fn bench(fact: InstallationFact) -> Bench {
        Bench::new::<Packages>("packages = ['cron', 'bash', 'jq']")
            .package("bash", "1")
            .no_package("cron")
            .no_package("jq")
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
        assert_eq!(
            *script,
            "export DEBIAN_FRONTEND=noninteractive LC_ALL=C\napt-get -y -q -o DPkg::Lock::Timeout=300 \
             -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o APT::Install-Recommends=true install -- cron jq"
        );
        assert!(matches!(&changes[0].expect[..], [Expect::Installation { reviewed, .. }] if reviewed.len() == 5));
    }

    #[test]
    fn apt_simulates_without_packages_that_earlier_operations_remove() {
        let removal = Effect::Set(
            FactKey::Package("libjq1".to_owned()),
            Fact::Package(PackageFact::Absent),
        );
        let bench = bench(InstallationFact::NoLists).after(removal);
        assert!(matches!(&bench.missing()[..], [FactKey::Installation(wish)] if wish.without == ["libjq1"]));
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
        let bench = Bench::new::<Packages>("packages = ['jq']\nlock_timeout = '1h 10s'").no_package("jq");
        let fact = Fact::Installation(InstallationFact::NoLists);
        let changes = changes(bench.fact(FactKey::Installation(wish), fact).plan());
        let Step::Run(run) = &changes[0].steps[0] else {
            panic!("{changes:?}")
        };
        for part in ["[ $tries -ge 3610 ]", "-o DPkg::Lock::Timeout=3610 "] {
            assert!(run.script.contains(part), "{}", run.script);
        }
        // Waiting for the lock must not use up the time for the work itself.
        assert!(run.timeout.as_secs() > 3610);
    }
}
