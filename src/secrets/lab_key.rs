//! The lab's key: `.lab-key.age` at the root of a project. Salts are made with it, so they are the same for everyone who can
//! decrypt, and only they can compute them.

use std::path::Path;

use zeroize::Zeroizing;

use super::Recipients;
use super::keyring::LAB_KEY_FILE;
use super::secret_file::SecretFile;
use crate::error::Diagnostic;
use crate::secret::hex;

/// Makes a random key for the project at `root` unless it has one; returns whether it did.
///
/// Errors: the file cannot be written.
pub(super) fn make_lab_key(root: &Path, recipients: &Recipients) -> Result<bool, Diagnostic> {
    let file = SecretFile::of(root, LAB_KEY_FILE.to_owned())?;
    if file.is_there() {
        return Ok(false);
    }
    let random: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
    let text = Zeroizing::new(hex(&*random) + "\n");
    file.write(text.as_bytes(), recipients).map(|()| true)
}
