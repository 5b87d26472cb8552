//! The Docker engine of a host, and what it has: networks, volumes, images and containers.

mod details;
mod offered;
mod pins;
mod reference;
mod registry;
mod usage;
mod volumes;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};
use super::system::OperatingSystem;
use crate::value::Known;

pub use details::{Details, DetailsKey, Published, PublishedKey, WISHES, set_aside};
pub use offered::{Drivers, DriversKey, INTERFACE, SubnetsKey};
pub use pins::{Pin, Pins};
pub use reference::{Reference, is_digest};
pub use registry::{RegistryAnswer, RegistryKey};
pub use usage::{
    BuildCache, BuildCacheKey, HeldImage, HeldNetwork, HeldVolume, Stops, StopsKey, Usage, UsageKey, UsingContainer,
};
pub use volumes::ProjectVolumesKey;

/// How the host's own `docker` is called: whatever the user's variables say, it talks to the engine of this host.
pub const DOCKER: &str = "DOCKER_HOST= DOCKER_CONTEXT=default docker";

/// The settings of the engine.
pub const SETTINGS: &str = "/etc/docker/daemon.json";

/// Where an engine keeps its data, unless its settings say otherwise.
pub const DATA_ROOT: &str = "/var/lib/docker";

/// What every engine leaves in its data root when it first starts, from there.
pub(super) const STATE: &str = "network/files/local-kv.db";

/// Packages that bring an engine: those of Debian, of Docker and of Microsoft.
pub(super) const PACKAGES: [&str; 3] = ["docker.io", "docker-ce", "moby-engine"];

/// Packages that bring the `docker` command to an engine that comes without it.
const COMMAND_PACKAGES: [&str; 3] = ["docker-cli", "docker-ce-cli", "moby-cli"];

/// Units without which the engine does not run, or by which it is started.
const UNITS: [&str; 3] = ["docker.service", "docker.socket", "containerd.service"];

/// Networks that every engine has.
pub const BUILT_IN_NETWORKS: [&str; 3] = ["bridge", "host", "none"];

/// The engine.
#[derive(Clone, Copy)]
pub struct EngineKey;

/// The state of the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    Absent {
        /// The data root, where an engine would find what an earlier one had.
        data_root: String,
        /// Whether an earlier engine left anything there.
        has_state: bool,
        /// Whether the `docker` command is there all the same.
        #[serde(default)]
        has_command: bool,
    },
    /// There is an engine, but not the `docker` command.
    WithoutCommand,
    /// It does not run, for this reason.
    Stopped(String),
    Running,
}

impl Key<'_> for EngineKey {
    type Fact = Engine;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "the Docker engine".to_owned()
    }

    fn subject(self) -> Subject<'static> {
        Subject::Other
    }

    fn absent() -> Option<Engine> {
        None
    }

    /// Which packages bring one is known: see [`PACKAGES`].
    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Engine, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}

/// The networks of this name. An engine may have several.
#[derive(Clone, Copy)]
pub struct NetworkKey<'a>(pub &'a str);

/// A network. Where no engine runs there is none: [`Engine`] says whether one does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Not known of one that is created only by the plan.
    pub id: Known<String>,
    pub driver: String,
    /// Not known if the engine chooses them.
    pub subnets: Known<Vec<Subnet>>,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub internal: bool,
    #[serde(default)]
    pub attachable: bool,
    #[serde(default)]
    pub ipv6: bool,
    /// The containers that are connected to it, also those that do not run.
    #[serde(default)]
    pub containers: Vec<String>,
}

/// A range of addresses of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Such as `10.20.0.0/24`.
    pub subnet: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    #[serde(default)]
    pub aux_addresses: BTreeMap<String, String>,
}

impl<'a> Key<'a> for NetworkKey<'a> {
    type Fact = Vec<Network>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("Docker network `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Vec<Network>> {
        Some(Vec::new())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Vec<Network>, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}

/// How containers are connected to the network with this name.
#[derive(Clone, Copy)]
pub struct EndpointsKey<'a>(pub &'a str);

/// What a container asks for in a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its name.
    pub container: String,
    /// The addresses that it always has.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The MAC address that it always has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

impl<'a> Key<'a> for EndpointsKey<'a> {
    type Fact = Vec<Endpoint>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("containers in Docker network `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Vec<Endpoint>> {
        Some(Vec::new())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Vec<Endpoint>, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}

/// The volume of this name.
#[derive(Clone, Copy)]
pub struct VolumeKey<'a>(pub &'a str);

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub driver: String,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The containers that use it, also those that do not run.
    #[serde(default)]
    pub containers: Vec<String>,
}

impl<'a> Key<'a> for VolumeKey<'a> {
    type Fact = Option<Volume>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("Docker volume `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Option<Volume>> {
        Some(None)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Option<Volume>, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}

