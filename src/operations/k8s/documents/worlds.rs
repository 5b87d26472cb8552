//! An object in all worlds: what differs between them came from a secret, and is not shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::secret::{Cover, Secret, Sort, World};

/// An object with and without its secrets.
#[derive(Clone)]
pub(super) struct Worlds {
    real: Value,
    decoys: Decoys,
    cover: Cover,
}

/// What an object is with other secrets.
#[derive(Clone)]
enum Decoys {
    /// The same: it has none.
    Same,
    Known(Box<[Value; 2]>),
    /// With other secrets it is no object, so nothing of it may be shown.
    Unknown,
}

impl Worlds {
    /// An object without secrets.
    pub(super) fn open(real: Value) -> Self {
        Self {
            real,
            decoys: Decoys::Same,
            cover: Cover::default(),
        }
    }

    /// An object that came from a text with secrets, and what others make of it, if that can be read.
    pub(super) fn of(real: Value, decoys: Option<[Value; 2]>, cover: Cover) -> Self {
        let decoys = match decoys {
            Some([first, second]) if first == real && second == real => Decoys::Same,
            Some(decoys) => Decoys::Known(Box::new(decoys)),
            None => Decoys::Unknown,
        };
        Self { real, decoys, cover }
    }

    pub(super) fn real(&self) -> &Value {
        &self.real
    }

    /// Changes it in the same way in each world. What it gives in the real world is the result.
    pub(super) fn edit<T>(&mut self, mut edit: impl FnMut(&mut Value) -> T) -> T {
        if let Decoys::Known(decoys) = &mut self.decoys {
            for decoy in decoys.iter_mut() {
                edit(decoy);
            }
        }
        edit(&mut self.real)
    }

    /// Changes it by what differs between the worlds.
    pub(super) fn edit_worlds<T>(&mut self, cover: Cover, mut edit: impl FnMut(&mut Value, World) -> T) -> T {
        if matches!(self.decoys, Decoys::Same) {
            self.decoys = Decoys::Known(Box::new([self.real.clone(), self.real.clone()]));
            self.cover = cover;
        } else {
            self.cover = self.cover.max(cover);
        }
        if let Decoys::Known(decoys) = &mut self.decoys {
            edit(&mut decoys[0], World::First);
            edit(&mut decoys[1], World::Second);
        }
        let found = edit(&mut self.real, World::Real);
        if let Decoys::Known(decoys) = &self.decoys
            && decoys.iter().all(|decoy| *decoy == self.real)
        {
            self.decoys = Decoys::Same;
        }
        found
    }

    /// As reviews show it. All data of a Secret is hidden.
    pub(super) fn masked(&self) -> Value {
        let mut masked = match &self.decoys {
            Decoys::Same => self.real.clone(),
            Decoys::Known(decoys) => mask(&self.real, [Some(&decoys[0]), Some(&decoys[1])], self.cover),
            Decoys::Unknown => hidden(&self.real, self.cover),
        };
        if is_secret(&self.real)
            && let Some(Value::Object(data)) = masked.get_mut("data")
        {
            for value in data.values_mut() {
                let is_later = matches!(self.cover, Cover::Later) && value.as_str() == Some(Cover::Later.as_str());
                if !is_later {
                    *value = Value::from(Cover::Secret.as_str());
                }
            }
        }
        masked
    }
}

/// Whether an object is a Secret.
pub(super) fn is_secret(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) == Some("Secret")
        && object.get("apiVersion").and_then(Value::as_str) == Some("v1")
}

