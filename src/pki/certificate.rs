//! One certificate, read from its text.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::X509Certificate;

use crate::secret::hex;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It signs others.
    Authority,
    /// It lets its owner in.
    Client,
    /// A server shows it.
    Server,
}

impl Kind {
    /// A word for lists.
    pub fn word(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The common name of its subject.
    pub name: String,
    pub kind: Kind,
    /// In lower-case hex.
    pub serial: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// The names and addresses of the server.
    pub hosts: Vec<String>,
    /// Its text, which ends with a line break.
    pub pem: String,
    pub(super) der: Vec<u8>,
    pub(super) public_key: Vec<u8>,
}

impl Certificate {
    /// Reads the text of one certificate.
    ///
    /// Errors: what is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const DAMAGED: &str = "this is not a whole certificate";
        let text = text.trim();
        let (rest, pem) = parse_x509_pem(text.as_bytes()).map_err(|_| DAMAGED)?;
        if pem.label != "CERTIFICATE" {
            return Err("this is something else than a certificate");
        }
        if !rest.trim_ascii().is_empty() {
            return Err("there is more than one certificate");
        }
        let parsed = pem.parse_x509().map_err(|_| DAMAGED)?;
        Self::of(&parsed, &pem.contents, text).ok_or(DAMAGED)
    }

    fn of(parsed: &X509Certificate<'_>, der: &[u8], text: &str) -> Option<Self> {
        let mut names = parsed.subject().iter_common_name();
        let name = names.find_map(|name| name.as_str().ok())?.to_owned();
        let usage = parsed.extended_key_usage().ok()?;
        let kind = match usage {
            _ if parsed.is_ca() => Kind::Authority,
            Some(usage) if usage.value.server_auth => Kind::Server,
            Some(usage) if usage.value.client_auth => Kind::Client,
            _ => return None,
        };
        let alternatives = parsed.subject_alternative_name().ok()?;
        let hosts = alternatives.iter().flat_map(|names| &names.value.general_names);
        let validity = parsed.validity();
        Some(Self {
            name,
            kind,
            serial: hex(parsed.raw_serial()),
            not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
            hosts: hosts.filter_map(host).collect(),
            pem: format!("{text}\n"),
            der: der.to_vec(),
            public_key: parsed.public_key().subject_public_key.data.to_vec(),
        })
    }

    /// Whether `authority` signed it.
    pub fn is_signed_by(&self, authority: &Self) -> bool {
        let parse = |der| x509_parser::parse_x509_certificate(der).map(|(_, parsed)| parsed);
        let (Ok(own), Ok(other)) = (parse(&self.der), parse(&authority.der)) else {
            return false;
        };
        own.issuer() == other.subject() && own.verify_signature(Some(other.public_key())).is_ok()
    }
}

/// A name or address of a server.
fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
