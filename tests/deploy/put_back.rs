//! After a restart whose unit did not stay active: what it was restarted for goes back, and what homelab stopped runs again.

use std::process::Stdio;
use std::time::Duration;

use crate::support::host::Host;
use crate::support::project::Project;

/// Runs unless its configuration says `bad`, reads it again on a reload, and ends at a reload if it says `deadly`.
const UNIT: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/systemd/system/app.service"
content = """
[Service]
ExecStartPre=/bin/sh -c 'echo >>/srv/starts; ! grep -q bad /etc/app.conf || { echo this is bad >&2; exit 3; }'
ExecStart=/bin/sleep infinity
ExecReload=/bin/sh -c '! grep -q bad /etc/app.conf || { echo bad to reload >&2; exit 4; }'
ExecReload=/bin/sh -c '! grep -q deadly /etc/app.conf || kill -KILL $MAINPID'
"""

[[operation]]
op = "systemd.service"
service = "app"
state = "started"
when = "starts"

"#;

const FILE: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "{{ value }}\n"
notify = ["use it"]
"#;

const COMMAND: &str = r#"
[[operation]]
op = "server.shell"
commands = ["echo {{ value }} >/etc/app.conf"]
unless = "grep -qx {{ value }} /etc/app.conf"
notify = ["use it"]
"#;

const WAITING: &str = r#"
[[operation]]
op = "server.shell"
commands = ["sleep 20; touch /srv/waited-{{ value }}"]
creates = "/srv/waited-{{ value }}"
when = "waits"
"#;

fn handler(state: &str) -> String {
    format!("[[handler]]\nname = 'use it'\nop = 'systemd.service'\nservice = 'app'\nstate = '{state}'\n")
}

/// A project whose service was started with `good`.
fn project(parts: &[&str]) -> Project {
    let project = Project::with_task(&parts.concat());
    project.write("group_data/all.toml", "value = 'good'\nstarts = true\nwaits = false\n");
    project
}

fn value(project: &Project, value: &str, waits: bool) {
    let text = format!("value = '{value}'\nstarts = false\nwaits = {waits}\n");
    project.write("group_data/all.toml", text);
}

fn deploy(project: &Project, code: i32) -> String {
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(code);
    format!("{}{}", ran.stdout, ran.stderr)
}

#[track_caller]
fn has(told: &str, all: &[&str]) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for one in all {
        assert!(words(told).contains(&words(one)), "{one}:\n{told}");
    }
}

/// Its configuration, whether it runs, and what is owed.
fn state(host: &Host<'_>) -> String {
    host.inside("cat /etc/app.conf; systemctl is-active app || true; ls -A /var/lib/homelab/owed | wc -l")
}

fn main_pid(host: &Host<'_>) -> String {
    host.inside("systemctl show -p MainPID --value app")
}

#[test]
fn what_was_reloaded_is_reloaded_again_and_not_stopped() {
    let project = project(&[UNIT, FILE, &handler("reloaded")]);
    let host = project.up("dev", "alpha");
    deploy(&project, 0);
    // It was restarted by itself at some time, which is no reason against a reload.
    host.inside("sed -i '/^ExecStart=/aRestart=always' /etc/systemd/system/app.service && systemctl daemon-reload");
    host.inside("systemctl kill -s KILL app; sleep 1; systemctl is-active app");
    host.inside("sed -i '/^Restart=/d' /etc/systemd/system/app.service && systemctl daemon-reload");
    let pid = main_pid(&host);
    value(&project, "better", false);
    deploy(&project, 0);
    assert_eq!(main_pid(&host), pid);

    value(&project, "bad", false);
    let told = deploy(&project, 1);
    has(
        &told,
        &[
            "`app.service` does not reload with it",
            "bad to reload",
            "`/etc/app.conf` is as it was before this run, and `app.service` still runs with that",
        ],
    );
    assert_eq!(state(&host), "better\nactive\n0\n");
    assert_eq!(main_pid(&host), pid);

    // What was there was broken already: it still runs, and the reload stays owed.
    host.inside("echo bad too >/etc/app.conf");
    let told = deploy(&project, 1);
    has(
        &told,
        &[
            "`app.service` does not reload with what is there now either:",
            "app.service did not reload: active (running)",
        ],
    );
    let is_line = |line: &str| line.trim() == "app.service did not reload: active (running)";
    assert!(told.lines().any(is_line), "{told}");
    assert_eq!(state(&host), "bad too\nactive\n1\n");
    assert_eq!(main_pid(&host), pid);
    value(&project, "best", false);
    deploy(&project, 0);
    assert_eq!(state(&host), "best\nactive\n0\n");
    assert_eq!(main_pid(&host), pid);

    // A reload that ends the service.
    value(&project, "deadly", false);
    let told = deploy(&project, 1);
    has(&told, &["is as it was before this run, and `app.service` runs again"]);
    assert_eq!(state(&host), "best\nactive\n0\n");
}

