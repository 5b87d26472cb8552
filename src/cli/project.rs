//! The project that a command works on.

use std::path::PathBuf;

use homelab::error::Diagnostic;
use homelab::project::{Project, find_root, load};

/// The root of the project that the current folder is in.
pub(super) fn root() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir()?;
    find_root(&here).ok_or_else(|| {
        Diagnostic::new("not in a homelab project: no `inventories/` folder here or in a parent folder")
            .hint("change to the project's folder, or create a project with `homelab init FOLDER`")
            .into()
    })
}

/// The project that the current folder is in.
pub(super) fn project() -> anyhow::Result<Project> {
    Ok(load(&root()?)?)
}
