//! Working trees of git.

pub(super) mod repo;
mod seen;
mod source;
