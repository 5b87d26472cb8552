//! What is owed on a host: a handler is recorded there before a change that notifies it, and the record goes when it has run.
//!
//! So whatever ends a run between the change and the handler, the next run finds what is left to do. After the change, the
//! invocation of the handler's unit is added: a unit with another one was started since, and finds what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::changed_units;
use crate::change::{NOT_NOTED, ResolvedPath, Step, has_stopped};
use crate::facts::journal::HandlerRecord;
use crate::facts::overlay::OperationId;
use crate::facts::owed::{Owed, STARTS};
use crate::facts::unit::UnitFilePath;
use crate::plan::{PlannedHandler, PlannedOperation, Trigger, unit_of};
use crate::quote::{quote, quote_all};
use crate::remote::StepScript;

/// What [`Records::put_back`] prints of a unit that does not run.
pub(super) const HAS_STOPPED: &str = "stopped";

/// The handlers of a host, as they were planned last.
#[derive(Default)]
pub(super) struct Records {
    /// Where homelab keeps its state without root.
    state_folder: Option<String>,
    handlers: BTreeMap<OperationId, Noted>,
    /// The handlers of units that earlier runs owed, each with its unit.
    owed: Vec<(Owed, String)>,
}

/// The units of which an operation removes the file.
fn units_without_file(operation: &PlannedOperation) -> impl Iterator<Item = &str> {
    let steps = operation.changes().iter().flat_map(|change| &change.steps);
    steps.filter_map(|step| match step {
        Step::Remove(remove) => UnitFilePath::of(&remove.path)
            .filter(|file| file.drop_in.is_none())
            .map(|file| file.unit),
        _ => None,
    })
}

/// The place of a step in its operation.
#[derive(Clone, Copy, Default)]
pub(super) struct Turn<'a> {
    pub(super) is_first: bool,
    pub(super) is_last: bool,
    /// The folders of what is kept before the operation's steps.
    pub(super) kept: &'a [String],
    /// The units of which the operation changes files.
    pub(super) changed: &'a [String],
    /// The unit that the step starts or restarts, if it is no handler's.
    pub(super) starts: Option<&'a str>,
}

struct Noted {
    notifiers: Vec<OperationId>,
    handler: PlannedHandler,
    operation: PlannedOperation,
}

impl Records {
    /// For a host to which earlier runs owe the handlers in `owed`.
    pub(super) fn new(state_folder: Option<String>, owed: &[Owed]) -> Self {
        Self {
            state_folder,
            handlers: BTreeMap::new(),
            owed: of_units(owed),
        }
    }

    /// Begins anew with a host that was read again: it is owed `owed`, and only the handlers among `operations` are left.
    pub(super) fn begin_again(&mut self, owed: &[Owed], operations: &[PlannedOperation]) {
        self.owed = of_units(owed);
        self.handlers.clear();
        self.note(operations);
    }

