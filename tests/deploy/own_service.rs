//! One's own service: user, folder, configuration and unit in one deploy, and what a change of its unit file does.

use crate::support::host::Host;
use crate::support::project::Project;

const TASK: &str = r#"
[[operation]]
op = "server.user"
user = "worker"
system = true

[[operation]]
op = "files.directory"
path = "/srv/worker"
user = "worker"
group = "worker"

[[operation]]
op = "files.put"
dest = "/srv/worker/config"
content = "interval = {{ interval }}\n"
user = "worker"
group = "worker"

[[operation]]
op = "files.put"
dest = "/etc/systemd/system/worker.service"
content = """
[Unit]
Description=A worker

[Service]
User=worker
WorkingDirectory=/srv/worker
Environment=GREETING={{ greeting }}
ExecStart=/bin/sh -c '{{ command }}'

[Install]
WantedBy=multi-user.target
"""

[[operation]]
op = "systemd.service"
service = "worker"
state = "started"
enabled = true
"#;

fn project() -> Project {
    let project = Project::with_task(TASK);
    data(&project, "hello", "exec sleep infinity");
    project
}

fn data(project: &Project, greeting: &str, command: &str) {
    let text = format!("interval = 5\ngreeting = '{greeting}'\ncommand = '{command}'\n");
    project.write("group_data/all.toml", text);
}

fn review(project: &Project) -> String {
    project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0).stdout
}

fn deploy(project: &Project) -> String {
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout
}

fn shows(host: &Host<'_>, property: &str) -> String {
    let command = format!("systemctl show -p {property} --value worker");
    host.inside(&command).trim_end().to_owned()
}

fn is_quiet(project: &Project) {
    let again = deploy(project);
    assert!(again.starts_with("nothing to do"), "{again}");
}

/// The signs of the changed resources.
fn signs(review: &str) -> Vec<char> {
    let lines = review.lines().filter_map(|line| line.strip_prefix("    "));
    let signs = lines.filter_map(|line| line.chars().next());
    signs.filter(|sign| "+~-?".contains(*sign)).collect()
}

#[test]
fn is_deployed_in_one_go_and_follows_its_unit_file() {
    let project = project();
    let host = project.up("dev", "alpha");

    let first = review(&project);
    assert!(signs(&first).iter().all(|sign| *sign == '+'), "{first}");
    assert!(first.contains("+ unit worker.service   active, enabled"), "{first}");
    deploy(&project);
    assert_eq!(
        host.inside("systemctl is-active worker; systemctl is-enabled worker"),
        "active\nenabled\n"
    );
    let environment = |host: &Host<'_>| {
        let pid = shows(host, "MainPID");
        host.inside(&format!("tr '\\0' '\\n' </proc/{pid}/environ | grep GREETING"))
    };
    assert_eq!(environment(&host), "GREETING=hello\n");
    let started = shows(&host, "InvocationID");
    is_quiet(&project);
    assert_eq!(shows(&host, "InvocationID"), started);

    data(&project, "evening", "exec sleep infinity");
    let changed = review(&project);
    assert_eq!(signs(&changed), ['~', '~'], "{changed}");
    let unit = "~ unit worker.service\n        unit file changed → loaded, process started before its unit file changed → restarted\n";
    assert!(
        changed.contains(unit) && changed.contains("! interrupts a running service"),
        "{changed}"
    );
    assert_eq!(shows(&host, "InvocationID"), started);
    deploy(&project);
    assert_eq!(environment(&host), "GREETING=evening\n");
    let restarted = shows(&host, "InvocationID");
    assert_ne!(restarted, started);
    is_quiet(&project);
    assert_eq!(shows(&host, "InvocationID"), restarted);

    host.inside("mkdir /etc/systemd/system/worker.service.d");
    host.inside("printf '[Service]\\nEnvironment=GREETING=bye\\n' >/etc/systemd/system/worker.service.d/x.conf");
    host.inside("systemctl daemon-reload");
    let drifted = deploy(&project);
    assert!(
        drifted.contains("process started before its unit file changed → restarted"),
        "{drifted}"
    );
    assert_eq!(environment(&host), "GREETING=bye\n");
    is_quiet(&project);
}

#[test]
fn that_dies_after_its_start_fails_with_its_last_words() {
    let project = project();
    let host = project.up("dev", "alpha");
    data(&project, "hello", "echo no database >&2; sleep 0.5; exit 3");
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        told.contains("worker.service is not active after its start: failed (failed)"),
        "{told}"
    );
    assert!(told.contains("no database") && told.contains("status=3"), "{told}");
    assert!(!host.is("systemctl is-active worker"));
    data(&project, "hello", "exec sleep infinity");
    deploy(&project);
    assert!(host.is("systemctl is-active worker"));
    is_quiet(&project);
}
