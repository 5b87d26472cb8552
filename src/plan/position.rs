//! The place of an operation in the plan: its stage, tasks and items.

use std::sync::Arc;

use super::PeerKeys;
use crate::error::Origin;
use crate::operations::RunAs;
use crate::value::Table;

/// The place of an operation in the plan: its stage, tasks and items.
#[derive(Clone, Default)]
pub(super) struct Position {
    pub(super) stage: usize,
    /// `stage / task[item] / …`
    pub(super) path: String,
    /// Where the tasks above it are used, outermost first.
    pub(super) within: Vec<Origin>,
    pub(super) tags: Vec<String>,
    pub(super) vars: Arc<Table>,
    /// The facts of other hosts that conditions above it used.
    pub(super) peers: PeerKeys,
    /// The `become` settings of the nearest include, task or entry.
    pub(super) run_as: Arc<RunAs>,
}

impl Position {
    /// The start of a stage.
    pub(super) fn of_stage(number: usize, name: Option<&str>) -> Self {
        Self {
            stage: number,
            path: name.unwrap_or_default().to_owned(),
            ..Self::default()
        }
    }

    /// The same in a task below it.
    pub(super) fn inside(&self, task: &str) -> Self {
        let separator = if self.path.is_empty() { "" } else { " / " };
        Self {
            path: format!("{}{separator}{task}", self.path),
            ..self.clone()
        }
    }

    /// Replaces the `become` settings from above by `nearer`, if it has any.
    pub(super) fn set_run_as(&mut self, nearer: RunAs) {
        if nearer.is_given() {
            self.run_as = Arc::new(nearer);
        }
    }

    pub(super) fn add_peers(&mut self, peers: &PeerKeys) {
        merge(&mut self.peers, peers);
    }
}

/// Adds the facts of other hosts in `more` to `all`.
pub(super) fn merge(all: &mut PeerKeys, more: &PeerKeys) {
    for (host, keys) in more {
        all.entry(host.clone()).or_default().extend(keys.iter().cloned());
    }
}
