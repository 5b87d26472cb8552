//! The files of a project that operations send to hosts or render.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::fs::OFlags;

use super::encrypted::EncryptedFile;
use super::folder::{Refused, open_in_place, special};
use crate::secret::sha256_hex_of;

/// The files below the project's `templates/`, by their paths there, read before planning.
#[derive(Clone, Debug, Default)]
pub struct Assets {
    small: BTreeMap<String, Arc<[u8]>>,
    large: BTreeMap<String, Arc<LargeFile>>,
    encrypted: BTreeMap<String, Arc<EncryptedFile>>,
    executable: BTreeSet<String>,
}

impl Assets {
    /// What the names of files end in that are surely rendered.
    pub const TEMPLATE_SUFFIX: &str = ".j2";
    /// Larger files are not kept in memory, in bytes. As much of a file on a host is read to be shown.
    pub const LARGEST_IN_MEMORY: u64 = 1024 * 1024;

    /// Adds a file that is kept in memory.
    pub fn insert(&mut self, name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) {
        self.small.insert(name.into(), bytes.into());
    }

    /// Adds a file that is read when it is needed. `path` is absolute and has no links in it.
    pub fn insert_large(&mut self, name: impl Into<String>, path: &Path) {
        let name = name.into();
        let file = LargeFile::new(&format!("templates/{name}"), path);
        self.large.insert(name, Arc::new(file));
    }

    /// Adds a file from outside `templates/`, whatever its size. `shown` is its path in the project.
    pub fn insert_kept(&mut self, name: impl Into<String>, shown: &str, path: &Path) {
        self.large.insert(name.into(), Arc::new(LargeFile::new(shown, path)));
    }

    /// The same for a file of which size and digest are written beside it.
    pub fn insert_measured(
        &mut self,
        name: impl Into<String>,
        shown: &str,
        path: &Path,
        (sha256, size): (String, u64),
    ) {
        let file = LargeFile {
            measured: OnceLock::from((sha256, size)),
            ..LargeFile::new(shown, path)
        };
        self.large.insert(name.into(), Arc::new(file));
    }

    /// Notes that a file can be executed in the project.
    pub fn note_executable(&mut self, name: impl Into<String>) {
        self.executable.insert(name.into());
    }

    /// Whether a file can be executed in the project.
    pub fn is_executable(&self, name: &str) -> bool {
        self.executable.contains(name)
    }

    /// Adds a file that is another one under a name of its own; false if there is no other one.
    pub fn insert_again(&mut self, name: impl Into<String>, other: &str) -> bool {
        if let Some(bytes) = self.small.get(other).cloned() {
            self.small.insert(name.into(), bytes);
            return true;
        }
        let encrypted = self.encrypted.get(other).cloned();
        let Some(file) = encrypted else { return false };
        self.encrypted.insert(name.into(), file);
        true
    }

    /// Adds a file that is encrypted in the project, by the name of its content.
    pub fn insert_encrypted(&mut self, name: impl Into<String>, file: EncryptedFile) {
        self.encrypted.insert(name.into(), Arc::new(file));
    }

    /// A file that is encrypted in the project, by the name of its content.
    pub fn encrypted(&self, name: &str) -> Option<&EncryptedFile> {
        self.encrypted.get(name).map(AsRef::as_ref)
    }

    /// The bytes of a file that is in memory.
    pub fn get(&self, name: &str) -> Option<&Arc<[u8]>> {
        self.small.get(name)
    }

    /// A file that is too large to be kept in memory.
    pub fn large(&self, name: &str) -> Option<&Arc<LargeFile>> {
        self.large.get(name)
    }

    /// The files that are not kept in memory and whose content operations asked for, by their paths in the project: their SHA-256
    /// and size.
    pub fn used_large(&self) -> impl Iterator<Item = (&str, (String, u64))> {
        let used = self.large.values().filter(|file| file.is_used.load(Ordering::Relaxed));
        used.filter_map(|file| Some((file.name(), file.measured.get()?.clone())))
    }

    /// The files that are not kept in memory.
    pub fn all_large(&self) -> impl Iterator<Item = &LargeFile> {
        self.large.values().map(AsRef::as_ref)
    }

    /// Whether there is such a file.
    pub fn contains(&self, name: &str) -> bool {
        self.is_open(name) || self.encrypted.contains_key(name)
    }

    /// Whether there is such a file that is not encrypted.
    pub fn is_open(&self, name: &str) -> bool {
        self.small.contains_key(name) || self.large.contains_key(name)
    }

