//! The people whose keys open the secrets of a project: `.age-recipients` at its root, a public key a line, each below a
//! comment with a name. `age -R` reads the same file.

use std::path::Path;

use age::x25519::Recipient as Key;

use super::identities::{Identities, PRIVATE};
use crate::content::{ProjectFolder, read_in_place};
use crate::error::{Diagnostic, Origin, SourceFile, closest};

/// The file with the public keys of everyone who can decrypt, at the root of the project.
pub const RECIPIENTS_FILE: &str = ".age-recipients";
/// A larger file is no list of keys, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Someone who can decrypt.
#[derive(Clone)]
pub struct Recipient {
    /// The comment above the key; empty without one.
    pub name: String,
    /// The public key.
    pub key: String,
    parsed: Key,
    /// The lines of the file that are about this recipient, counted from 0.
    lines: std::ops::Range<usize>,
}

/// At least one recipient, in the order of the file.
#[derive(Clone)]
pub struct Recipients {
    all: Vec<Recipient>,
    text: String,
}

impl Recipients {
    /// Reads the file of the project at `root`; `None` if there is none.
    ///
    /// Errors: it cannot be read, has a line that is no public key, or has no key at all.
    pub fn find(root: &Path) -> Result<Option<Self>, Diagnostic> {
        let unreadable = |why: String| Diagnostic::new(format!("cannot read `{RECIPIENTS_FILE}`")).because(why);
        let found = ProjectFolder::new(root).find(Path::new(RECIPIENTS_FILE));
        let Some(place) = found.map_err(|refused| unreadable(refused.to_string()))? else {
            return Ok(None);
        };
        let bytes = read_in_place(&place, LARGEST).map_err(|refused| unreadable(refused.to_string()))?;
        let text =
            String::from_utf8(bytes).map_err(|error| crate::error::not_text(RECIPIENTS_FILE, error.as_bytes()))?;
        Self::parse(&text).map(Some)
    }

    /// As [`Recipients::find`], for a command that needs them.
    ///
    /// Errors: also, there is no file.
    pub fn of_project(root: &Path) -> Result<Self, Diagnostic> {
        Self::find(root)?.ok_or_else(|| {
            Diagnostic::new(format!("no recipients: `{RECIPIENTS_FILE}` does not exist"))
                .hint("run `homelab secrets init`")
        })
    }

