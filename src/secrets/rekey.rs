//! All secrets of a project, encrypted again for other recipients.

use std::path::Path;

use super::change::{unopened, write_recipients};
use super::files::DataFile;
use super::format::recipients_of_file;
use super::identities::needed_identities;
use super::secret_file::SecretFile;
use super::{Encrypted, RECIPIENTS_FILE, Recipients, encrypt, is_encrypted};
use crate::error::{Diagnostic, Diagnostics};

/// What was encrypted again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rekeyed {
    pub values: usize,
    /// The paths of the files that were written.
    pub files: Vec<String>,
}

/// Encrypts every secret of the project at `root` again, for `recipients`, and makes these the recipients of the project.
/// Nothing is written unless all secrets can be decrypted; each file is replaced at once.
///
/// Errors: a value that no key opens, a file that cannot be read or written, or recipients who do not include this person.
pub fn rekey(root: &Path, recipients: &Recipients) -> Result<Rekeyed, Diagnostics> {
    let mut files = DataFile::all(root)?;
    let identities = needed_identities(root)?;
    if !recipients.include(&identities) {
        let title = format!("none of your private keys would open the secrets: you are not in `{RECIPIENTS_FILE}`");
        return Err(Diagnostic::new(title)
            .hint("let someone who stays a recipient do this")
            .into());
    }
    let mut rekeyed = Rekeyed::default();
    let mut mistakes = Vec::new();
    for file in &mut files {
        let (shown, names) = (file.shown.clone(), file.document.clone());
        let replaced = file.document.replace(|path, text| {
            if !is_encrypted(text) {
                return Ok(None);
            }
            let name = names.name_of(path)?;
            match Encrypted::parse(text).and_then(|encrypted| encrypted.open(&name, &identities)) {
                Ok(secret) => {
                    rekeyed.values += 1;
                    Ok(Some(encrypt(&name, &secret, recipients)))
                }
                Err(why) => {
                    mistakes.push(unopened(&shown, &path.exact(), &why, &identities));
                    Ok(None)
                }
            }
        });
        if let Err(mistake) = replaced {
            mistakes.push(mistake);
        }
    }
    let mut secret_files = Vec::new();
    for file in SecretFile::all(root)? {
        match file.decrypted(&identities) {
            Ok(content) => secret_files.push((file, content)),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if !mistakes.is_empty() {
        return Err(Diagnostics(mistakes));
    }
    // First: if this is interrupted, `homelab secrets rekey` does the rest.
    write_recipients(root, recipients)?;
    for file in &files {
        if file.write()? {
            rekeyed.files.push(file.shown.clone());
        }
    }
    for (file, content) in secret_files {
        file.write(&content, recipients)?;
        rekeyed.values += 1;
        rekeyed.files.push(file.shown);
    }
    Ok(rekeyed)
}

/// How many secrets of the project at `root` are not encrypted for as many keys as it has recipients. That is so after a command that
/// encrypts them again was cut off, or after `.age-recipients` was edited. Files that cannot be read are not counted.
pub fn stale(root: &Path) -> usize {
    let Ok(Some(recipients)) = Recipients::find(root) else {
        return 0;
    };
    let wanted = recipients.iter().count();
    let mut count = 0;
    for file in DataFile::all(root).unwrap_or_default() {
        file.document.visit(|_, text| {
            let encrypted = is_encrypted(text).then(|| Encrypted::parse(text).ok()).flatten();
            count += usize::from(encrypted.is_some_and(|encrypted| encrypted.recipients() != wanted));
        });
    }
    let files = SecretFile::all(root).unwrap_or_default();
    let bytes = files.iter().filter_map(|file| file.bytes().ok().flatten());
    let of_files = bytes.filter_map(|bytes| recipients_of_file(&bytes));
    count + of_files.filter(|number| *number != wanted).count()
}