#[test]
fn files_of_a_run_that_was_killed_go_back_too() {
    let project = project(&[UNIT, FILE, WAITING, &handler("restarted")]);
    let host = project.up("dev", "alpha");
    deploy(&project, 0);
    value(&project, "bad", true);
    let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    host.wait_until("grep -q bad /etc/app.conf", Duration::from_secs(20));
    run.kill().unwrap();
    run.wait().unwrap();
    value(&project, "bad", false);
    let next = ["deploy", "dev", "all", "--yes", "--lock-wait", "30s"];
    let ran = project.homelab(&next).expect(1);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    has(
        &told,
        &[
            "owed since an earlier run",
            "`/etc/app.conf` is as it was before an earlier run, which ended before the handler, and `app.service` runs again",
        ],
    );
    // Its log is that of this start.
    assert_eq!(told.matches("this is bad").count(), 1, "{told}");
    assert_eq!(state(&host), "good\nactive\n0\n");
    deploy(&project, 1);
    assert_eq!(state(&host), "good\nactive\n0\n");
    value(&project, "better", false);
    deploy(&project, 0);
    assert_eq!(state(&host), "better\nactive\n0\n");
}

#[test]
fn what_a_restart_stopped_stays_owed_as_a_start() {
    let project = project(&[UNIT, COMMAND, &handler("restarted")]);
    let host = project.up("dev", "alpha");
    host.inside("echo good >/etc/app.conf");
    deploy(&project, 0);
    value(&project, "bad", false);
    let told = deploy(&project, 1);
    has(
        &told,
        &["nothing is kept of what notified the handler, so `app.service` stays stopped"],
    );
    assert_eq!(state(&host), "bad\nfailed\n1\n");
    // Nothing notifies it, and it still does not start.
    let told = deploy(&project, 1);
    has(
        &told,
        &["unit app.service failed → started", "owed since an earlier run"],
    );
    assert_eq!(state(&host), "bad\nfailed\n1\n");
    // Nor does it for another task's handler, which finds it stopped by homelab; what makes it start does.
    project.write("deploys/other.toml", "hosts = ['*']\ntasks = ['test/other']\n");
    let other = |word: &str| {
        let file = format!(
            "[[operation]]\nop = 'files.put'\ndest = '/srv/other'\ncontent = '{word}'\nnotify = ['use it']\n\n"
        );
        project.write("tasks/test/other.toml", format!("{file}{}", handler("restarted")));
    };
    let deploy_other = |code| {
        let ran = project.homelab(&["deploy", "dev", "other", "--yes"]).expect(code);
        format!("{}{}", ran.stdout, ran.stderr)
    };
    other("one");
    has(&deploy_other(1), &["unit app.service failed → started", "this is bad"]);
    assert_eq!(state(&host), "bad\nfailed\n2\n");
    assert!(!host.is("test -e /srv/other"));
    host.inside("echo mended >/etc/app.conf");
    has(&deploy_other(0), &["unit app.service failed → started"]);
    // That start is all that was owed.
    assert_eq!(state(&host), "mended\nactive\n0\n");
    // A user who stops it now means it.
    host.inside("systemctl stop app");
    other("two");
    has(&deploy_other(0), &["not running, and a handler does not start it"]);
    assert_eq!(state(&host), "mended\ninactive\n0\n");
    host.inside("echo bad >/etc/app.conf; systemctl start app || true");
    let told = deploy(&project, 0);
    assert!(told.starts_with("nothing to do"), "{told}");
    assert_eq!(state(&host), "bad\nfailed\n0\n");

    host.inside("echo mended >/etc/app.conf; systemctl start app");
    value(&project, "worse-bad", false);
    deploy(&project, 1);
    assert_eq!(state(&host), "worse-bad\nfailed\n1\n");
    value(&project, "better", false);
    let review = project
        .homelab(&["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"])
        .expect(2)
        .stdout;
    // What the command does to it is not known before.
    has(&review, &["restarted, or started if it does not run"]);
    deploy(&project, 0);
    assert_eq!(state(&host), "better\nactive\n0\n");
    let quiet = deploy(&project, 0);
    assert!(quiet.starts_with("nothing to do"), "{quiet}");
    // A user who stops it now means it.
    host.inside("systemctl stop app");
    value(&project, "other", false);
    deploy(&project, 0);
    assert_eq!(state(&host), "other\ninactive\n0\n");
    host.is_left_in_order();
}

