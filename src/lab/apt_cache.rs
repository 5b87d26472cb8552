//! The apt cache that all lab hosts on the engine share: one container, its packages in a volume of the same name.
//!
//! It is optional: if it cannot be started, the lab reports that and hosts get their packages from the mirror.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::error::Error as _;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bollard::models::{
    ContainerCreateBody, ContainerStateStatusEnum as Status, HostConfig, HostConfigLogConfig, Mount, MountType,
    MountVolumeOptions,
};
use futures_util::future::try_join_all;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::boot::Running;
use super::engine::{Container, Engine};
use super::error::{LabError, LastLines};
use super::events::{Events, LabEvent};
use super::image::{self, Recipe};
use super::naming;
use super::spec::{AptCacheStatus, LabState};

const NAME: &str = "homelab-lab-apt-cache";
/// The environment variable that names another cache, or `off`.
const VARIABLE: &str = "HOMELAB_LAB_APT_CACHE";
const OFF: &str = "off";
/// Label of the container and its volume; its value is the cache's name.
const LABEL: &str = "homelab.lab.apt-cache";
/// Where the cache listens, on the engine's bridge only: no port of this machine is bound.
const PORT: u16 = 3142;
/// The file in a host with the address of the cache.
const ADDRESS_FILE: &str = "/etc/homelab-lab/apt-cache";
/// Another run may start or remove the same cache at the same time; then it is tried again.
const ATTEMPTS: usize = 4;
const START_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

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
    let found = find(engine, &name).await?;
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
    naming::check("apt cache", name)?;
    let mut attempt = 1;
    loop {
        match try_start(engine, recipe, name, events).await {
            // Another run is starting the same cache, or has just removed an old one.
            Err(LabError::Engine { .. } | LabError::NameTaken { .. }) if attempt < ATTEMPTS => {
                sleep(POLL * 4).await;
                attempt += 1;
            }
            other => return other,
        }
    }
}

async fn try_start(engine: &Engine, recipe: &Recipe, name: &str, events: &Events<'_>) -> Result<SocketAddr, LabError> {
    let found = find(engine, name).await?;
    let id = match found {
        // Other labs may be using it: keep it, even if its image is outdated.
        Some(container) if container.status == Status::RUNNING => container.id,
        Some(container) if container.status == Status::PAUSED => {
            engine.unpause(name, &container.id).await?;
            container.id
        }
        Some(container) if can_start(container.status) && container.image_tag.as_ref() == Some(&recipe.image) => {
            engine.start(name, &container.id).await?;
            container.id
        }
        // Half removed, or from an older image. Its packages are safe in the volume.
        old => {
            image::ensure(engine, recipe, events).await?;
            if let Some(container) = old {
                engine.remove(name, &container.id).await?;
            }
            let id = engine.create(name, name, body(name, &recipe.image)).await?;
            engine.start(name, &id).await?;
            id
        }
    };
    wait_listening(engine, name, &id).await
}

/// Whether the container can be started. One that another run has just created is started twice, which is harmless.
fn can_start(status: Status) -> bool {
    matches!(status, Status::CREATED | Status::EXITED)
}

/// The cache's container. Errors: another container has its name.
async fn find(engine: &Engine, name: &str) -> Result<Option<Container>, LabError> {
    let Some(container) = engine.inspect(name, name).await? else {
        return Ok(None);
    };
    if container.labels.contains_key(LABEL) {
        return Ok(Some(container));
    }
    Err(LabError::NameTaken {
        host: "apt cache".to_owned(),
        container: name.to_owned(),
    })
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

async fn wait_listening(engine: &Engine, name: &str, id: &str) -> Result<SocketAddr, LabError> {
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        let container = engine.inspect(name, id).await?;
        let Some(container) = container.filter(Container::runs) else {
            return Err(LabError::Ended {
                host: name.to_owned(),
                source: engine.last_lines(id).await,
            });
        };
        let address = container.address.and_then(|address| address.parse().ok());
        if let Some(address) = address.map(|address| SocketAddr::new(address, PORT))
            && matches!(timeout(POLL * 10, TcpStream::connect(address)).await, Ok(Ok(_)))
        {
            return Ok(address);
        }
        if Instant::now() > deadline {
            return Err(LabError::TooSlow {
                host: name.to_owned(),
                waited_for: "starting",
                seconds: START_PATIENCE.as_secs(),
                source: LastLines::of("it does not accept connections"),
            });
        }
        sleep(POLL).await;
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
