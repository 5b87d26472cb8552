//! Objects as `kubectl` prints them. All that is secret in them becomes a keyed digest here, before it is a fact.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::Value;

use super::managed::{Owners, held, owned};
use crate::facts::answer::UnreadableAnswer;
use crate::facts::kubernetes::{Answer, AskedObject, Moved, Object, ObjectFact, ObjectId};
use crate::secret::{DigestKey, Secret, redacted, sha256_hex};

/// How much of one answer is read, in bytes.
const LARGEST: u64 = 256 << 20;

/// The length of the shortest text that is looked for in others, in bytes.
const SHORTEST_PART: usize = 4;

/// Where `kubectl apply` keeps what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What the server writes into `metadata` by itself.
const BY_SERVER: [&str; 6] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
];

/// What the API server said of objects, by the positions of their keys.
#[derive(Default)]
pub(super) struct Answered {
    /// Numbers of objects that were left out.
    left: Vec<usize>,
    /// The version that is served instead.
    other: BTreeMap<usize, String>,
    refused: BTreeMap<usize, String>,
    live: Vec<Value>,
    applied: Vec<Value>,
}

impl Answered {
    /// Takes in a line; `None` if it is not one of the probe.
    pub(super) fn read(&mut self, word: &str, rest: &str) -> Option<()> {
        match word {
            "left" => self.left.push(rest.parse().ok()?),
            "other" => {
                let (number, version) = rest.split_once(' ')?;
                self.other.insert(number.parse().ok()?, version.to_owned());
            }
            "refused" => {
                let (number, why) = rest.split_once(' ').unwrap_or((rest, ""));
                self.refused.insert(number.parse().ok()?, redacted(why).into_owned());
            }
            "get" => self.live.extend(unpacked(rest)?),
            _ => self.applied.extend(unpacked(rest)?),
        }
        Some(())
    }
}

/// The objects in what `kubectl -o json` printed; `None` if it is something else.
fn unpacked(coded: &str) -> Option<Vec<Value>> {
    let bytes = STANDARD.decode(coded.trim()).ok()?;
    let mut text = Vec::new();
    GzDecoder::new(&bytes[..]).take(LARGEST).read_to_end(&mut text).ok()?;
    if text.iter().all(u8::is_ascii_whitespace) {
        return Some(Vec::new());
    }
    let mut printed: Value = serde_json::from_slice(&text).ok()?;
    let is_list = printed.get("kind").and_then(Value::as_str) == Some("List");
    match printed.get_mut("items") {
        Some(Value::Array(items)) if is_list => Some(std::mem::take(items)),
        _ => Some(vec![printed]),
    }
}

/// What is known of each object.
///
/// Errors: the server printed an object that was not asked for.
pub(super) fn object_facts(
    objects: &BTreeMap<usize, &AskedObject>,
    answered: &Answered,
    answers: bool,
) -> Result<BTreeMap<usize, ObjectFact>, UnreadableAnswer> {
    let mut facts = BTreeMap::new();
    if !answers {
        return Ok(facts);
    }
    for (index, asked) in objects {
        if answered.left.contains(index) {
            continue;
        }
        let refused = answered.refused.get(index);
        if refused.is_some_and(|why| why.contains("no matches for kind")) {
            continue;
        }
        let other = answered.other.get(index);
        let version = other.unwrap_or(&asked.id.version);
        let found = |all: &[Value]| all.iter().find(|object| is_of(object, asked, version)).cloned();
        let (live, applied) = (found(&answered.live), found(&answered.applied));
        if other.is_some() && live.is_none() {
            continue;
        }
        let answer = match (refused, &applied) {
            (Some(why), _) => Some(Answer::Refused(why.clone())),
            (None, Some(applied)) => Some(Answer::Accepted(applied.clone())),
            (None, None) if asked.digest.is_empty() || other.is_some() => None,
            (None, None) => {
                return Err(UnreadableAnswer::new(format!(
                    "no answer of the API server for {}",
                    asked.id
                )));
            }
        };
        facts.insert(*index, ObjectFact::Asked(Box::new(object(asked, live, answer))));
    }
    Ok(facts)
}

/// Whether this is the object that was asked for, in this version.
fn is_of(object: &Value, asked: &AskedObject, version: &str) -> bool {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let id = ObjectId {
        version: version.to_owned(),
        ..asked.id.clone()
    };
    text("/apiVersion") == Some(&id.api_version())
        && text("/kind") == Some(&asked.id.kind)
        && text("/metadata/name") == Some(&asked.id.name)
        // Of some kinds only the server knows that they are in no namespace.
        && text("/metadata/namespace").is_none_or(|namespace| asked.id.namespace.as_deref() == Some(namespace))
}

