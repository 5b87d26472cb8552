//! A file with its secrets in clear text, for an editor, and back. Only what was changed is encrypted again.

use std::path::Path;

use zeroize::Zeroizing;

use super::change::unopened;
use super::document::Document;
use super::files::DataFile;
use super::identities::needed_identities;
use super::{Encrypted, Identities, Recipients, encrypt, is_encrypted};
use crate::error::{Diagnostic, Diagnostics};
use crate::secret::Secret;

const START: &str = "DEC[age,";
const END: &str = "]";
/// What the lines begin with that explain the file and are removed again.
const NOTE: &str = "#: ";

/// A file whose secrets are edited.
pub struct Editing {
    file: DataFile,
    recipients: Recipients,
    /// The secrets: the name that each belongs to, the text, and how it is encrypted.
    known: Vec<(String, Secret, String)>,
    clear: Zeroizing<String>,
}

/// The names of values that were encrypted by an edit.
#[derive(Debug, PartialEq, Eq)]
pub struct Edited {
    pub encrypted: Vec<String>,
    /// Whether the file is another one now.
    pub is_changed: bool,
}

impl Editing {
    /// Decrypts the file that someone calls `given`, seen from the folder `here`.
    ///
    /// Errors: no such file, a value that no key opens, or a project without recipients.
    pub fn begin(root: &Path, here: &Path, given: &str) -> Result<Self, Diagnostics> {
        let file = DataFile::find(root, here, given)?;
        let recipients = Recipients::of_project(root)?;
        let mut has_secrets = false;
        file.document.visit(|_, text| has_secrets |= is_encrypted(text));
        let identities = if has_secrets {
            needed_identities(root)?
        } else {
            Identities::default()
        };
        let mut known = Vec::new();
        let mut document = file.document.clone();
        let mut mistakes = Vec::new();
        let replaced = document.replace(|path, text| {
            if !is_encrypted(text) {
                return Ok(None);
            }
            let name = file.document.name_of(path)?;
            match Encrypted::parse(text).and_then(|encrypted| encrypted.open(&name, &identities)) {
                Ok(secret) => {
                    let clear = format!("{START}{}{END}", secret.expose());
                    known.push((name, secret, text.to_owned()));
                    Ok(Some(clear))
                }
                Err(why) => {
                    mistakes.push(unopened(&file.shown, &path.exact(), &why, &identities));
                    Ok(None)
                }
            }
        });
        replaced.map_err(|mistake: Diagnostic| Diagnostics(vec![mistake]))?;
        if !mistakes.is_empty() {
            return Err(Diagnostics(mistakes));
        }
        let clear = Zeroizing::new(format!("{}{}", note(&file.shown), *Zeroizing::new(document.text())));
        Ok(Self {
            file,
            recipients,
            known,
            clear,
        })
    }

    /// The file's path in the project.
    pub fn shown(&self) -> &str {
        &self.file.shown
    }

    /// The text for the editor.
    pub fn clear(&self) -> &str {
        &self.clear
    }

    /// Writes the file as the edited text says, with its secrets encrypted. Secrets that did not change stay as they were,
    /// byte for byte.
    ///
    /// Errors: the text is not TOML, a secret is no data, or the file cannot be written. None of them shows the text.
    pub fn finish(&self, edited: &str) -> Result<Edited, Diagnostics> {
        let text: Zeroizing<String> = Zeroizing::new(without_note(edited));
        let mut document = Document::parse(&self.file.shown, &text)
            .map_err(|mistakes| Diagnostics(mistakes.0.iter().map(hidden).collect()))?;
        let mut encrypted = Vec::new();
        document
            .replace(|path, text| {
                let Some(inner) = text.trim_start().strip_prefix(START) else {
                    return Ok(None);
                };
                let name = self.file.document.name_of(path)?;
                let inner = inner.trim_end().strip_suffix(END).ok_or_else(|| {
                    Diagnostic::new(format!("`{}` does not end with `{END}`", path.exact()))
                        .hint(format!("write `{} = \"{START}…{END}\"`", path.exact()))
                })?;
                let secret = Secret::new(inner);
                let same = self
                    .known
                    .iter()
                    .find(|(known, text, _)| *known == name && *text == secret);
                if let Some((_, _, before)) = same {
                    return Ok(Some(before.clone()));
                }
                encrypted.push(path.exact());
                Ok(Some(encrypt(&name, &secret, &self.recipients)))
            })
            .map_err(|mistake: Diagnostic| Diagnostics(vec![mistake]))?;
        let mut file = self.file.clone();
        file.document = document;
        let is_changed = file.write()?;
        Ok(Edited { encrypted, is_changed })
    }
}

fn note(shown: &str) -> String {
    format!(
        "{NOTE}{shown}: secrets are shown in clear text, as DEC[age,TEXT].\n\
         {NOTE}Write DEC[age,TEXT] for any value to encrypt it. When you save and close the\n\
         {NOTE}editor, they are encrypted, and these lines are removed.\n"
    )
}

fn without_note(text: &str) -> String {
    text.split_inclusive('\n')
        .skip_while(|line| line.starts_with(NOTE))
        .collect()
}

/// A mistake without its excerpts, with their lines in words.
fn hidden(mistake: &Diagnostic) -> Diagnostic {
    let lines_of_note = note("").lines().count();
    let line = mistake.origin().map(|origin| origin.line_column().0 + lines_of_note);
    Diagnostic::new(match line {
        Some(line) => format!("line {line} of the edited text: {}", general(&mistake.title)),
        None => "the edited text is not valid TOML".to_owned(),
    })
    .hint("correct the line, and save again")
}

/// A title without what is quoted from the text.
fn general(title: &str) -> &str {
    if title.contains('`') { "not valid TOML" } else { title }
}
