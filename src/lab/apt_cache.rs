//! The apt cache that all lab hosts on the engine share: one container, its packages in a volume of the same name.
//!
//! It is optional: if it cannot be started, the lab reports that and hosts get their packages from the mirror.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::error::Error as _;
use std::fmt::Write as _;
use std::net::SocketAddr;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, MountVolumeOptions};
use futures_util::future::try_join_all;

use super::boot::Running;
use super::engine::{Container, Engine};
use super::error::LabError;
use super::events::{Events, LabEvent};
use super::image::Recipe;
use super::shared::{self, Shared};
use super::spec::{AptCacheStatus, LabState};

const NAME: &str = "homelab-lab-apt-cache";
const TITLE: &str = "apt cache";
/// The environment variable that names another cache, or `off`.
const VARIABLE: &str = "HOMELAB_LAB_APT_CACHE";
const OFF: &str = "off";
/// Label of the container and its volume; its value is the cache's name.
const LABEL: &str = "homelab.lab.apt-cache";
/// Where the cache listens, on the engine's bridge only: no port of this machine is bound.
const PORT: u16 = 3142;
/// The file in a host with the address of the cache.
const ADDRESS_FILE: &str = "/etc/homelab-lab/apt-cache";

/// Starts the cache if needed and returns its address; `None` if it is turned off or cannot be started.
pub(super) async fn ensure(engine: &Engine, events: &Events<'_>) -> Option<SocketAddr> {
    let name = name()?;
    let recipe = Recipe::apt_cache()?;
    match start(engine, &recipe, &name, events).await {
        Ok(address) => Some(address),
        Err(error) => {
            events.report(LabEvent::NoAptCache {
                reason: with_causes(&error),
            });
            None
        }
    }
}

/// The cache's name; `None` if it is turned off.
fn name() -> Option<String> {
    let name = env::var(VARIABLE).ok().filter(|name| !name.is_empty());
    Some(name.unwrap_or_else(|| NAME.to_owned())).filter(|name| name != OFF)
}

/// The status of the cache; `None` if it is turned off.
pub(super) async fn status(engine: &Engine) -> Result<Option<AptCacheStatus>, LabError> {
    let Some(name) = name() else {
        return Ok(None);
    };
    let found = shared::find(engine, TITLE, &name, LABEL).await?;
    let state = match &found {
        None => LabState::Absent,
        Some(container) if container.runs() => LabState::Running,
        Some(_) => LabState::Stopped,
    };
    let address = found.filter(Container::runs).and_then(|container| container.address);
    Ok(Some(AptCacheStatus {
        name,
        state,
        address: address.map(|address| format!("{address}:{PORT}")),
    }))
}

fn with_causes(error: &LabError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

async fn start(engine: &Engine, recipe: &Recipe, name: &str, events: &Events<'_>) -> Result<SocketAddr, LabError> {
    let shared = Shared {
        title: TITLE,
        name,
        label: LABEL,
        port: PORT,
        recipe,
        body: &|| body(name, &recipe.image),
    };
    shared.start(engine, events).await
}

fn body(name: &str, image: &str) -> ContainerCreateBody {
    let labels = HashMap::from([(LABEL.to_owned(), name.to_owned())]);
    let packages = Mount {
        target: Some("/var/cache/packages".to_owned()),
        source: Some(name.to_owned()),
        typ: Some(MountType::VOLUME),
        volume_options: Some(MountVolumeOptions {
            labels: Some(labels.clone()),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    };
    let log = HashMap::from([("max-size", "10m"), ("max-file", "2")].map(|(key, value)| (key.into(), value.into())));
    ContainerCreateBody {
        hostname: Some(name.to_owned()),
        image: Some(image.to_owned()),
        cmd: Some(vec!["/usr/local/sbin/apt-cache".to_owned()]),
        labels: Some(labels),
        host_config: Some(HostConfig {
            mounts: Some(vec![packages]),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(log),
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Writes the cache's address into every host, or an empty file, so that no host waits for a missing cache.
///
/// A command in the host does it. To copy a file, the engine mounts the host's folders on this machine once more, and what
/// it mounts while a host starts stays in that host.
pub(super) async fn write_address(
    engine: &Engine,
    cache: Option<&SocketAddr>,
    running: &BTreeMap<String, Running>,
) -> Result<(), LabError> {
    let line = cache.map_or_else(String::new, |address| format!("{} {}\n", address.ip(), address.port()));
    let writes = running
        .iter()
        .map(|(host, one)| write_line(engine, (host, &one.id), &line));
    try_join_all(writes).await.map(drop)
}

async fn write_line(engine: &Engine, (host, id): (&str, &str), line: &str) -> Result<(), LabError> {
    let script = "printf %s \"$1\" > \"$2\"";
    let written = engine
        .execute(host, id, &["sh", "-c", script, "sh", line, ADDRESS_FILE])
        .await?;
    written.succeeded(host, "sh", "write the address of the apt cache")
}
