//! Files that `sops` encrypted for keys of age: `group_data/NAME.sops.yaml` and `.sops.json`, read as data.
//!
//! The values are encrypted one by one with the file's own key, which is encrypted for each recipient. A digest of all values,
//! encrypted too, shows whether anything was changed without `sops`.

mod yaml;

use std::collections::HashMap;
use std::sync::Arc;

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

use super::format::decrypt;
use super::{Identities, Unreadable};
use crate::error::{Diagnostic, SourceFile};
use crate::secret::{Secret, Sort};
use crate::value::{Kind, Table, Value};

/// The key of what `sops` adds to a file.
const METADATA: &str = "sops";
const START: &str = "ENC[AES256_GCM,";
const ENDINGS: &[&str] = &[".sops.yaml", ".sops.yml", ".sops.json"];
/// What the digest begins with if it is only about encrypted values: the SHA-256 of `sops`.
const ENCRYPTED_ONLY: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b, 0x97, 0x5b,
    0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

const NOT_WHOLE: Unreadable = Unreadable::Broken("it is not a whole file of sops");
const CHANGED: Unreadable = Unreadable::Broken("it was changed without sops: its MAC does not fit");

/// The secrets of a file, by the byte at which each is written.
pub(super) type Opened = HashMap<usize, Secret>;

/// The name of the data file at `path`, if it is one of `sops`.
pub fn sops_name(path: &str) -> Option<&str> {
    ENDINGS.iter().find_map(|ending| path.strip_suffix(ending))
}

/// Whether a string is a value that `sops` encrypted.
pub fn is_encrypted_by_sops(text: &str) -> bool {
    text.starts_with(START)
}

/// The data of a file of `sops`, with its values still encrypted.
///
/// Errors: it is not YAML, or was not encrypted by `sops`.
pub fn read_sops(file: &Arc<SourceFile>) -> Result<Table, Diagnostic> {
    let mut table = yaml::parse(file)?;
    let Some(metadata) = table.shift_remove(METADATA) else {
        return Err(Diagnostic::new(format!("`{}` is not encrypted", file.path))
            .because("it has no key `sops`")
            .hint(format!(
                "encrypt it with `sops encrypt --in-place {}`; if it was committed, change the secrets themselves",
                file.path
            )));
    };
    if metadata.value.as_table().and_then(recipients).is_none() {
        return Err(Diagnostic::new(format!("`{}` has no recipients of age", file.path))
            .at_maybe(metadata.key.as_ref(), "only other kinds of keys")
            .hint(
                "add one with `sops rotate --in-place --add-age age1…`: keys of PGP and of clouds are not supported",
            ));
    }
    Ok(table)
}

/// Decrypts all values of a file, and checks its digest.
///
/// Errors: no key opens it, or it was changed.
pub(super) fn open(file: &Arc<SourceFile>, identities: &Identities) -> Result<Opened, Unreadable> {
    let mut table = yaml::parse(file).map_err(|_| NOT_WHOLE)?;
    let metadata = table.shift_remove(METADATA).ok_or(NOT_WHOLE)?;
    let metadata = metadata.value.as_table().ok_or(NOT_WHOLE)?;
    let text = |key: &str| metadata.get(key).and_then(|entry| entry.value.as_str());
    let key = file_key(metadata, identities)?;
    let cipher = AesGcm::<Aes256, U32>::new_from_slice(&key).map_err(|_| NOT_WHOLE)?;
    let is_encrypted_only = matches!(
        metadata.get("mac_only_encrypted").map(|entry| &entry.value.kind),
        Some(Kind::Bool(true))
    );
    let mut reading = Reading {
        cipher,
        digest: Sha512::new(),
        is_encrypted_only,
        opened: Opened::new(),
    };
    if is_encrypted_only {
        reading.digest.update(ENCRYPTED_ONLY);
    }
    reading.table(&table, &mut Vec::new())?;
    let (mac, modified) = (text("mac").ok_or(NOT_WHOLE)?, text("lastmodified").ok_or(NOT_WHOLE)?);
    let (mac, _) = reading.decrypted(mac, modified)?;
    let digest = crate::secret::hex(&reading.digest.finalize());
    if mac.to_lowercase() != digest {
        return Err(CHANGED);
    }
    Ok(reading.opened)
}

