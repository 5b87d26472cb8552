//! What a lab is to be, and what it is.

use std::path::PathBuf;

/// Enough for a server of Kubernetes with a few pods.
const KUBERNETES_MEMORY: u64 = 2 << 30;

/// The lab hosts of one inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabSpec {
    /// A short id of the project, the same in every run: see [`project_id`](super::project_id).
    pub project: String,
    pub inventory: String,
    pub hosts: Vec<LabHost>,
}

impl LabSpec {
    /// The same lab with only the hosts that `is_meant`, by name.
    #[must_use]
    pub(super) fn only(&self, is_meant: impl Fn(&str) -> bool) -> Self {
        let mut some = self.clone();
        some.hosts.retain(|host| is_meant(&host.name));
        some
    }
}

/// A lab host as the inventory defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key that people write")]
pub struct LabHost {
    /// Also its host name.
    pub name: String,
    /// `debian:13`, `debian:12` or `debian:13-docker`.
    pub image: String,
    /// The memory limit in bytes.
    pub memory: Option<u64>,
    /// Whether it pulls images from the registry of the lab.
    pub registry: bool,
    /// Whether pods can run there.
    pub kubernetes: bool,
    /// Whether Ollama and what belongs to it is made for its deploys.
    pub models: bool,
    /// Whether it may get the program `helm` of the lab.
    pub helm: bool,
}

impl LabHost {
    /// The memory limit in bytes: one that the inventory lacks is set for what needs much.
    pub(super) fn memory_limit(&self) -> Option<u64> {
        self.memory.or(self.kubernetes.then_some(KUBERNETES_MEMORY))
    }
}

/// How to reach a lab host that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabAddress {
    pub host: String,
    /// Its address on the engine's bridge.
    pub address: String,
    pub port: u16,
    pub user: String,
    /// The private key to log in with.
    pub identity_file: PathBuf,
    /// The file with the host's pinned key, listed under its address and its name.
    pub known_hosts: PathBuf,
}

/// The status of a lab host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabStatus {
    pub host: String,
    pub state: LabState,
    /// Its address, while its container runs.
    pub address: Option<String>,
    /// The image that it has or, if absent, would get.
    pub image: String,
    /// When its container was started, while it runs.
    pub since: Option<jiff::Timestamp>,
    /// Whether the inventory still has this host.
    pub in_inventory: bool,
}

/// The status of the apt cache that lab hosts share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AptCacheStatus {
    /// The name of its container.
    pub name: String,
    /// Whether it is there, and runs.
    pub state: LabState,
    /// Address and port, while it runs.
    pub address: Option<String>,
}

/// The state of a lab host or of the apt cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabState {
    /// There is no container.
    Absent,
    /// The container exists and does not run.
    Stopped,
    Booting,
    /// The host has booted.
    Running,
}
