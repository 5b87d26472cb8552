//! The host to connect to, and the command line of `ssh` for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::RemoteError;
use super::privilege::Privilege;
use crate::quote::{UnsafeName, check_address, check_jump_address, check_jump_user, check_user};

/// A jump host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    pub address: String,
    pub port: Option<u16>,
    pub user: Option<String>,
    /// The only key to log in with.
    pub identity_file: Option<PathBuf>,
}

/// A host to connect to. For a setting that is `None`, the user's own `ssh` configuration decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The host's name in the inventory, for messages.
    pub name: String,
    /// A name, an address, or an alias from the user's `ssh` configuration.
    pub address: String,
    pub port: Option<u16>,
    pub user: Option<String>,
    /// The only key to log in with.
    pub identity_file: Option<PathBuf>,
    /// The project's known-hosts files, tried before the user's own. If empty, the user's configuration decides.
    pub known_hosts: Vec<PathBuf>,
    /// How long to wait for an address to answer.
    pub connect_timeout: Duration,
    /// The hosts to go through, in order.
    pub jumps: Vec<Hop>,
    /// The user that the host's shell runs as.
    pub privilege: Privilege,
    /// Whether the login user can only read, for a review of what root would do.
    pub is_for_review_only: bool,
    /// Whether the host is this machine: then only the name and the privilege are used.
    pub local: bool,
    /// The command that starts the host, if it is a lab host.
    pub started_by: Option<String>,
    /// How long the connection is kept for later runs; `None` does not keep it.
    pub keep: Option<Duration>,
    /// How long the host may send nothing during the login and while it is read; `None` waits forever.
    pub silence: Option<Duration>,
}

/// Options for every connection. They win over the user's configuration.
const OPTIONS: &[&str] = &[
    // The channel uses the standard streams, and its shell is the only command.
    "RemoteCommand=none",
    "SessionType=default",
    "StdinNull=no",
    "ForkAfterAuthentication=no",
    "PermitLocalCommand=no",
    // No forwarding.
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    // No prompts, no unknown host keys, no changes to known-hosts files.
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    // A dead connection is noticed after 15 seconds; at this log level `ssh` prints why it exits.
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "LogLevel=INFO",
];

