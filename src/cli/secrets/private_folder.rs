//! A folder for clear text that only this user can enter, and that is removed however this program ends.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use homelab::secret::WithoutSecrets as _;

/// Waits until homelab has ended, even by SIGKILL, and then removes the folder.
const WATCH: &str = r#"trap "" INT TERM HUP; read -r line; rm -rf -- "$1""#;

/// The folder, in memory where the system has a place for that.
pub(super) struct PrivateFolder {
    path: PathBuf,
    watcher: Child,
}

impl PrivateFolder {
    pub(super) fn create() -> io::Result<Self> {
        let path = Path::new(&parent()).join(format!("homelab-edit-{:016x}", rand::random::<u64>()));
        DirBuilder::new().mode(0o700).create(&path)?;
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "sh"]).arg(&path).stdin(Stdio::piped());
        // Not with the terminal: closing that must not end it.
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command.without_secrets();
        match command.spawn() {
            Ok(watcher) => Ok(Self { path, watcher }),
            Err(error) => {
                std::fs::remove_dir(&path)?;
                Err(error)
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file that only this user can read.
    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        let mut file: File = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// The user's own folder in memory, memory for everyone, or the folder for temporary files.
fn parent() -> PathBuf {
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let is_own = |path: &PathBuf| {
        let user = rustix::process::geteuid().as_raw();
        let metadata = path.metadata();
        metadata.is_ok_and(|folder| folder.is_dir() && folder.uid() == user && folder.mode() & 0o7777 == 0o700)
    };
    let memory = PathBuf::from("/dev/shm");
    let has_memory = || memory.is_dir().then(|| memory.clone());
    own.filter(is_own)
        .or_else(has_memory)
        .unwrap_or_else(std::env::temp_dir)
}
