//! Asks the host's own `docker` about the engine and what it has.
//!
//! An engine that systemd would start at the first question is not asked: a review starts nothing.

mod details;
mod registry;
mod usage;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::facts::answer::{UnreadableAnswer, lines};
use crate::facts::docker::{
    self, BuildCacheKey, ContainerKey, DATA_ROOT, DOCKER, DetailsKey, Drivers, DriversKey, Endpoint, EndpointsKey,
    Engine, EngineKey, INTERFACE, Image, ImageKey, Network, NetworkKey, ProjectVolumesKey, PublishedKey, Reference,
    SETTINGS, STATE, StopsKey, Subnet, SubnetsKey, UsageKey, Volume, VolumeKey,
};
use crate::facts::family::{Family, InTemplates, Readable};
use crate::facts::key::{Fact, FactKey, Stored as _};
use crate::quote::quote;
use crate::value::Known;

/// How long one command may take, in seconds.
const LONGEST: u64 = 20;

static DOCKER_FAMILY: Family = Family {
    subject: "what Docker has",
    probe,
    // Eight commands at the most, two for each network that is created again, and those for all that there is.
    allowance: |keys| {
        let endpoints = keys.iter().filter_map(EndpointsKey::of).count();
        let of_all = if keys.contains(&FactKey::DockerUsage) { 20 } else { 0 };
        Duration::from_secs(LONGEST) * u32::try_from(9 + 2 * endpoints + of_all).unwrap_or(u32::MAX)
    },
    parse,
};

