//! Units whose package or user is gone when a run was taken back.

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const TASK: &str = "tasks/test/files.toml";

fn deploy(project: &Project) -> Ran {
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0)
}

fn back(project: &Project, run: &str, more: &[&str]) -> Ran {
    let back = ["rollback", "dev", "alpha", run];
    project.homelab(&[&back[..], more].concat()).expect(0)
}

fn is_quiet(project: &Project) {
    let again = deploy(project).stdout;
    assert!(again.starts_with("nothing to do"), "{again}");
}

/// The names of runs, the latest first.
fn runs(project: &Project) -> Vec<String> {
    let history = project.homelab(&["history", "dev", "alpha"]).expect(0).stdout;
    let names = history
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

const SERVICE: &str = r#"
[[operation]]
op = "apt.packages"
packages = ["cron"]

[[operation]]
op = "files.line"
path = "/etc/default/cron"
line = '# mine'
notify = ["restart cron"]

[[operation]]
op = "files.put"
dest = "/etc/cron.d/mine"
content = "MINE=1\n"

[[operation]]
op = "files.directory"
path = "/etc/cron.d/parts"

[[operation]]
op = "files.directory"
path = "/etc/cron.d/more"
notify = ["restart cron"]

[[operation]]
op = "systemd.unit"
unit = "cron"
drop_in = "nice"
content = "[Service]\nNice=5\n"

[[operation]]
op = "systemd.service"
service = "cron"
state = "started"
enabled = true

[[operation]]
op = "files.put"
dest = "/etc/stays.conf"
content = "x"
notify = ["restart stays"]

[[handler]]
name = "restart cron"
op = "systemd.service"
service = "cron"
state = "restarted"

[[handler]]
name = "restart stays"
op = "systemd.service"
service = "stays"
state = "restarted"
"#;

fn a_service_goes_with_its_package(image: &str) {
    let project = Project::with_task(SERVICE);
    project.write(
        "inventories/dev.toml",
        format!("[hosts.alpha]\nlab = {{ image = '{image}' }}\n"),
    );
    let host = project.up("dev", "alpha");
    host.inside(
        "printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/etc/systemd/system/stays.service && systemctl start stays",
    );
    assert!(!host.is("systemctl cat cron.service"), "the lab has none");
    deploy(&project);
    is_quiet(&project);
    let invocation = || host.inside("systemctl show -p InvocationID --value stays");
    let before = invocation();

    let shown = back(&project, "last", &["--dry-run"]).stdout;
    assert!(shown.contains("- package cron"), "{shown}");
    let unit = shown.lines().find(|line| line.contains("unit cron.service"));
    assert_eq!(unit, None, "{shown}");
    let done = back(&project, "last", &["--yes"]);
    assert!(!host.is("systemctl cat cron.service"), "{}", done.stdout);
    assert!(
        !host.is("ls -d /etc/cron.d/mine /etc/cron.d/parts /etc/cron.d/more 2>/dev/null | grep ."),
        "new with the package: {}",
        done.stdout
    );
    assert_ne!(invocation(), before, "what stays is restarted with the file that went");
    assert_eq!(
        host.inside("ls -A /var/lib/homelab/owed; systemctl is-system-running"),
        "running\n"
    );

    deploy(&project);
    assert!(host.is("systemctl is-active cron && grep '# mine' /etc/default/cron"));
    is_quiet(&project);
}

#[test]
fn a_service_goes_with_its_package_on_debian_13() {
    a_service_goes_with_its_package("debian:13");
}

#[test]
fn a_service_goes_with_its_package_on_debian_12() {
    a_service_goes_with_its_package("debian:12");
}

/// A service of its own user, with a timer that starts another one; all of it goes in a later run.
fn webby(present: bool) -> String {
    let presence = if present { "" } else { "present = false\n" };
    let user = format!("[[operation]]\nop = 'server.user'\nuser = 'webby'\nsystem = true\n{presence}");
    let unit = |name: &str, text: &str| {
        let content = if present {
            format!("content = \"{text}\"\n")
        } else {
            String::new()
        };
        format!("[[operation]]\nop = 'systemd.unit'\nunit = '{name}'\n{content}{presence}")
    };
    let units = [
        unit(
            "webby.service",
            "[Service]\\nUser=webby\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n",
        ),
        unit("webby-tidy.service", "[Service]\\nUser=webby\\nExecStart=/bin/true\\n"),
        unit(
            "webby-tidy.timer",
            "[Timer]\\nOnCalendar=daily\\n[Install]\\nWantedBy=timers.target\\n",
        ),
    ];
    let started = |name: &str| {
        format!("[[operation]]\nop = 'systemd.service'\nservice = '{name}'\nstate = 'started'\nenabled = true\n")
    };
    let file = format!(
        "[[operation]]\nop = 'files.file'\npath = '/etc/webby.conf'\n{}",
        if present { "" } else { "present = false\n" }
    );
    if present {
        [
            user,
            units.concat(),
            started("webby"),
            started("webby-tidy.timer"),
            file,
        ]
        .concat()
    } else {
        [units.concat(), file, user].concat()
    }
}

fn is_running(host: &Host<'_>) {
    assert_eq!(host.inside("systemctl is-system-running || :"), "running\n");
}

#[test]
fn a_unit_goes_with_its_directory_of_drop_ins() {
    let project = Project::with_task(
        r#"
[[operation]]
op = "systemd.unit"
unit = "own"
content = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"

[[operation]]
op = "files.directory"
path = "/etc/systemd/system/own.service.d"

[[operation]]
op = "files.put"
dest = "/etc/systemd/system/own.service.d/nice.conf"
content = "[Service]\nNice=5\n"
notify = ["restart own"]

[[operation]]
op = "systemd.unit"
unit = "own"
drop_in = "memory"
content = "[Service]\nMemoryMax=64M\n"

[[operation]]
op = "systemd.unit"
unit = "own-too"
content = "[Service]\nExecStart=/bin/sleep infinity\n"

[[operation]]
op = "systemd.unit"
unit = "own-too"
drop_in = "nice"
content = "[Service]\nNice=5\n"

[[operation]]
op = "systemd.service"
service = "own-too"
state = "started"

[[operation]]
op = "systemd.service"
service = "own"
state = "started"
enabled = true

[[handler]]
name = "restart own"
op = "systemd.service"
service = "own"
state = "restarted"
"#,
    );
    let host = project.up("dev", "alpha");
    deploy(&project);
    is_quiet(&project);
    let shown = back(&project, "last", &["--dry-run"]).stdout;
    assert!(!shown.contains("? "), "{shown}");
    assert_eq!(shown.matches("unit own.service").count(), 1, "{shown}");
    back(&project, "last", &["--yes"]);
    assert_eq!(
        host.inside("ls -d /etc/systemd/system/own* 2>&1 | grep -c 'No such'; systemctl is-active own; ls -A /var/lib/homelab/owed; systemctl is-system-running"),
        "1\ninactive\nrunning\n"
    );
    deploy(&project);
    is_running(&host);
    is_quiet(&project);
}

#[test]
fn a_unit_whose_user_is_gone_stays_out() {
    let project = Project::with_task(&webby(true));
    let host = project.up("dev", "alpha");
    host.inside("echo kept >/etc/webby.conf");
    deploy(&project);
    project.write(TASK, webby(false));
    deploy(&project);
    is_quiet(&project);
    let run = runs(&project).remove(0);

    let shown = back(&project, &run, &["--dry-run"]).stdout;
    for part in [
        "file /etc/systemd/system/webby.service stays removed: its user `webby` is not on the host; create it, then roll back again",
        "file /etc/systemd/system/webby-tidy.timer stays removed: it starts `webby-tidy.service`",
        "user webby stays removed: accounts do not come back",
        "+ file /etc/webby.conf",
    ] {
        assert!(shown.contains(part), "no `{part}` in:\n{shown}");
    }
    back(&project, &run, &["--yes"]);
    assert_eq!(
        host.inside("cat /etc/webby.conf; ls /etc/systemd/system | grep -c webby || :"),
        "kept\n0\n"
    );
    is_running(&host);

    // With the user, all of it comes back.
    host.inside("useradd --system webby");
    back(&project, &run, &["--yes"]);
    assert!(host.is("systemctl is-active webby webby-tidy.timer && systemctl is-enabled webby webby-tidy.timer"));
    is_running(&host);
    project.write(TASK, webby(true));
    is_quiet(&project);
}
