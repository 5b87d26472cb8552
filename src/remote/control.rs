//! The folder for the control sockets of `ssh`, which only this user can enter.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::RemoteError;
use crate::secret::sha256_hex;

/// `ssh` adds 17 characters while it binds, and an address of a Unix socket has room for 107.
const LONGEST_FOLDER: usize = 70;
/// A socket without a listener is kept for this long: its `ssh` may be about to listen.
const YOUNGEST_STALE: Duration = Duration::from_secs(60);
const CONFIGURATION: &str = ".conf";
/// An older configuration is a leftover: no `ssh` takes this long to read one.
const LONGEST_READ: Duration = Duration::from_secs(600);

/// The path of one control socket. Dropping it removes the file, in case `ssh` was killed before it could.
#[derive(Debug)]
pub(super) struct ControlSocket {
    path: PathBuf,
    /// Whether it belongs to a connection that outlives this program.
    is_kept: bool,
}

impl ControlSocket {
    /// A fresh path in the user's private folder, for the connection to `host`.
    pub(super) fn reserve(host: &str) -> Result<Self, RemoteError> {
        let name = format!("{:016x}", rand::random::<u64>());
        Self::named(host, &name, false)
    }

    /// The path for a kept connection: every run with the same settings gets the same one.
    pub(super) fn kept(host: &str, settings: &str) -> Result<Self, RemoteError> {
        let digest = sha256_hex(settings.as_bytes());
        Self::named(host, &format!("kept-{}", &digest[..16]), true)
    }

    fn named(host: &str, name: &str, is_kept: bool) -> Result<Self, RemoteError> {
        let uid = own_uid();
        let folder = folder_for(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from), uid);
        if let Err(cause) = prepare(&folder, uid) {
            return Err(RemoteError::ControlFolder {
                host: host.to_owned(),
                path: folder,
                cause,
            });
        }
        remove_stale(&folder);
        Ok(Self {
            path: folder.join(name),
            is_kept,
        })
    }

    /// A fresh path beside it, for the configuration of one `ssh`.
    pub(super) fn configuration(&self) -> PathBuf {
        let name = format!("{:016x}{CONFIGURATION}", rand::random::<u64>());
        self.path.with_file_name(name)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn folder_for(runtime: Option<PathBuf>, uid: u32) -> PathBuf {
    runtime
        .filter(|path| path.is_absolute() && path.is_dir())
        .map(|path| path.join("homelab"))
        .filter(|path| path.as_os_str().len() <= LONGEST_FOLDER)
        .unwrap_or_else(|| PathBuf::from(format!("/tmp/homelab-{uid}")))
}

/// Creates `folder`, or checks that it is a real folder that only `uid` can enter.
fn prepare(folder: &Path, uid: u32) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return Err(io::Error::other("it is not a folder"));
    }
    if found.uid() != uid {
        return Err(io::Error::other(format!("it belongs to uid {}", found.uid())));
    }
    if found.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "other users can enter it (mode {:04o})",
            found.mode() & 0o7777
        )));
    }
    Ok(())
}

/// Removes leftovers of killed runs: sockets without a listener and old configurations.
fn remove_stale(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if is_stale(&entry) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_stale(entry: &fs::DirEntry) -> bool {
    let Ok(found) = entry.metadata() else { return false };
    let age = found.modified().ok().and_then(|time| time.elapsed().ok());
    if found.is_file() {
        let is_configuration = entry.file_name().to_string_lossy().ends_with(CONFIGURATION);
        return is_configuration && age.is_some_and(|age| age >= LONGEST_READ);
    }
    found.file_type().is_socket()
        && age.is_some_and(|age| age >= YOUNGEST_STALE)
        && UnixStream::connect(entry.path()).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn tmp_replaces_long_or_missing_runtime_folders() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(folder_for(Some(home.path().into()), 7), home.path().join("homelab"));
        assert_eq!(folder_for(Some("/nonexistent".into()), 7), Path::new("/tmp/homelab-7"));
        assert_eq!(folder_for(None, 7), Path::new("/tmp/homelab-7"));
        let long = home.path().join("x".repeat(80));
        fs::create_dir(&long).unwrap();
        assert_eq!(folder_for(Some(long), 7), Path::new("/tmp/homelab-7"));
    }

    #[test]
    fn refuses_a_folder_of_others() {
        let home = tempfile::tempdir().unwrap();
        let uid = own_uid();
        let open = home.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(
            prepare(&open, uid).unwrap_err().to_string(),
            "other users can enter it (mode 0755)"
        );
        let link = home.path().join("link");
        symlink(&open, &link).unwrap();
        assert_eq!(prepare(&link, uid).unwrap_err().to_string(), "it is not a folder");
        let private = home.path().join("private");
        prepare(&private, uid).unwrap();
        assert_eq!(fs::metadata(&private).unwrap().mode() & 0o777, 0o700);
        assert!(prepare(&private, uid + 1).is_err());
    }

    #[test]
    fn removes_only_old_sockets_without_a_listener() {
        let home = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - YOUNGEST_STALE * 2;
        let [dead, fresh, alive, file, read, unread] =
            ["dead", "fresh", "alive", "file", "read.conf", "unread.conf"].map(|name| home.path().join(name));
        drop(UnixListener::bind(&dead).unwrap());
        drop(UnixListener::bind(&fresh).unwrap());
        let _listener = UnixListener::bind(&alive).unwrap();
        for path in [&file, &read, &unread] {
            fs::write(path, "").unwrap();
        }
        for path in [&dead, &alive, &file, &read] {
            let touched = std::process::Command::new("touch")
                .arg("-d")
                .arg("10 minutes ago")
                .arg(path)
                .status();
            assert!(touched.unwrap().success());
            assert!(fs::metadata(path).unwrap().modified().unwrap() < old);
        }
        remove_stale(home.path());
        assert!(!dead.exists() && fresh.exists() && alive.exists() && file.exists());
        assert!(!read.exists() && unread.exists());
    }
}