/// The image of this name, as [`Reference::found_as`] writes it.
#[derive(Clone, Copy)]
pub struct ImageKey<'a>(pub &'a str);

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `sha256:…`. Not known of one that the plan only gets.
    pub id: Known<String>,
    /// The digests under which registries have it, `sha256:…`.
    pub digests: Known<Vec<String>>,
    /// The containers that were created from it, also those that do not run.
    #[serde(default)]
    pub containers: Vec<String>,
}

impl<'a> Key<'a> for ImageKey<'a> {
    type Fact = Option<Image>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("Docker image `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Option<Image>> {
        Some(None)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Option<Image>, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}

/// The container of this name, or the first of a service of a compose project: `PROJECT/SERVICE`.
#[derive(Clone, Copy)]
pub struct ContainerKey<'a>(pub &'a str);

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    pub name: String,
    /// What Docker says of it: `running`, `paused`, `restarting`, `exited`, `created` or `dead`.
    pub state: String,
}

impl<'a> Key<'a> for ContainerKey<'a> {
    type Fact = Option<Container>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        match self.0.split_once('/') {
            Some((project, service)) => format!("service `{service}` of compose project `{project}`"),
            None => format!("Docker container `{}`", self.0),
        }
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Option<Container>> {
        Some(None)
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Option<Container>, changed: Subject<'_>) -> bool {
        is_about_engine(changed)
    }
}

pub(super) fn is_about_engine(changed: Subject<'_>) -> bool {
    match changed {
        Subject::Packages => true,
        Subject::Unit(unit) => is_unit(unit),
        _ => false,
    }
}

/// Whether the engine depends on this unit.
pub(super) fn is_unit(unit: &str) -> bool {
    UNITS.contains(&unit)
}

/// Whether this package brings an engine.
pub(super) fn is_package(name: &str) -> bool {
    PACKAGES.contains(&bare(name))
}

/// Whether this package brings the `docker` command alone.
pub(super) fn is_command_package(name: &str) -> bool {
    COMMAND_PACKAGES.contains(&bare(name))
}

/// Whether this package, which brings an engine, brings the `docker` command too. `docker.io` does so before Debian 13.
pub(super) fn brings_command(name: &str, system: &OperatingSystem) -> bool {
    let release: Option<u32> = system.version.split('.').next().and_then(|number| number.parse().ok());
    let is_apart = system.id == "debian" && release.is_some_and(|release| release >= 13);
    bare(name) == "docker-ce" || bare(name) == "docker.io" && !is_apart
}

/// The name of a package without architecture and version.
fn bare(name: &str) -> &str {
    name.split([':', '=']).next().unwrap_or(name)
}

/// The file that shows whether an engine left anything in this data root.
pub fn state_file(data_root: &str) -> String {
    format!("{data_root}/{STATE}")
}

/// The data root that these settings of the engine name; `None` if they name none.
pub fn data_root(settings: &[u8]) -> Option<String> {
    let settings: serde_json::Value = serde_json::from_slice(settings).ok()?;
    let named = ["data-root", "graph"].iter().find_map(|name| settings.get(*name));
    named?.as_str().map(|path| path.trim_end_matches('/').to_owned())
}

/// Whether these settings of the engine have containers go on without it.
pub fn keeps_containers(settings: &[u8]) -> bool {
    let settings: Option<serde_json::Value> = serde_json::from_slice(settings).ok();
    settings.is_some_and(|settings| settings.get("live-restore") == Some(&serde_json::Value::Bool(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_bring_an_engine_are_known_by_name() {
        for (name, expected) in [
            ("docker.io", true),
            ("docker-ce:amd64", true),
            ("docker-cli", false),
            ("docker", false),
        ] {
            assert_eq!(is_package(name), expected, "{name}");
        }
    }

    #[test]
    fn the_command_comes_with_the_engine_or_apart() {
        let system = |id: &str, version: &str| OperatingSystem {
            id: id.to_owned(),
            version: version.to_owned(),
            ..OperatingSystem::default()
        };
        for (name, id, version, expected) in [
            ("docker.io", "debian", "12", true),
            ("docker.io", "debian", "13", false),
            ("docker.io=26.1.5", "debian", "14", false),
            ("docker.io", "ubuntu", "24.04", true),
            // What apt installs along with it brings the command.
            ("docker-ce", "debian", "13", true),
            ("moby-engine", "ubuntu", "24.04", false),
        ] {
            assert_eq!(
                brings_command(name, &system(id, version)),
                expected,
                "{name} {id} {version}"
            );
        }
        assert!(is_command_package("docker-cli") && !is_command_package("docker.io"));
    }

    #[test]
    fn settings_name_the_data_root() {
        let root = |text: &str| data_root(text.as_bytes());
        assert_eq!(
            root(r#"{ "data-root": "/mnt/docker/" }"#).as_deref(),
            Some("/mnt/docker")
        );
        assert_eq!(root(r#"{ "live-restore": true }"#), None);
        assert_eq!(root("no JSON"), None);
    }
}
