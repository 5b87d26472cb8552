//! What `docker compose config --format json` prints. It holds secrets: only what a plan compares is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

use crate::facts::compose::{Build, Config, NetworkSettings, ProjectNetwork, ProjectVolume, Service};
use crate::secret::sha256_hex;

/// How the name of a service begins where its network, processes or volumes are shared.
const OF_SERVICE: &str = "service:";

#[derive(Deserialize)]
struct Printed {
    #[serde(default)]
    services: BTreeMap<String, PrintedService>,
    #[serde(default)]
    networks: BTreeMap<String, Named>,
    #[serde(default)]
    volumes: BTreeMap<String, Named>,
    #[serde(default)]
    secrets: BTreeMap<String, Named>,
    #[serde(default)]
    configs: BTreeMap<String, Named>,
}

#[derive(Deserialize)]
struct PrintedService {
    image: Option<String>,
    build: Option<serde_json::Value>,
    container_name: Option<String>,
    restart: Option<String>,
    scale: Option<u32>,
    deploy: Option<Deploy>,
    network_mode: Option<String>,
    ipc: Option<String>,
    pid: Option<String>,
    #[serde(default)]
    volumes_from: Vec<String>,
    #[serde(default)]
    depends_on: BTreeMap<String, Dependency>,
    #[serde(default)]
    networks: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    ports: Vec<Port>,
    #[serde(default)]
    volumes: Vec<Mount>,
    #[serde(default)]
    secrets: Vec<Source>,
    #[serde(default)]
    configs: Vec<Source>,
    user: Option<String>,
    healthcheck: Option<HealthCheck>,
}

#[derive(Deserialize)]
struct Deploy {
    replicas: Option<u32>,
}

#[derive(Deserialize)]
struct Dependency {
    #[serde(default)]
    restart: bool,
}

#[derive(Deserialize)]
struct Port {
    host_ip: Option<String>,
    target: Option<u32>,
    published: Option<String>,
    protocol: Option<String>,
}

#[derive(Deserialize)]
struct Mount {
    #[serde(rename = "type")]
    kind: String,
    source: Option<String>,
    #[serde(default)]
    target: String,
}

#[derive(Deserialize)]
struct Source {
    source: String,
    target: Option<String>,
}

#[derive(Deserialize)]
struct HealthCheck {
    #[serde(default)]
    disable: bool,
    test: Option<serde_json::Value>,
}

/// A network, volume, secret or config of the project.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
    #[serde(default)]
    external: bool,
    driver: Option<String>,
    #[serde(default)]
    driver_opts: BTreeMap<String, String>,
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    attachable: bool,
    enable_ipv6: Option<bool>,
    #[serde(default)]
    ipam: Ipam,
    file: Option<String>,
    content: Option<String>,
    environment: Option<String>,
}

#[derive(Default, Deserialize)]
struct Ipam {
    #[serde(default)]
    config: Vec<Subnet>,
}

#[derive(Deserialize)]
struct Subnet {
    subnet: Option<String>,
}

/// Errors: it is not what compose prints. The reason has none of the text.
pub(super) fn parse(json: &[u8]) -> Result<Config, String> {
    let printed: Printed = serde_json::from_slice(json)
        .map_err(|error| format!("not what `docker compose config` prints (line {})", error.line()))?;
    let files = |sources: &[Source], of: &BTreeMap<String, Named>| -> Vec<String> {
        let named = sources.iter().filter_map(|one| of.get(&one.source)?.file.clone());
        named.collect()
    };
    let services = printed.services.into_iter().map(|(name, service)| {
        let mut mounted: BTreeSet<String> = BTreeSet::new();
        mounted.extend(files(&service.secrets, &printed.secrets));
        mounted.extend(files(&service.configs, &printed.configs));
        let own = [
            (&service.secrets, &printed.secrets),
            (&service.configs, &printed.configs),
        ];
        let (inline, from_environment) = inline(own);
        let mut binds = placed(&service.secrets, &printed.secrets, SECRETS);
        binds.extend(placed(&service.configs, &printed.configs, ""));
        let mut service = Service {
            inline,
            from_environment,
            ..with_mounts(service, mounted)
        };
        service.binds.extend(binds);
        (name, service)
    });
    let services = services.collect();
    let network = |network: Named| ProjectNetwork {
        name: network.name,
        is_external: network.external,
        settings: NetworkSettings {
            driver: network.driver,
            internal: network.internal,
            attachable: network.attachable,
            ipv6: network.enable_ipv6,
            options: digests(network.driver_opts),
            subnets: network.ipam.config.into_iter().filter_map(|one| one.subnet).collect(),
        },
    };
    let volume = |volume: Named| ProjectVolume {
        name: volume.name,
        is_external: volume.external,
        driver: volume.driver,
        options: digests(volume.driver_opts),
    };
    Ok(Config {
        services,
        networks: printed
            .networks
            .into_iter()
            .map(|(name, of)| (name, network(of)))
            .collect(),
        volumes: printed
            .volumes
            .into_iter()
            .map(|(name, of)| (name, volume(of)))
            .collect(),
        disabled: BTreeSet::new(),
        unset_variables: BTreeSet::new(),
    })
}

