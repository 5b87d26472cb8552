//! The changes of packages, from what apt would do.

use super::super::from_file::FromFile;
use super::super::name::Name;
use super::super::run::{AptRun, LockTimeout, dpkg_run, forgotten, known, mark_run};
use super::super::status::{Present, present};
use crate::change::{Action, Attribute, Attributed, Before, ResourceChange, ResourceId, ResourceKind, Risk};
use crate::facts::apt::{SimulatedInstall, Simulation};
use crate::facts::overlay::{Effect, FactScope};
use crate::facts::package::{PackageFact, State, Status};
use crate::facts::{AptVerb, Fact, FactKey, Installation};
use crate::quote::quote;
use crate::value::Known;

/// What has to be done.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Packages for apt, with their facts.
    pub(super) by_apt: Vec<(Name, PackageFact)>,
    /// Whether one of these needs to be installed again.
    pub(super) reinstalls: bool,
    /// Packages that are there and wait to be configured.
    pub(super) configures: Vec<(Name, PackageFact)>,
    /// Installed packages that apt would remove once nothing depends on them, with their versions.
    pub(super) marks: Vec<(String, Known<String>)>,
    apt: Option<Apt>,
}

/// What apt does for the packages.
#[derive(Debug)]
struct Apt {
    wish: Installation,
    outlook: Outlook,
}

#[derive(Debug)]
enum Outlook {
    Simulated(Simulation),
    /// The versions are not known, for this reason.
    Unknown {
        /// Whether the lists are fetched first.
        refresh: bool,
        why: String,
    },
}

impl Work {
    /// apt does what it simulated.
    pub(super) fn simulate(&mut self, wish: Installation, simulation: Simulation) {
        let outlook = Outlook::Simulated(simulation);
        self.apt = Some(Apt { wish, outlook });
    }

    /// Without lists, only the requested packages are known, not their versions or dependencies.
    pub(super) fn cannot_simulate(&mut self, wish: Installation, refresh: bool, why: String) {
        let outlook = Outlook::Unknown { refresh, why };
        self.apt = Some(Apt { wish, outlook });
    }

    /// apt installs again only what is there in full: what is unpacked has to be configured first.
    pub(super) fn settle(&mut self) {
        if !self.reinstalls {
            return;
        }
        let is_unpacked = |fact: &PackageFact| {
            matches!(fact, PackageFact::Listed { status, .. }
                if present(*status) == Present::Install && matches!(status.state, State::Unpacked | State::HalfConfigured))
        };
        let (unpacked, others): (Vec<_>, Vec<_>) = self.by_apt.drain(..).partition(|(_, fact)| is_unpacked(fact));
        self.by_apt = others;
        self.configures.extend(unpacked);
    }

    pub(super) fn changes(self, lock: LockTimeout, deb: Option<&FromFile>) -> Vec<ResourceChange> {
        let marks = self.marks.into_iter().map(|(name, version)| mark(&name, version));
        let configures = self.configures.iter().map(|(name, fact)| configure(name, fact, lock));
        let mut changes: Vec<ResourceChange> = configures.collect();
        if let Some(apt) = &self.apt {
            changes.extend(apt.changes(&self.by_apt, lock, deb));
        }
        changes.extend(marks);
        changes
    }
}

impl Apt {
    fn changes(
        &self,
        packages: &[(Name, PackageFact)],
        lock: LockTimeout,
        deb: Option<&FromFile>,
    ) -> Vec<ResourceChange> {
        let is_removal = self.wish.verb == AptVerb::Remove;
        let mut changes: Vec<ResourceChange> = packages
            .iter()
            .map(|(name, fact)| {
                let after = (!is_removal).then(|| self.after(name, fact, deb));
                requested(self.shown(name), fact, after)
            })
            .collect();
        changes.extend(self.along(packages));
        let first = &mut changes[0];
        let mut run = AptRun::new(&self.wish, lock);
        run.deb = deb;
        // apt keeps the mark of a package that is installed.
        run.marks = packages
            .iter()
            .filter(|(_, fact)| !is_removal && is_automatic(fact))
            .map(|(name, _)| name.key())
            .collect();
        match &self.outlook {
            Outlook::Simulated(simulation) => {
                run.downgrades = !simulation.downgrades.is_empty();
                run.reviewed = Some(simulation);
                first.effects.extend(forgotten(&self.wish, simulation));
                first.effects.extend(known(&self.wish, simulation));
            }
            Outlook::Unknown { refresh, .. } => {
                run.refresh = *refresh;
                run.downgrades = deb.is_some_and(|deb| deb.allow_downgrade);
                run.checked = packages
                    .iter()
                    .filter(|(name, _)| deb.is_none() && name.misread_as().is_some())
                    .map(|(name, _)| name.name.clone())
                    .collect();
                first.effects.extend(forgotten(&self.wish, &Simulation::default()));
            }
        }
        first.steps.push(run.step());
        for (name, fact) in packages {
            let after = if is_removal {
                PackageFact::Absent
            } else {
                PackageFact::installed(self.version(name, fact))
            };
            let shown = self.shown(name);
            let names = [Some(name.key()), (shown != name.key()).then_some(shown)];
            first.effects.extend(
                names
                    .into_iter()
                    .flatten()
                    .map(|name| Effect::Set(FactKey::Package(name), Fact::Package(after.clone()))),
            );
        }
        changes
    }

