//! The journal that runs keep on a host, and the commands that read it.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;

use crate::support::docker::docker;
use crate::support::host::Host;
use crate::support::project::Project;

const CANARY: &str = "correct-horse-7f3a";

const TASK: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "value = {{ value }}\n"

[[operation]]
op = "files.put"
dest = "/etc/app.secret"
content = "correct-horse-7f3a {{ value }}\n"
mode = "0600"

[[operation]]
op = "files.link"
path = "/etc/app.link"
target = "app.conf"

[[operation]]
op = "server.shell"
commands = ["{{ last }}"]
creates = "/srv/{{ value }}"
"#;

fn data(project: &Project, value: &str, last: &str) {
    project.write("group_data/all.toml", format!("value = '{value}'\nlast = '{last}'\n"));
}

fn history(project: &Project, more: &[&str]) -> Json {
    let arguments = [&["history", "dev"], more, &["--format", "json"]].concat();
    serde_json::from_str(&project.homelab(&arguments).expect(0).stdout).unwrap()
}

fn files(host: &Host<'_>) -> String {
    host.inside("ls /var/lib/homelab/journal 2>/dev/null || true")
}

#[test]
fn what_a_run_changes_is_in_the_journal_of_the_host() {
    let project = Project::with_task(TASK);
    let host = project.up("dev", "alpha");
    data(&project, "one", "touch /srv/one");
    project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    assert!(!host.is("test -e /var/lib/homelab"));
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    let modes = host.inside("cd /var/lib/homelab && stat -c '%U %a' . journal journal/*");
    assert_eq!(modes, "root 700\nroot 700\nroot 600\nroot 600\n");
    let before = files(&host);
    // Nothing to do is nothing to tell.
    let again = project
        .homelab(&["deploy", "dev", "all", "--yes", "--verbose"])
        .expect(0);
    assert!(again.stdout.contains("\nnothing to do"), "{}", again.stdout);
    assert!(again.stderr.contains("alpha: round trips: 1\n"), "{}", again.stderr);
    project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    assert_eq!(files(&host), before);

    let told = project.homelab(&["history", "dev", "alpha"]).expect(0).stdout;
    assert!(told.contains("dev all  4 applied  converged  tester@"), "{told}");
    data(&project, "two", "exit 3");
    project
        .homelab(&["deploy", "dev", "all", "--yes", "--limit", "alpha"])
        .expect(1);
    let runs = history(&project, &["alpha"]);
    let last = &runs["hosts"][0]["runs"][0];
    assert_eq!(last["end"], "failed");
    assert_eq!(last["filters"][0], "--limit alpha");
    let counts = &last["counts"];
    assert_eq!(
        (&counts["applied"], &counts["failed"], &counts["not_reached"]),
        (&2.into(), &1.into(), &0.into())
    );
    let whole = history(&project, &["alpha", "last"]);
    let changes = whole["hosts"][0]["runs"][0]["changes"].as_array().unwrap();
    let names: Vec<&str> = changes.iter().map(|change| change["name"].as_str().unwrap()).collect();
    assert_eq!(names[..2], ["/etc/app.conf", "/etc/app.secret"]);
    // What was replaced is kept.
    let previous = changes[0]["previous"].as_str().unwrap();
    assert_eq!(host.inside(&format!("cat {previous}")), "value = one\n");
    let text = project.homelab(&["history", "dev", "alpha", "last"]).expect(0).stdout;
    assert!(
        text.contains("    ~ file /etc/app.conf") && text.contains("   failed\n"),
        "{text}"
    );
    for said in [&told, &text, &whole.to_string()] {
        assert!(!said.contains(CANARY), "{said}");
    }
    assert!(!host.is(&format!("grep -r {CANARY} /var/lib/homelab/journal")));
    project.homelab(&["history", "dev", "alpha", "2001"]).expect(3);
    project.homelab(&["history", "dev", "alpha", "../x"]).expect(3);
    host.is_left_in_order();
}

#[test]
fn a_run_that_was_cut_off_counts_as_interrupted_until_the_next_one() {
    let project = Project::with_task(TASK);
    let host = project.up("dev", "alpha");
    data(
        &project,
        "one",
        "touch /srv/begun; until test -e /srv/go; do sleep 0.1; done; touch /srv/one",
    );
    let mut command: Command = project.command(&["deploy", "dev", "all", "--yes"]);
    let mut run = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    host.wait_until("test -e /srv/begun", Duration::from_secs(60));
    let status = project.homelab(&["status", "dev", "alpha"]).expect(0).stdout;
    let last = status.lines().find(|line| line.contains("last run"));
    assert!(last.is_some_and(|last| last.ends_with(", running")), "{status}");
    assert!(!status.contains("interrupted"), "{status}");
    kill_group(run.id());
    run.wait().unwrap();
    let status = project.homelab(&["status", "dev", "alpha"]).expect(0).stdout;
    assert!(status.contains("interrupted"), "{status}");
    let last = history(&project, &["alpha", "last"]);
    let last = &last["hosts"][0]["runs"][0];
    assert_eq!(last["end"], "interrupted");
    assert_eq!(last["counts"]["applied"], 3);
    assert_eq!(last["changes"][3]["end"], "unknown");
    host.inside("touch /srv/go");
    // A line that was torn by a loss of power.
    host.inside("cd /var/lib/homelab/journal && for f in *.jsonl; do printf '{\"step\":3,\"en' >>$f; done");
    host.is_left_in_order();
    // One that changes something.
    data(&project, "two", "touch /srv/two");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    let status = project.homelab(&["status", "dev"]).expect(0).stdout;
    assert!(!status.contains("interrupted"), "{status}");
    let runs = history(&project, &[]);
    assert!(runs["hosts"][0]["runs"].as_array().unwrap().len() == 2, "{runs}");
}

