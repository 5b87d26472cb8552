//! Objects with values by key, as `k8s.config_map` and `k8s.secret` have them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::single::{Data, IfExists, Single, cluster_objects, touches};
use crate::change::{Outcome, Stop};
use crate::operations::PlanContext;
use crate::operations::cluster_objects::ClusterObjects;
use crate::value::{Known, Text};

/// One object with values by key, as parameters describe it.
pub(super) struct WithData<'a> {
    /// The parameter with its name.
    pub(super) argument: &'static str,
    pub(super) kind: &'static str,
    pub(super) kubeconfig: Option<&'a String>,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) data: &'a BTreeMap<String, Text>,
    pub(super) files: &'a BTreeMap<String, String>,
    pub(super) immutable: bool,
    pub(super) if_exists: IfExists,
    pub(super) present: bool,
}

impl WithData<'_> {
    /// The object as the checks of the whole run see it.
    pub(super) fn cluster_objects(&self, context: &PlanContext<'_>) -> ClusterObjects {
        let keys: Vec<&str> = self.data.keys().chain(self.files.keys()).map(String::as_str).collect();
        let object = (self.kind, Some(self.namespace), self.name);
        let is_kept = self.if_exists == IfExists::Keep;
        cluster_objects(context, self.kubeconfig, object, &keys, (self.present, is_kept))
    }

    /// Plans the object with the fields that `fields` makes of its values: those themselves, and the same as reviews show them.
    pub(super) fn plan(
        &self,
        context: &PlanContext<'_>,
        fields: impl FnOnce(&Data) -> [Map<String, Value>; 2],
    ) -> Result<Outcome, Stop> {
        let data = match Data::read(context, self.data, self.files)? {
            Known::Yes(data) => data,
            Known::No(why) => {
                return Ok(Outcome::Deferred {
                    waits_for: Vec::new(),
                    why,
                    touches: touches(),
                    preview: Vec::new(),
                });
            }
        };
        let mut fields = fields(&data);
        if self.immutable {
            for fields in &mut fields {
                fields.insert("immutable".to_owned(), true.into());
            }
        }
        let single = Single {
            argument: self.argument,
            kubeconfig: self.kubeconfig.map(String::as_str),
            kind: self.kind,
            namespace: Some(self.namespace),
            name: self.name,
            fields,
            is_kept: self.if_exists == IfExists::Keep,
            present: self.present,
        };
        single.plan(context)
    }
}
