//! A field of an object, wherever the items of lists are.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a field is in an object, in the notation of `managedFields`: `f:NAME` for the key of a table, and `k:{"name":"web"}` for the item
/// of a list that has these keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldPath(Vec<String>);

/// A field that is owned only together with what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnedAsWhole;

/// Lists whose items the API server merges, by the keys that items are known by. It replaces all other lists as a whole.
const MERGED: [(&str, &[&str]); 12] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("env", &["name"]),
    ("volumes", &["name"]),
    ("imagePullSecrets", &["name"]),
    ("secrets", &["name"]),
    ("webhooks", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    // Of containers and of Services: whichever the item has.
    ("ports", &["containerPort", "protocol"]),
    ("ports", &["port", "protocol"]),
];

impl FieldPath {
    /// The path of the field that a JSON pointer leads to.
    ///
    /// Errors: it leads to nothing (`None`), or into a list that the API server replaces as a whole, which is named.
    pub fn of(object: &Value, pointer: &str) -> Result<Self, Option<String>> {
        let (mut parts, mut value, mut list) = (Vec::new(), object, String::new());
        for part in pointer.split('/').skip(1) {
            let name = part.replace("~1", "/").replace("~0", "~");
            value = match value {
                Value::Object(fields) => {
                    parts.push(format!("f:{name}"));
                    let field = fields.get(&name).ok_or(None)?;
                    list = name;
                    field
                }
                Value::Array(items) => {
                    let item = name.parse().ok().and_then(|at: usize| items.get(at)).ok_or(None)?;
                    parts.push(item_key(&list, item).ok_or_else(|| Some(list.clone()))?);
                    item
                }
                _ => return Err(None),
            };
        }
        Ok(Self(parts))
    }

    /// The field's value in an object.
    pub fn find<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(object, |value, part| match value {
            Value::Array(items) => items.iter().find(|item| is_item(part, item)),
            value => value.get(part.strip_prefix("f:")?),
        })
    }

    /// Takes the field out of an object, with tables and lists that have nothing else.
    pub fn remove(&self, object: &mut Value) {
        remove(object, &self.0);
    }

    /// Puts the field into an object, with the tables around it. The item of a list must be there.
    pub fn put(&self, object: &mut Value, value: Value) {
        let Some((last, above)) = self.0.split_last() else {
            return;
        };
        let mut place = object;
        for part in above {
            let next = match place {
                Value::Array(items) => items.iter_mut().find(|item| is_item(part, item)),
                Value::Object(fields) => {
                    let name = part.strip_prefix("f:").unwrap_or(part);
                    Some(fields.entry(name).or_insert_with(|| Value::Object(Map::new())))
                }
                _ => None,
            };
            let Some(next) = next else { return };
            place = next;
        }
        if let (Value::Object(fields), Some(name)) = (place, last.strip_prefix("f:")) {
            fields.insert(name.to_owned(), value);
        }
    }

    /// Takes the field out of the `fieldsV1` of an owner; the JSON pointer of what was taken out, if it was there. What has nothing else
    /// goes with it, since a table without keys would mean all of that table.
    ///
    /// Errors: the owner has the field only together with what is around it.
    pub fn release(&self, tree: &mut Value) -> Result<Option<String>, OwnedAsWhole> {
        let mut node = &*tree;
        // How many parts stay, of what is taken out.
        let mut stays = 0;
        for (at, part) in self.0.iter().enumerate() {
            let Some(next) = node.get(part) else {
                let is_leaf = at > 0 && node.as_object().is_none_or(Map::is_empty);
                return if is_leaf { Err(OwnedAsWhole) } else { Ok(None) };
            };
            let has_more = node
                .as_object()
                .is_some_and(|keys| keys.keys().any(|key| key != "." && key != part));
            if has_more {
                stays = at;
            }
            node = next;
        }
        let gone = &self.0[..=stays];
        let escaped = gone.iter().map(|part| part.replace('~', "~0").replace('/', "~1"));
        let pointer = escaped.fold(String::new(), |pointer, part| pointer + "/" + &part);
        let (last, above) = gone.split_last().unwrap_or((&self.0[0], &[]));
        let holder = above.iter().try_fold(tree, |node, part| node.get_mut(part));
        if let Some(holder) = holder {
            without(holder, last);
        }
        Ok(Some(pointer))
    }
}

