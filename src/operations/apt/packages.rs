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

mod changes;
pub(super) mod refusals;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use self::changes::Work;
use super::name::Name;
use super::run::{LockTimeout, touched};
use super::status::{Absent, Present, absent, present};
use crate::change::{NotKnown, Outcome, ResourceKind, Stop};
use crate::facts::apt::{InstallationFact, InstallationKey, PackageListsKey, Simulation};
use crate::facts::overlay::FactScope;
use crate::facts::package::{MisspellingKey, PackageFact, PackageKey};
use crate::facts::{AptVerb, FactKey, Installation};
use crate::operations::conduct::RunsCommands;
use crate::operations::{Define, Demand, Operation, PlanContext};
use crate::value::Known;

/// Parameters of `apt.packages`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::operations) struct Packages {
    /// Names of packages, such as `"jq"`, `"jq:amd64"` or `"jq=1.7"`.
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

const NO_LISTS: &str = "the host has no package lists; they are fetched first";
const OUTDATED_LISTS: &str = "apt's lists are older than its sources; fetched first";

impl Define for Packages {
    const NAME: &'static str = "apt.packages";
    const SUMMARY: &'static str = "Install or remove Debian packages";
    const MAIN_ARGUMENT: &'static str = "packages";
    const RUNS: RunsCommands = RunsCommands::Apt;
    const EXAMPLE: &'static str = r#"[[operation]]
op = "apt.packages"
packages = ["htop", "tree"]
no_recommends = true
"#;
}

impl Operation for Packages {
    fn needs(&self) -> Vec<FactKey> {
        let names = self.packages.iter().filter_map(|text| Name::parse(text).ok());
        let keys = names.flat_map(|name| {
            let package = FactKey::Package(name.key());
            let misspelling = (!self.present).then_some(FactKey::Misspelling(name.name));
            [Some(package), misspelling].into_iter().flatten()
        });
        keys.collect()
    }

    fn touches(&self, _context: &PlanContext<'_>) -> Vec<FactScope> {
        touched()
    }

    fn demands(&self, _context: &PlanContext<'_>) -> Vec<Demand> {
        let names = self.packages.iter().filter_map(|text| Name::parse(text).ok());
        let demands = names.flat_map(|name| {
            let key = name.key();
            let version = name.version.as_ref().filter(|_| self.present);
            let version = version.map(|version| Demand::new(ResourceKind::Package, &key, "version", version));
            version
                .into_iter()
                .chain([Demand::presence(ResourceKind::Package, &key, self.present)])
        });
        demands.collect()
    }

    fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        let mut work = Work::default();
        for name in self.names(context)? {
            let fact = context.get(PackageKey(&name.key()))?;
            if self.present {
                self.add_present(context, name, fact, &mut work)?;
            } else {
                Self::add_absent(context, name, fact, &mut work)?;
            }
        }
        work.settle();
        if !work.by_apt.is_empty() {
            work.by_apt.sort_by(|(one, _), (other, _)| one.cmp(other));
            let wish = self.wish(context, &work);
            // Both are asked for at once.
            let answer = context.get(InstallationKey(&wish));
            let are_outdated = self.present && context.get(PackageListsKey)?.outdated;
            match answer {
                Err(Stop::NotKnown { .. }) if are_outdated && context.awaits_lists() => {
                    work.cannot_simulate(wish, true, OUTDATED_LISTS.to_owned());
                }
                Ok(InstallationFact::Impossible { output, .. }) if are_outdated && refusals::is_unknown(&output) => {
                    work.cannot_simulate(wish, true, OUTDATED_LISTS.to_owned());
                }
                answer => self.simulated(context, &mut work, wish, answer?)?,
            }
        }
        let changes = work.changes(self.lock_timeout);
        Ok(if changes.is_empty() {
            Outcome::Unchanged
        } else {
            Outcome::Change(changes)
        })
    }
}

