//! Volumes that only one node, or only one pod, can have at a time.

use std::collections::BTreeMap;

use serde_json::Value;

use super::pods::{Count, Pods, pods};
use super::run::Run;
use crate::error::{Diagnostic, Origin};
use crate::facts::kubernetes::ObjectId;

/// A claim of the run, with the pods that use it.
struct Shared<'a> {
    id: &'a ObjectId,
    name: &'a str,
    /// Whether only one pod may have it, not only one node.
    is_of_pod: bool,
    used: Vec<(Pods<'a>, String)>,
}

impl Shared<'_> {
    /// How many pods use it at a time.
    fn count(&self, nodes: u64) -> u64 {
        let of = |count: Count| match count {
            Count::Some(count) => count,
            Count::Nodes => nodes,
        };
        self.used.iter().map(|(pods, _)| of(pods.count)).sum()
    }

    /// Where the last one names it.
    fn place(&self) -> Option<Origin> {
        let (pods, pointer) = self.used.last()?;
        Some(pods.object.place(&format!("{}{pointer}", pods.pointer)))
    }
}

/// The claims of the run that cannot be on several nodes.
fn shared<'a>(run: &Run<'a>) -> Vec<Shared<'a>> {
    let mut claims: BTreeMap<(&str, &str), Shared<'a>> = BTreeMap::new();
    for claim in run
        .objects
        .iter()
        .filter(|object| object.is("", "PersistentVolumeClaim"))
    {
        let modes = claim.object.pointer("/spec/accessModes").and_then(Value::as_array);
        let modes: Vec<&str> = modes.into_iter().flatten().filter_map(Value::as_str).collect();
        let is_of_pod = modes == ["ReadWriteOncePod"];
        if is_of_pod || modes == ["ReadWriteOnce"] {
            let namespace = claim.id.namespace.as_deref().unwrap_or("default");
            let shared = Shared {
                id: claim.id,
                name: &claim.id.name,
                is_of_pod,
                used: Vec::new(),
            };
            claims.insert((namespace, claim.id.name.as_str()), shared);
        }
    }
    for pods in pods(run.objects) {
        let namespace = pods.object.id.namespace.as_deref().unwrap_or("default");
        let named: Vec<(String, &str)> = pods
            .volumes()
            .filter_map(|(pointer, volume)| {
                let name = volume.pointer("/persistentVolumeClaim/claimName")?.as_str()?;
                Some((format!("{pointer}/persistentVolumeClaim/claimName"), name))
            })
            .collect();
        for (pointer, name) in named {
            if let Some(shared) = claims.get_mut(&(namespace, name)) {
                let pods = Pods { ..pods };
                shared.used.push((pods, pointer));
            }
        }
    }
    claims.into_values().collect()
}

/// Claims for one pod that several pods use.
pub(super) fn shared_by_pods(run: &Run<'_>) -> Vec<Diagnostic> {
    let nodes = run.cluster.map_or(1, |cluster| cluster.nodes.len() as u64);
    let all = shared(run)
        .into_iter()
        .filter(|one| one.is_of_pod && one.count(nodes) > 1);
    all.map(|one| {
        Diagnostic::new(format!("only one pod can use the claim `{}`", one.name))
            .at_maybe(one.place().as_ref(), format!("{} pods use it", one.count(nodes)))
            .hint("use one replica, or another access mode")
    })
    .collect()
}

/// Claims for one node that pods use which may be put on several, if one of these objects `is_changed`.
pub(super) fn shared_by_nodes(run: &Run<'_>, is_changed: &dyn Fn(&ObjectId) -> bool) -> Vec<(String, Origin)> {
    let nodes = run.cluster.map_or(0, |cluster| cluster.nodes.len() as u64);
    if nodes < 2 {
        return Vec::new();
    }
    let is_bound = |pods: &Pods<'_>| {
        ["nodeName", "nodeSelector", "affinity"]
            .iter()
            .any(|key| pods.spec.get(*key).is_some())
    };
    let may_be_apart =
        |one: &Shared<'_>| !one.is_of_pod && one.count(nodes) > 1 && !one.used.iter().all(|(pods, _)| is_bound(pods));
    let told = |one: Shared<'_>| {
        let text = format!(
            "{} pods use the claim `{}`, which only one node can have at a time: those on other nodes would wait",
            one.count(nodes),
            one.name
        );
        Some((text, one.place()?))
    };
    let is_new = |one: &Shared<'_>| is_changed(one.id) || one.used.iter().any(|(pods, _)| is_changed(pods.object.id));
    let all = shared(run).into_iter().filter(is_new);
    all.filter(may_be_apart).filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{cluster, of, told};
    use super::*;

    #[test]
    fn a_volume_of_one_node_is_not_for_pods_on_several() {
        let claim = |mode: &str| json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data" }, "spec": { "accessModes": [mode] } });
        let workload = |kind: &str, replicas: u64, more: Value| {
            let mut spec = json!({ "volumes": [{ "persistentVolumeClaim": { "claimName": "data" } }] });
            for (key, value) in more.as_object().into_iter().flatten() {
                spec[key] = value.clone();
            }
            json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": "w" }, "spec": { "replicas": replicas, "template": { "spec": spec } } })
        };
        let (one, two) = (cluster(&[&[]]), cluster(&[&[], &[]]));
        let free = json!({});
        for (mode, kind, replicas, more, nodes, certain, told_of) in [
            ("ReadWriteOnce", "Deployment", 2, &free, &two, 0, 1),
            ("ReadWriteOnce", "Deployment", 1, &free, &two, 0, 0),
            ("ReadWriteOnce", "Deployment", 2, &free, &one, 0, 0),
            ("ReadWriteOnce", "DaemonSet", 1, &free, &two, 0, 1),
            (
                "ReadWriteOnce",
                "Deployment",
                2,
                &json!({ "nodeSelector": { "a": "b" } }),
                &two,
                0,
                0,
            ),
            ("ReadWriteMany", "Deployment", 2, &free, &two, 0, 0),
            ("ReadWriteOncePod", "Deployment", 2, &free, &one, 1, 0),
            ("ReadWriteOncePod", "Deployment", 1, &free, &two, 0, 0),
        ] {
            let objects = [claim(mode), workload(kind, replicas, more.clone())];
            let found = of(&objects, Some(nodes), |run| {
                (shared_by_pods(run).len(), shared_by_nodes(run, &|_| true).len())
            });
            assert_eq!(found, (certain, told_of), "{mode} {kind} {replicas} {more}");
            let quiet = of(&objects, Some(nodes), |run| shared_by_nodes(run, &|_| false).len());
            assert_eq!(quiet, 0, "{mode} {kind} {replicas} {more}");
            for changed in [kind, "PersistentVolumeClaim"] {
                let told = of(&objects, Some(nodes), |run| {
                    shared_by_nodes(run, &|id| id.kind == changed).len()
                });
                assert_eq!(told, told_of, "{changed} of {mode} {kind}");
            }
        }
        let objects = [claim("ReadWriteOncePod"), workload("Deployment", 2, free)];
        assert_eq!(
            told(of(&objects, None, shared_by_pods)),
            [
                "w/spec/template/spec/volumes/0/persistentVolumeClaim/claimName: only one pod can use the claim `data`; use one replica, or another access mode"
            ]
        );
    }
}
