//! Handlers: what changed is used, once, whatever ends a run in between.

use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::deploy::staged::ANY_COMMAND;
use crate::support::docker::docker;
use crate::support::host::Host;
use crate::support::project::Project;

/// On a busy machine, a run takes long.
const PATIENCE: Duration = Duration::from_secs(90);

/// A service that notes each start, two files that it reads, and a handler.
const SERVICE: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "value = {{ value }}\n"
notify = ["restart app"]

[[operation]]
op = "files.put"
dest = "/etc/app.extra"
content = "extra = {{ value }}\n"
notify = ["restart app"]

[[operation]]
op = "files.put"
dest = "/etc/systemd/system/app.service"
content = """
[Service]
ExecStartPre=/bin/sh -c 'cat /etc/app.conf /etc/app.extra >>/srv/starts; echo >>/srv/count'
ExecStart=/bin/sleep infinity
# {{ comment }}
"""
notify = ["restart app"]

[[operation]]
op = "systemd.service"
service = "app"
state = "started"
when = "runs"

[[handler]]
name = "restart app"
op = "systemd.service"
service = "app"
state = "restarted"
"#;

fn data(project: &Project, value: &str, comment: &str, runs: bool) {
    let text = format!("value = '{value}'\ncomment = '{comment}'\nruns = {runs}\n");
    project.write("group_data/all.toml", text);
}

fn deploy(project: &Project) -> String {
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout
}

#[track_caller]
fn is_quiet(project: &Project, host: &Host<'_>) {
    let before = starts(host);
    let again = deploy(project);
    assert!(again.starts_with("nothing to do"), "{again}");
    assert_eq!(starts(host), before);
    assert_eq!(host.inside("ls -A /var/lib/homelab/owed"), "");
}

/// How often the service was started.
fn starts(host: &Host<'_>) -> usize {
    host.inside("cat /srv/count 2>/dev/null | wc -l")
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn a_service_is_restarted_once_after_changes_and_not_otherwise() {
    let project = Project::with_task(SERVICE);
    let host = project.up("dev", "alpha");
    data(&project, "one", "first", true);
    // The service is started after its files were written, so the handler has nothing to do.
    let review = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0).stdout;
    assert!(
        !review.contains("restarted") && review.contains("4 to create"),
        "{review}"
    );
    let first = deploy(&project);
    assert!(first.contains("4 applied in"), "{first}");
    assert_eq!(starts(&host), 1);
    is_quiet(&project, &host);

    data(&project, "two", "first", true);
    let changed = deploy(&project);
    let line = "~ unit app.service   active → restarted   ! interrupts a running service\n        \
                notified by `files.put /etc/app.conf` and `files.put /etc/app.extra`\n";
    assert!(changed.contains(line), "{changed}");
    assert_eq!(starts(&host), 2);
    assert!(host.inside("cat /srv/starts").ends_with("value = two\nextra = two\n"));
    is_quiet(&project, &host);

    // A changed unit file restarts the service in its own operation, which is enough.
    data(&project, "three", "second", true);
    let changed = deploy(&project);
    assert!(!changed.contains("active → restarted"), "{changed}");
    assert_eq!(starts(&host), 3);
    is_quiet(&project, &host);

    // Without that operation, the handler loads the unit file.
    data(&project, "three", "third", false);
    deploy(&project);
    assert_eq!(starts(&host), 4);
    assert_eq!(host.inside("systemctl show -p NeedDaemonReload --value app"), "no\n");

    host.inside("systemctl stop app");
    data(&project, "four", "third", false);
    let changed = deploy(&project);
    assert!(
        changed.contains("~ unit app.service   not running, and a handler does not start it"),
        "{changed}"
    );
    assert!(!host.is("systemctl is-active app"));
    assert_eq!(starts(&host), 4);
    is_quiet(&project, &host);
    host.is_left_in_order();
}

