//! The files that a project is read from.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::bundle::{Bundle, BundledFile};
use super::large::measured;
use crate::agent;
use crate::content::{
    Assets, CHARTS, DOWNLOADS, EncryptedFile, LAB, ProjectFolder, Refused, lab_archives, lab_files, read_in_place,
};
use crate::error::Diagnostic;
use crate::project::{LargeCopy, name_of};
use crate::secrets::{CERTIFICATES, LAB_KEY_FILE, RECIPIENTS_FILE};

/// The folders of a project that are copied, but for large files of [`TEMPLATES`] and [`CHARTS`].
const FOLDERS: &[&str] = &[
    "inventories",
    "group_data",
    "deploys",
    "tasks",
    TEMPLATES,
    CHARTS,
    CERTIFICATES,
];
const TEMPLATES: &str = "templates";
/// The files beside them.
const FILES: &[&str] = &[RECIPIENTS_FILE, LAB_KEY_FILE];
/// No larger file is read whole, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The files of the project at `root`, as they are now. What is encrypted there stays so.
///
/// Errors: a file that cannot be read.
pub fn gather_files(root: &Path) -> Result<Bundle, Diagnostic> {
    let folder = ProjectFolder::new(root);
    let mut bundle = Bundle {
        name: name_of(root),
        ..Bundle::default()
    };
    for name in FOLDERS {
        for found in folder.list(name) {
            let path = found.shown.to_string_lossy().into_owned();
            let place = found.place.map_err(|refused| unreadable(&path, &refused))?;
            add(&mut bundle, path, &place)?;
        }
    }
    for name in FILES {
        let found = folder
            .find(Path::new(name))
            .map_err(|refused| unreadable(name, &refused))?;
        if let Some(place) = found {
            add(&mut bundle, (*name).to_owned(), &place)?;
        }
    }
    for found in folder.list(DOWNLOADS) {
        let path = found.shown.to_string_lossy().into_owned();
        let place = found.place.map_err(|refused| unreadable(&path, &refused))?;
        bundle.large.push(large(path, &place, false)?);
    }
    let of_lab = lab_files().chain(lab_archives()).map(|file| format!("{LAB}/{file}"));
    for path in of_lab.chain(agent::offered().map(|(path, _)| path)) {
        if let Ok(Some(place)) = folder.find(Path::new(&path)) {
            bundle.large.push(large(path, &place, false)?);
        }
    }
    Ok(bundle)
}

fn add(bundle: &mut Bundle, path: String, place: &Path) -> Result<(), Diagnostic> {
    let failed = |error: std::io::Error| unreadable(&path, &Refused::Io(error));
    let metadata = place.metadata().map_err(failed)?;
    let is_executable = metadata.permissions().mode() & 0o100 != 0;
    if metadata.len() > Assets::LARGEST_IN_MEMORY && is_sent_as_it_is(&path) {
        bundle.large.push(large(path, place, is_executable)?);
        return Ok(());
    }
    let bytes = read_in_place(place, LARGEST).map_err(|refused| unreadable(&path, &refused))?;
    bundle.files.insert(
        path,
        BundledFile {
            bytes: Arc::from(bytes),
            is_executable,
        },
    );
    Ok(())
}

/// Whether a file is neither rendered nor parsed nor decrypted.
fn is_sent_as_it_is(path: &str) -> bool {
    let is_read = [Assets::TEMPLATE_SUFFIX, EncryptedFile::SUFFIX, ".toml"]
        .iter()
        .any(|ending| path.ends_with(ending));
    path.starts_with(CHARTS) || path.starts_with(TEMPLATES) && !is_read
}

fn large(path: String, place: &Path, is_executable: bool) -> Result<LargeCopy, Diagnostic> {
    let (sha256, size) = measured(place).map_err(|refused| unreadable(&path, &refused))?;
    Ok(LargeCopy {
        path,
        sha256,
        size,
        is_executable,
    })
}

fn unreadable(path: &str, refused: &Refused) -> Diagnostic {
    Diagnostic::new(format!("cannot read `{path}`"))
        .because(refused.to_string())
        .hint("a saved plan has all files of the project: run `homelab check`, and correct or remove this one")
}