#[test]
fn a_run_that_finds_nothing_left_to_do_makes_up_for_one_that_was_cut_off() {
    let project = Project::with_task(TASK);
    let host = project.up("dev", "alpha");
    data(
        &project,
        "one",
        "touch /srv/begun; until test -e /srv/one; do sleep 0.1; done",
    );
    let mut command: Command = project.command(&["deploy", "dev", "all", "--yes"]);
    let mut run = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    host.wait_until("test -e /srv/begun", Duration::from_secs(60));
    kill_group(run.id());
    run.wait().unwrap();
    // What was left is done by hand.
    host.inside("touch /srv/one");
    host.is_left_in_order();
    let before = files(&host);
    let is_interrupted = || {
        let status = project.homelab(&["status", "dev", "--format", "json"]).expect(0).stdout;
        let status: Json = serde_json::from_str(&status).unwrap();
        !status["hosts"][0]["interrupted"].as_array().unwrap().is_empty()
    };
    let quiet = |more: &[&str]| {
        let arguments = [&["deploy", "dev", "all", "--verbose"], more].concat();
        let ran = project.homelab(&arguments).expect(0);
        assert!(ran.stdout.contains("\nnothing to do"), "{more:?}: {}", ran.stdout);
        ran.stderr
    };
    // Neither a dry run nor one of a part says that nothing is left.
    quiet(&["--dry-run"]);
    quiet(&["--yes", "--only", "test/files"]);
    assert!(is_interrupted());
    quiet(&["--yes", "--limit", "alpha"]);
    assert!(!is_interrupted());
    let again = quiet(&["--yes"]);
    assert!(again.contains("alpha: round trips: 1\n"), "{again}");
    let none = project
        .homelab(&["deploy", "dev", "all", "--yes", "--only-failed"])
        .expect(0)
        .stderr;
    assert!(none.contains("nothing to do: no host"), "{none}");
    // It is no run of its own, so what `last` means stays.
    assert_eq!(files(&host), before);
    let last = &history(&project, &["alpha", "last"])["hosts"][0]["runs"][0];
    assert_eq!(last["end"], "interrupted");
    assert!(last["made_up"].as_str().unwrap().ends_with('Z'), "{last}");
    let text = project.homelab(&["history", "dev", "alpha", "last"]).expect(0).stdout;
    assert!(text.contains("\n  made up for: at 2"), "{text}");
}

/// Kills a process and those of its group at once.
fn kill_group(process: u32) {
    let ended = Command::new("kill")
        .args(["-9", "--", &format!("-{process}")])
        .status()
        .unwrap();
    assert!(ended.success());
}

#[test]
fn a_deploy_goes_on_only_with_the_hosts_on_which_it_failed() {
    let project = Project::with_task(TASK);
    project.write(
        "inventories/dev.toml",
        "[hosts.alpha]\nlab = true\n[hosts.beta]\nlab = true\n[hosts.gamma]\nlab = true\n",
    );
    project.write("deploys/all.toml", "hosts = ['*']\ntasks = ['test/files']\n");
    let host = project.up("dev", "alpha");
    project.write(
        "group_data/all.toml",
        "value = 'one'\nlast = \"{{ 'touch /srv/one' if host.name == 'alpha' else 'exit 3' }}\"\n",
    );
    let failed = ["deploy", "dev", "all", "--yes", "--only-failed"];
    let none = project.homelab(&failed).expect(0);
    assert!(
        none.stderr
            .contains("nothing to do: no host has a run of deploy `all` that failed"),
        "{}",
        none.stderr
    );
    assert!(!host.is("test -e /etc/app.conf"));
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    let before = files(&host);
    let again = project.homelab(&failed).expect(1);
    assert!(
        again.stderr.contains("beta: run 2") && again.stderr.contains(" (dev all): failed\n"),
        "{}",
        again.stderr
    );
    assert!(again.stderr.contains("gamma: "), "{}", again.stderr);
    let skipped = "skipped: host alpha (--only-failed)\n";
    assert_eq!(again.stdout.matches(skipped).count(), 1, "{}", again.stdout);
    let others = again.stdout.replace(skipped, "");
    assert!(
        !again.stderr.contains("alpha") && !others.contains("alpha"),
        "{}",
        again.stdout
    );
    assert_eq!(files(&host), before);
    docker(&["pause", host.container()]);
    let unread = project.homelab(&failed);
    docker(&["unpause", host.container()]);
    assert!(
        unread
            .expect(4)
            .stderr
            .contains("nothing was changed: how the last run ended is not known")
    );
    data(&project, "one", "touch /srv/one");
    project.homelab(&failed).expect(0);
    let none = project.homelab(&failed).expect(0);
    assert!(none.stderr.contains("nothing to do: no host"), "{}", none.stderr);
}

