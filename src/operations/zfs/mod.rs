//! ZFS.

pub(super) mod dataset;
mod property;