/// Comes between the change and the restart, and takes as long as a test wants.
const HELD: &str = r#"
[[operation]]
op = "server.shell"
commands = ["n=0; while [ -e /srv/hold ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done", "touch /srv/held-{{ value }}"]
creates = "/srv/held-{{ value }}"
touches = ["/srv/held-{{ value }}"]
"#;

/// Waits until no session is left of a run that was killed: its shell may still be at its last step.
fn wait_for_the_end_of_the_session(host: &Host<'_>) {
    let session = "pgrep -f '^sshd(-session)?: root@notty'";
    host.wait_until(&format!("! {session}"), PATIENCE);
}

fn start(project: &Project) -> Child {
    let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn whatever_ends_a_run_between_change_and_restart_there_is_one_restart() {
    const STEPS: u32 = 14;
    const STEP: Duration = Duration::from_millis(180);
    let project = Project::with_task(&SERVICE.replace("\n[[handler]]", &format!("{HELD}\n[[handler]]")));
    let host = project.up("dev", "alpha");
    data(&project, "start", "first", true);
    deploy(&project);
    let mut owed = 0;
    for round in 0..STEPS * 2 {
        let before = starts(&host);
        data(&project, &format!("value-{round}"), "first", true);
        // However slow or fast this machine is, some rounds end between change and restart.
        let is_held = round % 4 == 0;
        if is_held {
            host.inside("touch /srv/hold");
        }
        let mut run = start(&project);
        if is_held {
            let changed = format!("grep -q value-{round} /etc/app.extra");
            host.wait_until(&changed, PATIENCE);
        } else {
            thread::sleep(STEP * (round % STEPS));
        }
        if round < STEPS {
            run.kill().unwrap();
        } else {
            host.is("pkill -KILL -f '^sshd(-session)?: root@notty'");
        }
        run.wait().unwrap();
        if is_held {
            wait_for_the_end_of_the_session(&host);
            host.inside("rm /srv/hold");
        }
        let next = ["deploy", "dev", "all", "--yes", "--lock-wait", "90s"];
        let told = project.homelab(&next).expect(0).stdout;
        let is_owed = told.contains("owed since an earlier run");
        assert!(is_owed || !is_held, "round {round}:\n{told}");
        owed += usize::from(is_owed);
        assert_eq!(starts(&host), before + 1, "round {round}:\n{told}");
        let read = format!("value = value-{round}\nextra = value-{round}\n");
        assert!(
            host.inside("cat /srv/starts").ends_with(&read),
            "round {round}:\n{told}"
        );
        // The shell of the run that ended may still see its last restart settle, which the next review says.
        host.wait_until("flock -n /run/homelab.lock true", PATIENCE);
        is_quiet(&project, &host);
    }
    println!("{owed} of {} rounds left a handler owed", STEPS * 2);
    // The host loses its power right after the change.
    data(&project, "power", "first", true);
    host.inside("touch /srv/hold");
    let mut run = start(&project);
    host.wait_until("grep -q power /etc/app.extra", PATIENCE);
    docker(&["kill", host.container()]);
    run.wait().unwrap();
    project.homelab(&["lab", "up", "dev"]).expect(0);
    host.inside("rm /srv/hold");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(
        host.inside("cat /srv/starts")
            .ends_with("value = power\nextra = power\n")
    );
    is_quiet(&project, &host);
}

const FAILING: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "value = {{ value }}\n"
notify = ["note it"]

[[handler]]
name = "note it"
op = "server.shell"
commands = ["test ! -e /srv/broken", "cat /etc/app.conf >>/srv/noted"]
touches = ["/srv/noted"]
"#;

#[test]
fn a_handler_that_failed_stays_owed_until_it_has_run() {
    let project = Project::with_task(FAILING);
    let host = project.up("dev", "alpha");
    project.write("group_data/all.toml", "value = 'one'\n");
    project.write(
        "tasks/test/other.toml",
        "[[operation]]\nop = 'files.put'\ndest = '/etc/other'\ncontent = 'x'\n",
    );
    project.write("deploys/other.toml", "hosts = ['*']\ntasks = ['test/other']\n");
    host.inside("touch /srv/broken");
    let failed = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    assert!(failed.stderr.contains("test ! -e /srv/broken") || failed.stdout.contains("test ! -e /srv/broken"));
    let folder = host.inside("stat -c '%U %a' /var/lib/homelab/owed");
    assert_eq!(folder, "root 700\n");

    // Its notifier is unchanged now.
    let dry_run = ["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"];
    let review = project.homelab(&dry_run).expect(2).stdout;
    assert!(
        review.contains("owed since an earlier run, which ended before it"),
        "{review}"
    );
    assert!(!review.contains("/etc/app.conf\n"), "{review}");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);

    // Another deploy names it, and does not run it unless it is asked to.
    let other = project.homelab(&["deploy", "dev", "other", "--yes"]).expect(0).stdout;
    assert!(
        other.contains("owed since an earlier run: handler `test/files / note it`"),
        "{other}"
    );
    assert!(!host.is("test -e /srv/noted"));
    host.inside("rm /srv/broken");
    let review = project
        .homelab(&["deploy", "dev", "other", "--dry-run", "--owed"])
        .expect(0)
        .stdout;
    assert!(review.contains("~ command test ! -e /srv/broken"), "{review}");
    project
        .homelab(&["deploy", "dev", "other", "--yes", "--owed"])
        .expect(0);
    assert_eq!(host.inside("cat /srv/noted"), "value = one\n");
    let quiet = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout;
    assert!(quiet.starts_with("nothing to do"), "{quiet}");

    // It can be forgotten, as the review says.
    host.inside("touch /srv/broken");
    project.write("group_data/all.toml", "value = 'two'\n");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    let other = project
        .homelab(&["deploy", "dev", "other", "--dry-run"])
        .expect(0)
        .stdout;
    let told = other.split_whitespace().collect::<Vec<_>>().join(" ");
    let path = told
        .split("`rm ")
        .nth(1)
        .and_then(|rest| rest.split('`').next())
        .unwrap();
    host.inside(&format!("rm {path}"));
    let quiet = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout;
    assert!(quiet.starts_with("nothing to do"), "{quiet}");
}

