//! The lab's state on disk, in `.homelab/lab` of the project: keys, pinned host keys, addresses.
//!
//! ```text
//! .homelab/lab/id_ed25519            the key that logs in to every lab host; `lab down` keeps it
//! .homelab/lab/k3s-VERSION           the k3s of the lab, once a host was made for Kubernetes
//! .homelab/lab/k3s-VERSION.sha256    its digest
//! .homelab/lab/.lock                 held while hosts are created or removed
//! .homelab/lab/dev/hosts.json        addresses of the hosts that are up
//! .homelab/lab/dev/known_hosts       their host keys, pinned here before they boot
//! .homelab/lab/dev/host_keys/NAME    the host keys; a recreated host gets a new one
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::LabError;
use super::naming;
use super::spec::LabAddress;
use crate::content::{
    LAB_IMAGES, LAB_K3S, LAB_MODEL_IMAGES, Refused, lab_archive_file, lab_k3s_file, open_lock, read_in_place,
    special_file, special_key_file,
};
use crate::quote::check_address;

/// In the project's root.
const FOLDER: &str = ".homelab/lab";
/// A larger file was not written by the lab, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// The lab's folder in a project.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// The content of `hosts.json`: the hosts of an inventory that are up.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Hosts {
    /// Rises when the meaning of the file changes.
    format_version: u32,
    pub(super) hosts: BTreeMap<String, Host>,
}

/// Where a host is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Host {
    /// The address on the engine's bridge.
    pub(super) address: String,
    pub(super) port: u16,
}

impl Folder {
    /// The lab's folder in the project at `root`; it need not exist.
    pub(super) fn of(root: &Path) -> Self {
        let root = root.canonicalize().or_else(|_| std::path::absolute(root));
        Self(root.unwrap_or_default().join(FOLDER))
    }

    /// A project may come from someone else: with a link in it, keys and addresses would be read, written or removed
    /// elsewhere.
    ///
    /// Errors: `path`, or a folder of the lab above it, is a link.
    pub(super) fn check(&self, path: &Path) -> Result<(), LabError> {
        let above = FOLDER.matches('/').count();
        let own = path.ancestors().take_while(|one| one.starts_with(&self.0));
        let parents = self.0.ancestors().skip(1).take(above);
        match own.chain(parents).find(|one| one.is_symlink()) {
            Some(link) => Err(LabError::Linked {
                path: link.to_path_buf(),
            }),
            None => Ok(()),
        }
    }

    /// The private key that logs in to every host.
    pub(super) fn identity_file(&self) -> PathBuf {
        self.0.join("id_ed25519")
    }

    pub(super) fn inventory(&self, inventory: &str) -> PathBuf {
        self.0.join(inventory)
    }

    /// The pinned keys of an inventory's hosts.
    pub(super) fn known_hosts(&self, inventory: &str) -> PathBuf {
        self.inventory(inventory).join("known_hosts")
    }

    pub(super) fn host_key(&self, inventory: &str, host: &str) -> PathBuf {
        self.inventory(inventory).join("host_keys").join(host)
    }

    fn hosts_file(&self, inventory: &str) -> PathBuf {
        self.inventory(inventory).join("hosts.json")
    }

    /// Creates the folder, private to its owner and ignored by git.
    pub(super) fn create(&self) -> Result<(), LabError> {
        self.check(&self.0)?;
        create_private(&self.0)?;
        write(&self.0.join(".gitignore"), b"*\n")
    }

    /// Puts the lab's k3s in `built`, and the archives of its images, where the project's deploys find them.
    pub(super) fn offer_k3s(&self, built: &Path) -> Result<(), LabError> {
        for file in LAB_IMAGES.map(lab_archive_file) {
            self.offer(&built.join("images").join(&file), &file)?;
        }
        self.offer_programs(built, LAB_K3S.map(lab_k3s_file))
    }

    /// The same for programs, with their digests.
    pub(super) fn offer_programs(&self, built: &Path, names: impl IntoIterator<Item = String>) -> Result<(), LabError> {
        for name in names {
            self.offer(&built.join(&name), &name)?;
            let digest = format!("{name}.sha256");
            let to = self.0.join(&digest);
            self.check(&to)?;
            write(&to, read(&built.join(&digest))?.as_bytes())?;
        }
        Ok(())
    }

    /// Puts what the lab has of models where the project's deploys find it.
    pub(super) fn offer_models(&self, built: &Path) -> Result<(), LabError> {
        let files = LAB_MODEL_IMAGES.map(lab_archive_file);
        files.iter().try_for_each(|file| self.offer(&built.join(file), file))
    }

    fn offer(&self, from: &Path, name: &str) -> Result<(), LabError> {
        let to = self.0.join(name);
        self.check(&to)?;
        let disk = |action, path: &Path| {
            let path = path.to_path_buf();
            move |source| LabError::Disk { action, path, source }
        };
        absent_is_fine(fs::remove_file(&to)).map_err(disk("remove", &to))?;
        // It is large: where both are on one file system it is there once.
        fs::hard_link(from, &to)
            .or_else(|_| fs::copy(from, &to).map(|_| ()))
            .map_err(disk("copy", from))
    }

