//! Packages of neighboring operations: one run of apt installs them all, and each operation still tells its own end.

use std::process::Stdio;
use std::time::Duration;

use crate::deploy::apt_lock::hold;
use crate::deploy::repository::{Package, fetch_lists, only_repository, publish};
use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const PATIENCE: Duration = Duration::from_secs(60);

/// It cannot be configured while `/srv/bad-NAME` is there, and takes as long as `/srv/hold` is there.
fn package<'a>(name: &'a str, postinst: &'a str, depends: &'a str) -> Package<'a> {
    Package {
        name,
        version: "1",
        postinst,
        depends,
        ..Package::default()
    }
}

fn make_ready(host: &Host<'_>, depends: &[(&str, &str)]) {
    let scripts: Vec<String> = depends
        .iter()
        .map(|(name, _)| {
            format!(
                "echo {name} >>/srv/configured; while [ -e /srv/hold ]; do sleep 0.1; done; [ ! -e /srv/bad-{name} ]"
            )
        })
        .collect();
    let all: Vec<Package<'_>> = depends
        .iter()
        .zip(&scripts)
        .map(|((name, depends), script)| package(name, script, depends))
        .collect();
    only_repository(host);
    publish(host, &all);
    fetch_lists(host);
}

/// An operation for each package; `more` are further parameters of each.
fn task(packages: &[&str], more: &str) -> String {
    let one = |name: &&str| format!("[[operation]]\nop = 'apt.packages'\npackages = ['{name}']\n{more}");
    let all: Vec<String> = packages.iter().map(one).collect();
    all.concat()
}

fn wants(project: &Project, packages: &[&str]) {
    project.write("tasks/test/files.toml", task(packages, ""));
}

fn deploy(project: &Project, code: i32) -> Ran {
    project
        .homelab(&["deploy", "dev", "all", "--yes", "--verbose"])
        .expect(code)
}

/// What apt was asked to install, in its own words; its log is empty then.
fn runs(host: &Host<'_>) -> Vec<String> {
    let log = "sed -n 's/^Commandline: .* install -- //p' /var/log/apt/history.log; : >/var/log/apt/history.log";
    host.inside(log).lines().map(str::to_owned).collect()
}

