//! Values that must be text: labels, annotations, variables, data. Without quotes YAML makes numbers and booleans of many of them.

use serde_json::Value;

use super::fault::Fault;
use super::names::{is_built_in, wrong_label_key, wrong_label_value};
use super::object::{Written, described};

/// Tables of which each value must be text, wherever they are in an object.
const TABLES: [&str; 4] = ["labels", "annotations", "matchLabels", "nodeSelector"];
/// Lists of which each item must be text.
const LISTS: [&str; 2] = ["command", "args"];

/// The first value of an object that the API server refuses since it is no text, or no label.
pub(super) fn wrong_text(object: &Written) -> Option<Fault> {
    let value = object.worlds.real();
    let own = match (object.id.group.as_str(), object.id.kind.as_str()) {
        ("", "ConfigMap") => &["data", "binaryData"][..],
        ("", "Secret") => &["data", "stringData"],
        _ => &[],
    };
    for key in own {
        if let Some(table) = value.get(*key)
            && let Some(fault) = of_table(object, table, &format!("/{key}"), Labels::No)
        {
            return Some(fault);
        }
    }
    if let Some(metadata) = value.get("metadata")
        && let Some(fault) = below(object, metadata, "/metadata", 1)
    {
        return Some(fault);
    }
    // What others define may use the same words for something else.
    let is_known = is_built_in(&object.id.group) && object.id.kind != "CustomResourceDefinition";
    let spec = value.get("spec").filter(|_| is_known)?;
    if object.id.kind == "Service"
        && let Some(selector) = spec.get("selector")
        && let Some(fault) = of_table(object, selector, "/spec/selector", Labels::Yes)
    {
        return Some(fault);
    }
    below(object, spec, "/spec", usize::MAX)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Labels {
    Yes,
    No,
}

fn below(object: &Written, value: &Value, pointer: &str, depth: usize) -> Option<Fault> {
    match value {
        Value::Object(table) => table.iter().find_map(|(key, value)| {
            let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
            if TABLES.contains(&key.as_str()) {
                let labels = if key == "annotations" { Labels::No } else { Labels::Yes };
                return of_table(object, value, &pointer, labels);
            }
            if LISTS.contains(&key.as_str()) {
                return of_list(object, value, key, &pointer);
            }
            if key == "env" {
                return of_variables(object, value, &pointer);
            }
            (depth > 1).then(|| below(object, value, &pointer, depth - 1)).flatten()
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(at, item)| below(object, item, &format!("{pointer}/{at}"), depth)),
        _ => None,
    }
}

fn not_text(object: &Written, pointer: &str, name: &str, value: &Value) -> Option<Fault> {
    if matches!(value, Value::String(_) | Value::Null) {
        return None;
    }
    let title = format!("`{name}` of {}/{} must be a string", object.id.kind, object.id.name);
    let fault = Fault::in_file(object.spot_of(pointer), title, described(value));
    Some(match value {
        Value::Object(_) | Value::Array(_) => fault.hint("write it as text, such as with `|` before lines"),
        _ => fault.hint("put it in quotes"),
    })
}

fn of_table(object: &Written, table: &Value, pointer: &str, labels: Labels) -> Option<Fault> {
    let table = table.as_object()?;
    table.iter().find_map(|(key, value)| {
        let own = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        if let Some(fault) = not_text(object, &own, key, value) {
            return Some(fault);
        }
        if labels == Labels::No {
            return None;
        }
        let kind = &object.id.kind;
        if let Some(why) = wrong_label_key(key) {
            let title = format!("`{key}` is not a valid name for a label");
            return Some(Fault::in_file(object.spot_of(&own), title, why).hint("rename the label"));
        }
        let text = value.as_str()?;
        let why = wrong_label_value(text)?;
        // It may have come from a secret.
        let title = format!(
            "the label `{key}` of {kind}/{} has a value that is not valid",
            object.id.name
        );
        Some(Fault::in_file(object.spot_of(&own), title, why).hint("write another value, or make it an annotation"))
    })
}

fn of_list(object: &Written, list: &Value, key: &str, pointer: &str) -> Option<Fault> {
    let items = list.as_array()?;
    let mut items = items.iter().enumerate();
    items.find_map(|(at, item)| not_text(object, &format!("{pointer}/{at}"), &format!("{key}[{at}]"), item))
}

fn of_variables(object: &Written, list: &Value, pointer: &str) -> Option<Fault> {
    let items = list.as_array()?;
    let mut items = items.iter().enumerate();
    items.find_map(|(at, item)| {
        let name = item.get("name").and_then(Value::as_str).unwrap_or("value");
        not_text(object, &format!("{pointer}/{at}/value"), name, item.get("value")?)
    })
}

#[cfg(test)]
mod tests {
    use super::super::object::objects;
    use super::*;
    use crate::value::Text;

    fn wrong(text: &str) -> Option<String> {
        let (all, _) = objects(0, "a.yaml", &Text::open(text.to_owned())).expect("objects");
        let fault = all.iter().find_map(wrong_text)?;
        let super::super::fault::At::File(spot) = &fault.at else {
            return Some(fault.title);
        };
        Some(format!(
            "{}: {}: {}",
            &text[spot.place.clone()],
            fault.title,
            fault.label
        ))
    }

    #[test]
    fn what_must_be_text_is_text() {
        let deployment = |container: &str| {
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {{template: {{spec: {{containers: [{{{container}}}]}}}}}}\n"
            )
        };
        for (text, expected) in [
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {port: 80}\n".to_owned(),
                Some("80: `port` of ConfigMap/a must be a string: this is a number"),
            ),
            (
                "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {on: x, b: yes}\n".to_owned(),
                Some("yes: `b` of Secret/a must be a string: this is a boolean"),
            ),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {conf: {a: b}}\n".to_owned(),
                Some("{a: b}: `conf` of ConfigMap/a must be a string: this is a table"),
            ),
            (
                "apiVersion: example.org/v1\nkind: W\nmetadata: {name: a, annotations: {x: true}}\nspec: {env: [{name: a, value: 1}]}\n"
                    .to_owned(),
                Some("true: `x` of W/a must be a string: this is a boolean"),
            ),
            (
                deployment("name: c, env: [{name: PORT, value: 80}]"),
                Some("80: `PORT` of Deployment/a must be a string: this is a number"),
            ),
            (
                deployment("name: c, args: [--port, 80]"),
                Some("80: `args[1]` of Deployment/a must be a string: this is a number"),
            ),
            (
                "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {selector: {app: 'a b'}}\n".to_owned(),
                Some(
                    "'a b': the label `app` of Service/a has a value that is not valid: can have only letters, digits, `-`, `_` and `.`, and must begin and end with a letter or digit",
                ),
            ),
            (deployment("name: c, env: [{name: A, value: '80'}, {name: B}], args: ['1']"), None),
            (
                "apiVersion: example.org/v1\nkind: W\nmetadata: {name: a}\nspec: {labels: {a: 1}, env: [1]}\n".to_owned(),
                None,
            ),
        ] {
            assert_eq!(wrong(&text).as_deref(), expected, "{text}");
        }
    }
}
