//! From a run and facts to a plan.

use std::collections::BTreeMap;

use super::bind::{Bound, BoundOperation, bind, twice};
use super::room::shortages;
use super::{Build, HostPlan, Known, Mistake, PlannedOperation};
use crate::change::{NotKnown, Outcome, ResourceChange, Stop};
use crate::error::{Diagnostic, Origin};
use crate::facts::overlay::{Effect, Lookup, OperationId, Overlay, Scope};
use crate::facts::{Fact, FactKey, Facts};
use crate::operations::{Operation, PlanContext};
use crate::project::{RawOperation, Run, RunHost};
use crate::secret::DigestKey;
use crate::template;

/// Why something stays open that the next round of reading would settle.
const NOT_READ: &str = "it was not read from the host yet";

/// Plans `run` from what is known.
///
/// With no facts at all it still finds every mistake that needs none, and says which facts it wants first.
pub fn build(run: &Run, known: &Known, digests: &DigestKey) -> Build {
    let mut build = Build::default();
    let nothing = Facts::default();
    for host in &run.hosts {
        let mut builder = HostBuilder {
            run,
            host,
            facts: known.facts.get(&host.name).unwrap_or(&nothing),
            known,
            digests,
            build: &mut build,
            operations: Vec::new(),
            seen: BTreeMap::new(),
            looks_ahead: false,
        };
        builder.want(FactKey::System);
        builder.check_root();
        builder.plan_tasks();
        if builder.is_unread() {
            builder.look_ahead();
        } else {
            builder.check_room();
        }
        let operations = builder.operations;
        let (notices, has_leftovers) = match builder.facts.get(&FactKey::System) {
            Some(Fact::System(system)) => (system.notices(), !system.jobs.is_empty()),
            _ => (Vec::new(), false),
        };
        build.plan.hosts.push(HostPlan {
            host: host.name.clone(),
            operations,
            notices,
            has_leftovers,
        });
    }
    build
}

struct HostBuilder<'a> {
    run: &'a Run,
    host: &'a RunHost,
    facts: &'a Facts,
    known: &'a Known,
    digests: &'a DigestKey,
    build: &'a mut Build,
    operations: Vec<PlannedOperation>,
    seen: BTreeMap<OperationId, Origin>,
    looks_ahead: bool,
}

impl<'a> HostBuilder<'a> {
    /// What an ordinary user cannot read would be taken for absent: a plan from that would lie.
    fn check_root(&mut self) {
        if let Some(Fact::System(facts)) = self.facts.get(&FactKey::System)
            && facts.user_id != 0
        {
            let title = format!("logs in as user number {}, not as root", facts.user_id);
            self.mistake(
                Diagnostic::new(title).hint("log in as root (`connection.user = \"root\"`), or let the user become root (`connection.become = \"sudo\"`)"),
            );
        }
    }

    /// Before anything is done: what was read of disks is not read again.
    fn check_room(&mut self) {
        if !self.known.done.contains_key(&self.host.name) {
            for shortage in shortages(&self.operations, self.facts) {
                self.mistake(shortage);
            }
        }
    }

    fn is_unread(&self) -> bool {
        self.build.missing.contains_key(&self.host.name)
    }

    /// Asks for what the operations behind one that lacks a fact will want, as if that one changed nothing: each would cost a
    /// round of its own otherwise. What this finds to be wrong is no mistake.
    fn look_ahead(&mut self) {
        let mut build = Build::default();
        let mut ahead = HostBuilder {
            build: &mut build,
            operations: Vec::new(),
            seen: BTreeMap::new(),
            looks_ahead: true,
            ..*self
        };
        ahead.plan_tasks();
        for key in build.missing.into_values().flatten() {
            self.want(key);
        }
    }

    fn plan_tasks(&mut self) {
        let mut overlay = Overlay::new(self.facts);
        for task in &self.run.tasks {
            for raw in &task.operations {
                let scope = template::Scope::new(self.host.data.clone(), visible_facts(&overlay));
                match bind(raw, &scope, &task.name, &self.host.name) {
                    Ok(bound) => {
                        for operation in bound {
                            self.plan_bound(operation, raw, &task.name, &mut overlay);
                        }
                    }
                    Err(diagnostic) => self.mistake(diagnostic),
                }
            }
        }
    }

