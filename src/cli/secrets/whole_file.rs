//! `homelab secrets set` and `get` for files that are encrypted as a whole

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::Context as _;
use homelab::error::Diagnostic;
use homelab::secrets::SecretFile;
use zeroize::Zeroizing;

use crate::cli::output::print;

/// The encrypted file that is meant, if it is one.
pub(super) fn secret_file(root: &Path, file: &Path, key: Option<&str>) -> anyhow::Result<Option<SecretFile>> {
    let here = std::env::current_dir()?;
    let found = SecretFile::find(root, &here, &file.to_string_lossy())?;
    match (&found, key) {
        (Some(file), Some(key)) => Err(Diagnostic::new(format!("`{}` has no value `{key}`", file.shown))
            .because("it is encrypted as a whole")
            .hint("leave the name out")
            .into()),
        _ => Ok(found),
    }
}

/// Encrypts what is on standard input.
pub(super) fn set_file(file: &SecretFile) -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() {
        return Err(Diagnostic::new(format!("no content for `{}`", file.shown))
            .hint(format!(
                "pipe it in: `homelab secrets set {0} <FILE`; or write text with `homelab secrets edit {0}`",
                file.shown
            ))
            .into());
    }
    let mut content = Zeroizing::new(Vec::new());
    let read = std::io::stdin().read_to_end(&mut content);
    read.context("cannot read the content from standard input")?;
    file.set(&content)?;
    Ok(print(&format!("encrypted {}\n", file.shown))?)
}
