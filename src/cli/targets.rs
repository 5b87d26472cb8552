//! From hosts of an inventory to what ssh is told.

use std::time::Duration;

use homelab::error::Diagnostic;
use homelab::lab::{LabHost, LabSpec, addresses, project_id};
use homelab::project::{Host, Project, Run};
use homelab::remote::Target;

/// How long an address may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach each host of `run`.
///
/// Errors: a lab host that is not up.
pub(super) fn targets(project: &Project, run: &Run) -> anyhow::Result<Vec<Target>> {
    let inventory = project.inventory(&run.inventory)?;
    let lab = addresses(&project.root, &run.inventory)?;
    let mut targets = Vec::new();
    for name in run.hosts.iter().map(|host| &host.name) {
        let host = &inventory.hosts[name];
        if host.lab.is_none() {
            targets.push(own_target(project, host));
            continue;
        }
        let Some(address) = lab.get(name) else {
            let mistake = Diagnostic::new(format!("lab host `{name}` is not up"))
                .at_maybe(host.origin.as_ref(), "`lab = true` makes it one of the lab")
                .hint(format!("make it: `homelab lab up {}`", run.inventory));
            return Err(mistake.into());
        };
        targets.push(Target {
            name: name.clone(),
            address: address.address.clone(),
            port: Some(address.port),
            user: Some(address.user.clone()),
            identity_file: Some(address.identity_file.clone()),
            known_hosts: vec![address.known_hosts.clone()],
            connect_timeout: CONNECT_TIMEOUT,
        });
    }
    Ok(targets)
}

fn own_target(project: &Project, host: &Host) -> Target {
    let known_hosts = project.root.join("inventories/known_hosts");
    Target {
        name: host.name.clone(),
        address: host.address.clone().unwrap_or_else(|| host.name.clone()),
        port: host.connection.port,
        user: host.connection.user.clone(),
        identity_file: host
            .connection
            .identity_file
            .as_ref()
            .map(|path| project.root.join(path)),
        // Without a file of the project's own the user's configuration decides.
        known_hosts: if known_hosts.exists() {
            vec![known_hosts]
        } else {
            Vec::new()
        },
        connect_timeout: CONNECT_TIMEOUT,
    }
}

/// The lab hosts of an inventory.
pub(super) fn lab_spec(project: &Project, inventory: &str) -> anyhow::Result<LabSpec> {
    const MEBIBYTE: u64 = 1 << 20;
    let hosts = project.inventory(inventory)?.hosts.values();
    Ok(LabSpec {
        project: project_id(&project.root),
        inventory: inventory.to_owned(),
        hosts: hosts
            .filter_map(|host| {
                let lab = host.lab.as_ref()?;
                Some(LabHost {
                    name: host.name.clone(),
                    image: lab.image.clone(),
                    memory: lab.memory.map(|memory| memory * MEBIBYTE),
                })
            })
            .collect(),
    })
}
