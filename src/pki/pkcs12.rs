//! A certificate with its private key as one file with a password, for browsers and phones (PKCS#12).

use p12_keystore::{
    Certificate as Part, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
};

use super::authority::key_bytes;
use super::certificate::Certificate;
use crate::error::Diagnostic;
use crate::secret::Secret;

/// How often the password is hashed, so that guessing it takes long.
const MODERN_ITERATIONS: u32 = 100_000;
/// What old programs were made for.
const OLD_ITERATIONS: u32 = 2048;

/// How the file is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// AES-256, with a key by PBKDF2 with SHA-256.
    Modern,
    /// Triple DES and SHA-1, for old phones and programs.
    Legacy,
}

/// The bytes of the file.
pub(super) fn pkcs12(
    certificate: &Certificate,
    key: &Secret,
    authority: &Certificate,
    password: &Secret,
    encryption: Encryption,
) -> Result<Vec<u8>, Diagnostic> {
    let unmade =
        |why: String| Diagnostic::new(format!("cannot make a PKCS#12 file of `{}`", certificate.name)).because(why);
    let broken = |error: p12_keystore::error::Error| unmade(error.to_string());
    let bytes = key_bytes(key).ok_or_else(|| unmade("its private key is damaged".to_owned()))?;
    let private = PrivateKey::from_der(&bytes).map_err(broken)?;
    let parts = [certificate, authority].map(|one| Part::from_der(&one.der));
    let parts = parts.into_iter().collect::<Result<Vec<_>, _>>().map_err(broken)?;
    let chain = PrivateKeyChain::new(certificate.serial.as_bytes(), private, parts);
    let mut store = KeyStore::new();
    store.add_entry(&certificate.name, KeyStoreEntry::PrivateKeyChain(chain));
    let (algorithm, mac, iterations) = match encryption {
        Encryption::Modern => (
            EncryptionAlgorithm::PbeWithHmacSha256AndAes256,
            MacAlgorithm::HmacSha256,
            MODERN_ITERATIONS,
        ),
        Encryption::Legacy => (
            EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc,
            MacAlgorithm::HmacSha1,
            OLD_ITERATIONS,
        ),
    };
    let writer = store.writer(password.expose());
    let writer = writer.encryption_algorithm(algorithm).encryption_iterations(iterations);
    let writer = writer.mac_algorithm(mac).mac_iterations(iterations);
    writer.write().map_err(broken)
}
