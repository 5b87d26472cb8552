//! Puts back what a run replaced on a host.

use std::collections::BTreeSet;

use super::halt::{Halt, lost};
use super::host::HostApply;
use crate::change::Kept;
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::plan::{PlannedOperation, Trigger};
use crate::remote::{StepAnswer, StepEnd, StepScript, Writer};

/// A path that was put back, or why it was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PutBack {
    pub(super) path: String,
    pub(super) failure: Option<String>,
}

impl HostApply<'_> {
    /// The operations before which something is kept: a change of theirs runs a handler, which may fail.
    pub(super) fn kept_for(&self) -> BTreeSet<OperationId> {
        let planned = self.planned_since.iter().flatten();
        let triggers = self.reviewed.operations.iter().chain(planned);
        triggers.flat_map(notifiers).cloned().collect()
    }

    /// Puts back what was kept for `operations`, the latest first, and forgets what is known of it.
    #[expect(dead_code, reason = "for handlers that fail")]
    pub(super) async fn put_back(
        &mut self,
        writer: &mut Writer<'_>,
        operations: &[OperationId],
    ) -> Result<Vec<PutBack>, Halt> {
        let kept: Vec<&Kept> = self.keeping.of(operations).collect();
        let mut ends = Vec::new();
        for one in &kept {
            // Each on its own: one that cannot be put back keeps no other from it.
            writer.resume().await.map_err(|error| lost(&error))?;
            let answers = writer
                .perform(&[put_back(one)], &mut |_, _| {})
                .await
                .map_err(|error| lost(&error))?;
            ends.extend(answers.first().map(|answer| PutBack {
                path: one.path.clone(),
                failure: failure(answer),
            }));
        }
        writer.resume().await.map_err(|error| lost(&error))?;
        let forgotten: Vec<Effect> = kept
            .iter()
            .map(|one| Effect::Forget(FactScope::Tree(one.path.clone()), "it was put back".to_owned()))
            .collect();
        let facts = self.snapshot.facts.entry(self.reviewed.host.clone()).or_default();
        facts.forget_affected(&forgotten.iter().collect::<Vec<_>>());
        Ok(ends)
    }
}

fn notifiers(operation: &PlannedOperation) -> &[OperationId] {
    match &operation.trigger {
        Trigger::NotifiedBy(notifiers) => notifiers,
        Trigger::Always | Trigger::Owed => &[],
    }
}

fn put_back(kept: &Kept) -> StepScript {
    StepScript {
        body: kept.put_back(),
        ..StepScript::default()
    }
}

fn failure(answer: &StepAnswer) -> Option<String> {
    if answer.end == StepEnd::Done {
        return None;
    }
    let said = String::from_utf8_lossy(&answer.output).trim().to_owned();
    Some(if said.is_empty() {
        format!("{:?}", answer.end)
    } else {
        said
    })
}
