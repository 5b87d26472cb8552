//! Whatever stops a run amid its work: the journal of the host says so, `--only-failed` goes on from there, and each restart that is
//! owed is made once.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;

use crate::support::docker::docker;
use crate::support::host::Host;
use crate::support::project::Project;

const PATIENCE: Duration = Duration::from_secs(60);

/// A changed file, something that takes as long as the test wants, a further file, and a service that is restarted for the first.
const TASK: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/systemd/system/app.service"
content = """
[Service]
ExecStartPre=/bin/sh -c 'cat /etc/app.conf >>/srv/starts'
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""

[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "{{ value }}\n"
notify = ["restart app"]

[[operation]]
op = "server.shell"
commands = ["touch /srv/begun; n=0; while [ -e /srv/hold ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done", "{{ last }}", "touch /srv/held-{{ value }}"]
creates = "/srv/held-{{ value }}"
touches = ["/srv/held-{{ value }}"]

[[operation]]
op = "files.put"
dest = "/etc/app.extra"
content = "{{ value }}\n"

[[operation]]
op = "systemd.service"
service = "app"
state = "started"
enabled = true

[[handler]]
name = "restart app"
op = "systemd.service"
service = "app"
state = "restarted"
"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Kill,
    Terminate,
    Interrupt,
    InterruptTwice,
    CutLink,
    Reboot,
    PowerCut,
}

/// How a run is stopped, its exit code, and its end in the journal.
const STOPS: &[(Stop, Option<i32>, &str)] = &[
    (Stop::Kill, None, "interrupted"),
    (Stop::Terminate, Some(130), "interrupted"),
    (Stop::Interrupt, Some(130), "interrupted"),
    (Stop::InterruptTwice, Some(130), "interrupted"),
    (Stop::CutLink, Some(4), "interrupted"),
    (Stop::Reboot, Some(4), "interrupted"),
    (Stop::PowerCut, Some(4), "interrupted"),
];

/// `last` is a command of the slow operation.
fn data(project: &Project, value: &str, last: &str) {
    project.write("group_data/all.toml", format!("value = '{value}'\nlast = \"{last}\"\n"));
}

fn start(project: &Project) -> Child {
    let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(name: &str, run: &Child) {
    let ended = Command::new("kill").args([name, &run.id().to_string()]).status();
    assert!(ended.unwrap().success());
}

fn stop(how: Stop, run: &mut Child, host: &Host<'_>) {
    match how {
        Stop::Kill => run.kill().unwrap(),
        Stop::Terminate => signal("-TERM", run),
        Stop::Interrupt => signal("-INT", run),
        Stop::InterruptTwice => {
            signal("-INT", run);
            // It may be over already.
            let _ = Command::new("kill").args(["-INT", &run.id().to_string()]).output();
        }
        Stop::CutLink => {
            host.inside("pkill -KILL -f '^sshd(-session)?: root@notty'");
        }
        Stop::Reboot => {
            host.is("systemctl reboot");
        }
        Stop::PowerCut => {
            docker(&["kill", host.container()]);
        }
    }
}

/// The host runs, whatever stopped it, and nothing of an earlier run is at work there.
fn is_back(project: &Project, host: &Host<'_>, how: Stop) {
    if how == Stop::PowerCut {
        project.homelab(&["lab", "up", "dev"]).expect(0);
    }
    host.wait_until("systemctl is-system-running | grep -q running", PATIENCE);
    host.inside("rm -f /srv/hold /srv/begun");
    host.is_left_in_order();
}

fn last_run(project: &Project, host: &str) -> Json {
    let ran = project.homelab(&["history", "dev", host, "last", "--format", "json"]);
    let all: Json = serde_json::from_str(&ran.expect(0).stdout).unwrap();
    all["hosts"][0]["runs"][0].clone()
}

fn starts(host: &Host<'_>) -> Vec<String> {
    let starts = host.inside("cat /srv/starts");
    starts.lines().map(str::to_owned).collect()
}

#[track_caller]
fn is_finished(host: &Host<'_>, value: &str, before: usize, what: &str) {
    let files = host.inside("cat /etc/app.conf /etc/app.extra; systemctl is-active app; ls -A /var/lib/homelab/owed");
    assert_eq!(files, format!("{value}\n{value}\nactive\n"), "{what}");
    assert_eq!(starts(host)[before..], [value], "{what}: one start, with the new file");
}

#[test]
fn whatever_stops_a_run_its_journal_says_so_and_only_failed_goes_on() {
    let project = Project::with_task(TASK);
    let host = project.up("dev", "alpha");
    data(&project, "start", "true");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    let only_failed = ["deploy", "dev", "all", "--yes", "--only-failed", "--lock-wait", "60s"];
    for (number, (how, code, end)) in STOPS.iter().enumerate() {
        let value = format!("value-{number}");
        let before = starts(&host).len();
        data(&project, &value, "true");
        host.inside("touch /srv/hold; rm -f /srv/begun");
        let mut run = start(&project);
        host.wait_until("test -e /srv/begun", PATIENCE);
        stop(*how, &mut run, &host);
        let output = run.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), *code, "{how:?}: {said}");
        is_back(&project, &host, *how);

        let status = project.homelab(&["status", "dev"]).expect(0).stdout;
        assert!(status.contains("interrupted"), "{how:?}: {status}");
        let last = last_run(&project, "alpha");
        assert_eq!(last["end"], *end, "{how:?}: {last}");
        let ends: Vec<&str> = last["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| change["end"].as_str().unwrap())
            .collect();
        assert_eq!(ends[0], "applied", "{how:?}: {ends:?}");
        assert!(["unknown", "applied"].contains(&ends[1]), "{how:?}: {ends:?}");
        assert!(ends[2..].iter().all(|end| *end == "not_reached"), "{how:?}: {ends:?}");
        let is_old = host.inside("cat /etc/app.extra") != format!("{value}\n");
        assert!(is_old, "{how:?}: a step began after the end of the run");

        let told = project.homelab(&only_failed).expect(0);
        let selected = "(dev all): interrupted";
        assert!(told.stderr.contains(selected), "{how:?}: {}", told.stderr);
        is_finished(&host, &value, before, &format!("{how:?}: {}", told.stdout));
        let status = project.homelab(&["status", "dev"]).expect(0).stdout;
        assert!(!status.contains("interrupted"), "{how:?}: {status}");
        let none = project.homelab(&only_failed).expect(0).stderr;
        assert!(none.contains("nothing to do: no host has a run"), "{how:?}: {none}");
        let quiet = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout;
        assert!(quiet.starts_with("nothing to do"), "{how:?}: {quiet}");
        host.is_left_in_order();
    }
}

#[test]
fn hosts_that_were_stopped_in_different_ways_are_finished_by_one_run() {
    let project = Project::with_task(TASK);
    let names = ["alpha", "beta", "gamma", "delta"];
    let inventory = names.map(|name| format!("[hosts.{name}]\nlab = true\n")).concat();
    project.write("inventories/dev.toml", inventory);
    project.write("deploys/all.toml", "hosts = ['*']\ntasks = ['test/files']\n");
    let alpha = project.up("dev", "alpha");
    let [beta, gamma, delta] = ["beta", "gamma", "delta"].map(|name| Host::of(&project, "dev", name));
    data(&project, "start", "true");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    let all = [&alpha, &beta, &gamma, &delta];
    let before = all.map(|host| starts(host).len());

    data(&project, "new", "{{ 'exit 3' if host.name == 'gamma' else 'true' }}");
    for host in [&alpha, &beta] {
        host.inside("touch /srv/hold; rm /srv/begun");
    }
    let mut run = start(&project);
    for host in [&alpha, &beta] {
        host.wait_until("test -e /srv/begun", PATIENCE);
    }
    stop(Stop::CutLink, &mut run, &alpha);
    stop(Stop::Reboot, &mut run, &beta);
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{said}");
    is_back(&project, &alpha, Stop::CutLink);
    is_back(&project, &beta, Stop::Reboot);
    is_finished(&delta, "new", before[3], "delta");
    let runs_of_delta = "ls /var/lib/homelab/journal";
    let journal = delta.inside(runs_of_delta);

    data(&project, "new", "true");
    let told = project
        .homelab(&["deploy", "dev", "all", "--yes", "--only-failed", "--lock-wait", "60s"])
        .expect(0);
    for (name, end) in [("alpha", "interrupted"), ("beta", "interrupted"), ("gamma", "failed")] {
        let (of_host, end) = (format!("{name}: run 2"), format!(" (dev all): {end}"));
        let is_told = |line: &str| line.starts_with(&of_host) && line.ends_with(&end);
        assert!(told.stderr.lines().any(is_told), "{}", told.stderr);
    }
    assert!(!told.stderr.contains("delta: run"), "{}", told.stderr);
    assert_eq!(delta.inside(runs_of_delta), journal);
    for (host, before) in all.iter().zip(before) {
        is_finished(host, "new", before, &told.stdout);
    }
    let quiet = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout;
    assert!(quiet.starts_with("nothing to do"), "{quiet}");
}
