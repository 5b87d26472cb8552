//! A compose file as it reads by itself, for a host that has no compose yet. What it means is compose's own: this is only as much as a
//! new project needs, and nothing if the file uses more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::files::on_host;
use crate::facts::compose::{Build, Config, ProjectNetwork, ProjectVolume, Service};

/// The network of services that name none.
const DEFAULT: &str = "default";

/// The services of a new project in `directory` with this compose file; `None` if only compose can say.
pub(super) fn config(project: &str, directory: &str, profiles: &[String], text: &str) -> Option<Config> {
    let file: Value = serde_saphyr::from_str(text).ok()?;
    if file.get("include").is_some() || uses_variables(&file) {
        return None;
    }
    let reading = Reading { directory, file: &file };
    let mut config = Config::default();
    for (name, service) in reading.table("services") {
        let wanted = strings(service.get("profiles"))?;
        if wanted.is_empty() || wanted.iter().any(|profile| profiles.contains(profile)) {
            config.services.insert(name.clone(), reading.service(service)?);
        }
    }
    let names: BTreeSet<&String> = config.services.values().flat_map(|service| &service.networks).collect();
    for name in names {
        let (name_on_host, is_external) = reading.named(project, "networks", name)?;
        let network = ProjectNetwork {
            name: name_on_host,
            is_external,
            ..ProjectNetwork::default()
        };
        config.networks.insert(name.clone(), network);
    }
    let names: BTreeSet<&String> = config
        .services
        .values()
        .flat_map(|service| service.volumes.values())
        .collect();
    for name in names {
        let (name_on_host, is_external) = reading.named(project, "volumes", name)?;
        let volume = ProjectVolume {
            name: name_on_host,
            is_external,
            ..ProjectVolume::default()
        };
        config.volumes.insert(name.clone(), volume);
    }
    Some(config)
}

