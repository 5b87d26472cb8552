//! Objects that are to be in a cluster: what is asked about them, and where they belong.

use std::collections::BTreeSet;

use serde_json::Value;

use super::documents::is_namespaced as built_in;
use super::keep::{KeptFields, has_digest};
use super::manifest::Manifest;
use super::questions::question;
use crate::change::Stop;
use crate::facts::kubernetes::{Answers, Api, FieldPath, ObjectFact, ObjectId, ObjectKey, Question};
use crate::operations::PlanContext;

/// A kind that a CustomResourceDefinition of the project brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operations) struct CustomKind {
    pub(in crate::operations) group: String,
    pub(in crate::operations) kind: String,
    pub(in crate::operations) versions: BTreeSet<String>,
    pub(in crate::operations) is_namespaced: bool,
}

impl CustomKind {
    /// That of an object, if it is a CustomResourceDefinition.
    pub(in crate::operations) fn of(object: &Value) -> Option<Self> {
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
pub(in crate::operations) struct Wish {
    pub(in crate::operations) manifest: Manifest,
    /// Its name with the namespace that it is created in.
    pub(in crate::operations) id: ObjectId,
    pub(in crate::operations) question: Question,
    /// Fields that are left alone once it is there.
    pub(super) kept: Option<KeptFields>,
}

/// An object that is to be there, as a file or a parameter describes it.
pub(in crate::operations) struct Described {
    pub(in crate::operations) manifest: Manifest,
    /// Whether it is left alone once it is there.
    pub(in crate::operations) is_kept: bool,
    /// Fields that are left alone once it is there.
    pub(in crate::operations) kept_fields: Vec<FieldPath>,
}

impl Wish {
    /// Whether something of it came from a secret.
    pub(in crate::operations) fn is_secret(&self) -> bool {
        self.manifest.object != self.manifest.masked
    }
}

impl Wish {
    /// The wish with what is known of its object. An object that is not there is made with the fields that are left alone later.
    pub(super) fn settled(
        mut self,
        context: &PlanContext<'_>,
        api: &Api,
        fact: Result<ObjectFact, Stop>,
    ) -> (Self, Result<ObjectFact, Stop>) {
        let Some(kept) = &self.kept else {
            return (self, fact);
        };
        match &fact {
            Err(_) => {}
            Ok(ObjectFact::NotAsked) => self.make_whole(context, api),
            Ok(ObjectFact::Asked(object)) => match &object.live {
                None => {
                    self.make_whole(context, api);
                    let fact = context.get(ObjectKey(&self.question));
                    return (self, fact);
                }
                // What homelab still owns would be missing in an object that needs it.
                Some(live) if !object.held.is_empty() && object.is_refused() => {
                    let mut filled = self.manifest.clone();
                    kept.restore(&mut filled.object, live);
                    kept.restore(&mut filled.masked, live);
                    if !has_digest(&filled.object) {
                        let asked = question(context, api, &self.id, Some(&filled), &kept.paths);
                        return (self, context.get(ObjectKey(&asked)));
                    }
                }
                Some(_) => {}
            },
        }
        (self, fact)
    }

    fn make_whole(&mut self, context: &PlanContext<'_>, api: &Api) {
        if let Some(kept) = &self.kept {
            self.manifest = kept.whole.clone();
            self.question = question(context, api, &self.id, Some(&self.manifest), &kept.paths);
        }
    }

    /// Makes it an object that is deleted and made again, with the values in `live` of the fields that are left alone. `false` if these
    /// are not known.
    pub(super) fn renew(&mut self, live: &Value) -> bool {
        let Some(kept) = &self.kept else { return true };
        for object in [&mut self.manifest.object, &mut self.manifest.masked] {
            kept.restore(object, live);
        }
        let mut values = kept.paths.iter().filter_map(|path| path.find(live));
        !values.any(has_digest)
    }
}

/// The places of all objects. Objects that name no namespace are in `namespace`, or in `default`.
pub(in crate::operations) fn placed(
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
    let place = |described: Described| {
        let Described {
            mut manifest,
            is_kept,
            kept_fields,
        } = described;
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
        manifest.id = id.clone();
        let kept = KeptFields::take(context, api, (&mut manifest, kept_fields));
        let question = match &kept {
            Some(kept) => kept.later.clone(),
            // What is left alone is not compared.
            None => question(context, api, &id, (!is_kept).then_some(&manifest), &[]),
        };
        Wish {
            manifest,
            id,
            question,
            kept,
        }
    };
    described.into_iter().map(place).collect()
}

/// Whether objects of this kind are in namespaces. An unknown kind is taken to be.
fn is_namespaced(id: &ObjectId, custom: &[CustomKind], answers: Option<&Answers>) -> bool {
    let built_in = || built_in(&id.group, &id.kind);
    let own = custom.iter().find(|one| one.group == id.group && one.kind == id.kind);
    let served = || answers?.serves(&id.group, &id.version, &id.kind);
    own.map(|one| one.is_namespaced)
        .or_else(built_in)
        .or_else(served)
        .unwrap_or(true)
}