/// `real` with a mask wherever the others differ.
fn mask(real: &Value, others: [Option<&Value>; 2], cover: Cover) -> Value {
    if others == [Some(real), Some(real)] {
        return real.clone();
    }
    match real {
        Value::Object(table) => {
            let entry = |(key, value): (&String, &Value)| {
                let others = others.map(|other| other.and_then(|other| other.get(key)));
                (key.clone(), mask(value, others, cover))
            };
            // A key that others do not have may itself be the secret.
            let are_keys_open = others
                .iter()
                .all(|other| matches!(other, Some(Value::Object(other)) if other.keys().eq(table.keys())));
            if are_keys_open {
                Value::Object(table.iter().map(entry).collect::<Map<_, _>>())
            } else {
                Value::from(cover.as_str())
            }
        }
        Value::Array(items) => {
            let lists = others.map(|other| other.and_then(Value::as_array).filter(|one| one.len() == items.len()));
            let item = |(at, item): (usize, &Value)| {
                let others = lists.map(|list| list.and_then(|list| list.get(at)));
                mask(item, others, cover)
            };
            Value::Array(items.iter().enumerate().map(item).collect())
        }
        Value::String(text) => match others {
            [Some(Value::String(first)), Some(Value::String(second))] => {
                let texts = [text.clone(), first.clone(), second.clone()];
                let secret = Secret::of_worlds(texts, Sort::Text).covered_by(cover);
                Value::String(secret.masked())
            }
            _ => Value::from(cover.as_str()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => Value::from(cover.as_str()),
    }
}

/// Only which object it is.
fn hidden(real: &Value, cover: Cover) -> Value {
    let mut shown = Map::new();
    let Value::Object(table) = real else {
        return Value::from(cover.as_str());
    };
    for (key, value) in table {
        let value = match key.as_str() {
            "apiVersion" | "kind" => value.clone(),
            "metadata" => {
                let kept = ["name", "namespace"].into_iter();
                let kept = kept.filter_map(|key| Some((key.to_owned(), value.get(key)?.clone())));
                Value::Object(kept.collect())
            }
            _ => Value::from(cover.as_str()),
        };
        shown.insert(key.clone(), value);
    }
    Value::Object(shown)
}

/// Turns `stringData` into `data`, which the API server does anyway: a key that is removed from `stringData` would stay.
pub(super) fn encode_text(object: &mut Value) {
    let Some(table) = object.as_object_mut() else { return };
    let Some(Value::Object(texts)) = table.get("stringData").cloned() else {
        table.retain(|key, value| key != "stringData" || !value.is_null());
        return;
    };
    // `data` stands where `stringData` stood.
    let encoded: Map<String, Value> = texts
        .into_iter()
        .map(|(key, text)| {
            let text = text.as_str().map(str::to_owned).unwrap_or_default();
            (key, Value::String(STANDARD.encode(text)))
        })
        .collect();
    let mut data = match table.shift_remove("data") {
        Some(Value::Object(data)) => data,
        _ => Map::new(),
    };
    data.extend(encoded);
    let whole = std::mem::take(table);
    for (key, value) in whole {
        if key == "stringData" {
            table.insert("data".to_owned(), Value::Object(std::mem::take(&mut data)));
        } else {
            table.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_between_worlds_is_not_shown() {
        let object = |password: &str, port: u64, extra: Value| {
            json!({ "kind": "ConfigMap", "metadata": { "name": "a" }, "port": port,
                "url": format!("http://u:{password}@h/"), "list": [password, "x"], "extra": extra })
        };
        let worlds = Worlds::of(
            object("abc", 80, json!({ "a": 1 })),
            Some([
                object("bcd", 91, json!({ "b": 1 })),
                object("cde", 72, json!({ "c": 1 })),
            ]),
            Cover::Secret,
        );
        let expected = json!({ "kind": "ConfigMap", "metadata": { "name": "a" }, "port": "[secret]",
            "url": "http://u:[secret]@h/", "list": ["[secret]", "x"], "extra": "[secret]" });
        assert_eq!(worlds.masked(), expected);
        let worlds = Worlds::of(object("abc", 80, json!(1)), None, Cover::Secret);
        let expected = json!({ "kind": "ConfigMap", "metadata": { "name": "a" }, "port": "[secret]",
            "url": "[secret]", "list": "[secret]", "extra": "[secret]" });
        assert_eq!(worlds.masked(), expected);
    }

    #[test]
    fn the_data_of_a_secret_is_hidden_wherever_it_comes_from() {
        let mut worlds = Worlds::open(
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a" },
            "data": { "a": "eA==", "b": "eQ==" }, "stringData": { "b": "ü", "c": "z" }, "type": "Opaque" }),
        );
        worlds.edit(encode_text);
        let data = json!({ "a": "eA==", "b": "w7w=", "c": "eg==" });
        assert_eq!(worlds.real()["data"], data);
        assert!(worlds.real().get("stringData").is_none());
        let masked = worlds.masked();
        assert_eq!(
            masked["data"],
            json!({ "a": "[secret]", "b": "[secret]", "c": "[secret]" })
        );
        assert_eq!(masked["type"], "Opaque");
    }

    #[test]
    fn a_value_from_a_secret_covers_only_itself() {
        let mut worlds = Worlds::open(json!({ "kind": "X", "a": "open", "b": "open" }));
        worlds.edit_worlds(Cover::Secret, |object, world| {
            object["b"] = json!(match world {
                World::Real => "pw1",
                World::First => "qx2",
                World::Second => "ry3",
            });
        });
        assert_eq!(worlds.masked(), json!({ "kind": "X", "a": "open", "b": "[secret]" }));
        assert_eq!(worlds.real()["b"], "pw1");
        worlds.edit_worlds(Cover::Secret, |object, _| object["b"] = json!("x"));
        assert_eq!(worlds.masked(), *worlds.real());
    }
}