/// Whether a variable stands anywhere. `$$` is a `$`.
fn uses_variables(value: &Value) -> bool {
    match value {
        Value::String(text) => text.replace("$$", "").contains('$'),
        Value::Array(items) => items.iter().any(uses_variables),
        Value::Object(table) => table.values().any(uses_variables),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

struct Reading<'a> {
    directory: &'a str,
    file: &'a Value,
}

impl<'a> Reading<'a> {
    fn table(&self, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.file.get(name).and_then(Value::as_object).into_iter().flatten()
    }

    /// The name that a network or volume has on the host, and whether it has to be there.
    fn named(&self, project: &str, kind: &str, name: &str) -> Option<(String, bool)> {
        let own = self.file.get(kind).and_then(|all| all.get(name));
        let of = |key: &str| own.and_then(|own| own.get(key));
        let is_external = match of("external") {
            None => false,
            Some(Value::Bool(is_external)) => *is_external,
            Some(_) => return None,
        };
        let given = of("name").and_then(Value::as_str).map(str::to_owned);
        let usual = if is_external {
            name.to_owned()
        } else {
            format!("{project}_{name}")
        };
        Some((given.unwrap_or(usual), is_external))
    }

    fn service(&self, service: &Value) -> Option<Service> {
        if service.get("extends").is_some() {
            return None;
        }
        let text = |key: &str| service.get(key).and_then(Value::as_str).map(str::to_owned);
        let (mut mounted, mut files) = (BTreeSet::new(), BTreeSet::new());
        let (mut volumes, mut binds) = (BTreeMap::new(), BTreeMap::new());
        for mount in list(service.get("volumes"))? {
            let (kind, source, target) = mount_of(mount)?;
            match (kind.as_str(), source) {
                ("bind", Some(source)) => {
                    let source = on_host(self.directory, &source)?;
                    mounted.insert(source.clone());
                    binds.insert(target, source);
                }
                ("volume", Some(source)) => drop(volumes.insert(target, source)),
                _ => {}
            }
        }
        for kind in ["secrets", "configs"] {
            for one in list(service.get(kind))? {
                let name = one.as_str().or_else(|| one.get("source")?.as_str())?;
                let file = self.file.get(kind)?.get(name)?.get("file");
                if let Some(file) = file.and_then(Value::as_str) {
                    let file = on_host(self.directory, file)?;
                    let folder = if kind == "secrets" { "/run/secrets" } else { "" };
                    let target = one.get("target").and_then(Value::as_str).unwrap_or(name);
                    let is_whole = target.starts_with('/');
                    let target = if is_whole {
                        target.to_owned()
                    } else {
                        format!("{folder}/{target}")
                    };
                    binds.insert(target, file.clone());
                    files.insert(file);
                }
            }
        }
        mounted.extend(files.iter().cloned());
        let mut networks = strings(service.get("networks"))?;
        if networks.is_empty() && service.get("network_mode").is_none() {
            networks.insert(DEFAULT.to_owned());
        }
        let replicas = service.get("scale").or_else(|| service.get("deploy")?.get("replicas"));
        Some(Service {
            image: text("image"),
            build: service.get("build").map(|_| Build::default()),
            container_name: text("container_name"),
            restart: text("restart"),
            replicas: replicas
                .and_then(Value::as_u64)
                .and_then(|number| u32::try_from(number).ok()),
            networks,
            ports: list(service.get("ports"))?.iter().map(port).collect::<Option<_>>()?,
            mounted,
            files,
            volumes,
            binds,
            user: text("user"),
            has_health_check: service.get("healthcheck").is_some(),
            ..Service::default()
        })
    }
}

/// The items of a list, of which there may be none.
fn list(value: Option<&Value>) -> Option<&[Value]> {
    match value {
        None | Some(Value::Null) => Some(&[]),
        Some(Value::Array(items)) => Some(items),
        Some(_) => None,
    }
}

/// Names that are given as a list, or as the keys of a table.
fn strings(value: Option<&Value>) -> Option<BTreeSet<String>> {
    let keys = |table: &Map<String, Value>| table.keys().cloned().collect();
    match value {
        Some(Value::Object(table)) => Some(keys(table)),
        value => list(value)?
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
    }
}

/// Kind, source and target of a mount.
fn mount_of(mount: &Value) -> Option<(String, Option<String>, String)> {
    let Some(text) = mount.as_str() else {
        let text = |key: &str| mount.get(key).and_then(Value::as_str).map(str::to_owned);
        return Some((text("type")?, text("source"), text("target").unwrap_or_default()));
    };
    let mut parts = text.split(':');
    let (first, target) = (parts.next()?, parts.next());
    let Some(target) = target else {
        return Some(("volume".to_owned(), None, first.to_owned()));
    };
    let kind = if first.starts_with(['/', '.', '~']) {
        "bind"
    } else {
        "volume"
    };
    Some((kind.to_owned(), Some(first.to_owned()), target.to_owned()))
}

fn port(port: &Value) -> Option<String> {
    match port {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(_) => {
            let part = |key: &str| match port.get(key)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            let address = part("host_ip").map(|ip| format!("{ip}:")).unwrap_or_default();
            let published = part("published").map(|port| format!("{port}:")).unwrap_or_default();
            let protocol = part("protocol").filter(|protocol| protocol != "tcp");
            let protocol = protocol.map(|protocol| format!("/{protocol}")).unwrap_or_default();
            Some(format!("{address}{published}{}{protocol}", part("target")?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
x-common: &common
  restart: unless-stopped
services:
  app:
    <<: *common
    image: demo:1
    ports: ["8080:80", { target: 53, published: 53, protocol: udp }]
    volumes: ["./conf:/conf:ro", "data:/data", "/srv/x:/x", { type: bind, source: ../y, target: /y }, "/anonymous"]
    secrets: [token]
    networks: { lan: {}, default: {} }
  side: { image: "demo:1", network_mode: "service:app" }
  debug: { image: "demo:1", profiles: [debug] }
secrets: { token: { file: ./secrets/token } }
networks: { lan: { external: true } }
volumes: { data: {} }
"#;

    #[test]
    fn a_plain_file_says_what_a_new_project_needs() {
        let config = config("web", "/opt/stacks/web", &[], FILE).expect("plain");
        let names: Vec<&String> = config.services.keys().collect();
        assert_eq!(names, ["app", "side"]);
        let app = &config.services["app"];
        assert_eq!(app.restart.as_deref(), Some("unless-stopped"));
        assert_eq!(app.ports, ["8080:80", "53:53/udp"]);
        let mounted: Vec<&String> = app.mounted.iter().collect();
        assert_eq!(
            mounted,
            [
                "/opt/stacks/web/conf",
                "/opt/stacks/web/secrets/token",
                "/opt/stacks/y",
                "/srv/x"
            ]
        );
        assert_eq!(app.binds["/conf"], "/opt/stacks/web/conf");
        assert_eq!(app.binds["/run/secrets/token"], "/opt/stacks/web/secrets/token");
        assert_eq!(app.volumes, [("/data".to_owned(), "data".to_owned())].into());
        assert!(config.services["side"].networks.is_empty());
        assert_eq!(config.networks["default"].name, "web_default");
        assert!(config.networks["lan"].is_external && config.networks["lan"].name == "lan");
        assert_eq!(config.volumes["data"].name, "web_data");
    }

    #[test]
    fn what_only_compose_can_say_is_left_to_it() {
        for text in [
            "services: { a: { image: \"demo:${TAG}\" } }",
            "services: { a: { image: demo, environment: [\"A=$B\"] } }",
            "services: { a: { extends: { service: b } }, b: { image: demo } }",
            "include: [other.yaml]\nservices: {}",
            "services: { a: { image: demo, volumes: [\"~/x:/x\"] } }",
            "services: [",
        ] {
            assert!(config("web", "/opt/web", &[], text).is_none(), "{text}");
        }
        assert!(
            config(
                "web",
                "/opt/web",
                &[],
                "services: { a: { image: demo, command: \"echo $$HOME\" } }"
            )
            .is_some()
        );
        let with_profile = config("web", "/opt/web", &["debug".to_owned()], FILE).expect("plain");
        assert!(with_profile.services.contains_key("debug"));
    }
}
