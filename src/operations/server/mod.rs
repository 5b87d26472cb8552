//! The system itself: users, groups and commands.

mod command;
pub(super) mod etc_hosts;
pub(super) mod group;
mod home;
pub(super) mod hostname;
mod kernel_parameter;
pub(super) mod locale;
pub(super) mod names;
mod public_key;
mod rosters;
pub(super) mod shell;
pub(super) mod sysctl;
pub(super) mod timezone;
pub(super) mod user;
pub(super) mod user_authorized_keys;
