//! Ends other than the good one: each has its exit code, leaves the host whole, and says what was not reached.

use std::process::{Child, Output, Stdio};
use std::time::Duration;

use crate::deploy::staged::ANY_COMMAND;
use crate::support::host::Host;
use crate::support::project::{Project, text};

const PATIENCE: Duration = Duration::from_secs(30);

fn put(path: &str, content: &str, validate: &str) -> String {
    let command = if validate.is_empty() {
        String::new()
    } else {
        format!("validate = ['sh', '-c', '{validate}', '{{path}}']\n")
    };
    format!("[[operation]]\nop = 'files.put'\ndest = '{path}'\ncontent = '{content}'\n{command}\n")
}

fn start(project: &Project, arguments: &[&str]) -> Child {
    let mut command = project.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a run printed, once it has ended with `code`.
#[track_caller]
fn ended(child: Child, code: i32) -> String {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let told = text(&stdout) + &text(&stderr);
    assert_eq!(status.code(), Some(code), "{told}");
    told
}

#[test]
fn a_file_that_its_validator_refuses_stays_as_it_was() {
    let refusing = put("/opt/checked", "bad", "echo this line is wrong; exit 3");
    // What is refused after a command is decided at apply.
    let task = ANY_COMMAND.to_owned() + &put("/opt/first", "1", "") + &refusing + &put("/opt/last", "3", "");
    let project = Project::with_task(&task);
    let host = project.up("dev", "alpha");
    host.inside("echo good >/opt/checked");
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    for part in [
        "/opt/checked",
        "exit code 3",
        "this line is wrong",
        "`validate` did not accept the new file; the old file stays",
        "/opt/last",
        "not reached",
    ] {
        assert!(ran.stdout.contains(part), "no `{part}` in:\n{}", ran.stdout);
    }
    assert_eq!(host.inside("cat /opt/first /opt/checked"), "1good\n");
    assert!(!host.is("test -e /opt/last"));
    assert_eq!(host.inside("find / -xdev -name '.homelab*'"), "");

    project.write(
        "tasks/test/files.toml",
        put("/opt/first", "1", "") + &put("/opt/last", "3", ""),
    );
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(host.inside("cat /opt/last"), "3");
}

#[test]
fn an_interrupted_run_begins_no_further_step() {
    let project = Project::with_task(&(put("/opt/first", "1", "sleep 3") + &put("/opt/second", "2", "")));
    let host = project.up("dev", "alpha");
    let run = start(&project, &["deploy", "dev", "all", "--yes"]);
    host.wait_until("ls /opt/.homelab*", PATIENCE);
    interrupt(&run);
    let told = ended(run, 130);
    let ends = "  under way, outcome unknown:\n    file /opt/first\n  not reached:\n    file /opt/second\n";
    assert!(told.contains(ends), "{told}");
    host.is_left_in_order();
    // Whole or not there at all.
    assert_eq!(host.inside("cat /opt/first 2>/dev/null || printf 1"), "1");
    assert!(!host.is("test -e /opt/second"));
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(host.inside("cat /opt/first /opt/second"), "12");
}

fn interrupt(run: &Child) {
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-INT", &run.id().to_string()]).status().unwrap().success());
}

#[test]
fn what_changed_since_the_review_is_not_overwritten() {
    let project = Project::with_task(&put("/opt/slow", "1", "sleep 4"));
    project.write("tasks/test/other.toml", put("/opt/other", "ours", ""));
    project.write("deploys/other.toml", "hosts = ['alpha']\ntasks = ['test/other']\n");
    let host = project.up("dev", "alpha");
    let first = start(&project, &["deploy", "dev", "all", "--yes"]);
    host.wait_until("ls /opt/.homelab*", PATIENCE);
    // The second has its review and waits for the first; meanwhile another user makes the file.
    let second = start(&project, &["deploy", "dev", "other", "--yes", "--lock-wait", "1m"]);
    host.wait_until(
        "[ $(pgrep -xc sshd-session) -ge 4 ] || [ $(pgrep -c -f 'sshd.*root') -ge 4 ]",
        PATIENCE,
    );
    std::thread::sleep(Duration::from_secs(1));
    host.inside("echo theirs >/opt/other");
    ended(first, 0);
    let told = ended(second, 6);
    assert!(told.contains("/opt/other"), "{told}");
    assert_eq!(host.inside("cat /opt/other"), "theirs\n");
    a_second_look_puts_it_right(&project, &host);
}

#[test]
fn a_run_that_waited_looks_again_and_asks_only_if_there_is_more_to_do() {
    let project = Project::with_task(&(put("/opt/slow", "1", "sleep 8") + &put("/opt/both", "2", "")));
    let more = put("/opt/both", "2", "") + &put("/opt/own", "3", "");
    project.write("tasks/test/other.toml", more);
    project.write("deploys/other.toml", "hosts = ['alpha']\ntasks = ['test/other']\n");
    let host = project.up("dev", "alpha");

    // A dry run stays one, whatever it may apply without asking.
    project
        .homelab(&["deploy", "dev", "other", "--dry-run", "--yes"])
        .expect(0);
    assert!(!host.is("test -e /opt/both"));

    // The first does a part of what the second waits to do.
    let first = start(&project, &["deploy", "dev", "all", "--yes"]);
    host.wait_until("ls /opt/.homelab*", PATIENCE);
    let told = ended(
        start(&project, &["deploy", "dev", "other", "--yes", "--lock-wait", "1m"]),
        0,
    );
    ended(first, 0);
    assert!(told.contains("1 applied, 1 unchanged"), "{told}");
    assert_eq!(host.inside("cat /opt/both /opt/own"), "23");

    // A user makes one of its files meanwhile: it shows the new plan and asks a second time.
    host.inside("rm /opt/slow /opt/both /opt/own");
    let first = start(&project, &["deploy", "dev", "all", "--yes"]);
    host.wait_until("ls /opt/.homelab*", PATIENCE);
    let line = format!("{} deploy dev other --lock-wait 1m", env!("CARGO_BIN_EXE_homelab"));
    let asked = |times: u32| {
        format!(
            "n=0; until [ \"$(grep -o 'y/N' seen 2>/dev/null | grep -c .)\" = {times} ] || [ $n -gt 300 ]; do n=$((n+1)); sleep 0.1; done"
        )
    };
    let keys = format!(
        "({}; echo y; {}; echo y; sleep 1) | script -q -e -f -c '{line}' seen",
        asked(1),
        asked(2)
    );
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &keys])
        .current_dir(project.root())
        .env("TERM", "xterm");
    let second = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_question(&project);
    host.inside("echo theirs >/opt/own");
    ended(first, 0);
    let told = ended(second, 0);
    for part in [
        "alpha changed while this run waited for another: planning again",
        "theirs",
        "1 applied",
    ] {
        assert!(told.contains(part), "no `{part}` in:\n{told}");
    }
    assert_eq!(host.inside("cat /opt/both /opt/own"), "23");
}

