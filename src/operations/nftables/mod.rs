//! The rules of the kernel's packet filter.

mod listing;
pub(super) mod rules;
