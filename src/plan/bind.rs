//! An operation as written, bound to a host: templates rendered, parameters read, the user to run as resolved.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::expand::{Assume, Instance};
use super::position::Position;
use super::visible::Asked;
use super::{PeerKeys, Trigger};
use crate::error::{Diagnostic, Origin};
use crate::facts::FactKey;
use crate::facts::kubernetes::Objects;
use crate::facts::overlay::OperationId;
use crate::facts::owed::Owed;
use crate::operations::{CAPTURE, Definition, Operation, RunAs};
use crate::project::RawOperation;
use crate::template::Bindings;
use crate::value::{Entry, Kind, Table, Value, Why};

/// An operation bound to a host: everything that planning needs except the facts at its place in the plan.
pub(super) struct BoundOperation {
    pub(super) id: OperationId,
    /// Whether it stands for a whole task that is decided later.
    pub(super) is_whole_task: bool,
    /// Whether it may run services that web sites lead to.
    pub(super) has_services: bool,
    pub(super) task: String,
    pub(super) origin: Origin,
    pub(super) position: Arc<Position>,
    /// The host's own facts that it was bound from.
    pub(super) asked: BTreeSet<FactKey>,
    /// The facts of other hosts that it was bound from.
    pub(super) peers: PeerKeys,
    pub(super) trigger: Trigger,
    /// Of a handler: how it is recorded on the host.
    pub(super) handler: Option<Owed>,
    /// Of a handler: whether nothing in this run notifies it, so that only an earlier run owes it.
    pub(super) is_only_owed: bool,
    /// Whether the project says that it is guarded, or is not.
    pub(super) guard: Option<bool>,
    pub(super) bound: Bound,
    /// If a parameter is not known yet: the operation with one text and with another in place of it. What both are about does not
    /// depend on it.
    pub(super) stand_ins: Option<Box<[Ready; 2]>>,
}

impl BoundOperation {
    /// The name of the value that it captures, if it is a capture.
    pub(super) fn captures(&self) -> Option<&str> {
        let (Bound::Ready(ready) | Bound::Partly(ready, _)) = &self.bound else {
            return None;
        };
        let is_capture = ready.definition.name == CAPTURE.name;
        let name = ready.arguments.get(CAPTURE.main_argument).filter(|_| is_capture)?;
        name.value.as_str()
    }

    /// The workloads of a cluster whose pods it restarts, if that is what it does.
    pub(super) fn restarted_workloads(&self) -> Option<Objects> {
        match &self.bound {
            Bound::Ready(ready) | Bound::Partly(ready, _) => ready.operation.restarted_workloads(),
            Bound::Unknown(_) => None,
        }
    }

    /// Whether it asks what services do.
    pub(super) fn asks_services(&self) -> bool {
        matches!(&self.bound, Bound::Ready(ready) | Bound::Partly(ready, _) if ready.definition.asks_services())
    }
}

/// The result of binding.
pub(super) enum Bound {
    Ready(Box<Ready>),
    /// A condition or a parameter is not known yet, for this reason.
    Unknown(Why),
    /// A parameter is not known yet, for this reason. Something stands in for it, which says what the operation may change, and
    /// what of that is known.
    Partly(Box<Ready>, Why),
}

/// An operation with its parameters, and what planning uses besides facts.
pub(super) struct Ready {
    pub(super) definition: &'static Definition,
    pub(super) operation: Box<dyn Operation>,
    pub(super) arguments: Table,
    pub(super) run_as: Arc<RunAs>,
    /// What its templates see, including the item.
    pub(super) bindings: Bindings,
}

