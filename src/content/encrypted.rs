//! Files of a project that are encrypted there. Each is decrypted when its content is first needed.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::error::Diagnostic;
use crate::secret::remember_file;

/// Decrypts the bytes of the file that people call by the first argument.
///
/// Errors: [`Undecrypted`].
pub type Decrypt = dyn Fn(&str, &[u8]) -> Result<Vec<u8>, Undecrypted> + Send + Sync;

/// Why a file was not decrypted.
#[derive(Clone, Debug)]
pub enum Undecrypted {
    /// There is no key for it, and that is no mistake.
    NeedsKey,
    /// A mistake.
    Mistake(Box<Diagnostic>),
}

/// A file that is encrypted in the project.
pub struct EncryptedFile {
    name: String,
    bytes: Vec<u8>,
    decrypt: Arc<Decrypt>,
    decrypted: OnceLock<Result<Arc<[u8]>, Undecrypted>>,
}

impl EncryptedFile {
    /// What the names of encrypted files end in. Their content has the name without it.
    pub const SUFFIX: &str = ".age";

    /// The file at `name`, its path in the project, with these encrypted bytes.
    pub fn new(name: impl Into<String>, bytes: Vec<u8>, decrypt: Arc<Decrypt>) -> Self {
        Self {
            name: name.into(),
            bytes,
            decrypt,
            decrypted: OnceLock::new(),
        }
    }

    /// What people call it: its path in the project.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is in it.
    ///
    /// Errors: it was not decrypted.
    pub fn content(&self) -> Result<&Arc<[u8]>, &Undecrypted> {
        let decrypt = || {
            let content = (self.decrypt)(&self.name, &self.bytes)?;
            remember_file(&content);
            Ok(content.into())
        };
        self.decrypted.get_or_init(decrypt).as_ref()
    }

    /// What is in it, if that is text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.content().ok()?).ok()
    }
}

impl fmt::Debug for EncryptedFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EncryptedFile({})", self.name)
    }
}
