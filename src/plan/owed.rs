//! Handlers that an earlier run owed a host, and what becomes of them in this plan.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Trigger;
use super::bind::{Bound, BoundOperation, Ready};
use super::given::Given;
use super::position::Position;
use crate::error::{Origin, SourceFile};
use crate::facts::overlay::OperationId;
use crate::facts::owed::Owed;
use crate::operations::{Definition, Operation, RunAs, find};
use crate::template::Bindings;
use crate::value::{Kind, Table, Value, from_json};

/// Which of the owed handlers have a place in the plan.
#[derive(Default)]
pub(super) struct OwedHandlers {
    placed: RefCell<BTreeSet<String>>,
    /// Those of them that do not fit the host any more.
    refused: RefCell<BTreeSet<String>>,
}

/// Whether a handler is owed, under this name or for an item.
pub(super) fn is_owed(name: &str, given: &Given<'_>) -> bool {
    let with_item = format!("{name}[");
    given
        .owed()
        .iter()
        .any(|owed| owed.handler == name || owed.handler.starts_with(&with_item))
}

impl OwedHandlers {
    /// Whether exactly this handler is owed and has no place yet; it has its place then.
    pub(super) fn take(&self, name: &str, given: &Given<'_>) -> bool {
        let is_owed = given.owed().iter().any(|owed| owed.handler == name);
        is_owed && self.placed.borrow_mut().insert(name.to_owned())
    }

    /// Those that have no place so far.
    pub(super) fn waiting<'o>(&'o self, given: &'o Given<'_>) -> impl Iterator<Item = &'o Owed> {
        given.owed().iter().filter(|owed| !self.has_place(owed))
    }

    /// Notes that a handler does not fit the host any more, such as one of a unit that is gone.
    pub(super) fn refuse(&self, name: &str) {
        self.refused.borrow_mut().insert(name.to_owned());
    }

    /// Those that nothing in the plan runs.
    pub(super) fn elsewhere(&self, given: &Given<'_>) -> Vec<Owed> {
        let refused = self.refused.borrow();
        let others = given
            .owed()
            .iter()
            .filter(|owed| !self.has_place(owed) || refused.contains(&owed.handler));
        others.cloned().collect()
    }

    fn has_place(&self, owed: &Owed) -> bool {
        self.placed.borrow().contains(&owed.handler)
    }

    /// The next of those that have no place in the plan, if the run is to run them (`--owed`).
    pub(super) fn next_of_others(
        &self,
        stage: usize,
        given: &Given<'_>,
        bindings: impl Fn() -> Bindings,
    ) -> Option<BoundOperation> {
        if !given.selection.runs_owed {
            return None;
        }
        given.owed().iter().find_map(|owed| {
            let bound = (!self.has_place(owed)).then(|| bound(owed, stage, given, bindings()))??;
            self.placed.borrow_mut().insert(owed.handler.clone());
            Some(bound)
        })
    }
}

/// What to do about handlers that are owed since an earlier run, and about those that were notified and come later.
pub(super) fn first(owed: &[&str], notified: &BTreeSet<&str>) -> Option<String> {
    let named = |names: Vec<String>| match &names[..] {
        [one] => format!("handler {one}"),
        several => format!("handlers {}", several.join(" and ")),
    };
    let quoted = |name: &&str| format!("`{name}`");
    if !owed.is_empty() {
        let it = if owed.len() == 1 { "it" } else { "them" };
        return Some(format!(
            "run {} first with `--owed`: an earlier run owes {it}, which may be why",
            named(owed.iter().map(quoted).collect())
        ));
    }
    (!notified.is_empty()).then(|| {
        format!(
            "move this operation to the end of the task if it needs {}, which comes after it",
            named(notified.iter().map(quoted).collect())
        )
    })
}

/// The unit that an owed handler restarts or reloads, if it is known.
pub fn unit_of(owed: &Owed) -> Option<String> {
    let (_, operation, ..) = parsed(owed)?;
    operation.restarts()
}

type Parsed = (&'static Definition, Box<dyn Operation>, Table, Arc<RunAs>);

/// An owed handler's operation; `None` if its parameters were not known, or do not fit this version.
fn parsed(owed: &Owed) -> Option<Parsed> {
    let definition = find(&owed.op)?;
    let mut arguments = from_json(owed.parameters.as_ref()?);
    let run_as = Arc::new(RunAs::take(&mut arguments));
    let operation = definition
        .parse(&Value::new(Kind::Table(arguments.clone())), &run_as)
        .ok()?;
    Some((definition, operation, arguments, run_as))
}

/// An owed handler with a place in the plan.
fn bound(owed: &Owed, stage: usize, given: &Given<'_>, bindings: Bindings) -> Option<BoundOperation> {
    let (definition, operation, arguments, run_as) = parsed(owed)?;
    let position = Position {
        path: "owed".to_owned(),
        in_stage: "owed".to_owned(),
        ..Position::of_stage(stage, None)
    };
    let record = SourceFile::new(Owed::path(&owed.handler, None), owed.line());
    Some(BoundOperation {
        id: OperationId(format!("{} / owed / {}", given.host_name(), owed.handler)),
        is_whole_task: false,
        task: "owed".to_owned(),
        origin: Origin::new(&record, 0..1),
        position: Arc::new(position),
        asked: BTreeSet::new(),
        peers: super::PeerKeys::new(),
        trigger: Trigger::Owed,
        handler: Some(owed.handler.clone()),
        is_only_owed: true,
        guard: None,
        stand_ins: None,
        bound: Bound::Ready(Box::new(Ready {
            definition,
            operation,
            arguments,
            run_as,
            bindings,
        })),
    })
}
