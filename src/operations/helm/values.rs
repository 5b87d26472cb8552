//! The values of a release: those of files, and those of parameters over them, with and without secrets.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

use super::parameters::Given;
use crate::change::Stop;
use crate::content::Assets;
use crate::operations::PlanContext;
use crate::operations::k8s::documents::values_of;
use crate::secret::{MASK, Secret, World, sha256_hex};
use crate::value::{Known, Text};

/// The worlds of [`Values`].
const WORLDS: [World; 3] = [World::Real, World::First, World::Second];

/// The values of a release.
pub(super) struct Values {
    real: Value,
    /// Pointers to those that came from secrets.
    pub(super) secret: BTreeSet<String>,
}

impl Values {
    /// Reads files of values, and puts `given` over them.
    ///
    /// `Known::No` if a value is not known yet. Errors: a file cannot be read, or is no table.
    pub(super) fn read(
        context: &PlanContext<'_>,
        given: Option<&Given>,
        files: &[String],
    ) -> Result<Known<Self>, Stop> {
        let mut worlds = WORLDS.map(|_| Value::Object(Map::new()));
        for path in files {
            let text = match text_of(context, path)? {
                Known::Yes(text) => text,
                Known::No(why) => return Ok(Known::No(why)),
            };
            for (world, values) in WORLDS.into_iter().zip(&mut worlds) {
                let own = values_of(text.in_world(world)).and_then(|own| {
                    if own.is_object() {
                        Ok(own)
                    } else {
                        Err("not a table of values".to_owned())
                    }
                });
                match own {
                    Ok(own) => merge(values, own),
                    Err(why) if world == World::Real => {
                        let title = format!("`templates/{path}` is not a file of values");
                        return Err(context
                            .refuse_item("values_files", path, title, why)
                            .hint("correct the file"));
                    }
                    // With other secrets it is no table: then all of it is secret.
                    Err(_) => *values = Value::Null,
                }
            }
        }
        if let Some(given) = given {
            if given.is_later() {
                return Ok(Known::No(
                    "`values` has a value that is known only after apply".to_owned(),
                ));
            }
            for (world, values) in WORLDS.into_iter().zip(&mut worlds) {
                merge(values, Value::Object(given.in_world(world).clone()));
            }
        }
        let [real, first, second] = worlds.map(plain);
        let mut secret = BTreeSet::new();
        differing(&real, [&first, &second], "", &mut secret);
        Ok(Known::Yes(Self { real, secret }))
    }

    /// As JSON in one line, as `helm get values -o json` prints them.
    pub(super) fn json(&self) -> String {
        let text = self.real.to_string();
        [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026")]
            .into_iter()
            .fold(text, |text, (sign, code)| text.replace(sign, code))
    }

    /// The values themselves, to decide by them. They are not to be shown.
    pub(super) fn real(&self) -> &Value {
        &self.real
    }

    /// With digests for what came from secrets, as facts have them.
    pub(super) fn with_digests(&self, context: &PlanContext<'_>) -> Value {
        let mut shown = self.real.clone();
        for pointer in &self.secret {
            if let Some(value) = shown.pointer_mut(pointer) {
                let digest = context.digests().digest(&sha256_hex(value.to_string().as_bytes())).0;
                *value = format!("{MASK} {digest}").into();
            }
        }
        shown
    }

    /// The texts that came from secrets.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let texts = self.secret.iter().filter_map(|pointer| self.real.pointer(pointer));
        texts
            .filter_map(|value| match value {
                Value::String(text) => Some(Secret::new(text.clone())),
                Value::Number(number) => Some(Secret::new(number.to_string())),
                _ => None,
            })
            .collect()
    }
}

/// The text of a file of values, rendered if it is a template.
fn text_of(context: &PlanContext<'_>, path: &str) -> Result<Known<Text>, Stop> {
    if path.ends_with(Assets::TEMPLATE_SUFFIX) {
        return Ok(match context.render_asset("values_files", path)? {
            Known::Yes(text) => Known::Yes(text),
            Known::No(why) => Known::No(format!("`templates/{path}` uses an unknown value: {why}")),
        });
    }
    let is_secret = context.is_encrypted_asset(path);
    let content = context.asset_or_secret("values_files", path)?;
    let text = content.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
    match text {
        Some(text) if is_secret => Ok(Known::Yes(Secret::new(text).into())),
        Some(text) => Ok(Known::Yes(Text::open(text.to_owned()))),
        None => {
            let title = format!("`templates/{path}` is not a file of values");
            Err(context
                .refuse_item("values_files", path, title, "not text, or larger than 1 MiB")
                .hint("name a file in YAML or JSON"))
        }
    }
}

/// Puts `over` over values, as Helm does it: tables are merged, anything else is replaced.
pub(super) fn merge(values: &mut Value, over: Value) {
    match (values, over) {
        (Value::Object(values), Value::Object(over)) => {
            for (name, value) in over {
                match values.get_mut(&name) {
                    Some(own) if own.is_object() && value.is_object() => merge(own, value),
                    _ => drop(values.insert(name, value)),
                }
            }
        }
        (values, over) => *values = over,
    }
}

/// Values in the order and with the numbers that Helm keeps.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(fields.into_iter().map(|(name, field)| (name, plain(field))).collect())
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Number(number) => Value::Number(whole(&number).unwrap_or(number)),
        other => other,
    }
}

/// A number with a point that is a whole one.
fn whole(number: &Number) -> Option<Number> {
    let text = number.to_string();
    let (whole, rest) = text.split_once('.')?;
    (rest == "0").then(|| whole.parse::<i64>().ok().map(Number::from))?
}

/// Pointers to what differs between the worlds.
fn differing(real: &Value, others: [&Value; 2], path: &str, into: &mut BTreeSet<String>) {
    if others == [real, real] {
        return;
    }
    match real {
        Value::Object(fields) if others.iter().all(|other| other.is_object()) => {
            for (name, field) in fields {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                let others = others.map(|other| other.get(name).unwrap_or(&Value::Null));
                differing(field, others, &path, into);
            }
        }
        Value::Array(items) if others.iter().all(|other| other.is_array()) => {
            for (index, item) in items.iter().enumerate() {
                let others = others.map(|other| other.get(index).unwrap_or(&Value::Null));
                differing(item, others, &format!("{path}/{index}"), into);
            }
        }
        _ => drop(into.insert(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn later_values_win_and_tables_are_merged() {
        let mut values = json!({ "a": { "b": 1, "c": [1] }, "d": 1 });
        merge(&mut values, json!({ "a": { "c": [2], "e": null }, "d": { "x": 1 } }));
        assert_eq!(values, json!({ "a": { "b": 1, "c": [2], "e": null }, "d": { "x": 1 } }));
    }

    #[test]
    fn what_differs_between_worlds_is_secret() {
        let real = json!({ "a": { "b/c": "secret", "d": 1 }, "e": ["x", "y"] });
        let first = json!({ "a": { "b/c": "other", "d": 1 }, "e": ["x", "z"] });
        let mut found = BTreeSet::new();
        differing(&real, [&first, &first], "", &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["/a/b~1c", "/e/1"]);
        let mut found = BTreeSet::new();
        differing(&real, [&Value::Null, &real], "", &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn values_are_as_helm_prints_them() {
        let real = plain(json!({ "b": 2.0, "a": { "d": "<&>", "c": 1.5 } }));
        let values = Values {
            real,
            secret: BTreeSet::new(),
        };
        assert_eq!(values.json(), r#"{"a":{"c":1.5,"d":"\u003c\u0026\u003e"},"b":2}"#);
    }
}
