//! Operations on one object, which parameters describe: manifests of one object.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::decision::{BY_CLIENT, Rules};
use super::documents::is_lost;
use super::manifest::Manifest;
use super::parameters::Wait;
use super::reach::api;
use super::set::Set;
use super::wish::Described;
use super::{planned, removal};
use crate::change::{Outcome, Stop};
use crate::content::Assets;
use crate::error::Origin;
use crate::facts::FactKey;
use crate::facts::kubernetes::{Api, ObjectId};
use crate::facts::overlay::FactScope;
use crate::operations::PlanContext;
use crate::operations::cluster_objects::{ClusterObject, ClusterObjects, Places};
use crate::secret::MASK;
use crate::value::{Known, Text};

/// What to do about an object that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum IfExists {
    #[default]
    Update,
    Keep,
}

/// One object.
pub(super) struct Single<'a> {
    /// The parameter with its name.
    pub(super) argument: &'static str,
    pub(super) kubeconfig: Option<&'a str>,
    pub(super) kind: &'static str,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: &'a str,
    /// What it has beside its name, and the same as reviews show it.
    pub(super) fields: [Map<String, Value>; 2],
    pub(super) is_kept: bool,
    pub(super) present: bool,
}

/// How long its deletion may take.
const WITHIN: Duration = Duration::from_secs(120);

impl Single<'_> {
    pub(super) fn plan(self, context: &PlanContext<'_>) -> Result<Outcome, Stop> {
        check(context, self.argument, self.name)?;
        if let Some(namespace) = self.namespace {
            check(context, "namespace", namespace)?;
        }
        let api = api(context, self.kubeconfig)?;
        let [object, masked] = self.fields.clone().map(|fields| self.object(fields));
        let manifest = Manifest {
            object,
            masked,
            place: context.origin_of(self.argument).clone(),
            places: written_at(context.origin_of(self.argument)),
            id: ObjectId {
                group: String::new(),
                version: "v1".to_owned(),
                kind: self.kind.to_owned(),
                namespace: self.namespace.map(str::to_owned),
                name: self.name.to_owned(),
            },
        };
        let adopt = [BY_CLIENT.to_owned()];
        let set = Set {
            api,
            argument: self.argument,
            name: None,
            namespace: self.namespace,
            rules: Rules {
                adopt: &adopt,
                recreate: &[],
            },
            wait: &Wait::All(false),
            within: WITHIN,
        };
        let described = vec![Described {
            manifest,
            is_kept: self.is_kept,
            kept_fields: Vec::new(),
        }];
        if self.present {
            planned::plan(&set, context, described)
        } else {
            removal::plan(&set, context, described)
        }
    }

    fn object(&self, fields: Map<String, Value>) -> Value {
        let mut metadata = json!({ "name": self.name });
        if let Some(namespace) = self.namespace {
            metadata["namespace"] = namespace.into();
        }
        let mut object = json!({ "apiVersion": "v1", "kind": self.kind, "metadata": metadata });
        for (name, field) in fields {
            match (name.as_str(), object.get_mut("metadata")) {
                ("labels", Some(metadata)) => metadata["labels"] = field,
                _ => object[name.as_str()] = field,
            }
        }
        object
    }
}

/// Refuses a name that no object can have.
fn check(context: &PlanContext<'_>, argument: &str, name: &str) -> Result<(), Stop> {
    let is_edge = |edge: Option<u8>| edge.is_some_and(|edge| edge.is_ascii_lowercase() || edge.is_ascii_digit());
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let bytes = name.as_bytes();
    let longest = if argument == "namespace" { 63 } else { 253 };
    if is_edge(bytes.first().copied())
        && is_edge(bytes.last().copied())
        && bytes.iter().all(|byte| is_inner(*byte))
        && bytes.len() <= longest
    {
        return Ok(());
    }
    let title = format!("`{name}` is not a valid name");
    let label = format!("use at most {longest} lower-case letters, digits and `-`");
    Err(context.refuse(argument, title, label).hint("choose another name"))
}

/// The places of an object that parameters describe.
fn written_at(place: &Origin) -> Places {
    let place = place.clone();
    Arc::new(move |_, _| place.clone())
}

