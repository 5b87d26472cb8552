//! Files and directories.

pub(super) mod directory;
mod file;
pub(super) mod line;
mod parameters;
pub(super) mod put;