    /// The name of the package that apt installs, which may be another one that provides it.
    fn shown<'a>(&'a self, name: &'a Name) -> String {
        match &self.outlook {
            Outlook::Simulated(simulation) => match name.resolved(simulation) {
                Some(shown) if !name.is_shown_as(shown) => shown.to_owned(),
                _ => name.key(),
            },
            Outlook::Unknown { .. } => name.key(),
        }
    }

    /// The version after the change.
    fn version(&self, name: &Name, fact: &PackageFact) -> Known<String> {
        match &self.outlook {
            Outlook::Unknown { why, .. } => match &name.version {
                Some(version) => Known::Yes(version.clone()),
                None => Known::No(why.clone()),
            },
            Outlook::Simulated(simulation) => {
                let shown = name.resolved(simulation);
                let mut installs = simulation.installs.iter();
                let install = installs.find(|install| Some(install.name.as_str()) == shown);
                match (install, fact) {
                    (Some(install), _) => Known::Yes(install.new.clone()),
                    // It is only configured.
                    (None, PackageFact::Listed { version, .. }) => version.clone(),
                    (None, _) => Known::No("apt did not name a version".to_owned()),
                }
            }
        }
    }

    fn after(&self, name: &Name, fact: &PackageFact, deb: Option<&FromFile>) -> Attributed {
        let version = match self.version(name, fact) {
            Known::Yes(version) => Attribute::known(version),
            Known::No(why) => Attribute::Unknown(why),
        };
        let mut after: Attributed = [("version", version)].into_iter().collect();
        if !name.is_shown_as(&self.shown(name)) {
            after.insert("provides", Attribute::known(name.key()));
        }
        if let Some(deb) = deb {
            after.insert("from", Attribute::known(&deb.from));
        }
        complete(&mut after, fact);
        after
    }

    /// What apt would change in addition to the requested packages.
    fn along(&self, packages: &[(Name, PackageFact)]) -> Option<ResourceChange> {
        let mut change = along_change(&self.wish);
        let simulation = match &self.outlook {
            Outlook::Simulated(simulation) => simulation,
            Outlook::Unknown { why, .. } => {
                change.after = Some([("installs", Attribute::Unknown(why.clone()))].into_iter().collect());
                return Some(change);
            }
        };
        let is_removal = self.wish.verb == AptVerb::Remove;
        let is_named = |shown: &str| {
            let mut names = packages.iter().map(|(name, _)| name);
            names.any(|name| name.is_shown_as(shown) || name.resolved(simulation) == Some(shown))
        };
        let others: Vec<&SimulatedInstall> = simulation
            .installs
            .iter()
            .filter(|install| !is_named(&install.name))
            .collect();
        let removals: Vec<String> = simulation
            .removals
            .iter()
            .map(|removal| removal.name.clone())
            .filter(|shown| !(is_removal && is_named(shown)))
            .collect();
        if !removals.is_empty() {
            change.risk = Risk::Removal;
        }
        let after = along_attributes(&others, removals);
        (!after.is_empty()).then(|| ResourceChange {
            after: Some(after),
            ..change
        })
    }
}

fn along_attributes(others: &[&SimulatedInstall], removals: Vec<String>) -> Attributed {
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
    let mut attributed = Attributed::new();
    for (name, lines) in [
        ("installs", listed(false)),
        ("upgrades", listed(true)),
        ("removes", removals),
    ] {
        if !lines.is_empty() {
            attributed.insert(name, Attribute::known(lines.join("\n")));
        }
    }
    attributed
}

