//! What git says about a file.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::Diagnostic;
use crate::secret::WithoutSecrets as _;

/// Refuses a private key at `path` that could be committed with the project at `root`.
///
/// Errors: it is in the project, and git does not ignore it.
pub(super) fn refuse_in_project(path: &Path, root: &Path) -> Result<(), Diagnostic> {
    let (Ok(path), Ok(root)) = (path.canonicalize(), root.canonicalize()) else {
        return Ok(());
    };
    if !path.starts_with(&root) || !could_be_committed(&path, &root) {
        return Ok(());
    }
    let shown = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
    Err(
        Diagnostic::new(format!("your private key `{shown}` could be committed"))
            .because("it is in the project, and git does not ignore it")
            .hint(format!(
                "move it to `~/.config/homelab/identity.txt`, or add `{shown}` to `.gitignore`"
            )),
    )
}

/// Whether the file is in a git repository that does not ignore it.
fn could_be_committed(path: &Path, root: &Path) -> bool {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(root)
        .args(["check-ignore", "--quiet", "--"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .without_secrets();
    // 0 is ignored, 1 is not, 128 is no repository.
    command.status().is_ok_and(|status| status.code() == Some(1))
}