/// Binds `raw` to a host, for one of its instances.
///
/// Errors: invalid template, or parameters that do not fit.
pub(super) fn bind(
    raw: &RawOperation,
    instance: Instance,
    (host, assume): (&str, Assume),
    position: &Arc<Position>,
    asked: &Asked,
) -> Result<BoundOperation, Diagnostic> {
    let path = format!("{host} / {}", position.path);
    let item = instance.item.as_deref();
    let of = |id, bound| BoundOperation {
        id,
        is_whole_task: false,
        has_services: raw.definition.has_services(),
        task: position.path.clone(),
        origin: raw.origin.clone(),
        position: Arc::clone(position),
        asked: BTreeSet::new(),
        peers: position.peers.clone(),
        trigger: Trigger::Always,
        handler: None,
        is_only_owed: false,
        guard: raw.guard,
        bound,
        stand_ins: None,
    };
    if let Some(why) = instance.unknown {
        let id = id(raw, &path, raw.settings.name.as_ref(), &raw.arguments, item);
        return Ok(of(id, Bound::Unknown(why)));
    }
    let bindings = instance.bindings;
    let mut arguments = rendered(&raw.arguments, &bindings, assume)?;
    check_shell_text(raw, &arguments, asked)?;
    let run_as = nearest(RunAs::take(&mut arguments), position, raw);
    let name = raw
        .settings
        .name
        .as_ref()
        .map(|name| assume.value(bindings.render(name), name))
        .transpose()?;
    if let Some(name) = name.as_ref().filter(|name| name.holds_secret()) {
        return Err(Diagnostic::new("the name of an operation cannot be a secret")
            .at_maybe(name.origin.as_ref(), "reviews show it")
            .hint("choose a name without it"));
    }
    let id = id(raw, &path, name.as_ref(), &arguments, item);
    let value = Value::new(Kind::Table(arguments.clone())).at(Some(&raw.origin));
    match raw.definition.parse(&value, &run_as) {
        Ok(operation) => Ok(of(
            id,
            Bound::Ready(Box::new(Ready {
                definition: raw.definition,
                operation,
                arguments,
                run_as,
                bindings,
            })),
        )),
        Err(error) => match &error.unknown {
            Some(why) => {
                let why = withheld(&value).unwrap_or(why.clone());
                let bound = match partly(raw, &bindings, &run_as) {
                    Some(ready) => Bound::Partly(Box::new(ready), why),
                    None => Bound::Unknown(why),
                };
                Ok(BoundOperation {
                    stand_ins: stand_ins(raw, &value, &bindings, &run_as),
                    ..of(id, bound)
                })
            }
            None => Err(raw
                .definition
                .misfit(error, [&arguments, &raw.arguments], &run_as, &raw.origin)),
        },
    }
}

/// The values of `table`, rendered. In a survey, those with a mistake are not known.
///
/// Errors: a mistake, if this is no survey.
pub(super) fn rendered(table: &Table, bindings: &Bindings, assume: Assume) -> Result<Table, Diagnostic> {
    let entries = table.iter().map(|(name, entry)| {
        let entry = Entry {
            key: entry.key.clone(),
            value: assume.value(bindings.render(&entry.value), &entry.value)?,
        };
        Ok((name.clone(), entry))
    });
    entries.collect()
}

/// The operation with something in place of parameters that are not known yet; `None` if it takes nothing for them.
fn partly(raw: &RawOperation, bindings: &Bindings, run_as: &Arc<RunAs>) -> Option<Ready> {
    let bindings = bindings.standing_in();
    let mut arguments = bindings.render_table(&raw.arguments).ok()?;
    RunAs::take(&mut arguments);
    let value = Value::new(Kind::Table(arguments.clone())).at(Some(&raw.origin));
    let operation = raw.definition.parse(&value, run_as).ok()?;
    Some(Ready {
        definition: raw.definition,
        operation,
        arguments,
        run_as: Arc::clone(run_as),
        bindings,
    })
}

/// The operation with one text and with another in place of each value that is not known yet; `None` if it takes none of them there.
fn stand_ins(raw: &RawOperation, value: &Value, bindings: &Bindings, run_as: &Arc<RunAs>) -> Option<Box<[Ready; 2]>> {
    let with = |text: &str| {
        let value = with_text(value, text);
        let operation = raw.definition.parse(&value, run_as).ok()?;
        let Kind::Table(arguments) = value.kind else {
            return None;
        };
        Some(Ready {
            definition: raw.definition,
            operation,
            arguments,
            run_as: Arc::clone(run_as),
            bindings: bindings.clone(),
        })
    };
    Some(Box::new([with("known-later")?, with("known-after-that")?]))
}

/// `value` with a text in place of each value in it that is not known yet.
fn with_text(value: &Value, text: &str) -> Value {
    let kind = match &value.kind {
        Kind::Unknown(_) => Kind::String(text.to_owned()),
        Kind::List(items) => Kind::List(items.iter().map(|item| with_text(item, text)).collect()),
        Kind::Table(table) => {
            let entries = table.iter().map(|(name, entry)| {
                let entry = Entry {
                    key: entry.key.clone(),
                    value: with_text(&entry.value, text),
                };
                (name.clone(), entry)
            });
            Kind::Table(entries.collect())
        }
        other => other.clone(),
    };
    Value {
        kind,
        origin: value.origin.clone(),
    }
}

