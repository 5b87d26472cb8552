//! Debian's package management.

pub(super) mod packages;
