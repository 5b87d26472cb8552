//! What hosts remember of a deploy: what it created, so that what leaves the configuration is found.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Filter, Host, Memory, Project, Selection, name_of, select};
use crate::facts::made::{file_of, prefix_of};

/// A deploy that manages a machine.
pub struct Managing {
    /// With this host only.
    pub selection: Selection,
    /// How its inventory calls the machine.
    pub host: String,
    /// The file in which the machine remembers it.
    pub file: String,
}

impl Memory {
    /// That of a deploy, or of all deploys, on the hosts of an inventory.
    pub fn new(project: Arc<Project>, inventory: &str, deploy: Option<&str>) -> Self {
        Self {
            name: name_of(&project.root),
            project,
            inventory: inventory.to_owned(),
            deploy: deploy.map(str::to_owned),
            looks: true,
            prunes: false,
            absent: BTreeSet::new(),
        }
    }

    /// That of a run of a deploy with this filter. What comes of data that is given for one run only is no part of the configuration.
    pub fn of_run(
        project: &Arc<Project>,
        (inventory, deploy): (&str, &str),
        filter: &Filter,
        prunes: bool,
    ) -> Option<Self> {
        filter.data.is_empty().then(|| Self {
            looks: filter.only.is_empty() && filter.tags.is_empty() && !filter.owed,
            prunes,
            ..Self::new(Arc::clone(project), inventory, Some(deploy))
        })
    }

    /// The file in which `host` remembers the deploy.
    pub fn file(&self, host: &str) -> String {
        file_of(
            (&self.name, &self.inventory),
            self.deploy.as_deref().unwrap_or_default(),
            host,
        )
    }

    /// Whether what this file of `host` remembers is to be compared with the configuration: that of the deploy, and those of
    /// deploys that the project has no more. `managing` are all others.
    pub fn compares(&self, file: &str, host: &str, managing: &[Managing]) -> bool {
        let is_of_project = file.starts_with(&prefix_of(&self.name, &self.inventory));
        let is_of_other = managing.iter().any(|other| other.file == file);
        is_of_project && (file == self.file(host) || self.deploy.is_none() || !is_of_other)
    }

    /// The other deploys of the project that manage the machine called `host`, in all inventories.
    pub fn others(&self, host: &str) -> Vec<Managing> {
        let Some(own) = self
            .project
            .inventories
            .get(&self.inventory)
            .and_then(|all| all.hosts.get(host))
        else {
            return Vec::new();
        };
        let mut managing = Vec::new();
        for (inventory, all) in &self.project.inventories {
            let is_own = *inventory == self.inventory;
            for other in all
                .hosts
                .values()
                .filter(|other| (is_own && other.name == host) || are_same(own, other))
            {
                for deploy in self.project.deploys.keys() {
                    if is_own && other.name == host && Some(deploy) == self.deploy.as_ref() {
                        continue;
                    }
                    let Ok(selection) = select(&self.project, inventory, deploy, &Filter::default()) else {
                        continue;
                    };
                    let selection = selection.host_alone(&other.name);
                    if !selection.hosts.is_empty() {
                        managing.push(Managing {
                            selection,
                            host: other.name.clone(),
                            file: file_of((&self.name, inventory), deploy, &other.name),
                        });
                    }
                }
            }
        }
        managing
    }
}

/// Whether two hosts are the same machine, as far as their addresses say that.
fn are_same(one: &Host, other: &Host) -> bool {
    let is_local = |host: &Host| host.connection.is_local();
    if one.lab.is_some() || other.lab.is_some() {
        return false;
    }
    let address = |host: &Host| host.address.clone().unwrap_or_else(|| host.name.clone());
    (is_local(one) && is_local(other))
        || (address(one) == address(other) && one.connection.port == other.connection.port)
}
