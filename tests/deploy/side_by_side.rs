//! A run beside another one that is still going.

use std::process::Stdio;
use std::time::Duration;

use crate::support::project::Project;

const TASK: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "new\n"
notify = ["note it"]

[[operation]]
op = "server.shell"
commands = ["sleep 12"]
always = true
touches = []

[[handler]]
name = "note it"
op = "server.shell"
commands = ["cat /etc/app.conf >>/srv/noted"]
touches = ["/srv/noted"]
"#;

#[test]
fn what_another_run_has_recorded_is_its_own() {
    let project = Project::with_task(TASK);
    let host = project.up("dev", "alpha");
    project.write("deploys/other.toml", "hosts = ['*']\ntasks = ['test/other']\n");
    project.write(
        "tasks/test/other.toml",
        "[[operation]]\nop = 'files.put'\ndest = '/srv/other'\ncontent = 'x'\n",
    );
    let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    host.wait_until("pgrep -x sleep -a | grep -q 'sleep 12'", Duration::from_secs(30));

    let told = "another run is changing this host (";
    for (deploy, way, code) in [
        ("other", "--dry-run", 0),
        ("all", "--dry-run", 0),
        ("other", "--yes", 5),
    ] {
        let ran = project.homelab(&["deploy", "dev", deploy, way]).expect(code);
        let case = format!("{deploy} {way}:\n{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.stdout.matches(told).count(), 1, "{case}");
        assert!(ran.stderr.contains(&format!("alpha: {told}")), "{case}");
        for never in ["owed", "earlier run", "rm "] {
            assert!(!ran.stdout.contains(never), "{never}: {case}");
        }
    }
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(host.inside("cat /srv/noted; ls -A /var/lib/homelab/owed"), "new\n");
    let after = project.homelab(&["deploy", "dev", "other", "--yes"]).expect(0);
    assert!(!after.stdout.contains("another run"), "{}", after.stdout);
    // What a killed run has left is reported as before.
    host.inside("rm /etc/app.conf");
    let mut run = project.command(&["deploy", "dev", "all", "--yes"]);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    host.wait_until("pgrep -x sleep -a | grep -q 'sleep 12'", Duration::from_secs(30));
    run.kill().unwrap();
    run.wait().unwrap();
    // The command that was under way keeps the lock. What that run did not reach is in the review, so nothing is lost.
    let all = |more: &[&str], code| {
        let ran = project
            .homelab(&[&["deploy", "dev", "all"], more].concat())
            .expect(code);
        ran.stdout
    };
    let planned = all(&["--dry-run"], 0);
    assert!(
        planned.contains("unless the run that is changing the host now comes to it") && planned.contains("/srv/noted"),
        "{planned}"
    );
    all(&["--owed", "--yes"], 5);
    host.inside("pkill -x sleep; while pgrep -x sleep; do :; done");
    host.wait_until("flock -n /run/homelab.lock true", Duration::from_secs(30));
    let after = project.homelab(&["deploy", "dev", "other", "--dry-run"]).expect(0);
    assert!(
        after.stdout.contains("owed since an earlier run: handler"),
        "{}",
        after.stdout
    );
    assert!(!after.stdout.contains("another run"), "{}", after.stdout);
}

/// A run waits for a command of one that was killed, and does then what that one owes.
#[test]
fn what_a_run_owes_whose_last_command_still_runs_is_done_after_it() {
    for more in [&["--owed"][..], &[]] {
        let project = Project::with_task(TASK);
        let host = project.up("dev", "alpha");
        let mut run = project.command(&["deploy", "dev", "all", "--yes"]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        host.wait_until("pgrep -x sleep -a | grep -q 'sleep 12'", Duration::from_secs(30));
        run.kill().unwrap();
        run.wait().unwrap();
        let waiting = ["deploy", "dev", "all", "--yes", "--lock-wait", "1m"];
        project.homelab(&[&waiting, more].concat()).expect(0);
        assert_eq!(host.inside("cat /srv/noted; ls -A /var/lib/homelab/owed"), "new\n");
    }
}
