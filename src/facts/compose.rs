//! A compose project of a host: what `docker compose` makes of its files, and the containers that it has.
//!
//! The meaning of the files is compose's own. What it says of them holds secrets, so of its answer only what a plan compares is kept:
//! no variable, no command and no label.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};
use super::port::{Holder, Listener};
use crate::secret::Secret;

/// Where the host keeps what homelab last did to a project, a file for each.
pub const RECORDS: &str = "/var/lib/homelab/compose";

/// Names of files that compose finds by itself, the first one that exists.
pub const DEFAULT_FILES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// A shell function for every call of compose. `hl_clean` runs a command that talks to the engine of the host, without the variables of
/// its caller: compose puts these into what it reads.
pub const CLEAN: &str = r#"home=${HOME:-/}; [ "$(id -u)" != 0 ] || home=/root
hl_clean() { env -i PATH="$PATH" HOME="$home" DOCKER_HOST= DOCKER_CONTEXT=default "$@"; }
"#;

/// Names of files that compose reads along with [`DEFAULT_FILES`].
pub const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// A shell function for what decides about the answer of compose: `hl_inputs PROJECT FOLDER OPTION…` prints the digest of these words, of
/// the program, of the project's containers in `$ids`, and of the files whose paths are its standard input. Where that is as recorded, so
/// is the answer, and compose does not have to be asked. The first of the words is the number of what is kept of an answer.
pub const INPUTS: &str = r#"tool=$(stat -L -c '%n %s %Y %i' /usr/libexec/docker/cli-plugins/docker-compose /usr/lib/docker/cli-plugins/docker-compose /usr/local/libexec/docker/cli-plugins/docker-compose /usr/local/lib/docker/cli-plugins/docker-compose "$home/.docker/cli-plugins/docker-compose" 2>/dev/null)
hl_inputs() {
{
printf '%s\n' 2 "$@" "$tool"
printf '%s\n' "$ids" | grep "^$1 " | sort
tr '\n' '\0' | xargs -0 sha256sum -- 2>&1
} | sha256sum | cut -d ' ' -f 1
}
"#;

/// A shell function for hashes.
///
/// The hash that compose writes on a container is that of the configuration once everything is filled in, so that is what it gets to
/// hash. Whose network, processes or volumes a service shares is a container then, and no service: `hl_shared PROJECT` puts these in,
/// with `$ids` for project, service and id of each container.
pub const HASHES: &str = r#"hl_shared() {
awk -v p="$1" -v ids="$ids" 'BEGIN { n = split(ids, f, " "); for (i = 1; i < n; i += 3) if (f[i] == p) id[f[i + 1]] = f[i + 2] }
/^      "(network_mode|ipc|pid)": "service:/ { split($0, q, "\""); s = substr(q[4], 9); if (s in id) $0 = "      \"" q[2] "\": \"container:" id[s] "\"" (/,$/ ? "," : "") }
/^      "volumes_from": \[/ { from = 1 }
/^      \]/ { from = 0 }
from && /^        "/ { split($0, q, "\""); split(q[2], m, ":"); if (m[1] in id) $0 = "        \"container:" id[m[1]] substr(q[2], length(m[1]) + 1) "\"" (/,$/ ? "," : "") }
{ print }'
}
"#;

/// The containers of a project, and what they may use: it has none where no engine runs.
#[derive(Clone, Copy)]
pub struct ProjectKey<'a>(pub &'a str);

/// What a host has of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    #[serde(default)]
    pub containers: Vec<Container>,
    /// All networks of the host: ids by name. A name may be taken twice.
    #[serde(default)]
    pub networks: BTreeMap<String, BTreeSet<String>>,
    /// The networks that compose made for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub own_networks: BTreeSet<String>,
    /// How the networks are that compose made, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub network_settings: BTreeMap<String, NetworkSettings>,
    /// All images of the host.
    #[serde(default)]
    pub images: Vec<Image>,
    /// The containers of the host that are not of this project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Holder>,
    /// The programs of the host that listen on ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Listener>,
    /// What homelab last did to it; `None` if it never did.
    #[serde(default)]
    pub record: Option<Record>,
}

/// A container of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub service: String,
    /// Its number among those of its service.
    #[serde(default)]
    pub number: u32,
    /// The hash of the configuration that it was created from.
    #[serde(default)]
    pub hash: String,
    /// The id of its image.
    #[serde(default)]
    pub image: String,
    /// The name that its image had when it was created.
    #[serde(default)]
    pub image_name: String,
    #[serde(default)]
    pub state: ContainerState,
    #[serde(default)]
    pub exit_code: i32,
    /// When it was last started, as Docker writes it.
    #[serde(default)]
    pub started: String,
    #[serde(default)]
    pub health: Option<Health>,
    /// The folder of the project that it was created from.
    #[serde(default)]
    pub directory: String,
    /// Ids of its networks by name; the id is empty while it does not run.
    #[serde(default)]
    pub networks: BTreeMap<String, String>,
    /// Names of volumes by the path that they are mounted on.
    #[serde(default)]
    pub volumes: BTreeMap<String, String>,
    /// Paths of the host that are mounted into it.
    #[serde(default)]
    pub binds: BTreeSet<String>,
}

