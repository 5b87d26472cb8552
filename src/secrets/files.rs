//! The files of a project that may have encrypted values, read and written whole.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use super::document::Document;
use super::paths::CERTIFICATES;
use crate::content::{ProjectFolder, Refused, UNFINISHED, read_in_place};
use crate::error::{Diagnostic, Diagnostics, not_text, suggestion};

/// The folders with files that may have encrypted values.
const FOLDERS: &[&str] = &["group_data", "inventories", CERTIFICATES];
/// The folder with files that may be encrypted as a whole.
const TEMPLATES: &str = "templates";
/// A larger file is not read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// A file with data: where it is, and what it says.
#[derive(Clone, Debug)]
pub(super) struct DataFile {
    /// Its path in the project.
    pub(super) shown: String,
    place: PathBuf,
    pub(super) document: Document,
    /// As it was read.
    before: Vec<u8>,
}

impl DataFile {
    /// The file that someone calls `given`: a path from the folder `here`, or from the root of the project.
    ///
    /// Errors: there is none, it has no data of hosts, it cannot be read, or is no TOML.
    pub(super) fn find(root: &Path, here: &Path, given: &str) -> Result<Self, Diagnostics> {
        let folder = ProjectFolder::new(root);
        let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
        let from_here = here.join(given).canonicalize().ok();
        let from_here = from_here.and_then(|path| path.strip_prefix(&root).ok().map(Path::to_path_buf));
        let is_inside = |from: &Path| lexically(&from.join(given)).starts_with(&root);
        let here = here.canonicalize().unwrap_or_else(|_| here.to_path_buf());
        if from_here.is_none() && !is_inside(&here) && !is_inside(&root) {
            let title = format!("`{given}` is not in this project");
            let hint = format!(
                "the project is `{}`: change to the folder of the other project, or name a file of `group_data/` or `inventories/`",
                root.display()
            );
            return Err(Diagnostic::new(title).hint(hint).into());
        }
        let shown = from_here.unwrap_or_else(|| PathBuf::from(given));
        let shown = shown.to_string_lossy().into_owned();
        let place = folder
            .find(Path::new(&shown))
            .map_err(|refused| unreadable(&shown, &refused))?;
        let known = all(&folder);
        let Some(place) = place.filter(|_| known.contains(&shown)) else {
            return Err(not_data(&shown, &known).into());
        };
        Self::read(shown, place)
    }

    /// Every file that may have encrypted values.
    ///
    /// Errors: one of them cannot be read, or is no TOML.
    pub(super) fn all(root: &Path) -> Result<Vec<Self>, Diagnostics> {
        let folder = ProjectFolder::new(root);
        let mut files = Vec::new();
        for top in FOLDERS {
            for found in folder.list(top).into_iter().filter(|found| is_toml(&found.shown)) {
                let shown = found.shown.to_string_lossy().into_owned();
                let place = found.place.map_err(|refused| unreadable(&shown, &refused))?;
                files.push(Self::read(shown, place)?);
            }
        }
        Ok(files)
    }

    fn read(shown: String, place: PathBuf) -> Result<Self, Diagnostics> {
        let before = read_in_place(&place, LARGEST).map_err(|refused| unreadable(&shown, &refused))?;
        let text = std::str::from_utf8(&before).map_err(|_| not_text(&shown, &before))?;
        let document = Document::parse(&shown, text)?;
        Ok(Self {
            shown,
            place,
            document,
            before,
        })
    }

    /// Replaces the file by what it says now, if that differs; returns whether it does.
    ///
    /// Errors: it cannot be written, or someone else changed it since it was read.
    pub(super) fn write(&self) -> Result<bool, Diagnostic> {
        let text = self.document.text();
        if text.as_bytes() == self.before {
            return Ok(false);
        }
        let now = read_in_place(&self.place, LARGEST).map_err(|refused| unreadable(&self.shown, &refused))?;
        if now != self.before {
            return Err(Diagnostic::new(format!("`{}` was changed meanwhile", self.shown))
                .hint("run the command again; nothing was written to it"));
        }
        replace(&self.place, text.as_bytes(), None)
            .map_err(|error| unwritten(&self.shown, &error))
            .map(|()| true)
    }
}

