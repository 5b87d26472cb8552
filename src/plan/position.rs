//! The place of an operation in the plan: its stage, tasks and items.

use std::sync::Arc;

use super::PeerKeys;
use crate::error::Origin;
use crate::operations::RunAs;
use crate::value::Table;

/// The most tasks that may be nested by includes; cycles are reported separately.
pub(super) const DEEPEST: usize = 32;

/// The place of an operation in the plan: its stage, tasks and items.
#[derive(Clone, Default)]
pub(super) struct Position {
    pub(super) stage: usize,
    /// `stage / task[item] / …`
    pub(super) path: String,
    /// The same without the stage.
    pub(super) in_stage: String,
    /// The name of the task.
    pub(super) task: String,
    /// The item of the deploy's entry.
    pub(super) item: Option<String>,
    /// Whether only handlers run that operations of other tasks notify: `--only` skips the entry.
    pub(super) is_skipped: bool,
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
        Self {
            path: joined(&self.path, task),
            in_stage: joined(&self.in_stage, task),
            ..self.clone()
        }
    }

    /// The same as if its task were included at the end of `entry`, for a handler that is notified there.
    pub(super) fn moved_to(&self, entry: &Self) -> Self {
        Self {
            stage: entry.stage,
            path: joined(&entry.path, &self.in_stage),
            in_stage: joined(&entry.in_stage, &self.in_stage),
            within: entry.within.clone(),
            is_skipped: entry.is_skipped,
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

fn joined(above: &str, name: &str) -> String {
    let separator = if above.is_empty() { "" } else { " / " };
    format!("{above}{separator}{name}")
}

/// Adds the facts of other hosts in `more` to `all`.
pub(super) fn merge(all: &mut PeerKeys, more: &PeerKeys) {
    for (host, keys) in more {
        all.entry(host.clone()).or_default().extend(keys.iter().cloned());
    }
}
