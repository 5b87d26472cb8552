//! Finds unknown parameters of operations, and literal values of a wrong type.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::error::Diagnostic;
use crate::operations::{BECOME_KEYS, CONDUCT_KEYS, OPERATIONS, Parameter, RunAs};
use crate::project::RawOperation;
use crate::project::fields::{is_meant, key_suggestion, unknown_key};
use crate::project::task::COMMON_KEYS;
use crate::template::is_template;
use crate::value::{Entry, Kind, Table, Value};

/// The parameters of each operation, read once.
static PARAMETERS: LazyLock<BTreeMap<&str, Vec<Parameter>>> = LazyLock::new(|| {
    let all = OPERATIONS.iter();
    all.map(|definition| (definition.name, definition.parameters()))
        .collect()
});

pub(super) fn check(operation: &RawOperation) -> Vec<Diagnostic> {
    let known = operation.definition.keys();
    let mut mistakes = Vec::new();
    let mut unknown_keys = Vec::new();
    for (key, entry) in &operation.arguments {
        if [known, BECOME_KEYS, CONDUCT_KEYS]
            .iter()
            .any(|keys| keys.contains(&key.as_str()))
        {
            mistakes.extend(check_value(operation, key, entry));
        } else {
            mistakes.push(unknown(operation, key, entry, known));
            unknown_keys.push(key.as_str());
        }
    }
    mistakes.extend(missing(operation, &unknown_keys));
    mistakes
}

/// Required parameters that are not given, unless one of the unknown keys stands for them: that is reported already.
fn missing(operation: &RawOperation, unknown: &[&str]) -> Vec<Diagnostic> {
    let name = operation.definition.name;
    let parameters = PARAMETERS.get(name).into_iter().flatten();
    let is_missing =
        |key: &str| !operation.arguments.contains_key(key) && !unknown.iter().any(|unknown| is_meant(unknown, key));
    let missing = parameters.filter(|one| one.required && is_missing(&one.name));
    missing
        .map(|parameter| {
            let mistake = Diagnostic::new(format!("missing `{}` for `{name}`", parameter.name));
            let title = operation.settings.name.as_ref().and_then(|name| name.origin.as_ref());
            let what = format!(
                "`{}` ({}): {}",
                parameter.name,
                parameter.kind,
                parameter.description.trim_end_matches('.')
            );
            match title {
                Some(place) if parameter.name == operation.definition.main_argument => mistake
                    .at(&operation.origin, "needs this parameter")
                    .at(place, "`name` is only the title of the operation")
                    .hint(format!("add {what}")),
                _ => mistake
                    .at(&operation.origin, "needs this parameter")
                    .hint(format!("add {what}")),
            }
        })
        .collect()
}

fn unknown(operation: &RawOperation, key: &str, entry: &Entry, known: &[&str]) -> Diagnostic {
    let name = operation.definition.name;
    // It has an operation already: only a table may be another one, as Ansible writes it.
    let is_table = matches!(entry.value.kind, Kind::Table(_));
    let common = COMMON_KEYS.iter().filter(|key| is_table || **key != "op");
    let keys: Vec<&str> = known.iter().chain(common).copied().collect();
    let hint = key_suggestion(key, &entry.value, &keys)
        .unwrap_or_else(|| format!("`homelab operations {name}` lists all parameters"));
    Diagnostic::new(format!("unknown parameter `{key}` of `{name}`"))
        .at_maybe(entry.key.as_ref(), "no such parameter")
        .hint(hint)
}

/// The mistakes of a value; those of a table with keys of its own, one by one.
fn check_value(operation: &RawOperation, key: &str, entry: &Entry) -> Vec<Diagnostic> {
    let whole = |value: Value| {
        let entry = Entry {
            key: entry.key.clone(),
            value,
        };
        check_type(operation, key, entry)
    };
    let table = entry.value.as_table();
    let Some((table, known)) = table.zip(operation.definition.keys_below(key)) else {
        return whole(entry.value.clone()).into_iter().collect();
    };
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let what = format!("`{key}` of `{}`", operation.definition.name);
    let mut mistakes = Vec::new();
    for (inner, one) in table {
        if known.contains(&inner.as_str()) {
            let alone = Table::from_iter([(inner.clone(), one.clone())]);
            mistakes.extend(whole(Value::new(Kind::Table(alone)).at(entry.value.origin.as_ref())));
        } else {
            mistakes.push(unknown_key(&what, inner, one, &known));
        }
    }
    mistakes
}

/// The value with all templates as unknown: a mistake in it is a mistake on every host. What is missing is none here.
fn check_type(operation: &RawOperation, key: &str, entry: Entry) -> Option<Diagnostic> {
    let value = without_templates(&entry.value);
    let mut alone = Table::from_iter([(key.to_owned(), Entry { value, ..entry })]);
    let run_as = RunAs::take(&mut alone);
    let parsed = operation.definition.parse(&Value::new(Kind::Table(alone)), &run_as);
    let error = parsed.err()?;
    // A mistake without a place is about parameters that are left out here.
    if error.unknown.is_some() || error.is_missing() || !error.has_place() {
        return None;
    }
    let arguments = &operation.arguments;
    Some(
        operation
            .definition
            .misfit(error, [arguments, arguments], &run_as, &operation.origin),
    )
}

fn without_templates(value: &Value) -> Value {
    let kind = match &value.kind {
        Kind::String(text) if is_template(text) => Kind::Unknown("a template".into()),
        Kind::List(items) => Kind::List(items.iter().map(without_templates).collect()),
        Kind::Table(table) => Kind::Table(
            table
                .iter()
                .map(|(key, entry)| {
                    let entry = Entry {
                        key: entry.key.clone(),
                        value: without_templates(&entry.value),
                    };
                    (key.clone(), entry)
                })
                .collect(),
        ),
        other => other.clone(),
    };
    Value {
        kind,
        origin: value.origin.clone(),
    }
}