    /// Reads the text of the file.
    ///
    /// Errors: as [`Recipients::find`].
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        let file = SourceFile::new(RECIPIENTS_FILE, text);
        let mut all: Vec<Recipient> = Vec::new();
        let mut comment: Option<(usize, &str)> = None;
        let mut start = 0;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let place = Origin::new(&file, start..start + line.trim_end().len());
            start += line.len();
            let line = line.trim();
            if let Some(name) = line.strip_prefix('#') {
                comment = Some((number, name.trim()));
                continue;
            }
            if line.is_empty() {
                comment = None;
                continue;
            }
            let parsed = parse_key(line).map_err(|mistake| {
                if line.contains(PRIVATE) {
                    // An excerpt would show it.
                    mistake
                } else {
                    mistake.at(&place, "not a public key of age")
                }
            })?;
            if let Some(twice) = all.iter().find(|known| known.parsed == parsed) {
                let title = format!("`{}` is in `{RECIPIENTS_FILE}` twice", twice.key);
                return Err(Diagnostic::new(title)
                    .at(&place, "the second time")
                    .hint("remove one of the lines"));
            }
            let (first, name) = comment.take().unwrap_or((number, ""));
            all.push(Recipient {
                name: name.to_owned(),
                key: line.to_owned(),
                parsed,
                lines: first..number + 1,
            });
        }
        if all.is_empty() {
            return Err(Diagnostic::new(format!("no recipients in `{RECIPIENTS_FILE}`")).hint(
                "run `homelab secrets recipients add NAME KEY` with the public key that `homelab secrets init` prints",
            ));
        }
        Ok(Self {
            all,
            text: text.to_owned(),
        })
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Recipient> {
        self.all.iter()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.all.iter().map(|recipient| &recipient.parsed)
    }

    /// The text of the file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether any of these private keys opens what is encrypted for them.
    pub fn include(&self, identities: &Identities) -> bool {
        let known: Vec<&Key> = self.keys().collect();
        identities.public_keys().any(|key| known.contains(&&key))
    }

    /// The same with another one, at the end.
    ///
    /// Errors: it is no public key, or it is there already.
    pub fn with(&self, name: &str, key: &str) -> Result<Self, Diagnostic> {
        let parsed = parse_key(key)?;
        if let Some(known) = self.all.iter().find(|known| known.parsed == parsed) {
            return Err(Diagnostic::new(format!("{} is a recipient already", known.called())));
        }
        if self.all.iter().any(|known| known.name == name) {
            return Err(
                Diagnostic::new(format!("there is a recipient called `{name}` already")).hint(format!(
                    "choose another name, or first run `homelab secrets recipients remove {name}`"
                )),
            );
        }
        let text = self.text.trim_end();
        Self::parse(&format!("{text}\n{}", entry(name, key)?))
    }

    /// The file of a project with one recipient.
    ///
    /// Errors: as [`Recipients::with`].
    pub fn first(name: &str, key: &str) -> Result<Self, Diagnostic> {
        let heading = "# Public keys of everyone who can decrypt the secrets of this project. Change them with\n\
                       # `homelab secrets recipients add` and `remove`, which also encrypt all secrets again.\n\n";
        Self::parse(&format!("{heading}{}", entry(name, key)?))
    }

    /// The same without the one that is called `name`, or has that key; and the one that was removed.
    ///
    /// Errors: there is none, or it is the last one.
    pub fn without(&self, name: &str) -> Result<(Self, Recipient), Diagnostic> {
        let found = self.all.iter().find(|one| one.name == name || one.key == name);
        let Some(removed) = found else {
            let names: Vec<&str> = self.all.iter().map(|one| one.name.as_str()).collect();
            let hint = match closest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`homelab secrets recipients` lists them".to_owned(),
            };
            return Err(Diagnostic::new(format!("unknown recipient `{name}`")).hint(hint));
        };
        if self.all.len() == 1 {
            return Err(Diagnostic::new(format!("{} is the last recipient", removed.called()))
                .hint("add another one first: the secrets could not be decrypted any more"));
        }
        let kept: Vec<&str> = self
            .text
            .split_inclusive('\n')
            .enumerate()
            .filter(|(number, _)| !removed.lines.contains(number))
            .map(|(_, line)| line)
            .collect();
        Ok((Self::parse(&kept.concat())?, removed.clone()))
    }
}

/// Whether this person can decrypt what is encrypted for the recipients of the project at `root`.
///
/// Errors: the recipients or the private keys cannot be read.
pub fn is_recipient(root: &Path) -> Result<bool, Diagnostic> {
    Ok(Recipients::of_project(root)?.include(&Identities::find(root)?))
}

impl Recipient {
    /// What people call it: the name, or else the key.
    pub fn called(&self) -> String {
        let called = if self.name.is_empty() { &self.key } else { &self.name };
        format!("`{called}`")
    }
}

fn entry(name: &str, key: &str) -> Result<String, Diagnostic> {
    if name.is_empty() || name.contains(|one: char| one.is_control() || one == '#') {
        return Err(
            Diagnostic::new(format!("`{}` is not a valid name", name.escape_debug()))
                .hint("a name is one line without `#`, such as `anna` or `anna@laptop`"),
        );
    }
    Ok(format!("# {name}\n{key}\n"))
}

fn parse_key(text: &str) -> Result<Key, Diagnostic> {
    if text.contains(PRIVATE) {
        // Not shown: it may be in use.
        return Err(Diagnostic::new("this is a private key, where a public one is needed")
            .because(
                "every reader of the file can read the secrets; anything it was committed with is no secret any more",
            )
            .hint("use the public key, which begins with `age1`"));
    }
    text.parse().map_err(|_| {
        let mistake = Diagnostic::new(format!("`{}` is not a public key of age", shortened(text)));
        mistake.hint(if text.starts_with("ssh-") {
            "keys of ssh are not supported: each person runs `homelab secrets init` and sends the public key"
        } else if text.starts_with("age1") {
            "a character is missing or wrong: copy the key again"
        } else {
            "a public key begins with `age1`; `homelab secrets init` prints yours"
        })
    })
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
