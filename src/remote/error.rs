//! Errors of connections to hosts.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::lock::Holder;
use crate::quote::{Unquotable, UnsafeName, quote};

/// What `ssh`, or the host's shell, printed about a failure: the cause of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation(pub String);

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Explanation {}

/// Why a host cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The name has no address.
    UnknownName,
    /// Nothing listens on the port.
    Refused,
    TimedOut,
    NoRoute,
    /// The other side hung up before the login.
    Closed,
    /// The `ProxyCommand` or the jump host on the way hung up.
    ClosedOnTheWay,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UnknownName => "the name does not resolve",
            Self::Refused => "connection refused",
            Self::TimedOut => "connection timed out",
            Self::NoRoute => "no route to host",
            Self::Closed | Self::ClosedOnTheWay => "connection closed before the login",
        })
    }
}

/// The user to become and the program that does it, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Becoming {
    pub program: &'static str,
    pub user: String,
}

/// Why `sudo` or `doas` does not run a shell as another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A password is required, and none was given.
    PasswordWanted,
    WrongPassword,
    /// The login user lacks the permission.
    NotAllowed,
    /// sudoers has `requiretty`.
    TerminalWanted,
    /// The host has no such program.
    Missing,
    NoSuchUser,
    /// It neither runs the shell nor asks in a way that homelab understands.
    NoAnswer,
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PasswordWanted => "a password is required",
            Self::WrongPassword => "wrong password",
            Self::NotAllowed => "the login user lacks permission",
            Self::TerminalWanted => "a terminal is required (`requiretty`)",
            Self::Missing => "not installed on the host",
            Self::NoSuchUser => "no such user on the host",
            Self::NoAnswer => "no shell started after the password was sent",
            Self::Other => "it exited before a shell started",
        })
    }
}

/// What `ssh` prints about a host key that has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedKey {
    /// The kind of key that the host offers.
    pub key_type: Option<String>,
    /// The fingerprint of the key that the host offers.
    pub offered: Option<String>,
    /// File and line of the known key.
    pub known_at: Option<String>,
}

