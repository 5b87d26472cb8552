//! Files of keys, which `ssh` reads: private keys of users, and the public keys of hosts.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::host::Host;
use super::model::Project;
use super::reader::unreadable;
use crate::content::{ProjectFolder, special_key_file};
use crate::error::Diagnostic;

impl Project {
    /// Where the project's file of host keys is or will be, and whether it exists.
    ///
    /// Errors: a link that leads out of the project, and anything that is not a regular file.
    pub fn known_hosts(&self) -> Result<(PathBuf, bool), Diagnostic> {
        const KNOWN_HOSTS: &str = "inventories/known_hosts";
        let path = self.home.join(KNOWN_HOSTS);
        let place = ProjectFolder::new(&self.home).find(Path::new(KNOWN_HOSTS));
        match place.map_err(|refused| unreadable(KNOWN_HOSTS, &refused))? {
            None => Ok((path, false)),
            Some(place) if path.is_symlink() => Ok((place, true)),
            Some(_) => Ok((path, true)),
        }
    }

    /// The private key that `connection` sets for a host.
    ///
    /// Errors: the key, or what `ssh` reads beside it, is not a regular file.
    pub fn identity_file(&self, host: &Host) -> Result<Option<PathBuf>, Diagnostic> {
        let Some(written) = &host.connection.identity_file else {
            return Ok(None);
        };
        let private = self.home.join(written);
        let Some((special, why)) = special_key_file(&private) else {
            return Ok(Some(private));
        };
        let shown = special.strip_prefix(&self.home).unwrap_or(&special).display();
        let mistake = if special == private {
            Diagnostic::new(format!("cannot read the key `{shown}`"))
                .hint("set `identity_file` to the file of a private key")
        } else {
            Diagnostic::new(format!("cannot read `{shown}`"))
                .hint(format!("`ssh` reads `{shown}` beside the key: remove it"))
        };
        let place = host.key_place.as_ref().or(host.origin.as_ref());
        Err(mistake.at_maybe(place, why.to_string()))
    }
}

impl Project {
    /// The private keys that connections set and that are not on this machine, each with its hosts, as `inventory/host`.
    pub fn missing_keys(&self) -> BTreeMap<String, Vec<String>> {
        let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (inventory, hosts) in &self.inventories {
            for host in hosts.hosts.values() {
                let Some(written) = &host.connection.identity_file else {
                    continue;
                };
                let is_missing = self.home.join(written).symlink_metadata();
                if is_missing.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                    let shown = written.display().to_string();
                    missing
                        .entry(shown)
                        .or_default()
                        .push(format!("{inventory}/{}", host.name));
                }
            }
        }
        missing
    }
}

/// Finds files that `ssh` must not open. It would wait forever for a named pipe.
pub(super) fn check(project: &Project) -> Vec<Diagnostic> {
    let mut mistakes: Vec<Diagnostic> = project.known_hosts().err().into_iter().collect();
    for host in project
        .inventories
        .values()
        .flat_map(|inventory| inventory.hosts.values())
    {
        let mistake = project.identity_file(host).err();
        // A key for all hosts is reported once.
        mistakes.extend(mistake.filter(|mistake| !mistakes.contains(mistake)));
    }
    mistakes
}