/// The recipients of age, if there are any.
fn recipients(metadata: &Table) -> Option<&[Value]> {
    match metadata.get("age").map(|entry| &entry.value.kind) {
        Some(Kind::List(items)) if !items.is_empty() => Some(items),
        _ => None,
    }
}

fn file_key(metadata: &Table, identities: &Identities) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let encrypted = recipients(metadata).unwrap_or_default().iter();
    let encrypted = encrypted.filter_map(|one| one.as_table()?.get("enc")?.value.as_str());
    let mut why = NOT_WHOLE;
    for text in encrypted {
        match decrypt(text.as_bytes(), identities) {
            Ok(key) => return Ok(key),
            Err(error) => why = error,
        }
    }
    Err(why)
}

struct Reading {
    cipher: AesGcm<Aes256, U32>,
    digest: Sha512,
    is_encrypted_only: bool,
    opened: Opened,
}

impl Reading {
    fn table(&mut self, table: &Table, path: &mut Vec<String>) -> Result<(), Unreadable> {
        for (key, entry) in table {
            path.push(key.clone());
            self.value(&entry.value, path)?;
            path.pop();
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, path: &mut Vec<String>) -> Result<(), Unreadable> {
        let plain = match &value.kind {
            Kind::Table(table) => return self.table(table, path),
            Kind::List(items) => return items.iter().try_for_each(|item| self.value(item, path)),
            Kind::String(text) if is_encrypted_by_sops(text) => {
                let bound = path.join(":") + ":";
                let (text, sort) = self.decrypted(text, &bound)?;
                self.digest.update(digested(&text, &sort).as_bytes());
                if let Some(origin) = &value.origin {
                    self.opened
                        .insert(origin.span.start, Secret::whole(text.as_str(), sort_of(&sort)));
                }
                return Ok(());
            }
            Kind::String(text) => text.clone(),
            Kind::Integer(number) => number.to_string(),
            Kind::Float(number) => number.to_string(),
            Kind::Bool(truth) => digested(&truth.to_string(), "bool"),
            Kind::Secret(_) | Kind::Unknown(_) => return Ok(()),
        };
        if !self.is_encrypted_only {
            self.digest.update(plain.as_bytes());
        }
        Ok(())
    }

    /// The text of an encrypted value, and its type.
    fn decrypted(&self, text: &str, bound: &str) -> Result<(Zeroizing<String>, String), Unreadable> {
        let inner = text.strip_prefix(START).and_then(|rest| rest.strip_suffix(']'));
        let parts: Vec<&str> = inner.ok_or(NOT_WHOLE)?.split(',').collect();
        let [data, nonce, tag, sort] = parts.as_slice() else {
            return Err(NOT_WHOLE);
        };
        let bytes = |part: &str, name: &str| {
            let encoded = part.strip_prefix(name).ok_or(NOT_WHOLE)?;
            STANDARD.decode(encoded).map_err(|_| NOT_WHOLE)
        };
        let (nonce, tag) = (bytes(nonce, "iv:")?, bytes(tag, "tag:")?);
        let nonce: [u8; 32] = nonce.try_into().map_err(|_| NOT_WHOLE)?;
        let encrypted = [bytes(data, "data:")?, tag].concat();
        let payload = Payload {
            msg: &encrypted,
            aad: bound.as_bytes(),
        };
        let plain = self.cipher.decrypt(Nonce::<U32>::from_slice(&nonce), payload);
        let plain = Zeroizing::new(plain.map_err(|_| CHANGED)?);
        let text = std::str::from_utf8(&plain);
        let text = text.map_err(|_| Unreadable::Broken("a value is not UTF-8 text"))?;
        let sort = sort.strip_prefix("type:").ok_or(NOT_WHOLE)?;
        Ok((Zeroizing::new(text.to_owned()), sort.to_owned()))
    }
}

/// A value as the digest takes it.
fn digested(text: &str, sort: &str) -> String {
    match (sort, text) {
        ("bool", "true") => "True".to_owned(),
        ("bool", "false") => "False".to_owned(),
        _ => text.to_owned(),
    }
}

fn sort_of(name: &str) -> Sort {
    match name {
        "int" => Sort::Integer,
        "float" => Sort::Float,
        "bool" => Sort::Bool,
        _ => Sort::Text,
    }
}
