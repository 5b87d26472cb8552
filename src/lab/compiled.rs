//! What the lab compiles on this machine: once, in a folder of the cache that is named after what it is made from.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::TempDir;
use tokio::process::Command;

use super::error::LabError;
use super::events::{Events, ImageStep, LabEvent};
use super::{lock, naming, state};

const SHA256_BYTES: usize = 32;

/// Something that is compiled and kept.
pub(super) struct Compiled {
    /// The name of its folder, which follows from what it is made from.
    pub(super) name: String,
    /// The file that is locked while it is compiled.
    pub(super) lock: &'static str,
    /// What users are told that it is, and how long it takes.
    pub(super) what: &'static str,
    pub(super) takes: &'static str,
}

/// Where it is being compiled. No other process does that meanwhile.
pub(super) struct Compiling<'a, 'b> {
    events: &'a Events<'b>,
    name: String,
    folder: PathBuf,
    work: TempDir,
    built: PathBuf,
    started: Instant,
    _lock: File,
}

impl Compiled {
    /// Where this machine keeps it.
    pub(super) fn folder(&self) -> PathBuf {
        lock::cache().join(&self.name)
    }

    /// Begins to compile it; `None` if it is there.
    pub(super) async fn begin<'a, 'b>(&self, events: &'a Events<'b>) -> Result<Option<Compiling<'a, 'b>>, LabError> {
        let folder = self.folder();
        if folder.exists() {
            return Ok(None);
        }
        let lock = lock::hold(self.lock).await?;
        // Another run may have made it in the meantime.
        if folder.exists() {
            return Ok(None);
        }
        let (started, cache) = (Instant::now(), lock::cache());
        events.report(LabEvent::Image {
            image: self.name.clone(),
            step: ImageStep::Compiling {
                what: self.what,
                takes: self.takes,
            },
        });
        let work = tempfile::tempdir_in(&cache).map_err(disk("write", &cache))?;
        let built = work.path().join("built");
        fs::create_dir_all(&built).map_err(disk("create", &built))?;
        Ok(Some(Compiling {
            events,
            name: self.name.clone(),
            folder,
            work,
            built,
            started,
            _lock: lock,
        }))
    }
}

impl Compiling<'_, '_> {
    /// A folder for whatever it needs.
    pub(super) fn work(&self) -> &Path {
        self.work.path()
    }

    /// The folder for what is kept.
    pub(super) fn built(&self) -> &Path {
        &self.built
    }

    /// Keeps what is in the folder `built`.
    pub(super) fn keep(self) -> Result<(), LabError> {
        fs::rename(&self.built, &self.folder).map_err(disk("rename", &self.built))?;
        self.events.report(LabEvent::Image {
            image: self.name,
            step: ImageStep::Made {
                took: self.started.elapsed(),
            },
        });
        Ok(())
    }
}

/// `go build` of a module in a folder.
pub(super) fn go_build(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(folder)
        // A workspace of the user, in a folder above, has nothing to do with it.
        .env("GOWORK", "off")
        .arg("build");
    command
}

/// Keeps a program under a name, with its digest.
pub(super) fn keep_program(program: &Path, built: &Path, name: &str) -> Result<(), LabError> {
    let to = built.join(name);
    fs::rename(program, &to).map_err(disk("rename", program))?;
    let whole = fs::read(&to).map_err(disk("read", &to))?;
    let digest = naming::hex_of(&whole, SHA256_BYTES);
    let beside = built.join(format!("{name}.sha256"));
    state::write(&beside, format!("{digest}\n").as_bytes())
}

pub(super) fn disk(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LabError {
    let path = path.to_path_buf();
    move |source| LabError::Disk { action, path, source }
}

/// The files of a Go module below `src/lab`, without its tests.
#[cfg(test)]
pub(super) fn files_of_module(name: &str) -> std::collections::BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lab").join(name);
    let (mut folders, mut found) = (vec![root.clone()], std::collections::BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.to_string_lossy().ends_with("_test.go") {
                let below = path.strip_prefix(&root).expect("below it");
                found.insert(below.to_string_lossy().into_owned());
            }
        }
    }
    found
}
