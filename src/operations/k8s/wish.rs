//! Objects that are to be in a cluster: what is asked about them, and where they belong.

use std::collections::BTreeSet;

use serde_json::Value;

use super::documents::is_namespaced as built_in;
use super::manifest::Manifest;
use crate::facts::kubernetes::{Answers, Api, AskedObject, Body, ObjectId, Question};
use crate::operations::PlanContext;
use crate::secret::{Secret, sha256_hex};

/// A kind that a CustomResourceDefinition of the project brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CustomKind {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) versions: BTreeSet<String>,
    pub(super) is_namespaced: bool,
}

impl CustomKind {
    /// That of an object, if it is a CustomResourceDefinition.
    pub(super) fn of(object: &Value) -> Option<Self> {
        if object.get("kind")?.as_str()? != "CustomResourceDefinition" {
            return None;
        }
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let versions = object.pointer("/spec/versions")?.as_array()?;
        let served = versions
            .iter()
            .filter(|version| version.get("served") != Some(&Value::Bool(false)));
        Some(Self {
            group: text("/spec/group")?,
            kind: text("/spec/names/kind")?,
            versions: served
                .filter_map(|version| Some(version.get("name")?.as_str()?.to_owned()))
                .collect(),
            is_namespaced: text("/spec/scope")? != "Cluster",
        })
    }
}

/// An object that is to be there, with its place in the cluster.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) manifest: Manifest,
    /// Its name with the namespace that it comes to be in.
    pub(super) id: ObjectId,
    pub(super) question: Question,
}

/// An object that is to be there, as a file or a parameter describes it.
pub(super) struct Described {
    pub(super) manifest: Manifest,
    /// Whether it is left alone once it is there.
    pub(super) is_kept: bool,
}

impl Wish {
    /// Whether something of it came from a secret.
    pub(super) fn is_secret(&self) -> bool {
        self.manifest.object != self.manifest.masked
    }
}

/// The places of all objects. Objects that name no namespace are in `namespace`, or in `default`.
pub(super) fn placed(
    context: &PlanContext<'_>,
    api: &Api,
    described: Vec<Described>,
    namespace: Option<&str>,
    answers: Option<&Answers>,
) -> Vec<Wish> {
    let custom: Vec<CustomKind> = described
        .iter()
        .filter_map(|one| CustomKind::of(&one.manifest.object))
        .collect();
    let place = |Described { mut manifest, is_kept }: Described| {
        let mut id = manifest.id.clone();
        if is_namespaced(&id, &custom, answers) {
            let own = id
                .namespace
                .take()
                .unwrap_or_else(|| namespace.unwrap_or("default").to_owned());
            for object in [&mut manifest.object, &mut manifest.masked] {
                object["metadata"]["namespace"] = own.as_str().into();
            }
            id.namespace = Some(own);
        } else {
            id.namespace = None;
        }
        // What is left alone is not compared.
        let question = question(context, api, &id, (!is_kept).then_some(&manifest));
        Wish { manifest, id, question }
    };
    described.into_iter().map(place).collect()
}

/// Whether objects of this kind are in namespaces. What nobody knows is taken to be.
fn is_namespaced(id: &ObjectId, custom: &[CustomKind], answers: Option<&Answers>) -> bool {
    let built_in = || built_in(&id.group, &id.kind);
    let own = custom.iter().find(|one| one.group == id.group && one.kind == id.kind);
    let served = || answers?.serves(&id.group, &id.version, &id.kind);
    own.map(|one| one.is_namespaced)
        .or_else(built_in)
        .or_else(served)
        .unwrap_or(true)
}

/// The question about an object: what there is, and with `manifest` also what the server would make of that.
pub(super) fn question(context: &PlanContext<'_>, api: &Api, id: &ObjectId, manifest: Option<&Manifest>) -> Question {
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