/// Waits until the second run has asked, and a moment longer: it then waits for the lock.
fn wait_for_question(project: &Project) {
    let start = std::time::Instant::now();
    let has_asked = || std::fs::read(project.root().join("seen")).is_ok_and(|seen| text(&seen).contains("y/N"));
    while !has_asked() {
        assert!(start.elapsed() < PATIENCE, "it does not ask");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(2));
}

fn a_second_look_puts_it_right(project: &Project, host: &Host<'_>) {
    let ran = project.homelab(&["deploy", "dev", "other", "--yes"]).expect(0);
    assert!(ran.stdout.contains("- theirs"), "{}", ran.stdout);
    assert_eq!(host.inside("cat /opt/other"), "ours");
}

#[test]
fn a_filtered_run_does_only_its_part_and_says_what_it_left_out() {
    let project = Project::with_task(&put("/opt/files", "1", ""));
    project.write(
        "inventories/dev.toml",
        "[hosts.alpha]\nlab = true\n[hosts.beta]\nlab = true\n",
    );
    project.write("tasks/test/other.toml", put("/opt/other", "2", ""));
    project.write(
        "deploys/all.toml",
        "hosts = ['*']\ntasks = ['test/files', 'test/other']\n",
    );
    let alpha = project.up("dev", "alpha");
    let beta = Host::of(&project, "dev", "beta");
    let filters = ["--limit", "alph*", "--only", "test/other"];
    let ran = project
        .homelab(&[&["deploy", "dev", "all", "--yes"], &filters[..]].concat())
        .expect(0);
    let left_out = ran
        .stdout
        .lines()
        .find(|line| line.starts_with("skipped: "))
        .unwrap_or_default();
    assert!(
        left_out.contains("test/files") && left_out.contains("beta"),
        "{}",
        ran.stdout
    );
    assert_eq!(alpha.inside("ls /opt"), "other\n");
    assert_eq!(beta.inside("ls /opt"), "");
    let ran = project
        .homelab(&["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"])
        .expect(2);
    assert_eq!(ran.stdout.matches("+ file /opt/").count(), 3, "{}", ran.stdout);
}
