//! `pki/NAME.toml`: a certificate, its encrypted key, and what became of earlier ones.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;

use super::certificate::{Certificate, Kind};
use super::name::AUTHORITY;
use crate::error::{Diagnostic, Origin, SourceFile, suggestion};
use crate::secrets::{PRIVATE_KEY, check_places, is_encrypted};
use crate::value::{Kind as ValueKind, Table, Value, parse_toml};

const KEYS: &[&str] = &["certificate", PRIVATE_KEY, "former", "revoked"];
const KEYS_OF_FORMER: &[&str] = &["certificate"];
const KEYS_OF_REVOKED: &[&str] = &["certificate", "at"];

/// What the project knows of a name.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name of the file, without its ending.
    pub name: String,
    /// `None` if the certificate was revoked.
    pub held: Option<Held>,
    /// Certificates that were replaced and are valid until they expire.
    pub former: Vec<Certificate>,
    pub revoked: Vec<Revoked>,
}

/// A certificate with its private key.
#[derive(Clone, Debug)]
pub struct Held {
    pub certificate: Certificate,
    /// `ENC[age,…]`.
    pub(super) key: String,
    /// Where that is.
    pub(super) place: Option<Origin>,
}

/// A certificate that is no longer valid.
#[derive(Clone, Debug)]
pub struct Revoked {
    pub certificate: Certificate,
    pub at: Timestamp,
}

impl Entry {
    /// An entry without anything.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            held: None,
            former: Vec::new(),
            revoked: Vec::new(),
        }
    }

    /// Whether it is the authority.
    pub fn is_authority(&self) -> bool {
        self.name == AUTHORITY
    }

    /// All certificates that are not revoked.
    pub fn accepted(&self) -> impl Iterator<Item = &Certificate> {
        let held = self.held.iter().map(|held| &held.certificate);
        held.chain(&self.former)
    }

    /// Reads the text of a file.
    ///
    /// Errors: everything that is wrong in it.
    pub(super) fn read(name: &str, shown: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let file = SourceFile::new(shown, text);
        let table = parse_toml(&file)?;
        let mut reading = Reading {
            file: &file,
            mistakes: check_places(shown, &table),
        };
        let entry = reading.entry(name, &table);
        match entry {
            Some(entry) if reading.mistakes.is_empty() => Ok(entry),
            _ => Err(reading.mistakes),
        }
    }

    /// The text of its file.
    pub(super) fn text(&self) -> String {
        let mut text = match &self.held {
            Some(held) => {
                let (what, until) = (
                    what(&self.name, held.certificate.kind),
                    date(held.certificate.not_after),
                );
                format!("# {what}, valid until {until}")
            }
            None => format!("# Revoked certificates of `{}`", self.name),
        };
        text += ". Written by `homelab pki`; commit it.\n";
        if let Some(held) = &self.held {
            let pem = &held.certificate.pem;
            let _ = write!(
                text,
                "\ncertificate = \"\"\"\n{pem}\"\"\"\n{PRIVATE_KEY} = \"{}\"\n",
                held.key
            );
        }
        for certificate in &self.former {
            let (serial, until) = (&certificate.serial, date(certificate.not_after));
            let _ = write!(text, "\n# Replaced; {serial} is valid until {until}.\n[[former]]\n");
            let _ = write!(text, "certificate = \"\"\"\n{}\"\"\"\n", certificate.pem);
        }
        for revoked in &self.revoked {
            let _ = write!(
                text,
                "\n# {}\n[[revoked]]\nat = \"{}\"\n",
                revoked.certificate.serial, revoked.at
            );
            let _ = write!(text, "certificate = \"\"\"\n{}\"\"\"\n", revoked.certificate.pem);
        }
        text
    }
}

fn what(name: &str, kind: Kind) -> String {
    match kind {
        Kind::Authority => "The certificate authority of this project".to_owned(),
        Kind::Client => format!("The client certificate `{name}`"),
        Kind::Server => format!("The server certificate `{name}`"),
    }
}

/// The day of a moment, in UTC.
pub(super) fn date(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d").to_string()
}

struct Reading<'a> {
    file: &'a Arc<SourceFile>,
    mistakes: Vec<Diagnostic>,
}

