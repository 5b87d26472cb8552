//! The file of a saved plan.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::bundle::{Bundle, LARGEST};
use super::shown::Fingerprints;
use crate::error::Diagnostic;
use crate::plan::Plan;
use crate::project::LeftOut;
use crate::secret::sha256_hex;
use crate::secrets::{Identities, Recipients, Seal, Sealed, Unreadable, decrypt_large, encrypt_large, no_key};

/// The format of files that this version writes and reads.
pub const FORMAT: u64 = 1;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    homelab_plan: u64,
    /// The SHA-256 of all that follows the line.
    digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<Seal>,
}

/// What begins the first line of any format.
#[derive(Deserialize)]
struct AnyHead {
    homelab_plan: u64,
}

/// What was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// The version of homelab.
    pub version: String,
    pub inventory: String,
    pub deploy: String,
    /// The options that selected a part of the deploy or changed its data, without values of data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// What filters left out.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
    /// Why it cannot be applied; `None` if it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_applicable: Option<String>,
    /// Hosts that are not in the plan, since they could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<String>,
    /// In the order of the inventory.
    pub hosts: Vec<HostRecord>,
}

/// A host of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRecord {
    pub host: String,
    /// The fingerprint of its host key; `None` for this machine itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// The keyed digests of its operations.
    pub operations: Fingerprints,
}

/// All that follows the first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    plan: Meta,
    review: Plan,
    bundle: Packed,
}

/// The bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    /// The public keys that it is encrypted for, by name; empty if it is not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    encrypted_for: BTreeMap<String, String>,
    data: String,
}

/// A saved plan as it is in its file.
#[derive(Clone, Debug)]
pub struct SavedPlan {
    pub meta: Meta,
    /// What a review shows.
    pub plan: Plan,
    /// The SHA-256 of all that it says.
    pub digest: String,
    seal: Option<Seal>,
    packed: Packed,
    body: Vec<u8>,
}

/// Why a file cannot be used as a plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    #[error("it is not a saved plan")]
    Other,
    #[error("it has format {0}, and this version of homelab reads format {FORMAT}")]
    Format(u64),
    #[error("it is cut, or was changed since it was saved: {0}")]
    Broken(String),
}

/// Why the files of a plan cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Closed {
    #[error("there is no private key to decrypt it with")]
    NoKey,
    #[error("it is encrypted for other keys")]
    OtherKeys,
    #[error("{0}")]
    Broken(String),
}

impl SavedPlan {
    /// What a file begins with, whatever its format.
    pub const START: &str = "{\"homelab_plan\":";

    /// The text of a new file. With recipients, the bundle is encrypted for them, and sealed if one of `identities` is theirs.
    ///
    /// Errors: a secret of the project looks like a word of this format.
    pub fn text(
        meta: Meta,
        plan: Plan,
        bundle: &Bundle,
        sealing: Option<(&Recipients, &Identities)>,
    ) -> Result<(String, String), Diagnostic> {
        let failed = |error: &dyn std::error::Error| Diagnostic::new("cannot save the plan").because(error.to_string());
        let packed = bundle.packed().map_err(|error| failed(&error))?;
        let (encrypted_for, packed) = match sealing {
            None => (BTreeMap::new(), packed),
            Some((recipients, _)) => (
                recipients
                    .iter()
                    .map(|one| (one.key.clone(), one.name.clone()))
                    .collect(),
                encrypt_large(&packed, recipients),
            ),
        };
        let body = Body {
            plan: meta,
            review: plan,
            bundle: Packed {
                encrypted_for,
                data: STANDARD.encode(packed),
            },
        };
        let body = serde_json::to_string_pretty(&body).map_err(|error| failed(&error))? + "\n";
        let digest = sha256_hex(body.as_bytes());
        let head = Head {
            homelab_plan: FORMAT,
            digest: digest.clone(),
            seal: sealing.and_then(|(recipients, identities)| Seal::new(digest.as_bytes(), identities, recipients)),
        };
        let head = serde_json::to_string(&head).map_err(|error| failed(&error))?;
        Ok((format!("{head}\n{body}"), digest))
    }

    /// Reads a file.
    ///
    /// Errors: it is no plan, has another format, or was changed.
    pub fn parse(text: &[u8]) -> Result<Self, Unusable> {
        let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
        let (head, body) = text.split_at(end);
        // A list would be read as the fields of a head.
        if !head.starts_with(b"{") {
            return Err(Unusable::Other);
        }
        let any: AnyHead = serde_json::from_slice(head).map_err(|_| Unusable::Other)?;
        if any.homelab_plan != FORMAT {
            return Err(Unusable::Format(any.homelab_plan));
        }
        let broken = |why: &str| Unusable::Broken(why.to_owned());
        let head: Head = serde_json::from_slice(head).map_err(|_| broken("its first line"))?;
        let body = body.get(1..).unwrap_or_default();
        if sha256_hex(body) != head.digest {
            return Err(broken("its digest is another one"));
        }
        let Body { plan, review, bundle } = serde_json::from_slice(body).map_err(|error| broken(&error.to_string()))?;
        Ok(Self {
            meta: plan,
            plan: review,
            digest: head.digest,
            seal: head.seal,
            packed: bundle,
            body: body.to_vec(),
        })
    }

    /// The JSON of all but the bundle and the first line.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether the files are encrypted.
    pub fn is_encrypted(&self) -> bool {
        !self.packed.encrypted_for.is_empty()
    }

    /// Who sealed it, by the public key.
    pub fn sealed_by(&self) -> Option<&str> {
        self.seal.as_ref().map(|seal| seal.by.as_str())
    }

    /// Whether the plan is as one of these private keys sealed it; `None` if it has no seal.
    pub fn sealed(&self, identities: &Identities) -> Option<Sealed> {
        let seal = self.seal.as_ref()?;
        Some(seal.check(self.digest.as_bytes(), identities))
    }

    /// What it was made from.
    ///
    /// Errors: [`Closed`].
    pub fn bundle(&self, identities: &Identities) -> Result<Bundle, Closed> {
        let broken = |error: &dyn std::error::Error| Closed::Broken(error.to_string());
        let bytes = STANDARD.decode(&self.packed.data).map_err(|error| broken(&error))?;
        if !self.is_encrypted() {
            return Bundle::unpacked(&bytes).map_err(|error| broken(&error));
        }
        if identities.is_empty() {
            return Err(Closed::NoKey);
        }
        let opened = decrypt_large(&bytes, identities, LARGEST).map_err(|why| match why {
            Unreadable::OtherKeys => Closed::OtherKeys,
            other => broken(&other),
        })?;
        Bundle::unpacked(&opened).map_err(|error| broken(&error))
    }

    /// The mistake that the files of the plan in `file` cannot be opened.
    pub fn mistake(&self, file: &str, closed: &Closed) -> Diagnostic {
        match closed {
            Closed::NoKey => no_key(file),
            Closed::OtherKeys => {
                let names = self.packed.encrypted_for.iter();
                let names: Vec<&str> = names
                    .map(|(key, name)| if name.is_empty() { key.as_str() } else { name.as_str() })
                    .collect();
                Diagnostic::new(format!("your private key does not open `{file}`"))
                    .because(format!("it is encrypted for {}", names.join(", ")))
                    .hint("save the plan again after you became a recipient: `homelab secrets recipients add`")
            }
            Closed::Broken(why) => Diagnostic::new(format!("cannot open `{file}`"))
                .because(why)
                .hint("save the plan again with `homelab plan`"),
        }
    }
}