/// What the API server will write down as owned by the manager that applies `object`.
pub fn owned_by_applying(object: &Value) -> Value {
    fn mirrored(value: &Value, list: &str) -> Value {
        let keys: Map<String, Value> = match value {
            Value::Object(fields) => {
                let of = |(name, field): (&String, &Value)| (format!("f:{name}"), mirrored(field, name));
                fields.iter().map(of).collect()
            }
            Value::Array(items) => {
                let of = |item: &Value| Some((item_key(list, item)?, mirrored(item, "")));
                items.iter().map(of).collect::<Option<_>>().unwrap_or_default()
            }
            _ => Map::new(),
        };
        Value::Object(keys)
    }
    let mut tree = mirrored(object, "");
    for key in ["f:apiVersion", "f:kind"] {
        without(&mut tree, key);
    }
    if let Some(metadata) = tree.get_mut("f:metadata") {
        for key in ["f:name", "f:namespace"] {
            without(metadata, key);
        }
        if metadata.as_object().is_some_and(Map::is_empty) {
            without(&mut tree, "f:metadata");
        }
    }
    tree
}

fn without(table: &mut Value, key: &str) {
    if let Some(keys) = table.as_object_mut() {
        keys.shift_remove(key);
    }
}

fn remove(value: &mut Value, path: &[String]) {
    let Some((part, below)) = path.split_first() else {
        return;
    };
    match value {
        Value::Object(fields) => {
            let name = part.strip_prefix("f:").unwrap_or(part);
            let Some(field) = fields.get_mut(name) else { return };
            remove(field, below);
            let is_empty = match field {
                Value::Object(fields) => fields.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => false,
            };
            if below.is_empty() || is_empty {
                fields.shift_remove(name);
            }
        }
        Value::Array(items) => match items.iter().position(|item| is_item(part, item)) {
            Some(at) if below.is_empty() => drop(items.remove(at)),
            Some(at) => remove(&mut items[at], below),
            None => {}
        },
        _ => {}
    }
}

/// By what an item of a list is known, as in `managedFields`.
fn item_key(list: &str, item: &Value) -> Option<String> {
    let of = |keys: &[&str]| {
        let pairs = keys.iter().map(|key| {
            let value = item.get(key).cloned();
            let default = || (*key == "protocol").then(|| Value::from("TCP"));
            Some(((*key).to_owned(), value.or_else(default)?))
        });
        let pairs: Map<String, Value> = pairs.collect::<Option<_>>()?;
        Some(format!("k:{}", Value::Object(pairs)))
    };
    let mut merged = MERGED.iter().filter(|(name, _)| *name == list);
    merged.find_map(|(_, keys)| of(keys))
}

/// Whether a key of `managedFields` is that of this item of a list.
pub fn is_item(key: &str, item: &Value) -> bool {
    let Some((sort, text)) = key.split_once(':') else {
        return false;
    };
    let has = |name: &String, value: &Value| match item.get(name) {
        Some(own) => own == value,
        None => name == "protocol" && value == "TCP",
    };
    match (sort, serde_json::from_str(text)) {
        ("k", Ok(Value::Object(keys))) => keys.iter().all(|(name, value)| has(name, value)),
        ("v", Ok(value)) => *item == value,
        _ => false,
    }
}

