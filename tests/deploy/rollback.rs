//! A run is taken back: what it changed is as it was, and then it is made again.

use crate::support::host::Host;
use crate::support::project::Project;

const TASK: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "value = {{ value }}\n"
notify = ["restart app"]

[[operation]]
op = "files.put"
dest = "/etc/app.plain"
content = "plain {{ value }}\n"
user = "www-data"
mode = "{{ mode }}"

[[operation]]
op = "files.link"
path = "/etc/app.link"
target = "app.{{ value }}"

[[operation]]
op = "files.put"
dest = "/etc/systemd/system/app.service"
content = """
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""

[[operation]]
op = "systemd.service"
service = "app"
state = "started"
enabled = "{{ enabled }}"

[[operation]]
op = "files.directory"
path = "/srv/new"
when = "more"

[[operation]]
op = "files.put"
dest = "/srv/new/file"
content = "new\n"
when = "more"

[[operation]]
op = "files.put"
dest = "/etc/systemd/system/more.service"
content = "[Service]\nExecStart=/bin/sleep infinity\n"
when = "more"

[[operation]]
op = "systemd.service"
service = "more"
state = "started"
when = "more"

[[operation]]
op = "apt.packages"
packages = ["hello"]
when = "more"

[[operation]]
op = "apt.hold"
packages = ["hello"]
when = "more"

[[operation]]
op = "apt.packages"
packages = ["rsync"]
when = "more"

[[operation]]
op = "systemd.service"
service = "rsync.service"
masked = true
when = "more"

[[operation]]
op = "files.file"
path = "/etc/gone"
present = false
when = "more"

[[operation]]
op = "server.shell"
commands = ["touch /srv/command"]
creates = "/srv/command"
when = "more"

[[operation]]
op = "crontab.crontab"
cron_name = "tidy"
command = "echo {{ value }}"

[[operation]]
op = "server.sysctl"
key = "net.ipv4.ip_default_ttl"
value = "{{ ttl }}"

[[operation]]
op = "systemd.service"
service = "fstrim.timer"
masked = "{{ more }}"

[[operation]]
op = "server.hostname"
hostname = "box-{{ value }}"

[[operation]]
op = "server.timezone"
timezone = "{{ zone }}"

[[operation]]
op = "server.etc_hosts"
address = "192.0.2.7"
names = ["nas-{{ value }}"]

[[operation]]
op = "server.mount"
path = "/mnt"
device = "tmpfs"
fs_type = "tmpfs"
when = "more"

[[operation]]
op = "files.put"
dest = "/etc/app.secret"
content = "password = {{ password }}\n"
mode = "0644"

[[operation]]
op = "files.put"
dest = "/etc/new.secret"
content = "password = {{ password }}\n"
mode = "0644"
when = "more"

[[handler]]
name = "restart app"
op = "systemd.service"
service = "app"
state = "restarted"
"#;

/// The beginning of all secrets.
const CANARY: &str = "correct-horse-7f3a";

/// What a rollback has to leave as it was, but for what it says that it cannot.
const STATE: &str = "cat /etc/app.conf /etc/app.plain; stat -c '%U %a' /etc/app.plain; readlink /etc/app.link; cat /etc/gone; \
     stat -c '%U %a' /etc/gone; systemctl is-enabled app; systemctl is-active app; systemctl is-active more; systemctl is-enabled fstrim.timer; ls /etc/systemd/system; \
     crontab -l; hostname; cat /etc/hostname /etc/hosts /etc/timezone; readlink /etc/localtime; cat /proc/sys/net/ipv4/ip_default_ttl /etc/sysctl.d/60-homelab.conf; cat /etc/fstab; findmnt -n -o FSTYPE /mnt; \
     cat /etc/app.secret; ls /etc/new.secret 2>&1; ls -R /srv/new 2>&1; dpkg -s hello rsync 2>&1 | grep '^Status: install'; apt-mark showhold; true";

fn data(project: &Project, value: &str, more: bool) {
    let mode = if more { "0600" } else { "0644" };
    let (ttl, zone) = if more { (65, "Europe/Berlin") } else { (66, "Etc/UTC") };
    let text = format!(
        "value = '{value}'\nmode = '{mode}'\nenabled = {}\nmore = {more}\nttl = {ttl}\nzone = '{zone}'\npassword = \"{{{{ env('PASSWORD') }}}}\"\n",
        !more
    );
    project.write(".env", format!("PASSWORD={CANARY}-{value}\n"));
    project.write("group_data/all.toml", text);
}

fn deploy(project: &Project) -> String {
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout
}

fn there_and_back(project: &Project, host: &Host<'_>) {
    host.inside("apt-get -qq update && apt-get -qq install -y --no-install-recommends cron >/dev/null");
    host.inside("echo kept >/etc/gone; chmod 600 /etc/gone; chown www-data /etc/gone");
    data(project, "one", false);
    deploy(project);
    let before = host.inside(STATE);
    // A file with another name may be written by that later.
    host.inside("ln /etc/app.conf /srv/second");
    data(project, "two", true);
    deploy(project);
    host.inside("echo later >>/srv/second");
    let after = host.inside(STATE);
    assert_ne!(before, after);

    let starts = "systemctl show -p InvocationID --value app";
    let invocation = host.inside(starts);
    let back = &["rollback", "dev", "alpha", "last"];
    let review = project.homelab(&[&back[..], &["--dry-run"]].concat()).expect(0).stdout;
    for said in [
        "- value = two",
        "+ value = one",
        "- file /srv/new/file",
        "- directory /srv/new",
        "- package hello",
        "disabled → enabled",
        "command touch /srv/command stays: what a command did is not known",
    ] {
        assert!(review.contains(said), "{said}: {review}");
    }
    assert_eq!(host.inside(STATE), after);
    // Neither the secret of now nor the one before, in any form.
    for format in ["text", "json", "markdown", "html"] {
        let more = ["--dry-run", "--format", format, "--verbose"];
        let review = project.homelab(&[&back[..], &more].concat()).expect(0);
        for said in [&review.stdout, &review.stderr] {
            assert!(!said.contains(CANARY), "{format}: {said}");
        }
        assert!(review.stdout.contains("/etc/app.secret") && review.stdout.contains("/etc/new.secret"));
    }
    let applied = project
        .homelab(&[&back[..], &["--yes", "--verbose"]].concat())
        .expect(0);
    assert!(
        !applied.stdout.contains(CANARY) && !applied.stderr.contains(CANARY),
        "{}",
        applied.stdout
    );
    assert!(!host.is(&format!(
        "grep -r {CANARY} /var/lib/homelab/journal /var/lib/homelab/made"
    )));
    assert_eq!(host.inside(STATE), before);
    assert_ne!(host.inside(starts), invocation, "it was restarted for its file");
    assert_eq!(host.inside("ls -A /var/lib/homelab/owed"), "");
    let history = project.homelab(&["history", "dev", "alpha"]).expect(0).stdout;
    assert!(history.contains("rollback of 2"), "{history}");

    // Forward again, and then all is as after the first time.
    deploy(project);
    assert_eq!(host.inside(STATE), after);
    assert!(deploy(project).starts_with("nothing to do"));
}

#[test]
fn a_run_is_taken_back_and_made_again_on_debian_13() {
    let project = Project::with_task(TASK);
    let host = project.up("dev", "alpha");
    there_and_back(&project, &host);

    // What was changed since stays, unless it is named.
    data(&project, "three", true);
    deploy(&project);
    host.inside("echo by hand >>/etc/app.plain");
    let back = &["rollback", "dev", "alpha", "last", "--yes"];
    let told = project.homelab(back).expect(0).stdout;
    assert!(
        told.contains("`--overwrite /etc/app.plain` takes it back anyway"),
        "{told}"
    );
    assert_eq!(host.inside("cat /etc/app.conf"), "value = two\n");
    assert_eq!(host.inside("cat /etc/app.plain"), "plain three\nby hand\n");
    host.is_left_in_order();
}

#[test]
fn a_run_is_taken_back_and_made_again_on_debian_12() {
    let project = Project::with_task(TASK);
    project.write("inventories/dev.toml", "[hosts.alpha]\nlab = { image = 'debian:12' }\n");
    let host = project.up("dev", "alpha");
    there_and_back(&project, &host);
}

/// The rules of the kernel go back with their file, and the host is guarded meanwhile.
#[test]
fn rules_of_the_packet_filter_are_loaded_again() {
    let rules = |port: &str| {
        format!(
            "[[operation]]\nop = 'nftables.rules'\ncontent = \"\"\"\ntable inet homelab {{\n  chain input {{\n    type filter hook input priority 0; \
             policy accept;\n    tcp dport {port} accept\n  }}\n}}\n\"\"\"\n"
        )
    };
    let project = Project::with_task(&rules("80"));
    let host = project.up("dev", "alpha");
    host.inside("apt-get -qq update && apt-get -qq install -y --no-install-recommends nftables >/dev/null");
    host.inside("rm /etc/nftables.conf");
    let loaded = || {
        host.inside("nft list tables; nft list table inet homelab 2>/dev/null || :; cat /etc/nftables.conf 2>&1 || :")
    };
    let none = loaded();
    deploy(&project);
    let first = loaded();
    project.write("tasks/test/files.toml", rules("443"));
    deploy(&project);
    assert_ne!(loaded(), first);
    let back = |run: &str| {
        project
            .homelab(&["rollback", "dev", "alpha", run, "--yes"])
            .expect(0)
            .stdout
    };
    let told = back("last");
    assert!(
        told.contains("firewall rules /etc/nftables.conf") && !told.contains("stay as they are"),
        "{told}"
    );
    assert_eq!(loaded(), first);
    let history = project.homelab(&["history", "dev", "alpha"]).expect(0).stdout;
    let of_first = history
        .lines()
        .nth(3)
        .and_then(|line| line.split_whitespace().next())
        .expect("a run");
    back(of_first);
    assert_eq!(loaded(), none);
}
