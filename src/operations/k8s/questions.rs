//! What the API server is asked about objects.

use serde_json::Value;

use super::manifest::Manifest;
use crate::facts::kubernetes::{Api, AskedObject, Body, FieldPath, ObjectId, Question};
use crate::operations::PlanContext;
use crate::secret::{Secret, sha256_hex};

/// The question about an object: what there is, and with `manifest` also what the server would make of that.
/// `keep` are the fields of it that are left alone.
pub(in crate::operations) fn question(
    context: &PlanContext<'_>,
    api: &Api,
    id: &ObjectId,
    manifest: Option<&Manifest>,
    keep: &[FieldPath],
) -> Question {
    let json = manifest.map(|manifest| manifest.object.to_string());
    let digest = json
        .as_ref()
        .map(|json| context.digests().digest(&sha256_hex(json.as_bytes())).0);
    let mut secrets = Vec::new();
    if let Some(manifest) = manifest {
        differing(&manifest.object, &manifest.masked, &mut secrets);
    }
    Question(Box::new(AskedObject {
        api: api.clone(),
        id: id.clone(),
        digest: digest.unwrap_or_default(),
        keep: keep.to_vec(),
        manager: None,
        body: Body {
            json: json.map(Secret::new),
            secrets,
            parts: Vec::new(),
            key: Some(Secret::new(context.digests().hex())),
        },
    }))
}

/// Texts of `object` that `masked` has words for.
fn differing(object: &Value, masked: &Value, into: &mut Vec<Secret>) {
    match (object, masked) {
        (Value::Object(fields), Value::Object(other)) => {
            for (name, field) in fields {
                differing(field, other.get(name).unwrap_or(&Value::Null), into);
            }
        }
        (Value::Array(items), Value::Array(other)) => {
            for (item, other) in items.iter().zip(other) {
                differing(item, other, into);
            }
        }
        (Value::String(text), other) if other.as_str() != Some(text) => into.push(Secret::new(text.clone())),
        _ => {}
    }
}