/// A failure to connect to a host, or of the connection. Each names the host as the inventory does.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// There is no `ssh` on this machine.
    #[error("{host}: cannot connect: `ssh` not found in PATH")]
    SshMissing { host: String },
    /// An address, a user or a path that must not reach the command line of `ssh`.
    #[error("{host}: cannot connect: `{}` is not a valid {what}", name.escape_debug())]
    BadName {
        host: String,
        /// Which setting of the host.
        what: &'static str,
        name: String,
        #[source]
        cause: UnsafeName,
    },
    /// The private folder for control sockets cannot be used.
    #[error("{host}: cannot use the folder `{}` for the control socket of ssh", path.display())]
    ControlFolder {
        host: String,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    /// `ssh`, or the shell of this machine, cannot be started.
    #[error("{host}: cannot start `{}`", program.display())]
    Start {
        host: String,
        program: PathBuf,
        #[source]
        cause: io::Error,
    },
    /// No known-hosts file has a key of this host.
    #[error("{host}: cannot connect to `{address}`: unknown host key{}", of_type(key_type.as_ref()))]
    HostKeyUnknown {
        host: String,
        /// The address as `ssh` looked it up.
        address: String,
        /// The kind of key that the host offers.
        key_type: Option<String>,
        #[source]
        cause: Explanation,
    },
    /// The host has another key than the known one.
    #[error("{host}: cannot connect to `{address}`: its host key has changed")]
    HostKeyChanged {
        host: String,
        /// The address as `ssh` looked it up.
        address: String,
        keys: Box<ChangedKey>,
        #[source]
        cause: Explanation,
    },
    /// The host refuses the login.
    #[error("{host}: cannot log in to `{address}`")]
    AuthenticationFailed {
        host: String,
        address: String,
        /// The user that `ssh` logged in as, if it said so.
        user: Option<String>,
        /// The key that the project sets for the host.
        key: Option<Box<Path>>,
        /// Why `ssh` did not use a key, if it said so.
        unused: Option<Box<UnusedKey>>,
        #[source]
        cause: Explanation,
    },
    #[error("{host}: cannot reach `{address}`: {obstacle}")]
    Unreachable {
        host: String,
        address: String,
        obstacle: Obstacle,
        /// The command that starts the host, if it is a lab host.
        started_by: Option<String>,
        #[source]
        cause: Explanation,
    },
    /// `ssh` gave up for another reason, such as an error in the user's own configuration.
    #[error("{host}: cannot connect to `{address}`")]
    Ssh {
        host: String,
        address: String,
        #[source]
        cause: Explanation,
    },
    /// The login user cannot become root, or the user of `become_user`.
    #[error("{host}: cannot become `{}` with `{}`: {refusal}", becoming.user, becoming.program)]
    NotBecome {
        host: String,
        becoming: Becoming,
        refusal: Refusal,
        #[source]
        cause: Explanation,
    },
    /// The file that configures `ssh` for one connection cannot be written.
    #[error("{host}: cannot write the ssh configuration `{}`", path.display())]
    Configuration {
        host: String,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{host}: connection lost while {during}")]
    ConnectionLost {
        host: String,
        during: String,
        /// What `ssh` printed, or how it exited.
        #[source]
        cause: Explanation,
    },
    /// The host was connected and then sent nothing for longer than allowed.
    #[error("{host}: no response for {} s while {during}", patience.as_secs())]
    Silent {
        host: String,
        during: String,
        patience: Duration,
    },
    /// The host kept sending something, but not what was awaited.
    #[error("{host}: not done after {} s of {during}", limit.as_secs())]
    TooSlow {
        host: String,
        during: String,
        limit: Duration,
    },
    /// The host sent more than anything that was awaited.
    #[error("{host}: more than {} MiB of output while {during}", limit >> 20)]
    TooMuch { host: String, during: String, limit: u64 },
    /// Another run is changing the host.
    #[error("{host}: cannot lock `{path}`: it is held by {}", holder_text(holder.as_ref()))]
    Locked {
        host: String,
        /// The lock's file on the host.
        path: String,
        /// Who holds it, if the file says so.
        holder: Option<Holder>,
    },
    /// The lock can be neither taken nor found held.
    #[error("{host}: cannot lock `{path}`")]
    LockUnavailable {
        host: String,
        /// The lock's file on the host.
        path: String,
        #[source]
        cause: Explanation,
    },
    /// A script that cannot be quoted for a shell.
    #[error("{host}: cannot send {what}")]
    Script {
        host: String,
        /// Which script.
        what: String,
        #[source]
        cause: Unquotable,
    },
    /// The host's shell does not follow the protocol of the channel.
    #[error("{host}: unexpected answer from the host's shell while {during}")]
    Protocol {
        host: String,
        during: String,
        /// What is wrong with the answer.
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
            | Self::TooSlow { host, .. }
            | Self::TooMuch { host, .. }
            | Self::Locked { host, .. }
            | Self::LockUnavailable { host, .. }
            | Self::Script { host, .. }
            | Self::Protocol { host, .. } => host,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SshMissing { .. } => Some("install the OpenSSH client (Debian: `apt install openssh-client`)".into()),
            Self::HostKeyUnknown { .. } => Some(
                "run `homelab trust` with the name of this inventory: it shows the key's fingerprint and adds it once you agree; \
                 compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the host's console"
                    .into(),
            ),
            Self::HostKeyChanged { keys, .. } => Some(changed_key_hint(keys)),
            Self::AuthenticationFailed {
                unused: Some(unused), ..
            } => Some(unused.hint()),
            Self::AuthenticationFailed { address, user, key, .. } => {
                Some(format!(
                    "`{}` must log in without asking: {}, or set the host's `user` and `identity_file`",
                    login_command(user.as_deref(), key.as_deref(), address),
                    match key {
                        Some(_) => "add this key to the user's `authorized_keys` on the host",
                        None => "load the key into your SSH agent",
                    }
                ))
            }
            Self::Unreachable {
                obstacle: Obstacle::Refused | Obstacle::TimedOut | Obstacle::NoRoute,
                started_by: Some(command),
                ..
            } => Some(format!("the lab host may be stopped: run `{command}`")),
            Self::Unreachable { obstacle, address, .. } => Some(obstacle_hint(*obstacle, address)),
            Self::Ssh { address, .. } => Some(format!("run `{}` to see the error outside homelab", ssh_command(address))),
            Self::NotBecome { refusal, becoming, .. } => refusal_hint(*refusal, becoming),
            Self::ConnectionLost { .. } => {
                Some("check the network, then rerun; changes already applied are kept".into())
            }
            Self::Silent { .. } => Some(
                "something on the host hangs: look for a network mount that does not respond (`cat /proc/mounts`) and for \
                 waiting processes (`ps -eo pid,stat,wchan:20,args`). If the host is only slow, raise `--read-timeout`"
                    .into(),
            ),
            Self::TooSlow { .. } | Self::TooMuch { .. } => Some(
                "look at what the host sends, for example in the start-up files of the login user's shell: \
                 `ssh HOST true` must print nothing and end. If the host is only slow, raise `--read-timeout`"
                    .into(),
            ),
            Self::Locked { .. } => Some(
                "wait until that run has finished (one that was killed holds the lock until its last command on the host has \
                 ended), or pass `--lock-wait 5m`"
                    .into(),
            ),
            Self::LockUnavailable { path, .. } => Some(format!(
                "check that the host has `flock` (package `util-linux`) and that `{path}` is writable"
            )),
            Self::ControlFolder { path, .. } => Some(format!(
                "make sure that you own the folder and no other user can enter it: `chmod 700 {}`",
                path.display()
            )),
            _ => None,
        }
    }
}

