//! Services that Ingresses lead to, and their ports.

use serde_json::Value;

use super::references::{is_brought, items};
use super::run::{Planned, Run};
use crate::error::{Diagnostic, Origin, closest};
use crate::facts::kubernetes::ObjectId;

/// Where an Ingress leads.
struct Backend<'a> {
    ingress: Planned<'a>,
    service: &'a str,
    port: Option<Port<'a>>,
    /// A pointer to the backend in the Ingress.
    pointer: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Port<'a> {
    Number(u64),
    Name(&'a str),
}

impl Backend<'_> {
    /// The Service that it needs.
    fn id(&self) -> ObjectId {
        ObjectId {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "Service".to_owned(),
            namespace: Some(self.ingress.namespace().to_owned()),
            name: self.service.to_owned(),
        }
    }

    /// The key that names its port, and the port.
    fn port(&self) -> Option<(&'static str, String)> {
        self.port.map(|port| match port {
            Port::Number(number) => ("number", number.to_string()),
            Port::Name(name) => ("name", name.to_owned()),
        })
    }
}

/// All backends of the Ingresses of the run.
fn backends<'a>(run: &Run<'a>) -> Vec<Backend<'a>> {
    let mut found = Vec::new();
    let ingresses = run.objects.iter().filter(|one| one.is("networking.k8s.io", "Ingress"));
    for ingress in ingresses {
        let Some(spec) = ingress.object.get("spec") else {
            continue;
        };
        let mut all = vec![(spec.get("defaultBackend"), "/spec/defaultBackend".to_owned())];
        for (number, rule) in items(spec, "rules") {
            let paths = rule.get("http").into_iter().flat_map(|http| items(http, "paths"));
            let at = |path: usize| format!("/spec/rules/{number}/http/paths/{path}/backend");
            all.extend(paths.map(|(path, one)| (one.get("backend"), at(path))));
        }
        for (backend, pointer) in all {
            let Some(service) = backend.and_then(|backend| backend.get("service")) else {
                continue;
            };
            let Some(name) = service.get("name").and_then(Value::as_str) else {
                continue;
            };
            let number = service
                .pointer("/port/number")
                .and_then(Value::as_u64)
                .map(Port::Number);
            let named = service.pointer("/port/name").and_then(Value::as_str).map(Port::Name);
            found.push(Backend {
                ingress: *ingress,
                service: name,
                port: number.or(named),
                pointer: format!("{pointer}/service"),
            });
        }
    }
    found
}

/// The Services that Ingresses name and the run does not bring.
pub(super) fn needed(run: &Run<'_>) -> Vec<ObjectId> {
    let all = backends(run).into_iter().map(|backend| backend.id());
    all.filter(|id| run.is_whole && !is_brought(run, id)).collect()
}

/// Ingresses that lead nowhere: certain mistakes, and what to say of Services that only a controller may make.
pub(super) fn wrong_backends(
    run: &Run<'_>,
    is_absent: &dyn Fn(&ObjectId) -> bool,
) -> (Vec<Diagnostic>, Vec<(String, Origin)>) {
    let (mut mistakes, mut notices) = (Vec::new(), Vec::new());
    for backend in backends(run) {
        let own = |one: &&Planned<'_>| one.is("", "Service") && one.namespace() == backend.ingress.namespace();
        let mut services = run.objects.iter().filter(own);
        let named = services.clone().find(|one| one.id.name == backend.service);
        if let Some(service) = named {
            mistakes.extend(wrong_port(&backend, service));
            continue;
        }
        let id = backend.id();
        if !run.is_whole || is_brought(run, &id) || !is_absent(&id) {
            continue;
        }
        let place = backend.ingress.place(&format!("{}/name", backend.pointer));
        let near = closest(backend.service, services.by_ref().map(|one| one.id.name.as_str()));
        match near {
            Some(near) => mistakes.push(
                Diagnostic::new(format!("unknown Service `{}`", backend.service))
                    .at(&place, format!("{} would lead nowhere", backend.ingress.name()))
                    .hint(format!("did you mean `{near}`?")),
            ),
            None => notices.push((
                format!(
                    "{} leads nowhere: neither this run nor the cluster has the Service `{}` in `{}`",
                    backend.ingress.name(),
                    backend.service,
                    backend.ingress.namespace()
                ),
                place,
            )),
        }
    }
    (mistakes, notices)
}

