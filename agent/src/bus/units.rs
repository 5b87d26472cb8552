//! systemd, which runs the models.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use zbus::{MatchRule, MessageStream, OwnedObjectPath, OwnedVariant};

use super::connection::{Bus, MANAGER, Object, fault};
use super::fault::{Fault, FaultKind};

/// What is done to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Start,
    Stop,
    Restart,
}

/// Whether a unit runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    Active,
    /// It starts, stops or reloads.
    Changing,
    Failed,
    Inactive,
}

impl Activity {
    /// What systemd calls it.
    pub fn parse(text: &str) -> Self {
        match text {
            "active" | "reloading" | "refreshing" => Self::Active,
            "activating" | "deactivating" | "maintenance" => Self::Changing,
            "failed" => Self::Failed,
            _ => Self::Inactive,
        }
    }
}

/// A unit in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitState {
    pub name: String,
    pub activity: Activity,
}

/// What is known of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitDetails {
    pub activity: Activity,
    /// What systemd calls it: `active`, `failed`, …
    pub state: String,
    /// When it last began to run, in microseconds since 1970; 0 for never.
    pub active_since: u64,
}

/// How a job of systemd ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// With systemd's word for it: `done`, `failed`, `timeout`, …
    Ended(String),
    /// It goes on.
    Running,
}

/// What the agent asks of systemd. Units are named exactly: no pattern reaches it but the one for all models.
#[async_trait]
pub trait Units: Send + Sync {
    /// All loaded units `model@*.service`, in one call.
    async fn models(&self) -> Result<Vec<UnitState>, Fault>;
    /// One unit.
    async fn details(&self, unit: &str) -> Result<UnitDetails, Fault>;
    /// Starts a job and waits for its end, up to `patience`.
    async fn act(&self, verb: Verb, unit: &str, patience: Duration) -> Result<Job, Fault>;
    /// Whether systemd answers.
    async fn reachable(&self) -> Result<(), Fault>;
}

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const UNIT: &str = "org.freedesktop.systemd1.Unit";

#[async_trait]
impl Units for Bus {
    async fn models(&self) -> Result<Vec<UnitState>, Fault> {
        type Unit = (
            String,
            String,
            String,
            String,
            String,
            String,
            OwnedObjectPath,
            u32,
            String,
            OwnedObjectPath,
        );
        let none: &[&str] = &[];
        let body = (none, &["model@*.service"][..]);
        let units: Vec<Unit> = self
            .call(MANAGER, "ListUnitsByPatterns", &body, |body| body.deserialize())
            .await?;
        let state = |(name, _, _, active, ..): Unit| UnitState {
            name,
            activity: Activity::parse(&active),
        };
        Ok(units.into_iter().map(state).collect())
    }

    async fn details(&self, unit: &str) -> Result<UnitDetails, Fault> {
        let path: Result<OwnedObjectPath, Fault> =
            self.call(MANAGER, "GetUnit", &(unit,), |body| body.deserialize()).await;
        let path = match path {
            Ok(path) => path,
            // systemd forgets units that do not run.
            Err(fault) if fault.kind == FaultKind::NoSuchUnit => {
                return Ok(UnitDetails {
                    activity: Activity::Inactive,
                    state: "inactive".to_owned(),
                    active_since: 0,
                });
            }
            Err(fault) => return Err(fault),
        };
        let object = Object {
            path: path.as_str(),
            interface: PROPERTIES,
            ..MANAGER
        };
        let mut all: HashMap<String, OwnedVariant> =
            self.call(object, "GetAll", &(UNIT,), |body| body.deserialize()).await?;
        let state = all.remove("ActiveState").and_then(|value| String::try_from(value).ok());
        let since = all
            .remove("ActiveEnterTimestamp")
            .and_then(|value| u64::try_from(value).ok());
        let state = state.unwrap_or_default();
        Ok(UnitDetails {
            activity: Activity::parse(&state),
            state,
            active_since: since.unwrap_or(0),
        })
    }

    async fn act(&self, verb: Verb, unit: &str, patience: Duration) -> Result<Job, Fault> {
        let (method, mode) = match verb {
            Verb::Start => ("StartUnit", "fail"),
            // A start that goes on is what a stop is for.
            Verb::Stop => ("StopUnit", "replace"),
            Verb::Restart => ("RestartUnit", "fail"),
        };
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender(MANAGER.service)
            .interface(MANAGER.interface)
            .member("JobRemoved")
            .build()
            .map_err(|error| fault(&error))?;
        // Before the job begins, so that its end is not missed.
        let connection = self.connection().await?;
        let mut ends = MessageStream::for_match_rule(rule, &connection, NonZeroUsize::new(1024))
            .await
            .map_err(|error| fault(&error))?;
        let job: OwnedObjectPath = self
            .call(MANAGER, method, &(unit, mode), |body| body.deserialize())
            .await?;
        let end = async {
            while let Some(Ok(signal)) = ends.next().await {
                type Removed = (u32, OwnedObjectPath, String, String);
                if let Ok((_, path, _, result)) = signal.body().deserialize::<Removed>()
                    && path == job
                {
                    return Ok(Job::Ended(result));
                }
            }
            Err(Fault::new(
                FaultKind::Unreachable,
                "the bus went away while a job was running",
            ))
        };
        tokio::time::timeout(patience, end).await.unwrap_or(Ok(Job::Running))
    }

    async fn reachable(&self) -> Result<(), Fault> {
        self.property(MANAGER, "Version").await.map(|_| ())
    }
}
