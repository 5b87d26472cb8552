//! The system itself: users, groups and commands.

mod command;
pub(super) mod condition;
pub(super) mod etc_hosts;
mod fstab;
pub(super) mod group;
mod home;
pub(super) mod hostname;
mod kernel_parameter;
mod key_options;
pub(super) mod locale;
pub(super) mod modprobe;
pub(super) mod mount;
pub(super) mod names;
mod public_key;
pub(super) mod reboot;
mod rosters;
pub(super) mod script;
pub(super) mod shell;
pub(super) mod swap;
pub(super) mod sysctl;
pub(super) mod timezone;
pub(super) mod user;
pub(super) mod user_authorized_keys;
pub(super) mod wait;
