//! Where in the plan an operation is: what led to it.

use std::sync::Arc;

use super::PeerKeys;
use crate::error::Origin;
use crate::operations::RunAs;
use crate::value::Table;

/// Where in the plan an operation is.
#[derive(Clone, Default)]
pub(super) struct Position {
    pub(super) stage: usize,
    /// `stage / task[item] / …`
    pub(super) path: String,
    /// Where the tasks are used that led here, outermost first.
    pub(super) within: Vec<Origin>,
    pub(super) tags: Vec<String>,
    pub(super) vars: Arc<Table>,
    /// The facts of other hosts that decided the way here.
    pub(super) peers: PeerKeys,
    /// What the nearest include, task or entry says of the user to run as.
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

    /// From here on operations run as `nearer` says, if it says anything. It replaces the whole of what was said above.
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