impl fmt::Display for FieldPath {
    /// `spec.template.spec.containers[name=web].image`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            match part.strip_prefix("f:") {
                Some(name) if at == 0 => write!(formatter, "{name}")?,
                Some(name) => write!(formatter, ".{name}")?,
                None => {
                    let text = part.split_once(':').map_or("", |(_, text)| text);
                    let keys: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
                    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let pairs: Vec<String> = keys
                        .iter()
                        .map(|(key, value)| format!("{key}={}", plain(value)))
                        .collect();
                    write!(formatter, "[{}]", pairs.join(","))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment() -> Value {
        json!({
            "apiVersion": "apps/v1",
            "metadata": { "name": "web", "annotations": { "a/b": "x" } },
            "spec": {
                "replicas": 2,
                "hosts": [{ "host": "a" }],
                "containers": [{ "name": "web", "image": "i:1", "ports": [{ "containerPort": 80 }] }],
            },
        })
    }

    #[test]
    fn a_pointer_is_a_path_that_knows_items_by_their_keys() {
        let path = |pointer: &str| FieldPath::of(&deployment(), pointer).map(|path| path.to_string());
        for (pointer, expected) in [
            ("/spec/replicas", Ok("spec.replicas")),
            ("/metadata/annotations/a~1b", Ok("metadata.annotations.a/b")),
            ("/spec/containers/0/image", Ok("spec.containers[name=web].image")),
            (
                "/spec/containers/0/ports/0/containerPort",
                Ok("spec.containers[name=web].ports[containerPort=80,protocol=TCP].containerPort"),
            ),
            ("/spec/hosts/0/host", Err(Some("hosts".to_owned()))),
            ("/spec/hosts", Ok("spec.hosts")),
            ("/spec/containers/1", Err(None)),
            ("/spec/other", Err(None)),
            ("/spec/replicas/x", Err(None)),
        ] {
            assert_eq!(path(pointer), expected.map(str::to_owned), "{pointer}");
        }
    }

    #[test]
    fn fields_are_found_taken_out_and_put_back() {
        let other = json!({ "spec": { "containers": [{ "name": "side" }, { "name": "web", "image": "i:2" }] } });
        for (pointer, found, without) in [
            ("/spec/replicas", None, other.clone()),
            (
                "/spec/containers/0/image",
                Some(json!("i:2")),
                json!({ "spec": { "containers": [{ "name": "side" }, { "name": "web" }] } }),
            ),
            ("/spec/containers", Some(other["spec"]["containers"].clone()), json!({})),
        ] {
            let path = FieldPath::of(&deployment(), pointer).unwrap();
            assert_eq!(path.find(&other).cloned(), found, "{pointer}");
            let mut less = other.clone();
            path.remove(&mut less);
            assert_eq!(less, without, "{pointer}");
            if let Some(found) = found {
                path.put(&mut less, found);
                assert_eq!(less, other, "{pointer}");
            }
        }
    }

    #[test]
    fn ownership_of_a_field_is_given_up_with_what_would_be_empty() {
        let owned = json!({
            "f:data": { "f:a.b": {}, "f:c/d": {} },
            "f:metadata": { "f:annotations": { "f:a/b": {} } },
            "f:spec": {
                "f:selector": {},
                "f:containers": { "k:{\"name\":\"web\"}": { ".": {}, "f:name": {}, "f:image": {} } },
            },
        });
        let object = json!({
            "data": { "a.b": "", "c/d": "", "e": "" },
            "metadata": { "annotations": { "a/b": "" } },
            "spec": { "selector": { "app": "" }, "containers": [{ "name": "web", "image": "" }] },
        });
        for (pointer, expected) in [
            ("/data/a.b", Ok(Some("/f:data/f:a.b"))),
            ("/data/c~1d", Ok(Some("/f:data/f:c~1d"))),
            ("/data/e", Ok(None)),
            ("/data", Ok(Some("/f:data"))),
            ("/metadata/annotations/a~1b", Ok(Some("/f:metadata"))),
            ("/spec/selector/app", Err(OwnedAsWhole)),
            (
                "/spec/containers/0/image",
                Ok(Some("/f:spec/f:containers/k:{\"name\":\"web\"}/f:image")),
            ),
        ] {
            let mut tree = owned.clone();
            let released = FieldPath::of(&object, pointer).unwrap().release(&mut tree);
            assert_eq!(released, expected.map(|one| one.map(str::to_owned)), "{pointer}");
            if let Ok(Some(released)) = released {
                assert!(owned.pointer(&released).is_some(), "{released}");
                assert!(tree.pointer(&released).is_none(), "{tree}");
            }
        }
    }

    #[test]
    fn what_applying_will_own_has_no_identity_and_lists_as_a_whole_or_by_keys() {
        let expected = json!({
            "f:metadata": { "f:annotations": { "f:a/b": {} } },
            "f:spec": {
                "f:replicas": {},
                "f:hosts": {},
                "f:containers": { "k:{\"name\":\"web\"}": {
                    "f:name": {}, "f:image": {},
                    "f:ports": { "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": { "f:containerPort": {} } },
                } },
            },
        });
        assert_eq!(owned_by_applying(&deployment()), expected);
    }
}
