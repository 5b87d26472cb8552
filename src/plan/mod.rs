//! The plan: what a deploy would do to each host, made from facts alone. It uses no clock, no connection and no I/O; a
//! test keeps `remote` and the async runtime out.

mod as_now;
mod bind;
mod build;
mod captured;
mod causes;
mod check;
mod demands;
mod drift;
mod expand;
mod given;
mod guarded;
mod handlers;
mod host;
mod images;
mod operation;
mod orphans;
mod owed;
mod position;
mod reach;
mod recorded;
mod rendered;
mod review;
mod rollback;
mod room;
mod sites;
mod skipped;
mod staging;
mod survey;
mod trees;
mod trigger;
mod undone;
mod visible;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::change::{Access, Action, CheckState, Conduct, Outcome, ResourceChange, Step};
use crate::content::Content;
use crate::error::{Diagnostic, Origin};
use crate::facts::kubernetes::Objects;
use crate::facts::overlay::OperationId;
use crate::facts::owed::Owed;
use crate::facts::{FactKey, Facts};
use crate::operations::{CronEntry, WrittenText};

pub use as_now::AsNow;
pub use build::{build, plan_alone, plan_next_run, survey};
pub use causes::fold_causes;
pub use check::{CheckRequest, Checked, Found, IdlePin, check, unmatched};
pub use drift::{Cause, Drift, Drifted, drift};
pub use images::{ImagesInUse, UsedImage, images_in_use};
pub use orphans::{Judged, Orphan, is_claimed, judged, left, orphan_keys, removals};
pub use owed::unit_of;
pub use recorded::{recorded, shortened};
pub use rendered::Rendered;
pub use review::{Departure, compare};
pub use rollback::{Rollback, rollback, rollback_keys};
pub use skipped::Skipped;
pub use staging::Staging;
pub use survey::Survey;
pub use trigger::Trigger;
pub use visible::visible_tree;

/// What a plan is made from, besides the selection.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The facts read from each host.
    pub facts: BTreeMap<String, Facts>,
    /// Operations that have run and are not planned again, by host.
    pub done: BTreeMap<String, BTreeSet<OperationId>>,
    /// Those of `done` that changed something, by host.
    pub changed: BTreeMap<String, BTreeSet<OperationId>>,
    /// Whether no host will be read, so that facts need not be asked for ahead of time.
    pub is_offline: bool,
    /// Whether conditions and checks of the project do not run.
    pub skips_conditions: bool,
    /// Whether what operations put on hosts is kept, for lints.
    pub keeps_rendered: bool,
}

/// Facts of other hosts, by host.
pub type PeerKeys = BTreeMap<String, BTreeSet<FactKey>>;

/// A plan, and the facts that it lacks.
#[derive(Debug, Default)]
pub struct Build {
    /// The plan, as far as it could be made.
    pub plan: Plan,
    /// Facts that the plan needs and that were not read, by host.
    pub missing: BTreeMap<String, BTreeSet<FactKey>>,
    /// Mistakes in the project, and operations that do not fit a host.
    pub mistakes: Vec<Mistake>,
    /// The patterns of `--only` that selected something.
    pub selected: BTreeSet<String>,
    /// Items of the deploy's entries that `--only` could have meant.
    pub items: BTreeSet<String>,
    /// What operations are about, if that was asked for.
    pub survey: Survey,
    /// The operations as they are planned, if that was asked for.
    pub rendered: Vec<Rendered>,
}

/// A mistake, with the host that it was found on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub host: String,
    pub diagnostic: Diagnostic,
}

/// What a deploy would do, host by host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Hosts, in the order of the selection.
    pub hosts: Vec<HostPlan>,
}

/// What a deploy would do to one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostPlan {
    pub host: String,
    /// Operations, in order.
    pub operations: Vec<PlannedOperation>,
    /// What else the user should know, such as a pending reboot.
    pub notices: Vec<String>,
    /// What `when` skips.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Items that `--only` leaves out, by the entry of the deploy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub items_left_out: BTreeMap<String, Vec<String>>,
    /// Whether applying removes files of homelab itself, left by earlier runs. The review does not show this.
    pub has_leftovers: bool,
}

