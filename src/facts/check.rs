//! Checks that run on a host without changing it: ports, web pages, and the user's own conditions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::identity::Identity;
use super::kind::{DependsOn, Key, Subject};

/// Whether this check passes now.
#[derive(Clone, Copy)]
pub struct CheckKey<'a>(pub &'a Check);

impl<'a> Key<'a> for CheckKey<'a> {
    type Fact = CheckFact;

    const DEPENDS_ON: DependsOn = DependsOn::Anything;

    fn describe(self) -> String {
        self.0.to_string()
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<CheckFact> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// A check that does not change the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// A TCP port accepts connections.
    Tcp {
        /// A name or address, as the host resolves it.
        host: String,
        port: u16,
    },
    /// A URL returns the expected page.
    Http {
        url: String,
        status: u16,
        /// Text that the page must contain.
        contains: Option<String>,
    },
    /// A command exits with 0.
    Command {
        script: String,
        /// The user that it runs as.
        by: Identity,
        #[serde(default, skip_serializing_if = "Environment::is_empty")]
        env: Environment,
    },
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(formatter, "tcp {host}:{port}"),
            Self::Http { url, .. } => write!(formatter, "http {url}"),
            Self::Command { script, .. } => write!(formatter, "`{script}`"),
        }
    }
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckFact {
    Holds,
    Fails(String),
}
