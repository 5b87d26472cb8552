//! What can go wrong on the way to a host.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::lock::Holder;
use super::privilege::Becoming;
use crate::quote::{Unquotable, UnsafeName};

/// The words of `ssh`, or of the host's shell, that explain a failure: the cause of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation(pub String);

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Explanation {}

/// Why no connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The name has no address.
    UnknownName,
    /// Nothing listens on the port.
    Refused,
    /// Nobody answered in time.
    TimedOut,
    /// No way leads to the address.
    NoRoute,
    /// The other side hung up before the login.
    Closed,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UnknownName => "its name cannot be resolved",
            Self::Refused => "it refuses connections",
            Self::TimedOut => "it does not answer in time",
            Self::NoRoute => "there is no route to it",
            Self::Closed => "it closed the connection before the login",
        })
    }
}

/// Why `sudo` or `doas` does not make somebody else of the login user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It wants a password, and none was given.
    PasswordWanted,
    /// The password is wrong.
    WrongPassword,
    /// The login user may not.
    NotAllowed,
    /// It is set up to work on a terminal only.
    TerminalWanted,
    /// The host has no such program.
    Missing,
    /// There is nobody of that name.
    NoSuchUser,
    /// It neither runs the shell nor asks in a way that is understood.
    NoAnswer,
    /// Something else.
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PasswordWanted => "it wants a password",
            Self::WrongPassword => "the password is wrong",
            Self::NotAllowed => "the login user may not",
            Self::TerminalWanted => "it wants a terminal (`requiretty`)",
            Self::Missing => "the host has none",
            Self::NoSuchUser => "the host has no such user",
            Self::NoAnswer => "it does not go on after the password",
            Self::Other => "it ended before a shell was there",
        })
    }
}

/// What `ssh` tells of a host key that has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedKey {
    /// The kind of key that the host offers.
    pub key_type: Option<String>,
    /// The fingerprint of the key that the host offers.
    pub offered: Option<String>,
    /// File and line of the key that is known.
    pub known_at: Option<String>,
}

