//! The project that a command works on.

use std::path::PathBuf;

use homelab::error::Diagnostic;
use homelab::lab::addresses;
use homelab::project::{
    CopiedProject, LoadedProject, Project, find_root, load_with, lock_file, read, read_copy, read_with,
};
use homelab::report;
use homelab::secrets::Access;

use super::output::eprint_line;

/// The root of the project that the current folder is in.
pub(super) fn root() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir()?;
    find_root(&here).ok_or_else(|| {
        Diagnostic::new("not in a homelab project: no `inventories/` folder here or in a parent folder")
            .hint("change to the project's folder, or create a project with `homelab init FOLDER`")
            .into()
    })
}

/// The project for a command that needs nothing but the inventory `name`, or all of them, and works in an emergency: a
/// warning counts mistakes elsewhere.
pub(super) fn with_inventory(name: Option<&str>) -> anyhow::Result<Project> {
    remember_secrets()?;
    with(|path| is_inventory(path, name))
}

/// Has the secrets of the project that this person can decrypt removed from what hosts say.
pub(super) fn remember_secrets() -> anyhow::Result<()> {
    read_with(&root()?, Access::IfPossible).project.remember_secrets();
    Ok(())
}

/// As [`with_inventory`], for a command that also needs the data of groups.
pub(super) fn with_data(name: Option<&str>) -> anyhow::Result<Project> {
    with(|path| is_inventory(path, name) || path.starts_with("group_data/"))
}

/// As [`with_data`], for a command about one host. Without a name it needs the inventories that have the host, or all of
/// them if none of those that can be read has it.
pub(super) fn with_data_of(host: &str, name: Option<&str>) -> anyhow::Result<Project> {
    let loaded = read(&root()?);
    let inventories = loaded.project.inventories.iter();
    let having: Vec<String> = inventories
        .filter(|(_, inventory)| inventory.hosts.contains_key(host))
        .map(|(name, _)| name.clone())
        .collect();
    let is_needed = |path: &str| match name {
        None if !having.is_empty() => having.iter().any(|name| is_inventory(path, Some(name))),
        name => is_inventory(path, name),
    };
    warned(loaded, |path| is_needed(path) || path.starts_with("group_data/"))
}

/// As [`with_inventory`], for a command that also needs a deploy, if one is named.
pub(super) fn with_deploy(inventory: &str, deploy: Option<&str>) -> anyhow::Result<Project> {
    let is_deploy = |path: &str| deploy.is_some_and(|name| path == format!("deploys/{name}.toml"));
    with(|path| is_inventory(path, Some(inventory)) || is_deploy(path))
}

/// The project for a command about the images of an inventory, and whether it has no mistakes.
pub(super) fn with_images(inventory: &str) -> anyhow::Result<(Project, bool)> {
    let loaded = read_with(&root()?, Access::IfPossible);
    let is_needed = |path: &str| {
        is_inventory(path, Some(inventory)) || path.starts_with("group_data/") || path == lock_file(inventory)
    };
    let (project, mistakes) = loaded.despite_mistakes(is_needed)?;
    if mistakes > 0 {
        eprint_line(report::warning_of_mistakes(mistakes));
    }
    project.remember_secrets();
    Ok((project, mistakes == 0))
}

fn is_inventory(path: &str, name: Option<&str>) -> bool {
    match name {
        Some(name) => path == format!("inventories/{name}.toml"),
        None => path.starts_with("inventories"),
    }
}

fn with(needed: impl Fn(&str) -> bool) -> anyhow::Result<Project> {
    warned(read(&root()?), needed)
}

/// The project, with a warning that counts the mistakes that are not in the way.
fn warned(loaded: LoadedProject, needed: impl Fn(&str) -> bool) -> anyhow::Result<Project> {
    let (project, mistakes) = loaded.despite_mistakes(needed)?;
    if mistakes > 0 {
        eprint_line(report::warning_of_mistakes(mistakes));
    }
    Ok(project)
}

/// As [`project`], for a command that needs only this deploy: a warning counts mistakes in files of stacks that it does not use.
/// Hosts of the lab that are up have their addresses.
pub(super) fn for_deploy(deploy: &str, access: Access) -> anyhow::Result<Project> {
    of_deploy(read_with(&root()?, access), deploy)
}

/// The same from a copy of its files.
pub(super) fn copied_for_deploy(copied: &CopiedProject, deploy: &str, access: Access) -> anyhow::Result<Project> {
    of_deploy(read_copy(copied, access), deploy)
}

fn of_deploy(loaded: LoadedProject, deploy: &str) -> anyhow::Result<Project> {
    let (mut project, mistakes) = loaded.for_deploy(deploy)?;
    if mistakes > 0 {
        eprint_line(report::warning_of_mistakes(mistakes));
    }
    add_lab_addresses(&mut project)?;
    Ok(project)
}

/// Templates see the same of a host of the lab as of any other.
fn add_lab_addresses(project: &mut Project) -> anyhow::Result<()> {
    for (name, inventory) in &mut project.inventories {
        if !inventory.hosts.values().any(|host| host.lab.is_some()) {
            continue;
        }
        let mut known = addresses(&project.home, name)?;
        for host in inventory.hosts.values_mut().filter(|host| host.lab.is_some()) {
            if let Some(lab) = known.remove(&host.name) {
                host.address = Some(lab.address);
            }
        }
    }
    Ok(())
}

/// The project that the current folder is in; `access` is what to do about its encrypted values.
pub(super) fn project(access: Access) -> anyhow::Result<Project> {
    Ok(load_with(&root()?, access)?)
}