/// An operation on a host and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedOperation {
    pub id: OperationId,
    /// The index of its stage.
    pub stage: usize,
    /// Its task, with the stage and the tasks that include it.
    pub task: String,
    pub origin: Origin,
    /// Where each of its parameters is written: file, line and column.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Where the tasks that include it are used, outermost first.
    pub within: Vec<Origin>,
    /// The facts of other hosts that it was planned from.
    pub peers: PeerKeys,
    /// What makes it run. Without a trigger it would not be in the plan.
    pub trigger: Trigger,
    /// Set if there is nothing to do as the host is now, and only commands that may change anything could change that.
    #[serde(default)]
    pub as_now: AsNow,
    /// How it is carried out.
    #[serde(default, skip_serializing_if = "Conduct::is_usual")]
    pub conduct: Conduct,
    /// Of a handler.
    #[serde(default)]
    pub handler: Option<PlannedHandler>,
    /// The ways into the host that it could close: the host goes back unless a new connection works.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub guards: BTreeSet<Access>,
    pub outcome: Outcome,
    /// Whether it is not compared because a secret is not there. Such a plan cannot be applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lacks_secret: bool,
    /// Whether its parameter `touches` can say what it changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_touches: bool,
    /// The facts it was planned from.
    pub asked: BTreeSet<FactKey>,
    /// What it is about beyond that.
    #[serde(skip)]
    pub holds: Holds,
}

/// What an operation is about that is no fact of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// The directories that it has files of its own in.
    pub trees: Vec<String>,
    pub cron_entry: Option<CronEntry>,
    /// The texts of the project that become files of the host which are validated, by the paths of those.
    pub texts: BTreeMap<String, WrittenText>,
    /// Where `validate` is written.
    pub validate: Option<Origin>,
}

/// Where the project asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// File, line and column.
    pub written_at: String,
    pub parameter: Option<String>,
}

/// What a handler is, besides an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedHandler {
    /// What is recorded on the host before a change that notifies it.
    pub record: Owed,
    /// The unit that it restarts or reloads: it has nothing to do if the unit was started after all that notify it.
    pub unit: Option<String>,
    /// The workloads of a cluster whose pods it restarts: it has nothing to do if the run creates them after all that notify it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Objects>,
    /// The earlier operation of the plan that starts the unit, or creates the workloads, after all that notify it.
    pub covered_by: Option<OperationId>,
    /// The same of one that starts the unit unless a package has done so before them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless_started_by: Option<OperationId>,
    /// Whether another run was changing the host when it was read: if it is owed, that run may still come to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_beside_another_run: bool,
}

#[cfg(test)]
impl PlannedOperation {
    /// An operation that always runs, for tests.
    pub(crate) fn for_test(id: OperationId, outcome: Outcome) -> Self {
        Self {
            id,
            stage: 0,
            task: "t".to_owned(),
            origin: Origin::new(&crate::error::SourceFile::new("tasks/t.toml", "op"), 0..2),
            parameters: BTreeMap::new(),
            within: Vec::new(),
            peers: BTreeMap::new(),
            trigger: Trigger::Always,
            as_now: AsNow::No,
            conduct: Conduct::default(),
            handler: None,
            guards: BTreeSet::new(),
            outcome,
            lacks_secret: false,
            takes_touches: false,
            asked: BTreeSet::new(),
            holds: Holds::default(),
        }
    }
}

impl PlannedOperation {
    /// Of a handler that finds nothing to do: the earlier operation of the plan that starts its unit.
    pub fn covered_by(&self) -> Option<&OperationId> {
        self.handler.as_ref()?.covered_by.as_ref()
    }

    /// Whether it is a handler that finds nothing to do.
    pub fn is_covered(&self) -> bool {
        self.covered_by().is_some()
    }

    /// Where the parameter is written that asks for `step`, or the whole operation.
    pub fn written_at(&self, step: Option<&Step>) -> Box<Place> {
        Box::new(self.place_of(&step.map(Step::asked_by).unwrap_or_default()))
    }

    /// Where the parameter is written that is to blame for the end of `step` with the exit code `status`.
    pub fn blamed_at(&self, step: &Step, status: i32) -> Box<Place> {
        match step.blames(status) {
            Some(parameter) => Box::new(self.place_of(&[parameter])),
            None => self.written_at(Some(step)),
        }
    }

    /// Where the first of these parameters is written that it has, or the whole operation.
    fn place_of(&self, parameters: &[&str]) -> Place {
        let found = parameters
            .iter()
            .find_map(|parameter| Some((parameter, self.parameters.get(*parameter)?)));
        match found {
            Some((parameter, place)) => Place {
                written_at: place.clone(),
                parameter: Some((*parameter).to_owned()),
            },
            None => Place {
                written_at: self.origin.to_string(),
                parameter: None,
            },
        }
    }

    /// The changes that the review shows for it.
    pub fn changes(&self) -> &[ResourceChange] {
        match &self.outcome {
            Outcome::Unchanged | Outcome::Check { .. } => &[],
            Outcome::Change(changes) | Outcome::Ensure { changes, .. } => changes,
            Outcome::Deferred { preview, .. } => preview,
        }
    }

