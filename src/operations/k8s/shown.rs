//! Objects as reviews show them.

use serde_json::{Map, Value};

use crate::change::Attribute;
use crate::operations::PlanContext;
use crate::secret::{MASK, sha256_hex};
use crate::template::readable_yaml;

/// An object as it is written, with words for what is secret.
pub(super) fn written(context: &PlanContext<'_>, object: &Value, masked: &Value) -> Attribute {
    attribute(context, object, masked, object != masked)
}

/// A live object and what it will be, whose secrets are digests.
pub(in crate::operations) fn compared(
    context: &PlanContext<'_>,
    live: &Value,
    after: &Value,
) -> (Attribute, Attribute) {
    let (mut old, mut new) = (live.clone(), after.clone());
    mask_alike(&mut old, Some(&mut new));
    mask_alike(&mut new, None);
    let is_secret = old != *live || new != *after;
    (
        attribute(context, live, &old, is_secret),
        attribute(context, after, &new, is_secret),
    )
}

/// An object of which nothing is compared, whose secrets are digests.
pub(in crate::operations) fn removed(context: &PlanContext<'_>, live: &Value) -> Attribute {
    let mut old = live.clone();
    mask_alike(&mut old, None);
    attribute(context, live, &old, old != *live)
}

fn attribute(context: &PlanContext<'_>, object: &Value, shown: &Value, is_secret: bool) -> Attribute {
    let text = readable_yaml(&in_order(shown));
    if !is_secret {
        return Attribute::Known(text);
    }
    let digest = context.digests().digest(&sha256_hex(object.to_string().as_bytes()));
    Attribute::Masked { text, digest }
}

/// The object with the keys that every object has first, and all others as the API server orders them.
fn in_order(object: &Value) -> Value {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut names: Vec<&String> = fields.keys().collect();
                names.sort_by_key(|name| (FIRST.iter().position(|one| one == name).unwrap_or(FIRST.len()), *name));
                let fields = names.into_iter().map(|name| (name.clone(), sorted(&fields[name])));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }
    sorted(object)
}

const FIRST: [&str; 4] = ["apiVersion", "kind", "metadata", "name"];

/// Replaces digests in `one` by words. With `other`, a digest that is another there is marked as changed there.
fn mask_alike(one: &mut Value, other: Option<&mut Value>) {
    match (one, other) {
        (Value::Object(fields), other) => {
            let mut other = other.and_then(Value::as_object_mut);
            for (name, field) in fields {
                mask_alike(field, other.as_mut().and_then(|other| other.get_mut(name)));
            }
        }
        (Value::Array(items), other) => {
            let mut other = other.and_then(Value::as_array_mut);
            for (index, item) in items.iter_mut().enumerate() {
                mask_alike(item, other.as_mut().and_then(|other| other.get_mut(index)));
            }
        }
        // What was there before may have been the secret too.
        (Value::String(text), Some(Value::String(other))) if !is_digest(text) && is_digest(other) => {
            *other = format!("{MASK} (changed)");
            MASK.clone_into(text);
        }
        (Value::String(text), other) if is_digest(text) => {
            if let Some(Value::String(other)) = other
                && is_digest(other)
                && other != text
            {
                *other = format!("{MASK} (changed)");
            }
            MASK.clone_into(text);
        }
        _ => {}
    }
}

/// Whether this stands for a secret text: see [`Object`](crate::facts::kubernetes::Object).
pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix(MASK)
        .and_then(|rest| rest.strip_prefix(' '))
        .is_some_and(|digest| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
