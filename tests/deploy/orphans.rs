//! What left the configuration is told, and removed only if that is asked for.

use crate::support::host::Host;
use crate::support::project::{Project, Ran};
use crate::support::snapshot;

/// What stays in the configuration in all cases.
const TASK: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/stays"
content = "stays\n"
"#;

/// One of each kind that a run can create.
const OLD: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/old"
content = "old\n"

[[operation]]
op = "files.put"
dest = "/etc/by-hand"
content = "old\n"

[[operation]]
op = "files.put"
dest = "/etc/old.secret"
content = "{{ env('PASSWORD') }}\n"
mode = "0644"

[[operation]]
op = "files.link"
path = "/etc/old.link"
target = "old"

[[operation]]
op = "files.directory"
path = "/srv/old/below"

[[operation]]
op = "files.put"
dest = "/srv/old/below/file"
content = "old\n"

[[operation]]
op = "files.directory"
path = "/srv/used"

[[operation]]
op = "systemd.unit"
unit = "old.service"
content = """
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""

[[operation]]
op = "systemd.service"
service = "old"
state = "started"
enabled = true

[[operation]]
op = "systemd.unit"
unit = "old-of@.service"
content = """
[Service]
ExecStart=/bin/sleep infinity
"""

[[operation]]
op = "systemd.unit"
unit = "old-of@.service"
drop_in = "nice"
content = """
[Service]
Nice=5
"""

[[operation]]
op = "systemd.service"
service = "old-of@one"
state = "started"

[[operation]]
op = "files.put"
dest = "/etc/systemd/system/no unit.service"
content = "old\n"

[[operation]]
op = "systemd.timer"
unit = "tidy"
command = "true"
on_calendar = "daily"

[[operation]]
op = "crontab.crontab"
cron_name = "old entry"
command = "true"

[[operation]]
op = "server.group"
group = "old"
"#;

const CRON: &str = "
[[operation]]
op = 'crontab.crontab'
cron_name = 'new entry'
command = 'false'
";

fn review(project: &Project, more: &[&str]) -> String {
    let ran = project.homelab(&[&["deploy", "dev", "all", "--dry-run"], more].concat());
    ran.expect(0).stdout
}

fn deploy(project: &Project, more: &[&str]) -> Ran {
    project
        .homelab(&[&["deploy", "dev", "all", "--yes", "--verbose"], more].concat())
        .expect(0)
}

fn state(host: &Host<'_>) -> String {
    host.inside("cat /var/lib/homelab/made/* 2>/dev/null; ls /var/lib/homelab/journal")
}

/// A run has nothing to do, tells of nothing, asks once and writes nothing.
#[track_caller]
fn is_quiet(project: &Project, host: &Host<'_>, more: &[&str]) {
    let before = state(host);
    let again = deploy(project, more);
    assert!(
        again.stdout.contains("nothing to do") && !again.stdout.contains("orphan"),
        "{}",
        again.stdout
    );
    assert!(again.stderr.contains("alpha: round trips: 1\n"), "{}", again.stderr);
    assert_eq!(state(host), before);
}

#[track_caller]
fn has_none(project: &Project, more: &[&str]) {
    let told = review(project, more);
    assert!(!told.contains("orphan"), "{told}");
}

fn is_there(host: &Host<'_>, path: &str) -> bool {
    host.is(&format!("test -e {path} || test -L {path}"))
}

#[test]
fn what_left_the_configuration_is_told_and_pruned() {
    let project = Project::with_task(&[TASK, OLD, CRON].concat());
    project.write(".env", "PASSWORD=correct-horse-7f3a\n");
    let host = project.up("dev", "alpha");
    host.inside("apt-get -qq update && apt-get -qq install -y --no-install-recommends cron >/dev/null");
    deploy(&project, &[]);
    is_quiet(&project, &host, &[]);
    is_quiet(&project, &host, &["--prune"]);

    project.write("tasks/test/files.toml", [TASK, CRON].concat());
    host.inside("echo more >>/etc/by-hand; touch /srv/used/mine");
    let orphans = [
        "file /etc/old",
        "link /etc/old.link",
        "directory /srv/old/below",
        "directory /srv/old",
        "file /srv/old/below/file",
        "file /etc/systemd/system/old.service",
        "file /etc/systemd/system/tidy.timer",
        "file /etc/systemd/system/old-of@.service",
        "file /etc/systemd/system/old-of@.service.d/nice.conf",
        "file /etc/systemd/system/no unit.service",
        "cron entry old entry of root",
    ];
    let before = snapshot::etc(&host);
    let told = review(&project, &[]);
    for orphan in orphans {
        let line = format!("! orphan: {orphan} is no longer in the configuration; `--prune` removes it\n");
        assert!(told.contains(&line), "{line}: {told}");
    }
    for line in [
        "orphan: file /etc/by-hand is no longer in the configuration, and was changed since homelab wrote it; `--prune`",
        "orphan: group old is no longer in the configuration; homelab removes no accounts by itself",
        "orphan: directory /srv/used is no longer in the configuration; it stays, since `/srv/used/mine` is in it",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    for none in ["/etc/stays", "new entry", "file /var/spool"] {
        assert!(!told.contains(none), "{none}: {told}");
    }
    let status = project.homelab(&["status", "dev"]).expect(0).stdout;
    assert!(status.contains("orphan: file /etc/old is"), "{status}");
    // Without `--prune` they stay, and the host is as it was.
    deploy(&project, &[]);
    // The project does not know it any more.
    project.write(".env", "");
    let shown = review(&project, &["--prune"]);
    assert!(
        !shown.contains("correct-horse") && shown.contains("- file /etc/old.secret"),
        "{shown}"
    );
    assert!(snapshot::changed(&before, &snapshot::etc(&host)).is_empty());
    for line in [
        "    - file /etc/old   0644 root:root\n        - old\n",
        "        - more\n",
        "    - link /etc/old.link",
        "    - directory /srv/old/below",
        "    - directory /srv/old   ",
        "  ! file /etc/by-hand was changed since homelab wrote it; it is removed as shown",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }

    let pruned = deploy(&project, &["--prune"]).stdout;
    for gone in [
        "/etc/old",
        "/etc/old.link",
        "/etc/by-hand",
        "/srv/old",
        "/etc/systemd/system/old.service",
        "/etc/systemd/system/multi-user.target.wants/old.service",
        "/etc/systemd/system/tidy.timer",
        "/etc/systemd/system/tidy.service",
        "/etc/systemd/system/old-of@.service",
        "/etc/systemd/system/old-of@.service.d",
        "'/etc/systemd/system/no unit.service'",
    ] {
        assert!(!is_there(&host, gone), "{gone}: {pruned}");
    }
    assert!(!host.is("systemctl is-active old old-of@one tidy.timer"));
    let crontab = host.inside("crontab -l");
    assert!(
        crontab.contains("new entry") && !crontab.contains("old entry"),
        "{crontab}"
    );
    assert!(host.is("test -e /srv/used/mine && getent group old"));
    assert_eq!(
        host.inside("systemctl --failed --no-legend | grep -c old || true")
            .trim(),
        "0"
    );

    // What homelab does not remove is told until it is gone.
    host.inside("rm -r /srv/used; groupdel old");
    has_none(&project, &[]);
    host.is_left_in_order();

    comes_back(&project, &host, &orphans);
}

/// What the last run removed comes back, and can go again.
fn comes_back(project: &Project, host: &Host<'_>, orphans: &[&str]) {
    project
        .homelab(&["rollback", "dev", "alpha", "last", "--yes"])
        .expect(0);
    assert_eq!(host.inside("cat /etc/old /etc/by-hand"), "old\nold\nmore\n");
    assert_eq!(host.inside("readlink /etc/old.link"), "old\n");
    host.inside("test -e /etc/systemd/system/old.service && crontab -l | grep 'old entry'");

    // And it is remembered as before, with what was changed by hand.
    let told = review(project, &[]);
    for orphan in orphans {
        let line = format!("! orphan: {orphan} is no longer in the configuration; `--prune` removes it\n");
        assert!(told.contains(&line), "{line}: {told}");
    }
    assert!(
        told.contains("orphan: file /etc/by-hand is no longer in the configuration, and was changed since"),
        "{told}"
    );
    deploy(project, &["--prune"]);
    assert!(!is_there(host, "/etc/old") && !host.is("crontab -l | grep 'old entry'"));
    has_none(project, &[]);
}

/// A file that a run wrote anew is put back, or never written.
#[test]
fn what_was_put_back_was_not_changed_by_hand() {
    let task = |value: &str| {
        format!(
            "[[operation]]\nop = 'files.put'\ndest = '/etc/app.conf'\ncontent = '{value}'\nnotify = ['restart app']\n\
             [[operation]]\nop = 'files.put'\ndest = '/etc/new-{value}.conf'\ncontent = '{value}'\nnotify = ['restart app']\n\
             [[operation]]\nop = 'systemd.unit'\nunit = 'app'\ncontent = \"[Service]\\nExecStartPre=/bin/sh -c '! grep bad /etc/app.conf'\\nExecStart=/bin/sleep infinity\\n\"\n\
             [[operation]]\nop = 'systemd.service'\nservice = 'app'\nstate = 'started'\n\
             [[handler]]\nname = 'restart app'\nop = 'systemd.service'\nservice = 'app'\nstate = 'restarted'\n"
        )
    };
    let project = Project::with_task(&task("good"));
    let host = project.up("dev", "alpha");
    deploy(&project, &[]);
    for bad in ["bad", "worse-bad"] {
        project.write("tasks/test/files.toml", task(bad));
        project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
        assert_eq!(
            host.inside("cat /etc/app.conf; systemctl is-active app"),
            "goodactive\n"
        );
    }
    project.write("tasks/test/files.toml", TASK);
    let told = review(&project, &[]);
    for orphan in ["/etc/app.conf", "/etc/new-good.conf", "/etc/systemd/system/app.service"] {
        let line = format!("! orphan: file {orphan} is no longer in the configuration; `--prune` removes it\n");
        assert!(told.contains(&line), "{line}: {told}");
    }
    assert_eq!(told.matches("orphan").count(), 3, "{told}");
    host.inside("echo more >>/etc/app.conf");
    let told = review(&project, &[]);
    assert!(
        told.contains("orphan: file /etc/app.conf is no longer in the configuration, and was changed since"),
        "{told}"
    );
    deploy(&project, &["--prune"]);
    assert!(!is_there(&host, "/etc/app.conf") && !host.is("systemctl is-active app"));
}

/// Without a secret, or before another deploy, only the content is unknown.
#[test]
fn values_that_are_not_there_hide_no_orphan() {
    let gone = "[[operation]]\nop = 'files.put'\ndest = '/etc/gone.conf'\ncontent = 'x'\n";
    let secret = "[[operation]]\nop = 'files.put'\ndest = '/etc/secret.conf'\ncontent = \"{{ env('PASSWORD') }}\"\n";
    let other = "[[operation]]\ncapture = 'token'\nfile = '/etc/token'\n\
                 [[operation]]\nop = 'files.put'\ndest = '/etc/other.conf'\ncontent = '{{ captured.token }}'\n\
                 [[operation]]\nop = 'files.put'\ndest = '/etc/when.conf'\ncontent = 'x'\nwhen = \"captured.token == 'x'\"\n";
    let project = Project::with_task(&[gone, secret].concat());
    project.write(".env", "PASSWORD=correct-horse-7f3a\n");
    project.write("deploys/other.toml", "hosts = ['alpha']\ntasks = ['test/other']\n");
    project.write("tasks/test/other.toml", other);
    let host = project.up("dev", "alpha");
    host.inside("echo x >/etc/token");
    deploy(&project, &[]);
    project.homelab(&["deploy", "dev", "other", "--yes"]).expect(0);
    host.inside("rm /etc/token");
    project.write("tasks/test/files.toml", secret);
    let orphan = "orphan: file /etc/gone.conf is no longer in the configuration; `--prune` removes it";
    let has_one = |told: &str| assert!(told.contains(orphan) && told.matches("orphan").count() == 1, "{told}");
    has_one(&review(&project, &[]));
    has_one(&review(&project, &["--without-secrets"]));
    has_one(&project.homelab(&["status", "dev"]).expect(0).stdout);
    project.write(".env", "");
    has_one(&project.homelab(&["status", "dev"]).expect(0).stdout);
    has_one(&review(&project, &["--without-secrets"]));
    // A path that is not known may be any.
    project.write(
        "tasks/test/other.toml",
        other.replace("/etc/other.conf", "/etc/{{ captured.token }}.conf"),
    );
    let told = project.homelab(&["status", "dev"]).expect(0).stdout;
    assert!(told.contains("what left the configuration is not known"), "{told}");
}

/// systemd takes it for a unit, though no operation would write one with this name.
#[test]
fn a_unit_that_looks_like_an_option_is_stopped_before_it_goes() {
    let unit = "[[operation]]\nop = 'files.put'\ndest = '/etc/systemd/system/-dash.service'\ncontent = \"[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n\"\n";
    let project = Project::with_task(&[unit, TASK].concat());
    let host = project.up("dev", "alpha");
    deploy(&project, &[]);
    host.inside("systemctl daemon-reload && systemctl enable --now -- -dash.service");
    project.write("tasks/test/files.toml", TASK);
    deploy(&project, &["--prune"]);
    assert!(!is_there(&host, "/etc/systemd/system/-dash.service"));
    assert!(!host.is("systemctl is-active -- -dash.service"));
    has_none(&project, &[]);
    is_quiet(&project, &host, &[]);
    project
        .homelab(&["rollback", "dev", "alpha", "last", "--yes"])
        .expect(0);
    assert!(is_there(&host, "/etc/systemd/system/-dash.service"));
    assert!(host.is("systemctl is-active -- -dash.service && systemctl is-enabled -- -dash.service"));
}

/// What looks as if it had left the configuration, and has not.
#[test]
fn nothing_that_is_still_managed_is_an_orphan() {
    let sync = "\n[[operation]]\nop = 'files.sync'\nsrc = 'site'\ndest = '/srv/site'\n";
    let extra = r#"
[[operation]]
op = "files.put"
dest = "/etc/extra"
content = "extra\n"
when = "extra"
notify = ["mark"]

[[operation]]
op = "files.put"
dest = "/etc/listed-{{ item }}"
content = "listed\n"
for_each = "listed"
tags = ["list"]

[[operation]]
op = "files.put"
dest = "/run/../etc/odd"
content = "odd\n"
when = false

[[handler]]
name = "mark"
op = "files.put"
dest = "/etc/marked"
content = "marked\n"
"#;
    let moved = "\n[[operation]]\nop = 'files.put'\ndest = '/etc/moved'\ncontent = \"moved\\n\"\n";
    let linked = "\n[[operation]]\nop = 'files.put'\ndest = '/srv/way/linked'\ncontent = 'x'\n";
    let extra = extra.replace("dest = \"/run/../etc/odd\"", "dest = \"/etc/odd\"");
    let project = Project::with_task(&[TASK, &extra, moved, linked, sync].concat());
    project.write("templates/site/index.html", "site\n");
    project.write("templates/site/old.html", "old\n");
    let data = |extra: bool, listed: &str| {
        project.write("group_data/all.toml", format!("extra = {extra}\nlisted = {listed}\n"));
    };
    data(true, "['a', 'b']");
    let host = project.up("dev", "alpha");
    host.inside("mkdir /srv/real && ln -s real /srv/way");
    deploy(&project, &[]);
    is_quiet(&project, &host, &[]);

    // Another order, another task, another name of it.
    let file = |name: &str| format!("tasks/test/{name}.toml");
    project.write(&file("renamed"), [linked, sync, moved, &extra, TASK].concat());
    project.write("deploys/all.toml", "hosts = ['alpha']\ntasks = ['test/renamed']\n");
    is_quiet(&project, &host, &[]);

    // Conditions that do not hold, and lists that have less: only the latter left.
    data(false, "['a']");
    let told = review(&project, &[]);
    assert_eq!(told.matches("orphan").count(), 1, "{told}");
    assert!(told.contains("orphan: file /etc/listed-b is"), "{told}");
    for filter in [["--only", "test/renamed"], ["--tags", "list"], ["--data", "extra=true"]] {
        has_none(&project, &filter);
    }
    assert!(review(&project, &["--limit", "alpha"]).contains("orphan"));
    data(true, "['a', 'b']");

    // A list of which the items are known only later.
    let later = extra.replace("for_each = \"listed\"", "for_each = \"captured.list.splitlines()\"");
    let capture = "[[operation]]\ncapture = 'list'\ncommand = ['cat', '/etc/list']\n";
    let later = later.replacen("[[operation]]", &format!("{capture}\n[[operation]]"), 1);
    project.write(&file("renamed"), [linked, sync, moved, &later, TASK].concat());
    let ran = project.homelab(&["deploy", "dev", "all", "--dry-run"]);
    assert!(!ran.stdout.contains("orphan: "), "{}{}", ran.stdout, ran.stderr);

    // Another deploy has it, another inventory, a rendered folder, or a link leads there.
    project.write(&file("moved"), moved);
    project.write(&file("linked"), linked.replace("/srv/way", "/srv/real"));
    project.write("deploys/other.toml", "hosts = ['alpha']\ntasks = ['test/moved']\n");
    project.write("templates/site/moved.html", "moved\n");
    project.write("deploys/more.toml", "hosts = ['alpha']\ntasks = ['test/linked']\n");
    project.write(&file("renamed"), [sync, &extra, TASK].concat());
    has_none(&project, &[]);
    let way = linked.replace("/srv/way", "/srv/real");
    project.write(&file("linked"), &way);
    has_none(&project, &[]);
    std::fs::remove_file(project.root().join("templates/site/moved.html")).unwrap();

    // It is said to be absent; another operation has the folder; a unit is still needed.
    let absent = "\n[[operation]]\nop = 'files.file'\npath = '/etc/moved'\npresent = false\n";
    project.write(&file("moved"), absent);
    has_none(&project, &["--prune"]);
    host.inside("test -e /etc/moved");

    // A deploy that the project has no more.
    std::fs::remove_file(project.root().join("deploys/other.toml")).unwrap();
    let told = review(&project, &[]);
    assert!(told.contains("orphan: file /etc/moved is"), "{told}");
    project.write("deploys/site.toml", "hosts = ['alpha']\ntasks = ['test/renamed']\n");
    std::fs::remove_file(project.root().join("deploys/all.toml")).unwrap();
    let told = project
        .homelab(&["deploy", "dev", "site", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(told.contains("orphan: file /etc/moved is"), "{told}");
    host.is_left_in_order();
}

/// What a failed run did not come to is not homelab's, even if it is made later.
#[test]
fn what_was_not_reached_is_no_orphan_later() {
    let put = |path: &str| format!("[[operation]]\nop = 'files.put'\ndest = '{path}'\ncontent = 'x'\n");
    let fails =
        "[[operation]]\nop = 'server.shell'\ncommands = ['exit 3']\nunless = 'false'\ntouches = ['/srv/none']\n";
    let directory = "[[operation]]\nop = 'files.directory'\npath = '/srv/hands'\n";
    let project = Project::with_task(&[&put("/srv/first"), fails, &put("/srv/hand"), directory].concat());
    let host = project.up("dev", "alpha");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    assert!(is_there(&host, "/srv/first") && !is_there(&host, "/srv/hand"));
    host.inside("echo mine >/srv/hand; mkdir /srv/hands");
    project.write("tasks/test/files.toml", TASK);
    let told = review(&project, &[]);
    assert!(
        told.contains("orphan: file /srv/first ") && !told.contains("/srv/hand"),
        "{told}"
    );
    deploy(&project, &["--prune"]);
    assert!(!is_there(&host, "/srv/first") && is_there(&host, "/srv/hand") && is_there(&host, "/srv/hands"));
}

#[test]
fn what_is_known_later_is_not_about_everything() {
    let gone = "[[operation]]\nop = 'files.put'\ndest = '/etc/gone.conf'\ncontent = 'x'\n";
    let capture = "[[operation]]\ncapture = 'token'\nfile = '/etc/token'\n\
                   create = { op = 'server.shell', commands = ['date'] }\n";
    let put = |dest: &str| {
        format!("[[operation]]\nop = 'files.put'\ndest = '{dest}'\ncontent = '{{{{ captured.token }}}}'\n")
    };
    let project = Project::with_task(&[gone, TASK].concat());
    project.write("deploys/other.toml", "hosts = ['alpha']\ntasks = ['test/other']\n");
    let other = "tasks/test/other.toml";
    project.write(other, [capture, &put("/etc/other.conf")].concat());
    let host = project.up("dev", "alpha");
    project.homelab(&["deploy", "dev", "other", "--yes"]).expect(0);
    deploy(&project, &[]);
    host.inside("rm /etc/token");
    project.write("tasks/test/files.toml", TASK);

    // The path may be any.
    project.write(other, [capture, &put("/etc/{{ captured.token }}.conf")].concat());
    let told = review(&project, &["--prune"]);
    for part in [
        "`--prune` removes nothing: what left the configuration is not known",
        "`captured.token`",
    ] {
        assert!(told.contains(part), "no `{part}` in:\n{told}");
    }
    project.write(other, [capture, &put("/etc/other.conf")].concat());
    let told = review(&project, &[]);
    assert!(told.contains("orphan: file /etc/gone.conf is no longer"), "{told}");
    deploy(&project, &["--prune"]);
    assert!(!is_there(&host, "/etc/gone.conf") && is_there(&host, "/etc/other.conf"));
    is_quiet(&project, &host, &["--prune"]);
}

#[test]
fn a_directory_of_another_user_goes_with_what_is_in_it() {
    const USER: &str = "[[operation]]\nop = 'server.user'\nuser = 'anna'\n\n";
    const KEYS: &str = "[[operation]]\nop = 'server.user_authorized_keys'\nuser = 'anna'\n\
        public_keys = ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna@desk']\n\n\
        [[operation]]\nop = 'files.directory'\npath = '/home/anna/.config/app'\nuser = 'anna'\n\n\
        [[operation]]\nop = 'files.put'\ndest = '/home/anna/.config/app/conf'\ncontent = 'x'\nuser = 'anna'\n";
    let task = |text: &str| format!("{TASK}\n{text}");
    let project = Project::with_task(&task(&[USER, KEYS].concat()));
    let host = project.up("dev", "alpha");
    deploy(&project, &[]);
    project.write("tasks/test/files.toml", task(USER));
    let pruned = deploy(&project, &["--prune"]).stdout;
    assert!(!pruned.contains(" stays: "), "{pruned}");
    for path in ["/home/anna/.ssh", "/home/anna/.config/app"] {
        assert!(!is_there(&host, path), "{path}: {pruned}");
    }
    is_quiet(&project, &host, &["--prune"]);
}
