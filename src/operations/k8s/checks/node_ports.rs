//! Ports of all nodes that another Service has.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::run::{Planned, Run};
use crate::error::{Diagnostic, Origin};
use crate::facts::kubernetes::ObjectId;

/// The ports that an API server gives to Services by default.
const USUAL: RangeInclusive<u64> = 30_000..=32_767;

/// Ports that two Services of the run want, or that a Service of the cluster has.
pub(super) fn taken(run: &Run<'_>) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let mut seen: BTreeMap<(u64, String), (Planned<'_>, String)> = BTreeMap::new();
    let services = || run.objects.iter().filter(|object| object.is("", "Service"));
    let is_planned = |owner: &str| services().any(|one| format!("{}/{}", one.namespace(), one.id.name) == owner);
    for service in services() {
        for (pointer, port, protocol) in node_ports(service) {
            let title = format!("port {port} of the nodes is taken");
            let hint = "choose another `nodePort`, or leave it out: then the cluster chooses one";
            if let Some((first, at)) = seen.insert((port, protocol), (*service, pointer.clone())) {
                mistakes.push(
                    Diagnostic::new(title)
                        .at(&service.place(&pointer), "wanted again here")
                        .at(&first.place(&at), "first wanted here")
                        .hint(hint),
                );
                continue;
            }
            let owner = run.cluster.and_then(|cluster| {
                let port = u16::try_from(port).ok()?;
                cluster.node_ports.get(&port)
            });
            // What this run changes is seen above.
            if let Some(owner) = owner.filter(|owner| !is_planned(owner)) {
                let label = format!("Service `{owner}` of the cluster has it");
                mistakes.push(Diagnostic::new(title).at(&service.place(&pointer), label).hint(hint));
            }
        }
    }
    mistakes
}

/// Ports that an API server with the usual settings refuses. Which it takes is a setting that cannot be read.
pub(super) fn out_of_range(run: &Run<'_>, is_changed: &dyn Fn(&ObjectId) -> bool) -> Vec<(String, Origin)> {
    let services = run
        .objects
        .iter()
        .filter(|object| object.is("", "Service") && is_changed(object.id));
    let ports = services.flat_map(|service| node_ports(service).map(move |port| (service, port)));
    let wrong = ports.filter(|(_, (_, port, _))| !USUAL.contains(port));
    let text = |port: u64, name: &str| {
        format!(
            "Service/{name} wants port {port} of the nodes: the API server takes {} to {}, unless `service-node-port-range` says otherwise",
            USUAL.start(),
            USUAL.end()
        )
    };
    wrong
        .map(|(service, (pointer, port, _))| (text(port, &service.id.name), service.place(&pointer)))
        .collect()
}

/// The ports of nodes that a Service names, with pointers and protocols.
fn node_ports<'a>(service: &Planned<'a>) -> impl Iterator<Item = (String, u64, String)> + use<'a> {
    let ports = service.object.pointer("/spec/ports").and_then(Value::as_array);
    let ports = ports.into_iter().flatten().enumerate();
    ports.filter_map(|(at, port)| {
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP").to_owned();
        let number = port.get("nodePort")?.as_u64().filter(|port| *port > 0)?;
        Some((format!("/spec/ports/{at}/nodePort"), number, protocol))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{cluster, of, told};
    use super::*;

    #[test]
    fn a_port_that_the_api_server_will_not_give_is_told() {
        let service = |port: u64| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "a" }, "spec": { "ports": [{ "nodePort": port }] } });
        for (port, is_told) in [(30000, false), (32767, false), (29999, true), (40501, true), (80, true)] {
            let told = of(&[service(port)], None, |run| out_of_range(run, &|_| true));
            assert_eq!(!told.is_empty(), is_told, "{port}");
            assert!(
                told.iter().all(|(text, _)| text.contains(&format!("port {port} "))),
                "{told:?}"
            );
        }
        assert!(of(&[service(80)], None, |run| out_of_range(run, &|_| false)).is_empty());
    }

    #[test]
    fn a_port_of_the_nodes_belongs_to_one_service() {
        let service = |name: &str, ports: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": "a" }, "spec": { "ports": ports } });
        let one = |port: u64| json!([{ "nodePort": port }]);
        let mut answers = cluster(&[]);
        answers.node_ports = [(30080, "a/web".to_owned()), (30090, "b/web".to_owned())].into();
        let hint = "choose another `nodePort`, or leave it out: then the cluster chooses one";
        for (objects, expected) in [
            (vec![service("web", one(30080))], vec![]),
            (
                vec![service("other", one(30080))],
                vec![format!(
                    "other/spec/ports/0/nodePort: port 30080 of the nodes is taken; {hint}"
                )],
            ),
            // The Service that has it gets another one in the same run.
            (vec![service("web", one(30081)), service("other", one(30080))], vec![]),
            (
                vec![
                    service("x", one(31000)),
                    service("y", json!([{}, { "nodePort": 31000 }])),
                ],
                vec![format!(
                    "y/spec/ports/1/nodePort, x/spec/ports/0/nodePort: port 31000 of the nodes is taken; {hint}"
                )],
            ),
            (
                vec![service(
                    "dns",
                    json!([{ "nodePort": 30053 }, { "nodePort": 30053, "protocol": "UDP" }]),
                )],
                vec![],
            ),
        ] {
            assert_eq!(told(of(&objects, Some(&answers), taken)), expected, "{objects:?}");
        }
    }
}
