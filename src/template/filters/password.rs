//! The filter `password_hash`: hashes of passwords for `/etc/shadow`, web servers and Mosquitto; and `lab_password`: passwords that
//! the user does not need to keep.
//!
//! Salts and these passwords are derived from a text and the lab's key, so they are the same in every run.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, State, Value};
use sha_crypt::{PasswordHasher, ShaCrypt};
use sha2::{Sha256, Sha512};

use super::taken::{text, wrong};
use crate::secret::{LAB_KEY_VARIABLE, Secret};
use crate::template::watch::is_unknown;

/// The name under which templates find the lab's key. No template can write it.
pub(crate) const LAB_KEY: &str = "\0lab key";

/// The work of bcrypt, as a power of two.
const COST: u32 = 10;
/// The work of PBKDF2, in rounds.
const ROUNDS: u32 = 10_000;

/// Characters of a password of `lab_password`: 238 bits.
const PASSWORD_LENGTH: usize = 40;

/// Hashes take long on purpose, and plans are made several times.
static MADE: LazyLock<Mutex<HashMap<[u8; 32], String>>> = LazyLock::new(Mutex::default);

/// The hash of a password.
///
/// Errors: no salt, no such kind, no key.
#[expect(clippy::needless_pass_by_value, reason = "filters take their options by value")]
pub(super) fn password_hash(
    state: &mut State<'_, '_>,
    value: &Value,
    kind: &str,
    options: Kwargs,
) -> Result<Value, Error> {
    let salt: Option<String> = options.get("salt")?;
    options.assert_all_used()?;
    if is_unknown(value) {
        return Ok(value.clone());
    }
    let password = text("password_hash", value, "give it a string")?;
    let Some(salt) = salt.filter(|salt| !salt.is_empty()) else {
        return Err(wrong(
            "`password_hash` needs a `salt`",
            "equal passwords would have equal hashes",
            "write any text that differs for each user, such as `password_hash('sha512', salt='anna')`",
        ));
    };
    let key = match lab_key(state, "password_hash", "salts are made with it")? {
        Key::Known(key) => key,
        Key::Unknown(unknown) => return Ok(unknown),
    };
    let salt = mac(key.as_bytes(), &[kind.as_bytes(), salt.as_bytes()]);
    let known = mac(&salt, &[kind.as_bytes(), password.as_bytes()]);
    if let Some(hash) = MADE.lock().unwrap_or_else(PoisonError::into_inner).get(&known) {
        return Ok(Value::from(hash.as_str()));
    }
    let hash = made(kind, password.as_bytes(), &salt)?;
    MADE.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(known, hash.clone());
    Ok(Value::from(hash))
}

/// A password for the purpose that `value` names: letters and digits, the same in every run.
///
/// Errors: no text, no key.
pub(super) fn lab_password(state: &mut State<'_, '_>, value: &Value) -> Result<Value, Error> {
    if is_unknown(value) {
        return Ok(value.clone());
    }
    let purpose = text(
        "lab_password",
        value,
        "say what it is for, such as `'grafana admin' | lab_password`",
    )?;
    if purpose.is_empty() {
        return Err(wrong(
            "`lab_password` needs to know what the password is for",
            "equal texts have equal passwords",
            "write any text that no other password has, such as `'grafana admin' | lab_password`",
        ));
    }
    match lab_key(state, "lab_password", "passwords are made with it")? {
        Key::Known(key) => Ok(Value::from(password_for(key.as_bytes(), purpose.as_bytes()))),
        Key::Unknown(unknown) => Ok(unknown),
    }
}

/// The password of the lab with this key for `purpose`, as the filter `lab_password` makes it.
pub fn lab_password_for(key: &Secret, purpose: &str) -> Secret {
    Secret::new(password_for(key.expose().as_bytes(), purpose.as_bytes()))
}

/// Letters and digits, each as likely as any other.
fn password_for(key: &[u8], purpose: &[u8]) -> String {
    const CHARACTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    // What is left of 256 after the largest multiple of 62 would make some of them more likely.
    const FAIR: u8 = 248;
    let bytes = (0_u32..).flat_map(|block| mac(key, &[b"lab_password", purpose, &block.to_be_bytes()]));
    let fair = bytes.filter(|byte| *byte < FAIR);
    fair.map(|byte| char::from(CHARACTERS[usize::from(byte) % CHARACTERS.len()]))
        .take(PASSWORD_LENGTH)
        .collect()
}

