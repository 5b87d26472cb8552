//! Key pairs, created on this machine by `ssh-keygen`: one to log in with, and a host key for each host.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use super::error::LabError;
use super::naming;
use super::program::Program;
use super::state::{self, Folder};

/// The keys that are copied into a host before it boots, so that neither side has to trust the network.
#[derive(Clone, Debug)]
pub(super) struct Access {
    /// The line for `authorized_keys`.
    pub(super) authorized_key: String,
    pub(super) host_key: String,
    pub(super) host_key_public: String,
}

/// Creates the key that logs in to every host, unless it exists.
pub(super) async fn ensure_identity(folder: &Folder) -> Result<(), LabError> {
    folder.check(&folder.identity_file())?;
    ensure("lab", &folder.identity_file(), "homelab lab").await
}

/// The keys of a host, created if needed.
pub(super) async fn access(folder: &Folder, inventory: &str, host: &str) -> Result<Access, LabError> {
    let path = folder.host_key(inventory, host);
    folder.check(&path)?;
    ensure(host, &path, host).await?;
    Ok(Access {
        authorized_key: state::read(&state::public_half(&folder.identity_file()))?,
        host_key: state::read(&path)?,
        host_key_public: state::read(&state::public_half(&path))?,
    })
}

/// A random machine id, as in `/etc/machine-id`.
pub(super) fn machine_id() -> String {
    format!("{}\n", naming::hex_of(&rand::random::<[u8; 32]>(), 16))
}

async fn ensure(subject: &str, path: &Path, comment: &str) -> Result<(), LabError> {
    if path.exists() && state::public_half(path).exists() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new("."));
    state::create_private(parent)?;
    let failed = |action| {
        move |source| LabError::Disk {
            action,
            path: path.to_path_buf(),
            source,
        }
    };
    let staging = tempfile::tempdir_in(parent).map_err(failed("create a folder in"))?;
    let fresh = staging.path().join("key");
    generate(subject, &fresh, comment).await?;
    // The private key last: if it exists, so does its public half.
    fs::rename(state::public_half(&fresh), state::public_half(path)).map_err(failed("write"))?;
    fs::rename(&fresh, path).map_err(failed("write"))
}

async fn generate(subject: &str, path: &Path, comment: &str) -> Result<(), LabError> {
    let program = Program {
        name: "ssh-keygen",
        action: "create a key pair",
    };
    let mut command = Command::new(program.name);
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(path);
    program.run(subject, command).await
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn keys_are_private_and_made_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::of(root.path());
        ensure_identity(&folder).await.unwrap();
        let first = access(&folder, "dev", "alpha").await.unwrap();
        let again = access(&folder, "dev", "alpha").await.unwrap();
        assert_eq!(first.host_key, again.host_key);
        assert!(first.host_key_public.starts_with("ssh-ed25519 "));
        assert_ne!(first.host_key, access(&folder, "dev", "beta").await.unwrap().host_key);
        for key in [folder.identity_file(), folder.host_key("dev", "alpha")] {
            assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(
            fs::read_dir(folder.inventory("dev").join("host_keys")).unwrap().count(),
            4
        );
    }

    #[tokio::test]
    async fn a_lost_half_is_replaced_by_a_new_pair() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::of(root.path());
        ensure_identity(&folder).await.unwrap();
        let first = access(&folder, "dev", "alpha").await.unwrap();
        fs::remove_file(state::public_half(&folder.host_key("dev", "alpha"))).unwrap();
        assert_ne!(first.host_key, access(&folder, "dev", "alpha").await.unwrap().host_key);
    }

    #[test]
    fn machine_ids_are_32_hex_digits_and_differ() {
        let id = machine_id();
        assert!(
            id.len() == 33 && id.trim().chars().all(|digit| digit.is_ascii_hexdigit()),
            "{id:?}"
        );
        assert_ne!(id, machine_id());
    }
}