/// A failure on the way to a host, or of the channel to it. Each names the host as the inventory does.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// There is no `ssh` on this machine.
    #[error("{host}: cannot connect: no `ssh` program in PATH")]
    SshMissing {
        /// The host.
        host: String,
    },
    /// An address, a user or a path that must not reach the command line of `ssh`.
    #[error("{host}: cannot connect: the {what} `{}` is not usable with ssh", name.escape_debug())]
    BadName {
        /// The host.
        host: String,
        /// Which setting of the host.
        what: &'static str,
        /// Its value.
        name: String,
        /// What is wrong with it.
        #[source]
        cause: UnsafeName,
    },
    /// The private folder for control sockets cannot be used.
    #[error("{host}: cannot prepare the folder {} for the control socket of ssh", path.display())]
    ControlFolder {
        /// The host.
        host: String,
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The program that makes the connection cannot be started.
    #[error("{host}: cannot start {}", program.display())]
    Start {
        /// The host.
        host: String,
        /// The program.
        program: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// No known-hosts file has a key of this host.
    #[error("{host}: cannot connect to {address}: its host key{} is not known", of_type(key_type.as_ref()))]
    HostKeyUnknown {
        /// The host.
        host: String,
        /// The address as `ssh` looked it up.
        address: String,
        /// The kind of key that the host offers.
        key_type: Option<String>,
        /// What `ssh` said.
        #[source]
        cause: Explanation,
    },
    /// The host has another key than the one that is known.
    #[error("{host}: will not connect to {address}: its host key has changed, or another machine answers in its place")]
    HostKeyChanged {
        /// The host.
        host: String,
        /// The address as `ssh` looked it up.
        address: String,
        /// The key that the host offers, and where the one that is known stands.
        keys: Box<ChangedKey>,
        /// What `ssh` said.
        #[source]
        cause: Explanation,
    },
    /// The host does not let us in.
    #[error("{host}: cannot log in at {address}")]
    AuthenticationFailed {
        /// The host.
        host: String,
        /// The address.
        address: String,
        /// What `ssh` said.
        #[source]
        cause: Explanation,
    },
    /// No connection came about.
    #[error("{host}: cannot reach {address}: {obstacle}")]
    Unreachable {
        /// The host.
        host: String,
        /// The address.
        address: String,
        /// The kind of obstacle.
        obstacle: Obstacle,
        /// What `ssh` said.
        #[source]
        cause: Explanation,
    },
    /// `ssh` gave up for another reason, such as an error in the user's own configuration.
    #[error("{host}: ssh could not connect to {address}")]
    Ssh {
        /// The host.
        host: String,
        /// The address.
        address: String,
        /// What `ssh` said.
        #[source]
        cause: Explanation,
    },
    /// The login user cannot become root, or whoever else it is to become.
    #[error("{host}: cannot become {} with {}: {refusal}", becoming.user, becoming.program)]
    NotBecome {
        /// The host.
        host: String,
        /// Whom, and by what.
        becoming: Becoming,
        /// Why not.
        refusal: Refusal,
        /// What the program said.
        #[source]
        cause: Explanation,
    },
    /// The file that configures `ssh` for one connection cannot be written.
    #[error("{host}: cannot write the configuration {} for ssh", path.display())]
    Configuration {
        /// The host.
        host: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The connection broke.
    #[error("{host}: the connection was lost while {during}")]
    ConnectionLost {
        /// The host.
        host: String,
        /// What was under way.
        during: String,
        /// What `ssh` said, or how it ended.
        #[source]
        cause: Explanation,
    },
    /// The host was there and then said nothing for as long as it may.
    #[error("{host}: nothing was heard for {} s while {during}", patience.as_secs())]
    Silent {
        /// The host.
        host: String,
        /// What was under way.
        during: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// Another run is changing the host.
    #[error("{host}: cannot change it now: {path} is held by {}", holder_text(holder.as_ref()))]
    Locked {
        /// The host.
        host: String,
        /// The lock's file on the host.
        path: String,
        /// Who holds it, where the file says so.
        holder: Option<Holder>,
    },
    /// The lock can be neither taken nor found held.
    #[error("{host}: cannot take the lock {path}")]
    LockUnavailable {
        /// The host.
        host: String,
        /// The lock's file on the host.
        path: String,
        /// What the host said.
        #[source]
        cause: Explanation,
    },
    /// A script that no shell can be given.
    #[error("{host}: cannot send {what}")]
    Script {
        /// The host.
        host: String,
        /// Which script.
        what: String,
        /// Why not.
        #[source]
        cause: Unquotable,
    },
    /// The host's shell answered something else than what the channel's protocol says.
    #[error("{host}: the host's shell did not answer as expected while {during}")]
    Protocol {
        /// The host.
        host: String,
        /// What was under way.
        during: String,
        /// What was wrong with the answer.
        #[source]
        cause: Explanation,
    },
}

impl RemoteError {
    /// The host, as the inventory names it.
    pub fn host(&self) -> &str {
        match self {
            Self::SshMissing { host }
            | Self::BadName { host, .. }
            | Self::ControlFolder { host, .. }
            | Self::Start { host, .. }
            | Self::HostKeyUnknown { host, .. }
            | Self::HostKeyChanged { host, .. }
            | Self::AuthenticationFailed { host, .. }
            | Self::Unreachable { host, .. }
            | Self::Ssh { host, .. }
            | Self::NotBecome { host, .. }
            | Self::Configuration { host, .. }
            | Self::ConnectionLost { host, .. }
            | Self::Silent { host, .. }
            | Self::Locked { host, .. }
            | Self::LockUnavailable { host, .. }
            | Self::Script { host, .. }
            | Self::Protocol { host, .. } => host,
        }
    }

    /// A next step for whoever reads the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SshMissing { .. } => Some("install the OpenSSH client (Debian: `apt install openssh-client`)".into()),
            Self::HostKeyUnknown { address, .. } => Some(format!(
                "`homelab trust INVENTORY` shows the key's fingerprint and adds it, once you have compared it with what the host's own \
                 console shows (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`); or accept it with `{}`",
                ssh_command(address)
            )),
            Self::HostKeyChanged { keys, .. } => Some(changed_key_hint(keys)),
            Self::AuthenticationFailed { address, .. } => Some(format!(
                "`{}` must log in without a question: load the key into the agent, or set the host's user and identity_file",
                ssh_command(address)
            )),
            Self::Unreachable { obstacle, address, .. } => Some(obstacle_hint(*obstacle, address)),
            Self::NotBecome { refusal, becoming, .. } => refusal_hint(*refusal, becoming),
            Self::ConnectionLost { .. } => {
                Some("run again: what was done is recognised, what was cut off is finished".into())
            }
            Self::Silent { .. } => Some(
                "the host is reached, but what was asked hangs there: look for a network mount that does not answer (`cat /proc/mounts`) \
                 and for what waits (`ps -eo pid,stat,wchan:20,args`); a host that is only slow gets more time with `--read-timeout`"
                    .into(),
            ),
            Self::Locked { .. } => Some("wait until that run has ended, or let this one wait for it".into()),
            Self::ControlFolder { path, .. } => Some(format!(
                "{} must be a folder that only you can use (mode 0700)",
                path.display()
            )),
            _ => None,
        }
    }
}

/// The command that tries the same connection by hand; `address` may be `[host]:port`, as `ssh` writes it.
fn ssh_command(address: &str) -> String {
    match address.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        Some((host, port)) => format!("ssh -p {port} {host}"),
        None => format!("ssh {address}"),
    }
}