/// That a Service of the run has not the port that an Ingress names.
fn wrong_port(backend: &Backend<'_>, service: &Planned<'_>) -> Option<Diagnostic> {
    let spec = service.object.get("spec").filter(|_| !service.is_kept)?;
    let (key, wanted) = backend.port()?;
    let number = |port: &Value| port.get("port").and_then(Value::as_u64);
    let ports: Vec<(Option<u64>, Option<&str>)> = items(spec, "ports")
        .map(|(_, port)| (number(port), port.get("name").and_then(Value::as_str)))
        .collect();
    let has = |(number, name): &(Option<u64>, Option<&str>)| match backend.port {
        Some(Port::Number(wanted)) => *number == Some(wanted),
        Some(Port::Name(wanted)) => *name == Some(wanted),
        None => true,
    };
    // One without ports, such as an ExternalName, says nothing of them.
    if ports.is_empty() || ports.iter().any(has) {
        return None;
    }
    let all: Vec<String> = match key {
        "number" => ports
            .iter()
            .filter_map(|(number, _)| Some(number.as_ref()?.to_string()))
            .collect(),
        _ => ports.iter().filter_map(|(_, name)| Some((*name)?.to_owned())).collect(),
    };
    let hint = if all.is_empty() {
        "give the port of the Service a `name`, or write its `number`".to_owned()
    } else {
        format!("its ports: {}", all.join(", "))
    };
    let place = backend.ingress.place(&format!("{}/port/{key}", backend.pointer));
    Some(
        Diagnostic::new(format!("{} has no port `{wanted}`", service.name()))
            .at(&place, format!("{} would lead nowhere", backend.ingress.name()))
            .hint(hint),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{of, told};
    use super::*;

    fn ingress(service: &Value) -> Value {
        json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "i" },
            "spec": { "rules": [{ "host": "a.example", "http": { "paths": [{ "backend": { "service": service } }] } }] } })
    }

    #[test]
    fn an_ingress_leads_to_a_port_of_a_service() {
        let service = |kept: &str, ports: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": kept }, "spec": { "ports": ports } });
        let ports = json!([{ "name": "http", "port": 80 }]);
        let at = "i/spec/rules/0/http/paths/0/backend/service";
        for (backend, expected) in [
            (json!({ "name": "web", "port": { "number": 80 } }), None),
            (json!({ "name": "web", "port": { "name": "http" } }), None),
            (
                json!({ "name": "web", "port": { "number": 8080 } }),
                Some(format!(
                    "{at}/port/number: Service/web has no port `8080`; its ports: 80"
                )),
            ),
            (
                json!({ "name": "web", "port": { "name": "https" } }),
                Some(format!(
                    "{at}/port/name: Service/web has no port `https`; its ports: http"
                )),
            ),
            (
                json!({ "name": "wbe", "port": { "number": 80 } }),
                Some(format!("{at}/name: unknown Service `wbe`; did you mean `web`?")),
            ),
        ] {
            let objects = [ingress(&backend), service("web", ports.clone())];
            let (mistakes, notices) = of(&objects, None, |run| wrong_backends(run, &|_| true));
            assert_eq!(told(mistakes).first(), expected.as_ref(), "{backend}");
            assert!(notices.is_empty(), "{backend}");
        }
        let external = [
            ingress(&json!({ "name": "out", "port": { "number": 443 } })),
            service("out", json!([])),
        ];
        assert!(of(&external, None, |run| wrong_backends(run, &|_| true)).0.is_empty());
    }

    #[test]
    fn a_service_that_only_a_controller_may_make_is_told() {
        let mut object = ingress(&json!({ "name": "made-elsewhere", "port": { "number": 80 } }));
        object["spec"]["defaultBackend"] = json!({ "service": { "name": "other" } });
        let objects = [object];
        let needed: Vec<String> = of(&objects, None, |run| {
            needed(run).iter().map(ToString::to_string).collect()
        });
        assert_eq!(
            needed,
            ["Service/other in default", "Service/made-elsewhere in default"]
        );
        for (is_absent, count) in [(true, 2), (false, 0)] {
            let (mistakes, notices) = of(&objects, None, |run| wrong_backends(run, &|_| is_absent));
            assert_eq!((mistakes.len(), notices.len()), (0, count));
        }
        let widget =
            json!({ "apiVersion": "example.org/v1", "kind": "Widget", "metadata": { "name": "made-elsewhere" } });
        let (_, notices) = of(&[objects[0].clone(), widget], None, |run| {
            wrong_backends(run, &|_| true)
        });
        assert_eq!(
            notices.first().map(|(text, _)| text.as_str()),
            Some("Ingress/i leads nowhere: neither this run nor the cluster has the Service `other` in `default`")
        );
    }
}
