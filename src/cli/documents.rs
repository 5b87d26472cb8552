//! Files that the review of a run is written to, in addition to the terminal.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use homelab::error::Diagnostic;
use homelab::report::Refusal;
use homelab::report::review::Review;
use tempfile::{Builder, NamedTempFile};

use super::document_path::DocumentPath;
use super::format::DocumentFormat;
use super::output::write_document;

/// Files being written. Each replaces the old file as a whole at the end, or not at all.
#[derive(Debug, Default)]
pub(super) struct Documents(Vec<Document>);

#[derive(Debug)]
struct Document {
    path: PathBuf,
    format: DocumentFormat,
    file: NamedTempFile,
}

impl Documents {
    /// Makes sure that all files can be written, before anything is done on a host.
    ///
    /// Errors: also a file that is named twice.
    pub(super) fn create(paths: &[DocumentPath]) -> Result<Self, Diagnostic> {
        let documents: Vec<Document> = paths.iter().map(Document::create).collect::<Result<_, _>>()?;
        for (index, document) in documents.iter().enumerate() {
            if documents[..index].iter().any(|before| before.path == document.path) {
                let shown = document.path.display();
                return Err(Diagnostic::new(format!("duplicate `--format-into {shown}`")).hint("remove one of the two"));
            }
        }
        Ok(Self(documents))
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the review to all of them.
    pub(super) fn write(self, review: &Review<'_>) -> Result<(), Diagnostic> {
        self.0
            .into_iter()
            .try_for_each(|document| document.write(|format| format.render(review)))
    }

    /// Writes the mistakes of a run that has no review to all of them.
    pub(super) fn write_refusal(self, refusal: &Refusal) -> Result<(), Diagnostic> {
        self.0
            .into_iter()
            .try_for_each(|document| document.write(|format| format.render_refusal(refusal)))
    }
}

impl Document {
    fn create(wanted: &DocumentPath) -> Result<Self, Diagnostic> {
        let failed = |error: &std::io::Error| failed(&wanted.path, error);
        let path = resolved(&wanted.path).map_err(|error| failed(&error))?;
        if path.is_dir() {
            return Err(failed(&ErrorKind::IsADirectory.into()));
        }
        let mut permissions = None;
        if let Ok(found) = path.metadata() {
            if !found.is_file() {
                return Err(failed(&std::io::Error::other("it is not a regular file")));
            }
            // Renaming would replace a file that the user may not write.
            std::fs::OpenOptions::new()
                .append(true)
                .open(&path)
                .map_err(|error| failed(&error))?;
            permissions = Some(found.permissions());
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = Builder::new()
            .prefix(".homelab-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|error| failed(&error))?;
        if let Some(permissions) = permissions {
            file.as_file()
                .set_permissions(permissions)
                .map_err(|error| failed(&error))?;
        }
        Ok(Self {
            path,
            format: wanted.format,
            file,
        })
    }

    fn write(mut self, render: impl FnOnce(DocumentFormat) -> String) -> Result<(), Diagnostic> {
        let text = render(self.format);
        let written = write_document(&mut self.file, &text);
        let placed = written.and_then(|()| Ok(self.file.persist(&self.path)?));
        placed.map(drop).map_err(|error| failed(&self.path, &error))
    }
}

/// The file to replace, as an absolute path. A symbolic link stays: its target is replaced.
pub(super) fn resolved(path: &Path) -> std::io::Result<PathBuf> {
    if path.is_symlink() || path.exists() {
        return path.canonicalize();
    }
    // The same new file may be given in two ways.
    let name = path.file_name().ok_or(ErrorKind::IsADirectory)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok(folder.unwrap_or(Path::new(".")).canonicalize()?.join(name))
}

fn failed(path: &Path, error: &std::io::Error) -> Diagnostic {
    let hint = match error.kind() {
        _ if path.is_symlink() && !path.exists() => "this is a symbolic link: create what it leads to, or remove it",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room, or write to another disk",
        _ => "check `--format-into`: a file in a folder that exists and is writable",
    };
    Diagnostic::new(format!("cannot write `{}`", path.display()))
        .because(error.to_string())
        .hint(hint)
}

#[cfg(test)]
mod tests;
