//! Why a host is not as its configuration says: because something changed on the host, or in the configuration. The journals of earlier
//! runs, which the host keeps, say how homelab left it.

use std::collections::BTreeSet;

use super::recorded::{LATER, TEXT};
use super::{HostPlan, PlannedOperation, Trigger, recorded};
use crate::change::{Attributed, Before, CheckState, Expect, Outcome, ResourceChange, ResourceKind, Step};
use crate::error::ChangedByOthers;
use crate::facts::journal::{CONTENT, ChangeEnd, ChangeRecord, Run, SECRET};
use crate::facts::overlay::OperationId;
use crate::secret::{DigestKey, redacted};

/// What is not as the configuration says, and what made it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It was changed on the host since homelab left it.
    Host,
    /// The configuration says something else than when homelab left it.
    Configuration,
    /// Both.
    Both,
    /// No run of homelab that the host remembers was about it.
    NotKnown,
}

/// A resource that is not as the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drifted {
    pub cause: Cause,
    pub kind: ResourceKind,
    pub name: String,
    /// The attributes that differ; none if it is there and should not be, or the other way round.
    pub attributes: Vec<&'static str>,
    /// Fields that another manager has taken, and which: homelab would not change them.
    pub taken: Vec<(String, String)>,
}

/// What a host is, compared with its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    pub drifted: Vec<Drifted>,
    /// Checks that fail.
    pub checks: Vec<String>,
    /// Operations that are planned only in their turn, and handlers that are owed.
    pub later: Vec<String>,
    /// Packages of which newer versions are there.
    pub upgrades: Vec<String>,
    /// The oldest run whose journal the host still has, if it decides what is known of the causes.
    pub oldest_run: Option<String>,
}

/// A journal: a run, and the key of its digests.
type Journal = (Run, Option<String>);

impl Drift {
    /// Whether the host is as its configuration says, leaving upgrades aside.
    pub fn is_none(&self) -> bool {
        self.drifted.is_empty() && self.checks.is_empty() && self.later.is_empty()
    }

    /// Adds what others have taken from homelab since it made it.
    pub fn add_taken(&mut self, changed: &ChangedByOthers) {
        self.drifted.push(Drifted {
            cause: Cause::Host,
            kind: ResourceKind::KubernetesObject,
            name: redacted(&changed.name).into_owned(),
            attributes: vec![CONTENT],
            taken: changed.fields.clone(),
        });
    }
}

/// What `plan` would put right, and why that is due. `runs` are the host's journals, the latest first.
pub fn drift(plan: &HostPlan, runs: &[Journal]) -> Drift {
    let mut found = Drift::default();
    let mut upgrading: BTreeSet<&OperationId> = BTreeSet::new();
    for operation in plan.operations.iter().filter(|operation| operation.is_pending()) {
        if is_upgrade(operation) {
            upgrading.insert(&operation.id);
            let packages = operation
                .changes()
                .iter()
                .filter(|change| change.id.kind == ResourceKind::Package);
            found.upgrades.extend(packages.map(|change| change.id.name.clone()));
            continue;
        }
        match &operation.trigger {
            // It follows from what notifies it.
            Trigger::NotifiedBy(_) => continue,
            Trigger::Owed => {
                found.later.push(operation.id.slug().to_owned());
                continue;
            }
            Trigger::Always => {}
        }
        match &operation.outcome {
            Outcome::Check {
                what,
                state: CheckState::Fails(_),
                ..
            } => found.checks.push(what.clone()),
            Outcome::Deferred { waits_for, .. } => {
                let waits_for_upgrades = !waits_for.is_empty() && waits_for.iter().all(|id| upgrading.contains(id));
                if !waits_for_upgrades {
                    found.later.push(operation.id.slug().to_owned());
                }
            }
            _ => {
                let pending = operation.changes().iter().filter(|change| change.action.is_pending());
                let mut pending: Vec<&ResourceChange> = pending.collect();
                if !pending.iter().all(|change| is_only_carrier(change)) {
                    pending.retain(|change| !is_only_carrier(change));
                }
                found
                    .drifted
                    .extend(pending.into_iter().map(|change| Drifted::of(change, runs)));
            }
        }
    }
    if found.drifted.iter().any(|one| one.cause == Cause::NotKnown) {
        found.oldest_run = runs.last().map(|(run, _)| run.record.run.clone());
    }
    found
}

/// Whether an operation is about newer versions of whatever packages are there. One that names packages says what it wants of them:
/// a version, a hold, a mark.
fn is_upgrade(operation: &PlannedOperation) -> bool {
    let names_packages = ["packages", "src"]
        .iter()
        .any(|name| operation.parameters.contains_key(*name));
    let changes = operation.changes();
    let is_package =
        |change: &ResourceChange| matches!(change.id.kind, ResourceKind::Package | ResourceKind::PackagesAlong);
    !names_packages && !changes.is_empty() && changes.iter().all(is_package)
}

