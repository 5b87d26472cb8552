//! The networks and volumes of a compose project: compose leaves those that are there as they are, whatever its files say.

use std::collections::BTreeMap;

use super::volumes::Renewed;
use crate::change::{Attribute, Attributed, Stop};
use crate::facts::FactKey;
use crate::facts::compose::{Config, NetworkSettings, Project};
use crate::facts::docker::{NetworkKey, VolumeKey};
use crate::operations::PlanContext;
use crate::operations::docker::resource::differences;
use crate::operations::docker::volume::data;
use crate::secret::sha256_hex;

/// Refuses networks that have to be there and are not. A network that an earlier operation creates anew has another id.
pub(super) fn check_networks(
    context: &PlanContext<'_>,
    name: &str,
    config: &Config,
    project: &mut Project,
) -> Result<(), Stop> {
    for network in config.networks.values() {
        if context
            .predicted_by(&FactKey::DockerNetwork(network.name.clone()))
            .is_some()
        {
            project.networks.remove(&network.name);
        } else if !network.is_external {
            if let Some(found) = project.network_settings.get(&network.name) {
                check_settings(context, name, &network.name, (found, &network.settings))?;
            }
            continue;
        } else if project.networks.contains_key(&network.name) {
            continue;
        }
        if network.is_external && context.get(NetworkKey(&network.name))?.is_empty() {
            let title = format!("Docker network `{}` does not exist", network.name);
            return Err(context
                .refuse("project_directory", title, "the compose file uses it as `external`")
                .hint(format!(
                    "create it first: `op = \"docker.network\"`, `network = \"{}\"`",
                    network.name
                )));
        }
    }
    Ok(())
}

/// Refuses a network of the project's own that differs from what its files say.
fn check_settings(
    context: &PlanContext<'_>,
    project: &str,
    network: &str,
    (found, wanted): (&NetworkSettings, &NetworkSettings),
) -> Result<(), Stop> {
    let shown = |settings: &NetworkSettings| -> Attributed {
        let mut shown = Attributed::new();
        if let Some(driver) = wanted.driver.as_ref().and(settings.driver.as_ref()) {
            shown.insert("driver", Attribute::known(driver.clone()));
        }
        for (name, is_so) in [("internal", settings.internal), ("attachable", settings.attachable)] {
            shown.insert(name, Attribute::known(is_so.to_string()));
        }
        if let Some(ipv6) = wanted.ipv6.and(settings.ipv6) {
            shown.insert("ipv6", Attribute::known(ipv6.to_string()));
        }
        if !wanted.subnets.is_empty() {
            shown.insert("subnets", Attribute::known(settings.subnets.join(", ")));
        }
        shown
    };
    let mut what = differences(&shown(found), &shown(wanted));
    let is_other = |(name, digest): &(&String, &String)| found.options.get(*name) != Some(digest);
    if what.is_empty()
        && let Some((name, _)) = wanted.options.iter().find(is_other)
    {
        what = format!("option {name} has another value");
    }
    if what.is_empty() {
        return Ok(());
    }
    let title = format!("Docker network `{network}` differs, and compose does not change it");
    Err(context.refuse("project_directory", title, what).hint(format!(
        "remove it with its containers on the host (`docker compose -p {project} down`), and deploy again; or correct the compose file"
    )))
}

/// Refuses volumes that have to be there and are not, and those whose options differ: compose leaves these as they are. What may be
/// created again is returned.
pub(super) fn check_volumes(
    context: &PlanContext<'_>,
    config: &Config,
    project: &Project,
    recreated: &[String],
) -> Result<Vec<Renewed>, Stop> {
    let mut renewed = Vec::new();
    for (key, volume) in &config.volumes {
        if !volume.is_external && volume.driver.is_none() && volume.options.is_empty() {
            continue;
        }
        let found = context.get(VolumeKey(&volume.name))?;
        let Some(found) = found else {
            if !volume.is_external {
                continue;
            }
            let title = format!("Docker volume `{}` does not exist", volume.name);
            return Err(context
                .refuse("project_directory", title, "the compose file uses it as `external`")
                .hint(format!(
                    "create it first: `op = \"docker.volume\"`, `volume = \"{}\"`",
                    volume.name
                )));
        };
        if volume.is_external {
            continue;
        }
        let driver = volume.driver.clone().unwrap_or_else(|| found.driver.clone());
        let digests: BTreeMap<String, String> = found
            .options
            .iter()
            .map(|(name, value)| (name.clone(), sha256_hex(value.as_bytes())))
            .collect();
        if driver == found.driver && digests == volume.options {
            continue;
        }
        let names = |options: &BTreeMap<String, String>| options.keys().cloned().collect::<Vec<_>>().join(", ");
        let shown = |driver: &str, options: &BTreeMap<String, String>| -> Attributed {
            [
                ("driver", Attribute::known(driver)),
                ("options", Attribute::known(names(options))),
            ]
            .into_iter()
            .collect()
        };
        let mut what = differences(&shown(&found.driver, &digests), &shown(&driver, &volume.options));
        if what.is_empty() {
            let other = digests
                .iter()
                .filter(|(name, digest)| volume.options.get(*name) != Some(digest));
            let names: Vec<&str> = other.map(|(name, _)| name.as_str()).collect();
            what = format!("option {} has another value", names.join(", "));
        }
        if recreated.contains(key) {
            renewed.push(Renewed::new(context, (config, project), (key, volume), found, what)?);
            continue;
        }
        let title = format!(
            "Docker volume `{}` differs, and compose does not change it",
            volume.name
        );
        return Err(context.refuse("project_directory", title, what).hint(format!(
            "write `recreate_volumes = [\"{key}\"]` to have it removed and created again: its data {}; or correct the compose file",
            data(&found)
        )));
    }
    Ok(renewed)
}
