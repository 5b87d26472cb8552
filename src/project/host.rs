//! The hosts of an inventory, and how to connect to them.

use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::fields::Named;
use crate::error::Origin;
use crate::value::Table;

/// The hosts of an inventory.
#[derive(Debug)]
pub struct Inventory {
    /// Groups of every host.
    pub groups: Vec<Named>,
    /// Hosts by name, in the order written.
    pub hosts: IndexMap<String, Host>,
    /// The start of the file.
    pub origin: Origin,
}

/// A host of an inventory.
#[derive(Debug)]
pub struct Host {
    /// The name.
    pub name: String,
    /// The address for ssh; by default the name, so that aliases of `~/.ssh/config` work.
    pub address: Option<String>,
    /// Whether reviews do not show the address.
    pub hides_address: bool,
    /// Groups, lowest precedence first.
    pub groups: Vec<Named>,
    /// The host's own data.
    pub data: Table,
    /// How to connect.
    pub connection: ConnectionSettings,
    /// Set for a throw-away host of the lab.
    pub lab: Option<LabSettings>,
    /// Where the host is written.
    pub origin: Option<Origin>,
    /// Where its first jump host is written.
    pub(super) jump_place: Option<Origin>,
    /// Where its `identity_file` is written.
    pub(super) key_place: Option<Origin>,
}

/// How to connect.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionSettings {
    /// Login user. By default what ssh uses.
    pub user: Option<String>,
    /// SSH port. By default what ssh uses.
    pub port: Option<u16>,
    /// Private key, as a path relative to the project's root.
    pub identity_file: Option<PathBuf>,
    /// How to become root after login: `"none"`, `"sudo"` or `"doas"`.
    #[serde(rename = "become")]
    pub privilege: Option<Become>,
    /// With `become`: user to become instead of root.
    pub become_user: Option<String>,
    /// Jump hosts in order: hosts of the inventory, or `user@address:port`.
    pub jump: Option<Vec<String>>,
    /// `true` deploys to this machine, without `ssh`.
    pub local: Option<bool>,
}

/// How the login user becomes root or another user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Become {
    /// Not at all.
    #[default]
    None,
    /// With `sudo`.
    Sudo,
    /// With `doas`.
    Doas,
}

impl ConnectionSettings {
    /// These settings for the host `name`, completed by those of `defaults`.
    pub(super) fn or(self, defaults: &Self, name: Option<&str>) -> Self {
        // A jump host is not reached through itself or through later jump hosts.
        let is_jump = |jumps: &&Vec<String>| !jumps.iter().any(|jump| Some(jump.as_str()) == name);
        Self {
            user: self.user.or_else(|| defaults.user.clone()),
            port: self.port.or(defaults.port),
            identity_file: self.identity_file.or_else(|| defaults.identity_file.clone()),
            become_user: match self.privilege {
                // With `become = "none"`, the default `become_user` does not apply.
                Some(Become::None) => self.become_user,
                _ => self.become_user.or_else(|| defaults.become_user.clone()),
            },
            privilege: self.privilege.or(defaults.privilege),
            jump: self.jump.or_else(|| defaults.jump.as_ref().filter(is_jump).cloned()),
            local: self.local.or(defaults.local),
        }
    }

    /// Whether the host is this machine.
    pub fn is_local(&self) -> bool {
        self.local.unwrap_or_default()
    }
}

/// What a lab host is made of.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabSettings {
    /// Image: `debian:13`, `debian:12`, or `debian:13-docker`, which has a Docker engine.
    #[serde(default = "default_image")]
    pub image: String,
    /// Memory limit in MiB.
    pub memory: Option<u64>,
    /// `true` has it pull images from the registry of the lab instead of those of the world.
    pub registry: Option<bool>,
    /// `true` prepares it to run Kubernetes, with the k3s of the lab.
    pub kubernetes: Option<bool>,
    /// `true` has the lab make Ollama, a tiny model and what belongs to them: see `docs/models.md`.
    pub models: Option<bool>,
    /// `true` has the lab build the program `helm`, for `files.put` with `src = "lab:helm-VERSION"`.
    pub helm: Option<bool>,
}

/// The images that the lab can build.
pub const LAB_IMAGES: &[&str] = &["debian:13", "debian:12", "debian:13-docker"];

fn default_image() -> String {
    LAB_IMAGES[0].to_owned()
}

impl Default for LabSettings {
    fn default() -> Self {
        Self {
            image: default_image(),
            memory: None,
            registry: None,
            kubernetes: None,
            models: None,
            helm: None,
        }
    }
}
