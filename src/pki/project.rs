//! The certificates of a project: read from its files, and handed to templates and operations.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::authority::belongs;
use super::certificate::{Certificate, Kind};
use super::file::{Entry, Held};
use super::name::{AUTHORITY, check};
use crate::content::{Assets, EncryptedFile, ProjectFolder, Refused, Undecrypted, read_in_place};
use crate::error::{Diagnostic, not_text};
use crate::operations::CERTIFICATE;
use crate::secret::Secret;
use crate::secrets::{CERTIFICATES, Closed, DataPath, Keyring, PRIVATE_KEY, Place, no_key};
use crate::value::{self, Kind as ValueKind, Table, Value};

/// A larger file is not read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// All certificates of a project.
#[derive(Clone, Debug, Default)]
pub struct Pki {
    pub(super) authority: Option<Entry>,
    pub(super) names: BTreeMap<String, Entry>,
}

/// What could be read of the certificates of a project.
#[derive(Debug, Default)]
pub struct Read {
    pub pki: Pki,
    pub mistakes: Vec<Diagnostic>,
    /// The paths of the files that could not be read.
    pub broken: Vec<String>,
}

impl Pki {
    /// Reads the certificates of the project at `root`, as far as they can be read. No key is decrypted.
    pub fn read(root: &Path) -> Read {
        let mut read = Read::default();
        for found in ProjectFolder::new(root).list(CERTIFICATES) {
            let shown = found.shown.to_string_lossy().into_owned();
            match one(&shown, found.place.and_then(|place| read_in_place(&place, LARGEST))) {
                Ok(Some(entry)) if entry.is_authority() => read.pki.authority = Some(entry),
                Ok(Some(entry)) => drop(read.pki.names.insert(entry.name.clone(), entry)),
                Ok(None) => {}
                Err(mistakes) => {
                    read.mistakes.extend(mistakes);
                    read.broken.push(shown);
                }
            }
        }
        let has_authority = read.pki.authority.is_some() || read.broken.contains(&path(AUTHORITY));
        if !has_authority && let Some(name) = read.pki.names.keys().next() {
            let title = format!("`{}` does not exist, and `{}` does", path(AUTHORITY), path(name));
            let hint = "restore the certificate authority from git, or remove the certificates that it signed";
            read.mistakes.push(Diagnostic::new(title).hint(hint));
        }
        read.mistakes.extend(read.pki.foreign());
        read
    }

    /// The mistakes of certificates that another authority signed.
    fn foreign(&self) -> Vec<Diagnostic> {
        let Some(authority) = self.authority() else {
            return Vec::new();
        };
        let all = self.names.values();
        let foreign = all.filter(|entry| entry.accepted().any(|one| !one.is_signed_by(authority)));
        foreign
            .map(|entry| {
                let title = format!("another certificate authority signed `{}`", path(&entry.name));
                let hint = "restore both files from git, or remove this one and issue the certificate again";
                Diagnostic::new(title)
                    .because(format!("it is not from that of `{}`", path(AUTHORITY)))
                    .hint(hint)
            })
            .collect()
    }

    /// The certificate of the authority.
    pub fn authority(&self) -> Option<&Certificate> {
        let held = self.authority.as_ref()?.held.as_ref()?;
        Some(&held.certificate)
    }

    /// The authority, then all other names in their order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.authority.iter().chain(self.names.values())
    }

    /// The certificates of clients that are not revoked, also those that were replaced.
    fn leaves(&self) -> impl Iterator<Item = (&str, &Certificate)> {
        let all = self.names.values();
        all.flat_map(|entry| entry.accepted().map(|certificate| (entry.name.as_str(), certificate)))
            .filter(|(_, certificate)| certificate.kind == Kind::Client)
    }

    /// What templates see as `pki`: `ca`, `certificates`, `leaves` and `revoked`. Which certificates have expired does not change it, so a deploy
    /// plans the same on every day.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        if let Some(authority) = self.authority() {
            put(&mut table, "ca", &authority.pem);
        }
        let in_force = self.entries().filter_map(|entry| {
            let certificate = &entry.held.as_ref()?.certificate;
            let mut own = described(&entry.name, certificate);
            put(&mut own, "kind", certificate.kind.word());
            put(&mut own, "pem", &certificate.pem);
            Some(Value::new(ValueKind::Table(own)))
        });
        put_list(&mut table, "certificates", in_force.collect());
        let leaves = self.leaves().map(|(name, certificate)| {
            let mut leaf = described(name, certificate);
            put(&mut leaf, "pem", &certificate.pem);
            put(&mut leaf, "base64", &STANDARD.encode(&certificate.der));
            Value::new(ValueKind::Table(leaf))
        });
        put_list(&mut table, "leaves", leaves.collect());
        let revoked = self.names.values().flat_map(|entry| {
            entry.revoked.iter().map(|revoked| {
                let mut gone = described(&entry.name, &revoked.certificate);
                put(&mut gone, "at", &revoked.at.to_string());
                Value::new(ValueKind::Table(gone))
            })
        });
        put_list(&mut table, "revoked", revoked.collect());
        table
    }

    /// Adds what operations can send to hosts: `pki:ca`, `pki:leaves`, `pki:NAME.crt`, and `pki:NAME.key`, which `keyring` decrypts.
    pub fn add_to(&self, assets: &mut Assets, keyring: &Arc<Keyring>) {
        let Some(authority) = self.authority() else {
            return;
        };
        assets.insert(format!("{CERTIFICATE}ca"), authority.pem.as_bytes());
        // The authority first, which no client can show: servers refuse an empty list, or take it for none.
        let leaves = std::iter::once(authority).chain(self.leaves().map(|(_, leaf)| leaf));
        let leaves: String = leaves.map(|leaf| leaf.pem.as_str()).collect();
        assets.insert(format!("{CERTIFICATE}leaves"), leaves.into_bytes());
        for entry in self.names.values() {
            let Some(held) = &entry.held else { continue };
            let name = format!("{CERTIFICATE}{}", entry.name);
            assets.insert(format!("{name}.crt"), held.certificate.pem.as_bytes());
            assets.insert_encrypted(format!("{name}.key"), key_file(&entry.name, held.clone(), keyring));
        }
    }
}

