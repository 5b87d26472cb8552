//! Turns hosts of an inventory into targets for ssh.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use homelab::error::Diagnostic;
use homelab::lab::{LabAddress, LabHost, LabSpec, addresses, project_id};
use homelab::project::{Become, Host, Inventory, Jump, Project, Selection};
use homelab::remote::{Hop, Privilege, Target};

/// How long an address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The target of each selected host.
///
/// Errors: a lab host that is not running.
pub(super) fn targets(project: &Project, run: &Selection) -> anyhow::Result<Vec<Target>> {
    of_hosts(project, &run.inventory, run.hosts.iter().map(|host| host.name.as_str()))
}

/// The targets of the hosts with these names.
pub(super) fn of_hosts<'a>(
    project: &Project,
    inventory: &str,
    names: impl Iterator<Item = &'a str>,
) -> anyhow::Result<Vec<Target>> {
    let (known_hosts, exists) = project.known_hosts()?;
    let connections = Connections {
        project,
        // Without a file in the project, the user's configuration decides.
        known_hosts: exists.then_some(known_hosts),
        name: inventory,
        inventory: project.inventory(inventory)?,
        lab: addresses(&project.home, inventory)?,
    };
    names
        .map(|name| connections.target(&connections.inventory.hosts[name]))
        .collect()
}

/// Connections to the hosts of an inventory.
struct Connections<'a> {
    project: &'a Project,
    name: &'a str,
    inventory: &'a Inventory,
    lab: BTreeMap<String, LabAddress>,
    known_hosts: Option<PathBuf>,
}

impl Connections<'_> {
    fn target(&self, host: &Host) -> anyhow::Result<Target> {
        let (last, mut known_hosts) = self.host(host)?;
        let mut jumps = Vec::new();
        for jump in self.inventory.jumps(host)? {
            jumps.push(match jump {
                Jump::Host(host) => {
                    let (hop, known) = self.host(host)?;
                    known_hosts.extend(known);
                    hop
                }
                Jump::Address { user, address, port } => Hop {
                    address: address.to_owned(),
                    port,
                    user: user.map(str::to_owned),
                    identity_file: None,
                },
            });
        }
        known_hosts.sort();
        known_hosts.dedup();
        Ok(Target {
            name: host.name.clone(),
            address: last.address,
            port: last.port,
            user: last.user,
            identity_file: last.identity_file,
            known_hosts,
            connect_timeout: CONNECT_TIMEOUT,
            jumps,
            privilege: privilege(host),
            is_for_review_only: false,
            local: host.connection.is_local(),
            keep: None,
            started_by: host.lab.is_some().then(|| format!("homelab lab up {}", self.name)),
            silence: None,
        })
    }

    /// The address of a host, and the project's files with its host keys.
    fn host(&self, host: &Host) -> anyhow::Result<(Hop, Vec<PathBuf>)> {
        if host.lab.is_none() {
            return self.own_host(host);
        }
        let Some(address) = self.lab.get(&host.name) else {
            let mistake = Diagnostic::new(format!("lab host `{}` is not up", host.name))
                .at_maybe(host.origin.as_ref(), "this is a lab host")
                .hint(format!("create it with `homelab lab up {}`", self.name));
            return Err(mistake.into());
        };
        let hop = Hop {
            address: address.address.clone(),
            port: Some(address.port),
            user: Some(address.user.clone()),
            identity_file: Some(address.identity_file.clone()),
        };
        Ok((hop, vec![address.known_hosts.clone()]))
    }

    fn own_host(&self, host: &Host) -> anyhow::Result<(Hop, Vec<PathBuf>)> {
        let hop = Hop {
            address: host.address.clone().unwrap_or_else(|| host.name.clone()),
            port: host.connection.port,
            user: host.connection.user.clone(),
            identity_file: self.project.identity_file(host)?,
        };
        Ok((hop, self.known_hosts.iter().cloned().collect()))
    }
}

fn privilege(host: &Host) -> Privilege {
    let user = host.connection.become_user.clone();
    match host.connection.privilege.unwrap_or_default() {
        Become::None => Privilege::LoginUser,
        Become::Sudo => Privilege::Sudo { password: None, user },
        Become::Doas => Privilege::Doas { user },
    }
}

/// The lab hosts of an inventory.
pub(super) fn lab_spec(project: &Project, inventory: &str) -> anyhow::Result<LabSpec> {
    const MEBIBYTE: u64 = 1 << 20;
    let hosts = project.inventory(inventory)?.hosts.values().filter_map(|host| {
        let lab = host.lab.as_ref()?;
        Some(LabHost {
            name: host.name.clone(),
            image: lab.image.clone(),
            memory: lab.memory.map(|memory| memory * MEBIBYTE),
            registry: lab.registry.unwrap_or_default(),
            kubernetes: lab.kubernetes.unwrap_or_default(),
            models: lab.models.unwrap_or_default(),
            helm: lab.helm.unwrap_or_default(),
        })
    });
    Ok(LabSpec {
        project: project_id(&project.home),
        inventory: inventory.to_owned(),
        hosts: hosts.collect(),
    })
}