    /// Opens the lock file; the caller takes the lock.
    pub(super) fn lock_file(&self) -> Result<File, LabError> {
        let path = self.0.join(".lock");
        self.check(&path)?;
        open_lock(&path).map_err(|source| LabError::Disk {
            action: "open",
            path,
            source,
        })
    }

    /// The saved hosts of an inventory; empty if none were saved.
    pub(super) fn read_hosts(&self, inventory: &str) -> Result<Hosts, LabError> {
        let path = self.hosts_file(inventory);
        self.check(&path)?;
        for key in [self.identity_file(), self.known_hosts(inventory)] {
            self.check(&key)?;
        }
        let known_hosts = self.known_hosts(inventory);
        let special = special_file(&known_hosts).map(|why| (known_hosts, why));
        if let Some((path, why)) = special.or_else(|| special_key_file(&self.identity_file())) {
            return Err(LabError::Disk {
                action: "read",
                path,
                source: io::Error::other(why),
            });
        }
        if !path.exists() {
            return Ok(Hosts::default());
        }
        let text = read(&path)?;
        let state = |source| LabError::State {
            path: path.clone(),
            source,
        };
        let hosts: Hosts = serde_json::from_str(&text).map_err(state)?;
        for host in hosts.hosts.values() {
            check_address(&host.address).map_err(|wrong| state(serde::de::Error::custom(wrong)))?;
        }
        Ok(hosts)
    }

    /// Saves the hosts and their pinned keys. The keys come first, so that every saved address has one.
    pub(super) fn write_hosts(&self, inventory: &str, hosts: BTreeMap<String, Host>) -> Result<(), LabError> {
        self.check(&self.known_hosts(inventory))?;
        let mut known = String::new();
        for (name, host) in &hosts {
            let public = read(&public_half(&self.host_key(inventory, name)))?;
            known.push_str(&known_hosts_line(name, host, &public));
        }
        write(&self.known_hosts(inventory), known.as_bytes())?;
        let path = self.hosts_file(inventory);
        let text = serde_json::to_vec_pretty(&Hosts {
            format_version: 1,
            hosts,
        })
        .map_err(|source| LabError::State {
            path: path.clone(),
            source,
        })?;
        write(&path, &text)
    }

    /// Removes a host's key, so that the next host of this name gets a new one.
    pub(super) fn forget_host_key(&self, inventory: &str, host: &str) -> Result<(), LabError> {
        let private = self.host_key(inventory, host);
        self.check(&private)?;
        for path in [private.clone(), public_half(&private)] {
            absent_is_fine(fs::remove_file(&path)).map_err(|source| LabError::Disk {
                action: "remove",
                path,
                source,
            })?;
        }
        Ok(())
    }

    /// Removes the state of an inventory.
    pub(super) fn forget(&self, inventory: &str) -> Result<(), LabError> {
        let path = self.inventory(inventory);
        self.check(&path)?;
        absent_is_fine(fs::remove_dir_all(&path)).map_err(|source| LabError::Disk {
            action: "remove",
            path,
            source,
        })
    }

    /// How to reach the hosts of an inventory.
    pub(super) fn addresses(&self, inventory: &str) -> Result<BTreeMap<String, LabAddress>, LabError> {
        naming::check("inventory", inventory)?;
        let hosts = self.read_hosts(inventory)?.hosts;
        Ok(hosts
            .into_iter()
            .map(|(name, host)| (name.clone(), self.address(inventory, name, host)))
            .collect())
    }

    pub(super) fn address(&self, inventory: &str, name: String, host: Host) -> LabAddress {
        LabAddress {
            host: name,
            address: host.address,
            port: host.port,
            user: "root".to_owned(),
            identity_file: self.identity_file(),
            known_hosts: self.known_hosts(inventory),
        }
    }

    /// The inventories with hosts that are up.
    pub(super) fn inventories(&self) -> Result<Vec<String>, LabError> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(LabError::Disk {
                    action: "list",
                    path: self.0.clone(),
                    source,
                });
            }
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| self.hosts_file(name).exists())
            .collect();
        names.sort();
        Ok(names)
    }
}

/// The line lists the address, which `ssh` connects to, and the name, so that either finds the key.
fn known_hosts_line(name: &str, host: &Host, public: &str) -> String {
    let key: Vec<&str> = public.split_whitespace().take(2).collect();
    let at = |label: &str| {
        if host.port == 22 {
            label.to_owned()
        } else {
            format!("[{label}]:{}", host.port)
        }
    };
    format!("{},{} {}\n", at(&host.address), at(name), key.join(" "))
}

/// The path of the public half of a key pair.
pub(super) fn public_half(private: &Path) -> PathBuf {
    private.with_extension("pub")
}