/// The same unit, which systemd starts again whenever it ends.
fn restarting() -> String {
    let settings = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=1\n";
    UNIT.replace("[Service]\n", settings)
}

#[test]
fn whatever_follows_a_failed_restart_the_files_go_back() {
    let project = project(&[UNIT, FILE, &handler("restarted")]);
    let host = project.up("dev", "alpha");
    for unit in [UNIT, &restarting()] {
        for (key, code, end) in [
            ("retries = 1\n", 1, "retry 1 of 1"),
            ("on_error = 'ignore'\n", 0, "1 put back, 1 failed (ignored)"),
        ] {
            let task = [unit, FILE, &handler("restarted"), key].concat();
            project.write("tasks/test/files.toml", task);
            project.write("group_data/all.toml", "value = 'good'\nstarts = true\nwaits = false\n");
            deploy(&project, 0);
            value(&project, "bad", false);
            let told = deploy(&project, code);
            let back = "`/etc/app.conf` is as it was before this run, and `app.service` runs again";
            has(&told, &[back, end]);
            // Also what the attempts before the last one printed, and maybe those that systemd makes by itself.
            let attempts = 2 - usize::from(code == 0);
            let printed = told.matches("this is bad").count();
            assert!(
                printed == attempts || printed > attempts && unit != UNIT,
                "{printed} of {attempts}: {told}"
            );
            assert_eq!(state(&host), "good\nactive\n0\n", "{told}");
        }
    }
    host.is_left_in_order();
}

/// Starts only if its environment says so.
const BASE: &str = r#"
[[operation]]
op = "systemd.unit"
name = "base"
unit = "app"
content = """
[Service]
ExecStart=/bin/sh -c 'test "$OK" = yes || { echo not ok >&2; exit 3; }; exec sleep infinity'
"""

[[operation]]
op = "files.directory"
path = "/etc/systemd/system/app.service.d"
"#;

const START: &str = "\n[[operation]]\nop = 'systemd.service'\nservice = 'app'\nstate = 'started'\n";

