//! Debian's package management.

pub(super) mod deb;
mod from_file;
pub(super) mod hold;
pub(super) mod key;
mod name;
pub(super) mod packages;
mod request;
mod run;
pub(super) mod sources_file;
mod status;
pub(super) mod update;
pub(super) mod upgrade;