impl Readable<'_> for EngineKey {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for NetworkKey<'a> {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for EndpointsKey<'a> {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for VolumeKey<'a> {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for ProjectVolumesKey<'a> {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for ImageKey<'a> {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl Readable<'_> for UsageKey {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl Readable<'_> for BuildCacheKey {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl Readable<'_> for StopsKey {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl Readable<'_> for SubnetsKey {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl Readable<'_> for DriversKey {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for DetailsKey<'a> {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl Readable<'_> for PublishedKey {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

impl<'a> Readable<'a> for ContainerKey<'a> {
    const FAMILY: &'static Family = &DOCKER_FAMILY;
    const IN_TEMPLATES: Option<&'static InTemplates> = None;
}

/// The label that compose writes on what it makes.
const PROJECT_LABEL: &str = "com.docker.compose.project";

/// What is read of each container, in the order of [`container`]. As JSON, since a label may contain line breaks.
const OF_CONTAINER: [&str; 8] = [
    "{{json .Names}}",
    "{{json .Networks}}",
    "{{json .Mounts}}",
    "{{json .State}}",
    "{{json .Image}}",
    "{{json (.Label \\\"com.docker.compose.project\\\")}}",
    "{{json (.Label \\\"com.docker.compose.service\\\")}}",
    // A container of `docker compose run` is not of the service.
    "{{json (.Label \\\"com.docker.compose.oneoff\\\")}}",
];

/// Lines that begin with a word: `command` if there is no engine but its command; `engine` and its state; then, if it runs, `container` for each, `image` for each
/// of its names and digests if any is asked for, `network` and `volume` for each that is asked for, or `failed` and the reason; `end` last.
fn probe(keys: &[FactKey]) -> String {
    let networks: Vec<&str> = keys.iter().filter_map(NetworkKey::of).map(|key| key.0).collect();
    let volumes: Vec<&str> = keys.iter().filter_map(VolumeKey::of).map(|key| key.0).collect();
    let networks = listed("network", &networks);
    let projects = keys.iter().filter_map(ProjectVolumesKey::of);
    let of_projects = projects.map(|key| {
        let filter = quote(&format!("label={PROJECT_LABEL}={}", key.0));
        filtered("volume", &format!(" --filter {filter}"))
    });
    let volumes: String = [listed("volume", &volumes)].into_iter().chain(of_projects).collect();
    let endpoints: String = keys
        .iter()
        .filter_map(EndpointsKey::of)
        .map(|key| endpoints(key.0))
        .collect();
    let images = if keys.iter().any(|key| ImageKey::of(key).is_some()) {
        IMAGES
    } else {
        ""
    };
    let usage = if keys.contains(&FactKey::DockerUsage) {
        usage::probe()
    } else {
        String::new()
    };
    let cache = if keys.contains(&FactKey::DockerBuildCache) {
        usage::BUILD_CACHE
    } else {
        ""
    };
    let asked = [
        (FactKey::DockerStops, LIVE),
        (FactKey::DockerSubnets, SUBNETS),
        (FactKey::DockerDrivers, DRIVERS),
        (FactKey::DockerPublished, details::PUBLISHED),
    ];
    let asked = asked.into_iter().filter(|(key, _)| keys.contains(key));
    let containers: Vec<&str> = keys.iter().filter_map(DetailsKey::of).map(|key| key.0).collect();
    let details = details::probe(&containers);
    let others: String = asked.map(|(_, text)| text).collect();
    format!(
        "(\n\
         PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\n\
         d() {{ {environment} timeout {LONGEST} docker \"$@\" </dev/null 2>&1; }}\n\
         why() {{ [ \"$1\" != 124 ] || set -- 0 \"Docker does not answer within {LONGEST} s\"; printf \"%s\" \"$2\" | tr -s \"\\n\\t\" \"  \" | cut -c 1-300; echo; }}\n\
         none() {{\n\
         command -v docker >/dev/null && echo command\n\
         r=$(sed -n \"s/.*\\\"data-root\\\"[[:space:]]*:[[:space:]]*\\\"\\([^\\\"]*\\)\\\".*/\\1/p\" {SETTINGS} 2>/dev/null); r=${{r:-{DATA_ROOT}}}\n\
         if [ -e \"$r/{STATE}\" ]; then echo \"engine state $r\"; else echo \"engine absent $r\"; fi; exit\n\
         }}\n\
         e=$(command -v dockerd)\n\
         if ! command -v docker >/dev/null; then [ -n \"$e\" ] || none; echo engine command; exit; fi\n\
         if [ -d /run/systemd/system ] && ! systemctl -q is-active docker.service && systemctl -q is-active docker.socket; then\n\
         echo engine stopped docker.service is not active; exit\n\
         fi\n\
         a=$(d ps -a --no-trunc --format \"container {container}\"); s=$?\n\
         case $s:$a in\n\
         0:*) echo engine running; printf \"%s\\n\" \"$a\";;\n\
         *ermission\\ denied*) echo engine denied \"$(why $s \"$a\")\"; exit;;\n\
         124:*) echo engine denied \"$(why $s)\"; exit;;\n\
         *) [ -n \"$e\" ] || none; echo engine stopped \"$(why $s \"$a\")\"; exit;;\n\
         esac\n\
         {images}{networks}{volumes}{endpoints}{usage}{cache}{others}{details}\
         echo end\n\
         )",
        container = OF_CONTAINER.join("\t"),
        environment = DOCKER.trim_end_matches("docker").trim_end(),
    )
}

/// Prints all images: one command, however many are asked for.
const IMAGES: &str = "a=$(d image ls --no-trunc --digests --format \"image {{.Repository}} {{.Tag}} {{.Digest}} {{.ID}}\"); s=$?\n\
    [ $s = 0 ] || { echo failed \"$(why $s \"$a\")\"; exit; }\n\
    printf \"%s\\n\" \"$a\"\n";

/// Prints whether containers go on while the engine does not run.
const LIVE: &str = "d info --format \"live {{.LiveRestoreEnabled}}\"\n";

/// Prints which addresses each network has, and each interface of the host beside those that Docker makes.
const SUBNETS: &str = "a=$(d network ls --quiet --no-trunc); s=$?\n\
    [ $s = 0 ] || { echo failed \"$(why $s \"$a\")\"; exit; }\n\
    a=$(d network inspect --format \"range [{{json .Name}},{{json .IPAM.Config}}]\" $a); s=$?\n\
    [ $s = 0 ] || { echo failed \"$(why $s \"$a\")\"; exit; }\n\
    printf \"%s\\n\" \"$a\"\n\
    ip -o addr 2>/dev/null | while read -r _ i f a _; do case $i in lo|docker*|br-*|veth*) ;; *) echo \"interface $i $a\" ;; esac; done\n";

/// Prints which drivers the engine has for networks and for volumes.
const DRIVERS: &str = "d info --format \"drivers [{{json .Plugins.Network}},{{json .Plugins.Volume}}]\"\n";

/// Prints everything of this kind that has one of `names`. A name may be one of several, so it is looked for in the list.
fn listed(kind: &str, names: &[&str]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let filter = |name: &&str| format!(" --filter {}", quote(&format!("name=^{}$", name.replace('.', "\\."))));
    let filters: String = names.iter().map(filter).collect();
    filtered(kind, &filters)
}

/// Prints everything of this kind that passes one of these filters.
fn filtered(kind: &str, filters: &str) -> String {
    let untruncated = if kind == "network" { " --no-trunc" } else { "" };
    format!(
        "a=$(d {kind} ls --quiet{untruncated}{filters}); s=$?\n\
         [ $s = 0 ] || {{ echo failed \"$(why $s \"$a\")\"; exit; }}\n\
         if [ -n \"$a\" ]; then\n\
         a=$(d {kind} inspect --format \"{kind} {{{{json .}}}}\" $a); s=$?\n\
         [ $s = 0 ] || {{ echo failed \"$(why $s \"$a\")\"; exit; }}\n\
         printf \"%s\\n\" \"$a\"\n\
         fi\n"
    )
}

/// Prints how each container is connected to a network.
fn endpoints(network: &str) -> String {
    let filter = quote(&format!("network={network}"));
    format!(
        "a=$(d ps --all --quiet --no-trunc --filter {filter}); s=$?\n\
         [ $s = 0 ] || {{ echo failed \"$(why $s \"$a\")\"; exit; }}\n\
         if [ -n \"$a\" ]; then\n\
         a=$(d inspect --type container --format \"endpoint {ENDPOINT}\" $a); s=$?\n\
         [ $s = 0 ] || {{ echo failed \"$(why $s \"$a\")\"; exit; }}\n\
         printf \"%s\\n\" \"$a\"\n\
         fi\n"
    )
}

/// The name, the MAC address that it always has, and the networks of a container.
const ENDPOINT: &str = "[{{json .Name}},{{json .Config.MacAddress}},{{json .NetworkSettings.Networks}}]";

/// A container as [`ENDPOINT`] prints it.
type InspectedEndpoints = (String, Option<String>, BTreeMap<String, InspectedEndpoint>);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedEndpoint {
    #[serde(rename = "IPAMConfig")]
    addresses: Option<FixedAddresses>,
    #[serde(default)]
    mac_address: String,
}

#[derive(Deserialize)]
struct FixedAddresses {
    #[serde(rename = "IPv4Address")]
    four: Option<String>,
    #[serde(rename = "IPv6Address")]
    six: Option<String>,
}

/// A network as `docker network inspect` prints it. Older engines say `null` for what is empty.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedNetwork {
    name: String,
    id: String,
    driver: String,
    #[serde(rename = "EnableIPv6", default)]
    ipv6: bool,
    #[serde(default)]
    internal: bool,
    #[serde(default)]
    attachable: bool,
    #[serde(rename = "IPAM")]
    addresses: Option<Addresses>,
    options: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Addresses {
    config: Option<Vec<InspectedSubnet>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedSubnet {
    subnet: Option<String>,
    gateway: Option<String>,
    #[serde(rename = "IPRange")]
    ip_range: Option<String>,
    auxiliary_addresses: Option<BTreeMap<String, String>>,
}

/// A volume as `docker volume inspect` prints it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedVolume {
    name: String,
    driver: String,
    options: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
}

/// A container, and the names of what it uses.
struct Container {
    name: String,
    networks: Vec<String>,
    mounts: Vec<String>,
    state: String,
    /// The name of its image, or the id if no name means that image any more.
    image: String,
    /// Its service of a compose project: `PROJECT/SERVICE`.
    service: Option<String>,
}

fn container(line: &str) -> Container {
    let mut parts = line
        .split('\t')
        .map(|part| serde_json::from_str::<String>(part).unwrap_or_default());
    let mut part = || parts.next().unwrap_or_default();
    let (name, networks, mounts, state, image) = (part(), part(), part(), part(), part());
    let (project, service, is_one_off) = (part(), part(), part().eq_ignore_ascii_case("true"));
    let words = |list: String| list.split(',').map(str::to_owned).collect();
    // A container that others link to has further names.
    let own = name.split(',').find(|name| !name.contains('/')).unwrap_or(&name);
    Container {
        name: own.to_owned(),
        networks: words(networks),
        mounts: words(mounts),
        state,
        image,
        service: (!service.is_empty() && !is_one_off).then(|| format!("{project}/{service}")),
    }
}

/// One name or digest of an image.
struct ImageLine {
    repository: String,
    tag: String,
    digest: String,
    id: String,
}

fn image_line(line: &str) -> Option<ImageLine> {
    let mut words = line.split(' ').map(str::to_owned);
    Some(ImageLine {
        repository: words.next()?,
        tag: words.next()?,
        digest: words.next()?,
        id: words.next()?,
    })
}

/// What Docker says, by kind.
#[derive(Default)]
struct Said {
    /// Whether there is the command without an engine.
    has_command: bool,
    engine: Option<Fact>,
    containers: Vec<Container>,
    images: Vec<ImageLine>,
    networks: Vec<InspectedNetwork>,
    volumes: Vec<InspectedVolume>,
    endpoints: Vec<InspectedEndpoints>,
    all: usage::Reading,
    /// Whether containers go on while the engine does not run.
    is_live: bool,
    ranges: BTreeMap<String, Vec<String>>,
    drivers: Drivers,
    one: details::Reading,
    failed: Option<String>,
}

impl Said {
    fn read(answer: &[u8]) -> Result<Self, UnreadableAnswer> {
        let mut said = Self::default();
        for line in lines(answer) {
            let unreadable = |why: &dyn std::fmt::Display| {
                UnreadableAnswer::new(format!("`{}`: {why}", line.chars().take(200).collect::<String>()))
            };
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "command" => said.has_command = true,
                "engine" => {
                    let engine = engine(rest, said.has_command);
                    said.engine = Some(engine.ok_or_else(|| unreadable(&"unknown state"))?);
                }
                "container" => said.containers.push(container(rest)),
                "image" => said
                    .images
                    .push(image_line(rest).ok_or_else(|| unreadable(&"four words were expected"))?),
                "network" => said
                    .networks
                    .push(serde_json::from_str(rest).map_err(|error| unreadable(&error))?),
                "volume" => said
                    .volumes
                    .push(serde_json::from_str(rest).map_err(|error| unreadable(&error))?),
                "endpoint" => said
                    .endpoints
                    .push(serde_json::from_str(rest).map_err(|error| unreadable(&error))?),
                "interface" => {
                    let (name, address) = rest.split_once(' ').unwrap_or((rest, ""));
                    let addresses = said.ranges.entry(format!("{INTERFACE}{name}")).or_default();
                    addresses.push(address.to_owned());
                }
                "range" => said.range(serde_json::from_str(rest).map_err(|error| unreadable(&error))?),
                "drivers" => {
                    let drivers: (Option<Vec<String>>, Option<Vec<String>>) =
                        serde_json::from_str(rest).map_err(|error| unreadable(&error))?;
                    said.drivers = Drivers {
                        networks: drivers.0.unwrap_or_default(),
                        volumes: drivers.1.unwrap_or_default(),
                    };
                }
                "live" => said.is_live = rest == "true",
                "failed" => said.failed = Some(rest.to_owned()),
                // Anything else is a warning of the command.
                word => said
                    .one
                    .line(word, rest)
                    .or_else(|| said.all.line(word, rest))
                    .transpose()
                    .map(drop)
                    .map_err(|error| unreadable(&error))?,
            }
        }
        Ok(said)
    }