#[test]
fn a_file_that_is_refused_leaves_nothing_owed() {
    let task = FAILING.replace("notify =", "validate = ['grep', '-q', 'good', '{path}']\nnotify =");
    let project = Project::with_task(&(ANY_COMMAND.to_owned() + &task));
    let host = project.up("dev", "alpha");
    project.write("group_data/all.toml", "value = 'bad'\n");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    assert_eq!(host.inside("ls -A /var/lib/homelab/owed"), "");
    assert!(!host.is("test -e /srv/noted"));
}

fn noting(name: &str, flush: &str) -> String {
    format!(
        "[[handler]]\nname = '{name}'\nop = 'server.shell'\ncommands = ['echo {name} >>/srv/order']\n\
         touches = ['/srv/order']\nflush = '{flush}'\n"
    )
}

fn writing(path: &str, notify: &str) -> String {
    format!("[[operation]]\nop = 'files.put'\ndest = '{path}'\ncontent = \"{{{{ value }}}}\\n\"\nnotify = [{notify}]\n")
}

#[test]
fn handlers_run_in_order_at_the_end_of_their_task_or_stage() {
    let first = [
        writing("/srv/a", "'own-two', 'own-one', 'late'"),
        "[[operation]]\ninclude = 'test/included'\n".to_owned(),
        noting("late", "stage"),
        noting("own-one", "task"),
        noting("own-two", "task"),
        noting("never", "task"),
    ];
    let included = [
        writing("/srv/b", "'inner', 'test/first:own-one'"),
        noting("inner", "task"),
    ];
    let second = [
        writing("/srv/c", "'second', 'test/first:own-two'"),
        noting("second", "task"),
    ];
    let project = Project::of(&[
        ("inventories/dev.toml", "[hosts.alpha]\nlab = true\n"),
        (
            "deploys/all.toml",
            "hosts = ['*']\ntasks = ['test/first', 'test/second']\n",
        ),
        ("tasks/test/first.toml", &first.concat()),
        ("tasks/test/included.toml", &included.concat()),
        ("tasks/test/second.toml", &second.concat()),
        ("group_data/all.toml", "value = 'one'\n"),
    ]);
    let host = project.up("dev", "alpha");
    deploy(&project);
    let all = "inner\nown-one\nown-two\nsecond\nown-two\nlate\n";
    assert_eq!(host.inside("cat /srv/order"), all);
    let quiet = deploy(&project);
    assert!(quiet.starts_with("nothing to do"), "{quiet}");
    // Only what changed notifies; a handler of a task that is not selected runs all the same.
    host.inside("rm /srv/order /srv/c");
    project
        .homelab(&["deploy", "dev", "all", "--yes", "--only", "test/second"])
        .expect(0);
    assert_eq!(host.inside("cat /srv/order"), "second\nown-two\n");
    let quiet = deploy(&project);
    assert!(quiet.starts_with("nothing to do"), "{quiet}");
}

