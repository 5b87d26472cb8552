//! Opens encrypted values while a project is read, each once.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use zeroize::Zeroizing;

use super::format::decrypt_file;
use super::providers::{Named, Providers};
use super::sops;
use super::{DataPath, Encrypted, Identities, Unreadable};
use crate::content::{ProjectFolder, Refused, Undecrypted, read_in_place};
use crate::error::{Diagnostic, Origin};
use crate::secret::Secret;

/// The file with the lab's key, at the root of the project.
pub const LAB_KEY_FILE: &str = ".lab-key.age";
/// A larger file is no key, in bytes.
const LARGEST_LAB_KEY: u64 = 1024 * 1024;
/// What to do without a private key.
pub(super) const NO_KEY_HINT: &str = "write your key to `~/.config/homelab/identity.txt`, or set `HOMELAB_AGE_IDENTITY` to \
                                      its path; `--dry-run --without-secrets` reviews the rest";

/// What to do about encrypted values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Open them all; what cannot be opened is a mistake.
    Required,
    /// Open those that a key is there for.
    IfPossible,
    /// Open none.
    Withheld,
}

/// Opens encrypted values with the keys of this person, which are looked for when the first value needs them.
pub struct Keyring {
    root: PathBuf,
    access: Access,
    identities: OnceLock<Result<Identities, Diagnostic>>,
    opened: Mutex<HashMap<(String, String), Result<Secret, Unreadable>>>,
    /// Files of `sops`, by path.
    files: Mutex<HashMap<String, Result<sops::Opened, Unreadable>>>,
    providers: OnceLock<Result<Providers, Diagnostic>>,
    /// What providers said, each asked once.
    asked: Mutex<HashMap<Named, Result<Secret, Diagnostic>>>,
    lab_key: OnceLock<Result<Option<Secret>, Undecrypted>>,
    /// Where values are that were not opened, each with its name.
    unopened: Mutex<BTreeMap<(String, usize), String>>,
}

/// Why a value was not opened.
#[derive(Clone, Debug)]
pub enum Closed {
    /// There is no key for it, and that is no mistake.
    Withheld,
    /// There is no private key at all.
    NoKey,
    /// A mistake.
    Mistake(Box<Diagnostic>),
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keyring({:?})", self.access)
    }
}

impl Keyring {
    /// The keys for the project at `root`.
    pub fn new(root: &Path, access: Access) -> Self {
        Self {
            root: root.to_path_buf(),
            access,
            identities: OnceLock::new(),
            opened: Mutex::default(),
            files: Mutex::default(),
            providers: OnceLock::new(),
            asked: Mutex::default(),
            lab_key: OnceLock::new(),
            unopened: Mutex::default(),
        }
    }