enum Key {
    Known(String),
    /// It cannot be read here: this stands for what would come of it.
    Unknown(Value),
}

fn lab_key(state: &mut State<'_, '_>, filter: &str, why: &'static str) -> Result<Key, Error> {
    let key = state.lookup(LAB_KEY);
    if let Some(unknown) = key.as_ref().filter(|key| is_unknown(key)) {
        return Ok(Key::Unknown(unknown.clone()));
    }
    key.and_then(|key| key.as_str().map(str::to_owned))
        .map(Key::Known)
        .ok_or_else(|| {
            wrong(
                format!("`{filter}` needs the lab's key: there is no `.lab-key.age`, and no `{LAB_KEY_VARIABLE}`"),
                why,
                "run `homelab secrets init`, which makes one for everyone who can decrypt; commit `.lab-key.age`",
            )
        })
}

fn made(kind: &str, password: &[u8], salt: &[u8; 32]) -> Result<String, Error> {
    let failed = |error: &dyn std::fmt::Display| {
        let what = format!("`password_hash`: {error}");
        Error::new(ErrorKind::InvalidOperation, what)
    };
    match kind {
        // The 16 characters that these 12 bytes are written as.
        "sha512" => ShaCrypt::SHA512
            .hash_password_with_salt(password, &salt[..12])
            .map(|hash| hash.to_string())
            .map_err(|error| failed(&error)),
        "bcrypt" => {
            let (salt, _) = salt.split_first_chunk().unwrap_or((&[0; 16], &[]));
            bcrypt::non_truncating_hash_with_salt(password, COST, *salt)
                .map(|parts| parts.format_for_version(bcrypt::Version::TwoB))
                .map_err(|_| {
                    wrong(
                        "`password_hash`: the password is too long for bcrypt",
                        "it would be cut after 72 bytes",
                        "use a shorter password, or the kind `sha512`",
                    )
                })
        }
        "mosquitto" => {
            let mut hash = [0; 64];
            let salt = &salt[..12];
            pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, ROUNDS, &mut hash);
            let [salt, hash] = [STANDARD.encode(salt), STANDARD.encode(hash)];
            Ok(format!("$7${ROUNDS}${salt}${hash}"))
        }
        other => Err(wrong(
            format!("`password_hash` has no kind `{other}`"),
            "the first argument is the kind",
            "use `sha512` for users of hosts, `bcrypt` for web servers, or `mosquitto`",
        )),
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&part.len().to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use sha_crypt::{PasswordHash, PasswordVerifier};

    use super::*;

    #[test]
    fn hashes_are_what_other_programs_accept() {
        let salt = [7; 32];
        let hash = made("sha512", b"hunter2", &salt).expect("a hash");
        assert!(hash.starts_with("$6$"), "{hash}");
        let read = PasswordHash::new(&hash).expect("a hash");
        assert!(ShaCrypt::SHA512.verify_password(b"hunter2", &read).is_ok());
        let hash = made("bcrypt", b"hunter2", &salt).expect("a hash");
        assert!(hash.starts_with("$2b$10$") && bcrypt::verify("hunter2", &hash).expect("a hash"));
        let hash = made("mosquitto", b"hunter2", &salt).expect("a hash");
        let fields: Vec<&str> = hash.split('$').collect();
        assert_eq!(fields[1..3], ["7", "10000"]);
        assert_eq!(fields[4].len(), 88);
        assert!(made("bcrypt", &[b'x'; 73], &salt).is_err());
        assert!(made("md5", b"x", &salt).is_err());
    }

    #[test]
    fn passwords_of_the_lab_differ_by_key_and_purpose() {
        let password = password_for(b"key", b"grafana");
        assert_eq!(password.len(), PASSWORD_LENGTH);
        assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{password}");
        assert_eq!(password, password_for(b"key", b"grafana"));
        assert_ne!(password, password_for(b"key", b"grafana2"));
        assert_ne!(password, password_for(b"other key", b"grafana"));
    }
}