/// Whether a change is there for the others of its operation alone, such as that of a Helm release of which only objects differ.
fn is_only_carrier(change: &ResourceChange) -> bool {
    matches!((&change.before, &change.after), (Before::Present(before), Some(after))
        if after.iter().all(|(name, attribute)| before.get(name) == Some(attribute)))
}

impl Drifted {
    fn of(change: &ResourceChange, runs: &[Journal]) -> Self {
        let (cause, attributes) = match (&change.before, &change.after) {
            (Before::Present(before), Some(after)) => of_attributes(change, before, after, runs),
            (Before::Unknown(_), _) => (Cause::NotKnown, Vec::new()),
            // It is there or not, whatever it is like.
            (is, wanted) => (
                of_presence(change, *is != Before::Absent, wanted.is_some(), runs),
                Vec::new(),
            ),
        };
        Self {
            cause,
            kind: change.id.kind,
            name: redacted(&change.id.name).into_owned(),
            attributes,
            taken: Vec::new(),
        }
    }
}

/// What was done to a resource, the latest first, each with the key of its run.
fn records<'r>(
    change: &'r ResourceChange,
    runs: &'r [Journal],
) -> impl Iterator<Item = (&'r ChangeRecord, Option<DigestKey>)> {
    runs.iter().flat_map(move |(run, key)| {
        let key = key.as_deref().and_then(DigestKey::from_hex);
        let done = run.changes.iter().rev().filter(|taken| {
            let is_done = matches!(taken.end, ChangeEnd::Applied | ChangeEnd::AlreadySo);
            is_done && taken.record.kind == change.id.kind.as_str() && taken.record.name == change.id.name
        });
        done.map(move |taken| (&taken.record, key.clone()))
    })
}

fn of_presence(change: &ResourceChange, is_there: bool, is_wanted: bool, runs: &[Journal]) -> Cause {
    let Some((last, _)) = records(change, runs).next() else {
        return Cause::NotKnown;
    };
    let was_left = last.action != "remove";
    match (was_left == is_there, was_left == is_wanted) {
        (true, false) => Cause::Configuration,
        (false, true) => Cause::Host,
        (false, false) => Cause::Both,
        (true, true) => Cause::NotKnown,
    }
}

fn of_attributes(
    change: &ResourceChange,
    before: &Attributed,
    after: &Attributed,
    runs: &[Journal],
) -> (Cause, Vec<&'static str>) {
    let (is, wanted) = (recorded(before), recorded(after));
    let mut causes = BTreeSet::new();
    let mut differing = Vec::new();
    for (name, attribute) in after {
        if before.get(name) == Some(attribute) {
            continue;
        }
        differing.push(*name);
        let compared = if *name == CONTENT && change.is_asked_as_before {
            Some((false, true))
        } else if *name == CONTENT {
            of_content(change, runs)
        } else {
            let mut all = records(change, runs);
            let left = all.find_map(|(record, _)| record.after.get(*name).filter(|text| is_plain(text)));
            let same = |side: Option<&String>, left: &str| side.is_some_and(|text| redacted(text) == left);
            left.map(|left| (same(is.get(*name), left), same(wanted.get(*name), left)))
        };
        causes.insert(match compared {
            Some((true, false)) => Cause::Configuration,
            Some((false, true)) => Cause::Host,
            Some((false, false)) => Cause::Both,
            Some((true, true)) | None => Cause::NotKnown,
        });
    }
    (joined(&causes), differing)
}

/// Whether a journal has the value itself.
fn is_plain(text: &str) -> bool {
    ![TEXT, LATER, SECRET].contains(&text)
}

/// Whether a file is as homelab left it, and whether it should be.
fn of_content(change: &ResourceChange, runs: &[Journal]) -> Option<(bool, bool)> {
    let mut all = records(change, runs);
    let (key, left) = all.find_map(|(record, key)| Some((key?, record.digest.clone()?)))?;
    let is = change.expect.iter().find_map(|expect| match expect {
        Expect::File { digest, .. } => digest.as_deref(),
        Expect::Content { digest, .. } => Some(digest),
        _ => None,
    })?;
    let wanted = change.steps.iter().find_map(|step| match step {
        Step::WriteFile(file) => Some(file.content.sha256()),
        _ => None,
    })?;
    Some((key.digest(is).0 == left, key.digest(wanted).0 == left))
}

/// The cause of several: what is known counts.
fn joined(causes: &BTreeSet<Cause>) -> Cause {
    let has = |cause: Cause| causes.contains(&cause);
    match (has(Cause::Host), has(Cause::Configuration)) {
        _ if has(Cause::Both) => Cause::Both,
        (true, true) => Cause::Both,
        (true, false) => Cause::Host,
        (false, true) => Cause::Configuration,
        (false, false) => Cause::NotKnown,
    }
}

#[cfg(test)]
mod tests;
