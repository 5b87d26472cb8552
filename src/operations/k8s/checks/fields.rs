//! Objects of the kinds of the API server itself, against the fields that these have: misspelled keys, and values of another type.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde_json::Value;

use super::run::{Planned, Run};
use super::schema::{described, fits, name_of, way_to};
use crate::error::{Diagnostic, closest};
use crate::facts::kubernetes::{Answers, ObjectId};
use crate::operations::k8s::documents::sort_of;

/// Kinds with their types, and types with their fields.
const TABLE: &str = include_str!("fields.txt");

static TYPES: LazyLock<Types> = LazyLock::new(|| Types::read(TABLE));

/// The types of the API server.
///
/// What a value must be is written as `s` for a string, `i` for an integer, `n` for a number, `b` for a boolean, `*` for anything, `[x` for a
/// list and `{x` for a table of such values, and the name of a type.
struct Types {
    /// `v1.34`: that of the server that described them.
    minor: &'static str,
    /// By version and kind.
    kinds: HashMap<(&'static str, &'static str), &'static str>,
    /// By name, then by field.
    fields: HashMap<&'static str, BTreeMap<&'static str, &'static str>>,
}

impl Types {
    fn read(table: &'static str) -> Self {
        let (mut kinds, mut fields) = (HashMap::new(), HashMap::new());
        let mut version = "";
        for line in table.lines() {
            let mut words = line.split(' ');
            match words.next() {
                Some("#") => version = line.rsplit(' ').next().unwrap_or_default(),
                Some("kind") => {
                    if let (Some(version), Some(kind), Some(name)) = (words.next(), words.next(), words.next()) {
                        kinds.insert((version, kind), name);
                    }
                }
                Some(name) => {
                    fields.insert(name, words.filter_map(|word| word.split_once('=')).collect());
                }
                None => {}
            }
        }
        Self {
            minor: version.rsplit_once('.').map_or(version, |(minor, _)| minor),
            kinds,
            fields,
        }
    }

    fn of(&self, id: &ObjectId) -> Option<&'static str> {
        self.kinds.get(&(id.api_version().as_str(), id.kind.as_str())).copied()
    }

    /// Whether a cluster has these types and no others.
    fn are_of(&self, cluster: Option<&Answers>) -> bool {
        cluster.is_some_and(|cluster| {
            let rest = cluster.version.strip_prefix(self.minor);
            rest.is_some_and(|rest| rest.starts_with('.'))
        })
    }
}

/// Fields that the kinds of objects do not have, and values that they do not take.
pub(super) fn wrong_fields(run: &Run<'_>) -> Vec<Diagnostic> {
    let is_same = TYPES.are_of(run.cluster);
    // Another version may have more fields: what is far from all that are known is left to its server.
    let is_other = run.cluster.is_some() && !is_same;
    let mut found = Vec::new();
    for object in run.objects.iter().filter(|object| !object.object.is_null()) {
        if let Some(code) = TYPES.of(object.id) {
            let mut check = Check {
                object,
                is_same,
                is_other,
                found: &mut found,
            };
            check.value(code, object.object, object.masked, "");
        }
    }
    found
}

/// The field of a kind that was probably meant by the last part of a pointer.
pub(in crate::operations::k8s) fn meant(id: &ObjectId, pointer: &str) -> Option<&'static str> {
    let (above, last) = pointer.rsplit_once('/')?;
    let mut code = TYPES.of(id)?;
    for part in above.split('/').skip(1) {
        code = match code.strip_prefix(['[', '{']) {
            Some(item) => item,
            None => TYPES.fields.get(code)?.get(unescaped(part).as_str())?,
        };
    }
    closest(&unescaped(last), TYPES.fields.get(code)?.keys().copied())
}

struct Check<'a, 'r> {
    object: &'a Planned<'r>,
    /// Whether the cluster is known to have these types and no others, or known to have others.
    is_same: bool,
    is_other: bool,
    found: &'a mut Vec<Diagnostic>,
}

