//! Reads and checks all files of a project: inventories, group data, deploys, tasks, templates.

mod catalogue;
mod data;
mod deploy;
mod entry;
mod explain;
mod fields;
mod handler;
mod host;
mod inventory;
mod jumps;
mod lint;
mod outline;
mod pattern;
mod reader;
mod run;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::content::{Assets, ProjectFolder};
use crate::error::{Diagnostic, Diagnostics, suggestion};

pub use catalogue::{Catalogue, Stack, check_names, described, missing_stacks};
pub use data::{GroupData, RESERVED, given_data, layers};
pub use deploy::{Deploy, Stage};
pub use entry::EntrySettings;
pub use explain::{Explanation, Given, explain, find_host, host_data};
pub use fields::Named;
pub use host::{Become, ConnectionSettings, Host, Inventory, LAB_IMAGES, LabSettings};
pub use jumps::Jump;
pub use lint::is_name;
pub use outline::{DeployOutline, InventoryOutline, Outline, outline};
pub use run::{Filter, Only, SelectedHost, SelectedStage, Selection, Wanted, hosts, matches_nothing, select};
pub use task::{COMMON_KEYS, RawOperation, Task, TaskEntry, TaskUse};

/// A project, as read from disk.
#[derive(Debug)]
pub struct Project {
    /// The folder that contains `inventories/`.
    pub root: PathBuf,
    /// `inventories/<name>.toml`.
    pub inventories: BTreeMap<String, Inventory>,
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
    merged: data::Merged,
    /// The dotted names of all templates; `None` if they are not all known.
    used: Option<BTreeSet<String>>,
}

/// A project as far as it could be read.
#[derive(Debug)]
pub struct LoadedProject {
    pub project: Project,
    /// In the order of files.
    pub mistakes: Vec<Diagnostic>,
    /// The files, relative to the root, that could not be read and so are missing.
    pub broken: BTreeSet<String>,
}

/// The project's root above `from`: the nearest folder that contains `inventories/`.
pub fn find_root(from: &Path) -> Option<PathBuf> {
    from.ancestors()
        .find(|folder| folder.join("inventories").is_dir())
        .map(Path::to_path_buf)
}

/// Reads the project at `root` as far as it can be read, with every mistake that needs no host's data.
pub fn read(root: &Path) -> LoadedProject {
    let mut reader = reader::Reader::new(root);
    let assets = reader.assets();
    let stacks = reader.folder("templates/services", reader::stack_name, whole(catalogue::read));
    let tasks = reader.folder("tasks", reader::any_name, whole(task::read));
    let mut project = Project {
        root: root.to_path_buf(),
        inventories: reader.folder("inventories", reader::any_name, inventory::read),
        group_data: reader.folder("group_data", reader::any_name, whole(data::read)),
        tasks: Arc::new(tasks.into_iter().map(|(name, task)| (name, Arc::new(task))).collect()),
        deploys: reader.folder("deploys", reader::any_name, whole(deploy::read)),
        catalogue: Arc::new(catalogue::complete(stacks, &assets)),
        assets: Arc::new(assets),
        merged: data::Merged::default(),
        used: None,
    };
    let reader::Reader {
        mut mistakes, broken, ..
    } = reader;
    mistakes.extend(data::check_groups(&project, &broken));
    let (found, used) = lint::check(&project, &broken);
    mistakes.extend(found);
    project.used = Some(used).filter(|_| broken.is_empty());
    sort(&mut mistakes);
    LoadedProject {
        project,
        mistakes,
        broken,
    }
}

/// A file that is read even if it has mistakes.
fn whole<T>(
    read: impl Fn(reader::Source, &mut Vec<Diagnostic>) -> T,
) -> impl Fn(reader::Source, &mut Vec<Diagnostic>) -> Option<T> {
    move |source, mistakes| Some(read(source, mistakes))
}

/// By file and place; mistakes without a place come first.
fn sort(mistakes: &mut [Diagnostic]) {
    mistakes.sort_by_cached_key(|mistake| {
        mistake
            .origin()
            .map(|origin| (origin.file.path.clone(), origin.span.start))
    });
}

/// Reads the project at `root`.
///
/// Errors: every mistake that can be found without a host, in the order of files.
pub fn load(root: &Path) -> Result<Project, Diagnostics> {
    let LoadedProject { project, mistakes, .. } = read(root);
    if mistakes.is_empty() {
        Ok(project)
    } else {
        Err(Diagnostics(mistakes))
    }
}

impl Project {
    /// The inventory called `name`.
    pub fn inventory(&self, name: &str) -> Result<&Inventory, Diagnostic> {
        find(&self.inventories, "inventory", "inventories", name)
    }

    /// The deploy called `name`.
    pub fn deploy(&self, name: &str) -> Result<&Deploy, Diagnostic> {
        find(&self.deploys, "deploy", "deploys", name)
    }

    /// Where the project's file of host keys is or will be, and whether it exists.
    ///
    /// Errors: a link that leads out of the project, and anything that is not a regular file.
    pub fn known_hosts(&self) -> Result<(PathBuf, bool), Diagnostic> {
        const KNOWN_HOSTS: &str = "inventories/known_hosts";
        let path = self.root.join(KNOWN_HOSTS);
        let place = ProjectFolder::new(&self.root).find(Path::new(KNOWN_HOSTS));
        match place.map_err(|refused| reader::unreadable(KNOWN_HOSTS, &refused))? {
            None => Ok((path, false)),
            Some(place) if path.is_symlink() => Ok((place, true)),
            Some(_) => Ok((path, true)),
        }
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

#[cfg(test)]
mod tests;