    /// The paths of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let all = self.small.keys().chain(self.large.keys()).chain(self.encrypted.keys());
        all.map(String::as_str)
    }

    /// The encrypted files, by the names of their contents.
    pub fn all_encrypted(&self) -> impl Iterator<Item = (&str, &EncryptedFile)> {
        self.encrypted.iter().map(|(name, file)| (name.as_str(), &**file))
    }

    /// The files in memory, but for encrypted ones.
    pub fn in_memory(&self) -> impl Iterator<Item = (&String, &Arc<[u8]>)> {
        self.small.iter()
    }
}

/// A file that is read when it is needed. Its digest is taken once, however many hosts get it.
#[derive(Debug)]
pub struct LargeFile {
    name: String,
    path: PathBuf,
    measured: OnceLock<(String, u64)>,
    /// Whether anyone asked for what is in it.
    is_used: AtomicBool,
}

impl LargeFile {
    pub(super) fn new(name: &str, path: &Path) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            measured: OnceLock::new(),
            is_used: AtomicBool::new(false),
        }
    }

    /// What people call it: its path in the project.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it. Links are not followed: when it was found, there were none on its path.
    ///
    /// Errors: it cannot be opened, or is not a regular file.
    pub fn open(&self) -> io::Result<File> {
        open_in_place(&self.path).map_err(|refused| match refused {
            Refused::Io(error) => error,
            other => io::Error::other(other),
        })
    }

    /// Its SHA-256 and size as they are when this is asked first: the file is read through once.
    ///
    /// Errors: it cannot be read.
    pub(super) fn measured(&self) -> io::Result<(String, u64)> {
        self.is_used.store(true, Ordering::Relaxed);
        if let Some(measured) = self.measured.get() {
            return Ok(measured.clone());
        }
        let measured = sha256_hex_of(self.open()?)?;
        Ok(self.measured.get_or_init(|| measured).clone())
    }
}

/// Opens a file for reading. Anything else at the path, such as a named pipe, would wait forever or never end.
///
/// Errors: it cannot be opened, or is not a regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().try_into().unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(not_regular())
}

/// Opens a lock file, which is created if it does not exist. A named pipe at the path would wait for a reader.
///
/// Errors: it cannot be opened, or is not a regular file.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().try_into().unwrap_or_default();
    let opened = OpenOptions::new()
        .create(true)
        .append(true)
        .custom_flags(flags)
        .open(path);
    match opened {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::NXIO.raw_os_error()) => Err(error),
        _ => Err(not_regular()),
    }
}

fn not_regular() -> io::Error {
    io::Error::other("it is not a regular file")
}

/// The first of the files that `ssh` reads for the private key at `private` that is not a regular file, and why. A link to
/// a regular file is one. `ssh` itself opens anything, and waits forever for a named pipe.
pub fn special_key_file(private: &Path) -> Option<(PathBuf, Refused)> {
    ["", ".pub", "-cert.pub"].iter().find_map(|ending| {
        let mut path = private.as_os_str().to_owned();
        path.push(ending);
        let path = PathBuf::from(path);
        let why = special_file(&path)?;
        Some((path, why))
    })
}

/// Why the file at `path` must not be opened, if there is anything but a regular file; links are followed.
pub fn special_file(path: &Path) -> Option<Refused> {
    let kind = path.metadata().ok()?.file_type();
    (!kind.is_file()).then(|| Refused::Special(special(kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_a_key_is_regular() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("id");
        assert!(special_key_file(&key).is_none());
        std::fs::write(folder.path().join("real"), "key").expect("writable");
        std::os::unix::fs::symlink("real", &key).expect("linked");
        assert!(special_key_file(&key).is_none());
        for (ending, target) in [("-cert.pub", "/dev/zero"), (".pub", "/")] {
            let path = PathBuf::from(format!("{}{ending}", key.display()));
            std::os::unix::fs::symlink(target, &path).expect("linked");
            assert_eq!(special_key_file(&key).expect("refused").0, path);
        }
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let (pipe, file) = (folder.path().join("pipe"), folder.path().join("file"));
        std::fs::write(&file, "text").expect("writable");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        assert!(open_regular(&file).is_ok());
        for path in [&pipe, folder.path(), Path::new("/dev/zero")] {
            let refused = open_regular(path).expect_err("not a file").to_string();
            assert_eq!(refused, "it is not a regular file");
        }
        for path in [&pipe, Path::new("/dev/zero")] {
            assert_eq!(
                open_lock(path).expect_err("not a file").to_string(),
                "it is not a regular file"
            );
        }
        assert!(open_lock(&file).is_ok() && open_lock(&folder.path().join("lock")).is_ok());
    }
}
