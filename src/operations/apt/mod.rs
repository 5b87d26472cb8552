//! Debian's package management.

pub(super) mod packages;
mod run;
pub(super) mod update;
pub(super) mod upgrade;
