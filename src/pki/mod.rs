//! The certificates of a project: an authority of its own, and what it signs for people, devices and servers.
//!
//! `pki/ca.toml` and `pki/NAME.toml` hold a certificate in clear text and its private key, encrypted as all secrets of a project
//! are. Nothing here asks what time it is: the caller does.

mod authority;
mod certificate;
mod change;
mod expiry;
mod file;
mod name;
mod pkcs12;
mod project;

pub use certificate::{Certificate, Kind};
pub use change::{Draft, Revocation, Wish, begin, check_new, export, issue, renew, revoke, write_new};
pub use expiry::{Expiring, NOTICE_DAYS, days_until};
pub use file::{Entry, Held, Revoked};
pub use pkcs12::Encryption;
pub use project::{Pki, Read};