    fn plan_bound(&mut self, operation: BoundOperation, raw: &RawOperation, task: &str, overlay: &mut Overlay<'a>) {
        if let Some(first) = self.seen.insert(operation.id.clone(), raw.origin.clone()) {
            self.mistake(twice(&operation.id, &raw.origin, &first));
            return;
        }
        if self.is_done(&operation.id) {
            return;
        }
        let context = PlanContext::new(
            overlay.clone(),
            &operation.arguments,
            &raw.origin,
            &self.run.assets,
            self.digests,
            &operation.scope,
        );
        let mut is_unread = false;
        let outcome = match &operation.bound {
            Bound::Unknown(why) => deferred(Vec::new(), why.clone(), vec![Scope::Everything]),
            Bound::Ready(ready) => {
                ready.needs().into_iter().for_each(|key| self.want(key));
                let planned = ready.plan(&context);
                is_unread = matches!(
                    planned,
                    Err(Stop::NotKnown {
                        cause: NotKnown::NotGathered,
                        ..
                    })
                );
                match outcome(planned, ready.as_ref()) {
                    Ok(outcome) => outcome,
                    Err(diagnostic) => {
                        self.mistake(diagnostic);
                        return;
                    }
                }
            }
        };
        let asked = context.asked();
        asked.iter().cloned().for_each(|key| self.want(key));
        if !(is_unread && self.looks_ahead) {
            overlay.commit(&operation.id, effects(&operation.id, &outcome));
        }
        self.operations.push(PlannedOperation {
            id: operation.id,
            task: task.to_owned(),
            origin: raw.origin.clone(),
            outcome,
            asked,
        });
    }

    fn is_done(&self, id: &OperationId) -> bool {
        self.known
            .done
            .get(&self.host.name)
            .is_some_and(|done| done.contains(id))
    }

    fn want(&mut self, key: FactKey) {
        if self.facts.get(&key).is_none() {
            self.build
                .missing
                .entry(self.host.name.clone())
                .or_default()
                .insert(key);
        }
    }

    fn mistake(&mut self, diagnostic: Diagnostic) {
        self.build.mistakes.push(Mistake {
            host: self.host.name.clone(),
            diagnostic,
        });
    }
}

fn outcome(planned: Result<Outcome, Stop>, operation: &dyn Operation) -> Result<Outcome, Diagnostic> {
    match planned {
        Ok(outcome) => Ok(outcome),
        Err(Stop::Refused(diagnostic)) => Err(*diagnostic),
        Err(Stop::NotKnown { key, cause }) => Ok(match cause {
            NotKnown::NotGathered => deferred(Vec::new(), NOT_READ.to_owned(), operation.touches()),
            NotKnown::Denied(why) => deferred(Vec::new(), format!("{key}: {why}"), operation.touches()),
            NotKnown::Since(since, why) => {
                let why = format!("{key}: {why} (`{}`)", since.slug());
                deferred(vec![since], why, operation.touches())
            }
        }),
    }
}

fn deferred(waits_for: Vec<OperationId>, why: String, touches: Vec<Scope>) -> Outcome {
    Outcome::Deferred {
        waits_for,
        why,
        touches,
        preview: Vec::new(),
    }
}

/// What later operations may count on after this one.
fn effects(id: &OperationId, outcome: &Outcome) -> Vec<Effect> {
    let of = |changes: &[ResourceChange]| changes.iter().flat_map(|change| change.effects.clone()).collect();
    match outcome {
        Outcome::Unchanged | Outcome::Check { .. } => Vec::new(),
        Outcome::Change(changes) | Outcome::Ensure { changes, .. } => of(changes),
        Outcome::Deferred { touches, .. } => touches
            .iter()
            .map(|scope| Effect::Forget(scope.clone(), format!("`{}` may change it", id.slug())))
            .collect(),
    }
}

fn visible_facts(overlay: &Overlay<'_>) -> template::Facts {
    match overlay.get(&FactKey::System) {
        Lookup::Known(Fact::System(facts)) => {
            template::Facts::Known(minijinja::Value::from(minijinja::value::Serde(&*facts)))
        }
        Lookup::Since(_, why) => template::Facts::Unknown(why),
        _ => template::Facts::Unknown(NOT_READ.to_owned()),
    }
}
