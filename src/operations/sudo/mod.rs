//! Rights to become another user with sudo.

pub(super) mod rule;
