//! What this run keeps of what it replaces on a host.
//!
//! Only where somebody may need it: before operations that notify a handler. Other deploys do not get slower.

use indexmap::IndexMap;

use crate::change::{Kept, Previous, Road, Step};
use crate::facts::overlay::OperationId;
use crate::facts::{Fact, FactKey, Facts};

/// Where homelab keeps its state as root.
const STATE_FOLDER: &str = "/var/lib/homelab";

/// What a run keeps on one host.
pub(super) struct Keeping {
    previous: Previous,
    entries: IndexMap<OperationId, Vec<Kept>>,
    next: usize,
}

impl Keeping {
    /// Nothing so far, on a host with these facts.
    pub(super) fn new(facts: Option<&Facts>) -> Self {
        let state_folder = match facts.and_then(|facts| facts.get(&FactKey::System)) {
            Some(Fact::System(system)) => system.session.unprivileged.as_ref().map(|user| &*user.state_folder),
            _ => None,
        };
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let run = format!("{now}-{:08x}", rand::random::<u32>());
        Self {
            previous: Previous::new(state_folder.unwrap_or(STATE_FOLDER), &run),
            entries: IndexMap::new(),
            next: 0,
        }
    }

    /// Shell text that keeps what a step of `operation` is about to change; `None` if it changes no path of its own.
    pub(super) fn before(&mut self, operation: &OperationId, step: &Step, road: Option<&Road>) -> Option<String> {
        let kept = self.previous.before(step, road, self.next)?;
        let script = kept.script();
        self.next += 1;
        self.entries.entry(operation.clone()).or_default().push(kept);
        Some(script)
    }

    /// What was kept for `operations`, in the order in which it is put back.
    pub(super) fn of<'a>(&'a self, operations: &'a [OperationId]) -> impl Iterator<Item = &'a Kept> {
        let entries = self.entries.iter().rev();
        entries
            .filter(|(operation, _)| operations.contains(operation))
            .flat_map(|(_, kept)| kept.iter().rev())
    }
}
