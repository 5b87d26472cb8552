//! Whom to connect to, and the command line of `ssh` that does it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::RemoteError;
use crate::quote::{UnsafeName, check_address, check_user};

/// A host to connect to. What is left out is up to the user's own `ssh` configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host's name in the inventory, for messages.
    pub name: String,
    /// What `ssh` is asked to connect to: a name, an address, or an alias of the user's configuration.
    pub address: String,
    /// The port.
    pub port: Option<u16>,
    /// The user to log in as.
    pub user: Option<String>,
    /// The only key to log in with.
    pub identity_file: Option<PathBuf>,
    /// The project's known-hosts files, tried before the user's own. If empty, the user's configuration decides.
    pub known_hosts: Vec<PathBuf>,
    /// How long to wait for an address to answer.
    pub connect_timeout: Duration,
}

/// What holds for every connection, whatever the user's configuration says.
const OPTIONS: &[&str] = &[
    // The channel and the mux master are one process, so nothing outlives it.
    "ControlPersist=no",
    // The channel's pipes are its standard streams, and its shell is the only command.
    "RemoteCommand=none",
    "SessionType=default",
    "StdinNull=no",
    "ForkAfterAuthentication=no",
    "PermitLocalCommand=no",
    // Nothing of this machine is lent to the host.
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    // Never a question, never a key taken on trust, never a changed file of the project.
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    // A dead link is noticed after 15 seconds; at this level `ssh` says why it ends.
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "LogLevel=INFO",
];

impl Target {
    /// The arguments of an `ssh` that is the mux master on `control` and runs `sh` on the host.
    pub(super) fn arguments(&self, control: &Path) -> Result<Vec<OsString>, RemoteError> {
        check_address(&self.address).map_err(|cause| self.bad("address", &self.address, cause))?;
        let mut arguments: Vec<OsString> = vec!["-M".into(), "-S".into(), control.into(), "-T".into()];
        let mut option = |text: String| arguments.extend(["-o".into(), OsString::from(text)]);
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
        arguments.extend(["--".into(), OsString::from(&self.address), "exec sh".into()]);
        Ok(arguments)
    }

    fn known_hosts_value(&self) -> Result<Option<String>, RemoteError> {
        if self.known_hosts.is_empty() {
            return Ok(None);
        }
        let mut values = self
            .known_hosts
            .iter()
            .map(|path| self.path_value("known-hosts file", path))
            .collect::<Result<Vec<_>, _>>()?;
        values.extend(["~/.ssh/known_hosts".to_owned(), "~/.ssh/known_hosts2".to_owned()]);
        Ok(Some(values.join(" ")))
    }

    /// `path` as a word of an `ssh` option, which expands `%` and `${…}` and splits at blanks.
    fn path_value(&self, what: &'static str, path: &Path) -> Result<String, RemoteError> {
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
        }
    }

    fn texts(target: &Target) -> Vec<String> {
        let arguments = target.arguments(Path::new("/run/c")).unwrap();
        arguments.into_iter().map(|one| one.into_string().unwrap()).collect()
    }

    #[test]
    fn the_destination_comes_last_after_the_end_of_options() {
        let arguments = texts(&target());
        assert_eq!(arguments[arguments.len() - 3..], ["--", "pi.lan", "exec sh"]);
        assert_eq!(arguments[..4], ["-M", "-S", "/run/c", "-T"]);
        for expected in [
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
        let error = bad.arguments(Path::new("/run/c")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pi: cannot connect: the address `-oProxyCommand=touch /tmp/x` is not usable with ssh"
        );
        let mut bad = target();
        bad.user = Some("a b".into());
        assert!(matches!(
            bad.arguments(Path::new("/run/c")),
            Err(RemoteError::BadName { what: "user", .. })
        ));
        let mut bad = target();
        bad.known_hosts = vec!["/a\"b".into()];
        assert!(matches!(
            bad.arguments(Path::new("/run/c")),
            Err(RemoteError::BadName { .. })
        ));
    }
}
