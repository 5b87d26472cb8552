//! A JSON file that is either as it was or as it is meant to be, whenever the power goes.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a state file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", .path.display())]
pub struct StateError {
    action: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

/// One file in the folder that systemd gives the service (`StateDirectory=`).
#[derive(Debug, Clone)]
pub struct StateFile {
    path: PathBuf,
}

/// What a file holds.
#[derive(Debug)]
pub enum Stored<T> {
    Nothing,
    Value(T),
    /// It could not be understood, and was put aside under this name.
    PutAside(PathBuf),
}

impl StateFile {
    /// The file `name` in `folder`.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self {
            path: folder.join(name),
        }
    }

    /// Reads the value. A file that is none of this program's is renamed, so that it stops nothing and is not lost.
    ///
    /// Errors: the file is there and cannot be read, or cannot be renamed.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Stored<T>, StateError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Stored::Nothing),
            Err(source) => return Err(self.error("read", source)),
        };
        if let Ok(value) = serde_json::from_slice(&bytes) {
            return Ok(Stored::Value(value));
        }
        let aside = self.path.with_extension("json.unreadable");
        std::fs::rename(&self.path, &aside).map_err(|source| self.error("put aside", source))?;
        Ok(Stored::PutAside(aside))
    }

    /// Replaces the file. When this returns, the new content is on the disk; if it is cut off, the old content still is.
    ///
    /// Errors: the value cannot be written as JSON, or the file system refuses.
    pub fn write<T: Serialize>(&self, value: &T) -> Result<(), StateError> {
        let text = serde_json::to_vec(value).map_err(|error| self.error("write", error.into()))?;
        self.replace(&text).map_err(|source| self.error("write", source))
    }

    fn replace(&self, text: &[u8]) -> std::io::Result<()> {
        // One name, so that what a killed writer leaves is overwritten by the next one. The folder is this service's alone.
        let new = self.path.with_extension("json.new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text)?;
        file.sync_all()?;
        drop(file);
        std::fs::rename(&new, &self.path)?;
        // The rename is in the folder, which is written by itself.
        File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()
    }

    fn error(&self, action: &'static str, source: std::io::Error) -> StateError {
        StateError {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{StateFile, Stored};

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = StateFile::new(folder.path(), "queue.json");
        assert!(matches!(file.read::<Vec<u32>>().expect("read"), Stored::Nothing));
        for value in [vec![1, 2, 3], vec![], vec![7]] {
            file.write(&value).expect("written");
            assert!(matches!(file.read::<Vec<u32>>().expect("read"), Stored::Value(read) if read == value));
        }
    }

    #[test]
    fn what_is_not_understood_is_put_aside() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = StateFile::new(folder.path(), "queue.json");
        for text in ["", "[1, 2", "{\"a\": 1}", "\0\0\0"] {
            std::fs::write(folder.path().join("queue.json"), text).expect("written");
            let Stored::PutAside(aside) = file.read::<Vec<u32>>().expect("read") else {
                panic!("{text:?} was taken");
            };
            assert_eq!(std::fs::read_to_string(aside).expect("kept"), text);
            assert!(matches!(file.read::<Vec<u32>>().expect("read"), Stored::Nothing));
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let file = StateFile::new(std::path::Path::new("/nowhere"), "queue.json");
        let error = file.write(&1).expect_err("no such folder");
        assert_eq!(error.to_string(), "cannot write `/nowhere/queue.json`");
    }
}