/// A path without `.` and `..`, links not followed.
fn lexically(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// The mistake of a file that cannot be written.
pub(super) fn unwritten(shown: &str, error: &std::io::Error) -> Diagnostic {
    Diagnostic::new(format!("cannot write `{shown}`")).because(error.to_string())
}

/// Removes the files that commands left which were killed while they wrote. What another one writes right now stays.
pub fn remove_unfinished(root: &Path) {
    let folders = [FOLDERS, &[TEMPLATES]].concat();
    for place in ProjectFolder::new(root).unfinished(&folders) {
        let Ok(file) = std::fs::File::open(&place) else {
            continue;
        };
        // The lock is held until the name is gone: the next holder sees that it is.
        if file.try_lock().is_ok() {
            // Otherwise the next command tries again.
            let _ = std::fs::remove_file(place);
        }
    }
}

/// Replaces a file at once: a reader sees the old or the new one. Without `mode` it keeps its own, or gets that of a
/// new file.
pub fn replace(place: &Path, bytes: &[u8], mode: Option<u32>) -> std::io::Result<()> {
    let kept = place
        .metadata()
        .ok()
        .map(|metadata| metadata.permissions().mode() & 0o7777);
    let wanted = mode.or(kept).unwrap_or(0o666);
    let file = unfinished(place, bytes, wanted)?;
    if kept.is_some() && mode.is_none() {
        // A new file loses what the umask takes away.
        let permissions = std::fs::Permissions::from_mode(wanted);
        file.as_file().set_permissions(permissions)?;
        file.as_file().sync_all()?;
    }
    file.persist(place)?;
    Ok(())
}

/// A file that is written whole and has no place yet. It is removed if it gets none.
pub struct NewFile(tempfile::NamedTempFile);

impl NewFile {
    /// Writes `bytes` to a file beside `place`, with this mode.
    ///
    /// Errors: it cannot be written.
    pub fn write(place: &Path, bytes: &[u8], mode: u32) -> std::io::Result<Self> {
        unfinished(place, bytes, mode).map(Self)
    }

    /// Gives it its place.
    ///
    /// Errors: there is something already.
    pub fn place(self, place: &Path) -> std::io::Result<()> {
        self.0.persist_noclobber(place).map(drop).map_err(Into::into)
    }
}

/// How often a new file is made again that another command took for one that was left.
const ATTEMPTS: usize = 100;

/// A file beside `place` with these bytes.
fn unfinished(place: &Path, bytes: &[u8], mode: u32) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = locked(folder, mode)?;
    for _ in 0..ATTEMPTS {
        if file.as_file().metadata()?.nlink() > 0 {
            break;
        }
        file = locked(folder, mode)?;
    }
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// An empty file that is locked until it has its place, or this process ends. Before it was locked, another command may have removed
/// it; where there are no locks, also later.
fn locked(folder: &Path, mode: u32) -> std::io::Result<tempfile::NamedTempFile> {
    let file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    let _ = file.as_file().lock();
    Ok(file)
}

/// The files of the project at `root` that may have encrypted values.
pub fn data_files(root: &Path) -> Vec<String> {
    all(&ProjectFolder::new(root))
}

fn all(folder: &ProjectFolder) -> Vec<String> {
    let found = FOLDERS.iter().flat_map(|top| folder.list(top));
    found
        .filter(|found| is_toml(&found.shown))
        .map(|found| found.shown.to_string_lossy().into_owned())
        .collect()
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "toml")
}

fn not_data(shown: &str, known: &[String]) -> Diagnostic {
    let bare = shown.strip_suffix(".toml").unwrap_or(shown);
    let same_name = |path: &&String| {
        let name = path.split_once('/').map_or(path.as_str(), |(_, name)| name);
        name.strip_suffix(".toml") == Some(bare.rsplit('/').next().unwrap_or(bare))
    };
    let hint = match known.iter().find(same_name) {
        Some(near) => format!("did you mean `{near}`?"),
        None => suggestion(shown, known.iter().map(String::as_str))
            .unwrap_or_else(|| "name a file of `group_data/` or `inventories/`".to_owned()),
    };
    let title = if FOLDERS.iter().any(|top| shown.starts_with(&format!("{top}/"))) {
        format!("`{shown}` does not exist")
    } else {
        format!("`{shown}` is not a file with data of hosts")
    };
    Diagnostic::new(title).hint(hint)
}

/// The mistake of a file that cannot be read.
pub(super) fn unreadable(shown: &str, refused: &Refused) -> Diagnostic {
    Diagnostic::new(format!("cannot read `{shown}`")).because(refused.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A file that is being written is never taken for one that a killed command left.
    #[test]
    fn what_another_command_writes_right_now_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("group_data");
        std::fs::create_dir(&folder).unwrap();
        let left = folder.join(format!("{UNFINISHED}left"));
        std::fs::write(&left, "half").unwrap();
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_done.load(Ordering::Relaxed) {
                        remove_unfinished(root.path());
                    }
                });
            }
            let place = folder.join("new.toml");
            let written: std::io::Result<Vec<()>> = (0..800)
                .map(|_| {
                    NewFile::write(&place, b"x = 1\n", 0o666)?.place(&place)?;
                    std::fs::remove_file(&place)
                })
                .collect();
            is_done.store(true, Ordering::Relaxed);
            assert!(written.is_ok(), "{written:?}");
        });
        assert!(!left.exists());
    }
}
