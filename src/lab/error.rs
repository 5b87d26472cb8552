//! What can go wrong with the lab.

use std::io;
use std::path::PathBuf;

/// A failure of the lab: what was attempted, on what; the cause is its `source`, the next step its [`hint`](Self::hint).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// No engine answers.
    #[error("the lab: cannot reach a Docker engine at {address}")]
    EngineUnreachable {
        /// The socket that was tried.
        address: String,
        /// Why.
        #[source]
        source: bollard::errors::Error,
    },
    /// `DOCKER_HOST` names an engine that is not on this machine.
    #[error("the lab: the Docker engine at {address} is not on this machine")]
    EngineElsewhere {
        /// The address of the engine.
        address: String,
    },
    /// The engine refused something.
    #[error("{subject}: cannot {action}")]
    Engine {
        /// The host, image or volume concerned.
        subject: String,
        /// What was attempted.
        action: &'static str,
        /// The engine's answer.
        #[source]
        source: bollard::errors::Error,
    },
    /// A file of the lab's state could not be read or written.
    #[error("the lab: cannot {action} {}", path.display())]
    Disk {
        /// What was attempted.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A state file does not hold what the lab writes.
    #[error("the lab: cannot understand {}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A program of this machine could not be started.
    #[error("{subject}: cannot run `{program}` to {action}")]
    ToolMissing {
        /// The host or image concerned.
        subject: String,
        /// The program.
        program: &'static str,
        /// What it was for.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program ran and failed, here or in a container.
    #[error("{subject}: `{program}` could not {action} ({status})")]
    ToolFailed {
        /// The host or image concerned.
        subject: String,
        /// The program.
        program: &'static str,
        /// What it was for.
        action: &'static str,
        /// How it ended.
        status: String,
        /// The last lines that it printed.
        #[source]
        source: LastLines,
    },
    /// An image that the lab cannot make.
    #[error("{host}: no lab image `{image}`")]
    UnknownImage {
        /// The host that asks for it.
        host: String,
        /// What it asks for.
        image: String,
    },
    /// A name that can be no host name, container name or folder name.
    #[error("`{name}` cannot be the name of a lab {kind}")]
    BadName {
        /// `host`, `inventory` or `project`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The container's name is taken by something that is not this host.
    #[error("{host}: the container name {container} is taken by a container that is not this lab host")]
    NameTaken {
        /// The host.
        host: String,
        /// The container.
        container: String,
    },
    /// A host stopped while it was booting.
    #[error("{host}: the container ended while it booted")]
    Ended {
        /// The host.
        host: String,
        /// The last lines of its console.
        #[source]
        source: LastLines,
    },
    /// A host did not come up in time.
    #[error("{host}: {waited_for} took more than {seconds} s")]
    TooSlow {
        /// The host.
        host: String,
        /// What was waited for.
        waited_for: &'static str,
        /// The time allowed.
        seconds: u64,
        /// What was last seen.
        #[source]
        source: LastLines,
    },
    /// A host that is not up.
    #[error("{host}: no such lab host is up")]
    NotUp {
        /// The host.
        host: String,
        /// Its inventory, where it was named.
        inventory: Option<String>,
        /// Lab hosts that are up.
        known: Vec<String>,
    },
    /// A host name that more than one inventory has.
    #[error("{host}: more than one lab has a host of this name: {}", inventories.join(", "))]
    Ambiguous {
        /// The host.
        host: String,
        /// The inventories that have it.
        inventories: Vec<String>,
    },
}

/// The end of what a program printed, as the cause of an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LastLines(String);

impl LastLines {
    /// The last lines of `text` that fit an error message.
    pub fn of(text: &str) -> Self {
        const KEPT: usize = 12;
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let kept = &lines[lines.len().saturating_sub(KEPT)..];
        Self(if kept.is_empty() {
            "it printed nothing".to_owned()
        } else {
            kept.join("\n")
        })
    }
}

impl LabError {
    /// A next step for whoever reads the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::EngineUnreachable { source, .. } if denied(source) => {
                Some("your user may not use the engine: join the group `docker`, or run this with sudo".to_owned())
            }
            Self::EngineUnreachable { .. } => {
                Some("`scripts/docker-engine` installs and starts one where none runs".to_owned())
            }
            Self::EngineElsewhere { .. } => Some(
                "lab hosts are reached on the engine's own bridge: unset DOCKER_HOST or name a unix:// socket in it"
                    .to_owned(),
            ),
            Self::ToolMissing {
                program: "mmdebstrap", ..
            } => Some(
                "`scripts/docker-engine` installs it; it is needed where no image registry can be reached".to_owned(),
            ),
            Self::ToolMissing { .. } => Some("install the package openssh-client".to_owned()),
            Self::UnknownImage { .. } => Some("the lab makes `debian:13` and `debian:12`".to_owned()),
            Self::BadName { .. } => Some("use 1 to 63 letters, digits and inner hyphens".to_owned()),
            Self::NameTaken { container, .. } => Some(format!("see `docker inspect {container}`")),
            Self::State { .. } => Some("`homelab lab down`, then `homelab lab up`, writes it anew".to_owned()),
            Self::TooSlow { .. } | Self::Ended { .. } => {
                Some("`homelab lab down`, then `homelab lab up`, makes the host anew".to_owned())
            }
            Self::NotUp { host, inventory, known } => Some(not_up_hint(host, inventory.as_deref(), known)),
            Self::Ambiguous { .. } => Some("name the inventory before the host".to_owned()),
            Self::Engine { .. } | Self::Disk { .. } | Self::ToolFailed { .. } => None,
        }
    }
}