    fn network(&self, name: &str) -> Fact {
        let of_name = self.networks.iter().filter(|network| network.name == name);
        let networks = of_name.map(|network| {
            let uses = |container: &&Container| container.networks.iter().any(|used| used == name);
            Network {
                id: Known::Yes(network.id.clone()),
                driver: network.driver.clone(),
                subnets: Known::Yes(network.addresses.as_ref().map(subnets).unwrap_or_default()),
                options: network.options.clone().unwrap_or_default(),
                labels: network.labels.clone().unwrap_or_default(),
                internal: network.internal,
                attachable: network.attachable,
                ipv6: network.ipv6,
                containers: self.using(uses),
            }
        });
        Fact::DockerNetwork(networks.collect())
    }

    fn endpoints(&self, network: &str) -> Fact {
        let is_given = |text: &String| !text.is_empty();
        let of_network = self.endpoints.iter().filter_map(|(container, mac, networks)| {
            let own = networks.get(network)?;
            let addresses = own.addresses.iter().flat_map(|fixed| [&fixed.four, &fixed.six]);
            // A container that does not run has none of its own, and it has its MAC address in one network.
            let is_here = |mac: &String| own.mac_address.is_empty() || own.mac_address.eq_ignore_ascii_case(mac);
            Some(Endpoint {
                container: container.trim_start_matches('/').to_owned(),
                addresses: addresses.flatten().filter(|text| is_given(text)).cloned().collect(),
                mac: mac.clone().filter(is_given).filter(is_here),
            })
        });
        let mut endpoints: Vec<Endpoint> = of_network.collect();
        endpoints.sort_by(|one, other| one.container.cmp(&other.container));
        Fact::DockerEndpoints(endpoints)
    }

