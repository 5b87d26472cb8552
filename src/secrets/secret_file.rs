//! Whole files of a project that are encrypted with age: those below `templates/`, and the lab's key.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::files::{replace, unreadable, unwritten};
use super::format::{decrypt_file, encrypt_file};
use super::identities::needed_identities;
use super::keyring::{LAB_KEY_FILE, unopened_file};
use super::{Identities, LARGEST_FILE, Recipients};
use crate::content::{EncryptedFile, ProjectFolder, read_in_place};
use crate::error::{Diagnostic, suggestion};

/// The folder with such files.
const FOLDER: &str = "templates";

/// An encrypted file of a project.
pub struct SecretFile {
    /// Its path in the project.
    pub shown: String,
    root: PathBuf,
    /// Where it is; `None` if it does not exist.
    place: Option<PathBuf>,
}

impl SecretFile {
    /// The file that someone calls `given`, a path from the folder `here` or from the root of the project. `None` if no encrypted
    /// file has such a name.
    ///
    /// Errors: it is not below `templates/`.
    pub fn find(root: &Path, here: &Path, given: &str) -> Result<Option<Self>, Diagnostic> {
        if !given.ends_with(EncryptedFile::SUFFIX) {
            return Ok(None);
        }
        let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
        let path = here.join(given);
        let from_here = path.parent().and_then(|folder| folder.canonicalize().ok());
        let from_here = from_here.and_then(|folder| Some(folder.join(path.file_name()?)));
        let from_here = from_here.and_then(|path| path.strip_prefix(&root).ok().map(Path::to_path_buf));
        let known = all(&root);
        let is_meant = |path: &PathBuf| path.starts_with(FOLDER);
        let shown = from_here.filter(is_meant).unwrap_or_else(|| PathBuf::from(given));
        if !is_meant(&shown) || shown.components().any(|part| part == std::path::Component::ParentDir) {
            let hint = suggestion(given, known.iter().map(String::as_str));
            return Err(Diagnostic::new(format!("`{given}` is not below `{FOLDER}/`"))
                .hint(hint.unwrap_or_else(|| format!("write a path such as `{FOLDER}/tls/server.key.age`"))));
        }
        Self::of(&root, shown.to_string_lossy().into_owned()).map(Some)
    }

    /// Every encrypted file of the project at `root`.
    ///
    /// Errors: one is out of reach.
    pub(super) fn all(root: &Path) -> Result<Vec<Self>, Diagnostic> {
        let mut files: Vec<Self> = all(root)
            .into_iter()
            .map(|shown| Self::of(root, shown))
            .collect::<Result<_, _>>()?;
        files.extend(Some(Self::of(root, LAB_KEY_FILE.to_owned())?).filter(Self::is_there));
        Ok(files)
    }

    /// The file at `shown`, its path in the project.
    ///
    /// Errors: it leads out of the project.
    pub(super) fn of(root: &Path, shown: String) -> Result<Self, Diagnostic> {
        let place = ProjectFolder::new(root)
            .find(Path::new(&shown))
            .map_err(|refused| unreadable(&shown, &refused))?;
        Ok(Self {
            shown,
            root: root.to_path_buf(),
            place,
        })
    }

    /// Whether it exists.
    pub fn is_there(&self) -> bool {
        self.place.is_some()
    }

    /// What is in it.
    ///
    /// Errors: there is no such file, or no key opens it.
    pub fn get(&self) -> Result<Zeroizing<Vec<u8>>, Diagnostic> {
        self.decrypted(&needed_identities(&self.root)?)
    }

    /// The same with these keys.
    ///
    /// Errors: the same.
    pub(super) fn decrypted(&self, identities: &Identities) -> Result<Zeroizing<Vec<u8>>, Diagnostic> {
        let Some(bytes) = self.bytes()? else {
            let known = all(&self.root);
            let hint = suggestion(&self.shown, known.iter().map(String::as_str));
            return Err(Diagnostic::new(format!("`{}` does not exist", self.shown))
                .hint(hint.unwrap_or_else(|| format!("`homelab secrets set {}` makes it", self.shown))));
        };
        decrypt_file(&bytes, identities).map_err(|why| unopened_file(&self.shown, &why, identities))
    }

    /// The encrypted bytes; `None` if it does not exist.
    ///
    /// Errors: it cannot be read.
    pub(super) fn bytes(&self) -> Result<Option<Vec<u8>>, Diagnostic> {
        let read = self.place.as_ref().map(|place| read_in_place(place, 2 * LARGEST_FILE));
        read.transpose().map_err(|refused| unreadable(&self.shown, &refused))
    }

    /// Encrypts `content` for all recipients of the project, and writes it.
    ///
    /// Errors: there are no recipients, or the file cannot be written.
    pub fn set(&self, content: &[u8]) -> Result<(), Diagnostic> {
        self.write(content, &Recipients::of_project(&self.root)?)
    }

    /// The same for these recipients.
    ///
    /// Errors: the file cannot be written.
    pub(super) fn write(&self, content: &[u8], recipients: &Recipients) -> Result<(), Diagnostic> {
        if content.len() as u64 > LARGEST_FILE {
            return Err(Diagnostic::new(format!("`{}` would be too large", self.shown))
                .because("homelab decrypts files of up to 16 MiB"));
        }
        let place = self.place.clone().unwrap_or_else(|| self.root.join(&self.shown));
        let folder = place.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder)
            .and_then(|()| replace(&place, &encrypt_file(content, recipients), None))
            .map_err(|error| unwritten(&self.shown, &error))
    }
}

/// The paths of all encrypted files below `templates/`.
fn all(root: &Path) -> Vec<String> {
    let found = ProjectFolder::new(root).list(FOLDER).into_iter();
    found
        .map(|found| found.shown.to_string_lossy().into_owned())
        .filter(|shown| shown.ends_with(EncryptedFile::SUFFIX))
        .collect()
}

/// The encrypted files of the project at `root`.
pub fn secret_files(root: &Path) -> Vec<String> {
    all(root)
}
