//! The private keys of the person who runs homelab. They are never part of a project.

use std::env;
use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use age::x25519::{Identity, Recipient};
use etcetera::BaseStrategy as _;
use zeroize::Zeroizing;

use super::git;
use crate::content::open_regular;
use crate::error::Diagnostic;
use crate::secret::KEY_VARIABLES;

/// The environment variable with the path of a file with private keys.
pub const IDENTITY_VARIABLE: &str = "HOMELAB_AGE_IDENTITY";
/// The same of `sops`.
const SOPS_FILE_VARIABLE: &str = "SOPS_AGE_KEY_FILE";
/// What a private key begins with.
pub(super) const PRIVATE: &str = "AGE-SECRET-KEY-";
/// A larger file is no list of keys, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Private keys, in the order in which they are tried.
#[derive(Clone, Default)]
pub struct Identities(Vec<Identity>);

impl fmt::Debug for Identities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{} private keys]", self.0.len())
    }
}

/// Where a person's own key is: `~/.config/homelab/identity.txt`.
///
/// Errors: there is no home directory.
pub fn identity_path() -> Result<PathBuf, Diagnostic> {
    Ok(super::config_folder()?.join("identity.txt"))
}

impl Identities {
    /// The private keys of this person: those that environment variables name or contain, then those of
    /// `~/.config/homelab/identity.txt` and of the file that `sops` reads. None if there are none.
    ///
    /// Errors: a file that is named does not exist, others can read it, it contains something else, or it is in the project
    /// at `root` and git does not ignore it.
    pub fn find(root: &Path) -> Result<Self, Diagnostic> {
        let mut found = Self::default();
        for variable in KEY_VARIABLES {
            if let Some(text) = env::var_os(variable).filter(|text| !text.is_empty()) {
                let text = Zeroizing::new(text.to_string_lossy().into_owned());
                found.add(&text, &format!("the environment variable `{variable}`"))?;
            }
        }
        for variable in [IDENTITY_VARIABLE, SOPS_FILE_VARIABLE] {
            if let Some(path) = env::var_os(variable).filter(|path| !path.is_empty()) {
                let path = PathBuf::from(path);
                if !found.add_file(&path, root)? {
                    let title = format!("`{}` does not exist", path.display());
                    return Err(Diagnostic::new(title)
                        .because(format!("`{variable}` names it as the file of your private key"))
                        .hint("correct the variable, or unset it"));
                }
            }
        }
        let strategy = etcetera::choose_base_strategy().ok();
        let of_sops = strategy.map(|base| base.config_dir().join("sops/age/keys.txt"));
        for path in identity_path().ok().into_iter().chain(of_sops) {
            found.add_file(&path, root)?;
        }
        Ok(found)
    }

    /// A new private key, and the text of a file for it.
    pub fn generate() -> (Self, Zeroizing<String>) {
        use age::secrecy::ExposeSecret as _;
        let key = Identity::generate();
        let text = format!(
            "# public key: {}\n{}\n",
            key.to_public(),
            key.to_string().expose_secret()
        );
        (Self(vec![key]), Zeroizing::new(text))
    }

    /// Private keys of the text of a file.
    ///
    /// Errors: it contains anything else. No error shows any of it.
    pub fn parse(text: &str, shown: &str) -> Result<Self, Diagnostic> {
        let mut found = Self::default();
        found.add(text, shown)?;
        Ok(found)
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The public keys, in the same order.
    pub fn public_keys(&self) -> impl Iterator<Item = Recipient> {
        self.0.iter().map(Identity::to_public)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Identity> {
        self.0.iter()
    }

    /// Adds the keys of a file, and returns whether there is one.
    fn add_file(&mut self, path: &Path, root: &Path) -> Result<bool, Diagnostic> {
        let shown = path.display();
        let failed = |error: std::io::Error| {
            Diagnostic::new(format!("cannot read your private key `{shown}`")).because(error.to_string())
        };
        let file = match open_regular(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Diagnostic::new(format!("others can read your private key `{shown}`"))
                .because(format!("its mode is {:04o}", mode & 0o7777))
                .hint(format!("run `chmod 600 {shown}`")));
        }
        git::refuse_in_project(path, root)?;
        let mut text = Zeroizing::new(String::new());
        file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
        self.add(&text, &format!("`{shown}`"))?;
        Ok(true)
    }

    /// Adds the keys of a text; comments and empty lines are skipped.
    fn add(&mut self, text: &str, shown: &str) -> Result<(), Diagnostic> {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key: Identity = line
                .parse()
                .map_err(|_| wrong_key(line, &format!("line {} of {shown}", index + 1)))?;
            let is_new = self.0.iter().all(|known| known.to_public() != key.to_public());
            if is_new {
                self.0.push(key);
            }
        }
        Ok(())
    }
}

/// The private keys of this person.
///
/// Errors: there are none.
pub(super) fn needed_identities(root: &Path) -> Result<Identities, Diagnostic> {
    let identities = Identities::find(root)?;
    if identities.is_empty() {
        return Err(Diagnostic::new("no private key to decrypt with").hint(
            "write your key to `~/.config/homelab/identity.txt`, or set `HOMELAB_AGE_IDENTITY` to its path; `homelab \
             secrets init` makes one",
        ));
    }
    Ok(identities)
}

/// A line that is no private key of age. The line itself is not shown.
fn wrong_key(line: &str, place: &str) -> Diagnostic {
    let hint = if line.starts_with("age1") {
        "this is a public key; the private one begins with `AGE-SECRET-KEY-1`"
    } else if line.contains("OPENSSH") || line.starts_with("ssh-") {
        "keys of ssh are not supported: `homelab secrets init` makes a key of age"
    } else if line.starts_with("AGE-PLUGIN-") {
        "keys of age plugins are not supported: `homelab secrets init` makes a key without a plugin"
    } else if line.starts_with("-----BEGIN AGE") {
        "keys with a passphrase are not supported: write the decrypted key to a file that only you can read"
    } else {
        "a private key of age is one line that begins with `AGE-SECRET-KEY-1`"
    };
    Diagnostic::new(format!("no private key of age in {place}")).hint(hint)
}
