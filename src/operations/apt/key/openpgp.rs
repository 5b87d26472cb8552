//! Public keys of `OpenPGP` (RFC 9580): as much of a keyring as it takes to name its keys.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha1::{Digest as _, Sha1};

use crate::secret::{hex, sha256_hex};

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// A primary key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// In upper-case hexadecimal digits.
    pub(super) fingerprint: String,
    /// The first name in it.
    name: Option<String>,
    created: u32,
    /// In seconds since 1970, if it ends.
    expires: Option<u32>,
    /// When the newest of its own signatures was made.
    signed: u32,
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.fingerprint)?;
        if let Some(name) = &self.name {
            write!(formatter, " {name}")?;
        }
        let date = self.expires.and_then(|end| Timestamp::from_second(i64::from(end)).ok());
        match date {
            Some(end) => write!(formatter, ", expires {}", end.strftime("%Y-%m-%d")),
            None => write!(formatter, ", does not expire"),
        }
    }
}

/// Whether keys are text.
pub(super) fn is_armored(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(BEGIN.as_bytes())
}

/// The primary keys of a keyring, in order.
///
/// Errors: why it is no keyring.
pub(super) fn keys(bytes: &[u8]) -> Result<Vec<Key>, String> {
    let binary = if is_armored(bytes) {
        without_armor(bytes)?
    } else {
        bytes.to_vec()
    };
    let mut rest = binary.as_slice();
    let mut all: Vec<Key> = Vec::new();
    while !rest.is_empty() {
        let (tag, body, after) = packet(rest).ok_or("this is not OpenPGP")?;
        rest = after;
        match (tag, all.last_mut()) {
            (5 | 7, _) => return Err("there is a secret key in it".to_owned()),
            (6, _) => all.push(public_key(body)?),
            (13, Some(key)) if key.name.is_none() => {
                let name = String::from_utf8_lossy(body);
                key.name = Some(name.chars().filter(|one| !one.is_control()).collect());
            }
            (2, Some(key)) => key.read_signature(body),
            _ => {}
        }
    }
    if all.is_empty() {
        return Err("there is no key in it".to_owned());
    }
    Ok(all)
}

/// The bytes of armored text, which may have several blocks.
fn without_armor(text: &[u8]) -> Result<Vec<u8>, String> {
    let text = String::from_utf8_lossy(text);
    let mut bytes = Vec::new();
    for block in text.split(BEGIN).skip(1) {
        let (inside, _) = block.split_once(END).ok_or("the text ends early")?;
        // Headers end with an empty line; the last line is a checksum.
        let lines = inside
            .lines()
            .map(str::trim)
            .skip(1)
            .skip_while(|line| line.contains(": "));
        let coded: String = lines.filter(|line| !line.starts_with('=')).collect();
        bytes.extend(STANDARD.decode(coded).map_err(|error| error.to_string())?);
    }
    Ok(bytes)
}

/// The tag and the body of the first packet, and what follows it.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let (tag, length, rest) = if first & 0x40 != 0 {
        let (length, used) = match *rest.first()? {
            short @ 0..192 => (usize::from(short), 1),
            long @ 192..224 => (((usize::from(long) - 192) << 8) + usize::from(*rest.get(1)?) + 192, 2),
            255 => (number(rest.get(1..5)?), 5),
            _ => return None,
        };
        (first & 0x3f, length, rest.get(used..)?)
    } else {
        let size = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return None,
        };
        (first >> 2 & 0xf, number(rest.get(..size)?), rest.get(size..)?)
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

fn public_key(body: &[u8]) -> Result<Key, String> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    let fingerprint = match body.first() {
        Some(4) => {
            let mut hasher = Sha1::new();
            hasher.update([0x99]);
            hasher.update(&length[2..]);
            hasher.update(body);
            hex(&hasher.finalize()).to_ascii_uppercase()
        }
        Some(6) => {
            let whole = [&[0x9b][..], &length, body].concat();
            sha256_hex(&whole).to_ascii_uppercase()
        }
        Some(version) => return Err(format!("a key has the version {version}, which apt does not accept")),
        None => return Err("a key is empty".to_owned()),
    };
    Ok(Key {
        fingerprint,
        name: None,
        created: word(body.get(1..5)).ok_or("a key ends early")?,
        expires: None,
        signed: 0,
    })
}

