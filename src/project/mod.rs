//! Reads and checks all files of a project: inventories, group data, deploys, tasks, templates.

mod allow;
mod capture;
mod catalogue;
mod copied;
mod data;
mod deploy;
mod entry;
mod explain;
mod fields;
mod group;
mod handler;
mod host;
mod inventory;
mod jumps;
mod key_files;
mod lint;
mod memory;
mod model;
mod operation;
mod outline;
mod own;
mod pattern;
mod pins;
mod reader;
mod run;
mod stack_uses;
mod task;
mod unread;
mod variables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::error::{Diagnostic, Diagnostics};
use crate::secrets::{Access, Keyring, RECIPIENTS_FILE};

pub use allow::Allowance;
pub use catalogue::{Catalogue, Stack, check_names, described, missing_stacks, wrong_port};
pub use copied::{CopiedProject, LargeCopy};
pub use data::{given_data, layers};
pub use deploy::{Deploy, Stage};
pub use entry::EntrySettings;
pub use explain::{Explanation, Given, explain, find_host, host_data};
pub use fields::Named;
pub use group::GroupData;
pub use handler::{Flush, Handler};
pub use host::{Become, ConnectionSettings, Host, Inventory, LAB_IMAGES, LabSettings};
pub use jumps::Jump;
pub use lint::is_name;
pub use memory::Managing;
pub use model::{Project, name_of};
pub use operation::RawOperation;
pub use outline::{DeployOutline, InventoryOutline, Outline, outline};
pub use own::own_deploy;
pub use pins::{lock_file, lock_line, write_lock};
pub use run::{
    Filter, LeftOut, Memory, Only, SelectedHost, SelectedStage, Selection, Wanted, hosts, hosts_of_deploy,
    matches_nothing, select,
};
pub use task::{COMMON_KEYS, Notified, Task, TaskEntry, TaskUse};

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

/// Reads the project at `root` as far as it can be read, with every mistake that needs no host's data. No encrypted value is
/// opened.
pub fn read(root: &Path) -> LoadedProject {
    read_with(root, Access::Withheld)
}

/// As [`read`]; encrypted values are opened when the data of a host is used.
pub fn read_with(root: &Path, access: Access) -> LoadedProject {
    read_copy(&CopiedProject::in_place(root), access)
}