fn object(asked: &AskedObject, live: Option<Value>, answer: Option<Answer>) -> Object {
    let mut object = Object::default();
    if let Some(live) = &live {
        let owners = Owners::of(live);
        object.is_finished = is_finished(live);
        object.managers = owners.managers().iter().cloned().collect();
        object.resource_version = live
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str)
            .map(str::to_owned);
        (object.held, object.undivided) = held(live, &asked.keep);
        object.last_applied = last_applied(live).map(|applied| cleaned(applied, asked));
        if !matches!(answer, Some(Answer::Accepted(_))) && !asked.digest.is_empty() {
            object.own = owned(live).map(|own| cleaned(own, asked));
        }
        if let Some(Answer::Accepted(answer)) = &answer {
            let after = Owners::of(answer);
            object.gained = after.own().difference(owners.own()).count();
            let moved = |(field, manager): (&str, &str)| Moved {
                field: field.to_owned(),
                manager: manager.to_owned(),
            };
            let lost = |(field, manager): &(&str, &str)| !after.has(manager, field) && after.own().contains(*field);
            object.taken = owners.of_others().filter(lost).map(moved).collect();
            let shares = |(field, manager): &(&str, &str)| {
                after.has(manager, field) && after.own().contains(*field) && !owners.own().contains(*field)
            };
            object.shared = owners.of_others().filter(shares).map(moved).collect();
        }
    }
    if let Some(Answer::Accepted(answer)) = &answer {
        // Also of what leaves them out: of what is around them, the API server knows only now.
        let (_, undivided) = held(answer, &asked.keep);
        object.undivided = object.undivided.or(undivided);
    }
    object.live = live.map(|live| cleaned(live, asked));
    object.answer = answer.map(|answer| match answer {
        Answer::Accepted(value) => Answer::Accepted(cleaned(value, asked)),
        refused @ Answer::Refused(_) => refused,
    });
    object
}

/// Whether its conditions say that it has ended, as those of a Job do.
fn is_finished(live: &Value) -> bool {
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        let text = |key: &str| condition.get(key).and_then(Value::as_str);
        matches!(text("type"), Some("Complete" | "Failed")) && text("status") == Some("True")
    })
}

/// What `kubectl apply` last applied, if it made the object.
fn last_applied(live: &Value) -> Option<Value> {
    let text = live.pointer("/metadata/annotations")?.get(LAST_APPLIED)?.as_str()?;
    serde_json::from_str(text).ok()
}

/// An object without what the server writes by itself, and with digests for what is secret.
fn cleaned(mut object: Value, asked: &AskedObject) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in BY_SERVER {
            metadata.shift_remove(field);
        }
        let is_empty = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
            .is_some_and(|annotations| {
                annotations.shift_remove(LAST_APPLIED);
                annotations.is_empty()
            });
        if is_empty {
            metadata.shift_remove("annotations");
        }
    }
    let key = digest_key(asked.body.key.as_ref());
    hide_data(&mut object, &asked.id, &key);
    let secrets: Vec<&str> = asked.body.secrets.iter().map(Secret::expose).collect();
    if !secrets.is_empty() {
        hide(&mut object, &secrets, &key);
    }
    hide_parts(&mut object, &asked.body.parts, &key);
    object
}

/// The key for digests. Without one they are not compared.
pub(in crate::facts::families) fn digest_key(key: Option<&Secret>) -> DigestKey {
    key.and_then(|key| DigestKey::from_hex(key.expose()))
        .unwrap_or_else(DigestKey::random)
}

/// Replaces all data of a Secret.
pub(in crate::facts::families) fn hide_data(object: &mut Value, id: &ObjectId, key: &DigestKey) {
    if id.kind == "Secret" && id.group.is_empty() {
        for part in ["data", "stringData"] {
            if let Some(data) = object.get_mut(part) {
                hide_all(data, key);
            }
        }
    }
}

/// Replaces texts of which one of `secrets` is a part, as it is or as Base64.
pub(in crate::facts::families) fn hide_parts(value: &mut Value, secrets: &[Secret], key: &DigestKey) {
    let forms = |secret: &Secret| {
        let text = secret.expose();
        [text.to_owned(), STANDARD.encode(text)]
    };
    let forms: Vec<String> = secrets.iter().flat_map(forms).filter(|form| !form.is_empty()).collect();
    if !forms.is_empty() {
        hide_where(value, &|text| is_part(&forms, text), key);
    }
}

/// Whether a text has one of these in it. Short ones are words of any text, and count only as a whole.
fn is_part(forms: &[String], text: &str) -> bool {
    forms
        .iter()
        .any(|form| text == form || form.len() >= SHORTEST_PART && text.contains(form.as_str()))
}

pub(in crate::facts::families) fn hidden(text: &str, key: &DigestKey) -> Value {
    format!("[secret] {}", key.digest(&sha256_hex(text.as_bytes())).0).into()
}

/// Replaces all texts.
fn hide_all(value: &mut Value, key: &DigestKey) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| hide_all(field, key)),
        Value::Array(items) => items.iter_mut().for_each(|item| hide_all(item, key)),
        Value::String(text) => *value = hidden(text, key),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces texts that are one of `secrets`.
fn hide(value: &mut Value, secrets: &[&str], key: &DigestKey) {
    hide_where(value, &|text| secrets.contains(&text), key);
}

/// Replaces texts that `is_secret`.
fn hide_where(value: &mut Value, is_secret: &dyn Fn(&str) -> bool, key: &DigestKey) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| hide_where(field, is_secret, key)),
        Value::Array(items) => items.iter_mut().for_each(|item| hide_where(item, is_secret, key)),
        Value::String(text) if is_secret(text) => *value = hidden(text, key),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
