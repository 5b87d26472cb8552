//! The system itself: users, groups and commands.

mod command;
pub(super) mod group;
mod home;
mod names;
mod rosters;
pub(super) mod shell;
pub(super) mod user;
