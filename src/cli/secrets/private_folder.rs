//! A folder for clear text that only this user can enter, and that is removed however this program ends.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use homelab::error::Diagnostic;
use homelab::quote::quote;
use homelab::secret::WithoutSecrets as _;

/// Waits until homelab has ended, even by SIGKILL, and then removes the folder, unless it was told to keep it.
const WATCH: &str = r#"trap "" INT TERM HUP; read -r line; [ "$line" = keep ] || rm -rf -- "$1""#;

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

    /// Has the folder stay.
    pub(super) fn keep(mut self) -> io::Result<PathBuf> {
        if let Some(input) = &mut self.watcher.stdin {
            input.write_all(b"keep\n")?;
        }
        Ok(self.path.clone())
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

/// Keeps an edited text that was not written because of `mistakes`, and says where.
pub(super) fn kept(
    folder: PrivateFolder,
    path: &Path,
    shown: &str,
    mistakes: &[Diagnostic],
) -> anyhow::Result<Diagnostic> {
    let folder = folder.keep().context("cannot keep the edited text")?;
    let title = format!(
        "`{shown}` stays as it was; the edited text is kept in `{}`",
        path.display()
    );
    let editor = quote(&format!("cp {}", quote(&path.to_string_lossy())));
    let causes = mistakes
        .iter()
        .flat_map(|mistake| [&mistake.title].into_iter().chain(&mistake.causes));
    let kept = causes.fold(Diagnostic::new(title), |kept, cause| kept.because(cause.clone()));
    Ok(kept.hint(format!(
        "it has your secrets in clear text: correct it, run `EDITOR={editor} homelab secrets edit {}`, then `rm -r {}`",
        quote(shown),
        quote(&folder.to_string_lossy())
    )))
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
