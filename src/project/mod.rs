//! Everything on disk, read and validated as a whole: inventories, group data, deploys, tasks, files.

mod data;
mod deploy;
mod inventory;
mod jumps;
mod outline;
mod reader;
mod run;
mod task;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Diagnostic, Diagnostics, suggestion};
use crate::operations::Assets;

pub use data::{GroupData, RESERVED};
pub use deploy::{Deploy, Named};
pub use inventory::{Become, ConnectionSettings, Host, Inventory, LabSettings};
pub use jumps::Jump;
pub use outline::{DeployOutline, InventoryOutline, Outline, outline};
pub use run::{Filter, Run, RunHost, hosts, select};
pub use task::{RawOperation, Task};

/// A project as it lies on disk.
#[derive(Debug)]
pub struct Project {
    /// The folder that holds `inventories/`.
    pub root: PathBuf,
    /// `inventories/<name>.toml`.
    pub inventories: BTreeMap<String, Inventory>,
    /// `group_data/<group>.toml`.
    pub group_data: BTreeMap<String, GroupData>,
    /// `deploys/<name>.toml`.
    pub deploys: BTreeMap<String, Deploy>,
    /// `tasks/<folder>/<name>.toml` by `<folder>/<name>`.
    pub tasks: BTreeMap<String, Arc<Task>>,
    /// Files below `templates/`.
    pub assets: Arc<Assets>,
}

/// The project's root above `from`: the first folder that holds `inventories/`.
pub fn find_root(from: &Path) -> Option<PathBuf> {
    from.ancestors()
        .find(|folder| folder.join("inventories").is_dir())
        .map(Path::to_path_buf)
}

/// Reads the project at `root`.
///
/// Errors: every mistake that can be found without a host, in the order of files.
pub fn load(root: &Path) -> Result<Project, Diagnostics> {
    let mut mistakes = Vec::new();
    let project = Project {
        root: root.to_path_buf(),
        inventories: reader::read_folder(root, "inventories", &mut mistakes, inventory::read),
        group_data: reader::read_folder(root, "group_data", &mut mistakes, data::read),
        tasks: reader::read_folder(root, "tasks", &mut mistakes, task::read)
            .into_iter()
            .map(|(name, task)| (name, Arc::new(task)))
            .collect(),
        deploys: reader::read_folder(root, "deploys", &mut mistakes, deploy::read),
        assets: Arc::new(reader::read_assets(root, &mut mistakes)),
    };
    // What does not parse is missing above; judging the rest by it would blame the innocent.
    if mistakes.is_empty() {
        mistakes.extend(data::check_groups(&project));
        mistakes.extend(deploy::check_tasks(&project));
    }
    if mistakes.is_empty() {
        Ok(project)
    } else {
        Err(Diagnostics(mistakes))
    }
}

impl Project {
    /// The inventory of that name.
    pub fn inventory(&self, name: &str) -> Result<&Inventory, Diagnostic> {
        find(&self.inventories, "inventory", "inventories", name)
    }

    /// The deploy of that name.
    pub fn deploy(&self, name: &str) -> Result<&Deploy, Diagnostic> {
        find(&self.deploys, "deploy", "deploys", name)
    }
}

fn find<'a, T>(all: &'a BTreeMap<String, T>, what: &str, folder: &str, name: &str) -> Result<&'a T, Diagnostic> {
    all.get(name).ok_or_else(|| {
        Diagnostic::new(format!(
            "there is no {what} `{name}`: `{folder}/{name}.toml` does not exist"
        ))
        .hint_maybe(suggestion(name, all.keys().map(String::as_str)))
    })
}

#[cfg(test)]
mod tests;
