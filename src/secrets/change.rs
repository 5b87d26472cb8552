//! What `homelab secrets` does to the files of a project.

use std::path::{Path, PathBuf};

use rand::distr::{Alphanumeric, SampleString as _};

use super::files::{DataFile, replace, unwritten};
use super::identities::needed_identities;
use super::lab_key::make_lab_key;
use super::{
    DataPath, Encrypted, Identities, RECIPIENTS_FILE, Recipients, Unreadable, encrypt, identity_path, is_encrypted,
};
use crate::error::{Diagnostic, Diagnostics};
use crate::secret::Secret;
use crate::template::{FUNCTIONS, WORDS, unreadable_name};

/// A value of a file with data.
pub struct Place {
    file: DataFile,
    path: DataPath,
    /// The name of the data that the value belongs to.
    name: String,
    root: PathBuf,
}

impl Place {
    /// The value that someone calls `key`, in the file that they call `file`, seen from the folder `here`.
    ///
    /// Errors: no such file, or no such data.
    pub fn find(root: &Path, here: &Path, file: &str, key: &str) -> Result<Self, Diagnostics> {
        let file = DataFile::find(root, here, file)?;
        let path = DataPath::parse(key).map_err(|why| {
            Diagnostic::new(why).hint("write a name such as `grafana.admin_password` or `users[0].password`")
        })?;
        let name = file.document.name_of(&path)?;
        Ok(Self {
            file,
            path,
            name,
            root: root.to_path_buf(),
        })
    }

    /// The file's path in the project, and the value's name there.
    pub fn shown(&self) -> (&str, String) {
        (&self.file.shown, self.path.exact())
    }

    /// Whether the file has a value there.
    pub fn is_there(&self) -> bool {
        self.file.document.has(&self.path)
    }

    /// The decrypted text.
    ///
    /// Errors: there is no value, it is not encrypted, or no key opens it.
    pub fn get(&self) -> Result<Secret, Diagnostic> {
        let text = self.file.document.string(&self.path)?;
        let (file, name) = self.shown();
        if !is_encrypted(text) {
            return Err(
                Diagnostic::new(format!("`{name}` of `{file}` is not encrypted")).hint(format!(
                    "`homelab secrets set {file} {name}` encrypts a new value for it"
                )),
            );
        }
        let identities = needed_identities(&self.root)?;
        let opened = Encrypted::parse(text).and_then(|encrypted| encrypted.open(&self.name, &identities));
        opened.map_err(|why| unopened(file, &name, &why, &identities))
    }

    /// Refuses a new value that templates could not read by its name.
    pub fn check_name(&self) -> Result<(), Diagnostic> {
        let first = self.name.split(['.', '[']).next().unwrap_or_default();
        let means_another = [WORDS, FUNCTIONS].iter().any(|words| words.contains(&first));
        if means_another && !self.is_there() {
            return Err(unreadable_name(first));
        }
        Ok(())
    }

    /// Writes `text` there, encrypted for all recipients of the project. The rest of the file stays as it is.
    ///
    /// Errors: there are no recipients, there is a table or list there, or the file cannot be written.
    pub fn set(mut self, text: &Secret) -> Result<(), Diagnostic> {
        let recipients = Recipients::of_project(&self.root)?;
        let encrypted = encrypt(&self.name, text, &recipients);
        self.file.document.set(&self.path, &encrypted)?;
        self.file.write().map(drop)
    }
}

/// Random text of letters and digits.
pub fn generate(length: usize) -> Secret {
    Secret::new(Alphanumeric.sample_string(&mut rand::rng(), length))
}

/// What a person can decrypt in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The project has recipients from now on: this person.
    First,
    /// All of it.
    Recipient,
    /// Nothing before a recipient adds the public key.
    NotYet,
}

/// What `homelab secrets init` did.
#[derive(Debug)]
pub struct Begun {
    /// The file with the private key.
    pub identity: PathBuf,
    /// Whether the key is new.
    pub is_new_key: bool,
    pub public_key: String,
    pub standing: Standing,
    /// Whether another recipient has the name.
    pub is_name_taken: bool,
    /// Whether the lab has a key from now on, which `password_hash` needs.
    pub is_new_lab_key: bool,
}

/// Makes a private key for this person unless there is one, and makes it the first recipient of the project at `root` unless
/// there are others. `name` is what the recipient is called.
///
/// Errors: a file cannot be read or written.
pub fn begin(root: &Path, name: &str) -> Result<Begun, Diagnostic> {
    let mut identities = Identities::find(root)?;
    let identity = identity_path()?;
    let is_new_key = identities.is_empty();
    if is_new_key {
        let (made, text) = Identities::generate();
        let folder = identity.parent().unwrap_or(Path::new("."));
        private_folder(folder)
            .and_then(|()| replace(&identity, text.as_bytes(), Some(0o600)))
            .map_err(|error| unwritten(&identity.display().to_string(), &error))?;
        identities = made;
    }
    let public_key = identities.public_keys().next().map(|key| key.to_string());
    let public_key = public_key.unwrap_or_default();
    let known = Recipients::find(root)?;
    let (recipients, standing) = if let Some(known) = known {
        let is_recipient = known.include(&identities);
        (
            known,
            if is_recipient {
                Standing::Recipient
            } else {
                Standing::NotYet
            },
        )
    } else {
        let first = Recipients::first(name, &public_key)?;
        write_recipients(root, &first)?;
        (first, Standing::First)
    };
    let is_name_taken = standing == Standing::NotYet && recipients.iter().any(|known| known.name == name);
    let is_new_lab_key = standing != Standing::NotYet && make_lab_key(root, &recipients)?;
    Ok(Begun {
        identity,
        is_new_key,
        public_key,
        standing,
        is_name_taken,
        is_new_lab_key,
    })
}

/// Makes a folder that only its owner can enter, unless it is there.
fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Replaces the recipients of the project at `root`.
pub(super) fn write_recipients(root: &Path, recipients: &Recipients) -> Result<(), Diagnostic> {
    replace(&root.join(RECIPIENTS_FILE), recipients.text().as_bytes(), None)
        .map_err(|error| unwritten(RECIPIENTS_FILE, &error))
}

/// The mistake of a value that no key opens.
pub(super) fn unopened(file: &str, name: &str, why: &Unreadable, identities: &Identities) -> Diagnostic {
    let mistake = Diagnostic::new(format!("cannot decrypt `{name}` of `{file}`")).because(why.to_string());
    let set = format!("`homelab secrets set {file} {name}`");
    mistake.hint(match why {
        Unreadable::OtherKeys => {
            let key = identities.public_keys().next().map(|key| key.to_string());
            let key = key.unwrap_or_default();
            format!("ask someone who can decrypt it to run `homelab secrets recipients add NAME {key}`")
        }
        Unreadable::OtherName(_) => format!("a value belongs to one name: set it for this one with {set}"),
        Unreadable::Broken(_) => format!("restore the line from git, or set the value again with {set}"),
    })
}
