//! The table `[server]` of each mode's configuration.

use serde::Deserialize;

use super::listeners::Address;

/// How a mode is reached. Each key has a default; systemd's sockets win over `listen`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Addresses to listen on if systemd hands over no sockets: `127.0.0.1:5001`, or `unix:/run/x.sock`.
    pub listen: Vec<Address>,
    /// Values of the header `Origin` that are let through. Requests of browsers with any other are refused.
    pub allowed_origins: Vec<String>,
    /// Who may read `/metrics`.
    pub metrics: MetricsAccess,
    /// Names of client certificates, and what each may do.
    pub client_certificates: ClientCertificates,
    /// How many requests that change something one peer may send in a minute.
    pub changes_per_minute: u32,
}

/// Who may read `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetricsAccess {
    /// Everybody who reaches the port.
    Open,
    /// Callers with a token or certificate for reading.
    Read,
}

/// Common names of client certificates.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientCertificates {
    /// They may read.
    pub read: Vec<String>,
    /// They may read, and change something.
    pub operate: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            allowed_origins: Vec::new(),
            metrics: MetricsAccess::Read,
            client_certificates: ClientCertificates::default(),
            changes_per_minute: 60,
        }
    }
}
