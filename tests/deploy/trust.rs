//! `homelab trust`: keys are learnt only when asked for, and never in place of another one.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::host::Host;
use crate::support::project::{Project, text};

const LAB: &str = "[hosts.inner]\nlab = true\n[hosts.outer]\nlab = true\n";

fn fingerprint(host: &Host<'_>) -> String {
    let shown = host.inside("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
    shown.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn unknown_keys_are_shown_and_added_and_changed_ones_are_not() {
    let project = Project::of(&[
        ("inventories/dev.toml", LAB),
        ("deploys/all.toml", "hosts = ['*']\ntasks = ['test/files']\n"),
        (
            "tasks/test/files.toml",
            "[[operation]]\nop = 'files.put'\ndest = '/opt/a'\ncontent = 'a'\n",
        ),
    ]);
    project.homelab(&["lab", "up", "dev"]).expect(0);
    let (inner, outer) = (Host::of(&project, "dev", "inner"), Host::of(&project, "dev", "outer"));
    let identity = &homelab::lab::addresses(project.root(), "dev").unwrap()["inner"].identity_file;
    project.write(
        "inventories/own.toml",
        format!(
            "[connection]\nuser = 'root'\nidentity_file = '{}'\njump = ['outer']\n\
             [hosts.inner]\naddress = '{}'\n[hosts.outer]\naddress = '{}'\n[hosts.here]\nconnection = {{ local = true }}\n",
            identity.display(),
            inner.address(),
            outer.address()
        ),
    );
    let known_hosts = project.root().join("inventories/known_hosts");
    let only = ["deploy", "own", "all", "--yes", "--limit", "inner"];
    let ran = project.homelab(&only).expect(4);
    assert!(ran.stderr.contains("homelab trust"), "{}", ran.stderr);

    // No terminal to ask: reported, not done.
    let ran = project.homelab(&["trust", "own"]).expect(3);
    assert!(
        ran.stdout.contains(&fingerprint(&outer)) && ran.stderr.contains("--yes"),
        "{ran:?}"
    );
    assert!(!known_hosts.exists());
    project.homelab(&["trust", "own", "--limit", "nobody"]).expect(3);

    // The jump host first, then what is behind it, each asked for on the terminal.
    let line = format!("{} trust own", env!("CARGO_BIN_EXE_homelab"));
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).current_dir(project.root());
    let mut terminal = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    terminal.stdin.as_mut().unwrap().write_all(b"yes\ny\n").unwrap();
    let output = terminal.wait_with_output().unwrap();
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    for part in [
        &fingerprint(&outer),
        &fingerprint(&inner),
        "Trust 1 key?",
        "ssh-ed25519",
    ] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    assert!(
        inner
            .inside("journalctl --sync; journalctl -q --no-pager -u ssh")
            .contains(&outer.address())
    );
    project.homelab(&only).expect(0);
    assert_eq!(inner.inside("cat /opt/a"), "a");
    let ran = project.homelab(&["trust", "own", "--yes"]).expect(0);
    assert_eq!(ran.stdout, "already known: 2 keys\n");

    // A key that changes after it was trusted.
    let before = fs::read_to_string(&known_hosts).unwrap();
    let old = fingerprint(&inner);
    inner.inside("rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh");
    let ran = project.homelab(&["trust", "own", "--yes"]).expect(4);
    for part in ["inner: ", "has changed", &old, &fingerprint(&inner)] {
        assert!(ran.stderr.contains(part), "no {part} in {}", ran.stderr);
    }
    assert_eq!(fs::read_to_string(&known_hosts).unwrap(), before);
    project.homelab(&only).expect(4);
}