    fn volume(&self, name: &str) -> Fact {
        let found = self.volumes.iter().find(|volume| volume.name == name);
        Fact::DockerVolume(found.map(|volume| self.used_volume(volume)))
    }

    fn used_volume(&self, volume: &InspectedVolume) -> Volume {
        let uses = |container: &&Container| container.mounts.contains(&volume.name);
        Volume {
            driver: volume.driver.clone(),
            options: volume.options.clone().unwrap_or_default(),
            labels: volume.labels.clone().unwrap_or_default(),
            containers: self.using(uses),
        }
    }

    fn volumes_of(&self, project: &str) -> Fact {
        let is_own = |volume: &&InspectedVolume| {
            let labels = volume.labels.as_ref();
            labels.and_then(|labels| labels.get(PROJECT_LABEL)).map(String::as_str) == Some(project)
        };
        let own = self.volumes.iter().filter(is_own);
        Fact::ProjectVolumes(
            own.map(|volume| (volume.name.clone(), self.used_volume(volume)))
                .collect(),
        )
    }

    fn image(&self, name: &str) -> Fact {
        let Ok(wanted) = Reference::parse(name) else {
            return Fact::DockerImage(None);
        };
        let is_wanted = |line: &&ImageLine| match (&wanted.tag, &wanted.digest) {
            (Some(tag), _) => line.tag == *tag,
            (None, digest) => digest.as_ref() == Some(&line.digest),
        };
        let mut own = self.images.iter().filter(|line| line.repository == wanted.repository);
        let Some(id) = own.find(is_wanted).map(|line| &line.id) else {
            return Fact::DockerImage(None);
        };
        let is_digest = |line: &&ImageLine| line.id == *id && line.digest.contains(':');
        let mut digests: Vec<String> = self
            .images
            .iter()
            .filter(is_digest)
            .map(|line| line.digest.clone())
            .collect();
        digests.sort();
        digests.dedup();
        let uses = |container: &&Container| {
            container.image == *id
                || Reference::parse(&container.image).is_ok_and(|image| image.found_as() == wanted.found_as())
        };
        Fact::DockerImage(Some(Image {
            id: Known::Yes(id.clone()),
            digests: Known::Yes(digests),
            containers: self.using(uses),
        }))
    }