/// The reason of a value in `value` that is a secret which is not there, if there is one.
fn withheld(value: &Value) -> Option<Why> {
    match &value.kind {
        Kind::Unknown(why @ Why::Withheld(_)) => Some(why.clone()),
        Kind::List(items) => items.iter().find_map(withheld),
        Kind::Table(table) => table.values().find_map(|entry| withheld(&entry.value)),
        _ => None,
    }
}

/// Errors: text of a host reaches a shell without quotes.
fn check_shell_text(raw: &RawOperation, arguments: &Table, asked: &Asked) -> Result<(), Diagnostic> {
    for (key, value) in raw.definition.shell_values(arguments) {
        let written = raw.arguments.get(key).map(|entry| texts(&entry.value));
        let written: String = written.into_iter().flatten().map(|(text, _)| text).collect();
        for (text, origin) in texts(value) {
            if let Some(foreign) = asked.unquoted(text, &written) {
                return Err(Diagnostic::new("text of a host is not quoted for the shell")
                    .at_maybe(
                        origin.or(Some(&raw.origin)),
                        format!("holds {foreign:?}, which a host says"),
                    )
                    .hint("write `| quote` behind the expression that holds it"));
            }
        }
    }
    Ok(())
}

/// The strings in a value, with their places.
fn texts(value: &Value) -> Vec<(&str, Option<&Origin>)> {
    match &value.kind {
        Kind::String(text) => vec![(text, value.origin.as_ref())],
        Kind::List(items) => items.iter().flat_map(texts).collect(),
        Kind::Table(table) => table.values().flat_map(|entry| texts(&entry.value)).collect(),
        _ => Vec::new(),
    }
}

/// The `become` settings of the operation, or else those above it, if the operation supports them.
fn nearest(own: RunAs, position: &Position, raw: &RawOperation) -> Arc<RunAs> {
    if own.is_given() || !raw.definition.can_run_as_others() {
        Arc::new(own)
    } else {
        Arc::clone(&position.run_as)
    }
}

/// The id does not depend on positions: inserting an operation must not rename the others.
pub(super) fn id(
    raw: &RawOperation,
    path: &str,
    name: Option<&Value>,
    arguments: &Table,
    item: Option<&str>,
) -> OperationId {
    if let Some(name) = name.and_then(Value::as_str) {
        return OperationId(format!("{path} / {name}{}", bracketed(item)));
    }
    let given = arguments.get(raw.definition.main_argument);
    let main = main_text(given.or_else(|| arguments.get(raw.definition.main_argument_or?)));
    let apart = raw.definition.told_apart_by.iter();
    let apart = apart.map(|key| main_text(arguments.get(*key)));
    let apart: Vec<String> = apart.filter(|text| !text.is_empty()).collect();
    // An item that is the main argument is not repeated.
    let item = item.filter(|item| *item != main);
    let slug = format!("{} {main} {}", raw.definition.name, apart.join(" "));
    OperationId(format!("{path} / {}{}", slug.trim_end(), bracketed(item)))
}

/// The key of an item as it is shown after a name.
pub(super) fn bracketed(item: Option<&str>) -> String {
    item.map(|item| format!("[{item}]")).unwrap_or_default()
}

fn main_text(main: Option<&Entry>) -> String {
    match main.map(|entry| &entry.value.kind) {
        Some(Kind::String(text)) => text.clone(),
        Some(Kind::Integer(number)) => number.to_string(),
        Some(Kind::List(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

/// The mistake of two operations with the same id.
pub(super) fn duplicate(operation: &BoundOperation, first: &Origin) -> Diagnostic {
    let (own, is_capture) = match &operation.bound {
        Bound::Ready(ready) | Bound::Partly(ready, _) => {
            let definition = ready.definition;
            (definition.told_apart_by.first(), definition.name == CAPTURE.name)
        }
        Bound::Unknown(_) => (None, false),
    };
    let hint = match own {
        _ if is_capture => "write another name in one of them, and use that after `captured.`".to_owned(),
        Some(key) => format!("give each its own `{key}`; or give one of them a `name`, or each item a unique `name`"),
        None => "give one of them a `name`, or each item a unique `name`".to_owned(),
    };
    Diagnostic::new(format!("duplicate operation name `{}`", operation.id.slug()))
        .at(&operation.origin, "used again here")
        .at(first, "first used here")
        .hint(hint)
}

#[cfg(test)]
mod tests;
