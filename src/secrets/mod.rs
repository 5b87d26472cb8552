//! Secrets in the files of a project: values that are encrypted with age one by one, the keys that open them, and the people
//! they are encrypted for.
//!
//! An encrypted value is the string `ENC[age,…]`. What is encrypted is the text together with the dotted name of the data
//! that it belongs to. So a person who can write to the project but has no key cannot move a secret to a name that is printed.

mod change;
mod document;
mod edit;
mod files;
mod format;
mod git;
mod identities;
mod keyring;
mod lab_key;
mod paths;
mod providers;
mod recipients;
mod rekey;
mod seal;
mod secret_file;
mod sops;
mod table;

use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use crate::error::Diagnostic;

pub use change::{Begun, Place, Standing, begin, generate};
pub use edit::{Edited, Editing};
pub use files::{NewFile, data_files, remove_unfinished, replace};
pub use format::{
    Encrypted, LARGEST_FILE, Unreadable, decrypt_large, encrypt, encrypt_large, is_encrypted, is_made_by_age,
};
pub use identities::{IDENTITY_VARIABLE, Identities, identity_path};
pub use keyring::{Access, Closed, Keyring, LAB_KEY_FILE, no_key};
pub use paths::{CERTIFICATES, DataPath, PRIVATE_KEY, Step};
pub use providers::is_named;
pub use recipients::{RECIPIENTS_FILE, Recipient, Recipients, is_recipient};
pub use rekey::{Rekeyed, rekey, stale};
pub use seal::{Seal, Sealed};
pub use secret_file::{SecretFile, secret_files};
pub use sops::{is_encrypted_by_sops, read_sops, sops_name};
pub use table::{check_places, open_data};

/// The folder of a person's own configuration: `~/.config/homelab`.
fn config_folder() -> Result<PathBuf, Diagnostic> {
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        Diagnostic::new("cannot find your home directory")
            .because(error.to_string())
            .hint("set `HOME`")
    })?;
    Ok(strategy.config_dir().join("homelab"))
}
