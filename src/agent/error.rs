//! Errors of building the agent.

use std::io;
use std::path::PathBuf;

/// Why the agent was not built. The cause is its `source`, the next step its [`hint`](Self::hint).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    #[error("agent: cannot find `{program}`, which compiles it")]
    NoRust { program: &'static str },
    #[error("agent: cannot run `{program}` to {action}")]
    NotRun {
        program: &'static str,
        action: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("agent: `{program}` failed to {action} ({status})")]
    Failed {
        program: &'static str,
        action: &'static str,
        status: String,
        /// The last lines that it printed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("agent: Rust on this machine has no target for `{architecture}`")]
    NoTarget {
        architecture: String,
        /// The targets that would do, the best first.
        targets: [&'static str; 2],
    },
    #[error("agent: there is no C compiler for `{architecture}` on this machine")]
    NoCompiler {
        architecture: String,
        /// The package of Debian that has it.
        package: &'static str,
    },
    #[error("agent: unknown architecture `{architecture}`")]
    UnknownArchitecture { architecture: String },
    #[error("agent: `{}` is a symbolic link", path.display())]
    Linked { path: PathBuf },
    /// What homelab brings of the agent cannot be read.
    #[error("agent: `{file}` of its sources is damaged")]
    Damaged {
        file: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("agent: cannot {action} `{}`", path.display())]
    Disk {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl AgentError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRust { .. } => Some(
                "install Rust 1.89 or newer (https://rustup.rs), and a C compiler with `apt-get install gcc libc6-dev`"
                    .to_owned(),
            ),
            Self::NoTarget { targets: [best, _], .. } => Some(format!(
                "run `rustup target add {best}`, or build it on a machine of this architecture"
            )),
            Self::NoCompiler { package, .. } => Some(format!("run `apt-get install {package}`")),
            Self::UnknownArchitecture { .. } => Some("write `amd64` or `arm64`".to_owned()),
            Self::Linked { .. } => Some("remove the link".to_owned()),
            Self::Failed { .. } => {
                Some("see that Rust is 1.89 or newer, and that cargo reaches its registry".to_owned())
            }
            Self::NotRun { .. } | Self::Damaged { .. } | Self::Disk { .. } => None,
        }
    }
}