    /// Has handlers keep the files of their records, also if only now it is known what they are about.
    pub(super) fn keep_files(&self, operations: &mut [PlannedOperation]) {
        for operation in operations {
            let known = self.handlers.get(&operation.id);
            if let (Some(known), Some(now)) = (known, &mut operation.handler) {
                now.record.file.clone_from(&known.handler.record.file);
            }
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

    /// All handlers, each with the operations that notify it.
    pub(super) fn all(&self) -> impl Iterator<Item = (&PlannedOperation, &[OperationId])> {
        self.handlers
            .values()
            .map(|noted| (&noted.operation, noted.notifiers.as_slice()))
    }

    /// The operations that notify a handler.
    pub(super) fn notifiers(&self, handler: &OperationId) -> &[OperationId] {
        self.handlers.get(handler).map_or(&[], |noted| &noted.notifiers)
    }

    /// The handlers that an operation notifies, as a journal names them.
    pub(super) fn notified_by(&self, operation: &OperationId) -> Vec<HandlerRecord> {
        let notified = self
            .handlers
            .values()
            .filter(|noted| noted.notifiers.contains(operation));
        let named = notified.map(|noted| HandlerRecord {
            handler: noted.handler.record.handler.clone(),
            unit: noted.handler.unit.clone(),
        });
        named.collect()
    }

    /// The handlers of a unit.
    pub(super) fn of_unit(&self, unit: &str) -> Vec<PlannedOperation> {
        let own = self.noted_of(unit);
        own.map(|noted| noted.operation.clone()).collect()
    }

    fn noted_of<'a>(&'a self, unit: &'a str) -> impl Iterator<Item = &'a Noted> {
        let all = self.handlers.values();
        all.filter(move |noted| noted.handler.unit.as_deref() == Some(unit))
    }

    /// The other handlers that any of `notifiers` notifies, and those of `unit` that earlier runs owe.
    pub(super) fn others(&self, handler: &OperationId, unit: &str, notifiers: &[OperationId]) -> Vec<PlannedOperation> {
        let own = self.handlers.get(handler);
        // What was owed is likely to be owed for the same change.
        let is_owed = |noted: &Noted| noted.operation.trigger == Trigger::Owed;
        let others = self.handlers.iter().filter(|(id, noted)| {
            *id != handler
                && (noted.notifiers.iter().any(|notifier| notifiers.contains(notifier))
                    || is_owed(noted) && (own.is_some_and(is_owed) || noted.handler.unit.as_deref() == Some(unit)))
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

    /// Removes the record of a unit whose files changed.
    pub(super) fn removal_of_unit(&self, unit: &str) -> StepScript {
        let record = changed_units::record(unit, self.state_folder.as_deref());
        StepScript {
            body: format!("rm -f -- {}", quote(&record)),
            ..StepScript::default()
        }
    }

    /// Puts back what was kept before the changes that `unit` and its handlers are recorded for, also by earlier runs, and what is
    /// in `folders`, the latest first. It prints what came of each, and the activity of the unit before.
    pub(super) fn put_back(&self, unit: &str, folders: &[String]) -> StepScript {
        let mut listed = String::from(":\n");
        let of_files = changed_units::record(unit, self.state_folder.as_deref());
        for record in self.records_of(unit).into_iter().chain([of_files]) {
            listed.extend(["sed -n 's/^kept //p' ", &quote(&record), " 2>/dev/null\n"]);
        }
        for folder in folders {
            listed.extend(["echo ", &quote(folder), "\n"]);
        }
        StepScript {
            body: format!(
                "s=runs; {has_stopped} && s={HAS_STOPPED}; echo \"unit $s\"\n\
                 {{ {listed}}} | sort -ru | while IFS= read -r k; do\n\
                 [ -f \"$k/back\" ] && [ -f \"$k/was\" ] && IFS= read -r was <\"$k/was\" && [ \"$was\" != 'put back' ] || continue\n\
                 p=$(cat -- \"$k/path\")\n\
                 if why=$(sh \"$k/back\" 2>&1 </dev/null); then printf 'back %s\\n%s\\n' \"$k\" \"$p\"\n\
                 else printf 'left %s\\n%s\\n' \"$p\" \"$(printf %s \"$why\" | tr '\\n' ' ')\"; fi\n\
                 done",
                has_stopped = has_stopped(&quote(unit)),
            ),
            ..StepScript::default()
        }
    }

    fn path(&self, handler: &PlannedHandler) -> String {
        self.record(&handler.record)
    }

    fn record(&self, handler: &Owed) -> String {
        handler.path(self.state_folder.as_deref())
    }

    /// The records of all handlers of a unit, also of those that are not part of this run.
    fn records_of(&self, unit: &str) -> BTreeSet<String> {
        let planned = self.noted_of(unit).map(|noted| &noted.handler.record);
        let owed = self.owed.iter().filter(|(_, other)| other == unit);
        let all = planned.chain(owed.map(|(handler, _)| handler));
        all.map(|handler| self.record(handler)).collect()
    }

    /// The records of the other handlers of a handler's unit, as words of the shell.
    fn others_of_unit(&self, handler: &PlannedHandler) -> String {
        let own = self.path(handler);
        let unit = handler.unit.as_deref();
        let mut records = unit.map(|unit| self.records_of(unit)).unwrap_or_default();
        records.remove(&own);
        quote_all(records.iter().map(String::as_str))
    }

    /// The records of handlers that are not part of this run and that a handler of their unit settles: a restart does for any, a
    /// reload for a reload.
    fn settled_by(&self, handler: &PlannedHandler) -> BTreeSet<String> {
        let unit = handler.unit.as_deref();
        let planned = unit.into_iter().flat_map(|unit| self.noted_of(unit));
        let planned: BTreeSet<String> = planned.map(|noted| self.path(&noted.handler)).collect();
        let is_settled = |owed: &Owed| handler.record.is_restart() || (is_reload(handler) && owed.is_reload());
        let owed = self.owed.iter().filter(|(_, of)| Some(of.as_str()) == unit);
        let settled = owed.filter(|(owed, _)| is_settled(owed));
        let paths: BTreeSet<String> = settled.map(|(owed, _)| self.record(owed)).collect();
        paths.difference(&planned).cloned().collect()
    }

    /// Adds to a step of `operation` what concerns records.
    pub(super) fn keep(
        &self,
        operation: &PlannedOperation,
        (step, resolved): (&Step, Option<&ResolvedPath>),
        turn: Turn<'_>,
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
            let can_revert = matches!(step, Step::WriteFile(_)) && !resolved.is_some_and(|resolved| resolved.in_place);
            let kept = if turn.is_first { turn.kept } else { &[] };
            script.body = self.recorded(&notified, kept, &script.body, can_revert);
        }
        let state_folder = self.state_folder.as_deref();
        if turn.is_first && !turn.changed.is_empty() {
            script.body = changed_units::with_record(turn.changed, turn.kept, state_folder, &script.body);
        }
        if let Some(unit) = turn.starts {
            changed_units::until_it_runs(unit, state_folder, script);
        }
        if turn.is_last && !turn.changed.is_empty() {
            for unit in units_without_file(operation) {
                changed_units::unless_it_runs(unit, state_folder, script);
            }
        }
        if let Some(handler) = &operation.handler {
            let path = quote(&self.path(handler));
            let others = self.others_of_unit(handler);
            let own = step.command().and_then(|command| command.already.clone());
            let already = own.map(|already| format!("{}{already}", read(&path, &others)));
            script.already = already.or(script.already.take());
            if operation.trigger == Trigger::Owed {
                // The run that owed it may have come to it after this one had read the record.
                let already = script.already.take().unwrap_or_else(|| "exit 1".to_owned());
                script.already = Some(format!("[ -f {path} ] || exit 0\n{already}"));
            }
            if let Some(unit) = &handler.unit {
                script.body = with_mark(handler, unit, &path, &others, &script.body);
            }
            if let Some(unit) = handler.unit.as_deref().filter(|_| turn.is_last && !is_reload(handler)) {
                changed_units::until_it_runs(unit, state_folder, script);
            }
            if turn.is_last {
                if let Some(already) = &mut script.already {
                    *already = with_removal(already, &path, &others);
                }
                let ended = script.ending();
                *ended = with_removal(ended, &path, &others);
                for settled in self.settled_by(handler) {
                    let _ = write!(ended, "\nrm -f -- {}", quote(&settled));
                }
            }
        }
    }

    /// `body` with the handlers recorded before it, and noted with the invocation of their units after it.
    fn recorded(&self, notified: &[&PlannedHandler], kept: &[String], body: &str, can_revert: bool) -> String {
        let mut before = owe();
        let mut after = String::new();
        for handler in notified {
            let path = self.path(handler);
            let path = quote(&path);
            let kept = quote_all(kept.iter().map(String::as_str));
            before.extend(["owe ", &path, " ", &quote(&handler.record.line()), " ", &kept, "\n"]);
            if let Some(unit) = &handler.unit {
                after.extend([
                    "i=$(systemctl show -p InvocationID --value -- ",
                    &quote(unit),
                    " 2>/dev/null </dev/null) && { printf '%s\\n' \"$i\" >>",
                    &path,
                    "; } 2>/dev/null\n",
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
            body: format!("rm -f -- {}", quote_all(paths.iter().map(String::as_str))),
            ..StepScript::default()
        })
    }
}

/// Those of units, with the unit of each.
fn of_units(owed: &[Owed]) -> Vec<(Owed, String)> {
    let of_unit = |owed: &Owed| Some((owed.clone(), unit_of(owed)?));
    owed.iter().filter_map(of_unit).collect()
}

/// Whether it has its unit read its configuration, which says nothing of the files of the unit.
fn is_reload(handler: &PlannedHandler) -> bool {
    handler.record.is_reload()
}

/// Shell text that defines `owe`, which writes a record. What an earlier one says stays: what was kept, and whether the unit has
/// to be started.
fn owe() -> String {
    let starts = quote(STARTS);
    format!(
        "fresh=\n\
         owe() {{ o=$1 l=$2 p=; shift 2\n\
         if [ -e \"$o\" ]; then IFS= read -r p <\"$o\"; else fresh=\"$fresh $o\"; fi\n\
         case $p in *{starts}) l=${{l%?}}{starts} ;; esac\n\
         n=${{o%/*}}/.${{o##*/}}\n\
         {{ {{ [ -d \"${{o%/*}}\" ] || mkdir -p -- \"${{o%/*}}\"; }} && {{ printf '%s\\n' \"$l\" && {{ [ -z \"$p\" ] || sed -n '/^kept /p' \"$o\"; }} && {{ [ $# = 0 ] || printf 'kept %s\\n' \"$@\"; }}; }} >\"$n\" && \
         sync -- \"$n\" && mv -f -- \"$n\" \"$o\"; }} 2>/dev/null || {unnoted}; }}\n",
        unnoted = unnoted()
    )
}

/// Shell text that reads a record: the invocation of its unit after the change, if it has that, and whether the unit has to be
/// started. That may be in the record of another handler of the unit.
fn read(path: &str, others: &str) -> String {
    let starts = quote(STARTS);
    let mut text = format!(
        "record={path} noted= invocation= starts=\n\
         while IFS= read -r w; do case $w in *{starts}) starts=1 ;; '{{'*|'kept '*) ;; *) noted=1 invocation=$w ;; esac; done 2>/dev/null <{path}\n"
    );
    if !others.is_empty() {
        let _ = writeln!(
            text,
            "for o in {others}; do [ ! -f \"$o\" ] || {{ IFS= read -r w <\"$o\"; case $w in *{starts}) starts=1 ;; esac; }}; done"
        );
    }
    text
}

/// `body`, which may stop `unit`: if the unit runs, the record says before that it has to be started.
fn with_mark(handler: &PlannedHandler, unit: &str, path: &str, others: &str, body: &str) -> String {
    let read = read(path, others);
    let line = quote(&handler.record.that_starts().line());
    format!(
        "{read}[ -n \"$starts\" ] || [ ! -f {path} ] || {has_stopped} || {{\n\
         o={path}; n=${{o%/*}}/.${{o##*/}}\n\
         {{ {{ printf '%s\\n' {line} && sed 1d \"$o\"; }} >\"$n\" && sync -- \"$n\" && mv -f -- \"$n\" \"$o\"; }} 2>/dev/null || {unnoted}\n\
         }}\n\
         export starts\n{body}",
        has_stopped = has_stopped(&quote(unit)),
        unnoted = unnoted(),
    )
}

/// Shell text that ends a step since its record, the file `$o`, cannot be written by way of `$n`.
fn unnoted() -> String {
    format!(
        "{{ rm -f -- \"$n\"; f=${{o%/*}}; echo \"homelab could not write to $f, where it notes which handlers are owed, so this was not begun\"; \
         echo \"free space there: \\`df $f\\` and \\`df -i $f\\` show how much is left\"; exit {NOT_NOTED}; }}"
    )
}

/// `text`, after which the record is removed. If the unit was started, no other record says any more that it has to be.
fn with_removal(text: &str, path: &str, others: &str) -> String {
    let mut ended = format!("(\n{text}\n) || exit\nrm -f -- {path}");
    if !others.is_empty() {
        let _ = write!(
            ended,
            "\ne={starts}\n\
             for o in {others}; do [ -f \"$o\" ] && IFS= read -r w <\"$o\" || continue\n\
             case $w in *\"$e\") n=${{o%/*}}/.${{o##*/}}; {{ {{ printf '%s}}\\n' \"${{w%\"$e\"}}\" && sed 1d \"$o\"; }} >\"$n\" && mv -f -- \"$n\" \"$o\"; }} 2>/dev/null || rm -f -- \"$n\" ;; esac\n\
             done",
            starts = quote(STARTS),
        );
    }
    ended
}

#[cfg(test)]
mod tests;