/// The command that tries the same connection by hand; `address` may be `[host]:port`, as `ssh` writes it.
fn ssh_command(address: &str) -> String {
    login_command(None, None, address)
}

/// A key that `ssh` did not use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnusedKey {
    Missing(String),
    /// Other users of this machine can read it.
    Open(String),
    /// It is no private key, or one that `ssh` does not know.
    Unreadable(String),
}

impl UnusedKey {
    fn hint(&self) -> String {
        if let Self::Open(path) | Self::Unreadable(path) = self
            && let Some(private) = path.strip_suffix(".pub")
        {
            return format!("this is the public key: set `identity_file` to the private key, `{private}`");
        }
        match self {
            Self::Missing(path) => format!(
                "correct `identity_file`, or create the key: `ssh-keygen -t ed25519 -f {0}`, and add `{1}` to the user's \
                 `authorized_keys` on the host",
                quote(path),
                format_args!("{path}.pub")
            ),
            Self::Open(path) => format!(
                "`chmod 600 {}`: ssh uses no private key that other users can read",
                quote(path)
            ),
            Self::Unreadable(path) => format!(
                "`identity_file` must be the file of a private key; `ssh-keygen -y -f {}` says what is wrong with this one",
                quote(path)
            ),
        }
    }
}

fn login_command(user: Option<&str>, key: Option<&Path>, address: &str) -> String {
    let key = key.map_or_else(String::new, |key| format!("-i {} ", key.display()));
    let user = user.map_or_else(String::new, |user| format!("{user}@"));
    match address.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
        Some((host, port)) => format!("ssh {key}-p {port} {user}{host}"),
        None => format!("ssh {key}{user}{address}"),
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
        .map_or_else(String::new, |print| format!(" and its new key is `{print}`"));
    let known_at = keys.known_at.as_ref().map_or_else(
        || "from the known-hosts file".to_owned(),
        |place| format!("at `{place}`"),
    );
    format!(
        "if you reinstalled the host{offered}, remove the old key {known_at} and run `homelab trust` with the name of this \
         inventory; if not, another machine may be answering in its place: find out which"
    )
}

fn refusal_hint(refusal: Refusal, becoming: &Becoming) -> Option<String> {
    let Becoming { program, user } = becoming;
    let is_doas = *program == "doas";
    Some(match refusal {
        Refusal::PasswordWanted if is_doas => {
            format!("allow it without a password: `permit nopass USER as {user}` in the host's `/etc/doas.conf`")
        }
        Refusal::PasswordWanted => "pass the password with `--ask-become-password` or in `HOMELAB_BECOME_PASSWORD`, or allow \
                                    sudo without one (`NOPASSWD`)"
            .to_owned(),
        Refusal::WrongPassword => {
            "pass the password that sudo asks for, usually the login user's own; homelab sends it only once".to_owned()
        }
        Refusal::NotAllowed if is_doas => {
            format!("allow the user to run `sh` as {user}: `permit nopass USER as {user}` in the host's `/etc/doas.conf`")
        }
        Refusal::NotAllowed if user != "root" => {
            format!("allow the user to run `sh` as {user}: add a rule in the host's `/etc/sudoers.d`")
        }
        Refusal::NotAllowed => {
            "allow the user to run `sh` as root: add it to the group `sudo`, or a rule in the host's `/etc/sudoers.d`; or \
             log in as root"
                .to_owned()
        }
        Refusal::TerminalWanted => "remove `requiretty` from the host's sudoers, at least for this user".to_owned(),
        Refusal::Missing => format!("install `{program}` on the host, or log in as {user}"),
        Refusal::NoSuchUser => format!("create the user `{user}` first, in an operation that runs as root"),
        Refusal::NoAnswer => {
            "check the PAM configuration for sudo on the host: homelab cannot answer a second factor".to_owned()
        }
        Refusal::Other => return None,
    })
}

fn obstacle_hint(obstacle: Obstacle, address: &str) -> String {
    match obstacle {
        Obstacle::UnknownName => format!("check the spelling of `{address}` in the inventory, and your DNS"),
        Obstacle::Refused => "check that the SSH server runs on the host, and the port".to_owned(),
        Obstacle::TimedOut | Obstacle::NoRoute => {
            "check that the host is on, its address, and firewalls in between".to_owned()
        }
        Obstacle::ClosedOnTheWay => format!(
            "the way to the host, a `ProxyCommand` or a jump host of your ssh configuration, ended first: run `{}` to try it",
            ssh_command(address)
        ),
        Obstacle::Closed => {
            "check the log of the host's SSH server: it may limit new connections (`MaxStartups`, `PerSourcePenalties`)"
                .to_owned()
        }
    }
}
