//! Connections that are kept, by choice, for runs to come: and nothing once they are over.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::host::Host;
use crate::support::project::{Project, text};

const TASK: &str = "[[operation]]\nop = 'files.put'\ndest = '/opt/a'\ncontent = 'a'\n
[[operation]]\nop = 'files.put'\ndest = '/opt/large'\nsrc = 'large'\n";

fn logins(host: &Host<'_>) -> usize {
    let journal = host.inside("journalctl --sync; journalctl -q --no-pager -u ssh | grep -c Accepted || true");
    journal.trim().parse().unwrap()
}

/// Processes of this machine that have `word` among their arguments.
fn processes(word: &str) -> Vec<String> {
    let output = Command::new("ps").args(["-eo", "args="]).output().unwrap();
    let listed = text(&output.stdout);
    listed
        .lines()
        .filter(|line| line.contains(word))
        .map(str::to_owned)
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_kept_connection_serves_the_next_run_and_goes() {
    let project = Project::with_task(TASK);
    project.write("templates/large", vec![b'x'; 300_000]);
    let host = project.up("dev", "alpha");
    let runtime = tempfile::tempdir().unwrap();
    let folder = runtime.path().join("homelab");
    let deploy = |more: &[&str]| {
        let arguments = [&["deploy", "dev", "all", "--yes"], more].concat();
        let output = project
            .command(&arguments)
            .env("XDG_RUNTIME_DIR", runtime.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let before = logins(&host);
    deploy(&["--keep-connections", "12s"]);
    assert_eq!(host.inside("stat -c %s /opt/large"), "300000\n");
    let kept = names(&folder);
    assert!(
        matches!(kept.as_slice(), [only] if only.starts_with("kept-")),
        "{kept:?}"
    );
    let start = Instant::now();
    assert!(deploy(&["--keep-connections", "12s"]).contains("nothing to do"));
    assert_eq!(logins(&host) - before, 1, "the second run logged in anew");
    host.is_left_in_order();

    // A run without the option neither uses nor keeps any.
    deploy(&[]);
    assert_eq!(logins(&host) - before, 2);
    assert_eq!(names(&folder), kept);

    let mark = folder.to_str().unwrap();
    while !processes(mark).is_empty() || !names(&folder).is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(40),
            "{:?} {:?}",
            processes(mark),
            names(&folder)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    // `ssh` counts in whole seconds.
    assert!(start.elapsed() >= Duration::from_secs(11), "it was gone at once");
    host.wait_until(
        "! pgrep -f '[s]shd-session: root@|[s]shd: root@'",
        Duration::from_secs(5),
    );
}
