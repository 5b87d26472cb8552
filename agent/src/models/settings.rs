//! The configuration of the mode.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::server;

/// `/etc/home-lab/models.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    pub server: server::Settings,
    /// The folder of models: a file for each, whose name is the model's.
    pub models: PathBuf,
    #[serde(default)]
    pub monitoring: Monitoring,
    /// How long a request with `?wait=true` waits for a model to run.
    #[serde(default = "a_minute")]
    pub wait_seconds: u32,
}

fn a_minute() -> u32 {
    60
}

/// When a model is active, idle, and stopped.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Monitoring {
    /// How often it is looked for models to stop.
    pub check_seconds: u32,
    /// A model that was used within so many minutes is active.
    pub active_minutes: u32,
    /// A model that was used within so many minutes is not idle.
    pub idle_minutes: u32,
    /// Whether a model that is idle is stopped.
    pub stop_idle: bool,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            check_seconds: 60,
            active_minutes: 10,
            idle_minutes: 30,
            stop_idle: true,
        }
    }
}

impl Monitoring {
    /// How often it is looked for models to stop.
    pub fn pause(&self) -> Duration {
        Duration::from_secs(u64::from(self.check_seconds.max(1)))
    }
}
