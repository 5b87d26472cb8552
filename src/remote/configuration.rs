//! The configuration file that `ssh` gets for one connection.
//!
//! `ssh` does not pass its command-line options on to the `ssh` that it starts for a jump host, but a configuration file
//! reaches both. So options for every hop are in a file, which includes the user's own configuration at its end.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::RemoteError;
use super::target::Target;

/// Options for every hop. They win over the user's configuration.
const EVERY_HOP: &[&str] = &[
    // No prompts, no unknown host keys, no changes to known-hosts files.
    "BatchMode yes",
    "StrictHostKeyChecking yes",
    "UpdateHostKeys no",
    // No forwarding, and no local or remote commands.
    "ForwardAgent no",
    "ForwardX11 no",
    "Tunnel no",
    "PermitLocalCommand no",
    "RemoteCommand none",
    "ForkAfterAuthentication no",
    // No process outlives a hop's connection.
    "ControlPersist no",
    // A dead connection is noticed after 15 seconds; at this log level `ssh` prints why it exits.
    "ServerAliveInterval 5",
    "ServerAliveCountMax 3",
    "LogLevel INFO",
];

/// Comes last, since `ssh` uses the first value that it finds. `-F` alone would ignore both files.
const THE_USERS_OWN: &str = "Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n";

/// The file; dropping it removes it.
#[derive(Debug)]
pub(super) struct Configuration {
    path: PathBuf,
    /// The key that the project sets for the host.
    identity_file: Option<PathBuf>,
    /// The command that starts the host.
    started_by: Option<String>,
}

impl Configuration {
    /// Writes the configuration for `target` to the new file `path`.
    pub(super) fn write(target: &Target, path: PathBuf) -> Result<Self, RemoteError> {
        let text = text(target)?;
        create(&path, &text).map_err(|cause| RemoteError::Configuration {
            host: target.name.clone(),
            path: path.clone(),
            cause,
        })?;
        Ok(Self {
            path,
            identity_file: target.identity_file.clone(),
            started_by: target.started_by.clone(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn identity_file(&self) -> Option<&Path> {
        self.identity_file.as_deref()
    }

    pub(super) fn started_by(&self) -> Option<&str> {
        self.started_by.as_deref()
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn text(target: &Target) -> Result<String, RemoteError> {
    let mut lines = Vec::new();
    for hop in &target.jumps {
        if let Some(identity) = &hop.identity_file {
            lines.push(format!("Host {}", hop.address));
            lines.push("IdentitiesOnly yes".to_owned());
            lines.push(format!(
                "IdentityFile {}",
                target.path_value("identity_file", identity)?
            ));
        }
    }
    lines.push("Match all".to_owned());
    lines.extend(EVERY_HOP.iter().map(|line| (*line).to_owned()));
    lines.push(format!("ConnectTimeout {}", target.connect_timeout.as_secs().max(1)));
    if let Some(files) = target.known_hosts_value()? {
        lines.push(format!("UserKnownHostsFile {files}"));
    }
    Ok(format!("{}\n{THE_USERS_OWN}", lines.join("\n")))
}
