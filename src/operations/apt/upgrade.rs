//! `apt.upgrade`: upgrade all packages to the newest versions in the package lists.
//!
//! ```toml
//! [[operation]]
//! op = "apt.upgrade"
//! auto_remove = true
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::request::refusals;
use super::run::{AptRun, LockTimeout, forgotten, known, touched};
use crate::change::{
    Action, Attribute, Attributed, Before, Outcome, ResourceChange, ResourceId, ResourceKind, Risk, Stop,
};
use crate::facts::apt::{InstallationFact, InstallationKey, Simulation};
use crate::facts::overlay::FactScope;
use crate::facts::{AptVerb, FactKey, Installation};
use crate::operations::conduct::RunsCommands;
use crate::operations::{Define, Operation, PlanContext};

/// Parameters of `apt.upgrade`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Upgrade {
    /// `true` removes packages that nothing depends on any more, as `apt-get autoremove` does.
    #[serde(default)]
    auto_remove: bool,
    /// `true` installs and removes packages where an upgrade needs it, as `apt-get dist-upgrade` does.
    #[serde(default)]
    full: bool,
    /// How long to wait for another process that holds dpkg's lock.
    #[serde(default)]
    lock_timeout: LockTimeout,
}

impl Define for Upgrade {
    const NAME: &'static str = "apt.upgrade";
    const SUMMARY: &'static str = "Upgrade all packages to the newest versions in the package lists";
    const MAIN_ARGUMENT: &'static str = "full";
    const RUNS: RunsCommands = RunsCommands::Apt;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "apt.upgrade"
auto_remove = true
"#;
}

impl Operation for Upgrade {
    fn needs(&self) -> Vec<FactKey> {
        vec![FactKey::PackageLists, FactKey::Installation(self.wish())]
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        touched()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let refresh = context.lists_refresh();
        let wish = Installation {
            refreshed: refresh.is_some(),
            without: context.removed_packages(),
            manual: context.marked_packages(),
            ..self.wish()
        };
        match context.get(InstallationKey(&wish))? {
            InstallationFact::Possible(mut simulation) => {
                refusals::check_held(context, "full", &simulation.held)?;
                // apt simulated the host as it is now, without the packages that earlier operations install.
                simulation
                    .installs
                    .retain(|install| !context.is_installed_before(&install.name));
                let changes = changes(&wish, &simulation, self.lock_timeout);
                Ok(if changes.is_empty() {
                    Outcome::Unchanged
                } else {
                    Outcome::Change(changes)
                })
            }
            InstallationFact::Unrefreshed { output } => Ok(Outcome::Deferred {
                waits_for: refresh.into_iter().collect(),
                why: format!("cannot fetch the package lists: {output}"),
                touches: touched(),
                preview: Vec::new(),
            }),
            InstallationFact::NoLists => {
                let mistake = context.mistake(
                    "full",
                    "cannot upgrade without package lists",
                    "the host has no package lists",
                );
                Err(Stop::Refused(Box::new(
                    mistake.hint("fetch them first: `op = \"apt.update\"`"),
                )))
            }
            InstallationFact::Interrupted => Err(refusals::interrupted(context, "full")),
            InstallationFact::Impossible { output, .. } => {
                let mistake = context.mistake(
                    "full",
                    "apt cannot upgrade the packages",
                    "fails with the host's package lists",
                );
                Err(Stop::Refused(Box::new(mistake.because(output))))
            }
        }
    }
}

impl Upgrade {
    fn wish(&self) -> Installation {
        let verb = if self.full {
            AptVerb::FullUpgrade
        } else {
            AptVerb::Upgrade
        };
        Installation {
            auto_remove: self.auto_remove,
            ..Installation::new(verb, &[])
        }
    }
}