impl Packages {
    /// The names, each once.
    fn names(&self, context: &PlanContext<'_>) -> Result<Vec<Name>, Stop> {
        if self.packages.is_empty() {
            return Err(context
                .refuse("packages", "`packages` is empty", "lists no package")
                .hint("write `packages = [\"…\"]`, or remove the operation"));
        }
        let mut names: Vec<Name> = Vec::new();
        for text in &self.packages {
            let name = Name::parse(text).map_err(|wrong| {
                let title = format!("`{text}` is not a valid package name");
                context
                    .refuse_item("packages", text, title, wrong.label)
                    .hint(wrong.hint)
            })?;
            if name.version.is_some() && !self.present {
                let title = format!("`{text}` has a version, but is to be removed");
                return Err(context
                    .refuse_item("packages", text, title, "a package is removed whatever its version")
                    .hint(format!("write `{}`", name.key())));
            }
            match names.iter().find(|other| other.key() == name.key()) {
                Some(other) if *other != name => {
                    let title = format!("`{}` is listed twice with different versions", name.key());
                    return Err(context
                        .refuse_item(
                            "packages",
                            text,
                            title,
                            format!("also listed as `{}`", other.argument()),
                        )
                        .hint("remove one of the two"));
                }
                Some(_) => {}
                None => names.push(name),
            }
        }
        Ok(names)
    }

    fn add_present(
        &self,
        context: &PlanContext<'_>,
        name: Name,
        fact: PackageFact,
        work: &mut Work,
    ) -> Result<(), Stop> {
        match &fact {
            PackageFact::Absent => work.by_apt.push((name, fact)),
            PackageFact::Provided { by } => match self.provider(context, &name, by)? {
                None => work.by_apt.push((name, PackageFact::Absent)),
                Some((_, false)) => {}
                Some((provider, true)) => {
                    if let PackageFact::Listed { version, .. } = context.get(PackageKey(&provider))? {
                        work.marks.push((provider, version));
                    }
                }
            },
            PackageFact::Listed {
                version,
                status,
                automatic,
            } => match present(*status) {
                Present::Held => return Err(refusals::held(context, &name)),
                Present::Install => work.by_apt.push((name, fact)),
                Present::Reinstall => {
                    work.reinstalls = true;
                    work.by_apt.push((name, fact));
                }
                Present::Configure => work.configures.push((name, fact)),
                Present::Holds => match (&name.version, version) {
                    (Some(wanted), Known::Yes(version)) if wanted != version => work.by_apt.push((name, fact)),
                    (Some(_), Known::No(why)) => return Err(not_known_yet(context, &name, why)),
                    _ if *automatic => work.marks.push((name.key(), version.clone())),
                    _ => {}
                },
            },
        }
        Ok(())
    }

    fn add_absent(context: &PlanContext<'_>, name: Name, fact: PackageFact, work: &mut Work) -> Result<(), Stop> {
        match &fact {
            PackageFact::Absent => {
                let near = context.get(MisspellingKey(&name.name))?;
                if !near.is_empty() {
                    let said = refusals::perhaps_meant(&name, &near);
                    context.notice(refusals::PACKAGES, &name.argument(), &said);
                }
                Ok(())
            }
            PackageFact::Provided { by } => Err(refusals::only_provided(context, &name, by.keys())),
            PackageFact::Listed { status, .. } => match absent(*status) {
                Absent::Holds => Ok(()),
                Absent::Held => Err(refusals::held(context, &name)),
                Absent::NeedsReinstallation => Err(refusals::needs_reinstallation(context, &name)),
                Absent::Remove => {
                    work.by_apt.push((name, fact));
                    Ok(())
                }
            },
        }
    }

    /// The installed package that stands for a virtual one, and whether it was installed automatically; `None` if there is a
    /// package of that very name, which is something else.
    fn provider(
        &self,
        context: &PlanContext<'_>,
        name: &Name,
        by: &BTreeMap<String, bool>,
    ) -> Result<Option<(String, bool)>, Stop> {
        let alone = Installation {
            verb: AptVerb::Install,
            packages: vec![name.argument()],
            ..self.basis(context)
        };
        if let InstallationFact::Possible(simulation) = context.get(InstallationKey(&alone))? {
            let installs = simulation.installs.iter().map(|install| &install.name);
            if installs
                .chain(&simulation.configures)
                .any(|shown| name.is_shown_as(shown))
            {
                return Ok(None);
            }
        }
        let wanted = by.iter().find(|(_, automatic)| !**automatic);
        Ok(wanted
            .or_else(|| by.first_key_value())
            .map(|(provider, automatic)| (provider.clone(), *automatic)))
    }

