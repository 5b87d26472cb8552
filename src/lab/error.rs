//! Errors of the lab.

use std::io;
use std::path::PathBuf;

use crate::quote::UnsafeName;

/// A failure of the lab. The cause is its `source`, the next step its [`hint`](Self::hint).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    #[error("lab: cannot reach a Docker engine at `{address}`")]
    EngineUnreachable {
        /// The socket that was tried.
        address: String,
        #[source]
        source: bollard::errors::Error,
    },
    /// `DOCKER_HOST` names an engine on another machine.
    #[error("lab: the Docker engine at `{address}` is not on this machine")]
    EngineElsewhere { address: String },
    /// The engine refused something.
    #[error("{subject}: cannot {action}")]
    Engine {
        /// The host, image or volume concerned.
        subject: String,
        action: &'static str,
        #[source]
        source: bollard::errors::Error,
    },
    /// A file of the lab's state could not be read or written.
    #[error("lab: cannot {action} `{}`", path.display())]
    Disk {
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A state file does not hold what the lab writes.
    #[error("lab: invalid state file `{}`", path.display())]
    State {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// A program of this machine could not be started.
    #[error("{subject}: cannot run `{program}` to {action}")]
    ToolMissing {
        /// The host or image concerned.
        subject: String,
        program: &'static str,
        /// What the program is for.
        action: &'static str,
        #[source]
        source: io::Error,
    },
    /// A program ran and failed, here or in a container.
    #[error("{subject}: `{program}` failed to {action} ({status})")]
    ToolFailed {
        /// The host or image concerned.
        subject: String,
        program: &'static str,
        /// What the program is for.
        action: &'static str,
        status: String,
        /// The last lines that it printed.
        #[source]
        source: LastLines,
    },
    /// An image that the lab cannot make.
    #[error("{host}: unknown lab image `{image}`")]
    UnknownImage { host: String, image: String },
    /// A name that cannot be part of the name of a host, a container and a folder.
    #[error("`{name}` is not a valid name for a lab {kind}")]
    BadName {
        /// `host`, `inventory`, `project` or `apt cache`.
        kind: &'static str,
        name: String,
        #[source]
        cause: UnsafeName,
    },
    /// A link in place of one of the lab's own folders leads out of the project.
    #[error("`{}` is a symbolic link", path.display())]
    Linked { path: PathBuf },
    /// Another container has the name that this host's container needs.
    #[error("{host}: the container name `{container}` is already in use by another container")]
    NameTaken { host: String, container: String },
    /// A host stopped while it was booting.
    #[error("{host}: the container exited while booting")]
    Ended {
        host: String,
        /// The last lines of its console.
        #[source]
        source: LastLines,
    },
    /// A host did not come up in time.
    #[error("{host}: {waited_for} took more than {seconds} s")]
    TooSlow {
        host: String,
        waited_for: &'static str,
        /// The time allowed.
        seconds: u64,
        /// The last output.
        #[source]
        source: LastLines,
    },
    /// A host that is not up.
    #[error("no running lab host `{host}`")]
    NotUp {
        host: String,
        /// Its inventory, if the user named one.
        inventory: Option<String>,
        /// Lab hosts that are up.
        known: Vec<String>,
    },
    /// A host that was started and does not answer.
    #[error("{host}: the lab host does not answer")]
    Silent {
        host: String,
        #[source]
        source: io::Error,
    },
    /// A host name that several inventories have.
    #[error("{host}: several labs have a host of this name: {}", inventories.join(", "))]
    Ambiguous { host: String, inventories: Vec<String> },
}

/// The last lines that a program printed, as the cause of an error.
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
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::EngineUnreachable { source, .. } if denied(source) => {
                Some("add your user to the group `docker` and log in again, or run homelab with sudo".to_owned())
            }
            Self::EngineUnreachable { .. } => {
                Some("start Docker; `scripts/docker-engine` installs it and starts it".to_owned())
            }
            Self::EngineElsewhere { .. } => Some(
                "unset `DOCKER_HOST`, or set it to a `unix://` socket: lab hosts are reached on the engine's own bridge"
                    .to_owned(),
            ),
            Self::ToolMissing {
                program: "mmdebstrap", ..
            } => Some(
                "install it with `scripts/docker-engine`; the lab needs it if no image registry can be reached".to_owned(),
            ),
            Self::ToolMissing { program: "go", .. } => {
                Some("install Go 1.24 or newer; Debian 13 has it as the package `golang-go`".to_owned())
            }
            Self::ToolFailed { program: "go", .. } => {
                Some("it needs Go 1.24 or newer and the network, for Go modules; run the command again".to_owned())
            }
            Self::ToolMissing { .. } => Some("install the package `openssh-client`".to_owned()),
            Self::UnknownImage { .. } => Some("use `debian:13`, `debian:12` or `debian:13-docker`".to_owned()),
            Self::BadName { .. } => Some("use 1 to 63 letters, digits and hyphens, without a hyphen at either end".to_owned()),
            Self::Linked { .. } => Some("remove the link; the lab keeps its keys in folders of its own".to_owned()),
            Self::NameTaken { container, .. } => Some(format!(
                "see what it is with `docker inspect {container}`, then rename or remove it"
            )),
            Self::State { .. } => Some("run `homelab lab down` and `homelab lab up` to recreate it".to_owned()),
            Self::TooSlow { .. } | Self::Ended { .. } => {
                Some("run `homelab lab down` and `homelab lab up` to recreate the host".to_owned())
            }
            Self::NotUp { host, inventory, known } => Some(not_up_hint(host, inventory.as_deref(), known)),
            Self::Silent { .. } => {
                Some("`homelab lab status` shows whether it runs; `homelab lab up` and the name of its inventory starts it".to_owned())
            }
            Self::Ambiguous { .. } => Some("name the inventory before the host".to_owned()),
            Self::Engine {
                source: bollard::errors::Error::RequestTimeoutError,
                ..
            } => Some(
                "Docker did not answer in time: restart it, as with `systemctl restart docker`. Versions before 20.10.27 can lock \
                 up when containers start and end at the same time"
                    .to_owned(),
            ),
            Self::Engine { .. } | Self::Disk { .. } | Self::ToolFailed { .. } => None,
        }
    }
}

fn not_up_hint(host: &str, inventory: Option<&str>, known: &[String]) -> String {
    let near = crate::error::suggestion(host, known.iter().map(String::as_str));
    near.unwrap_or_else(|| match inventory {
        Some(inventory) => format!("start it with `homelab lab up {inventory}`"),
        None => "start it with `homelab lab up` and the name of its inventory".to_owned(),
    })
}

fn denied(error: &bollard::errors::Error) -> bool {
    // Some of bollard's variants return the source of their cause as their own source, which hides the cause itself.
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
    fn the_hint_for_a_host_that_is_not_up_suggests_a_similar_name() {
        let error = LabError::NotUp {
            host: "servces".into(),
            inventory: None,
            known: vec!["services".into()],
        };
        assert_eq!(error.to_string(), "no running lab host `servces`");
        assert_eq!(error.hint().unwrap(), "did you mean `services`?");
        let error = LabError::NotUp {
            host: "a".into(),
            inventory: Some("dev".into()),
            known: vec![],
        };
        assert_eq!(error.hint().unwrap(), "start it with `homelab lab up dev`");
    }

    #[test]
    fn a_socket_without_permission_gets_its_own_hint() {
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
