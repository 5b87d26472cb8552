//! The least: what homelab sent to each host, fed to one plain `ssh HOST sh`.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::project::Project;

/// Stands where `ssh` is looked for, keeps what it was given and what it was fed, and is `ssh` otherwise.
const RECORDER: &str = r#"#!/bin/sh
here=$(dirname "$0")
own=$(mktemp -d "$here/run.XXXXXXXX")
for word; do printf '%s\n' "$word"; done > "$own/arguments"
tee "$own/bytes" | "$here/real" "$@"
"#;

/// A run of homelab that can be played again.
pub(crate) struct Floor {
    folder: tempfile::TempDir,
    sent: Vec<Sent>,
}

/// What one host was sent.
struct Sent {
    bytes: PathBuf,
    arguments: Vec<String>,
}

impl Floor {
    /// Runs `deploy` once on the hosts of the inventory `far` and keeps what it sent.
    pub(crate) fn recorded(project: &Project, deploy: &str, hosts: usize) -> Self {
        Self::recorded_of(Path::new(env!("CARGO_BIN_EXE_homelab")), project, deploy, hosts)
    }

    /// The same of another build of homelab.
    pub(crate) fn recorded_of(binary: &Path, project: &Project, deploy: &str, hosts: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|path| path.join("ssh"))
            .find(|path| path.exists())
            .unwrap();
        std::os::unix::fs::symlink(real, folder.path().join("real")).unwrap();
        let recorder = folder.path().join("ssh");
        fs::write(&recorder, RECORDER).unwrap();
        fs::set_permissions(&recorder, PermissionsExt::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let arguments = ["deploy", "far", deploy, "--yes", "-v"];
        let output = project
            .command_of(binary, &arguments)
            .env("PATH", path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said.matches("round trips: 1\n").count(), hosts, "{said}");
        let mut sent = Vec::new();
        for entry in fs::read_dir(folder.path()).unwrap().flatten() {
            let own = entry.path();
            if own.is_dir() {
                sent.push(Sent::in_folder(&own));
            }
        }
        assert_eq!(sent.len(), hosts, "one connection a host");
        Self { folder, sent }
    }

    /// Bytes sent to all hosts.
    pub(crate) fn bytes(&self) -> u64 {
        let sizes = self.sent.iter().map(|sent| fs::metadata(&sent.bytes).unwrap().len());
        sizes.sum()
    }

    /// All hosts at once, to the end.
    pub(crate) fn run(&self) {
        let children: Vec<Child> = self
            .sent
            .iter()
            .map(|sent| sent.start(&self.folder.path().join("real")))
            .collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success() && output.stdout.len() > 1000, "{output:?}");
        }
    }
}

impl Sent {
    fn in_folder(folder: &Path) -> Self {
        let arguments = fs::read_to_string(folder.join("arguments")).unwrap();
        Self {
            bytes: folder.join("bytes"),
            arguments: without_sharing(arguments.lines().map(str::to_owned)),
        }
    }

    fn start(&self, ssh: &Path) -> Child {
        Command::new(ssh)
            .args(&self.arguments)
            .stdin(Stdio::from(File::open(&self.bytes).unwrap()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

/// A plain `ssh` does not share its connection.
fn without_sharing(mut arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-M" => {}
            "-S" | "-F" => drop(arguments.next()),
            option if option.starts_with("Control") => {
                assert_eq!(kept.pop().as_deref(), Some("-o"), "an option of its own");
            }
            _ => kept.push(argument),
        }
    }
    kept
}