/// Ways to change a file of the unit.
const FILES: &[(&str, &str)] = &[
    (
        "drop-in",
        "op = 'systemd.unit'\nunit = 'app'\ndrop_in = 'ok'\ncontent = \"[Service]\\nEnvironment=OK={{ value }}\\n\"",
    ),
    (
        "removed drop-in",
        "op = 'systemd.unit'\nunit = 'app'\ndrop_in = 'ok'\ncontent = \"[Service]\\nEnvironment=OK=yes\\n\"\n\
         present = \"{{ value == 'yes' }}\"",
    ),
    (
        "put",
        "op = 'files.put'\ndest = '/etc/systemd/system/app.service.d/ok.conf'\n\
         content = \"[Service]\\nEnvironment=OK={{ value }}\\n\"",
    ),
    (
        "template",
        "op = 'files.template'\ndest = '/etc/systemd/system/app.service.d/ok.conf'\nsrc = 'ok.conf.j2'",
    ),
];

#[test]
fn files_of_a_unit_that_does_not_start_with_them_go_back() {
    let project = project(&[BASE]);
    project.write("templates/ok.conf.j2", "[Service]\nEnvironment=OK={{ value }}\n");
    let host = project.up("dev", "alpha");
    let files = || host.inside("cat /etc/systemd/system/app.service.d/*; systemctl is-active app");
    for (name, written) in FILES {
        for (key, code) in [("", 1), ("retries = 1\n", 1), ("on_error = 'ignore'\n", 0)] {
            let task = [BASE, "\n[[operation]]\nname = 'own'\n", written, "\n", START, key].concat();
            project.write("tasks/test/files.toml", task);
            value(&project, "yes", false);
            deploy(&project, 0);
            let before = files();
            assert!(before.ends_with("OK=yes\nactive\n"), "{name}: {before}");
            value(&project, "no", false);
            let told = deploy(&project, code);
            let back = "`/etc/systemd/system/app.service.d/ok.conf` is as it was before this run, and `app.service` runs again";
            has(&told, &["not ok", back, "1 put back, 1 failed"]);
            assert_eq!(files(), before, "{name} {key}");
            assert_eq!(host.inside("systemctl show -p NeedDaemonReload --value app"), "no\n");
        }
    }
    // What notified a handler of the unit goes back with its own files.
    host.inside("rm -r /etc/systemd/system/app.service.d");
    let unit = UNIT
        .replace("[Service]\n", "[Service]\n# {{ value }}\n")
        .replace("\"starts\"", "\"not waits\"");
    let task = [FILE, &unit, &handler("restarted")].concat();
    project.write("tasks/test/files.toml", task);
    value(&project, "good", false);
    deploy(&project, 0);
    value(&project, "bad", false);
    let told = deploy(&project, 1);
    let back = "`/etc/app.conf`, `/etc/systemd/system/app.service` are as they were before this run";
    has(&told, &["this is bad", back]);
    assert_eq!(state(&host), "good\nactive\n0\n");
    assert!(host.is("grep -q '# good' /etc/systemd/system/app.service"));
    host.is_left_in_order();
}

/// A service that takes its time to start, and does not start if it is not `OK`.
const SLOW: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/systemd/system/app.service"
content = """
[Service]
ExecStartPre=/bin/sh -c 'sleep 1; test "$OK" = yes || { echo not ok >&2; exit 3; }'
ExecStart=/bin/sleep infinity
SETTING
"""
"#;

const ENVIRONMENT: &str = "Environment=OK={{ value }}";

const RESTARTED: &str = r#"
[[operation]]
op = "server.shell"
commands = ["sleep 4"]
always = true
when = "waits"

[[operation]]
op = "systemd.service"
service = "app"
state = "started"
"#;

const OK_CONF: &str = "/etc/systemd/system/app.service.d/ok.conf";

