//! What operations ask of apt, planned from apt's own simulation.

mod changes;
pub(super) mod refusals;

use std::collections::BTreeMap;

use self::changes::Work;
use super::from_file::FromFile;
use super::name::{Name, check_listed};
use super::run::LockTimeout;
use super::status::{Absent, Present, absent, present};
use crate::change::{NotKnown, Outcome, Stop};
use crate::facts::apt::{InstallationFact, InstallationKey, PackageListsKey, Simulation};
use crate::facts::package::{MisspellingKey, PackageFact, PackageKey};
use crate::facts::{AptVerb, FactKey, Installation};
use crate::operations::PlanContext;
use crate::value::Known;

const NO_LISTS: &str = "the host has no package lists; they are fetched first";
const OUTDATED_LISTS: &str = "apt's lists are older than its sources; fetched first";

/// Packages that have to be there, or not.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// Their names, as [`Name`] reads them.
    pub(super) packages: &'a [String],
    pub(super) present: bool,
    pub(super) no_recommends: bool,
    pub(super) lock_timeout: LockTimeout,
    /// The file that the only package comes from; `None` if all come from repositories.
    pub(super) deb: Option<&'a FromFile>,
}

impl Request<'_> {
    /// What apt would do for it.
    ///
    /// Errors: a fact is not known, or apt would do something else.
    pub(super) fn plan(&self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
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
        let changes = work.changes(self.lock_timeout, self.deb);
        Ok(if changes.is_empty() {
            Outcome::Unchanged
        } else {
            Outcome::Change(changes)
        })
    }

    /// The names, each once.
    fn names(&self, context: &PlanContext<'_>) -> Result<Vec<Name>, Stop> {
        check_listed(context, self.packages)?;
        let mut names: Vec<Name> = Vec::new();
        for text in self.packages {
            let name = Name::of_item(context, text)?;
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
            PackageFact::Provided { .. } if self.deb.is_some() => work.by_apt.push((name, PackageFact::Absent)),
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
                // A file may have another version than what is unpacked.
                Present::Configure if self.deb.is_some() && !is_version(&name, version) => {
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
                    context.notice(refusals::parameter(context), &name.argument(), &said);
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
            deb: self.deb.map(|deb| Box::new(deb.control.clone())),
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
                if self.deb.is_none() {
                    work.by_apt
                        .retain(|(name, _)| !name.resolved(&simulation).is_some_and(is_there));
                }
                let is_own = |shown: &str| self.deb.is_some_and(|deb| deb.control.package() == shown);
                simulation
                    .installs
                    .retain(|install| is_own(&install.name) || !is_there(&install.name));
                if !work.by_apt.is_empty() {
                    work.simulate(wish, simulation);
                }
            }
            InstallationFact::NoLists => work.cannot_simulate(wish, true, NO_LISTS.to_owned()),
            InstallationFact::Unrefreshed { output } => {
                work.cannot_simulate(wish, false, format!("cannot fetch the package lists: {output}"));
            }
            InstallationFact::Interrupted => return Err(refusals::interrupted(context, refusals::parameter(context))),
            InstallationFact::Impossible { output, near } => {
                let names: Vec<&Name> = work.by_apt.iter().map(|(name, _)| name).collect();
                return Err(refusals::impossible(
                    context,
                    self.present,
                    self.deb,
                    &names,
                    &output,
                    &near,
                ));
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
        refusals::check_held(context, refusals::parameter(context), &simulation.held)?;
        let may_downgrade = self.deb.is_none_or(|deb| deb.allow_downgrade);
        let is_meant = |shown: &String| {
            let mut names = work.by_apt.iter().map(|(name, _)| name);
            may_downgrade && names.any(|name| name.version.is_some() && name.is_shown_as(shown))
        };
        match simulation.downgrades.iter().find(|shown| !is_meant(shown)) {
            Some(shown) => Err(refusals::downgrade(context, shown, self.deb)),
            None => Ok(()),
        }
    }
}

fn is_version(name: &Name, version: &Known<String>) -> bool {
    matches!(version, Known::Yes(version) if name.version.as_ref() == Some(version))
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
