//! Checks that run on a host without changing it: ports, web pages, and the user's own conditions.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::http::Request;
use super::identity::Identity;
use super::kind::{DependsOn, Key, Subject};
use super::kubernetes::ObjectsCheck;
use crate::quote::quote_all;

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
    Http(Box<HttpCheck>),
    /// Something is at a path, as it should be.
    File(Box<FileCheck>),
    /// A command exits with 0.
    Command {
        script: Box<str>,
        /// The user that it runs as.
        by: Identity,
        #[serde(default, skip_serializing_if = "Environment::is_empty")]
        env: Environment,
        #[serde(skip)]
        shown: Shown,
    },
    /// A command says what it should.
    Program(Box<ProgramCheck>),
    /// Objects of a cluster are as far as they should be.
    Objects(Box<ObjectsCheck>),
}

/// A command as people know it, if the script around it is homelab's own. Two checks are the same if their scripts are, so it counts
/// for nothing there.
#[derive(Clone, Debug, Default)]
pub struct Shown(pub Option<Arc<String>>);

impl PartialEq for Shown {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Shown {}

impl PartialOrd for Shown {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Shown {
    fn cmp(&self, _other: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl std::hash::Hash for Shown {
    fn hash<H: std::hash::Hasher>(&self, _state: &mut H) {}
}

/// What a URL should answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HttpCheck {
    pub request: Request,
    pub status: u16,
    /// Text that the page must contain.
    pub contains: Option<String>,
    /// A value that must be in the answer, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
}

/// How a path should be. Links are followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileCheck {
    pub path: String,
    /// Whether there should be something at all.
    pub present: bool,
    /// Text that the file must contain.
    pub contains: Option<String>,
    pub mode: Option<u32>,
    /// A name or a number.
    pub owner: Option<String>,
    /// A name or a number.
    pub group: Option<String>,
    pub sha256: Option<String>,
}

/// What a command should do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProgramCheck {
    /// The command and its arguments.
    pub words: Vec<String>,
    pub exit_code: u8,
    /// Text that its output must contain.
    pub contains: Option<String>,
    /// The user that it runs as.
    pub by: Identity,
    #[serde(default, skip_serializing_if = "Environment::is_empty")]
    pub env: Environment,
}

impl Check {
    /// The same, with its commands run by this user.
    #[must_use]
    pub fn run_by(self, user: &Identity) -> Self {
        let by = user.clone();
        match self {
            Self::Command { script, env, shown, .. } => Self::Command { script, by, env, shown },
            Self::Program(check) => Self::Program(Box::new(ProgramCheck { by, ..*check })),
            other => other,
        }
    }

    /// The same, with these variables for its commands.
    #[must_use]
    pub fn with_environment(self, environment: &Environment) -> Self {
        let env = environment.clone();
        match self {
            Self::Command { script, by, shown, .. } => Self::Command { script, by, env, shown },
            Self::Program(check) => Self::Program(Box::new(ProgramCheck { env, ..*check })),
            other => other,
        }
    }

    /// Whether it runs a program and looks at what that says, as `verify.command` does.
    pub fn is_program(&self) -> bool {
        matches!(self, Self::Program(_))
    }

    /// The command of the project that it runs, as people read it.
    pub fn command(&self) -> Option<String> {
        match self {
            Self::Command { script, shown, .. } => {
                Some(shown.0.as_ref().map_or_else(|| script.to_string(), ToString::to_string))
            }
            Self::Program(check) => Some(quote_all(check.words.iter().map(String::as_str))),
            Self::Tcp { .. } | Self::Http(_) | Self::File(_) | Self::Objects(_) => None,
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(formatter, "tcp {host}:{port}"),
            Self::Http(check) if check.request.method == "GET" => write!(formatter, "http {}", check.request.url),
            Self::Http(check) => write!(formatter, "http {} {}", check.request.method, check.request.url),
            Self::File(check) => write!(formatter, "file {}", check.path),
            Self::Objects(check) => check.fmt(formatter),
            Self::Command { .. } | Self::Program(_) => write!(formatter, "`{}`", self.command().unwrap_or_default()),
        }
    }
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckFact {
    Holds,
    Fails(String),
    /// The host's shell cannot run the command of a condition, for this reason: that says nothing about the condition.
    Impossible(String),
}