/// The state of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    #[default]
    Exited,
    Dead,
}

/// What the health check of a container says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Starting,
    Healthy,
    Unhealthy,
    None,
}

/// An image of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// As Docker shows it, without `docker.io/library/`.
    pub repository: String,
    #[serde(default)]
    pub tag: Option<String>,
    /// `sha256:…`, under which a registry has it.
    #[serde(default)]
    pub digest: Option<String>,
    /// `sha256:…`
    pub id: String,
}

/// What homelab last did to a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// By service.
    pub services: BTreeMap<String, RecordedService>,
}

/// What homelab last did to a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedService {
    /// The containers that it had then.
    #[serde(default)]
    pub containers: BTreeSet<String>,
    /// The hash of its configuration then. compose writes another one on a container that it creates without the services that it
    /// depends on.
    #[serde(default)]
    pub hash: String,
    /// SHA-256 of the files that are mounted into it, when it last read them, by path.
    #[serde(default)]
    pub mounted: BTreeMap<String, String>,
    /// The digest of what it got from `content` of secrets and configs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<String>,
    /// What its image was built from, if homelab built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<RecordedBuild>,
}

/// A build of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedBuild {
    /// The digest of what it was built from.
    pub digest: String,
    /// The id of the image.
    pub image: String,
}

impl<'a> Key<'a> for ProjectKey<'a> {
    type Fact = Box<Project>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        format!("compose project `{}`", self.0)
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Box<Project>> {
        Some(Box::default())
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    fn is_outdated_by(self, _known: &Box<Project>, changed: Subject<'_>) -> bool {
        super::docker::is_about_engine(changed)
    }
}

/// The files of a project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProjectFiles(pub Box<Files>);

/// Files of a project, in a folder of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Files {
    /// The project's name.
    pub project: String,
    /// The folder.
    pub directory: String,
    /// The compose files, by their paths from there; none if compose finds them by itself.
    #[serde(default)]
    pub compose_files: Vec<String>,
    #[serde(default)]
    pub profiles: Vec<String>,
    /// What the plan makes of other files there. If there is anything, compose reads the files as they will be.
    #[serde(default)]
    pub planned: Vec<PlannedFile>,
}

/// A file as a plan leaves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlannedFile {
    pub path: String,
    pub is_removed: bool,
    /// It is never stored.
    #[serde(skip)]
    pub text: Option<Secret>,
}

/// What compose makes of the files of a project.
#[derive(Clone, Copy)]
pub struct ConfigKey<'a>(pub &'a ProjectFiles);

/// What compose makes of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigFact {
    /// There is no compose file.
    NoFiles,
    /// The host has no `docker compose`.
    NoCompose,
    /// It does not accept them, and says this.
    Refused(String),
    Read(Box<Config>),
}

/// A project as compose reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    pub services: BTreeMap<String, Service>,
    #[serde(default)]
    pub networks: BTreeMap<String, ProjectNetwork>,
    #[serde(default)]
    pub volumes: BTreeMap<String, ProjectVolume>,
    /// Services whose profiles are not asked for, if any of them has a container.
    #[serde(default)]
    pub disabled: BTreeSet<String>,
    /// Variables that files use and that are not set: compose puts nothing in their place.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unset_variables: BTreeSet<String>,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// What compose writes on a container that it creates from it together with the services that it depends on.
    #[serde(default)]
    pub hash: String,
    #[serde(default)]
    pub image: Option<String>,
    /// What its image is built from, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    #[serde(default)]
    pub container_name: Option<String>,
    /// `no`, `always`, `on-failure` or `unless-stopped`.
    #[serde(default)]
    pub restart: Option<String>,
    /// How many containers it has.
    #[serde(default)]
    pub replicas: Option<u32>,
    /// Services whose network or processes it uses: it lives with their containers, and only as long as these run.
    #[serde(default)]
    pub shares: BTreeSet<String>,
    /// Services whose volumes it uses.
    #[serde(default)]
    pub volumes_from: BTreeSet<String>,
    /// Services that it depends on; `true` if it is restarted with them.
    #[serde(default)]
    pub depends_on: BTreeMap<String, bool>,
    /// Names of networks within the project.
    #[serde(default)]
    pub networks: BTreeSet<String>,
    /// `HOST:CONTAINER/PROTOCOL`
    #[serde(default)]
    pub ports: Vec<String>,
    /// Paths of the host that are mounted into it, also as secrets and configs.
    #[serde(default)]
    pub mounted: BTreeSet<String>,
    /// Those of them that are the files of secrets and configs: they have to be there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub files: BTreeSet<String>,
    /// The digest of what it gets from `content` of secrets and configs. compose hashes only their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<String>,
    /// A secret or config that it gets from a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_environment: Option<String>,
    /// Names of volumes within the project, by the path that they are mounted on.
    #[serde(default)]
    pub volumes: BTreeMap<String, String>,
    /// Paths of the host by the path that they are mounted on, also of secrets and configs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub binds: BTreeMap<String, String>,
    /// The user that its programs run as, if it is not that of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default)]
    pub has_health_check: bool,
}

