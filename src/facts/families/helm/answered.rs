//! What was said of a release. All that is secret in it becomes a keyed digest here, before it is a fact.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::facts::answer::UnreadableAnswer;
use crate::facts::families::kubernetes::{digest_key, hidden, hide_data, hide_parts};
use crate::facts::helm::{
    AskedRelease, Beside, CHART_LABEL, DESCRIPTION, Hook, Made, REVISION_LABEL, Release, Rendered, Rendering, Revision,
};
use crate::facts::kubernetes::ObjectId;
use crate::secret::{DigestKey, Secret, redacted};

/// How much of one answer is read, in bytes.
const LARGEST: u64 = 256 << 20;
/// The annotation of a hook, with its events.
const HOOK: &str = "helm.sh/hook";
/// The label of all objects that Helm makes.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The lines about a release.
#[derive(Default)]
pub(super) struct Answered {
    pub(super) is_absent: bool,
    pub(super) denied: Option<String>,
    program: Option<String>,
    revisions: BTreeMap<u32, String>,
    labels: BTreeMap<String, String>,
    payload: Option<Value>,
    stored: Option<Vec<Value>>,
    hooks: Vec<Value>,
    rendered: Vec<Vec<Value>>,
    is_apart: bool,
    refused: Option<String>,
}

impl Answered {
    /// Takes in a line; `None` if it is not one of the probe.
    pub(super) fn read(&mut self, word: &str, rest: &str) -> Option<()> {
        match word {
            "absent" | "silent" => self.is_absent = true,
            "denied" => self.denied = Some(rest.to_owned()),
            "program" => self.program = Some(rest.to_owned()),
            "revision" => {
                let (number, status) = rest.split_once(' ')?;
                self.revisions.insert(number.parse().ok()?, status.to_owned());
            }
            "payload" => {
                let mut words = rest.splitn(3, ' ');
                for name in [CHART_LABEL, REVISION_LABEL] {
                    let value = words.next().filter(|value| *value != "-");
                    self.labels
                        .extend(value.map(|value| (name.to_owned(), value.to_owned())));
                }
                self.payload = serde_json::from_slice(&unzipped(words.next()?)?).ok();
                self.payload.as_ref()?;
            }
            "stored" => self.stored = Some(objects(rest)?),
            "hooks" | "rendered" if rest.starts_with("unreadable ") => {
                self.refused = Some(redacted(rest.trim_start_matches("unreadable ")).into_owned());
            }
            "hooks" => self.hooks = objects(rest)?,
            "rendered" => self.rendered.push(objects(rest)?),
            "apart" => self.is_apart = true,
            "refused" => self.refused = Some(redacted(rest).into_owned()),
            "" => {}
            _ => return None,
        }
        Some(())
    }

    /// What is known of the release.
    ///
    /// Errors: what the cluster keeps of it cannot be read.
    pub(super) fn release(self, asked: &AskedRelease) -> Result<Release, UnreadableAnswer> {
        let body = &asked.body.0;
        let key = digest_key(body.key.as_ref());
        let now: Option<Value> = body
            .values
            .as_ref()
            .and_then(|values| serde_json::from_str(values.expose()).ok());
        let mut secrets = texts_at(now.as_ref(), &body.secret_values);
        let mut last = None;
        if let Some(payload) = &self.payload {
            let revision = revision(payload, self.labels, (&body.secret_values, &key))
                .ok_or_else(|| UnreadableAnswer::new("Helm: the last revision of a release cannot be read"))?;
            secrets.extend(revision.secrets.0.iter().cloned());
            last = Some(revision);
        }
        let made = |object: Value| rendered(object, &secrets, &key);
        if let Some(revision) = &mut last {
            revision.objects = self.stored.map(|all| all.into_iter().filter_map(made).collect());
        }
        let rendering = match (self.refused, &self.rendered[..]) {
            (Some(why), _) => Some(Rendering::Refused(why)),
            (None, []) => None,
            (None, [first, rest @ ..]) => {
                let (hooks, first): (Vec<Value>, Vec<Value>) = first.iter().cloned().partition(is_hook);
                let mut objects: Vec<Rendered> = first.into_iter().filter_map(made).collect();
                for again in rest.first().into_iter().flatten() {
                    let other = id_of(again).and_then(|id| objects.iter_mut().find(|one| one.id == id));
                    if let Some(one) = other {
                        one.mark(again);
                    }
                }
                Some(Rendering::Made(Made {
                    objects,
                    hooks: self.hooks.iter().chain(&hooks).filter_map(hook).collect(),
                    is_apart: self.is_apart,
                }))
            }
        };
        Ok(Release {
            program: self.program,
            revisions: self.revisions,
            last,
            rendering,
        })
    }
}

impl Rendered {
    /// Notes what is another text in another rendering of the same.
    fn mark(&mut self, again: &Value) {
        let first = self.body.0.as_ref();
        let first: Option<Value> = first.and_then(|first| serde_json::from_str(first.expose()).ok());
        if let Some(first) = first {
            differing(&first, &labelled(again.clone()), "", &mut self.random);
        }
    }
}

