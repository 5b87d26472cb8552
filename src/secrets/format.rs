//! The format of one encrypted value: `ENC[age,BASE64]`.

use std::io::{Read as _, Write as _};

use age::armor::ArmoredWriter;
use age::{DecryptError, Decryptor, Encryptor};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Identities, Recipients};
use crate::secret::{ENCRYPTED_END as END, ENCRYPTED_START as START, Secret};

/// The text is filled up to a multiple of this, so that the file does not show how long a password is. In bytes.
const PADDING: usize = 64;
/// A longer value belongs into a file of its own, in bytes.
const LONGEST: u64 = 1024 * 1024;
/// A larger file is not decrypted in memory, in bytes.
pub const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// What is encrypted: the text, and the dotted name of the data that it belongs to.
#[derive(Serialize, Deserialize)]
struct Bound {
    key: String,
    value: String,
}

/// An encrypted value, as it is in a file.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Encrypted(Vec<u8>);

/// Why an encrypted value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// The text is not of this format, or was cut or changed.
    #[error("the encrypted text is not whole: {0}")]
    Broken(&'static str),
    /// It is encrypted for other keys.
    #[error("it is encrypted for other keys")]
    OtherKeys,
    /// It was encrypted for data of another name.
    #[error("it was encrypted for `{0}`")]
    OtherName(String),
}

/// Whether a string is meant as an encrypted value of age, whole or not.
pub fn is_encrypted(text: &str) -> bool {
    text.trim_start().starts_with(START)
}

impl Encrypted {
    /// Reads `ENC[age,…]`. Line breaks and spaces within are ignored.
    ///
    /// Errors: it is not of that format.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let inner = text.trim().strip_prefix(START);
        let inner = inner.ok_or(Unreadable::Broken("it does not begin with `ENC[age,`"))?;
        let inner = inner.strip_suffix(END);
        let inner = inner.ok_or(Unreadable::Broken("it does not end with `]`"))?;
        let packed: String = inner.split_whitespace().collect();
        let bytes = STANDARD.decode(packed);
        let bytes = bytes.map_err(|_| Unreadable::Broken("what is in the brackets is not base64"))?;
        if Decryptor::new_buffered(bytes.as_slice()).is_err() {
            return Err(Unreadable::Broken("what is in the brackets was not made by age"));
        }
        Ok(Self(bytes))
    }

    /// How many public keys it is encrypted for.
    pub fn recipients(&self) -> usize {
        stanzas(&self.0)
    }

    /// The text, which belongs to the data called `key`.
    ///
    /// Errors: no key opens it, it was changed, or it belongs to other data.
    pub fn open(&self, key: &str, identities: &Identities) -> Result<Secret, Unreadable> {
        let bytes = decrypt(&self.0, identities)?;
        let bound: Bound = serde_json::from_slice(&bytes)
            .map_err(|_| Unreadable::Broken("age opens it, but it was not written by homelab"))?;
        if bound.key != key {
            return Err(Unreadable::OtherName(bound.key));
        }
        Ok(Secret::new(bound.value))
    }
}

/// `text` as the value of the data called `key`, for all `recipients`.
pub fn encrypt(key: &str, text: &Secret, recipients: &Recipients) -> String {
    let bound = Bound {
        key: key.to_owned(),
        value: text.expose().to_owned(),
    };
    // Nothing here can fail: all of it is text.
    let mut bytes = Zeroizing::new(serde_json::to_vec(&bound).unwrap_or_default());
    drop(Zeroizing::new(bound.value));
    let padded = bytes.len().next_multiple_of(PADDING);
    bytes.resize(padded, b' ');
    format!("{START}{}{END}", STANDARD.encode(encrypt_bytes(&bytes, recipients)))
}

/// Bytes for all `recipients`, in age's binary format.
pub(super) fn encrypt_bytes(bytes: &[u8], recipients: &Recipients) -> Vec<u8> {
    let keys = recipients.keys().map(|key| key as &dyn age::Recipient);
    let encrypted = Encryptor::with_recipients(keys).map(|encryptor| {
        let mut encrypted = Vec::with_capacity(bytes.len() + 512);
        let written = encryptor.wrap_output(&mut encrypted).and_then(|mut writer| {
            writer.write_all(bytes)?;
            writer.finish().map(drop)
        });
        written.map(|()| encrypted)
    });
    match encrypted {
        Ok(Ok(encrypted)) => encrypted,
        // `Recipients` are never none, and memory takes everything.
        _ => unreachable!("recipients of one kind, and a writer to memory"),
    }
}