    fn wish(&self, context: &PlanContext<'_>, work: &Work) -> Installation {
        Installation {
            verb: match (self.present, work.reinstalls) {
                (true, false) => AptVerb::Install,
                (true, true) => AptVerb::Reinstall,
                (false, _) => AptVerb::Remove,
            },
            packages: work.by_apt.iter().map(|(name, _)| name.argument()).collect(),
            ..self.basis(context)
        }
    }

    /// What all requests of the operation have in common.
    fn basis(&self, context: &PlanContext<'_>) -> Installation {
        Installation {
            verb: AptVerb::Install,
            packages: Vec::new(),
            recommends: !self.no_recommends,
            auto_remove: false,
            refreshed: context.lists_refresh().is_some(),
            without: context.removed_packages(),
            manual: context.marked_packages(),
        }
    }

    /// Adds what apt would do.
    fn simulated(
        &self,
        context: &PlanContext<'_>,
        work: &mut Work,
        wish: Installation,
        answer: InstallationFact,
    ) -> Result<(), Stop> {
        match answer {
            InstallationFact::Possible(mut simulation) => {
                self.check_simulation(context, work, &simulation)?;
                // apt simulated the host as it is now, without the packages that earlier operations install.
                let is_there = |shown: &str| context.is_installed_before(shown);
                work.by_apt
                    .retain(|(name, _)| !name.resolved(&simulation).is_some_and(is_there));
                simulation.installs.retain(|install| !is_there(&install.name));
                if !work.by_apt.is_empty() {
                    work.simulate(wish, simulation);
                }
            }
            InstallationFact::NoLists => work.cannot_simulate(wish, true, NO_LISTS.to_owned()),
            InstallationFact::Unrefreshed { output } => {
                work.cannot_simulate(wish, false, format!("cannot fetch the package lists: {output}"));
            }
            InstallationFact::Interrupted => return Err(refusals::interrupted(context, "packages")),
            InstallationFact::Impossible { output, near } => {
                let names: Vec<&Name> = work.by_apt.iter().map(|(name, _)| name).collect();
                return Err(refusals::impossible(context, self.present, &names, &output, &near));
            }
        }
        Ok(())
    }

    /// Refuses what apt would simulate but not do, and what it would do other than what the names say.
    fn check_simulation(&self, context: &PlanContext<'_>, work: &Work, simulation: &Simulation) -> Result<(), Stop> {
        for (name, _) in &work.by_apt {
            let is_done = if self.present {
                name.resolved(simulation).is_some()
            } else {
                // apt simulated the host without what earlier operations install.
                context.is_installed_before(&name.name)
                    || simulation
                        .removals
                        .iter()
                        .any(|removal| name.is_shown_as(&removal.name))
            };
            if !is_done {
                return Err(refusals::not_done(context, name, self.present, simulation));
            }
        }
        refusals::check_held(context, "packages", &simulation.held)?;
        let is_meant = |shown: &String| {
            let mut names = work.by_apt.iter().map(|(name, _)| name);
            names.any(|name| name.version.is_some() && name.is_shown_as(shown))
        };
        match simulation.downgrades.iter().find(|shown| !is_meant(shown)) {
            Some(shown) => Err(refusals::downgrade(context, shown)),
            None => Ok(()),
        }
    }
}

/// An earlier operation installs a version that is known only then.
fn not_known_yet(context: &PlanContext<'_>, name: &Name, why: &str) -> Stop {
    let key = FactKey::Package(name.key());
    let cause = match context.predicted_by(&key) {
        Some(operation) => NotKnown::Since(operation, why.to_owned()),
        None => NotKnown::Denied(why.to_owned()),
    };
    Stop::NotKnown { key, cause }
}

#[cfg(test)]
mod tests;