    /// The container of this name; of several of a service one that runs, the first by name.
    fn container(&self, name: &str) -> Fact {
        let is_meant = |container: &&Container| {
            if name.contains('/') {
                container.service.as_deref() == Some(name)
            } else {
                container.name == name
            }
        };
        let all = self.containers.iter().filter(is_meant);
        let first = all.min_by_key(|container| (container.state != "running", container.name.len(), &container.name));
        Fact::DockerContainer(first.map(|container| docker::Container {
            name: container.name.clone(),
            state: container.state.clone(),
        }))
    }

    fn range(&mut self, (name, subnets): (String, Option<Vec<InspectedSubnet>>)) {
        let subnets = subnets.into_iter().flatten().filter_map(|one| one.subnet);
        self.ranges.entry(name).or_default().extend(subnets);
    }

    /// The containers that end with the engine.
    fn stops(&self) -> Fact {
        let runs = |container: &&Container| matches!(container.state.as_str(), "running" | "paused" | "restarting");
        Fact::DockerStops(docker::Stops {
            running: self.using(runs),
            is_live: self.is_live,
        })
    }

    fn using(&self, uses: impl Fn(&&Container) -> bool) -> Vec<String> {
        let mut names: Vec<String> = self
            .containers
            .iter()
            .filter(uses)
            .map(|one| one.name.clone())
            .collect();
        names.sort();
        names
    }
}

fn engine(state: &str, has_command: bool) -> Option<Fact> {
    let (word, rest) = state.split_once(' ').unwrap_or((state, ""));
    let absent = |has_state| Engine::Absent {
        data_root: rest.to_owned(),
        has_state,
        has_command,
    };
    Some(Fact::DockerEngine(match word {
        "running" => Engine::Running,
        "absent" => absent(false),
        "state" => absent(true),
        "command" => Engine::WithoutCommand,
        "stopped" => Engine::Stopped(rest.to_owned()),
        "denied" => return Some(Fact::Denied(rest.to_owned())),
        _ => return None,
    }))
}

fn subnets(addresses: &Addresses) -> Vec<Subnet> {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let all = addresses.config.iter().flatten();
    let subnets = all.map(|one| Subnet {
        subnet: text(&one.subnet).unwrap_or_default(),
        gateway: text(&one.gateway),
        ip_range: text(&one.ip_range),
        aux_addresses: one.auxiliary_addresses.clone().unwrap_or_default(),
    });
    subnets.collect()
}

fn parse(keys: &[FactKey], _status: i32, answer: &[u8]) -> Result<Vec<(FactKey, Fact)>, UnreadableAnswer> {
    let said = Said::read(answer)?;
    let engine = said
        .engine
        .clone()
        .ok_or_else(|| UnreadableAnswer::new("nothing about the Docker engine"))?;
    let facts = keys.iter().map(|key| {
        let fact = match (key, &said.failed, &engine) {
            (FactKey::DockerEngine, ..) => engine.clone(),
            (_, Some(why), _) | (_, None, Fact::Denied(why)) => Fact::Denied(why.clone()),
            (FactKey::DockerNetwork(name), ..) => said.network(name),
            (FactKey::DockerEndpoints(name), ..) => said.endpoints(name),
            (FactKey::DockerVolume(name), ..) => said.volume(name),
            (FactKey::ProjectVolumes(project), ..) => said.volumes_of(project),
            (FactKey::DockerImage(name), ..) => said.image(name),
            (FactKey::DockerContainer(name), ..) => said.container(name),
            (FactKey::DockerDetails(name), ..) => said.one.details(name),
            (FactKey::DockerPublished, ..) => said.one.published(),
            (FactKey::DockerStops, ..) => said.stops(),
            (FactKey::DockerSubnets, ..) => Fact::DockerSubnets(said.ranges.clone()),
            (FactKey::DockerDrivers, ..) => Fact::DockerDrivers(said.drivers.clone()),
            (FactKey::DockerUsage, ..) => match &said.all.unread {
                Some(why) => Fact::Denied(why.clone()),
                None => Fact::DockerUsage(said.all.usage.clone()),
            },
            (FactKey::DockerBuildCache, ..) => Fact::DockerBuildCache(said.all.cache.clone()),
            _ => return Err(UnreadableAnswer::new(format!("Docker is not asked for {key}"))),
        };
        Ok((key.clone(), fact))
    });
    facts.collect()
}

#[cfg(test)]
mod tests;