/// The text of a file with `content` for all `recipients`.
pub(super) fn encrypt_file(content: &[u8], recipients: &Recipients) -> Vec<u8> {
    let mut text = Vec::new();
    let bytes = encrypt_bytes(content, recipients);
    let written = ArmoredWriter::wrap_output(&mut text, age::armor::Format::AsciiArmor).and_then(|mut writer| {
        writer.write_all(&bytes)?;
        writer.finish().map(drop)
    });
    // Memory takes everything.
    if written.is_err() {
        unreachable!("a writer to memory");
    }
    text
}

/// The bytes of a file in one of age's formats.
///
/// Errors: as [`Encrypted::open`].
pub(super) fn decrypt(bytes: &[u8], identities: &Identities) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    decrypt_up_to(bytes, identities, LONGEST)
}

/// The content of a file that age encrypted.
///
/// Errors: as [`Encrypted::open`].
pub(super) fn decrypt_file(bytes: &[u8], identities: &Identities) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    decrypt_up_to(bytes, identities, LARGEST_FILE)
}

/// How many public keys something in age's binary format is encrypted for: its header has a stanza for each.
fn stanzas(bytes: &[u8]) -> usize {
    let lines = bytes.split(|byte| *byte == b'\n');
    let header = lines.take_while(|line| !line.starts_with(b"---"));
    header.filter(|line| line.starts_with(b"-> X25519 ")).count()
}

/// The same of a file in one of age's formats. `None` if it was not made by age.
pub(super) fn recipients_of_file(bytes: &[u8]) -> Option<usize> {
    let mut plain = Vec::new();
    let mut reader = age::armor::ArmoredReader::new(bytes).take(2 * LARGEST_FILE);
    reader.read_to_end(&mut plain).ok()?;
    is_made_by_age(&plain).then(|| stanzas(&plain))
}

/// `bytes` of any size for all `recipients`, in age's binary format.
pub fn encrypt_large(bytes: &[u8], recipients: &Recipients) -> Vec<u8> {
    encrypt_bytes(bytes, recipients)
}

/// What [`encrypt_large`] encrypted, if it has at most `most` bytes.
///
/// Errors: as [`Encrypted::open`].
pub fn decrypt_large(bytes: &[u8], identities: &Identities, most: u64) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    decrypt_up_to(bytes, identities, most)
}

/// Whether a file was made by age.
pub fn is_made_by_age(bytes: &[u8]) -> bool {
    Decryptor::new_buffered(age::armor::ArmoredReader::new(bytes)).is_ok()
}

fn decrypt_up_to(bytes: &[u8], identities: &Identities, most: u64) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let decryptor = Decryptor::new_buffered(age::armor::ArmoredReader::new(bytes));
    let decryptor = decryptor.map_err(|_| Unreadable::Broken("it was not made by age"))?;
    if decryptor.is_scrypt() {
        return Err(Unreadable::Broken("it is encrypted with a passphrase, not for keys"));
    }
    let keys = identities.keys().map(|key| key as &dyn age::Identity);
    let reader = decryptor.decrypt(keys).map_err(|error| match error {
        DecryptError::NoMatchingKeys => Unreadable::OtherKeys,
        _ => Unreadable::Broken("it was cut or changed"),
    })?;
    let mut opened = Zeroizing::new(Vec::new());
    let read = reader.take(most + 1).read_to_end(&mut opened);
    match read {
        Ok(size) if size as u64 <= most => Ok(opened),
        Ok(_) if most == LARGEST_FILE => Err(Unreadable::Broken("it is larger than 16 MiB")),
        Ok(_) if most == LONGEST => Err(Unreadable::Broken("it is larger than 1 MiB")),
        Ok(_) => Err(Unreadable::Broken("it is too large")),
        Err(_) => Err(Unreadable::Broken("it was cut or changed")),
    }
}
