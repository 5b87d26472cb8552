//! Debian's package management.

mod name;
pub(super) mod packages;
mod run;
mod status;
pub(super) mod update;
pub(super) mod upgrade;