/// The service ends right after its start if its configuration is bad.
const DYING: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "{{ value }}\n"
mode = "0640"
notify = ["note it", "restart app"]

[[operation]]
op = "files.put"
dest = "/etc/app.extra"
content = "{{ value }}\n"
notify = ["restart app"]

[[operation]]
op = "files.put"
dest = "/etc/systemd/system/app.service"
content = """
[Service]
ExecStart=/bin/sh -c '! grep -q bad /etc/app.conf || { echo this is bad >&2; exit 3; }; exec sleep infinity'
"""
notify = ["restart app"]

[[operation]]
op = "systemd.service"
service = "app"
state = "started"

[[operation]]
op = "files.put"
dest = "/etc/other"
content = "{{ value }}\n"

[[handler]]
name = "note it"
op = "server.shell"
commands = ["cp /etc/app.conf /srv/noted"]
touches = ["/srv/noted"]

[[handler]]
name = "restart app"
op = "systemd.service"
service = "app"
state = "restarted"
"#;

#[test]
fn a_service_that_dies_of_a_change_gets_its_files_back() {
    let project = Project::with_task(DYING);
    let host = project.up("dev", "alpha");
    let value = |value: &str| project.write("group_data/all.toml", format!("value = '{value}'\n"));
    value("good");
    deploy(&project);
    value("bad");
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    for words in [
        "app.service is not active after its start: failed",
        "this is bad",
        "outcome: `/etc/app.conf`, `/etc/app.extra` are as they were before this run, and",
        "2 put back, 1 failed",
    ] {
        assert!(told.contains(words), "{words}:\n{told}");
    }
    let files = "cat /etc/app.conf /etc/app.extra /srv/noted /etc/other; stat -c '%a %U' /etc/app.conf";
    assert_eq!(host.inside(files), "good\ngood\ngood\nbad\n640 root\n");
    assert_eq!(host.inside("systemctl is-active app"), "active\n");
    assert_eq!(host.inside("ls -A /var/lib/homelab/owed"), "");
    assert_eq!(host.inside("stat -c '%U %a' /var/lib/homelab/previous"), "root 700\n");

    // Nothing is lost: the next deploy makes the change again, and goes back again or not.
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    assert_eq!(
        host.inside("cat /etc/app.conf; systemctl is-active app"),
        "good\nactive\n"
    );
    value("better");
    deploy(&project);
    assert_eq!(
        host.inside("cat /etc/app.conf /srv/noted; systemctl is-active app"),
        "better\nbetter\nactive\n"
    );
    let quiet = deploy(&project);
    assert!(quiet.starts_with("nothing to do"), "{quiet}");
    host.is_left_in_order();
}
