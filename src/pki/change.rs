//! What `homelab pki` does to the files of a project.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::authority::{Made, Validity, make_authority, make_certificate};
use super::certificate::Certificate;
use super::file::{Entry, Held, Revoked, date};
use super::name::{AUTHORITY, check};
use super::pkcs12::{Encryption, pkcs12};
use super::project::{Pki, path};
use crate::error::{Diagnostic, Diagnostics, suggestion};
use crate::secret::Secret;
use crate::secrets::{CERTIFICATES, DataPath, NewFile, Recipients, encrypt, replace};

/// A certificate is valid from so long before it is made, for devices whose clocks are late.
const EARLIER: SignedDuration = SignedDuration::from_hours(1);
/// The mode of a file that only its owner can read.
const PRIVATE: u32 = 0o600;

/// A certificate that someone wants.
#[derive(Clone, Debug)]
pub struct Wish {
    pub name: String,
    /// How many days it is valid.
    pub days: u32,
    /// The names and addresses of a server; none for a client.
    pub hosts: Vec<String>,
}

/// A certificate that is ready to be written.
pub struct Draft {
    root: PathBuf,
    entry: Entry,
    certificate: Certificate,
    key: Secret,
    authority: Certificate,
    is_new: bool,
}

/// What was revoked.
#[derive(Clone, Debug)]
pub struct Revocation {
    pub name: String,
    pub revoked: Vec<Revoked>,
    /// Whether these are the first certificates of clients that the project revokes.
    pub is_first: bool,
}

impl Draft {
    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The path of its file in the project.
    pub fn shown(&self) -> String {
        path(&self.entry.name)
    }

    /// What the project knows of its name from then on.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The certificate, its private key and the authority as one file for browsers and phones.
    ///
    /// Errors: the password is empty.
    pub fn pkcs12(&self, password: &Secret, encryption: Encryption) -> Result<Vec<u8>, Diagnostic> {
        if password.expose().is_empty() {
            return Err(Diagnostic::new("the password of a PKCS#12 file cannot be empty")
                .because("phones and browsers refuse such files"));
        }
        pkcs12(&self.certificate, &self.key, &self.authority, password, encryption)
    }

    /// Writes the certificate to the project, and with it a new file for a device. Nothing is written if one of them cannot be.
    ///
    /// Errors: a file cannot be written, or exists already.
    pub fn write(&self, file: Option<(&Path, &[u8])>) -> Result<(), Diagnostic> {
        let ready = file.map(|(place, bytes)| {
            let ready = NewFile::write(place, bytes, PRIVATE);
            ready
                .map(|ready| (place, ready))
                .map_err(|error| unwritten(&place.display().to_string(), &error))
        });
        let ready = ready.transpose()?;
        write_entry(&self.root, &self.entry, self.is_new)?;
        let Some((place, ready)) = ready else {
            return Ok(());
        };
        ready.place(place).map_err(|error| {
            let mistake = unwritten(&place.display().to_string(), &error);
            mistake.hint(format!(
                "the certificate is in `{}`: write the file with `homelab pki export {} FILE`",
                self.shown(),
                self.entry.name
            ))
        })
    }
}

/// Makes the certificate authority of the project at `root`, valid for so many years from `now`.
///
/// Errors: it has one already, it has no recipients, or the file cannot be written.
pub fn begin(root: &Path, name: &str, years: u16, now: Timestamp) -> Result<Certificate, Diagnostics> {
    let pki = read(root)?;
    if pki.authority.is_some() {
        let title = format!("`{}` exists already", path(AUTHORITY));
        return Err(Diagnostic::new(title)
            .because("no device would accept a certificate of another authority")
            .hint("to begin anew, delete `pki/`, and issue all certificates again")
            .into());
    }
    if name.is_empty() || name.chars().count() > 64 || name.contains(char::is_control) {
        let title = format!(
            "`{}` is not a valid name for a certificate authority",
            name.escape_debug()
        );
        return Err(Diagnostic::new(title).hint("use up to 64 characters").into());
    }
    let recipients = Recipients::of_project(root)?;
    let made = make_authority(name, validity(now, i64::from(years) * 365)?)?;
    let certificate = made.certificate.clone();
    let mut entry = Entry::new(AUTHORITY);
    entry.held = Some(held(AUTHORITY, made, &recipients));
    write_entry(root, &entry, true)?;
    Ok(certificate)
}