/// Where secrets are in a container.
const SECRETS: &str = "/run/secrets";

/// The files of secrets or configs, by their paths in a container.
fn placed(sources: &[Source], of: &BTreeMap<String, Named>, folder: &str) -> BTreeMap<String, String> {
    let each = sources.iter().filter_map(|one| {
        let file = of.get(&one.source)?.file.clone()?;
        let target = one.target.as_ref().unwrap_or(&one.source);
        let target = if target.starts_with('/') {
            target.clone()
        } else {
            format!("{folder}/{target}")
        };
        Some((target, file))
    });
    each.collect()
}

/// Values of options may be secret.
pub(super) fn digests(options: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let digests = options.into_iter();
    digests
        .map(|(name, value)| (name, sha256_hex(value.as_bytes())))
        .collect()
}

/// The digest of what a service gets from `content` of its secrets and configs, and the first of these that is a variable.
fn inline(own: [(&Vec<Source>, &BTreeMap<String, Named>); 2]) -> (Option<String>, Option<String>) {
    let (mut contents, mut from_environment) = (String::new(), None);
    for (sources, of) in own {
        for (source, named) in sources
            .iter()
            .filter_map(|one| Some((&one.source, of.get(&one.source)?)))
        {
            if let Some(content) = &named.content {
                let _ = writeln!(contents, "{source} {}", sha256_hex(content.as_bytes()));
            }
            if named.environment.is_some() {
                from_environment.get_or_insert_with(|| source.clone());
            }
        }
    }
    let digest = (!contents.is_empty()).then(|| sha256_hex(contents.as_bytes()));
    (digest, from_environment)
}

fn with_mounts(service: PrintedService, mut mounted: BTreeSet<String>) -> Service {
    let files = mounted.clone();
    let (mut volumes, mut binds) = (BTreeMap::new(), BTreeMap::new());
    for mount in service.volumes {
        match (mount.kind.as_str(), mount.source) {
            ("bind", Some(source)) => {
                mounted.insert(source.clone());
                binds.insert(mount.target, source);
            }
            ("volume", Some(source)) => drop(volumes.insert(mount.target, source)),
            _ => {}
        }
    }
    let modes = [&service.network_mode, &service.ipc, &service.pid];
    let shared = modes
        .into_iter()
        .flatten()
        .filter_map(|mode| mode.strip_prefix(OF_SERVICE));
    let shares = shared.map(str::to_owned).collect();
    let from = service
        .volumes_from
        .iter()
        .filter(|from| !from.starts_with("container:"));
    let from = from.filter_map(|from| from.split(':').next());
    let volumes_from = from.map(str::to_owned).collect();
    let health_check = service.healthcheck.filter(|check| !check.disable);
    let is_none = |test: &serde_json::Value| test.get(0).and_then(serde_json::Value::as_str) == Some("NONE");
    Service {
        hash: String::new(),
        image: service.image,
        build: service.build.as_ref().map(build),
        container_name: service.container_name,
        restart: service.restart,
        replicas: service.scale.or(service.deploy.and_then(|deploy| deploy.replicas)),
        shares,
        volumes_from,
        depends_on: service
            .depends_on
            .into_iter()
            .map(|(name, on)| (name, on.restart))
            .collect(),
        networks: service.networks.into_iter().flatten().map(|(name, _)| name).collect(),
        ports: service.ports.iter().map(port).collect(),
        mounted,
        files,
        volumes,
        binds,
        user: service.user,
        inline: None,
        from_environment: None,
        has_health_check: health_check.is_some_and(|check| !check.test.as_ref().is_some_and(is_none)),
    }
}

fn build(section: &serde_json::Value) -> Build {
    let text = |key: &str| section.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    Build {
        context: text("context").unwrap_or_default(),
        dockerfile: text("dockerfile"),
        digest: sha256_hex(section.to_string().as_bytes()),
    }
}

fn port(port: &Port) -> String {
    let address = port.host_ip.as_ref().map(|ip| format!("{ip}:")).unwrap_or_default();
    let published = port
        .published
        .as_ref()
        .map(|port| format!("{port}:"))
        .unwrap_or_default();
    let target = port.target.map(|port| port.to_string()).unwrap_or_default();
    match port.protocol.as_deref() {
        None | Some("tcp") => format!("{address}{published}{target}"),
        Some(protocol) => format!("{address}{published}{target}/{protocol}"),
    }
}