/// What an image is built from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The path or address of the files.
    pub context: String,
    /// From there, or absolute; by default `Dockerfile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// The SHA-256 of all that the compose file says of it, arguments included. Empty if only compose can say.
    #[serde(default)]
    pub digest: String,
}

/// A network that a project uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectNetwork {
    /// Its name on the host.
    pub name: String,
    /// Whether it has to be there.
    #[serde(default)]
    pub is_external: bool,
    #[serde(default)]
    pub settings: NetworkSettings,
}

/// What a compose file can say of a network, and what a network is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    #[serde(default)]
    pub internal: bool,
    #[serde(default)]
    pub attachable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<bool>,
    /// SHA-256 of values, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
}

/// A volume that a project uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectVolume {
    /// Its name on the host.
    pub name: String,
    /// Whether it has to be there.
    #[serde(default)]
    pub is_external: bool,
    #[serde(default)]
    pub driver: Option<String>,
    /// Names of the options of its driver. Their values may be secret.
    #[serde(default)]
    pub options: BTreeMap<String, OptionDigest>,
}

/// The SHA-256 of an option's value.
pub type OptionDigest = String;

impl<'a> Key<'a> for ConfigKey<'a> {
    type Fact = ConfigFact;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        let Files { project, planned, .. } = &*self.0.0;
        let reads = if planned.is_empty() { "reads" } else { "will read" };
        format!("project `{project}` as compose {reads} it")
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<ConfigFact> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }

    /// A package may bring compose.
    fn is_outdated_by(self, known: &ConfigFact, changed: Subject<'_>) -> bool {
        *known == ConfigFact::NoCompose && changed == Subject::Packages
    }
}

impl Image {
    /// Whether `name` means this image: `caddy`, `caddy:2.10`, `caddy@sha256:…` or an id.
    pub fn is_called(&self, name: &str) -> bool {
        if name == self.id || name.strip_prefix("sha256:").is_some() && self.id.starts_with(name) {
            return true;
        }
        let (name, digest) = match name.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (name, None),
        };
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (name, None),
        };
        if familiar(repository) != familiar(&self.repository) {
            return false;
        }
        match digest {
            Some(digest) => self.digest.as_deref() == Some(digest),
            None => self.tag.as_deref() == Some(tag.unwrap_or("latest")),
        }
    }
}

/// The name of a repository as Docker shows it.
fn familiar(repository: &str) -> &str {
    let without_host = ["docker.io/", "index.docker.io/"]
        .iter()
        .find_map(|host| repository.strip_prefix(host))
        .unwrap_or(repository);
    without_host.strip_prefix("library/").unwrap_or(without_host)
}

impl Service {
    /// The name of its image, as the service `name` of `project`.
    pub fn image_on(&self, project: &str, name: &str) -> String {
        let built = || format!("{project}-{name}");
        self.image.clone().unwrap_or_else(built)
    }
}

impl Project {
    /// The id of the image that `name` means on the host.
    pub fn image(&self, name: &str) -> Option<&str> {
        let image = self.images.iter().find(|image| image.is_called(name))?;
        Some(&image.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_found_by_each_of_its_names() {
        let image = |repository: &str, tag: Option<&str>, digest: Option<&str>| Image {
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
            id: "sha256:74f8".to_owned(),
        };
        let caddy = image("caddy", Some("2.10"), Some("sha256:9a0b"));
        let latest = image("ghcr.io/a/b", Some("latest"), None);
        let local = image("nas:5000/b", Some("1"), None);
        for (image, name, expected) in [
            (&caddy, "caddy:2.10", true),
            (&caddy, "docker.io/library/caddy:2.10", true),
            (&caddy, "library/caddy:2.10", true),
            (&caddy, "caddy", false),
            (&caddy, "caddy@sha256:9a0b", true),
            (&caddy, "caddy:2.10@sha256:9a0b", true),
            (&caddy, "caddy:2.10@sha256:0000", false),
            (&caddy, "sha256:74f8", true),
            (&caddy, "ghcr.io/a/caddy:2.10", false),
            (&latest, "ghcr.io/a/b", true),
            (&latest, "ghcr.io/a/b:latest", true),
            (&local, "nas:5000/b:1", true),
            (&local, "nas:5000/b", false),
        ] {
            assert_eq!(image.is_called(name), expected, "{name}");
        }
    }
}
