//! A login user who is not root and cannot become it: what may not be seen is never taken for absent, what needs root is not
//! promised, and the rest works.

use std::process::Stdio;

use crate::deploy::people::{inventory, settle};
use crate::deploy::review::Review;
use crate::support::host::Host;
use crate::support::project::{Project, Ran};
use crate::support::snapshot::{self, LoginPaths};

const HOME: &str = r#"
[[operation]]
op = "files.directory"
path = "/home/anna/app/deep"

[[operation]]
op = "files.put"
dest = "/home/anna/app/deep/x"
content = "x"
mode = "0600"

[[operation]]
op = "files.put"
dest = "/home/anna/large"
src = "large"

[[operation]]
op = "files.link"
path = "/home/anna/link"
target = "app"

[[operation]]
op = "files.line"
path = "/home/anna/.profile"
line = "umask 027"

[[operation]]
op = "server.shell"
commands = ["id -un >/home/anna/ran-by"]
creates = "/home/anna/ran-by"
touches = ["/home/anna"]
"#;

/// What is as wanted and may be seen needs no rights.
const SEEN: &str = r#"
[[operation]]
op = "apt.packages"
packages = ["sudo"]

[[operation]]
op = "server.user"
user = "anna"

[[operation]]
op = "systemd.service"
service = "ssh"
enabled = true

[[operation]]
op = "files.directory"
path = "/etc"
mode = "0755"
"#;

/// Paths in directories that anna cannot look into: some exist, some do not.
const UNSEEN: &str = r#"
[[operation]]
op = "files.put"
dest = "/root/there"
content = "secret"

[[operation]]
op = "files.put"
dest = "/root/not-there"
content = "x"

[[operation]]
op = "files.file"
path = "/root/deep/below"
present = false

[[operation]]
op = "files.line"
path = "/etc/shadow"
line = "x"

[[operation]]
op = "files.put"
dest = "/etc/unreadable"
content = "secret"

[[operation]]
op = "server.shell"
commands = ["true"]
creates = "/root/made"
touches = ["/srv/made"]

[[operation]]
op = "files.put"
dest = "/home/anna/to-root/x"
content = "x"
"#;

/// What is not as wanted, and takes root.
const ROOTS: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/new"
content = "x"

[[operation]]
op = "files.put"
dest = "/home/anna/of-root"
content = "x"
user = "root"

[[operation]]
op = "server.group"
group = "new"

[[operation]]
op = "server.user"
user = "new"

[[operation]]
op = "systemd.service"
service = "ssh"
state = "stopped"

[[operation]]
op = "apt.packages"
packages = ["sudo"]
present = false

[[operation]]
op = "server.shell"
name = "as somebody else"
become_user = "www-data"
commands = ["true"]
unless = "false"
touches = ["/tmp/x"]
"#;

fn run(project: &Project, arguments: &[&str], code: i32) -> Ran {
    let all = [&["deploy", "people", "all"], arguments].concat();
    project.homelab(&all).expect(code)
}

const DRY: &[&str] = &["--dry-run", "--detailed-exitcode", "-v"];

/// A host where `anna` logs in with a way to root that is none.
fn annas(project: &Project) -> Host<'_> {
    project.write("templates/large", crate::deploy::people::large());
    let host = project.up("dev", "alpha");
    settle(&host, project, "");
    host.inside(
        "printf secret >/root/there; printf secret >/etc/unreadable; chmod 600 /etc/unreadable; \
         ln -s /root /home/anna/to-root; chmod 700 /root",
    );
    host
}

fn marks(review: &Ran) -> String {
    let resources = Review(&review.stdout).resources();
    resources.iter().filter_map(|head| head.chars().next()).collect()
}

