//! How an operation is carried out: the keys that every operation can have, as far as applying needs them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an operation is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conduct {
    /// How long each of its steps may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How often it is planned and applied again after a failure.
    #[serde(default)]
    pub retries: u8,
    #[serde(default)]
    pub on_error: OnError,
}

/// What a failure stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Nothing: the host goes on with the next operation.
    Ignore,
    /// The host.
    #[default]
    StopHost,
    /// The host, and all others at their next operation.
    StopAll,
}

impl Conduct {
    /// Whether nothing is set.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the host may go on after a failure.
    pub fn may_go_on(&self) -> bool {
        self.retries > 0 || self.on_error == OnError::Ignore
    }
}
