//! Devices, such as GPUs, that pods ask for and no node has.

use std::collections::BTreeMap;

use serde_json::Value;

use super::pods::{Count, Pods, pods};
use super::run::Run;
use crate::error::{Diagnostic, suggestion};

/// The folder in which programs that offer devices meet the kubelet.
const PLUGINS: &str = "/var/lib/kubelet/device-plugins";

/// Pods that no node has enough devices for. If the run brings what offers devices, nothing is known.
pub(super) fn lacking(run: &Run<'_>) -> Vec<Diagnostic> {
    let Some(cluster) = run.asked().filter(|cluster| run.is_whole && !cluster.nodes.is_empty()) else {
        return Vec::new();
    };
    let all = pods(run.objects);
    if all.iter().any(offers_devices) {
        return Vec::new();
    }
    let offered = |name: &str| {
        let nodes = cluster.nodes.values();
        nodes
            .filter_map(|node| node.allocatable.get(name)?.parse::<u64>().ok())
            .max()
            .unwrap_or(0)
    };
    // How many pods have room, if nothing else has any.
    let slots = |name: &str, wanted: u64| -> u64 {
        let nodes = cluster.nodes.values();
        let each = nodes.filter_map(|node| node.allocatable.get(name)?.parse::<u64>().ok());
        each.map(|count| count / wanted).sum()
    };
    let shown = |name: &str| {
        let nodes = cluster.nodes.values();
        let counts: Vec<&str> = nodes
            .filter_map(|node| Some(node.allocatable.get(name)?.as_str()))
            .collect();
        counts.join(", ")
    };
    let known = || {
        cluster
            .nodes
            .values()
            .flat_map(|node| node.allocatable.keys())
            .filter(|name| is_device(name))
    };
    let mut mistakes = Vec::new();
    for pods in &all {
        for (name, (wanted, pointer)) in asked(pods) {
            let most = offered(&name);
            let place = pods.object.place(&format!("{}{pointer}", pods.pointer));
            if wanted <= most {
                let slots = slots(&name, wanted);
                if let Count::Some(count) = pods.count
                    && count > slots
                {
                    let title = format!(
                        "{} pods of {} want `{name}`, and there is room for {slots}",
                        count,
                        pods.name()
                    );
                    let label = format!("each asks for {wanted}; the nodes have {}", shown(&name));
                    let hint = "have fewer pods, or more devices, such as by time slicing";
                    mistakes.push(Diagnostic::new(title).at(&place, label).hint(hint));
                }
                continue;
            }
            let title = if most == 0 {
                format!("no node has `{name}`")
            } else {
                format!("no node has {wanted} of `{name}`")
            };
            let label = match most {
                0 => format!("the pods of {} would wait forever", pods.name()),
                most => format!("the most that a node has is {most}"),
            };
            let near = suggestion(&name, known().map(String::as_str)).filter(|_| most == 0);
            let hint = near
                .unwrap_or_else(|| "ask for less, or deploy what offers it first, such as a device plugin".to_owned());
            mistakes.push(Diagnostic::new(title).at(&place, label).hint(hint));
        }
    }
    mistakes
}

/// Whether pods offer devices of their node.
fn offers_devices(pods: &Pods<'_>) -> bool {
    pods.volumes().any(|(_, volume)| {
        let path = volume.pointer("/hostPath/path").and_then(Value::as_str);
        path.is_some_and(|path| {
            path.trim_end_matches('/') == PLUGINS || PLUGINS.starts_with(&format!("{}/", path.trim_end_matches('/')))
        })
    })
}

/// Whether a resource is a device: those of Kubernetes itself have no name of a domain.
fn is_device(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(domain, _)| domain != "kubernetes.io" && !domain.ends_with(".kubernetes.io"))
}

