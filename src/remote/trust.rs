//! Host keys, fetched by `ssh` itself, so that jump hosts and the user's configuration apply as they do in a deploy.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::configuration::Configuration;
use super::connection::{Connection, ssh_program};
use super::control::ControlSocket;
use super::diagnosis::diagnose;
use super::error::RemoteError;
use super::privilege::Privilege;
use super::target::Target;
use crate::content::open_regular;
use crate::secret::WithoutSecrets as _;

/// Whether a host's key is known.
#[derive(Debug)]
pub enum HostKey {
    /// The key is known, and the login works.
    Known,
    /// No known-hosts file has it.
    Unknown(OfferedKey),
    /// A different key is known.
    Changed {
        error: RemoteError,
        /// The fingerprint of the known key.
        known: Option<String>,
        /// The fingerprint of the key that the host offers.
        offered: Option<String>,
    },
}

/// A key that a host offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedKey {
    /// The host, as `ssh` looks it up.
    pub address: String,
    /// The kind of key, as `ssh-ed25519`.
    pub kind: String,
    /// Its fingerprint, as `ssh-keygen -l` shows it.
    pub fingerprint: String,
    /// Its line for a known-hosts file.
    pub line: String,
}

/// Looks up the key that `target` offers. It writes nothing, and does not log in if the key is unknown.
///
/// Errors: any other failure to connect, also the unknown key of a jump host.
pub async fn host_key(target: &Target) -> Result<HostKey, RemoteError> {
    let target = Target {
        privilege: Privilege::LoginUser,
        keep: None,
        ..target.clone()
    };
    let mut connection = Connection::open(&target).await?;
    let outcome = connection.ready().await;
    connection.close().await;
    match outcome {
        Ok(()) => Ok(HostKey::Known),
        Err(RemoteError::HostKeyUnknown { .. }) => fetch(&target).await.map(HostKey::Unknown),
        Err(error) => match &error {
            RemoteError::HostKeyChanged { keys, .. } => Ok(HostKey::Changed {
                known: keys.known_at.as_deref().and_then(known_fingerprint),
                offered: keys.offered.clone(),
                error,
            }),
            _ => Err(error),
        },
    }
}

/// The key that `target` offers now, whether or not it is known.
///
/// Errors: it cannot be reached.
pub async fn offered_key(target: &Target) -> Result<OfferedKey, RemoteError> {
    let target = Target {
        privilege: Privilege::LoginUser,
        keep: None,
        ..target.clone()
    };
    fetch(&target).await
}

/// Lets `ssh` write the offered key into a temporary file and exit before the login.
async fn fetch(target: &Target) -> Result<OfferedKey, RemoteError> {
    let host = &target.name;
    let ssh = ssh_program().ok_or_else(|| RemoteError::SshMissing { host: host.clone() })?;
    let control = ControlSocket::reserve(host)?;
    let configuration = Configuration::write(target, control.configuration())?;
    let known_hosts = control.path().with_extension("known");
    let options = [
        "StrictHostKeyChecking=accept-new".to_owned(),
        format!("UserKnownHostsFile={}", target.path_value("folder", &known_hosts)?),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        "HashKnownHosts=no".to_owned(),
        "PreferredAuthentications=none".to_owned(),
        "ControlMaster=no".to_owned(),
    ];
    let mut command = Command::new(ssh);
    for option in options {
        // `ssh` uses the first value that it finds, so these come first.
        command.arg("-o").arg(option);
    }
    command
        .args(target.arguments(control.path(), configuration.path(), "exit")?)
        .without_secrets()
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    let output = command.output().await.map_err(|cause| RemoteError::Start {
        host: host.clone(),
        program: ssh.to_owned(),
        cause,
    })?;
    let text = fs::read_to_string(&known_hosts).unwrap_or_default();
    let _ = fs::remove_file(&known_hosts);
    let offered = text.lines().find_map(offered);
    offered.ok_or_else(|| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        diagnose(host, &target.address, Some(&configuration), &stderr)
    })
}

