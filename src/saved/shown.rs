//! What a saved plan keeps of operations: what a review shows, and a keyed digest of all that applying would do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::change::{Action, Attribute, Attributed, Before, Command, End, Expect, Outcome, ResourceChange, Step};
use crate::content::Input;
use crate::error::Diagnostic;
use crate::facts::Environment;
use crate::facts::overlay::{Effect, FactScope, OperationId};
use crate::facts::owed::Owed;
use crate::plan::{Holds, HostPlan, Plan, PlannedOperation};
use crate::secret::{DigestKey, KeyedDigest, redacted, sha256_hex};

/// The keyed digests of the operations of a host.
pub type Fingerprints = BTreeMap<OperationId, KeyedDigest>;

/// Digests of all that applying the plan of a host would do, and of the state that it was planned for.
pub fn fingerprints(plan: &HostPlan, key: &DigestKey) -> Fingerprints {
    let digest = |operation: &PlannedOperation| {
        let text = serde_json::to_vec(&compared(operation)).unwrap_or_default();
        (operation.id.clone(), key.digest(&sha256_hex(&text)))
    };
    plan.operations.iter().map(digest).collect()
}

/// The operation without what may differ although host and project are the same.
pub(super) fn compared(operation: &PlannedOperation) -> PlannedOperation {
    let mut operation = operation.clone();
    operation.asked.clear();
    operation.holds = Holds::default();
    if let Some(handler) = &mut operation.handler {
        handler.is_beside_another_run = false;
    }
    for change in operation.outcome.changes_mut() {
        // They follow from the steps, with much of what is known of the host.
        change.effects.clear();
        if change.action == Action::Refresh {
            // How old something is changes with time.
            *change = ResourceChange::new(change.id.clone(), change.action, Before::Absent, None);
        }
        change.expect.iter_mut().for_each(without_numbers);
        if let Before::Present(before) = &mut change.before {
            without_notes(before);
        }
        change.after.iter_mut().for_each(without_notes);
    }
    operation
}

/// The numbers of devices change when a host restarts. Applying looks at them once more.
fn without_numbers(expect: &mut Expect) {
    if let Expect::ResolvedPath(resolved) = expect {
        for above in &mut resolved.above {
            above.number = None;
        }
        if let End::Present { number, .. } = &mut resolved.end {
            *number = None;
        }
    }
}

/// What is noted of a value is no part of the change.
fn without_notes(attributes: &mut Attributed) {
    for attribute in attributes.values_mut() {
        if let Attribute::Noted { value, .. } = attribute {
            *attribute = Attribute::Known(std::mem::take(value));
        }
    }
}

/// The plan with what reviews show, and no secret: digests are keyed, and commands have no script.
///
/// Errors: a secret looks like a word of the format.
pub fn to_be_shown(plan: &Plan, key: &DigestKey) -> Result<Plan, Diagnostic> {
    let mut plan = plan.clone();
    for operation in plan.hosts.iter_mut().flat_map(|host| &mut host.operations) {
        strip(operation, key);
    }
    // Reviews hide secrets in what hosts say only when they are written.
    let mut json = serde_json::to_value(&plan).unwrap_or_default();
    hide(&mut json);
    serde_json::from_value(json).map_err(|error| {
        Diagnostic::new("cannot save the plan")
            .because(format!("without the secrets of the project it cannot be read: {error}"))
            .hint("a secret that is a common word cannot be hidden: choose another one")
    })
}

fn strip(operation: &mut PlannedOperation, key: &DigestKey) {
    operation.asked.clear();
    operation.peers.clear();
    operation.holds = Holds::default();
    if let Some(handler) = &mut operation.handler {
        handler.record = Owed::default();
    }
    for change in operation.outcome.changes_mut() {
        change.expect.clear();
        change
            .effects
            .retain(|effect| matches!(effect, Effect::Forget(FactScope::Everything, _)));
        for step in &mut change.steps {
            match step {
                Step::WriteFile(file) => {
                    file.content = file.content.sealed(key);
                    file.fetch = None;
                    file.validate_env = Environment::default();
                }
                Step::WriteRecord(record) => record.content = record.content.sealed(key),
                Step::Run(command) => *command = summary(command),
                _ => {}
            }
        }
    }
}

/// A command as a review shows it.
fn summary(command: &Command) -> Command {
    Command {
        asked_by: command.asked_by.clone(),
        by: command.by.clone(),
        // Only whether there is one.
        already: command.already.as_ref().map(|_| String::new()),
        is_validator: command.is_validator,
        ..Command::new(command.summary.as_str(), "")
    }
}

fn hide(json: &mut Json) {
    match json {
        Json::String(text) => {
            if let std::borrow::Cow::Owned(hidden) = redacted(text) {
                *text = hidden;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(hide),
        Json::Object(fields) => fields.values_mut().for_each(hide),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

/// The operations with something that reviews do not show: only keyed digests tell whether it is the same.
pub fn hides_anything(plan: &Plan) -> BTreeSet<&OperationId> {
    let operations = plan.hosts.iter().flat_map(|host| &host.operations);
    let hiding = operations.filter(|operation| operation.changes().iter().any(hides));
    hiding.map(|operation| &operation.id).collect()
}

fn hides(change: &ResourceChange) -> bool {
    let is_hidden = |attribute: &Attribute| matches!(attribute, Attribute::Secret(_) | Attribute::Masked { .. });
    let before = match &change.before {
        Before::Present(before) => Some(before),
        Before::Absent | Before::Unknown(_) => None,
    };
    let attributes = before.into_iter().chain(&change.after).flat_map(Attributed::values);
    let of_step = |step: &Step| match step {
        Step::WriteFile(file) => file.content.is_secret(),
        Step::Run(command) => matches!(command.input, Some(Input::Secret(_))),
        _ => false,
    };
    attributes.into_iter().any(is_hidden) || change.steps.iter().any(of_step)
}

/// Whether an operation of a plan does nothing, or only what is done each time something is old.
pub(super) fn is_quiet(operation: &PlannedOperation) -> bool {
    match &operation.outcome {
        Outcome::Unchanged => true,
        Outcome::Change(changes) => changes.iter().all(|change| change.action == Action::Refresh),
        _ => operation.is_covered(),
    }
}
