//! What is owed on a host: a handler is recorded there before a change that notifies it, and the record goes when it has run.
//!
//! So whatever ends a run between the change and the handler, the next run finds what is left to do. After the change, the
//! invocation of the handler's unit is added: a unit with another one was started since, and finds what changed.

use std::collections::BTreeMap;

use crate::change::{Road, Step};
use crate::facts::overlay::OperationId;
use crate::facts::owed::Owed;
use crate::plan::{PlannedHandler, PlannedOperation, Trigger};
use crate::quote::quote;
use crate::remote::StepScript;

/// The handlers of a host, as they were planned last.
#[derive(Default)]
pub(super) struct Records {
    /// Where homelab keeps its state without root.
    state_folder: Option<String>,
    handlers: BTreeMap<OperationId, Noted>,
}

struct Noted {
    notifiers: Vec<OperationId>,
    handler: PlannedHandler,
    operation: PlannedOperation,
}

impl Records {
    pub(super) fn new(state_folder: Option<String>) -> Self {
        Self {
            state_folder,
            handlers: BTreeMap::new(),
        }
    }

    /// Notes the handlers among `operations`.
    pub(super) fn note(&mut self, operations: &[PlannedOperation]) {
        for operation in operations {
            let Some(handler) = &operation.handler else { continue };
            let notifiers = match &operation.trigger {
                Trigger::NotifiedBy(notifiers) => notifiers.clone(),
                Trigger::Always | Trigger::Owed => Vec::new(),
            };
            let noted = Noted {
                notifiers,
                handler: handler.clone(),
                operation: operation.clone(),
            };
            self.handlers.insert(operation.id.clone(), noted);
        }
    }

    /// The operations that notify a handler.
    pub(super) fn notifiers(&self, handler: &OperationId) -> &[OperationId] {
        self.handlers.get(handler).map_or(&[], |noted| &noted.notifiers)
    }

    /// The other handlers that any of `notifiers` notifies.
    pub(super) fn others(&self, handler: &OperationId, notifiers: &[OperationId]) -> Vec<PlannedOperation> {
        let others = self.handlers.iter().filter(|(id, noted)| {
            *id != handler && noted.notifiers.iter().any(|notifier| notifiers.contains(notifier))
        });
        others.map(|(_, noted)| noted.operation.clone()).collect()
    }

    /// The handlers that something made run and that have not run yet, as they are recorded.
    pub(super) fn due(
        &self,
        is_done: impl Fn(&OperationId) -> bool,
        has_changed: impl Fn(&OperationId) -> bool,
    ) -> Vec<(&OperationId, &str)> {
        let due = self.handlers.iter().filter(|(id, noted)| {
            let is_owed = noted.operation.trigger == Trigger::Owed;
            !is_done(id) && (is_owed || noted.notifiers.iter().any(&has_changed))
        });
        due.map(|(id, noted)| (id, noted.handler.record.handler.as_str()))
            .collect()
    }

    /// Removes the record of a handler.
    pub(super) fn removal(&self, handler: &OperationId) -> Option<StepScript> {
        let noted = self.handlers.get(handler)?;
        Some(StepScript {
            body: format!("rm -f -- {}", quote(&self.path(&noted.handler))),
            ..StepScript::default()
        })
    }

    fn path(&self, handler: &PlannedHandler) -> String {
        Owed::path(&handler.record.handler, self.state_folder.as_deref())
    }

    /// Adds to a step of `operation` what concerns records; `is_last` says whether it is the operation's last step.
    pub(super) fn keep(
        &self,
        operation: &PlannedOperation,
        (step, road): (&Step, Option<&Road>),
        is_last: bool,
        script: &mut StepScript,
    ) {
        let notified: Vec<&PlannedHandler> = self
            .handlers
            .values()
            .filter(|noted| noted.notifiers.contains(&operation.id))
            .map(|noted| &noted.handler)
            .collect();
        if !notified.is_empty() {
            // Until it is renamed, a new file changes nothing.
            let can_revert = matches!(step, Step::WriteFile(_)) && !road.is_some_and(|road| road.in_place);
            script.body = self.recorded(&notified, &script.body, can_revert);
        }
        if let Some(handler) = &operation.handler {
            let path = quote(&self.path(handler));
            let own = step.command().and_then(|command| command.already.clone());
            let already = own.map(|already| format!("{}{already}", read(&path)));
            script.already = already.or(script.already.take());
            if is_last {
                script.body = with_removal(&script.body, &path);
                script.already = script.already.as_deref().map(|already| with_removal(already, &path));
            }
        }
    }

    /// `body` with the handlers recorded before it, and noted with the invocation of their units after it.
    fn recorded(&self, notified: &[&PlannedHandler], body: &str, can_revert: bool) -> String {
        let mut before = "fresh=\n             owe() { o=$1; [ -e \"$o\" ] || fresh=\"$fresh $o\"\n             [ -d \"${o%/*}\" ] || mkdir -p -- \"${o%/*}\" || exit\n             n=${o%/*}/.${o##*/}\n             printf '%s\\n' \"$2\" >\"$n\" && sync -- \"$n\" && mv -f -- \"$n\" \"$o\" || { echo 'the handler cannot be recorded'; exit 1; }; }\n"
            .to_owned();
        let mut after = String::new();
        for handler in notified {
            let path = self.path(handler);
            let path = quote(&path);
            before.extend(["owe ", &path, " ", &quote(&handler.record.line()), "\n"]);
            if let Some(unit) = &handler.unit {
                after.extend([
                    "i=$(systemctl show -p InvocationID --value -- ",
                    &quote(unit),
                    " 2>/dev/null </dev/null) && printf '%s\\n' \"$i\" >>",
                    &path,
                    "\n",
                ]);
            }
        }
        let revert = if can_revert {
            "[ $code = 113 ] || rm -f -- $fresh\n"
        } else {
            ""
        };
        format!("{before}(\n{body}\n)\ncode=$?\n[ $code = 0 ] || {{\n{revert}exit $code\n}}\n{after}exit 0")
    }

    /// Shell text that removes the records of handlers of a stage that turned out to have nothing to do; `None` if there are none.
    pub(super) fn settled(
        &self,
        stage: usize,
        is_done: impl Fn(&OperationId) -> bool,
        has_changed: impl Fn(&OperationId) -> bool,
    ) -> Option<StepScript> {
        let settled = self.handlers.iter().filter(|(id, noted)| {
            let is_idle = is_done(id) && noted.operation.changes().is_empty();
            let is_dropped = !is_done(id) && noted.notifiers.iter().any(&has_changed);
            noted.operation.stage == stage && (is_idle || is_dropped)
        });
        let paths: Vec<String> = settled.map(|(_, noted)| self.path(&noted.handler)).collect();
        (!paths.is_empty()).then(|| StepScript {
            body: format!("rm -f -- {}", crate::quote::quote_all(paths.iter().map(String::as_str))),
            ..StepScript::default()
        })
    }
}

/// Reads the invocation of a unit after the change, if the record has it.
fn read(path: &str) -> String {
    format!("noted= invocation=\n         {{ read -r i && read -r invocation && noted=1; }} 2>/dev/null <{path}\n")
}

fn with_removal(text: &str, path: &str) -> String {
    format!("(\n{text}\n) || exit\nrm -f -- {path}")
}

#[cfg(test)]
mod tests;