/// A new certificate.
///
/// Errors: the name is taken or is not valid, the authority is missing, expires earlier or cannot be used.
pub fn issue(root: &Path, wish: &Wish, now: Timestamp) -> Result<Draft, Diagnostics> {
    check(&wish.name)?;
    let pki = read(root)?;
    let known = pki.names.get(&wish.name);
    if let Some(held) = known.and_then(|entry| entry.held.as_ref()) {
        let until = date(held.certificate.not_after);
        return Err(
            Diagnostic::new(format!("there is a certificate `{}` already", wish.name))
                .because(format!("`{}` is valid until {until}", path(&wish.name)))
                .hint(format!(
                    "choose another name, or replace it with `homelab pki renew {}`",
                    wish.name
                ))
                .into(),
        );
    }
    // On some file systems, one file would have both names.
    let twin = pki
        .names
        .keys()
        .find(|name| name.eq_ignore_ascii_case(&wish.name) && **name != wish.name);
    if let Some(twin) = twin {
        let title = format!(
            "the name `{}` differs from `{twin}` only in upper and lower case",
            wish.name
        );
        return Err(Diagnostic::new(title).hint("choose another name").into());
    }
    let entry = known.cloned().unwrap_or_else(|| Entry::new(&wish.name));
    Ok(draft(
        root,
        &pki,
        entry,
        (wish.days, &wish.hosts),
        known.is_none(),
        now,
    )?)
}

/// A new certificate, with a new key, in place of the one called `name`. The old one is valid until it expires.
///
/// Errors: there is none, or as [`issue`].
pub fn renew(root: &Path, name: &str, days: Option<u32>, now: Timestamp) -> Result<Draft, Diagnostics> {
    let pki = read(root)?;
    let mut entry = find(&pki, name)?.clone();
    let Some(held) = entry.held.take() else {
        return Err(Diagnostic::new(format!("the certificate `{name}` was revoked"))
            .hint(format!("make a new one with `homelab pki issue {name}`"))
            .into());
    };
    let old = held.certificate;
    let length = (old.not_after.as_second() - old.not_before.as_second()) / (24 * 3600);
    let days = days.unwrap_or_else(|| u32::try_from(length).unwrap_or(u32::MAX));
    let hosts = old.hosts.clone();
    entry.former.push(old);
    entry.former.retain(|former| former.not_after > now);
    Ok(draft(root, &pki, entry, (days, &hosts), false, now)?)
}

/// Revokes all certificates called `name`. Their record stays, without the private key.
///
/// Errors: there are none, or the file cannot be written.
pub fn revoke(root: &Path, name: &str, now: Timestamp) -> Result<Revocation, Diagnostics> {
    let pki = read(root)?;
    let mut entry = find(&pki, name)?.clone();
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let held = entry.held.take().map(|held| held.certificate);
    let certificates = held.into_iter().chain(std::mem::take(&mut entry.former));
    let revoked: Vec<Revoked> = certificates
        .map(|certificate| Revoked { certificate, at: now })
        .collect();
    if revoked.is_empty() {
        return Err(Diagnostic::new(format!("the certificate `{name}` was revoked already")).into());
    }
    entry.revoked.extend(revoked.iter().cloned());
    write_entry(root, &entry, false)?;
    Ok(Revocation {
        name: name.to_owned(),
        revoked,
        is_first: pki.names.values().all(|entry| entry.revoked.is_empty()),
    })
}

/// The certificate called `name` with its private key, to write a file for a device.
///
/// Errors: there is none, or its key cannot be decrypted.
pub fn export(root: &Path, name: &str) -> Result<Draft, Diagnostics> {
    let pki = read(root)?;
    let entry = find(&pki, name)?;
    let Some(held) = &entry.held else {
        return Err(Diagnostic::new(format!("the certificate `{name}` was revoked")).into());
    };
    let key = held.private_key(root, name)?;
    let authority = pki.authority().ok_or_else(no_authority)?;
    Ok(Draft {
        root: root.to_path_buf(),
        entry: entry.clone(),
        certificate: held.certificate.clone(),
        key,
        authority: authority.clone(),
        is_new: false,
    })
}

/// Refuses a path for a new file where something is already, or that has no folder.
pub fn check_new(place: &Path) -> Result<(), Diagnostic> {
    let shown = place.display();
    if place.symlink_metadata().is_ok() {
        return Err(
            Diagnostic::new(format!("`{shown}` exists already")).hint("choose another name, or delete the file first")
        );
    }
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let title = format!("cannot write `{shown}`: `{}` is not a folder", folder.display());
        return Err(Diagnostic::new(title).hint("create the folder first"));
    }
    Ok(())
}