#[test]
fn files_of_a_unit_go_back_whatever_ends_a_run_before_its_restart() {
    let unit = [&SLOW.replace("SETTING", ENVIRONMENT), RESTARTED].concat();
    let slow = SLOW.replace("SETTING", "");
    let drop_in = |index: usize| [&slow, "\n[[operation]]\n", FILES[index].1, "\n", RESTARTED].concat();
    let changed = format!("grep -q OK=no {OK_CONF}");
    let removed = format!("[ ! -e {OK_CONF} ]");
    let project = project(&[&unit]);
    let host = project.up("dev", "alpha");
    let own = "/etc/systemd/system/app.service";
    for (task, path, has_changed, points) in [
        (unit, own, format!("grep -q OK=no {own}"), 2),
        (drop_in(0), OK_CONF, changed, 1),
        (drop_in(1), OK_CONF, removed, 1),
    ] {
        project.write("tasks/test/files.toml", task);
        value(&project, "yes", false);
        deploy(&project, 0);
        let file = || {
            host.inside(&format!(
                "cat {path}; systemctl is-active app; ls -A /var/lib/homelab/units || true"
            ))
        };
        let before = file();
        assert!(before.ends_with("\nactive\n"), "{before}");
        for (point, waits) in [
            // Between the file and the restart.
            (format!("{has_changed} && pgrep -f '^sleep 4'"), true),
            // While it restarts, which the host goes on with.
            ("! systemctl is-active --quiet app".to_owned(), false),
        ]
        .iter()
        .take(points)
        {
            value(&project, "no", *waits);
            let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
            let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            host.wait_until(point, Duration::from_secs(30));
            run.kill().unwrap();
            run.wait().unwrap();
            host.wait_until(
                "systemctl show -p ActiveState --value app | grep -v ing",
                Duration::from_secs(20),
            );
            value(&project, "no", false);
            let next = ["deploy", "dev", "all", "--yes", "--lock-wait", "60s"];
            let ran = project.homelab(&next).expect(1);
            let told = format!("{}{}", ran.stdout, ran.stderr);
            let back = format!(
                "`{path}` is as it was before an earlier run, which ended before the restart, and `app.service` runs again"
            );
            has(&told, &[&back]);
            assert_eq!(file(), before, "{point}\n{told}");
        }
        if points > 1 {
            // The next deploy makes the change again, and it goes back again.
            let told = deploy(&project, 1);
            has(&told, &["is as it was before this run, and `app.service` runs again"]);
            assert_eq!(file(), before, "{told}");
        }
        value(&project, "yes", false);
        assert!(deploy(&project, 0).starts_with("nothing to do"));
    }
    host.is_left_in_order();
}

/// Two more services, of which the second is stopped by hand.
const OTHERS: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/systemd/system/{{ item }}.service"
content = "[Service]\nExecStart=/bin/sleep infinity\n"
for_each = ["running", "stopped"]

[[operation]]
op = "systemd.service"
service = "{{ item }}"
state = "started"
when = "starts"
for_each = ["running", "stopped"]

[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "{{ value }}\n"
notify = ["use running", "use stopped", "use it"]

[[handler]]
name = "use running"
op = "systemd.service"
service = "running"
state = "restarted"

[[handler]]
name = "use stopped"
op = "systemd.service"
service = "stopped"
state = "restarted"

"#;

#[test]
fn what_did_not_run_before_stays_stopped() {
    let project = project(&[UNIT, OTHERS, &handler("restarted")]);
    let host = project.up("dev", "alpha");
    deploy(&project, 0);
    host.inside("systemctl stop stopped");
    let invocation = || host.inside("systemctl show -p InvocationID --value running");
    let before = invocation();
    let started = || host.inside("systemctl show -p ActiveEnterTimestampMonotonic --value stopped");
    let last_start = started();

    value(&project, "bad", false);
    let review = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0).stdout;
    has(
        &review,
        &["not running, and a handler does not start it", "3 to change"],
    );
    let told = deploy(&project, 1);
    has(&told, &["`/etc/app.conf` is as it was before this run"]);
    assert_eq!(state(&host), "good\nactive\n0\n");
    assert_eq!(
        host.inside("systemctl is-active running stopped || true"),
        "active\ninactive\n"
    );
    assert_ne!(invocation(), before);
    assert_eq!(started(), last_start);
}
