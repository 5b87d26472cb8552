//! What homelab remembers of a set of objects, in the cluster itself: the ConfigMap `homelab-set-NAME` in `kube-system`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::facts::kubernetes::{Object, ObjectId};
use crate::secret::sha256_hex;

/// The namespace of all records.
const NAMESPACE: &str = "kube-system";

/// What is remembered of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The project that the set is of.
    pub(super) project: String,
    /// Each object, with the digest of what was applied; of a Secret there is none.
    pub(super) objects: BTreeMap<ObjectId, String>,
    /// Whether all that was begun came to its end, waiting included.
    pub(super) is_finished: bool,
}

/// The name of the record of a set.
pub(super) fn id_of(set: &str) -> ObjectId {
    ObjectId {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: Some(NAMESPACE.to_owned()),
        name: format!("homelab-set-{set}"),
    }
}

/// The digest of an object as the record has it, given as reviews show it: from one of the whole object, secrets could be guessed.
pub(super) fn digest_of(masked: &Value) -> String {
    match masked.get("kind").and_then(Value::as_str) {
        Some("Secret") => "-".to_owned(),
        _ => sha256_hex(masked.to_string().as_bytes()),
    }
}

impl Record {
    /// That of the ConfigMap as it is in the cluster; `None` if there is none, or it is no record.
    pub(super) fn of(object: &Object) -> Option<Self> {
        let data = object.live.as_ref()?.get("data")?;
        let text = |key: &str| data.get(key).and_then(Value::as_str);
        let entry = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            let &[api_version, kind, namespace, name, digest] = &fields[..] else {
                return None;
            };
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let id = ObjectId {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: kind.to_owned(),
                namespace: (namespace != "-").then(|| namespace.to_owned()),
                name: name.to_owned(),
            };
            Some((id, digest.to_owned()))
        };
        Some(Self {
            project: text("project")?.to_owned(),
            objects: text("objects")?.lines().filter_map(entry).collect(),
            is_finished: text("state") == Some("finished"),
        })
    }

    /// The ConfigMap.
    pub(super) fn object(&self, set: &str) -> Value {
        let id = id_of(set);
        let line = |(id, digest): (&ObjectId, &String)| {
            let namespace = id.namespace.as_deref().unwrap_or("-");
            format!("{} {} {namespace} {} {digest}\n", id.api_version(), id.kind, id.name)
        };
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": id.name, "namespace": NAMESPACE },
            "data": {
                "project": self.project,
                "state": if self.is_finished { "finished" } else { "begun" },
                "objects": self.objects.iter().map(line).collect::<String>(),
            },
        })
    }

    /// What is known of an object, be it in another version.
    pub(super) fn digest(&self, id: &ObjectId) -> Option<&str> {
        let mut found = self.objects.iter().filter(|(own, _)| own.is_same(id));
        found.next().map(|(_, digest)| digest.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let id = |kind: &str, namespace: Option<&str>| ObjectId {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.map(str::to_owned),
            name: "web".to_owned(),
        };
        let record = Record {
            project: "home".to_owned(),
            objects: [
                (id("Deployment", Some("shop")), "00ff".to_owned()),
                (id("Thing", None), "-".to_owned()),
            ]
            .into(),
            is_finished: true,
        };
        let object = |live| Object {
            live,
            ..Object::default()
        };
        assert_eq!(Record::of(&object(Some(record.object("web")))), Some(record.clone()));
        assert_eq!(record.digest(&id("Thing", None)), Some("-"));
        assert_eq!(record.digest(&id("Thing", Some("shop"))), None);
        assert_eq!(Record::of(&object(None)), None);
        assert_eq!(Record::of(&object(Some(json!({ "data": { "a": "b" } })))), None);
    }
}
