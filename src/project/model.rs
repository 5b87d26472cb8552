//! A project in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::catalogue::Catalogue;
use super::deploy::Deploy;
use super::group::GroupData;
use super::host::Inventory;
use super::task::Task;
use crate::content::Assets;
use crate::error::{Diagnostic, suggestion};
use crate::facts::docker::Pins;
use crate::pki::Pki;
use crate::secrets::Keyring;
use crate::template::Variables;
use crate::value::Table;

/// A project, as read from disk.
#[derive(Debug)]
pub struct Project {
    /// The folder that contains `inventories/`.
    pub root: PathBuf,
    /// The project's folder on this machine, with what is no part of the configuration: private keys, host keys, what the lab made. It
    /// differs from `root` only where that is a copy.
    pub home: PathBuf,
    /// `inventories/<name>.toml`.
    pub inventories: BTreeMap<String, Inventory>,
    /// `inventories/<name>.images.lock`, by inventory.
    pub pins: BTreeMap<String, Arc<Pins>>,
    /// `group_data/<group>.toml`.
    pub group_data: BTreeMap<String, GroupData>,
    /// `deploys/<name>.toml`.
    pub deploys: BTreeMap<String, Deploy>,
    /// `tasks/<folder>/<name>.toml` by `<folder>/<name>`.
    pub tasks: Arc<BTreeMap<String, Arc<Task>>>,
    /// Files below `templates/`.
    pub assets: Arc<Assets>,
    /// `templates/services/<stack>/`.
    pub catalogue: Arc<Catalogue>,
    /// The values of `env('NAME')`.
    pub variables: Arc<Variables>,
    /// What opens encrypted values.
    pub keyring: Arc<Keyring>,
    /// `pki/<name>.toml`.
    pub pki: Pki,
    /// The merged data of hosts, by inventory and host, shared by all deploys.
    pub(super) merged: Mutex<HashMap<(String, String), HostData>>,
    /// Whether the file of a task is not read, so that it is not known what the task has.
    pub(super) has_unread_tasks: bool,
    /// The dotted names of all templates; `None` if they are not all known.
    pub(super) used: Option<BTreeSet<String>>,
}

/// All data of a host, with encrypted values opened.
#[derive(Clone, Debug)]
pub(super) struct HostData {
    pub(super) data: Arc<Table>,
    /// Why encrypted values could not be opened.
    pub(super) closed: Arc<Vec<Diagnostic>>,
}

/// The name by which hosts know the project at `root`: that of its folder.
pub fn name_of(root: &Path) -> String {
    let whole = std::fs::canonicalize(root);
    let name = whole.as_deref().unwrap_or(root).file_name();
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Project {
    /// The inventory called `name`.
    pub fn inventory(&self, name: &str) -> Result<&Inventory, Diagnostic> {
        find(&self.inventories, "inventory", "inventories", name)
    }

    /// What images are held to in an inventory.
    pub fn pins_of(&self, inventory: &str) -> Arc<Pins> {
        self.pins.get(inventory).cloned().unwrap_or_default()
    }

    /// The deploy called `name`.
    pub fn deploy(&self, name: &str) -> Result<&Deploy, Diagnostic> {
        find(&self.deploys, "deploy", "deploys", name)
    }
}

fn find<'a, T>(all: &'a BTreeMap<String, T>, what: &str, folder: &str, name: &str) -> Result<&'a T, Diagnostic> {
    all.get(name).ok_or_else(|| {
        let bare = name.trim_start_matches(&format!("{folder}/")).trim_end_matches(".toml");
        let known = all.keys().map(String::as_str);
        Diagnostic::new(format!(
            "unknown {what} `{name}`: `{folder}/{bare}.toml` does not exist"
        ))
        .hint(if all.contains_key(bare) {
            format!("write only its name: `{bare}`")
        } else {
            suggestion(name, known).unwrap_or_else(|| format!("write `{folder}/{bare}.toml`"))
        })
    })
}