fn not_up_hint(host: &str, inventory: Option<&str>, known: &[String]) -> String {
    let near = crate::error::suggestion(host, known.iter().map(String::as_str));
    near.unwrap_or_else(|| format!("start it with `homelab lab up {}`", inventory.unwrap_or("INVENTORY")))
}

fn denied(error: &bollard::errors::Error) -> bool {
    // Some of bollard's variants pass their cause's own cause on, and so hide it from the chain.
    if let bollard::errors::Error::IOError { err } = error {
        return err.kind() == io::ErrorKind::PermissionDenied;
    }
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return io.kind() == io::ErrorKind::PermissionDenied;
        }
        next = current.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_end_of_long_output() {
        let lines: Vec<String> = (1..=40).map(|line| format!("line {line}")).collect();
        let text = lines.join("\n\n");
        let kept = LastLines::of(&text).to_string();
        assert!(kept.starts_with("line 29\n"), "{kept}");
        assert!(kept.ends_with("line 40"), "{kept}");
        assert_eq!(LastLines::of(" \n").to_string(), "it printed nothing");
    }

    #[test]
    fn a_host_that_is_not_up_is_named_with_a_near_one() {
        let error = LabError::NotUp {
            host: "servces".into(),
            inventory: None,
            known: vec!["services".into()],
        };
        assert_eq!(error.to_string(), "servces: no such lab host is up");
        assert_eq!(error.hint().unwrap(), "did you mean `services`?");
        let error = LabError::NotUp {
            host: "a".into(),
            inventory: Some("dev".into()),
            known: vec![],
        };
        assert_eq!(error.hint().unwrap(), "start it with `homelab lab up dev`");
    }

    #[test]
    fn a_socket_that_may_not_be_opened_gets_its_own_hint() {
        let io = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(denied(&bollard::errors::Error::from(io)));
        let missing = bollard::errors::Error::SocketNotFoundError("/x".into());
        assert!(!denied(&missing));
        let error = LabError::EngineUnreachable {
            address: "/x".into(),
            source: missing,
        };
        assert!(error.hint().unwrap().contains("scripts/docker-engine"));
    }
}