/// Writes a new file that only this user can read.
///
/// Errors: it exists already, or cannot be written.
pub fn write_new(place: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let written = NewFile::write(place, bytes, PRIVATE).and_then(|ready| ready.place(place));
    written.map_err(|error| unwritten(&place.display().to_string(), &error))
}

/// The certificates of the project.
///
/// Errors: everything that is wrong with their files.
fn read(root: &Path) -> Result<Pki, Diagnostics> {
    let read = Pki::read(root);
    if read.mistakes.is_empty() {
        return Ok(read.pki);
    }
    Err(Diagnostics(read.mistakes))
}

fn find<'a>(pki: &'a Pki, name: &str) -> Result<&'a Entry, Diagnostic> {
    if name == AUTHORITY {
        return Err(
            Diagnostic::new("`ca` is the certificate authority, which signs all certificates")
                .hint("to begin anew, delete `pki/`, and issue all certificates again"),
        );
    }
    pki.names.get(name).ok_or_else(|| {
        let hint = suggestion(name, pki.names.keys().map(String::as_str));
        Diagnostic::new(format!("unknown certificate `{}`", name.escape_debug()))
            .hint(hint.unwrap_or_else(|| "`homelab pki list` lists all certificates".to_owned()))
    })
}

fn no_authority() -> Diagnostic {
    Diagnostic::new(format!(
        "no certificate authority: `{}` does not exist",
        path(AUTHORITY)
    ))
    .hint("run `homelab pki init`")
}

/// A new certificate for `entry`, valid for so many days and for these hosts.
fn draft(
    root: &Path,
    pki: &Pki,
    mut entry: Entry,
    (days, hosts): (u32, &[String]),
    is_new: bool,
    now: Timestamp,
) -> Result<Draft, Diagnostic> {
    let authority = pki.authority.as_ref().and_then(|entry| entry.held.as_ref());
    let authority = authority.ok_or_else(no_authority)?;
    let validity = validity(now, i64::from(days))?;
    let end = authority.certificate.not_after;
    if end <= now {
        return Err(
            Diagnostic::new(format!("the certificate authority expired on {}", date(end)))
                .because(format!("`{}` is valid no longer", path(AUTHORITY)))
                .hint("to begin anew, delete `pki/`, run `homelab pki init`, and issue all certificates again"),
        );
    }
    if end < validity.until {
        let left = (end.as_second() - now.as_second()) / (24 * 3600);
        return Err(Diagnostic::new(format!(
            "the certificate would be valid longer than its authority, which expires on {}",
            date(end)
        ))
        .hint(format!("use `--days {left}` or less")));
    }
    let recipients = Recipients::of_project(root)?;
    let signer = authority.private_key(root, AUTHORITY)?;
    let made = make_certificate(&entry.name, hosts, validity, &authority.certificate, &signer)?;
    let (certificate, key) = (made.certificate.clone(), made.key.clone());
    entry.held = Some(held(&entry.name, made, &recipients));
    Ok(Draft {
        root: root.to_path_buf(),
        entry,
        certificate,
        key,
        authority: authority.certificate.clone(),
        is_new,
    })
}

fn validity(now: Timestamp, days: i64) -> Result<Validity, Diagnostic> {
    let too_long = |_| Diagnostic::new("a certificate cannot be valid so long").hint("choose a shorter time");
    let now = Timestamp::from_second(now.as_second()).map_err(too_long)?;
    Ok(Validity {
        from: now.checked_sub(EARLIER).map_err(too_long)?,
        until: now
            .checked_add(SignedDuration::from_hours(24 * days))
            .map_err(too_long)?,
    })
}

fn held(name: &str, made: Made, recipients: &Recipients) -> Held {
    Held {
        certificate: made.certificate,
        key: encrypt(&DataPath::of_certificate(name).name(), &made.key, recipients),
        place: None,
    }
}

/// Writes the file of an entry, at once. A new one replaces nothing.
fn write_entry(root: &Path, entry: &Entry, is_new: bool) -> Result<(), Diagnostic> {
    let shown = path(&entry.name);
    let place = root.join(&shown);
    let text = entry.text();
    let written = std::fs::create_dir_all(root.join(CERTIFICATES)).and_then(|()| {
        if is_new {
            NewFile::write(&place, text.as_bytes(), 0o666)?.place(&place)
        } else {
            replace(&place, text.as_bytes(), None)
        }
    });
    written.map_err(|error| unwritten(&shown, &error))
}

fn unwritten(shown: &str, error: &std::io::Error) -> Diagnostic {
    Diagnostic::new(format!("cannot write `{shown}`")).because(error.to_string())
}