fn of_type(key_type: Option<&String>) -> String {
    key_type.map_or_else(String::new, |name| format!(" ({name})"))
}

fn holder_text(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), ToString::to_string)
}

fn changed_key_hint(keys: &ChangedKey) -> String {
    let offered = keys
        .offered
        .as_ref()
        .map_or_else(String::new, |print| format!(", and only if its key is {print},"));
    let known_at = keys
        .known_at
        .as_ref()
        .map_or_else(|| "from the known-hosts file".to_owned(), |place| format!("at {place}"));
    format!(
        "if the host was installed anew{offered} remove the old key {known_at} and learn the new one; else find out who answers"
    )
}

fn refusal_hint(refusal: Refusal, becoming: &Becoming) -> Option<String> {
    let Becoming { program, user } = becoming;
    let is_doas = *program == "doas";
    Some(match refusal {
        Refusal::PasswordWanted if is_doas => {
            format!("let doas ask for none: `permit nopass USER as {user}` in the host's /etc/doas.conf")
        }
        Refusal::PasswordWanted => {
            "give the password with `--ask-become-password` or in HOMELAB_BECOME_PASSWORD, or let sudo ask for none"
                .to_owned()
        }
        Refusal::WrongPassword => {
            "it was tried once and not again; give the login user's own, if sudo asks for that one".to_owned()
        }
        Refusal::NotAllowed if is_doas => {
            format!("let the user run `sh` as {user}: `permit nopass USER as {user}` in the host's /etc/doas.conf")
        }
        Refusal::NotAllowed if user != "root" => {
            format!("let the user run `sh` as {user} (by a rule in /etc/sudoers.d)")
        }
        Refusal::NotAllowed => {
            "let the user run `sh` as root (in the group `sudo`, or by a rule in /etc/sudoers.d), or log in as root"
                .to_owned()
        }
        Refusal::TerminalWanted => "take `requiretty` out of the host's sudoers, at least for this user".to_owned(),
        Refusal::Missing => format!("install {program} on the host, or log in as {user}"),
        Refusal::NoSuchUser => format!("make the user `{user}` first, as root"),
        Refusal::NoAnswer => {
            "look at what PAM does for sudo on the host: a second factor cannot be answered".to_owned()
        }
        Refusal::Other => return None,
    })
}

fn obstacle_hint(obstacle: Obstacle, address: &str) -> String {
    match obstacle {
        Obstacle::UnknownName => format!("check the spelling of `{address}` in the inventory, and your DNS"),
        Obstacle::Refused => "check that the host's SSH server runs, and the port".to_owned(),
        Obstacle::TimedOut | Obstacle::NoRoute => {
            "check that the host is on, its address, and the firewalls between".to_owned()
        }
        Obstacle::Closed => "look at the log of the host's SSH server; it may be limiting new connections".to_owned(),
    }
}