impl Target {
    /// The arguments of an `ssh` that runs `line` on the host, as the mux master on the socket `control` or through one.
    pub(super) fn arguments(
        &self,
        control: &Path,
        configuration: &Path,
        line: &str,
    ) -> Result<Vec<OsString>, RemoteError> {
        check_address(&self.address).map_err(|cause| self.bad("address", &self.address, cause))?;
        let mut arguments: Vec<OsString> = vec!["-F".into(), configuration.into()];
        arguments.extend(["-S".into(), control.into(), "-T".into()]);
        let mut option = |text: String| arguments.extend(["-o".into(), OsString::from(text)]);
        match self.keep {
            // The channel and the mux master are one process, so no process outlives it.
            None => ["ControlMaster=yes", "ControlPersist=no"].map(|text| option(text.to_owned())),
            Some(keep) => [
                "ControlMaster=auto".to_owned(),
                format!("ControlPersist={}", keep.as_secs().max(1)),
            ]
            .map(&mut option),
        };
        if !self.jumps.is_empty() {
            option(format!("ProxyJump={}", self.jumps_value()?));
        }
        for fixed in OPTIONS {
            option((*fixed).to_owned());
        }
        option(format!("ConnectTimeout={}", self.connect_timeout.as_secs().max(1)));
        if let Some(files) = self.known_hosts_value()? {
            option(format!("UserKnownHostsFile={files}"));
        }
        if let Some(identity) = &self.identity_file {
            option("IdentitiesOnly=yes".to_owned());
            option(format!("IdentityFile={}", self.path_value("identity_file", identity)?));
        }
        if let Some(user) = &self.user {
            check_user(user).map_err(|cause| self.bad("user", user, cause))?;
            arguments.extend(["-l".into(), user.into()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".into(), port.to_string().into()]);
        }
        arguments.extend(["--".into(), OsString::from(&self.address), line.into()]);
        Ok(arguments)
    }

    /// The settings that must be equal to reuse a kept connection. The privilege is applied in each run.
    pub(super) fn settings(&self) -> String {
        let shared = Self {
            privilege: Privilege::LoginUser,
            keep: None,
            silence: None,
            ..self.clone()
        };
        format!("{shared:?}")
    }

    fn jumps_value(&self) -> Result<String, RemoteError> {
        let mut words = Vec::new();
        for hop in &self.jumps {
            check_jump_address(&hop.address).map_err(|cause| self.bad("jump host", &hop.address, cause))?;
            let address = if hop.address.contains(':') {
                format!("[{}]", hop.address)
            } else {
                hop.address.clone()
            };
            let port = hop.port.map_or_else(String::new, |port| format!(":{port}"));
            let user = match &hop.user {
                None => String::new(),
                Some(user) => {
                    check_jump_user(user).map_err(|cause| self.bad("user", user, cause))?;
                    format!("{user}@")
                }
            };
            words.push(format!("{user}{address}{port}"));
        }
        Ok(words.join(","))
    }

    pub(super) fn known_hosts_value(&self) -> Result<Option<String>, RemoteError> {
        if self.known_hosts.is_empty() {
            return Ok(None);
        }
        let mut values = self
            .known_hosts
            .iter()
            .map(|path| self.path_value("known-hosts path", path))
            .collect::<Result<Vec<_>, _>>()?;
        values.extend(["~/.ssh/known_hosts".to_owned(), "~/.ssh/known_hosts2".to_owned()]);
        Ok(Some(values.join(" ")))
    }

    /// `path` as a word of an `ssh` option, in which `ssh` expands `%` and `${…}` and splits at blanks.
    pub(super) fn path_value(&self, what: &'static str, path: &Path) -> Result<String, RemoteError> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let text = absolute.to_string_lossy();
        let refused = ['"', '\\', '\u{fffd}'].into_iter().find(|one| text.contains(*one));
        let refused = refused.or_else(|| text.chars().find(char::is_ascii_control));
        let refused = refused.or_else(|| text.contains("${").then_some('$'));
        match refused {
            Some(character) => Err(self.bad(what, &text, UnsafeName::Character(character))),
            None => Ok(format!("\"{}\"", text.replace('%', "%%"))),
        }
    }

    fn bad(&self, what: &'static str, name: &str, cause: UnsafeName) -> RemoteError {
        RemoteError::BadName {
            host: self.name.clone(),
            what,
            name: name.to_owned(),
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            name: "pi".into(),
            address: "pi.lan".into(),
            port: Some(2222),
            user: Some("root".into()),
            identity_file: Some("/keys/a %b".into()),
            known_hosts: vec!["/project/known hosts".into()],
            connect_timeout: Duration::from_secs(10),
            ..Target::default()
        }
    }

    fn texts(target: &Target) -> Vec<String> {
        let arguments = target
            .arguments(Path::new("/run/c"), Path::new("/run/f"), "exec sh")
            .unwrap();
        arguments.into_iter().map(|one| one.into_string().unwrap()).collect()
    }

    #[test]
    fn the_destination_comes_last_after_the_end_of_options() {
        let arguments = texts(&target());
        assert_eq!(arguments[arguments.len() - 3..], ["--", "pi.lan", "exec sh"]);
        assert_eq!(arguments[..5], ["-F", "/run/f", "-S", "/run/c", "-T"]);
        for expected in [
            "ControlMaster=yes",
            "ControlPersist=no",
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
            "ConnectTimeout=10",
            "UserKnownHostsFile=\"/project/known hosts\" ~/.ssh/known_hosts ~/.ssh/known_hosts2",
            "IdentityFile=\"/keys/a %%b\"",
        ] {
            assert!(arguments.contains(&expected.to_owned()), "{expected}: {arguments:?}");
        }
    }

    #[test]
    fn bad_names_never_reach_ssh() {
        let mut bad = target();
        bad.address = "-oProxyCommand=touch /tmp/x".into();
        let error = bad
            .arguments(Path::new("/run/c"), Path::new("/run/f"), "exec sh")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "pi: cannot connect: `-oProxyCommand=touch /tmp/x` is not a valid address"
        );
        let mut bad = target();
        bad.user = Some("a b".into());
        assert!(matches!(
            bad.arguments(Path::new("/run/c"), Path::new("/run/f"), "exec sh"),
            Err(RemoteError::BadName { what: "user", .. })
        ));
        let mut bad = target();
        bad.known_hosts = vec!["/a\"b".into()];
        assert!(matches!(
            bad.arguments(Path::new("/run/c"), Path::new("/run/f"), "exec sh"),
            Err(RemoteError::BadName { .. })
        ));
    }

    #[test]
    fn jumps_are_a_list_that_bad_names_cannot_lengthen() {
        let hop = |address: &str| Hop {
            address: address.to_owned(),
            ..Hop::default()
        };
        let mut through = target();
        through.jumps = vec![
            Hop {
                port: Some(2200),
                user: Some("anna".to_owned()),
                ..hop("bastion")
            },
            hop("fd00::1"),
        ];
        let expected = "ProxyJump=anna@bastion:2200,[fd00::1]".to_owned();
        assert!(texts(&through).contains(&expected), "{:?}", texts(&through));
        for bad in ["-oProxyCommand=x", "a,b", "*", "a%h", "a b"] {
            through.jumps = vec![hop(bad)];
            let error = through.arguments(Path::new("/run/c"), Path::new("/run/f"), "exec sh");
            assert!(
                matches!(error, Err(RemoteError::BadName { what: "jump host", .. })),
                "{bad}"
            );
        }
    }
}
