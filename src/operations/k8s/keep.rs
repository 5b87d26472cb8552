//! Fields that are made with an object, and then left alone.
//!
//! homelab must not own them: what it owns and leaves out, the API server removes. So an object that is there is applied without them, and
//! what homelab owns of them, from making the object or from a time before `keep`, it gives up in `managedFields`.

use serde_json::Value;

use super::manifest::Manifest;
use super::shown::is_digest;
use super::wish::{Wish, question};
use crate::change::Stop;
use crate::facts::kubernetes::{Api, FieldPath, Held, ObjectFact, ObjectKey, Question, owned_by_applying};
use crate::operations::PlanContext;

/// Such fields of an object.
#[derive(Debug)]
pub(super) struct KeptFields {
    pub(super) paths: Vec<FieldPath>,
    /// The object with them.
    whole: Manifest,
    /// What is asked about the object once it is there.
    pub(super) later: Question,
}

impl KeptFields {
    /// Those at `paths`, which `manifest` loses.
    pub(super) fn take(
        context: &PlanContext<'_>,
        api: &Api,
        (manifest, paths): (&mut Manifest, Vec<FieldPath>),
    ) -> Option<Self> {
        if paths.is_empty() {
            return None;
        }
        let whole = manifest.clone();
        for path in &paths {
            path.remove(&mut manifest.object);
            path.remove(&mut manifest.masked);
        }
        let later = question(context, api, &manifest.id, Some(manifest), &paths);
        Some(Self { paths, whole, later })
    }

    /// What homelab owns of them once it has made the object.
    pub(super) fn held(&self) -> Held {
        let mut tree = owned_by_applying(&self.whole.object);
        let released = self.paths.iter().filter_map(|path| path.release(&mut tree).ok()?);
        Held {
            manager: "homelab".to_owned(),
            operation: "Apply".to_owned(),
            pointers: released.collect(),
        }
    }

    /// Puts their values in `live` into `object`.
    pub(super) fn restore(&self, object: &mut Value, live: &Value) {
        for path in &self.paths {
            if let Some(value) = path.find(live) {
                path.put(object, value.clone());
            }
        }
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

/// Whether something in it stands for a secret that is not known.
fn has_digest(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().any(has_digest),
        Value::Array(items) => items.iter().any(has_digest),
        Value::String(text) => is_digest(text),
        _ => false,
    }
}
