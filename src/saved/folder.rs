//! The folder of a command that works on a copy of a project.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use tempfile::TempDir;

/// What the names of such folders begin with.
const PREFIX: &str = "homelab-plan-";
/// The file in it that is locked as long as the command runs.
const IN_USE: &str = ".in-use";

/// A folder that only this user can enter. It is removed when this is dropped; if the command is killed, the next one does that.
#[derive(Debug)]
pub(super) struct OwnFolder {
    folder: TempDir,
    _in_use: File,
}

impl OwnFolder {
    /// A new folder in `above`.
    ///
    /// Errors: it cannot be created.
    pub(super) fn create(above: &Path) -> io::Result<Self> {
        remove_abandoned(above);
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(above)?;
        let in_use = File::create(folder.path().join(IN_USE))?;
        in_use.lock()?;
        Ok(Self {
            folder,
            _in_use: in_use,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders of commands of this user that were killed. What cannot be removed is no reason to stop.
fn remove_abandoned(above: &Path) {
    for entry in fs::read_dir(above).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// No other user can change what is in a folder of this user's own.
fn is_abandoned(folder: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    let is_own = folder.symlink_metadata().is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == user && metadata.permissions().mode() & 0o7777 == 0o700
    });
    // One that has no such file yet is about to be used.
    is_own && File::open(folder.join(IN_USE)).is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_killed_commands_are_removed_and_no_others() {
        let above = tempfile::tempdir().expect("a folder");
        let at = |name: &str| above.path().join(name);
        for (name, mode, has_file) in [
            ("homelab-plan-killed", 0o700, true),
            ("homelab-plan-new", 0o700, false),
            ("homelab-plan-open", 0o755, true),
            ("other", 0o700, true),
        ] {
            fs::create_dir(at(name)).expect("created");
            if has_file {
                fs::write(at(name).join(IN_USE), "").expect("writable");
            }
            fs::set_permissions(at(name), Permissions::from_mode(mode)).expect("set");
        }
        std::os::unix::fs::symlink("other", at("homelab-plan-link")).expect("linked");
        let first = OwnFolder::create(above.path()).expect("created");
        let second = OwnFolder::create(above.path()).expect("created");
        assert!(first.path().exists() && second.path().exists());
        let mode = fs::metadata(first.path()).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let left: Vec<bool> = [
            "homelab-plan-killed",
            "homelab-plan-new",
            "homelab-plan-open",
            "homelab-plan-link",
            "other",
        ]
        .map(|name| at(name).exists())
        .into();
        assert_eq!(left, [false, true, true, true, true]);
        let was = first.path().to_path_buf();
        drop(first);
        assert!(!was.exists() && second.path().exists());
    }
}
