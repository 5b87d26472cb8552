//! Bytes that are sent to hosts. Small ones are in memory; a large file of the project is read when it is sent, and a plan holds
//! its name, size and digest alone.

mod chart;
mod deb;
mod encrypted;
mod files;
mod folder;
mod image_archive;
mod kept;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::secret::{DigestKey, KeyedDigest, Secret, sha256_hex};
use crate::value::Text;

pub use chart::{ChartFiles, NoChart};
pub use deb::NoControl;
pub use encrypted::{Decrypt, EncryptedFile, Undecrypted};
pub use files::{Assets, LargeFile, open_lock, open_regular, special_file, special_key_file};
pub use folder::{Found, ProjectFolder, Refused, UNFINISHED, open_in_place, read_in_place};
pub use image_archive::{ArchivedImage, NoImage};
pub use kept::{
    CHARTS, DOWNLOADS, LAB, LAB_HELM, LAB_K3S, chart_file, download, lab_file, lab_files, lab_helm_file, lab_k3s,
    lab_k3s_file,
};

/// Bytes that are sent to a host. Equal where size and digest are.
///
/// It is stored as its size and digest; the bytes are kept apart and found again by the digest ([`Content::attach`]).
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    sha256: String,
    size: u64,
    #[serde(skip)]
    source: Source,
    /// What reviews do not show of it.
    #[serde(skip)]
    covered: Option<Covered>,
}

/// What of the bytes is not shown.
#[derive(Clone)]
enum Covered {
    /// What of this text came from a secret, or is known only later.
    Text(Arc<Text>),
    /// All of it: it is a secret, and no text.
    Whole,
}

/// Where the bytes are.
#[derive(Clone, Default)]
enum Source {
    Memory(Arc<[u8]>),
    File(Arc<LargeFile>),
    /// They were stored apart and are not attached yet.
    #[default]
    Apart,
}

impl Content {
    /// Bytes that stay in memory.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self {
            sha256: sha256_hex(&bytes),
            size: bytes.len() as u64,
            source: Source::Memory(bytes),
            covered: None,
        }
    }

    /// Text, of which parts may come from secrets.
    pub fn of_text(text: &Text) -> Self {
        Self {
            covered: text.is_covered().then(|| Covered::Text(Arc::new(text.clone()))),
            ..Self::new(text.expose().as_bytes())
        }
    }

    /// Bytes that are a secret as a whole.
    pub fn of_secret(bytes: &Arc<[u8]>) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Self::of_text(&Secret::new(text).into()),
            _ => Self {
                covered: Some(Covered::Whole),
                ..Self::new(Arc::clone(bytes))
            },
        }
    }

    /// Whether any of it came from a secret.
    pub fn is_secret(&self) -> bool {
        match &self.covered {
            Some(Covered::Text(text)) => text.is_secret(),
            Some(Covered::Whole) => true,
            None => false,
        }
    }

    /// Whether it is a secret and no text.
    pub fn is_secret_binary(&self) -> bool {
        matches!(self.covered, Some(Covered::Whole))
    }

    /// The text, if any of it is not shown: it came from a secret, or is known only later.
    pub fn covered_text(&self) -> Option<&Text> {
        match &self.covered {
            Some(Covered::Text(text)) => Some(text),
            Some(Covered::Whole) | None => None,
        }
    }

    /// A file that is read when it is sent; it is read through once for its digest, however many hosts get it.
    ///
    /// Errors: it cannot be read.
    pub fn of_file(file: &Arc<LargeFile>) -> io::Result<Self> {
        let (sha256, size) = file.measured()?;
        Ok(Self {
            sha256,
            size,
            source: Source::File(Arc::clone(file)),
            covered: None,
        })
    }

    /// Bytes that a host gets by itself, of which only the digest is known.
    pub fn of_digest(sha256: &str) -> Self {
        Self {
            sha256: sha256.to_owned(),
            ..Self::apart()
        }
    }

    fn apart() -> Self {
        Self {
            sha256: String::new(),
            size: 0,
            source: Source::Apart,
            covered: None,
        }
    }

    /// The SHA-256 in lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes, where they are in memory.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Memory(bytes) => Some(bytes),
            Source::File(_) | Source::Apart => None,
        }
    }

    /// The file that holds the bytes, where they are not in memory.
    pub fn file(&self) -> Option<&LargeFile> {
        match &self.source {
            Source::File(file) => Some(file),
            Source::Memory(_) | Source::Apart => None,
        }
    }

    /// Says that the bytes are those of `file`. Whether they are is checked as they are sent.
    pub fn attach(&mut self, name: &str, file: &Path) {
        let place = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
        self.source = Source::File(Arc::new(LargeFile::new(name, &place)));
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.sha256 == other.sha256
    }
}

