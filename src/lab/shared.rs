//! Containers that all labs on the engine share: the apt cache and the registry.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bollard::models::{ContainerCreateBody, ContainerStateStatusEnum as Status};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::engine::{Container, Engine};
use super::error::{LabError, LastLines};
use super::events::Events;
use super::image::{self, Recipe};
use super::naming;

/// Another run may start or remove the same container at the same time; then it is tried again.
const ATTEMPTS: usize = 4;
const START_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// A container that labs share.
pub(super) struct Shared<'a> {
    /// What it is, for errors.
    pub(super) title: &'static str,
    pub(super) name: &'a str,
    /// The label by which it is told from a container of another owner.
    pub(super) label: &'static str,
    /// Where it listens, on the engine's bridge only: no port of this machine is bound.
    pub(super) port: u16,
    pub(super) recipe: &'a Recipe,
    /// How it is created.
    pub(super) body: &'a (dyn Fn() -> ContainerCreateBody + Sync),
}

impl Shared<'_> {
    /// Starts it if needed, and returns where it listens.
    pub(super) async fn start(&self, engine: &Engine, events: &Events<'_>) -> Result<SocketAddr, LabError> {
        naming::check(self.title, self.name)?;
        let mut attempt = 1;
        loop {
            match self.try_start(engine, events).await {
                // Another run is starting it too, or has just removed an old one.
                Err(LabError::Engine { .. } | LabError::NameTaken { .. }) if attempt < ATTEMPTS => {
                    sleep(POLL * 4).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn try_start(&self, engine: &Engine, events: &Events<'_>) -> Result<SocketAddr, LabError> {
        let name = self.name;
        let found = find(engine, self.title, name, self.label).await?;
        let id = match found {
            // Other labs may be using it: keep it, even if its image is outdated.
            Some(container) if container.status == Status::RUNNING => container.id,
            Some(container) if container.status == Status::PAUSED => {
                engine.unpause(name, &container.id).await?;
                container.id
            }
            Some(container)
                if can_start(container.status) && container.image_tag.as_ref() == Some(&self.recipe.image) =>
            {
                engine.start(name, &container.id).await?;
                container.id
            }
            // Half removed, or from an older image. What it has to keep is safe in a volume.
            old => {
                image::ensure(engine, self.recipe, events).await?;
                if let Some(container) = old {
                    engine.remove(name, &container.id).await?;
                }
                let id = engine.create(name, name, (self.body)()).await?;
                engine.start(name, &id).await?;
                id
            }
        };
        self.wait_listening(engine, &id).await
    }

    async fn wait_listening(&self, engine: &Engine, id: &str) -> Result<SocketAddr, LabError> {
        let name = self.name;
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
            if let Some(address) = address.map(|address| SocketAddr::new(address, self.port))
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
}

/// Whether a container can be started. One that another run has just created is started twice, which is harmless.
fn can_start(status: Status) -> bool {
    matches!(status, Status::CREATED | Status::EXITED)
}

/// A shared container. Errors: another container has its name.
pub(super) async fn find(engine: &Engine, title: &str, name: &str, label: &str) -> Result<Option<Container>, LabError> {
    let Some(container) = engine.inspect(name, name).await? else {
        return Ok(None);
    };
    if container.labels.contains_key(label) {
        return Ok(Some(container));
    }
    Err(LabError::NameTaken {
        host: title.to_owned(),
        container: name.to_owned(),
    })
}
