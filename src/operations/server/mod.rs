//! The system itself: accounts and commands.

pub(super) mod shell;
