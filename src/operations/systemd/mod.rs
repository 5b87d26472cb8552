//! systemd.

pub(super) mod service;