/// As [`read_with`], from a copy of the project's files.
pub fn read_copy(copied: &CopiedProject, access: Access) -> LoadedProject {
    let root = copied.root.as_path();
    let mut reader = reader::Reader::new(root);
    let keyring = Arc::new(Keyring::new(root, access));
    let mut assets = reader.assets(&keyring);
    copied.add_large(&mut assets, &mut reader.mistakes);
    let pki = reader.certificates(&mut assets, &keyring);
    let of_lab = Arc::clone(&keyring);
    let mut variables = copied.variables(&mut reader.mistakes);
    // Without recipients nothing is encrypted, and only a variable can have the key.
    if root.join(RECIPIENTS_FILE).exists() {
        variables = variables.with_lab_key(Arc::new(move || of_lab.lab_key()));
    }
    let of_connections = variables.clone().for_connections();
    let variables = Arc::new(match access {
        Access::Required => variables,
        Access::IfPossible | Access::Withheld => variables.withheld(),
    });
    let of_inventories = match access {
        Access::IfPossible => Arc::clone(&variables),
        Access::Required | Access::Withheld => Arc::new(of_connections),
    };
    let stacks = reader.folder(reader::STACKS, reader::stack_name, whole(catalogue::read));
    catalogue::borrow_files(&stacks, &mut assets, &mut reader.mistakes);
    let tasks = reader.folder("tasks", reader::any_name, whole(task::read));
    let mut project = Project {
        root: root.to_path_buf(),
        home: copied.home.clone(),
        inventories: reader.folder("inventories", reader::any_name, |source, mistakes| {
            inventory::read(source, &of_inventories, mistakes)
        }),
        pins: reader.folder("inventories", pins::inventory_of, |source, mistakes| {
            pins::read(&source, mistakes).map(Arc::new)
        }),
        group_data: reader.folder(reader::GROUP_DATA, reader::any_name, whole(group::read)),
        tasks: Arc::new(tasks.into_iter().map(|(name, task)| (name, Arc::new(task))).collect()),
        deploys: reader.folder("deploys", reader::any_name, deploy::read),
        catalogue: Arc::new(catalogue::complete(stacks, &assets, &reader.broken)),
        assets: Arc::new(assets),
        variables,
        keyring,
        pki,
        merged: Mutex::default(),
        has_unread_tasks: false,
        used: None,
    };
    let encrypted = reader.sops();
    group::add_sops(&mut project.group_data, encrypted, &mut reader.mistakes);
    let reader::Reader {
        mut mistakes, broken, ..
    } = reader;
    if !project.catalogue.is_empty() {
        let groups = project.group_data.values_mut().map(|group| &mut group.data);
        let hosts = project
            .inventories
            .values_mut()
            .flat_map(|inventory| inventory.hosts.values_mut());
        let tables = groups.chain(hosts.map(|host| &mut host.data));
        mistakes.extend(tables.flat_map(catalogue::take_misfits));
    }
    mistakes.extend(catalogue::check_authority(&project.catalogue, &project.assets));
    mistakes.extend(pins::without_inventory(&project, &broken));
    mistakes.extend(key_files::check(&project));
    mistakes.extend(data::check_groups(&project, &broken));
    let (found, used) = lint::check(&project, &broken);
    mistakes.extend(found);
    project.used = used;
    project.has_unread_tasks = broken.iter().any(|path| path.starts_with("tasks/"));
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

impl LoadedProject {
    /// The project and the number of its mistakes, if all files that are `needed` could be read: each is asked for by its
    /// path in the project.
    ///
    /// Errors: the mistakes of needed files that could not be read.
    pub fn despite_mistakes(self, needed: impl Fn(&str) -> bool) -> Result<(Project, usize), Diagnostics> {
        let lost: Vec<&String> = self.broken.iter().filter(|path| needed(path)).collect();
        if lost.is_empty() {
            return Ok((self.project, self.mistakes.len()));
        }
        let is_of_lost = |mistake: &&Diagnostic| match mistake.origin() {
            Some(origin) => lost.contains(&&origin.file.path),
            // A file that cannot be read has no places.
            None => lost.iter().any(|path| mistake.title.contains(path.as_str())),
        };
        let of_lost: Vec<Diagnostic> = self.mistakes.iter().filter(is_of_lost).cloned().collect();
        Err(Diagnostics(if of_lost.is_empty() { self.mistakes } else { of_lost }))
    }
}

impl LoadedProject {
    /// The project, and the number of its mistakes in files of stacks that the deploy does not use.
    ///
    /// Errors: all other mistakes.
    pub fn for_deploy(self, deploy: &str) -> Result<(Project, usize), Diagnostics> {
        let Self { project, mistakes, .. } = self;
        let (mistakes, others) = match project.deploys.get(deploy) {
            Some(deploy) => stack_uses::split(&project, deploy, mistakes),
            None => (mistakes, 0),
        };
        if mistakes.is_empty() {
            Ok((project, others))
        } else {
            Err(Diagnostics(mistakes))
        }
    }
}

/// Reads the project at `root`.
///
/// Errors: every mistake that can be found without a host, in the order of files.
pub fn load(root: &Path) -> Result<Project, Diagnostics> {
    load_with(root, Access::Withheld)
}

/// As [`load`]; encrypted values are opened when the data of a host is used.
pub fn load_with(root: &Path, access: Access) -> Result<Project, Diagnostics> {
    let LoadedProject { project, mistakes, .. } = read_with(root, access);
    if mistakes.is_empty() {
        Ok(project)
    } else {
        Err(Diagnostics(mistakes))
    }
}

#[cfg(test)]
mod tests;