fn installed(host: &Host<'_>) -> String {
    let all = host.inside("dpkg-query -W -f '${Package} ${db:Status-Status}\\n' 'tool-*' 2>/dev/null | sort");
    all.lines()
        .filter_map(|line| line.strip_suffix(" installed"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// All of them, as a verbose run tells.
fn round_trips(ran: &Ran) -> u32 {
    let mut lines = ran.stdout.lines();
    let told = lines.find_map(|line| line.strip_suffix("  round trips"));
    told.unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr))
        .trim()
        .parse()
        .unwrap()
}

#[track_caller]
fn is_quiet(project: &Project, host: &Host<'_>) {
    let again = deploy(project, 0);
    assert!(again.stdout.contains("\nnothing to do"), "{}", again.stdout);
    assert_eq!(runs(host), [""; 0]);
    assert_eq!(host.inside("ls /var/lib/homelab/jobs"), "");
}

/// How each operation ended, as the journal on the host says it: name and end.
fn ends(project: &Project) -> Vec<(String, String)> {
    let ran = project
        .homelab(&["history", "dev", "alpha", "last", "--format", "json"])
        .expect(0);
    let all: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let changes = all["hosts"][0]["runs"][0]["changes"].as_array().unwrap();
    changes
        .iter()
        .map(|change| {
            (
                change["name"].as_str().unwrap().to_owned(),
                change["end"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn pairs(ends: &[(&str, &str)]) -> Vec<(String, String)> {
    ends.iter()
        .map(|(name, end)| ((*name).to_owned(), (*end).to_owned()))
        .collect()
}

#[test]
fn neighbors_are_installed_in_one_run_and_read_back_in_one_round_trip() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    make_ready(
        &host,
        &[
            ("tool-a", ""),
            ("tool-b", "tool-e"),
            ("tool-c", ""),
            ("tool-d", "tool-e"),
            ("tool-e", ""),
        ],
    );
    runs(&host);
    wants(&project, &["tool-a"]);
    let of_one = deploy(&project, 0);
    assert_eq!(runs(&host), ["tool-a"]);
    wants(&project, &["tool-a", "tool-b", "tool-c", "tool-d"]);
    let of_more = deploy(&project, 0);
    assert_eq!(runs(&host), ["tool-b tool-c tool-d"]);
    assert_eq!(installed(&host), "tool-a tool-b tool-c tool-d tool-e");
    assert_eq!(round_trips(&of_more), round_trips(&of_one), "{}", of_more.stdout);
    assert_eq!(host.inside("apt-mark showauto 'tool-*'"), "tool-e\n");
    is_quiet(&project, &host);
}

#[test]
fn one_that_fails_is_told_by_name_and_so_is_what_is_installed() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    make_ready(&host, &[("tool-a", ""), ("tool-b", ""), ("tool-c", "")]);
    host.inside("touch /srv/bad-tool-b");
    wants(&project, &["tool-a", "tool-b", "tool-c"]);
    let ran = deploy(&project, 1);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("alpha: failed to run `apt-get install tool-b`"), "{said}");
    assert_eq!(said.matches(": failed to ").count(), 1, "{said}");
    assert_eq!(installed(&host), "tool-a tool-c");
    assert_eq!(
        ends(&project),
        pairs(&[("tool-a", "applied"), ("tool-b", "failed"), ("tool-c", "applied")]),
        "{said}"
    );
    host.inside("rm /srv/bad-tool-b");
    deploy(&project, 0);
    assert_eq!(installed(&host), "tool-a tool-b tool-c");
    runs(&host);
    is_quiet(&project, &host);
}

#[test]
fn a_lock_that_is_held_is_waited_for_once() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    make_ready(&host, &[("tool-a", ""), ("tool-b", "")]);
    project.write(
        "tasks/test/files.toml",
        task(&["tool-a", "tool-b"], "lock_timeout = '4s'\n"),
    );
    let holder = hold(&host, "/var/lib/dpkg/lock-frontend", 3600);
    // A verbose run shows what apt prints instead.
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    let waits = ran.stdout.lines().filter(|line| line.contains("  waiting  "));
    let waits: Vec<&str> = waits
        .filter(|line| line.contains(&format!("is held by process {holder}")))
        .collect();
    assert_eq!(waits.len(), 1, "{}", ran.stdout);
    assert!(
        waits[0].contains("run `apt-get install tool-a tool-b`"),
        "{}",
        ran.stdout
    );
    let failure = ran.stdout.split("alpha: failed to run `apt-get install tool-a`").nth(1);
    assert!(
        failure.is_some_and(|failure| failure.contains("E: Unable to acquire the dpkg frontend lock")),
        "{}",
        ran.stdout
    );
    assert_eq!(
        ends(&project),
        pairs(&[("tool-a", "failed"), ("tool-b", "not_reached")])
    );
    host.inside(&format!("kill {holder}"));
    deploy(&project, 0);
    assert_eq!(installed(&host), "tool-a tool-b");
    runs(&host);
    is_quiet(&project, &host);
}

#[test]
fn packages_that_need_less_together_than_alone_are_installed_one_by_one() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    make_ready(
        &host,
        &[
            ("tool-a", "tool-x | tool-y"),
            ("tool-b", "tool-y"),
            ("tool-x", ""),
            ("tool-y", ""),
        ],
    );
    runs(&host);
    wants(&project, &["tool-b", "tool-a"]);
    deploy(&project, 0);
    assert_eq!(runs(&host), ["tool-b", "tool-a"]);
    is_quiet(&project, &host);
}

#[test]
fn a_run_that_is_killed_amid_them_is_waited_for_by_the_next() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    make_ready(&host, &[("tool-a", ""), ("tool-b", ""), ("tool-c", "")]);
    host.inside("touch /srv/hold");
    runs(&host);
    wants(&project, &["tool-a", "tool-b", "tool-c"]);
    let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    host.wait_until("[ -e /srv/configured ]", PATIENCE);
    run.kill().unwrap();
    run.wait().unwrap();
    host.inside("(/bin/sleep 2; rm -f /srv/hold) >/dev/null 2>&1 &");
    let ran = project
        .homelab(&["deploy", "dev", "all", "--yes", "--lock-wait", "60s"])
        .expect(0);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("apt-get install tool-a tool-b tool-c"), "{said}");
    assert_eq!(installed(&host), "tool-a tool-b tool-c");
    assert_eq!(host.inside("sort /srv/configured"), "tool-a\ntool-b\ntool-c\n");
    runs(&host);
    is_quiet(&project, &host);
}