/// Pointers to what differs. What only one of them has is new as a whole, with what it is in.
fn differing(one: &Value, other: &Value, path: &str, into: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) if fields.keys().all(|name| others.contains_key(name)) => {
            for (name, field) in fields {
                let name = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                differing(field, others.get(&unescaped(&name)).unwrap_or(field), &name, into);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                differing(item, other, &format!("{path}/{index}"), into);
            }
        }
        (one, other) if one != other => into.push(path.to_owned()),
        _ => {}
    }
}

/// The last name of a pointer.
fn unescaped(pointer: &str) -> String {
    let last = pointer.rsplit('/').next().unwrap_or_default();
    last.replace("~1", "/").replace("~0", "~")
}

/// The object with the label that Helm gives it.
fn labelled(mut object: Value) -> Value {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let labels = metadata.map(|metadata| metadata.entry("labels").or_insert_with(|| json!({})));
    if let Some(labels) = labels {
        if labels.is_null() {
            *labels = json!({});
        }
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(MANAGED_BY.to_owned(), "Helm".into());
        }
    }
    object
}

/// An object that Helm makes, with what Helm writes into it.
fn rendered(object: Value, secrets: &[Secret], key: &DigestKey) -> Option<Rendered> {
    let id = id_of(&object)?;
    let mut object = labelled(object);
    let body = Secret::new(object.to_string());
    hide_data(&mut object, &id, key);
    hide_parts(&mut object, secrets, key);
    Some(Rendered {
        id,
        object,
        random: Vec::new(),
        body: Beside(Some(body)),
    })
}

fn is_hook(object: &Value) -> bool {
    object
        .pointer("/metadata/annotations")
        .is_some_and(|annotations| annotations.get(HOOK).is_some())
}

fn hook(object: &Value) -> Option<Hook> {
    let events = object.pointer("/metadata/annotations")?.get(HOOK)?.as_str()?;
    let events = events.split(',').map(|event| event.trim().to_owned());
    Some(Hook {
        id: id_of(object)?,
        events: events.collect(),
    })
}

fn id_of(object: &Value) -> Option<ObjectId> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let api_version = text("/apiVersion")?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Some(ObjectId {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: text("/kind")?.to_owned(),
        namespace: text("/metadata/namespace").map(str::to_owned),
        name: text("/metadata/name")?.to_owned(),
    })
}

/// The last revision, as Helm keeps it.
fn revision(
    payload: &Value,
    labels: BTreeMap<String, String>,
    (secret_values, key): (&BTreeSet<String>, &DigestKey),
) -> Option<Revision> {
    let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let description = text("/info/description");
    let noted = description.strip_prefix(DESCRIPTION);
    let noted: Option<BTreeSet<String>> = noted.and_then(|noted| serde_json::from_str(noted).ok());
    let values = match payload.get("config") {
        None | Some(Value::Null) => json!({}),
        Some(values) => values.clone(),
    };
    let pointers = noted.iter().flatten().chain(secret_values).cloned().collect();
    let secrets = texts_at(Some(&values), &pointers);
    let mut shown = values;
    hide_at(&mut shown, "", &pointers, key);
    hide_parts(&mut shown, &secrets, key);
    Some(Revision {
        number: u32::try_from(payload.get("version")?.as_u64()?).ok()?,
        status: text("/info/status").to_owned(),
        chart: format!("{} {}", text("/chart/metadata/name"), text("/chart/metadata/version")),
        labels,
        description: redacted(description).into_owned(),
        is_server_side: text("/apply_method") == "ssa",
        values: shown,
        objects: None,
        secrets: Beside(secrets),
    })
}

/// The texts that pointers lead to, and all below.
fn texts_at(values: Option<&Value>, pointers: &BTreeSet<String>) -> Vec<Secret> {
    fn collect(value: &Value, into: &mut Vec<Secret>) {
        match value {
            Value::Object(fields) => fields.values().for_each(|field| collect(field, into)),
            Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
            Value::String(text) => into.push(Secret::new(text.clone())),
            Value::Number(number) => into.push(Secret::new(number.to_string())),
            Value::Null | Value::Bool(_) => {}
        }
    }
    let mut found = Vec::new();
    for value in pointers.iter().filter_map(|pointer| values?.pointer(pointer)) {
        collect(value, &mut found);
    }
    found
}

/// Replaces what pointers lead to.
fn hide_at(value: &mut Value, path: &str, pointers: &BTreeSet<String>, key: &DigestKey) {
    if pointers.contains(path) {
        *value = hidden(&value.to_string(), key);
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                hide_at(field, &path, pointers, key);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                hide_at(item, &format!("{path}/{index}"), pointers, key);
            }
        }
        _ => {}
    }
}

/// What `gzip` and Base64 made of something; `None` if it is something else.
fn unzipped(coded: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(coded.trim()).ok()?;
    let mut whole = Vec::new();
    GzDecoder::new(&bytes[..]).take(LARGEST).read_to_end(&mut whole).ok()?;
    Some(whole)
}

/// Objects, one after the other or in lists.
fn objects(coded: &str) -> Option<Vec<Value>> {
    let bytes = unzipped(coded)?;
    let mut found = Vec::new();
    for value in serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>() {
        let mut value = value.ok()?;
        match value.get_mut("items") {
            Some(Value::Array(items)) => found.append(items),
            _ => found.push(value),
        }
    }
    Some(found)
}