fn word(bytes: Option<&[u8]>) -> Option<u32> {
    Some(u32::from_be_bytes(bytes?.try_into().ok()?))
}

impl Key {
    /// Takes the expiry from a signature that the key made of itself or of its names.
    fn read_signature(&mut self, body: &[u8]) {
        let is_own = body.first() == Some(&4) && matches!(body.get(1), Some(0x10..=0x13 | 0x1f));
        if !is_own {
            return;
        }
        let Some((hashed, rest)) = body.get(4..).and_then(counted) else {
            return;
        };
        let (unhashed, _) = counted(rest).unwrap_or_default();
        let issuers: Vec<String> = [hashed, unhashed]
            .into_iter()
            .flat_map(parts)
            .filter_map(|(kind, part)| match kind {
                16 => Some(part),
                33 => part.get(1..),
                _ => None,
            })
            .map(|part| hex(part).to_ascii_uppercase())
            .collect();
        if issuers
            .iter()
            .any(|issuer| !self.fingerprint.ends_with(issuer.as_str()))
        {
            return;
        }
        let find = |wanted: u8| word(parts(hashed).find(|(kind, _)| *kind == wanted).map(|(_, part)| part));
        let made = find(2).unwrap_or_default();
        if made >= self.signed {
            self.signed = made;
            self.expires = find(9)
                .filter(|after| *after > 0)
                .map(|after| self.created.saturating_add(after));
        }
    }
}

/// Bytes behind their number, and what follows them.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_at_checked(2)?;
    let count = usize::from(u16::from_be_bytes(count.try_into().ok()?));
    rest.split_at_checked(count)
}

/// The parts of a signature with their kinds.
fn parts(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (length, used) = match *bytes.first()? {
            short @ 0..192 => (usize::from(short), 1),
            long @ 192..255 => (((usize::from(long) - 192) << 8) + usize::from(*bytes.get(1)?) + 192, 2),
            255 => (word(bytes.get(1..5))? as usize, 5),
        };
        let part = bytes.get(used..used + length)?;
        bytes = bytes.get(used + length..)?;
        let (kind, content) = part.split_first()?;
        Some((kind & 0x7f, content))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ed25519 key that expires, in an old-format packet, as `gpg --export --armor` writes it.
    const ARMORED: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----
Comment: a header

mDMEaws/9BYJKwYBBAHaRw8BAQdA7O3dt7MIYMFSU8AbQuVdgFNfUZYr9ENNAh6p
bAu2CM20KUV4YW1wbGUgUmVwb3NpdG9yeSA8cGFja2FnZXNAZXhhbXBsZS5vcmc+
iJYEExYIAD4WIQQPOFUm7sBOXGNRVOPLYtgo7TyldAUCaws/9AIbAwUJBdFBTAUL
CQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRDLYtgo7TyldMphAP9A1KbOA8OtK5/Y
R7YJFKzvk+rc/jUXrY0XQ21D17KifgEArXF0jXKlQjIXkDGmbBZi/t6Wzk56/8sd
O9klsYOuUAE=
=wX6S
-----END PGP PUBLIC KEY BLOCK-----
";

    #[test]
    fn keys_are_named_with_their_expiry() {
        let described =
            "0F385526EEC04E5C635154E3CB62D828ED3CA574 Example Repository <packages@example.org>, expires 2030-01-01";
        let found = keys(ARMORED.as_bytes()).expect("a key");
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [described]);
        let binary = without_armor(ARMORED.as_bytes()).expect("Base64");
        assert_eq!(keys(&binary).as_ref(), Ok(&found));
        // Two blocks, and two keys in one file.
        assert_eq!(keys(format!("{ARMORED}{ARMORED}").as_bytes()).expect("keys").len(), 2);
        assert!(is_armored(ARMORED.as_bytes()) && !is_armored(&binary));
    }

    #[test]
    fn what_is_no_keyring_is_refused_and_nothing_is_read_beyond_its_end() {
        let binary = without_armor(ARMORED.as_bytes()).expect("Base64");
        for end in 0..binary.len() {
            // A key without all of its names and signatures is still the key.
            let _ = keys(&binary[..end]);
        }
        for bytes in [
            &b""[..],
            b"<!DOCTYPE html>",
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----",
            &[0xc5, 1, 4],
            &[0x99, 0xff, 0xff, 4],
            &[0xc6, 1, 3],
        ] {
            assert!(keys(bytes).is_err(), "{bytes:?}");
        }
    }
}
