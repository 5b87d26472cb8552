//! Labels and ports by which objects find pods.

use serde_json::{Map, Value};

use super::pods::{Pods, pods};
use super::references::items;
use super::run::{Planned, Run};
use crate::error::{Diagnostic, Origin, closest};

/// Workloads whose selectors do not find their own pods: the API server refuses them.
pub(super) fn unlike_pods(run: &Run<'_>) -> Vec<Diagnostic> {
    let of = |object: &Planned<'_>| {
        if object.id.group != "apps" {
            return None;
        }
        let wanted = object.object.pointer("/spec/selector/matchLabels")?.as_object()?;
        let none = Map::new();
        let labels = object.object.pointer("/spec/template/metadata/labels");
        let labels = labels.and_then(Value::as_object).unwrap_or(&none);
        let key = wanted.iter().find(|(key, value)| labels.get(*key) != Some(value))?.0;
        let pointer = key.replace('~', "~0").replace('/', "~1");
        let title = format!("the selector of {} does not find its own pods", object.name());
        let label = match labels.get(key) {
            Some(_) => "the pods have another value",
            None => "the pods have no such label",
        };
        Some(
            Diagnostic::new(title)
                .at(&object.place(&format!("/spec/selector/matchLabels/{pointer}")), label)
                .at(
                    &object.key_place(&format!("/spec/template/metadata/labels/{pointer}")),
                    "label of the pods",
                )
                .hint("write the same labels in `spec.selector.matchLabels` and `spec.template.metadata.labels`"),
        )
    };
    run.objects.iter().filter_map(of).collect()
}

/// Ports that Services name and their pods do not have: those that are misspelled, and what to say of others, which something may add
/// to the pods.
pub(super) fn wrong_ports(run: &Run<'_>) -> (Vec<Diagnostic>, Vec<(String, Origin)>) {
    let (mut mistakes, mut notices) = (Vec::new(), Vec::new());
    let pods = pods(run.objects);
    for service in run.objects.iter().filter(|object| object.is("", "Service")) {
        let selector = service.object.pointer("/spec/selector").and_then(Value::as_object);
        let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
            continue;
        };
        let selected: Vec<&Pods<'_>> = pods
            .iter()
            .filter(|pods| pods.object.namespace() == service.namespace() && is_selected(selector, pods))
            .collect();
        if selected.is_empty() || !run.is_whole {
            continue;
        }
        let names: Vec<&str> = selected.iter().flat_map(|pods| port_names(pods)).collect();
        let Some(spec) = service.object.get("spec") else {
            continue;
        };
        for (number, port) in items(spec, "ports") {
            let wanted = port.get("targetPort").and_then(Value::as_str);
            let Some(wanted) = wanted.filter(|wanted| !names.contains(wanted)) else {
                continue;
            };
            let place = service.place(&format!("/spec/ports/{number}/targetPort"));
            let of = selected
                .iter()
                .map(|pods| pods.name())
                .collect::<Vec<_>>()
                .join(" and ");
            match closest(wanted, names.iter().copied()) {
                Some(near) => mistakes.push(
                    Diagnostic::new(format!("unknown port `{wanted}` of the pods of {of}"))
                        .at(&place, format!("{} would lead nowhere", service.name()))
                        .hint(format!("did you mean `{near}`?")),
                ),
                None => notices.push((
                    format!(
                        "{} leads nowhere: no container of {of} has a port `{wanted}`",
                        service.name()
                    ),
                    place,
                )),
            }
        }
    }
    (mistakes, notices)
}

fn is_selected(selector: &Map<String, Value>, pods: &Pods<'_>) -> bool {
    let Some(above) = pods.pointer.strip_suffix("/spec") else {
        return false;
    };
    let labels = pods.object.object.pointer(&format!("{above}/metadata/labels"));
    let labels = labels.and_then(Value::as_object);
    labels.is_some_and(|labels| selector.iter().all(|(key, value)| labels.get(key) == Some(value)))
}

/// The names of the ports of all containers.
fn port_names<'a>(pods: &Pods<'a>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (_, container) in pods.containers() {
        names.extend(items(container, "ports").filter_map(|(_, port)| port.get("name")?.as_str()));
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{of, told};
    use super::*;

    #[test]
    fn selectors_find_their_own_pods() {
        for (selector, labels, expected) in [
            (json!({ "app": "web" }), json!({ "app": "web", "tier": "front" }), None),
            (
                json!({ "app": "web" }),
                json!({ "app": "wbe" }),
                Some("x/spec/selector/matchLabels/app, x/spec/template/metadata/labels/app (key)"),
            ),
            (
                json!({ "a/b": "web" }),
                json!({}),
                Some("x/spec/selector/matchLabels/a~1b, x/spec/template/metadata/labels/a~1b (key)"),
            ),
        ] {
            let object = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "x" },
                "spec": { "selector": { "matchLabels": selector }, "template": { "metadata": { "labels": labels } } } });
            let found = told(of(&[object], None, unlike_pods));
            let expected = expected.map(|places| {
                format!(
                    "{places}: the selector of Deployment/x does not find its own pods; write the same labels in `spec.selector.matchLabels` and `spec.template.metadata.labels`"
                )
            });
            assert_eq!(found.first(), expected.as_ref(), "{selector} {labels}");
        }
    }

    #[test]
    fn services_name_ports_that_their_pods_have() {
        let service = |port: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s" }, "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": port }] } });
        let pods = |app: &str, ports: Value| {
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "w" }, "spec": { "template": {
            "metadata": { "labels": { "app": app } }, "spec": { "containers": [{ "name": "c", "ports": ports }] } } } })
        };
        let named = json!([{ "containerPort": 8080, "name": "http" }]);
        let wrong = "s/spec/ports/0/targetPort: unknown port `htpp` of the pods of Deployment/w; did you mean `http`?";
        let told_of = "Service/s leads nowhere: no container of Deployment/w has a port `http`";
        for (port, app, ports, mistake, notice) in [
            (json!("http"), "web", &named, None, None),
            (json!(8080), "web", &named, None, None),
            (json!("htpp"), "web", &named, Some(wrong), None),
            (json!("htpp"), "other", &named, None, None),
            (
                json!("http"),
                "web",
                &json!([{ "containerPort": 8080 }]),
                None,
                Some(told_of),
            ),
        ] {
            let objects = [service(port.clone()), pods(app, ports.clone())];
            let (mistakes, notices) = of(&objects, None, wrong_ports);
            let notices: Vec<String> = notices.into_iter().map(|(text, _)| text).collect();
            assert_eq!(told(mistakes).first().map(String::as_str), mistake, "{port} {app}");
            assert_eq!(notices.first().map(String::as_str), notice, "{port} {app}");
        }
    }
}
