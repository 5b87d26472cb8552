//! Root by `sudo`, with and without a password, and every way in which it may be refused.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::deploy::people::{PASSWORD, inventory, is_deployed, project, settle};
use crate::support::host::Host;
use crate::support::project::{Project, Ran, text};

const DEPLOY: &[&str] = &["deploy", "people", "all", "--yes"];
/// A password that no other test has, since processes are searched for it.
const UNSEEN: &str = "unseen-'by'-$all";
const VARIABLE: &str = "HOMELAB_BECOME_PASSWORD";

/// What a run says with this password.
fn with_password(project: &Project, password: &str) -> Ran {
    let output = project.command(DEPLOY).env(VARIABLE, password).output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

#[track_caller]
fn refused(ran: Ran, host: &Host<'_>, expected: &[&str]) {
    let ran = ran.expect(4);
    for part in [&["alpha: cannot become `root` with `sudo`"], expected].concat() {
        assert!(ran.stderr.contains(part), "no `{part}` in:\n{}", ran.stderr);
    }
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(PASSWORD));
    assert!(!host.is("test -e /etc/small"));
}

/// The number of failed attempts in the host's journal.
fn failures(host: &Host<'_>) -> usize {
    let journal =
        host.inside("journalctl --sync; journalctl -q --no-pager _COMM=sudo | grep 'authentication failure;' || true");
    journal.lines().count()
}

fn grant(host: &Host<'_>, rule: &str) {
    host.inside(&format!(
        "printf '%s\\n' '{rule}' >/etc/sudoers.d/anna && chmod 440 /etc/sudoers.d/anna && visudo -cq"
    ));
}

#[test]
fn every_way_to_become_root_and_to_be_refused() {
    let project = project();
    let host = project.up("dev", "alpha");

    settle(&host, &project, "");
    let ran = project.homelab(DEPLOY).expect(1);
    for part in ["needs root; the login user is `anna`", "connection.become"] {
        assert!(ran.stdout.contains(part), "{}", ran.stdout);
    }
    assert!(!host.is("test -e /etc/small"));

    inventory(&host, &project, "become = 'sudo'");
    refused(
        project.homelab(DEPLOY),
        &host,
        &["a password is required", "--ask-become-password"],
    );
    refused(
        with_password(&project, PASSWORD),
        &host,
        &["the login user lacks permission", "not in the sudoers file"],
    );

    grant(&host, "anna ALL=(ALL) NOPASSWD: ALL");
    project.homelab(DEPLOY).expect(0);
    is_deployed(&host);
    // A password that is not asked for is not sent.
    with_password(&project, PASSWORD).expect(0);
    is_deployed(&host);
    assert!(!host.is("journalctl -q --no-pager | grep -F battery"));

    grant(&host, "anna ALL=(ALL) ALL");
    with_password(&project, PASSWORD).expect(0);
    is_deployed(&host);

    let before = failures(&host);
    refused(
        with_password(&project, "wrong"),
        &host,
        &["wrong password", "Sorry, try again"],
    );
    assert_eq!(failures(&host) - before, 1, "a wrong password is tried once");
    assert!(!host.is("pgrep -u anna sudo; pgrep -x sudo"), "sudo goes on asking");

    grant(&host, "Defaults:anna requiretty\nanna ALL=(ALL) NOPASSWD: ALL");
    refused(project.homelab(DEPLOY), &host, &["requiretty", "sudoers"]);
    refused(with_password(&project, PASSWORD), &host, &["requiretty"]);

    grant(&host, "anna ALL=(ALL) NOPASSWD: /usr/bin/id");
    refused(
        with_password(&project, PASSWORD),
        &host,
        &["the login user lacks permission", "is not allowed to"],
    );

    host.inside("mv /usr/bin/sudo /usr/bin/away");
    refused(
        project.homelab(DEPLOY),
        &host,
        &["not installed on the host", "install `sudo`"],
    );
    refused(with_password(&project, PASSWORD), &host, &["not installed on the host"]);
}

#[test]
fn the_password_is_asked_for_once_and_seen_by_nobody() {
    let project = project();
    let host = project.up("dev", "alpha");
    settle(&host, &project, "become = 'sudo'");
    grant(&host, "anna ALL=(ALL) ALL");
    host.inside(&format!("chpasswd <<'END'\nanna:{UNSEEN}\nEND"));

    // Without a terminal there is no user to ask.
    let asking = [DEPLOY, &["--ask-become-password"]].concat();
    let mut command = Command::new("setsid");
    let ran = command
        .arg(env!("CARGO_BIN_EXE_homelab"))
        .args(&asking)
        .current_dir(project.root())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(3));
    assert!(text(&ran.stderr).contains(VARIABLE), "{}", text(&ran.stderr));

    let line = format!("{} {}", env!("CARGO_BIN_EXE_homelab"), asking.join(" "));
    let mut terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(project.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut screen = terminal.stdout.take().unwrap();
    let mut shown = Vec::new();
    while !text(&shown).contains("Password for sudo") {
        let mut chunk = [0; 256];
        let length = screen.read(&mut chunk).unwrap();
        assert_ne!(length, 0, "{}", text(&shown));
        shown.extend_from_slice(&chunk[..length]);
    }
    let mut keys = terminal.stdin.take().unwrap();
    // A slip of the finger is taken back.
    keys.write_all(format!("x\x7f{UNSEEN}\r").as_bytes()).unwrap();
    keys.flush().unwrap();
    screen.read_to_end(&mut shown).unwrap();
    let shown = text(&shown);
    assert_eq!(terminal.wait().unwrap().code(), Some(0), "{shown}");
    assert_eq!(shown.matches("Password for sudo").count(), 1, "{shown}");
    assert!(!shown.contains("unseen"), "{shown}");
    is_deployed(&host);

    seen_by_nobody(&project, &host);
}

/// Looks at the arguments and environments of all processes, here and on the host (whose processes this machine sees too).
fn seen_by_nobody(project: &Project, host: &Host<'_>) {
    let mut tool = project
        .command(DEPLOY)
        .env(VARIABLE, UNSEEN)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let tool_path = fs::canonicalize(env!("CARGO_BIN_EXE_homelab")).unwrap();
    let mut seen = BTreeSet::new();
    let mut rounds = 0;
    while tool.try_wait().unwrap().is_none() {
        rounds += 1;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            // Read first: a child that has not become another program yet still has the tool's environment.
            let is_tool = fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == tool_path);
            for file in ["cmdline", "environ"] {
                let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
                if text(&bytes).contains("unseen") {
                    seen.insert((is_tool, file));
                }
            }
        }
    }
    // That it is seen where it has to be shows that the watcher sees.
    assert_eq!(seen, BTreeSet::from([(true, "environ")]), "{rounds} rounds");
    assert!(rounds > 5);
    is_deployed(host);
    assert!(!host.is("journalctl -q --no-pager | grep -F unseen-"));
}
