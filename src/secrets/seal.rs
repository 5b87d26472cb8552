//! Seals: they show that a file was made by someone with a certain private key, to the owner of the same key.
//!
//! Everyone can encrypt for the recipients of a project, whose public keys are in it. So what only they can read may come from
//! anyone; what one of them has sealed does not.

use age::secrecy::ExposeSecret as _;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Identities, Recipients};
use crate::secret::hex;

/// What stands before all that is sealed, so that a seal is of no use elsewhere.
const PURPOSE: &[u8] = b"homelab seal 1\n";

/// The seal of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// The public key that belongs to the private key.
    pub by: String,
    code: String,
}

/// Whether a text is as it was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    Whole,
    /// Something else was sealed.
    Broken,
    /// Only someone with another private key can tell.
    ByAnother,
}

impl Seal {
    /// Seals `text` with the first private key of someone who is among the recipients; `None` if there is none.
    pub fn new(text: &[u8], identities: &Identities, recipients: &Recipients) -> Option<Self> {
        let known: Vec<_> = recipients.keys().collect();
        let key = identities.keys().find(|key| known.contains(&&key.to_public()))?;
        Some(Self {
            by: key.to_public().to_string(),
            code: hex(&code(text, key).finalize().into_bytes()),
        })
    }

    /// Looks whether `text` is what was sealed.
    pub fn check(&self, text: &[u8], identities: &Identities) -> Sealed {
        let Some(key) = identities.keys().find(|key| key.to_public().to_string() == self.by) else {
            return Sealed::ByAnother;
        };
        let digits = self.code.as_bytes().chunks(2);
        let bytes: Option<Vec<u8>> = digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        // The comparison takes the same time whatever differs.
        if bytes.is_some_and(|bytes| code(text, key).verify_slice(&bytes).is_ok()) {
            Sealed::Whole
        } else {
            Sealed::Broken
        }
    }
}

fn code(text: &[u8], key: &age::x25519::Identity) -> Hmac<Sha256> {
    let secret = key.to_string();
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(PURPOSE);
    mac.update(text);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_whole_only_for_the_same_text_and_key() {
        let (anna, ben) = (Identities::generate().0, Identities::generate().0);
        let key = anna.public_keys().next().expect("a key").to_string();
        let recipients = Recipients::first("anna", &key).expect("valid");
        let seal = Seal::new(b"text", &anna, &recipients).expect("a recipient");
        assert_eq!(seal.by, key);
        assert_eq!(seal.check(b"text", &anna), Sealed::Whole);
        assert_eq!(seal.check(b"texT", &anna), Sealed::Broken);
        assert_eq!(seal.check(b"text", &ben), Sealed::ByAnother);
        assert_eq!(Seal::new(b"text", &ben, &recipients), None);
        for code in ["", "00", "zz", "é"] {
            let forged = Seal {
                code: code.to_owned(),
                ..seal.clone()
            };
            assert_eq!(forged.check(b"text", &anna), Sealed::Broken, "{code}");
        }
    }
}