/// A change per package; the first has the step, which is one run of apt for all of them.
fn changes(wish: &Installation, simulation: &Simulation, lock: LockTimeout) -> Vec<ResourceChange> {
    let version = |version: &str| -> Attributed { [("version", Attribute::known(version))].into_iter().collect() };
    let installs = simulation.installs.iter().map(|install| match &install.old {
        Some(old) => package(
            &install.name,
            Action::Update,
            Before::Present(version(old)),
            Some(version(&install.new)),
        ),
        None => package(
            &install.name,
            Action::Create,
            Before::Absent,
            Some(version(&install.new)),
        ),
    });
    let removals = simulation.removals.iter().map(|removal| {
        let before = Before::Present(version(&removal.old));
        package(&removal.name, Action::Remove, before, None)
    });
    let mut changes: Vec<ResourceChange> = installs.chain(removals).collect();
    if let Some(first) = changes.first_mut() {
        let mut run = AptRun::new(wish, lock);
        run.reviewed = Some(simulation);
        first.steps.push(run.step());
        first.effects.extend(forgotten(wish, simulation));
        first.effects.extend(known(wish, simulation));
    }
    changes
}

fn package(name: &str, action: Action, before: Before, after: Option<Attributed>) -> ResourceChange {
    let risk = match action {
        Action::Remove => Risk::Removal,
        _ => Risk::None,
    };
    ResourceChange {
        risk,
        ..ResourceChange::new(ResourceId::new(ResourceKind::Package, name), action, before, after)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::change::Step;
    use crate::facts::Fact;
    use crate::facts::apt::{ListsFact, SimulatedInstall, SimulatedRemoval};
    use crate::facts::overlay::Effect;
    use crate::operations::testing::Bench;

    fn bench(fact: InstallationFact, refreshed: bool) -> Bench {
        let wish = Installation {
            auto_remove: true,
            refreshed,
            ..Installation::new(AptVerb::Upgrade, &[])
        };
        Bench::new::<Upgrade>("auto_remove = true").fact(FactKey::Installation(wish), Fact::Installation(fact))
    }

    fn refresh() -> Effect {
        let lists = ListsFact {
            age: Some(0),
            refreshed: true,
            outdated: false,
        };
        Effect::Set(FactKey::PackageLists, Fact::PackageLists(lists))
    }

    fn simulation() -> Simulation {
        Simulation {
            installs: vec![SimulatedInstall {
                name: "libc6".to_owned(),
                old: Some("1".to_owned()),
                new: "2".to_owned(),
                automatic: false,
            }],
            removals: vec![SimulatedRemoval {
                name: "old-kernel".to_owned(),
                old: "6".to_owned(),
            }],
            owned: Arc::new(["/usr/lib/libc.so".to_owned()].into_iter().collect()),
            ..Simulation::default()
        }
    }

    #[test]
    fn every_package_is_shown_with_its_versions_and_one_run_changes_them_all() {
        let outcome = bench(InstallationFact::Possible(simulation()), false).plan();
        let Ok(Outcome::Change(changes)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(changes.len(), 2);
        assert_eq!((changes[0].action, changes[1].action), (Action::Update, Action::Remove));
        assert_eq!(changes[1].risk, Risk::Removal);
        assert!(changes[1].steps.is_empty());
        assert!(matches!(&changes[0].steps[0], Step::Run(run) if run.supervised
            && run.script.ends_with("-o APT::Install-Recommends=true --auto-remove upgrade --  || not_reviewed")));
        let owned = FactScope::Owned(Arc::new(["/usr/lib/libc.so".to_owned()].into_iter().collect()));
        assert!(
            changes[0]
                .effects
                .iter()
                .any(|effect| matches!(effect, Effect::Forget(scope, _) if *scope == owned))
        );
    }

    #[test]
    fn after_a_refresh_apt_simulates_with_the_lists_of_the_mirrors() {
        let refreshed = bench(InstallationFact::Possible(simulation()), true).after(refresh());
        let Ok(Outcome::Change(changes)) = refreshed.plan() else {
            panic!("{:?}", refreshed.plan())
        };
        assert!(
            matches!(&changes[0].steps[0], Step::Run(run) if !run.script.contains("lists")),
            "the host has the lists when the change runs"
        );
        let unread = bench(InstallationFact::Possible(simulation()), false).after(refresh());
        assert!(matches!(&unread.missing()[..], [FactKey::Installation(wish)] if wish.refreshed));
    }
}