    /// Whether there is something to do.
    pub fn is_pending(&self) -> bool {
        match &self.outcome {
            _ if self.is_covered() => false,
            Outcome::Unchanged => false,
            Outcome::Check { state, .. } => matches!(state, CheckState::Fails(_)),
            Outcome::Change(changes) => changes.iter().any(|change| change.action.is_pending()),
            Outcome::Deferred { .. } => self.as_now.is_pending(),
            Outcome::Ensure { .. } => true,
        }
    }
}

/// The numbers of changes, checks and deferred operations in a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub create: usize,
    pub update: usize,
    pub remove: usize,
    /// Things done each time.
    pub each_time: usize,
    /// What is fetched anew because it is old.
    pub refresh: usize,
    /// Operations that are planned later.
    pub deferred: usize,
    /// Those that no earlier operation can decide, such as those that need root.
    pub open: usize,
    /// Operations that are not compared because a secret is not there.
    pub lack_secrets: usize,
    /// Operations with nothing to do.
    pub unchanged: usize,
    /// Checks that fail, or are tried after the changes.
    pub checks: usize,
    /// Checks that pass.
    pub holding: usize,
    /// Tasks and operations that `when` skips.
    pub skipped: usize,
}

impl Totals {
    /// Counts one operation.
    pub fn add(&mut self, operation: &PlannedOperation) {
        if operation.is_covered() {
            return;
        }
        match &operation.outcome {
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::Check {
                state: CheckState::Holds,
                ..
            } => self.holding += 1,
            Outcome::Check { .. } => self.checks += 1,
            Outcome::Deferred { .. } if operation.lacks_secret => self.lack_secrets += 1,
            Outcome::Deferred { waits_for, .. } => {
                self.deferred += 1;
                self.open += usize::from(waits_for.is_empty());
            }
            Outcome::Ensure { changes, .. } if changes.iter().all(ResourceChange::may_be_there) => self.deferred += 1,
            Outcome::Change(changes) | Outcome::Ensure { changes, .. } => {
                self.unchanged += usize::from(changes.iter().all(ResourceChange::leaves_unit));
                for change in changes.iter().filter(|change| !change.leaves_unit()) {
                    match change.action {
                        Action::Create => self.create += 1,
                        Action::Update => self.update += 1,
                        Action::Remove => self.remove += 1,
                        Action::RunEachTime => self.each_time += 1,
                        Action::Refresh => self.refresh += 1,
                    }
                }
            }
        }
    }
}

impl HostPlan {
    /// The totals of its operations.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals {
            skipped: self.skipped.len(),
            ..Totals::default()
        };
        self.operations.iter().for_each(|operation| totals.add(operation));
        totals
    }

    /// Whether there are pending changes.
    pub fn is_pending(&self) -> bool {
        self.operations.iter().any(PlannedOperation::is_pending)
    }

    /// Whether applying would do nothing at all, not even what runs each time.
    pub fn is_idle(&self) -> bool {
        !self.is_pending() && self.operations.iter().all(|operation| operation.changes().is_empty())
    }
}

impl Plan {
    /// The content that its steps send, to be stored next to it and attached again. Secret content is never stored.
    pub fn contents(&mut self) -> impl Iterator<Item = &mut Content> {
        let operations = self.hosts.iter_mut().flat_map(|host| &mut host.operations);
        operations.flat_map(|operation| operation.outcome.contents())
    }

    /// Whether there are pending changes on any host.
    pub fn is_pending(&self) -> bool {
        self.hosts.iter().any(HostPlan::is_pending)
    }

    /// Whether applying would do nothing at all on any host.
    pub fn is_idle(&self) -> bool {
        self.hosts.iter().all(HostPlan::is_idle)
    }

    /// Whether an operation is not compared because a secret is not there: the plan cannot be applied.
    pub fn lacks_secrets(&self) -> bool {
        let mut operations = self.hosts.iter().flat_map(|host| &host.operations);
        operations.any(|operation| operation.lacks_secret)
    }

    /// Whether any operation uses facts of another host.
    pub fn uses_peers(&self) -> bool {
        let mut operations = self.hosts.iter().flat_map(|host| &host.operations);
        operations.any(|operation| !operation.peers.is_empty())
    }

    /// Whether applying would clean up after earlier runs.
    pub fn has_leftovers(&self) -> bool {
        self.hosts.iter().any(|host| host.has_leftovers)
    }

    /// The plan of a host.
    pub fn host(&self, name: &str) -> Option<&HostPlan> {
        self.hosts.iter().find(|host| host.host == name)
    }
}

#[cfg(test)]
mod tests;
