//! The configuration that `ssh` gets for one connection.
//!
//! What stands on the command line of `ssh` does not reach the `ssh` that it starts for a jump host; a configuration file
//! does. So what must hold at every hop stands in one, and the user's own configuration is read after it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::RemoteError;
use super::target::Target;

/// What holds at every hop, whatever the user's configuration says.
const EVERY_HOP: &[&str] = &[
    // Never a question, never a key taken on trust, never a changed file of the project.
    "BatchMode yes",
    "StrictHostKeyChecking yes",
    "UpdateHostKeys no",
    // Nothing of this machine is lent to a host, and nothing but the connection is made.
    "ForwardAgent no",
    "ForwardX11 no",
    "Tunnel no",
    "PermitLocalCommand no",
    "RemoteCommand none",
    "ForkAfterAuthentication no",
    // Nothing outlives a hop's connection.
    "ControlPersist no",
    // A dead link is noticed after 15 seconds; at this level `ssh` says why it ends.
    "ServerAliveInterval 5",
    "ServerAliveCountMax 3",
    "LogLevel INFO",
];

/// Read last, since the first value that `ssh` finds is the one that counts; `-F` would leave both out.
const THE_USERS_OWN: &str = "Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n";

/// The file, which goes with the connection.
#[derive(Debug)]
pub(super) struct Configuration {
    path: PathBuf,
}

impl Configuration {
    /// Writes the configuration for `target` to `path`, where nothing may be yet.
    pub(super) fn write(target: &Target, path: PathBuf) -> Result<Self, RemoteError> {
        let text = text(target)?;
        create(&path, &text).map_err(|cause| RemoteError::Configuration {
            host: target.name.clone(),
            path: path.clone(),
            cause,
        })?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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