#[test]
fn the_own_files_are_deployed_and_the_lock_is_the_own() {
    let project = Project::with_task(&format!("{SEEN}{HOME}"));
    let host = annas(&project);
    let before = snapshot::files(&host);
    let review = run(&project, DRY, 2);
    assert!(
        review
            .stdout
            .contains("runs without root: the lock is in /home/anna/.local/state/homelab"),
        "{}",
        review.stdout
    );
    assert!(!marks(&review).contains('?'), "{}", review.stdout);
    let mut changed = LoginPaths::committed().unexplained(snapshot::changed(&before, &snapshot::files(&host)));
    // A first login of hers starts her service manager, and her journal.
    changed.retain(|path| !path.contains("1000") && !path.starts_with("/var/log/journal/"));
    assert!(changed.is_empty(), "the dry run changed {changed:?}");

    run(&project, &["--yes"], 0);
    assert_eq!(host.inside("cat /home/anna/ran-by"), "anna\n");
    assert_eq!(
        host.inside("cd /home/anna && stat -c '%n %U:%G %a' app app/deep app/deep/x large link"),
        "app anna:anna 755\napp/deep anna:anna 755\napp/deep/x anna:anna 600\nlarge anna:anna 644\nlink anna:anna 777\n"
    );
    assert_eq!(host.inside("tail -n 1 /home/anna/.profile"), "umask 027\n");
    assert_eq!(
        host.inside("sha256sum </home/anna/large").split(' ').next(),
        Some(homelab::secret::sha256_hex(&crate::deploy::people::large()).as_str())
    );
    assert_eq!(
        host.inside("stat -c '%U %a' /home/anna/.local/state/homelab /home/anna/.local/state/homelab/lock"),
        "anna 700\nanna 600\n"
    );
    assert!(!host.is("test -e /run/homelab.lock"), "a lock in /run");
    assert!(!host.is("test -e /var/lib/homelab"));

    let again = run(&project, &["--yes", "-v"], 0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert!(again.stderr.contains("alpha: round trips: 1\n"), "{}", again.stderr);
}

#[test]
fn what_may_not_be_seen_is_open_and_never_absent() {
    let project = Project::with_task(UNSEEN);
    let host = annas(&project);
    let review = run(&project, DRY, 2);
    assert_eq!(marks(&review), "???????", "{}", review.stdout);
    assert!(
        review
            .stdout
            .contains("7 operations cannot be planned, 0 operations unchanged"),
        "{}",
        review.stdout
    );
    for part in [
        "path `/root/there`: `anna` cannot look into /root",
        "path `/root/not-there`: `anna` cannot look into /root",
        "path `/root/made`: `anna` cannot look into /root",
        "path `/root/deep/below`: `anna` cannot look into /root",
        "the content of `/etc/shadow`: `anna` cannot read it",
        "the content of `/etc/unreadable`: `anna` cannot read it",
        "path `/root/x`: `anna` cannot look into /root",
    ] {
        assert!(review.stdout.contains(part), "no `{part}` in:\n{}", review.stdout);
    }
    let json = project
        .homelab(&["deploy", "people", "all", "--dry-run", "--format", "json"])
        .expect(0);
    assert_eq!(
        json.stdout.matches("\"outcome\": \"deferred\"").count(),
        7,
        "{}",
        json.stdout
    );

    // As root the same is seen as it is.
    let by_root = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    assert!(!by_root.stdout.contains("may not"), "{}", by_root.stdout);
    assert!(host.is("test -e /root/there && ! test -e /root/not-there"));
}

#[test]
fn what_needs_root_is_not_promised() {
    let project = Project::with_task(ROOTS);
    let host = annas(&project);
    let review = run(&project, DRY, 2);
    assert_eq!(marks(&review).matches('?').count(), 7, "{}", review.stdout);
    let needs_root = review.stdout.matches("needs root; the login user is `anna`").count();
    assert!(needs_root >= 6, "{}", review.stdout);

    // What comes before is done, what comes after is not.
    let own = |name: &str| format!("[[operation]]\nop = 'files.put'\ndest = '/home/anna/{name}'\ncontent = 'x'\n");
    let between = "[[operation]]\nop = 'files.put'\ndest = '/etc/new'\ncontent = 'x'\n";
    project.write(
        "tasks/test/files.toml",
        format!("{}{between}{}", own("first"), own("last")),
    );
    let ran = run(&project, &["--yes"], 1);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    for part in [
        "run `files.put /etc/new`",
        "needs root; the login user is `anna`",
        "connection.become",
        "not reached",
    ] {
        assert!(told.contains(part), "no `{part}` in:\n{told}");
    }
    assert!(host.is("test -e /home/anna/first && ! test -e /home/anna/last && ! test -e /etc/new"));
    assert_eq!(host.inside("stat -c %U /home/anna/first"), "anna\n");

    let hidden = "[[operation]]\nop = 'files.put'\ndest = '/root/there'\ncontent = 'x'\n";
    project.write("tasks/test/files.toml", format!("{hidden}{}", own("last")));
    let ran = run(&project, &["--yes"], 1);
    assert!(
        ran.stdout.contains("cannot look into /root"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    assert_eq!(host.inside("cat /root/there"), "secret");
    assert!(!host.is("test -e /home/anna/last"));

    project.write(
        "tasks/test/files.toml",
        "[[operation]]\nop = 'server.shell'\ncommands = ['id']\nalways = true\nbecome = true\n",
    );
    let ran = run(&project, &["--yes"], 3);
    assert!(
        ran.stderr.contains("cannot become `root` on this host"),
        "{}",
        ran.stderr
    );
}

/// Lists that are due, and a removal before an installation: apt is asked about both in ways of their own.
const APT: &str = r#"
[[operation]]
op = "apt.update"
cache_time = "1h"

[[operation]]
op = "apt.packages"
packages = ["less"]
present = false

[[operation]]
op = "apt.packages"
packages = ["tree"]

[[operation]]
op = "apt.upgrade"
auto_remove = true
"#;

#[test]
fn apt_is_asked_and_not_run() {
    let project = Project::with_task(APT);
    let host = annas(&project);
    for age in ["9 days ago", "now"] {
        host.inside(&format!("touch -d '{age}' /var/lib/apt/lists/partial"));
        let review = run(&project, DRY, 2);
        let marks = marks(&review);
        assert!(
            marks.starts_with('?') && marks.matches('?').count() >= 2,
            "{}",
            review.stdout
        );
        assert!(review.stdout.contains("needs root"), "{}", review.stdout);
        assert!(review.stdout.contains("package tree"), "{}", review.stdout);
    }
    assert!(!host.is("find / /tmp /run -xdev -name '*homelab-lists*' -o -xdev -name '*homelab-status*' | grep ."));
}

#[test]
fn a_user_without_a_folder_for_the_lock_is_told_so() {
    let task = "[[operation]]\nop = 'server.shell'\ncommands = ['touch /tmp/ran']\nalways = true\n";
    let project = Project::with_task(task);
    let host = annas(&project);
    host.inside("chown root /home/anna && chmod 755 /home/anna");
    let ran = run(&project, &["--yes"], 1);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    for part in ["/home/anna/.local/state/homelab/lock", "ermission denied"] {
        assert!(told.contains(part), "no `{part}` in:\n{told}");
    }
    assert!(!host.is("test -e /tmp/ran"));
}

#[test]
fn the_own_lock_keeps_a_second_run_out() {
    let task = "[[operation]]\nop = 'server.shell'\ncommands = ['touch /home/anna/begun; sleep 8']\nalways = true\n";
    let project = Project::with_task(task);
    let host = annas(&project);
    let mut first = project.command(&["deploy", "people", "all", "--yes"]);
    let mut first = first.stdout(Stdio::null()).spawn().unwrap();
    host.wait_until("test -e /home/anna/begun", std::time::Duration::from_secs(20));
    let ran = run(&project, &["--yes"], 5);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(told.contains("/home/anna/.local/state/homelab/lock"), "{told}");
    assert_eq!(first.wait().unwrap().code(), Some(0));
    inventory(&host, &project, "");
}