impl Reading<'_> {
    fn entry(&mut self, name: &str, table: &Table) -> Option<Entry> {
        self.check_keys(table, KEYS);
        let certificate = table.get("certificate").map(|entry| &entry.value);
        let key = table.get(PRIVATE_KEY).map(|entry| &entry.value);
        let former = self.each(table, "former", KEYS_OF_FORMER);
        let revoked = self.each(table, "revoked", KEYS_OF_REVOKED);
        let held = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(self.held(name, certificate, key)?),
            (None, None) if !revoked.is_empty() => None,
            (Some(_), None) => return self.lacks(PRIVATE_KEY),
            (None, _) => return self.lacks("certificate"),
        };
        let former = former.iter().filter_map(|table| self.inner(name, table)).collect();
        let revoked = revoked.iter().filter_map(|table| self.revoked(name, table)).collect();
        Some(Entry {
            name: name.to_owned(),
            held,
            former,
            revoked,
        })
    }

    fn held(&mut self, name: &str, certificate: &Value, key: &Value) -> Option<Held> {
        let certificate = self.certificate(name, certificate);
        let key_text = key.as_str().filter(|text| is_encrypted(text));
        let Some(key_text) = key_text else {
            // Without a place, since an excerpt may show it.
            let line = key.origin.as_ref().map(|origin| format!(":{}", origin.line_column().0));
            let title = format!(
                "`{PRIVATE_KEY}` in `{}`{} is not encrypted",
                self.file.path,
                line.unwrap_or_default()
            );
            let mistake = Diagnostic::new(title);
            self.mistakes
                .push(mistake.hint("restore the file from git; if it was committed like this, revoke the certificate"));
            return None;
        };
        Some(Held {
            certificate: certificate?,
            key: key_text.to_owned(),
            place: key.origin.clone(),
        })
    }

    /// The certificate of a table.
    fn inner(&mut self, name: &str, table: &Table) -> Option<Certificate> {
        match table.get("certificate") {
            Some(entry) => self.certificate(name, &entry.value),
            None => self.lacks("certificate"),
        }
    }

    fn revoked(&mut self, name: &str, table: &Table) -> Option<Revoked> {
        let certificate = self.inner(name, table)?;
        let Some(entry) = table.get("at") else {
            return self.lacks("at");
        };
        let at = entry.value.as_str().and_then(|text| text.parse().ok());
        let Some(at) = at else {
            return self.wrong(
                &entry.value,
                "`at` must be a time",
                "not a time such as `2026-01-31T12:00:00Z`",
            );
        };
        Some(Revoked { certificate, at })
    }

    fn certificate(&mut self, name: &str, value: &Value) -> Option<Certificate> {
        let damaged = |path: &str| format!("`certificate` in `{path}` cannot be read");
        let Some(text) = value.as_str() else {
            return self.wrong(value, &damaged(&self.file.path), "not text");
        };
        let certificate = match Certificate::parse(text) {
            Ok(certificate) => certificate,
            Err(why) => return self.wrong(value, &damaged(&self.file.path), why),
        };
        let is_authority = certificate.kind == Kind::Authority;
        if is_authority != (name == AUTHORITY) {
            let title = format!("`{}` has another kind of certificate", self.file.path);
            let label = if is_authority {
                "this is a certificate authority, which belongs into `pki/ca.toml`"
            } else {
                "this is not a certificate authority"
            };
            return self.wrong(value, &title, label);
        }
        if !is_authority && certificate.name != name {
            let title = format!("`{}` has the certificate of another name", self.file.path);
            let label = format!("this is the certificate `{}`", certificate.name.escape_debug());
            return self.wrong(value, &title, &label);
        }
        Some(certificate)
    }

    fn each<'t>(&mut self, table: &'t Table, key: &str, known: &[&str]) -> Vec<&'t Table> {
        let Some(entry) = table.get(key) else {
            return Vec::new();
        };
        let items = match &entry.value.kind {
            ValueKind::List(items) => items.iter().map(Value::as_table).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let Some(items) = items else {
            let title = format!("`{key}` must be a list of tables");
            self.wrong::<()>(&entry.value, &title, &format!("write `[[{key}]]`"));
            return Vec::new();
        };
        for item in &items {
            self.check_keys(item, known);
        }
        items
    }

    fn check_keys(&mut self, table: &Table, known: &[&str]) {
        for (key, entry) in table.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let mistake = Diagnostic::new(format!("unknown key `{}` in `{}`", key.escape_debug(), self.file.path));
            let hint = suggestion(key, known.iter().copied()).unwrap_or_else(|| "remove it".to_owned());
            let mistake = mistake.at_maybe(entry.key.as_ref(), "no such key");
            self.mistakes.push(mistake.hint(hint));
        }
    }

    fn lacks<T>(&mut self, key: &str) -> Option<T> {
        let start = Origin::new(self.file, 0..0);
        let mistake = Diagnostic::new(format!("missing `{key}` in `{}`", self.file.path)).at(&start, "damaged");
        self.mistakes.push(mistake.hint("restore the file from git"));
        None
    }

    fn wrong<T>(&mut self, value: &Value, title: &str, label: &str) -> Option<T> {
        let mistake = Diagnostic::new(title).at_maybe(value.origin.as_ref(), label);
        self.mistakes.push(mistake.hint("restore the file from git"));
        None
    }
}
