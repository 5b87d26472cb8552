//! The PKCS#12 file of a certificate, and its password

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use homelab::error::Diagnostic;
use homelab::pki::{Draft, Encryption, check_new};
use homelab::secret::Secret;
use homelab::secrets::generate;

use crate::cli::output::{print, print_exactly};
use crate::cli::password::ask_unseen;

/// Letters and digits of a password that is made: more than anyone can guess, and few enough to type on a phone.
const LENGTH: usize = 16;

/// How a PKCS#12 file is made.
#[derive(Debug, Args)]
pub(crate) struct DeviceArguments {
    /// Encrypt the PKCS#12 file in the old way (3DES and SHA-1), for devices that say its password is wrong, such as Android 11
    #[arg(long)]
    legacy: bool,
    /// Make a random password for the PKCS#12 file, and print it once, instead of reading one
    #[arg(long)]
    generate_password: bool,
}

/// A file for a device: where it is written, what is in it, and its password if that was made.
pub(super) struct DeviceFile {
    pub(super) place: PathBuf,
    pub(super) bytes: Vec<u8>,
    made: Option<Secret>,
}

impl DeviceArguments {
    /// Refuses options for a file that is not made.
    pub(super) fn check(&self, has_file: bool) -> anyhow::Result<()> {
        let given = [
            ("--legacy", self.legacy),
            ("--generate-password", self.generate_password),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given && !has_file) {
            Some((option, _)) => Err(Diagnostic::new(format!("`{option}` needs `--p12`"))
                .hint("add `--p12 FILE`, or remove the option")
                .into()),
            None => Ok(()),
        }
    }

    /// Reads the password and makes the file.
    pub(super) fn file(&self, draft: &Draft, place: &Path) -> anyhow::Result<DeviceFile> {
        check_new(place)?;
        let (password, is_made) = self.password(place)?;
        let encryption = if self.legacy {
            Encryption::Legacy
        } else {
            Encryption::Modern
        };
        Ok(DeviceFile {
            place: place.to_path_buf(),
            bytes: draft.pkcs12(&password, encryption)?,
            made: is_made.then_some(password),
        })
    }

    /// The password, and whether it was made.
    fn password(&self, place: &Path) -> anyhow::Result<(Secret, bool)> {
        if self.generate_password {
            return Ok((generate(LENGTH), true));
        }
        if !std::io::stdin().is_terminal() {
            return Ok((piped()?, false));
        }
        let none = || Diagnostic::new("no password given; nothing was changed");
        let question = format!("Password of {} (empty: a random one): ", place.display());
        let first = ask_unseen(&question)?.ok_or_else(none)?;
        if first.expose().is_empty() {
            return Ok((generate(LENGTH), true));
        }
        let again = ask_unseen("The same again: ")?.ok_or_else(none)?;
        if first != again {
            return Err(Diagnostic::new("the two passwords differ; nothing was changed").into());
        }
        Ok((first, false))
    }
}

impl DeviceFile {
    /// Says what was written, and the password that was made.
    pub(super) fn tell(&self) -> anyhow::Result<()> {
        let shown = self.place.display();
        print(&format!(
            "wrote {shown}: import it on the device, then delete it; do not commit it\n"
        ))?;
        if let Some(password) = &self.made {
            print_exactly(&format!("password of {shown}, shown only now: {}\n", password.expose()))?;
        }
        Ok(())
    }
}

/// What is on standard input, without one line break at its end.
fn piped() -> anyhow::Result<Secret> {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.context("cannot read the password from standard input")?;
    let text = Secret::new(text);
    let line = text.expose();
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.contains(char::is_control) {
        let title = if line.is_empty() {
            "no password for the PKCS#12 file: no terminal to ask at, and standard input is empty"
        } else {
            "the password on standard input is not one line of text"
        };
        return Err(Diagnostic::new(title)
            .hint("pipe it in, such as `pass show lab/laptop | homelab pki issue …`, or add `--generate-password`")
            .into());
    }
    Ok(Secret::new(line))
}
