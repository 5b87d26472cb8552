//! The configuration of the mode.

use serde::Deserialize;

use crate::server;

/// `/etc/home-lab/power.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub server: server::Settings,
    pub shutdown: ShutdownSettings,
    /// Power off when no model has run for a while. Without this table, never.
    pub off_when_idle: Option<OffWhenIdle>,
}

/// What is scheduled, and within which bounds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownSettings {
    /// Minutes until the shutdown if a request names none.
    #[serde(deserialize_with = "at_least_one")]
    pub default_minutes: u32,
    /// The most minutes that a request may name.
    #[serde(deserialize_with = "at_least_one")]
    pub maximum_minutes: u32,
    /// Whether a request may name a part of a minute, such as `0.1`.
    pub fractions: bool,
    pub action: Action,
    /// What users of terminals are told before the end; empty for logind's own words.
    pub wall_message: String,
    /// How long a shutdown is put off while something blocks it, before it is given up.
    pub give_up_minutes: u32,
}

/// What happens at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Poweroff,
    /// For tests on hosts that may go off: if logind is restarted while one is pending, it becomes a real one.
    DryPoweroff,
}

impl Action {
    /// What logind calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Poweroff => "poweroff",
            Self::DryPoweroff => "dry-poweroff",
        }
    }
}

/// When a host is idle.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffWhenIdle {
    /// For so long no model's unit has run. Counted from the start of the agent at the earliest.
    pub minutes: u32,
    /// So long before the end the shutdown is in the queue, where it can be seen and cancelled.
    #[serde(default = "five")]
    pub warning_minutes: u32,
}

fn at_least_one<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let minutes = u32::deserialize(from)?;
    if minutes == 0 {
        return Err(serde::de::Error::custom("must be at least 1: 0 would be at once"));
    }
    Ok(minutes)
}

fn five() -> u32 {
    5
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self {
            default_minutes: 1,
            maximum_minutes: 10_080,
            fractions: false,
            action: Action::Poweroff,
            wall_message: String::new(),
            give_up_minutes: 60,
        }
    }
}