/// The change of a requested package; `after` is `None` if it is removed.
fn requested(name: String, fact: &PackageFact, after: Option<Attributed>) -> ResourceChange {
    let before = before(fact, after.is_none());
    ResourceChange {
        action: match (&before, &after) {
            (_, None) => Action::Remove,
            (Before::Absent, _) => Action::Create,
            _ => Action::Update,
        },
        before,
        risk: if after.is_none() { Risk::Removal } else { Risk::None },
        after,
        ..package_change(name)
    }
}

/// The package before the change; `is_removal` leaves out its mark.
fn before(fact: &PackageFact, is_removal: bool) -> Before {
    let PackageFact::Listed {
        version,
        status,
        automatic,
    } = fact
    else {
        return Before::Absent;
    };
    if matches!(status.state, State::NotInstalled | State::ConfigFiles) {
        return Before::Absent;
    }
    let version = match version {
        Known::Yes(version) => version,
        Known::No(why) => return Before::Unknown(why.clone()),
    };
    let mut before: Attributed = [("version", Attribute::known(version))].into_iter().collect();
    if *status != Status::INSTALLED && (status.state, status.error) != (State::Installed, Status::INSTALLED.error) {
        before.insert("status", Attribute::known(status.to_string()));
    }
    if *automatic && !is_removal {
        before.insert("mark", Attribute::known("automatic"));
    }
    Before::Present(before)
}

/// Adds to the attributes of a package what is set right along with it.
fn complete(after: &mut Attributed, fact: &PackageFact) {
    if let Before::Present(before) = before(fact, false) {
        if before.contains_key("status") {
            after.insert("status", Attribute::known(Status::INSTALLED.to_string()));
        }
        if before.contains_key("mark") {
            after.insert("mark", Attribute::known("manual"));
        }
    }
}

fn is_automatic(fact: &PackageFact) -> bool {
    matches!(fact, PackageFact::Listed { automatic: true, .. })
}

/// Completes a package that is unpacked, or waits for triggers.
fn configure(name: &Name, fact: &PackageFact, lock: LockTimeout) -> ResourceChange {
    let (version, state) = match fact {
        PackageFact::Listed { version, status, .. } => (version.clone(), status.state),
        _ => (Known::No("it is configured".to_owned()), State::Unpacked),
    };
    // A package that awaits triggers is configured itself: they are those of other packages.
    let command = match state {
        State::TriggersAwaited => "--triggers-only --pending".to_owned(),
        _ => format!("--configure -- {}", quote(&name.key())),
    };
    let mut after = Attributed::new();
    if let Known::Yes(version) = &version {
        after.insert("version", Attribute::known(version));
    }
    complete(&mut after, fact);
    let marks = if is_automatic(fact) {
        vec![name.key()]
    } else {
        Vec::new()
    };
    let mut change = requested(name.key(), fact, Some(after));
    change.steps = vec![dpkg_run(&name.key(), &command, &marks, lock)];
    change.effects = vec![
        Effect::Forget(FactScope::MayComeWithPackages, "a package may create it".to_owned()),
        Effect::Set(
            FactKey::Package(name.key()),
            Fact::Package(PackageFact::installed(version)),
        ),
    ];
    change
}

/// Marks a package as wanted.
fn mark(name: &str, version: Known<String>) -> ResourceChange {
    let marked = |word: &str| -> Attributed {
        let version = match &version {
            Known::Yes(version) => Some(("version", Attribute::known(version))),
            Known::No(_) => None,
        };
        version.into_iter().chain([("mark", Attribute::known(word))]).collect()
    };
    let (before, after) = (marked("automatic"), marked("manual"));
    let fact = Fact::Package(PackageFact::installed(version));
    ResourceChange {
        action: Action::Update,
        before: Before::Present(before),
        after: Some(after),
        effects: vec![Effect::Set(FactKey::Package(name.to_owned()), fact)],
        steps: vec![mark_run(name)],
        ..package_change(name.to_owned())
    }
}

fn package_change(name: String) -> ResourceChange {
    ResourceChange {
        id: ResourceId {
            kind: ResourceKind::Package,
            name,
        },
        action: Action::Create,
        before: Before::Absent,
        after: None,
        expect: Vec::new(),
        effects: Vec::new(),
        steps: Vec::new(),
        risk: Risk::None,
        is_asked_as_before: false,
    }
}

fn along_change(wish: &Installation) -> ResourceChange {
    ResourceChange {
        id: ResourceId {
            kind: ResourceKind::PackagesAlong,
            name: wish.packages.join(" "),
        },
        ..package_change(String::new())
    }
}