    /// How many values were not opened because no key is there for them.
    pub fn unopened(&self) -> usize {
        self.unopened.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The text of the encrypted value `text` of the data at `path`.
    ///
    /// Errors: [`Closed`].
    pub fn open(&self, text: &str, path: &DataPath, origin: Option<&Origin>) -> Result<Secret, Closed> {
        self.open_with(path, origin, |identities| self.opened(text, &path.name(), identities))
    }

    /// The text of a value that `sops` encrypted at `origin`, the data at `path`.
    ///
    /// Errors: [`Closed`].
    pub fn open_sops(&self, path: &DataPath, origin: &Origin) -> Result<Secret, Closed> {
        self.open_with(path, Some(origin), |identities| {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            let file = files
                .entry(origin.file.path.clone())
                .or_insert_with(|| sops::open(&origin.file, identities));
            let opened = file.as_ref().map_err(Clone::clone)?;
            let secret = opened.get(&origin.span.start).cloned();
            secret.ok_or(Unreadable::Broken("it is not a value of sops"))
        })
    }

    /// The lab's key; `None` if the project has none.
    ///
    /// Errors: there is no private key for it, or it cannot be decrypted.
    pub fn lab_key(&self) -> Result<Option<Secret>, Undecrypted> {
        self.lab_key.get_or_init(|| self.open_lab_key()).clone()
    }

    fn open_lab_key(&self) -> Result<Option<Secret>, Undecrypted> {
        let mistake = |mistake: Diagnostic| Undecrypted::Mistake(Box::new(mistake));
        let unreadable = |refused: Refused| {
            mistake(Diagnostic::new(format!("cannot read `{LAB_KEY_FILE}`")).because(refused.to_string()))
        };
        let found = ProjectFolder::new(&self.root).find(Path::new(LAB_KEY_FILE));
        let Some(place) = found.map_err(unreadable)? else {
            return Ok(None);
        };
        let bytes = read_in_place(&place, LARGEST_LAB_KEY).map_err(unreadable)?;
        let content = Zeroizing::new(self.open_file(LAB_KEY_FILE, &bytes)?);
        match std::str::from_utf8(&content) {
            Ok(text) if !text.trim().is_empty() => Ok(Some(Secret::new(text.trim()))),
            _ => Err(mistake(
                Diagnostic::new(format!("`{LAB_KEY_FILE}` contains no key"))
                    .hint("restore it from git; a new key changes every salt that was made with the old one"),
            )),
        }
    }

    /// The content of the encrypted file at `path` in the project.
    ///
    /// Errors: there is no key for it, or it cannot be decrypted.
    pub fn open_file(&self, path: &str, bytes: &[u8]) -> Result<Vec<u8>, Undecrypted> {
        let needs_key = || {
            let mut unopened = self.unopened.lock().unwrap_or_else(PoisonError::into_inner);
            unopened.insert((path.to_owned(), 0), path.to_owned());
            Err(Undecrypted::NeedsKey)
        };
        let refused = |mistake: Diagnostic| Err(Undecrypted::Mistake(Box::new(mistake)));
        if self.access == Access::Withheld {
            return needs_key();
        }
        let identities = match self.identities.get_or_init(|| Identities::find(&self.root)) {
            Ok(identities) if !identities.is_empty() => identities,
            Ok(_) if self.access == Access::IfPossible => return needs_key(),
            Ok(_) => return refused(no_key(path)),
            Err(mistake) => return refused(mistake.clone()),
        };
        match decrypt_file(bytes, identities) {
            Ok(mut content) => Ok(std::mem::take(&mut *content)),
            Err(Unreadable::OtherKeys) if self.access == Access::IfPossible => needs_key(),
            Err(why) => refused(unopened_file(path, &why, identities)),
        }
    }

    fn open_with(
        &self,
        path: &DataPath,
        origin: Option<&Origin>,
        open: impl FnOnce(&Identities) -> Result<Secret, Unreadable>,
    ) -> Result<Secret, Closed> {
        if self.access == Access::Withheld {
            return self.withheld(path, origin);
        }
        let identities = match self.identities.get_or_init(|| Identities::find(&self.root)) {
            Ok(identities) if !identities.is_empty() => identities,
            Ok(_) if self.access == Access::IfPossible => return self.withheld(path, origin),
            Ok(_) => return Err(Closed::NoKey),
            Err(mistake) => return Err(Closed::Mistake(Box::new(mistake.clone()))),
        };
        match open(identities) {
            Ok(secret) => Ok(secret),
            Err(Unreadable::OtherKeys) if self.access == Access::IfPossible => self.withheld(path, origin),
            Err(why) => Err(Closed::Mistake(Box::new(mistake(&why, path, origin, identities)))),
        }
    }

    /// The secret that `text`, the value of the data at `path`, names. Its provider is asked only if secrets are required.
    ///
    /// Errors: [`Closed`].
    pub fn ask(&self, text: &str, path: &DataPath, origin: Option<&Origin>) -> Result<Secret, Closed> {
        if self.access != Access::Required {
            return self.withheld(path, origin);
        }
        let failed = |mistake: Diagnostic| {
            let place = format!("the value of `{}`", path.exact());
            Err(Closed::Mistake(Box::new(mistake.at_maybe(origin, place))))
        };
        let Ok(named) = Named::parse(text) else {
            // A mistake of the project, which is reported without a run.
            return Err(Closed::Withheld);
        };
        let providers = match self.providers.get_or_init(Providers::find) {
            Ok(providers) => providers,
            Err(mistake) => return Err(Closed::Mistake(Box::new(mistake.clone()))),
        };
        // Held while the command runs, so that it runs once.
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = asked.entry(named).or_insert_with_key(|named| providers.ask(named));
        answer.clone().or_else(failed)
    }

    fn withheld(&self, path: &DataPath, origin: Option<&Origin>) -> Result<Secret, Closed> {
        let place = origin.map_or_else(Default::default, |origin| (origin.file.path.clone(), origin.span.start));
        let mut unopened = self.unopened.lock().unwrap_or_else(PoisonError::into_inner);
        unopened.insert(place, path.exact());
        Err(Closed::Withheld)
    }

    fn opened(&self, text: &str, name: &str, identities: &Identities) -> Result<Secret, Unreadable> {
        let place = (text.to_owned(), name.to_owned());
        let known = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = known().get(&place) {
            return opened.clone();
        }
        let opened = Encrypted::parse(text).and_then(|encrypted| encrypted.open(name, identities));
        known().insert(place, opened.clone());
        opened
    }
}

fn mistake(why: &Unreadable, path: &DataPath, origin: Option<&Origin>, identities: &Identities) -> Diagnostic {
    let name = path.exact();
    if let Some(origin) = origin.filter(|origin| sops::sops_name(&origin.file.path).is_some()) {
        return mistake_of_sops(why, origin, identities);
    }
    let again = match origin {
        Some(origin) if origin.file.path.starts_with("group_data/") => {
            format!("homelab secrets set {} {name}", origin.file.path)
        }
        Some(origin) => format!("homelab secrets set {} KEY", origin.file.path),
        None => "homelab secrets set FILE KEY".to_owned(),
    };
    match why {
        Unreadable::OtherKeys => {
            let key = identities.public_keys().next().map(|key| key.to_string());
            Diagnostic::new(format!("your private key does not open `{name}`"))
                .at_maybe(origin, "encrypted for other keys")
                .hint(format!(
                    "ask someone who can decrypt it to run `homelab secrets recipients add NAME {}`",
                    key.unwrap_or_default()
                ))
        }
        Unreadable::OtherName(other) => {
            let other = other.escape_debug();
            Diagnostic::new(format!("`{name}` has the encrypted value of `{other}`"))
                .at_maybe(origin, format!("encrypted for `{other}`"))
                .hint(format!(
                    "an encrypted value belongs to one name: encrypt it for this one with `{again}`"
                ))
        }
        Unreadable::Broken(why) => Diagnostic::new(format!("cannot decrypt `{name}`"))
            .at_maybe(origin, *why)
            .hint(format!("restore the line from git, or set the value again: `{again}`")),
    }
}

/// The mistake that there is no private key for the file at `path`.
pub fn no_key(path: &str) -> Diagnostic {
    Diagnostic::new(format!("no private key to decrypt `{path}`")).hint(NO_KEY_HINT)
}

/// The mistake of an encrypted file that cannot be decrypted.
pub(super) fn unopened_file(path: &str, why: &Unreadable, identities: &Identities) -> Diagnostic {
    let mistake = Diagnostic::new(format!("cannot decrypt `{path}`")).because(why.to_string());
    mistake.hint(match why {
        Unreadable::OtherKeys => {
            let key = identities.public_keys().next().map(|key| key.to_string());
            let key = key.unwrap_or_default();
            format!("ask someone who can decrypt it to run `homelab secrets recipients add NAME {key}`")
        }
        _ => format!("restore the file from git, or write it again with `homelab secrets set {path}`"),
    })
}

/// The mistake of a file of `sops`, which is opened as a whole.
fn mistake_of_sops(why: &Unreadable, origin: &Origin, identities: &Identities) -> Diagnostic {
    let file = &origin.file.path;
    let mistake = Diagnostic::new(format!("cannot decrypt `{file}`")).because(why.to_string());
    // Where the file is alone: its values have one mistake.
    let mistake = mistake.at(&Origin::new(&origin.file, 0..0), "encrypted by sops");
    match why {
        Unreadable::OtherKeys => {
            let key = identities.public_keys().next().map(|key| key.to_string());
            let key = key.unwrap_or_default();
            mistake.hint(format!(
                "ask someone who can decrypt it to run `sops rotate --in-place --add-age {key} {file}`"
            ))
        }
        _ => mistake.hint("restore the file from git, and change it only with `sops`"),
    }
}
