//! Fields that are made with an object, and then left alone.
//!
//! homelab must not own them: what it owns and leaves out, the API server removes. So an object that is there is applied without them, and
//! what homelab owns of them, from making the object or from a time before `keep`, it gives up in `managedFields`.

use serde_json::Value;

use super::manifest::Manifest;
use super::questions::question;
use super::shown::is_digest;
use crate::facts::kubernetes::{Api, FieldPath, Held, Question, owned_by_applying};
use crate::operations::PlanContext;

/// Such fields of an object.
#[derive(Debug)]
pub(super) struct KeptFields {
    pub(super) paths: Vec<FieldPath>,
    /// The object with them.
    pub(super) whole: Manifest,
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

/// Whether something in it stands for a secret that is not known.
pub(super) fn has_digest(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().any(has_digest),
        Value::Array(items) => items.iter().any(has_digest),
        Value::String(text) => is_digest(text),
        _ => false,
    }
}
