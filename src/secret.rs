//! Secret text, and digests that show whether it changed without revealing it.

mod encrypted;
mod known;
mod mask;
mod value;

use std::fmt;
use std::io::{self, Read};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use encrypted::{ENCRYPTED_END, ENCRYPTED_START, encrypted_value};
pub use known::{Redactor, redacted, remember, remember_file};
pub use mask::{LATER, MASK};
pub use value::{Cover, Secret, Sort, World};

/// The environment variable with the password for `sudo`.
pub const PASSWORD_VARIABLE: &str = "HOMELAB_BECOME_PASSWORD";
/// The environment variable with the key of the lab, which `password_hash` uses.
pub const LAB_KEY_VARIABLE: &str = "HOMELAB_LAB_KEY";
/// Environment variables with private keys of age.
pub const KEY_VARIABLES: &[&str] = &["HOMELAB_AGE_KEY", "SOPS_AGE_KEY"];
/// Every environment variable with a secret. They are removed from the environment of every child process.
pub const SECRET_VARIABLES: &[&str] = &[PASSWORD_VARIABLE, LAB_KEY_VARIABLE, KEY_VARIABLES[0], KEY_VARIABLES[1]];

/// A command that gets no secret of this program by its environment.
pub trait WithoutSecrets {
    /// Removes [`SECRET_VARIABLES`] from its environment.
    fn without_secrets(&mut self) -> &mut Self;
}

impl WithoutSecrets for std::process::Command {
    fn without_secrets(&mut self) -> &mut Self {
        SECRET_VARIABLES
            .iter()
            .fold(self, |command, variable| command.env_remove(variable))
    }
}

impl WithoutSecrets for tokio::process::Command {
    fn without_secrets(&mut self) -> &mut Self {
        self.as_std_mut().without_secrets();
        self
    }
}

/// The random key of one run for digests of secret content, so that they can be printed.
#[derive(Clone)]
pub struct DigestKey([u8; 32]);

impl DigestKey {
    /// A new random key.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The key itself in lower-case hex, for readers who may see what was digested.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// The key that [`hex`](Self::hex) gave; `None` if it is no key.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes().chunks(2);
        let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let bytes: Option<Vec<u8>> = bytes.collect();
        bytes?.try_into().ok().map(Self)
    }

    /// The keyed digest of content with the SHA-256 `sha256` (hex).
    pub fn digest(&self, sha256: &str) -> KeyedDigest {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(sha256.as_bytes());
        KeyedDigest(hex(&mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// `HMAC(key, sha256)` of secret content: equal for equal content within a run, and useless to guess the content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedDigest(pub String);

/// The SHA-256 of `content` in lowercase hex, as `sha256sum` prints it.
pub fn sha256_hex(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// The same of all that `reader` gives, and how many bytes that was. No more than a piece of it is in memory at once.
///
/// Errors: those of `reader`.
pub fn sha256_hex_of(mut reader: impl Read) -> io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok((hex(&hasher.finalize()), size)),
            Ok(count) => {
                hasher.update(&piece[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A SHA-256 that is taken piece by piece.
#[derive(Default)]
pub struct Sha256Sum(Sha256);

impl Sha256Sum {
    /// Takes in the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces in lower-case hex.
    pub fn hex(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_that_of_sha256sum_and_keyed_ones_differ_by_key() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_hex(b""), empty);
        let (one, other) = (DigestKey::random(), DigestKey::random());
        assert_eq!(one.digest(empty), one.digest(empty));
        assert_ne!(one.digest(empty), other.digest(empty));
    }
}