/// Appends `keys` to a known-hosts file, by replacing the file as a whole.
pub fn remember<'a>(file: &Path, keys: impl IntoIterator<Item = &'a OfferedKey>) -> io::Result<()> {
    let mut text = String::new();
    match open_regular(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => drop(opened?.read_to_string(&mut text)?),
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for key in keys {
        // Two hosts of an inventory may have the same address.
        if text.lines().any(|line| line == key.line) {
            continue;
        }
        text.push_str(&key.line);
        text.push('\n');
    }
    // Under a random name: a link that the project has there would be followed.
    let folder = file.parent().unwrap_or(Path::new("."));
    let permissions = fs::Permissions::from_mode(0o666);
    let mut new = tempfile::Builder::new()
        .prefix(".known_hosts-")
        .permissions(permissions)
        .tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}

fn offered(line: &str) -> Option<OfferedKey> {
    let mut words = line.split_whitespace();
    let (address, kind, key) = (words.next()?, words.next()?, words.next()?);
    Some(OfferedKey {
        address: address.to_owned(),
        kind: kind.to_owned(),
        fingerprint: fingerprint(key)?,
        line: line.to_owned(),
    })
}

/// The fingerprint of the key at `place`, which is `FILE:LINE`.
fn known_fingerprint(place: &str) -> Option<String> {
    let (file, number) = place.rsplit_once(':')?;
    let mut text = String::new();
    open_regular(Path::new(file)).ok()?.read_to_string(&mut text).ok()?;
    let line = text.lines().nth(number.trim().parse::<usize>().ok()?.checked_sub(1)?)?;
    // The key follows its kind; a marker such as `@cert-authority` may come before the names.
    let mut words = line.split_whitespace().skip_while(|word| !is_kind(word));
    fingerprint(words.nth(1)?)
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|start| word.starts_with(start))
}

fn fingerprint(key: &str) -> Option<String> {
    let bytes = STANDARD.decode(key).ok()?;
    Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "[127.0.0.1]:2222 ssh-ed25519 KEY";

    #[test]
    fn keys_are_added_to_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        let key = |line: &str| OfferedKey {
            address: String::new(),
            kind: String::new(),
            fingerprint: String::new(),
            line: line.to_owned(),
        };
        remember(&file, &[key("a"), key("b"), key("a")]).unwrap();
        fs::write(&file, "# ours\na\nb").unwrap();
        remember(&file, &[key("c")]).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "# ours\na\nb\nc\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let victim = folder.path().join("victim");
        for name in ["known_hosts.new", "known_hosts"] {
            let _ = fs::remove_file(folder.path().join(name));
            std::os::unix::fs::symlink(&victim, folder.path().join(name)).unwrap();
        }
        remember(&file, &[key("d")]).unwrap();
        assert!(!victim.exists() && !file.is_symlink());
    }

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let keygen = |arguments: &[&str]| {
            let output = std::process::Command::new("ssh-keygen")
                .args(arguments)
                .output()
                .unwrap();
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap()
        };
        keygen(&["-q", "-t", "ed25519", "-N", "", "-f", &at("key")]);
        let public = fs::read_to_string(at("key.pub")).unwrap();
        let line = LINE.replace("KEY", public.split(' ').nth(1).unwrap());
        let found = offered(&line).unwrap();
        let shown = keygen(&["-lf", &at("key.pub")]);
        assert_eq!(shown.split(' ').nth(1), Some(found.fingerprint.as_str()));
        assert_eq!(
            (found.address.as_str(), found.kind.as_str()),
            ("[127.0.0.1]:2222", "ssh-ed25519")
        );

        fs::write(at("known"), format!("# keys\n@cert-authority {line} pi\n")).unwrap();
        assert_eq!(
            known_fingerprint(&format!("{}:2", at("known"))),
            Some(found.fingerprint)
        );
        assert_eq!(known_fingerprint(&format!("{}:1", at("known"))), None);
        assert_eq!(known_fingerprint(&format!("{}:0", at("known"))), None);
    }
}