/// The object of each of these operations, as the checks of the whole run see it: with the keys of its data, without their values.
pub(super) fn cluster_objects(
    context: &PlanContext<'_>,
    kubeconfig: Option<&String>,
    (kind, namespace, name): (&str, Option<&str>, &str),
    keys: &[&str],
    (is_present, is_kept): (bool, bool),
) -> ClusterObjects {
    let object = if keys.is_empty() {
        Value::Null
    } else {
        let keys = keys.iter().map(|key| ((*key).to_owned(), Value::Null));
        json!({ "data": keys.collect::<Map<_, _>>() })
    };
    let object = ClusterObject {
        id: ObjectId {
            group: String::new(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        },
        masked: object.clone(),
        object,
        is_kept,
        places: written_at(context.origin_of("namespace")),
    };
    ClusterObjects {
        api: Api {
            kubeconfig: kubeconfig.cloned(),
        },
        objects: Some(is_present.then_some(object).into_iter().collect()),
        ..ClusterObjects::default()
    }
}

/// The facts that each of these operations needs.
pub(in crate::operations) fn needs(kubeconfig: Option<&String>) -> Vec<FactKey> {
    vec![FactKey::KubernetesCluster(Api {
        kubeconfig: kubeconfig.cloned(),
    })]
}

/// What each of these operations may change: which objects there are is only known from files and the cluster.
pub(in crate::operations) fn touches() -> Vec<FactScope> {
    vec![FactScope::Kubernetes]
}

/// The values of an object, with the same as reviews show them.
pub(super) struct Data {
    /// By key: the bytes, and what is shown of them if they are text.
    pub(super) values: BTreeMap<String, (Vec<u8>, Option<String>)>,
}

impl Data {
    /// The values that parameters give, and those of files of the project. The names of templates end in `.j2`.
    ///
    /// `Known::No` if a template uses a value that is not known yet.
    pub(super) fn read(
        context: &PlanContext<'_>,
        data: &BTreeMap<String, Text>,
        files: &BTreeMap<String, String>,
    ) -> Result<Known<Self>, Stop> {
        let mut values = BTreeMap::new();
        for (key, text) in data {
            Self::check_key(context, "data", key)?;
            values.insert(key.clone(), Self::of_text(text));
        }
        for (key, path) in files {
            Self::check_key(context, "files", key)?;
            if data.contains_key(key) {
                let title = format!("`{key}` is in `data` and in `files`");
                let stop = context.refuse_entry("files", key, title, "given twice");
                return Err(stop.hint("remove one of the two"));
            }
            let value = if path.ends_with(Assets::TEMPLATE_SUFFIX) {
                match context.render_asset("files", path)? {
                    Known::Yes(text) => Self::of_text(&text),
                    Known::No(why) => return Ok(Known::No(format!("`templates/{path}` uses an unknown value: {why}"))),
                }
            } else {
                let is_secret = context.is_encrypted_asset(path);
                let content = context.asset_or_secret("files", path)?;
                let bytes = content.bytes().unwrap_or_default().to_vec();
                let shown = String::from_utf8(bytes.clone()).ok().filter(|_| !is_secret);
                (bytes, shown.or_else(|| is_secret.then(|| MASK.to_owned())))
            };
            values.insert(key.clone(), value);
        }
        Ok(Known::Yes(Self { values }))
    }

    fn of_text(text: &Text) -> (Vec<u8>, Option<String>) {
        let shown = if text.is_covered() {
            text.masked().into_owned()
        } else {
            text.expose().clone()
        };
        (text.expose().clone().into_bytes(), Some(shown))
    }

    fn check_key(context: &PlanContext<'_>, argument: &str, key: &str) -> Result<(), Stop> {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !key.is_empty() && key.len() <= 253 && key.bytes().all(is_valid) && key != "." && !key.starts_with("..") {
            return Ok(());
        }
        let title = format!("`{key}` is not a valid key");
        let stop = context.refuse_entry(argument, key, title, "use letters, digits, `-`, `_` and `.`");
        Err(stop.hint("choose another key"))
    }

    /// The fields of a ConfigMap.
    pub(super) fn of_config_map(&self) -> [Map<String, Value>; 2] {
        let mut fields = [Map::new(), Map::new()];
        for (key, (bytes, shown)) in &self.values {
            let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(is_lost));
            let (part, texts) = match (text, shown) {
                (Some(text), Some(shown)) => ("data", [text.to_owned(), shown.clone()]),
                (_, shown) => {
                    let coded = STANDARD.encode(bytes);
                    let masked = shown.clone().filter(|shown| shown.as_bytes() != bytes);
                    ("binaryData", [coded.clone(), masked.unwrap_or(coded)])
                }
            };
            for (fields, text) in fields.iter_mut().zip(texts) {
                let part = fields.entry(part).or_insert_with(|| json!({}));
                part[key.as_str()] = text.into();
            }
        }
        fields
    }

    /// The fields of a Secret.
    pub(super) fn of_secret(&self) -> [Map<String, Value>; 2] {
        let of = |value: &dyn Fn(&[u8]) -> String| {
            let data = self
                .values
                .iter()
                .map(|(key, (bytes, _))| (key.clone(), value(bytes).into()));
            Map::from_iter([("data".to_owned(), Value::Object(data.collect()))])
        };
        [of(&|bytes| STANDARD.encode(bytes)), of(&|_| MASK.to_owned())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_would_alter_is_binary_data() {
        let value = |text: &str, shown: &str| (text.as_bytes().to_vec(), Some(shown.to_owned()));
        let data = Data {
            values: BTreeMap::from([
                ("open".to_owned(), value("a\u{2028}b", "a\u{2028}b")),
                ("next-line".to_owned(), value("a\u{85}b", "a\u{85}b")),
                ("hidden".to_owned(), value("a\u{7f}b", MASK)),
                ("bytes".to_owned(), (vec![0xff], None)),
            ]),
        };
        let [object, masked] = data.of_config_map().map(Value::Object);
        assert_eq!(
            object,
            json!({
                "binaryData": { "bytes": "/w==", "hidden": "YX9i", "next-line": "YcKFYg==" },
                "data": { "open": "a\u{2028}b" },
            })
        );
        assert_eq!(masked["binaryData"]["hidden"], MASK);
        assert_eq!(masked["binaryData"]["next-line"], "YcKFYg==");
    }
}
