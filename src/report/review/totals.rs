//! The totals of a review.

use super::packages::{Along, come_along};
use crate::change::{CheckState, Outcome};
use crate::plan::{HostPlan, PlannedOperation, Totals};

/// The totals of a review; additional packages are counted separately, each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// What the operations change.
    pub totals: Totals,
    /// Checks that fail now.
    pub failing_checks: usize,
    /// Additional packages.
    pub along: Along,
}

impl Tally {
    /// Counts a host.
    pub fn of(host: &HostPlan) -> Self {
        let mut tally = Self::default();
        tally.totals.skipped = host.skipped.len();
        host.operations.iter().for_each(|operation| tally.add(operation));
        tally
    }

    fn add(&mut self, operation: &PlannedOperation) {
        self.totals.add(operation);
        match &operation.outcome {
            Outcome::Deferred { .. } => return,
            Outcome::Check { state, .. } => self.failing_checks += usize::from(matches!(state, CheckState::Fails(_))),
            _ => {}
        }
        for change in operation.changes().iter().filter(|change| come_along(&change.id)) {
            // One change represents all of them; each is counted below instead.
            self.totals.create = self.totals.create.saturating_sub(1);
            self.along.add(change);
        }
    }

    /// Adds the totals of another host.
    pub fn merge(&mut self, other: &Self) {
        self.totals.create += other.totals.create;
        self.totals.update += other.totals.update;
        self.totals.remove += other.totals.remove;
        self.totals.each_time += other.totals.each_time;
        self.totals.refresh += other.totals.refresh;
        self.totals.deferred += other.totals.deferred;
        self.totals.open += other.totals.open;
        self.totals.lack_secrets += other.totals.lack_secrets;
        self.totals.unchanged += other.totals.unchanged;
        self.totals.checks += other.totals.checks;
        self.totals.holding += other.totals.holding;
        self.totals.skipped += other.totals.skipped;
        self.failing_checks += other.failing_checks;
        self.along.merge(other.along);
    }

    /// Whether nothing needs a change.
    pub fn is_idle(&self) -> bool {
        let unchanged = Totals {
            unchanged: self.totals.unchanged,
            holding: self.totals.holding,
            skipped: self.totals.skipped,
            ..Totals::default()
        };
        self.totals == unchanged && self.along == Along::default()
    }
}