impl Eq for Content {}

/// The bytes may be a secret, and their digest may help to guess them: only the size is shown.
impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} bytes]", self.size)
    }
}

/// What a command reads on its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Bytes that may be shown.
    Open(Content),
    /// Bytes that are never shown.
    Secret(SecretInput),
}

impl Input {
    /// Input that may be shown.
    pub fn open(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::Open(Content::new(bytes))
    }

    /// Input that is never shown. `key` makes the digest that identifies it.
    pub fn secret(bytes: impl Into<Arc<[u8]>>, key: &DigestKey) -> Self {
        let content = Content::new(bytes);
        Self::Secret(SecretInput {
            digest: key.digest(content.sha256()),
            content: Some(content),
        })
    }

    /// The bytes to send. Secret ones that were not stored cannot be sent.
    pub fn content(&self) -> Content {
        match self {
            Self::Open(content) => content.clone(),
            Self::Secret(secret) => secret.content.clone().unwrap_or_else(Content::apart),
        }
    }
}

/// Input that is never shown.
///
/// Only its keyed digest is stored. To apply a stored plan, the bytes must be provided again; the digest shows whether they
/// are those that were reviewed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretInput {
    digest: KeyedDigest,
    #[serde(skip)]
    content: Option<Content>,
}

impl PartialEq for SecretInput {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for SecretInput {}

impl fmt::Debug for SecretInput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_input_is_neither_shown_nor_stored() {
        let key = DigestKey::random();
        let input = Input::secret(*b"hunter2", &key);
        assert_eq!(format!("{input:?}"), "Secret([secret])");
        let stored = serde_json::to_string(&input).expect("serialises");
        assert!(
            !stored.contains("hunter2") && !stored.contains(&sha256_hex(b"hunter2")),
            "{stored}"
        );
        let back: Input = serde_json::from_str(&stored).expect("reads");
        assert_eq!(back, input);
        assert_eq!(input.content().bytes(), Some(&b"hunter2"[..]));
        assert_eq!(back.content().bytes(), None);
        assert_ne!(Input::secret(*b"hunter3", &key), input);
    }

    #[test]
    fn content_is_stored_as_size_and_digest() {
        let content = Content::new(*b"abc");
        let stored = serde_json::to_string(&content).expect("serialises");
        assert_eq!(stored, format!(r#"{{"sha256":"{}","size":3}}"#, sha256_hex(b"abc")));
        let back: Content = serde_json::from_str(&stored).expect("reads");
        assert_eq!(back, content);
        assert!(back.bytes().is_none() && back.file().is_none());
        assert_eq!(format!("{content:?}"), "[3 bytes]");
    }

    #[test]
    fn a_large_file_is_known_by_size_and_digest() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("large");
        let bytes = vec![7; 300_000];
        std::fs::write(&path, &bytes).expect("written");
        let mut files = Assets::default();
        files.insert_large("large", &path);
        let file = files.large("large").expect("there");
        let content = Content::of_file(file).expect("readable");
        assert_eq!(content, Content::new(bytes));
        assert_eq!((content.bytes(), file.name()), (None, "templates/large"));
        // What was reviewed is what the plan says, whatever happens to the file.
        std::fs::write(&path, "other").expect("written");
        assert_eq!(Content::of_file(file).expect("readable"), content);
    }
}