/// The private key of a certificate, decrypted when it is needed.
fn key_file(name: &str, held: Held, keyring: &Arc<Keyring>) -> EncryptedFile {
    let (name, keyring) = (name.to_owned(), Arc::clone(keyring));
    let shown = path(&name);
    let decrypt = move |_: &str, _: &[u8]| {
        let key = keyring.open(&held.key, &DataPath::of_certificate(&name), held.place.as_ref());
        match key {
            Ok(key) if belongs(&key, &held.certificate) => Ok(key.expose().as_bytes().to_vec()),
            Ok(_) => Err(Undecrypted::Mistake(Box::new(foreign_key(&name)))),
            Err(Closed::Withheld) => Err(Undecrypted::NeedsKey),
            Err(Closed::NoKey) => Err(Undecrypted::Mistake(Box::new(no_key(&path(&name))))),
            Err(Closed::Mistake(mistake)) => Err(Undecrypted::Mistake(mistake)),
        }
    };
    EncryptedFile::new(shown, Vec::new(), Arc::new(decrypt))
}

/// The mistake of a private key that belongs to another certificate.
pub(super) fn foreign_key(name: &str) -> Diagnostic {
    let title = format!("the private key in `{}` does not belong to its certificate", path(name));
    Diagnostic::new(title).hint("restore the file from git, or make a new certificate with `homelab pki renew`")
}

/// The path of a certificate in the project.
pub(super) fn path(name: &str) -> String {
    format!("{CERTIFICATES}/{name}.toml")
}

/// Reads one file; `None` if it is no certificate by its name.
fn one(shown: &str, read: Result<Vec<u8>, Refused>) -> Result<Option<Entry>, Vec<Diagnostic>> {
    let below = shown
        .strip_prefix(CERTIFICATES)
        .unwrap_or(shown)
        .trim_start_matches('/');
    let Some(name) = below.strip_suffix(".toml") else {
        return Ok(None);
    };
    if name != AUTHORITY {
        check(name).map_err(|mistake| vec![mistake.because(format!("it is the name of the file `{shown}`"))])?;
    }
    let bytes = read.map_err(|refused| {
        let mistake = Diagnostic::new(format!("cannot read `{shown}`")).because(refused.to_string());
        vec![mistake.hint("check its permissions with `ls -l`")]
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| vec![not_text(shown, &bytes)])?;
    Entry::read(name, shown, text).map(Some)
}

fn described(name: &str, certificate: &Certificate) -> Table {
    let mut table = Table::new();
    put(&mut table, "name", name);
    put(&mut table, "serial", &certificate.serial);
    put(&mut table, "not_after", &certificate.not_after.to_string());
    table
}

fn put(table: &mut Table, key: &str, text: &str) {
    let value = Value::string(text);
    table.insert(key.to_owned(), value::Entry { key: None, value });
}

fn put_list(table: &mut Table, key: &str, items: Vec<Value>) {
    let value = Value::new(ValueKind::List(items));
    table.insert(key.to_owned(), value::Entry { key: None, value });
}

impl Held {
    /// The private key.
    ///
    /// Errors: it cannot be decrypted, or belongs to another certificate.
    pub(super) fn private_key(&self, root: &Path, name: &str) -> Result<Secret, Diagnostic> {
        let key = Place::find(root, root, &path(name), PRIVATE_KEY);
        let key = key.map_err(|mistakes| first(mistakes.0))?.get()?;
        if belongs(&key, &self.certificate) {
            return Ok(key);
        }
        Err(foreign_key(name))
    }
}

/// The first of several mistakes.
fn first(mistakes: Vec<Diagnostic>) -> Diagnostic {
    let first = mistakes.into_iter().next();
    first.unwrap_or_else(|| Diagnostic::new("cannot read the private key"))
}
