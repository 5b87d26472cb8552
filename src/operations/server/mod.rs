//! Users and groups of the host.

mod command;
pub(super) mod group;
mod home;
mod names;
mod rosters;
pub(super) mod user;