/// The devices that a pod asks for, with the place of the first container that does. Containers that run before the others
/// give theirs back.
fn asked(pods: &Pods<'_>) -> BTreeMap<String, (u64, String)> {
    let mut all: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for (pointer, container) in pods.containers() {
        let is_first = pointer.starts_with("/initContainers");
        let limits = container.pointer("/resources/limits").and_then(Value::as_object);
        for (name, quantity) in limits.into_iter().flatten().filter(|(name, _)| is_device(name)) {
            let count = quantity.as_u64().or_else(|| quantity.as_str()?.parse().ok());
            let Some(count) = count.filter(|count| *count > 0) else {
                continue;
            };
            let place = format!(
                "{pointer}/resources/limits/{}",
                name.replace('~', "~0").replace('/', "~1")
            );
            let entry = all.entry(name.clone()).or_insert((0, place));
            entry.0 = if is_first { entry.0.max(count) } else { entry.0 + count };
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{cluster, of, told};
    use super::*;

    #[test]
    fn a_pod_gets_no_more_devices_than_a_node_has() {
        let workload = |kind: &str, limits: Value, volumes: Value| {
            json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": "w" }, "spec": { "template": { "spec": {
                "containers": [{ "name": "a", "resources": { "limits": limits } }], "volumes": volumes } } } })
        };
        let deployment = |limits: Value| workload("Deployment", limits, json!([]));
        let nodes = cluster(&[&[("cpu", "4")], &[("nvidia.com/gpu", "2"), ("cpu", "4")]]);
        let place = "w/spec/template/spec/containers/0/resources/limits";
        let hint = "ask for less, or deploy what offers it first, such as a device plugin";
        for (object, expected) in [
            (deployment(json!({ "nvidia.com/gpu": 2, "cpu": 64 })), None),
            (
                deployment(json!({ "nvidia.com/gpu": "4" })),
                Some(format!(
                    "{place}/nvidia.com~1gpu: no node has 4 of `nvidia.com/gpu`; {hint}"
                )),
            ),
            (
                deployment(json!({ "nvidia.com/gpus": 1 })),
                Some(format!(
                    "{place}/nvidia.com~1gpus: no node has `nvidia.com/gpus`; did you mean `nvidia.com/gpu`?"
                )),
            ),
            (
                deployment(json!({ "amd.com/xdna": 1 })),
                Some(format!(
                    "{place}/amd.com~1xdna: no node has `amd.com/xdna`; available: `nvidia.com/gpu`"
                )),
            ),
            (
                deployment(json!({ "hugepages-2Mi": 1, "scheduling.kubernetes.io/x": 1, "amd.com/gpu": 0 })),
                None,
            ),
            (
                workload(
                    "DaemonSet",
                    json!({ "amd.com/gpu": 1 }),
                    json!([{ "hostPath": { "path": "/var/lib/kubelet/device-plugins" } }]),
                ),
                None,
            ),
        ] {
            let found = told(of(std::slice::from_ref(&object), Some(&nodes), lacking));
            assert_eq!(found.first(), expected.as_ref(), "{object}");
        }
        // Each pod fits on a node, and all of them do not.
        let mut three = deployment(json!({ "amd.com/gpu": 1 }));
        three["spec"]["replicas"] = json!(3);
        let few = cluster(&[&[("amd.com/gpu", "1")], &[("amd.com/gpu", "1")]]);
        let told_of = told(of(std::slice::from_ref(&three), Some(&few), lacking));
        assert_eq!(told_of.len(), 1, "{told_of:?}");
        assert!(told_of[0].contains("there is room for 2"), "{told_of:?}");
        three["spec"]["replicas"] = json!(2);
        assert!(told(of(&[three], Some(&few), lacking)).is_empty());
        let mut predicted = nodes.clone();
        predicted.is_predicted = true;
        let asking = [deployment(json!({ "amd.com/gpu": 1 }))];
        assert!(of(&asking, Some(&predicted), lacking).is_empty());
        assert!(of(&asking, None, lacking).is_empty());
    }
}