/// The text of a file in the lab's folder.
///
/// Errors: also a link anywhere on its path, and anything that is not a regular file.
pub(super) fn read(path: &Path) -> Result<String, LabError> {
    let text = read_in_place(path, LARGEST).map_err(|refused| match refused {
        Refused::Io(error) => error,
        other => io::Error::other(other),
    });
    let text = text.and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
    text.map_err(|source| LabError::Disk {
        action: "read",
        path: path.to_path_buf(),
        source,
    })
}

/// Creates a folder that only its owner can enter.
pub(super) fn create_private(path: &Path) -> Result<(), LabError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| LabError::Disk {
        action: "create the folder",
        path: path.to_path_buf(),
        source,
    })
}

/// Replaces a file atomically.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), LabError> {
    let replace = |folder: &Path| -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
        file.persist(path)?;
        Ok(())
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    create_private(folder)?;
    replace(folder).map_err(|source| LabError::Disk {
        action: "write",
        path: path.to_path_buf(),
        source,
    })
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up(folder: &Folder, inventory: &str, host: &str, address: &str) {
        write(
            &public_half(&folder.host_key(inventory, host)),
            b"ssh-ed25519 AAAA comment\n",
        )
        .unwrap();
        let host = (
            host.to_owned(),
            Host {
                address: address.to_owned(),
                port: 22,
            },
        );
        folder.write_hosts(inventory, BTreeMap::from([host])).unwrap();
    }

    #[test]
    fn saved_hosts_are_loaded_again_and_their_keys_pinned() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::of(root.path());
        assert!(folder.addresses("dev").unwrap().is_empty());
        up(&folder, "dev", "alpha", "172.17.0.9");
        let address = &folder.addresses("dev").unwrap()["alpha"];
        assert_eq!(
            (address.address.as_str(), address.port, address.user.as_str()),
            ("172.17.0.9", 22, "root")
        );
        assert_eq!(
            fs::read_to_string(&address.known_hosts).unwrap(),
            "172.17.0.9,alpha ssh-ed25519 AAAA\n"
        );
        assert_eq!(folder.inventories().unwrap(), ["dev"]);
        folder.forget("dev").unwrap();
        folder.forget("dev").unwrap();
        assert!(folder.addresses("dev").unwrap().is_empty());
    }

    #[test]
    fn the_folder_is_private_and_hidden_from_git() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::of(root.path());
        folder.create().unwrap();
        let mode = fs::metadata(root.path().join(".homelab/lab"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(
            fs::read_to_string(root.path().join(".homelab/lab/.gitignore")).unwrap(),
            "*\n"
        );
    }

    #[test]
    fn a_broken_state_file_is_named() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::of(root.path());
        write(&folder.hosts_file("dev"), b"{").unwrap();
        let error = folder.addresses("dev").unwrap_err();
        assert!(error.to_string().ends_with(".homelab/lab/dev/hosts.json`"), "{error}");
        assert!(error.hint().unwrap().contains("lab down"));
    }

    #[test]
    fn a_link_in_the_project_leads_nowhere() {
        use std::os::unix::fs::symlink;
        let (root, away) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = Folder::of(root.path());
        up(&folder, "dev", "alpha", "172.17.0.9");
        let lab = root.path().canonicalize().unwrap().join(".homelab/lab");
        let linked = |path: &Path, elsewhere: &Path| {
            let kept = path.with_file_name("kept");
            fs::rename(path, &kept).unwrap();
            symlink(elsewhere, path).unwrap();
            let errors = [
                folder.addresses("dev").err().map(|error| error.to_string()),
                folder.forget("dev").err().map(|error| error.to_string()),
                folder
                    .forget_host_key("dev", "alpha")
                    .err()
                    .map(|error| error.to_string()),
            ];
            fs::remove_file(path).unwrap();
            fs::rename(&kept, path).unwrap();
            errors
        };
        fs::create_dir_all(away.path().join("dev")).unwrap();
        for path in [lab.join("dev"), lab.clone(), lab.parent().unwrap().to_path_buf()] {
            let expected = Some(format!("`{}` is a symbolic link", path.display()));
            let told = linked(&path, away.path());
            assert!(told.iter().all(|one| *one == expected), "{told:?}");
        }
        assert!(away.path().join("dev").exists());
        let hosts = lab.join("dev/hosts.json");
        fs::remove_file(&hosts).unwrap();
        symlink("/dev/zero", &hosts).unwrap();
        assert!(folder.addresses("dev").is_err());
        fs::remove_file(&hosts).unwrap();
        fs::write(
            &hosts,
            r#"{"format_version":1,"hosts":{"alpha":{"address":"-oX","port":22}}}"#,
        )
        .unwrap();
        assert!(folder.addresses("dev").is_err());
    }

    #[test]
    fn an_inventory_name_cannot_leave_the_folder() {
        let root = tempfile::tempdir().unwrap();
        assert!(Folder::of(root.path()).addresses("../../etc").is_err());
    }
}
