//! `homelab secrets edit` for a file that is encrypted as a whole

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use homelab::content::EncryptedFile;
use homelab::error::Diagnostic;
use homelab::secrets::SecretFile;
use zeroize::Zeroizing;

use super::editor::{INTERRUPTED, check_editor, edit};
use super::outsider::warn_outsider;
use super::private_folder::{PrivateFolder, kept};
use crate::cli::output::print;
use crate::cli::runtime;

pub(super) fn run(root: &Path, file: &SecretFile) -> anyhow::Result<ExitCode> {
    let before = if file.is_there() {
        file.get()?
    } else {
        Zeroizing::default()
    };
    let Ok(clear) = std::str::from_utf8(&before) else {
        return Err(Diagnostic::new(format!("`{}` is not text", file.shown))
            .hint(format!(
                "`homelab secrets get {0} >FILE` and `homelab secrets set {0} <FILE` read and write it",
                file.shown
            ))
            .into());
    };
    let name = Path::new(&file.shown).file_name().unwrap_or_default().to_string_lossy();
    check_editor()?;
    let folder = PrivateFolder::create().context("cannot make a private folder for the clear text")?;
    let path = folder.write(name.trim_end_matches(EncryptedFile::SUFFIX), clear);
    let path = path.context("cannot write the clear text to a private folder")?;
    let is_edited = runtime::one_thread()?.block_on(edit(&path, &folder))?;
    if !is_edited {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let after = Zeroizing::new(std::fs::read(&path).context("cannot read what the editor saved")?);
    if after == before {
        print("nothing was changed\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Err(mistake) = file.set(&after) {
        return Err(kept(folder, &path, &file.shown, &[mistake])?.into());
    }
    print(&format!("encrypted {}\n", file.shown))?;
    warn_outsider(root);
    Ok(ExitCode::SUCCESS)
}
