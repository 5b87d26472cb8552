//! How much a plan holds, in one line.

use super::packages::{Along, come_along};
use super::style::{Tone, grouped, paint};
use crate::plan::{HostPlan, PlannedOperation, Totals};

/// What a plan holds; packages that come along are counted apart, each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) totals: Totals,
    pub(super) along: Along,
}

impl Tally {
    /// Counts a host.
    pub(super) fn of(host: &HostPlan) -> Self {
        let mut tally = Self::default();
        host.operations.iter().for_each(|operation| tally.add(operation));
        tally
    }

    fn add(&mut self, operation: &PlannedOperation) {
        self.totals.add(operation);
        if matches!(operation.outcome, crate::change::Outcome::Deferred { .. }) {
            return;
        }
        for change in operation.changes().iter().filter(|change| come_along(&change.id)) {
            // One line stands for all of them: each is counted below instead.
            self.totals.create = self.totals.create.saturating_sub(1);
            self.along.add(change);
        }
    }

    /// Adds another host's.
    pub(super) fn merge(&mut self, other: &Self) {
        self.totals.create += other.totals.create;
        self.totals.update += other.totals.update;
        self.totals.remove += other.totals.remove;
        self.totals.each_time += other.totals.each_time;
        self.totals.deferred += other.totals.deferred;
        self.totals.open += other.totals.open;
        self.totals.unchanged += other.totals.unchanged;
        self.totals.checks += other.totals.checks;
        self.totals.holding += other.totals.holding;
        self.along.merge(other.along);
    }

    /// The counts in words; a second line for packages that come along.
    pub(super) fn line(&self) -> String {
        let line = self.resources();
        match self.along_words() {
            Some(words) => format!("{line}\n    along with packages: {words}"),
            None => line,
        }
    }

    fn resources(&self) -> String {
        let totals = &self.totals;
        let mut parts = vec![
            count(totals.create, "to create", Tone::Added),
            count(totals.update, "to change", Tone::Changed),
            count(totals.remove, "to remove", Tone::Removed),
        ];
        if totals.deferred > totals.open {
            parts.push(count(totals.deferred - totals.open, "known later", Tone::Later));
        }
        if totals.open > 0 {
            parts.push(count(totals.open, "open", Tone::Later));
        }
        if totals.each_time > 0 {
            parts.push(count(totals.each_time, "each time", Tone::EachTime));
        }
        parts.push(count(totals.unchanged, "unchanged", Tone::Plain));
        if totals.holding > 0 {
            parts.push(count(totals.holding, "verified", Tone::Plain));
        }
        if totals.checks > 0 {
            parts.push(count(totals.checks, "to verify", Tone::Plain));
        }
        parts.join(", ")
    }

    fn along_words(&self) -> Option<String> {
        let along = &self.along;
        let mut parts = Vec::new();
        if along.installs > 0 {
            parts.push(format!("{} to install", grouped(along.installs)));
        }
        if along.upgrades > 0 {
            parts.push(paint(Tone::Changed, &format!("{} to upgrade", grouped(along.upgrades))));
        }
        if along.removes > 0 {
            parts.push(paint(Tone::Removed, &format!("{} to remove", grouped(along.removes))));
        }
        if along.is_unknown {
            parts.push("not known yet".to_owned());
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

fn count(number: usize, what: &str, tone: Tone) -> String {
    let text = format!("{} {what}", grouped(number));
    if number == 0 { text } else { paint(tone, &text) }
}