impl Check<'_, '_> {
    /// Adds what does not fit at a pointer and below. `masked` is the value as reviews show it.
    fn value(&mut self, code: &str, value: &Value, masked: &Value, pointer: &str) {
        let (wanted, item) = match code.split_at_checked(1) {
            Some(("s", "")) => ("string", ""),
            Some(("i", "")) => ("integer", ""),
            Some(("n", "")) => ("number", ""),
            Some(("b", "")) => ("boolean", ""),
            Some(("[", item)) => ("array", item),
            Some(("{", item)) => ("object", item),
            _ if TYPES.fields.contains_key(code) => ("object", ""),
            _ => return,
        };
        // The server removes what is nothing.
        if value.is_null() {
            return;
        }
        if !fits(wanted, value) {
            self.found.push(self.of_another_type(wanted, value, pointer));
            return;
        }
        match value {
            Value::Object(table) => {
                let fields = TYPES.fields.get(code);
                for (key, value) in table {
                    let below = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                    // A key that came from a secret is named nowhere.
                    let Some(masked) = masked.get(key) else { continue };
                    match fields.map(|fields| fields.get(key.as_str())) {
                        None => self.value(item, value, masked, &below),
                        Some(Some(code)) => self.value(code, value, masked, &below),
                        Some(None) => {
                            let known = fields.into_iter().flat_map(BTreeMap::keys).copied();
                            let unknown = self.unknown(key, &below, closest(key, known));
                            self.found.extend(unknown);
                        }
                    }
                }
            }
            Value::Array(items) => {
                for (at, value) in items.iter().enumerate() {
                    let masked = masked.get(at).unwrap_or(&Value::Null);
                    self.value(item, value, masked, &format!("{pointer}/{at}"));
                }
            }
            _ => {}
        }
    }

    fn of_another_type(&self, wanted: &str, value: &Value, pointer: &str) -> Diagnostic {
        let id = self.object.id;
        let title = format!(
            "`{}` of {}/{} must be {}",
            name_of(pointer),
            id.kind,
            id.name,
            described(wanted)
        );
        Diagnostic::new(title)
            .at(&self.object.place(pointer), sort_of(value))
            .hint(way_to(wanted, value))
    }

    fn unknown(&self, key: &str, pointer: &str, near: Option<&str>) -> Option<Diagnostic> {
        if self.is_other || (near.is_none() && !self.is_same) {
            return None;
        }
        let id = self.object.id;
        let above = pointer.rsplit_once('/').map(|(above, _)| name_of(above));
        let above = above.filter(|above| !above.is_empty());
        let label = above.map_or("no such field".to_owned(), |above| {
            format!("`{above}` has no such field")
        });
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "remove it, or move it to where it belongs".to_owned(),
        };
        let mistake = Diagnostic::new(format!("unknown field `{key}` in {}/{}", id.kind, id.name));
        Some(mistake.at(&self.object.key_place(pointer), label).hint(hint))
    }
}

fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{of, told};
    use super::*;

    fn deployment(spec: &Value) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "x" }, "spec": spec })
    }

    fn in_pods(spec: &Value) -> Value {
        deployment(&json!({ "template": { "spec": spec } }))
    }

    #[test]
    fn each_type_of_the_table_is_in_it() {
        for (name, fields) in &TYPES.fields {
            for (field, code) in fields {
                let of = code.trim_start_matches(['[', '{']);
                let is_known = matches!(of, "s" | "i" | "n" | "b" | "*") || TYPES.fields.contains_key(of);
                assert!(is_known, "{name} {field} {code}");
            }
        }
        assert!(TYPES.kinds.values().all(|name| TYPES.fields.contains_key(name)));
        assert!(TYPES.minor.starts_with("v1."), "{}", TYPES.minor);
    }

    #[test]
    fn objects_have_the_fields_of_their_kinds() {
        let version = |version: &str| Answers {
            version: version.to_owned(),
            ..Answers::default()
        };
        let same = version(&format!("{}.0+k3s1", TYPES.minor));
        let newer = version("v1.999.0");
        let misspelled = "x/spec/template/spec/contianers (key): unknown field `contianers` in Deployment/x; did you mean `containers`?";
        let misplaced =
            "x/spec/image (key): unknown field `image` in Deployment/x; remove it, or move it to where it belongs";
        let text = "x/spec/replicas: `spec.replicas` of Deployment/x must be an integer; write it without quotes";
        for (object, cluster, expected) in [
            (
                in_pods(&json!({ "contianers": [{ "name": "c" }] })),
                None,
                &[misspelled][..],
            ),
            (in_pods(&json!({ "contianers": [] })), Some(&same), &[misspelled]),
            (in_pods(&json!({ "contianers": [] })), Some(&newer), &[]),
            // What is far from all fields may be one of a newer version.
            (deployment(&json!({ "image": "a" })), None, &[]),
            (deployment(&json!({ "image": "a" })), Some(&same), &[misplaced]),
            (deployment(&json!({ "image": "a" })), Some(&newer), &[]),
            (
                in_pods(&json!({ "containers": [{ "name": "c", "imagePullPolcy": "Always" }] })),
                None,
                &[
                    "x/spec/template/spec/containers/0/imagePullPolcy (key): unknown field `imagePullPolcy` in Deployment/x; did you mean `imagePullPolicy`?",
                ],
            ),
            (deployment(&json!({ "replicas": "2" })), None, &[text]),
            (
                deployment(&json!({ "replicas": "2", "paused": "no" })),
                Some(&newer),
                &[
                    text,
                    "x/spec/paused: `spec.paused` of Deployment/x must be a boolean; write it without quotes",
                ],
            ),
            (
                in_pods(&json!({ "containers": { "name": "c" } })),
                None,
                &[
                    "x/spec/template/spec/containers: `spec.template.spec.containers` of Deployment/x must be a list; write a list",
                ],
            ),
            // Either type, nothing, tables of texts, and what is of the server.
            (
                in_pods(
                    &json!({ "containers": [{ "name": "c", "livenessProbe": { "httpGet": { "port": "http" } }, "resources": { "limits": { "cpu": 1, "memory": "1Gi" } } }],
                    "nodeSelector": { "any/thing": "a" }, "priority": null, "terminationGracePeriodSeconds": 30 }),
                ),
                Some(&same),
                &[],
            ),
            (
                json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "x" }, "spec": { "ports": [{ "port": 80, "targetPort": 8080 }] }, "status": { "loadBalancer": {} } }),
                Some(&same),
                &[],
            ),
            (
                json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x" }, "dta": { "a": "b" } }),
                None,
                &["x/dta (key): unknown field `dta` in ConfigMap/x; did you mean `data`?"],
            ),
            (
                json!({ "apiVersion": "example.org/v1", "kind": "ConfigMap", "metadata": { "name": "x" }, "dta": {} }),
                Some(&same),
                &[],
            ),
        ] {
            let found = told(of(std::slice::from_ref(&object), cluster, wrong_fields));
            assert_eq!(found, expected, "{object}");
        }
    }

    #[test]
    fn what_was_meant_is_found_by_a_pointer() {
        let id = ObjectId {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            kind: "Deployment".to_owned(),
            ..ObjectId::default()
        };
        for (pointer, expected) in [
            ("/spec/template/spec/contianers", Some("containers")),
            (
                "/spec/template/spec/containers/3/imagePullPolcy",
                Some("imagePullPolicy"),
            ),
            ("/spec/template/spec/containers/3/farAway", None),
            ("/nowhere/contianers", None),
            ("", None),
        ] {
            assert_eq!(meant(&id, pointer), expected, "{pointer}");
        }
    }
}
