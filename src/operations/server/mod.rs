//! The system itself: users, groups and commands.

mod command;
pub(super) mod group;
mod home;
pub(super) mod names;
mod rosters;
pub(super) mod shell;
pub(super) mod user;
