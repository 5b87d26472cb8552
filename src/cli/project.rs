//! The project that a command works on.

use std::path::PathBuf;

use homelab::error::Diagnostic;
use homelab::project::{Project, find_root, load};

/// The root of the project that the current folder is in.
pub(super) fn root() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir()?;
    find_root(&here).ok_or_else(|| {
        Diagnostic::new("this is no homelab project: neither here nor above is a folder `inventories`")
            .hint("go to the project's folder, the one that holds `inventories/`")
            .into()
    })
}

/// The project that the current folder is in.
pub(super) fn project() -> anyhow::Result<Project> {
    Ok(load(&root()?)?)
}
