//! Makes keys and certificates.

use std::net::IpAddr;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use time::OffsetDateTime;
use zeroize::{Zeroize as _, Zeroizing};

use super::certificate::Certificate;
use crate::error::Diagnostic;
use crate::secret::Secret;

/// A certificate and its private key, as text.
pub(super) struct Made {
    pub(super) certificate: Certificate,
    pub(super) key: Secret,
}

/// When a certificate is valid.
#[derive(Clone, Copy)]
pub(super) struct Validity {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// An authority of this name.
pub(super) fn make_authority(name: &str, validity: Validity) -> Result<Made, Diagnostic> {
    let mut wish = parameters(name, validity)?;
    wish.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    wish.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = OwnKey::generate()?;
    let certificate = wish.self_signed(&key.0).map_err(|error| unmade(&error))?;
    made(&certificate.pem(), &key)
}

/// A certificate that the authority signs: of a client, or of a server with these names and addresses.
pub(super) fn make_certificate(
    name: &str,
    hosts: &[String],
    validity: Validity,
    authority: &Certificate,
    key_of_authority: &Secret,
) -> Result<Made, Diagnostic> {
    let mut wish = parameters(name, validity)?;
    wish.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wish.extended_key_usages = vec![if hosts.is_empty() {
        ExtendedKeyUsagePurpose::ClientAuth
    } else {
        ExtendedKeyUsagePurpose::ServerAuth
    }];
    wish.subject_alt_names = hosts.iter().map(|host| alternative(host)).collect::<Result<_, _>>()?;
    wish.use_authority_key_identifier_extension = true;
    let signer = OwnKey::parse(key_of_authority)
        .filter(|key| key.is_of(authority))
        .ok_or_else(foreign_key)?;
    let issuer = Issuer::from_ca_cert_der(&authority.der.as_slice().into(), &signer.0);
    let issuer = issuer.map_err(|error| unmade(&error))?;
    let key = OwnKey::generate()?;
    let certificate = wish.signed_by(&key.0, &issuer).map_err(|error| unmade(&error))?;
    made(&certificate.pem(), &key)
}

/// Whether a private key belongs to a certificate.
pub(super) fn belongs(key: &Secret, certificate: &Certificate) -> bool {
    OwnKey::parse(key).is_some_and(|key| key.is_of(certificate))
}

/// The bytes of a private key.
pub(super) fn key_bytes(key: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    Some(Zeroizing::new(OwnKey::parse(key)?.0.serialize_der()))
}

fn foreign_key() -> Diagnostic {
    Diagnostic::new("the private key of the certificate authority does not belong to its certificate")
        .hint("restore `pki/ca.toml` from git")
}

/// A private key, overwritten in memory when it is dropped.
struct OwnKey(KeyPair);

impl OwnKey {
    /// A new key on P-256: all browsers, phones and servers know it.
    fn generate() -> Result<Self, Diagnostic> {
        KeyPair::generate().map(Self).map_err(|error| unmade(&error))
    }

    fn parse(text: &Secret) -> Option<Self> {
        KeyPair::from_pem(text.expose()).ok().map(Self)
    }

    fn is_of(&self, certificate: &Certificate) -> bool {
        self.0.public_key_raw() == certificate.public_key
    }
}

impl Drop for OwnKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

fn parameters(name: &str, validity: Validity) -> Result<CertificateParams, Diagnostic> {
    let mut wish = CertificateParams::default();
    wish.distinguished_name = DistinguishedName::new();
    wish.distinguished_name.push(DnType::CommonName, name);
    wish.serial_number = Some(serial());
    wish.not_before = moment(validity.from)?;
    wish.not_after = moment(validity.until)?;
    Ok(wish)
}

/// 16 random bytes; the first bits are set so that there are always as many.
fn serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from(bytes.to_vec())
}

fn moment(time: Timestamp) -> Result<OffsetDateTime, Diagnostic> {
    OffsetDateTime::from_unix_timestamp(time.as_second())
        .map_err(|error| Diagnostic::new("cannot make a certificate that is valid so long").because(error.to_string()))
}

fn alternative(host: &str) -> Result<SanType, Diagnostic> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let bare = host.strip_prefix("*.").unwrap_or(host);
    let is_plain = |label: &str| {
        let is_plain = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
        (1..=63).contains(&label.len()) && label.chars().all(is_plain) && !label.starts_with('-')
    };
    let wrong = || {
        Diagnostic::new(format!(
            "`{}` is not a name or address of a server",
            host.escape_debug()
        ))
        .hint("write a name such as `nas.lan`, or an address such as `192.168.1.5`")
    };
    if host.len() > 253 || !bare.split('.').all(is_plain) {
        return Err(wrong());
    }
    host.try_into().map(SanType::DnsName).map_err(|_| wrong())
}

fn made(pem: &str, key: &OwnKey) -> Result<Made, Diagnostic> {
    let text = Zeroizing::new(key.0.serialize_pem());
    let certificate =
        Certificate::parse(pem).map_err(|why| Diagnostic::new("cannot read the new certificate").because(why))?;
    Ok(Made {
        certificate,
        key: Secret::new(text.as_str()),
    })
}

fn unmade(error: &rcgen::Error) -> Diagnostic {
    Diagnostic::new("cannot make the certificate").because(error.to_string())
}