/// A handler that is owed, and a command that fails.
const FAILING: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "one\n"
notify = ["later"]

[[operation]]
op = "server.shell"
commands = ["{{ last }}"]
creates = "/srv/{{ value }}"

[[handler]]
name = "later"
op = "server.shell"
commands = ["touch /srv/handled"]
"#;

#[test]
fn what_a_part_of_a_deploy_did_hides_no_failure() {
    let project = Project::with_task(FAILING);
    let host = project.up("dev", "alpha");
    let only_failed = ["deploy", "dev", "all", "--yes", "--only-failed"];
    let failed = || {
        let status = project.homelab(&["status", "dev", "--format", "json"]).expect(0).stdout;
        let status: Json = serde_json::from_str(&status).unwrap();
        status["hosts"][0]["failed"].as_array().unwrap().len()
    };
    data(&project, "one", "exit 7");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    project.homelab(&["deploy", "dev", "all", "--yes", "--owed"]).expect(0);
    assert!(host.is("test -e /srv/handled"));
    let status = project.homelab(&["status", "dev"]).expect(0).stdout;
    let last = status.lines().find(|line| line.contains("last run"));
    assert!(last.is_some_and(|last| last.contains("dev all --owed")), "{status}");
    assert!(
        status
            .lines()
            .any(|line| line.starts_with("  failed ") && line.ends_with(" (dev all)")),
        "{status}"
    );
    assert_eq!(failed(), 1);
    let again = project.homelab(&only_failed).expect(1);
    assert!(again.stderr.contains(" (dev all): failed\n"), "{}", again.stderr);
    data(&project, "one", "touch /srv/one");
    project.homelab(&only_failed).expect(0);
    assert_eq!(failed(), 0);
    let none = project.homelab(&only_failed).expect(0).stderr;
    assert!(none.contains("nothing to do: no host"), "{none}");
}

/// What else is in the folder of homelab's state: nothing waits for it, and the commands say which file it is.
#[test]
fn files_that_homelab_did_not_write_stop_nothing() {
    let project = Project::with_task(TASK);
    let host = project.up("dev", "alpha");
    data(&project, "one", "touch /srv/one");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    host.inside(
        "cd /var/lib/homelab && mkdir -p owed made jobs/0a jobs/notes \
         && for f in journal/p.jsonl journal/20990101T000000Z-1.jsonl owed/0123456789abcdef made/made-1 open/x \
         jobs/0a/summary jobs/0a/pid jobs/notes/summary jobs/notes/status jobs/notes/output; do mkfifo $f; done \
         && mkdir journal/20990101T000000Z-2.jsonl && ln -s /dev/zero journal/20990101T000000Z-3.jsonl \
         && echo '{\"x\":1}' >journal/20990101T000000Z-4.jsonl",
    );
    let journal = |name: &str| format!("`/var/lib/homelab/journal/{name}.jsonl` is no journal of a run");
    let journals = [
        "p",
        "20990101T000000Z-1",
        "20990101T000000Z-2",
        "20990101T000000Z-3",
        "20990101T000000Z-4",
    ];
    let others = [
        "`/var/lib/homelab/made/made-1` cannot be read",
        "`/var/lib/homelab/jobs/notes` is no job of homelab",
        "0123456789abcdef",
    ];
    let status = project.homelab(&["status", "dev"]).expect(0).stdout;
    let history = project.homelab(&["history", "dev"]).expect(0).stdout;
    let rollback = project
        .homelab(&["rollback", "dev", "alpha", "last", "--dry-run"])
        .expect(0);
    for (said, of) in [
        (&status, "status"),
        (&history, "history"),
        (&rollback.stderr, "rollback"),
    ] {
        for name in journals {
            assert!(said.contains(&journal(name)), "{of}, {name}: {said}");
        }
    }
    for other in others {
        assert!(status.contains(other), "{other}: {status}");
    }
    assert!(rollback.stdout.contains("- file /etc/app.conf"), "{}", rollback.stdout);
    data(&project, "two", "touch /srv/two");
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(ran.stdout.contains("applied      file /etc/app.conf"), "{}", ran.stdout);
}
