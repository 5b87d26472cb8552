//! Changes that would lock the user out go back by themselves; others are confirmed, and nothing of the guard is left.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::deploy::people::{PASSWORD, inventory, settle};
use crate::support::host::Host;
use crate::support::project::{Project, Ran, text};

pub(super) const GUARDED: &str = "guarded: goes back unless a new connection works";
pub(super) const DROP_IN: &str = "/etc/ssh/sshd_config.d/10-test.conf";
pub(super) const LISTENS: &str = "ss -tlnH sport = :22 | grep -q .";
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A drop-in for sshd with this text, and the restart that it needs.
pub(super) fn sshd(text: &str) -> String {
    format!(
        "[[operation]]\nop = 'files.put'\ndest = '{DROP_IN}'\ncontent = '''\n{text}'''\n
[[operation]]\nop = 'server.shell'\ncommands = ['systemctl restart ssh', 'cp {DROP_IN} /srv/loaded']\n\
         touches = ['/srv/loaded']\nunless = 'cmp {DROP_IN} /srv/loaded'\n"
    )
}

pub(super) fn deploy(project: &Project, within: &str) -> Ran {
    project.homelab(&["deploy", "dev", "all", "--yes", "--guard-within", within])
}

#[track_caller]
pub(super) fn says(ran: &Ran, parts: &[&str]) {
    for part in parts {
        assert!(
            ran.stdout.contains(part),
            "no `{part}` in:\n{}\n{}",
            ran.stdout,
            ran.stderr
        );
    }
}

/// Nothing of a guard is left on the host, and no process of it.
#[track_caller]
pub(super) fn is_disarmed(host: &Host<'_>) {
    assert_eq!(host.inside("ls /var/lib/homelab/jobs 2>/dev/null || true"), "");
    host.wait_until(
        "! systemctl list-units --all --no-legend 'homelab-guard*' | grep -q .",
        PATIENCE,
    );
}

#[test]
fn a_port_nobody_connects_to_goes_back_and_a_good_change_stays() {
    let project = Project::with_task(&sshd("Banner none\n"));
    let host = project.up("dev", "alpha");
    let ran = deploy(&project, "60s").expect(0);
    says(&ran, &[GUARDED, "! may lock you out"]);
    is_disarmed(&host);
    assert_eq!(host.inside(&format!("cat {DROP_IN}")), "Banner none\n");
    says(&deploy(&project, "60s").expect(0), &["nothing to do"]);

    project.write("tasks/test/files.toml", sshd("Port 2222\n"));
    let ran = deploy(&project, "20s").expect(1);
    let put_back = format!("put back {DROP_IN}");
    says(
        &ran,
        &[
            "failed to confirm the changes with a new connection",
            "refused",
            &put_back,
            "restarted ssh.service",
            "1 put back",
        ],
    );
    is_disarmed(&host);
    assert!(host.is(LISTENS));
    assert_eq!(host.inside(&format!("cat {DROP_IN}")), "Banner none\n");
    // The same again, and then without it.
    host.inside("rm /srv/loaded");
    deploy(&project, "20s").expect(1);
    project.write("tasks/test/files.toml", sshd("Banner none\nPrintMotd no\n"));
    deploy(&project, "60s").expect(0);
    says(&deploy(&project, "60s").expect(0), &["nothing to do"]);
    is_disarmed(&host);
}

#[test]
fn a_run_that_is_killed_before_the_new_connection_locks_nobody_out() {
    let project = Project::with_task(&sshd("Port 2222\n"));
    let host = project.up("dev", "alpha");
    let mut command = project.command(&["deploy", "dev", "all", "--yes", "--guard-within", "10m"]);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    host.wait_until("ss -tlnH sport = :2222 | grep -q .", PATIENCE);
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!host.is(LISTENS));
    // However long that took on a busy machine, its time comes only now.
    host.inside("for g in /var/lib/homelab/jobs/*; do echo 0 >$g/until; done");
    host.wait_until(LISTENS, PATIENCE);
    host.wait_until(&format!("[ ! -e {DROP_IN} ]"), PATIENCE);
    let ran = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    says(
        &ran,
        &[
            "the lock-out guard of an earlier run went back",
            &format!("put back {DROP_IN}, restarted ssh.service"),
        ],
    );
    went_back(&project, &host, 1);
    project.write("tasks/test/files.toml", sshd("Banner none\n"));
    deploy(&project, "60s").expect(0);
    let ran = deploy(&project, "60s").expect(0);
    assert!(!ran.stdout.contains("earlier run"), "{}", ran.stdout);
    is_disarmed(&host);
}

/// The journal says that a run was cut off and that the host took back what it changed, and `--only-failed` goes on from there.
#[track_caller]
pub(super) fn went_back(project: &Project, host: &Host<'_>, changes: usize) {
    host.wait_until("! ls /var/lib/homelab/jobs/*/armed", PATIENCE);
    let told = project.homelab(&["history", "dev", "alpha", "last"]).expect(0).stdout;
    assert!(
        told.contains(": interrupted") || told.contains("ended interrupted"),
        "{told}"
    );
    assert_eq!(told.matches("   put back").count(), changes, "{told}");
    let again = ["deploy", "dev", "all", "--dry-run", "--only-failed"];
    assert!(project.homelab(&again).expect(0).stdout.contains(DROP_IN));
}

/// A drop-in for sshd that closes its port, a command, and then the restart of sshd by a handler.
fn notifying(command: &str) -> String {
    format!(
        "[[operation]]\nop = 'files.put'\ndest = '{DROP_IN}'\ncontent = \"Port 2222\\n\"\nnotify = ['restart ssh']\n
[[operation]]\nop = 'server.shell'\ncommands = ['{command}']\nalways = true\n
{RESTART}"
    )
}

pub(super) const RESTART: &str =
    "[[handler]]\nname = 'restart ssh'\nop = 'systemd.service'\nservice = 'ssh'\nstate = 'restarted'\n";

#[test]
fn a_run_that_ends_before_the_handler_leaves_nothing_to_load_later() {
    let is_as_before = |host: &Host<'_>| {
        is_disarmed(host);
        assert!(host.is(&format!("[ ! -e {DROP_IN} ] && {LISTENS}")));
        assert_eq!(host.inside("ls -A /var/lib/homelab/owed"), "");
    };
    let owes_nothing = |project: &Project| {
        let told = project.homelab(&["history", "dev", "alpha", "last"]).expect(0).stdout;
        assert!(told.contains("put back") && !told.contains("owes"), "{told}");
    };
    let project = Project::with_task(&notifying("false"));
    let host = project.up("dev", "alpha");
    let ran = deploy(&project, "20s").expect(1);
    let put_back = format!("put back {DROP_IN}");
    let told = [
        "failed to have guarded changes loaded",
        "the run ended before handler `restart ssh` had run",
        put_back.as_str(),
        "a new connection works",
    ];
    says(&ran, &told);
    is_as_before(&host);
    owes_nothing(&project);

    project.write("tasks/test/files.toml", notifying("sleep 20"));
    let mut command = project.command(&["deploy", "dev", "all", "--yes", "--guard-within", "60s"]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    host.wait_until("pgrep -x sleep -a | grep -q 'sleep 20'", PATIENCE);
    let sent = Command::new("kill").args(["-INT", &run.id().to_string()]).status();
    assert!(sent.unwrap().success());
    let output = run.wait_with_output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains(&put_back) && said.contains("it was interrupted"),
        "{said}"
    );
    is_as_before(&host);
    owes_nothing(&project);

    // The next run makes the change again, and knows its file.
    project.write("tasks/test/files.toml", notifying("true"));
    // The command that was under way keeps the lock to its end.
    let again = [
        "deploy",
        "dev",
        "all",
        "--yes",
        "--guard-within",
        "20s",
        "--lock-wait",
        "1m",
    ];
    let ran = project.homelab(&again).expect(1);
    says(&ran, &["confirm the changes", &put_back, "restarted ssh.service"]);
    is_as_before(&host);
}

#[test]
fn the_guard_of_a_killed_run_waits_no_longer_than_its_time() {
    // Once the change is made, the condition keeps homelab reading until it is let go.
    let reads = format!("[ ! -e {DROP_IN} ] || {{ : >/run/reads; until [ -e /run/go ]; do sleep 0.1; done; }}; false");
    let task = notifying("true").replace("always = true", &format!("unless = '{reads}'\ntouches = ['/srv/x']"));
    let project = Project::with_task(&task);
    let host = project.up("dev", "alpha");
    let mut command = project.command(&["deploy", "dev", "all", "--yes", "--guard-within", "6s"]);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    host.wait_until("[ -e /run/reads ]", PATIENCE);
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(host.is(&format!("[ -e {DROP_IN} ]")));
    host.inside(": >/run/go");
    host.wait_until(&format!("[ ! -e {DROP_IN} ]"), PATIENCE);
    let ran = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    says(&ran, &["the lock-out guard of an earlier run went back"]);
    assert!(host.is(LISTENS));
}

#[test]
fn a_handler_that_is_owed_for_an_unknown_change_locks_nobody_out() {
    let project = Project::with_task(&notifying("true"));
    let host = project.up("dev", "alpha");
    host.inside(&format!(
        "printf 'Port 2222\\n' >{DROP_IN}; chmod 644 {DROP_IN}; mkdir -p /var/lib/homelab/owed"
    ));
    let handler = "test/test / restart ssh";
    let record = format!(
        "{{\"handler\":\"{handler}\",\"op\":\"systemd.service\",\"parameters\":{{\"service\":\"ssh\",\"state\":\"restarted\"}}}}"
    );
    host.inside(&format!(
        "n=$(printf %s '{handler}' | sha256sum | cut -c 1-16); printf '%s\\n' '{record}' >/var/lib/homelab/owed/$n"
    ));
    let ran = project
        .homelab(&["deploy", "dev", "all", "--yes", "--owed", "--guard-within", "20s"])
        .expect(1);
    says(&ran, &["what changed then is not known"]);
    assert!(host.is(LISTENS));
    is_disarmed(&host);
}

#[test]
fn a_drop_in_of_ssh_locks_nobody_out_in_two_runs() {
    let task = format!(
        "[[operation]]\nop = 'systemd.unit'\nunit = 'ssh.service'\ndrop_in = 'port'\nnotify = ['restart ssh']\ncontent = '''
[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -D -p 2200\n'''\n\n{RESTART}"
    );
    let project = Project::with_task(&task);
    let host = project.up("dev", "alpha");
    for _ in 0..2 {
        let ran = deploy(&project, "20s");
        assert!(host.is(LISTENS), "{}", ran.stdout);
        project.homelab(&["exec", "dev", "alpha", "--", "true"]).expect(0);
        is_disarmed(&host);
    }
}

#[test]
fn a_firewall_that_cuts_the_connection_goes_back_with_its_rules() {
    let task = "[[operation]]\nop = 'files.put'\ndest = '/etc/nftables.conf'\nmode = '0755'\ncontent = '''
#!/usr/sbin/nft -f
flush ruleset
table inet filter {
chain input { type filter hook input priority 0; policy drop; }
}
'''\n
[[operation]]\nop = 'server.shell'\nguard = true\ncommands = ['nft -f /etc/nftables.conf', 'touch /srv/loaded']\n\
        touches = ['/srv/loaded']\ncreates = '/srv/loaded'\n";
    let project = Project::with_task(task);
    let host = project.up("dev", "alpha");
    host.inside("apt-get -qq update && apt-get -qq install -y nftables >/dev/null 2>&1; rm /etc/nftables.conf");
    host.inside("nft add table inet mine; nft add chain inet mine c");
    let rules = host.inside("nft -s list ruleset");
    let ran = deploy(&project, "20s");
    // It is told, or the connection was gone before: the exit code is the same.
    let ran = ran.expect(1);
    says(&ran, &["put back /etc/nftables.conf", "put back the rules of nft"]);
    assert_eq!(host.inside("nft -s list ruleset"), rules);
    assert!(host.is("[ ! -e /etc/nftables.conf ]"));
    is_disarmed(&host);
    // The command ran again, and what it wrote then went back too.
    assert!(host.is("[ ! -e /srv/loaded ]"));
    // The connection that was cut does not hold the lock any more.
    deploy(&project, "20s").expect(1);
}

#[test]
fn rules_that_let_nobody_connect_go_back_and_good_ones_stay() {
    let task = |port: u16| {
        format!(
            "[[operation]]\nop = 'nftables.rules'\nfile = '/etc/firewall.nft'\ncontent = '''
flush ruleset
table inet filter {{
chain input {{ type filter hook input priority 0; policy drop; iif lo accept; ct state established accept; tcp dport {port} accept
}}
}}
'''\n"
        )
    };
    let project = Project::with_task(&task(22));
    let host = project.up("dev", "alpha");
    host.inside("apt-get -qq update && apt-get -qq install -y nftables >/dev/null 2>&1; nft add table ip mine");
    let ran = deploy(&project, "20s").expect(0);
    says(&ran, &[GUARDED, "! may lock you out"]);
    is_disarmed(&host);
    says(&deploy(&project, "20s").expect(0), &["nothing to do"]);
    let rules = host.inside("nft -s list ruleset; cat /etc/firewall.nft");
    assert!(
        rules.contains("table ip mine") && rules.contains("tcp dport 22 accept"),
        "{rules}"
    );

    // New connections are dropped, and the one that is open goes on.
    project.write("tasks/test/files.toml", task(23));
    let ran = deploy(&project, "20s").expect(1);
    says(&ran, &["put back /etc/firewall.nft", "put back the rules of nft"]);
    assert_eq!(host.inside("nft -s list ruleset; cat /etc/firewall.nft"), rules);
    is_disarmed(&host);
}

#[test]
fn sudoers_that_let_nobody_become_root_go_back() {
    let put = |rule: &str| {
        format!(
            "[[operation]]\nop = 'files.put'\ndest = '/etc/sudoers.d/zz'\nmode = '0440'\ncontent = '''\n{rule}\n'''\n"
        )
    };
    let project = Project::with_task(&put("anna ALL=(ALL) !ALL"));
    let host = project.up("dev", "alpha");
    // Root needs no sudo: nothing is guarded then.
    let ran = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    assert!(!ran.stdout.contains(GUARDED), "{}", ran.stdout);
    settle(&host, &project, "become = 'sudo'");
    host.inside("printf 'anna ALL=(ALL) ALL\\n' >/etc/sudoers.d/anna; chmod 440 /etc/sudoers.d/anna");
    let deploy = || {
        let output: Command = {
            let mut command = project.command(&["deploy", "people", "all", "--yes", "--guard-within", "20s"]);
            command.env("HOMELAB_BECOME_PASSWORD", PASSWORD);
            command
        };
        let output = { output }.output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    };
    let ran = deploy().expect(1);
    says(
        &ran,
        &[
            GUARDED,
            "cannot become `root` with `sudo`",
            "put back /etc/sudoers.d/zz",
            "1 put back",
        ],
    );
    assert!(host.is("[ ! -e /etc/sudoers.d/zz ]"));
    is_disarmed(&host);
    project.write("tasks/test/files.toml", put("anna ALL=(www-data) NOPASSWD: ALL"));
    says(&deploy().expect(0), &["1 applied"]);
    says(&deploy().expect(0), &["nothing to do"]);
    is_disarmed(&host);
    // Without a guard the same change stays.
    inventory(&host, &project, "become = 'sudo'");
    project.write(
        "tasks/test/files.toml",
        put("anna ALL=(ALL) !ALL").replace("\nmode", "\nguard = false\nmode"),
    );
    let ran = deploy().expect(0);
    says(&ran, &["! may lock you out"]);
    assert!(!ran.stdout.contains(GUARDED), "{}", ran.stdout);
    deploy().expect(4);
}

/// What `check` says to do about rules with a secret loads them, now and after each change.
#[test]
fn rules_with_a_secret_are_loaded_as_the_hint_says() {
    let rules = "flush ruleset
table inet filter {
chain input { type filter hook input priority 0; policy accept; tcp dport {{ env('KNOCK') }} accept; }
}
";
    let refused = format!("[[operation]]\nop = 'nftables.rules'\ncontent = \"\"\"\n{rules}\"\"\"\n");
    let project = Project::with_task(&refused);
    project.write(".env", "KNOCK=47110\n");
    let said = project.homelab(&["check"]).expect(3).stderr;
    for part in [
        "`files.put`",
        "`validate = [\"nft\", \"-c\", \"-f\", \"{path}\"]`",
        "`guard = true`",
        "`service = \"nftables\"`",
        "`state = \"started\"`",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
    project.write(
        "tasks/test/files.toml",
        format!(
            "[[operation]]\nop = 'files.put'\ndest = '/etc/nftables.conf'\ncontent = \"\"\"\n{rules}\"\"\"\n\
             validate = ['nft', '-c', '-f', '{{path}}']\nnotify = ['load the rules']\n\n\
             [[operation]]\nop = 'systemd.service'\nservice = 'nftables'\nstate = 'started'\nenabled = true\n\n\
             [[handler]]\nname = 'load the rules'\nop = 'systemd.service'\nservice = 'nftables'\nstate = 'restarted'\nguard = true\n"
        ),
    );
    let host = project.up("dev", "alpha");
    host.inside(
        "apt-get -qq update && apt-get -qq install -y nftables >/dev/null 2>&1; systemctl disable --now nftables",
    );
    for port in ["47110", "47111"] {
        project.write(".env", format!("KNOCK={port}\n"));
        let ran = deploy(&project, "20s").expect(0);
        assert!(!ran.stdout.contains(port), "{}", ran.stdout);
        let loaded = host.inside("nft list ruleset");
        assert!(
            loaded.contains(&format!("tcp dport {port} accept")),
            "{loaded}\n{}",
            ran.stdout
        );
        is_disarmed(&host);
        says(&deploy(&project, "20s").expect(0), &["nothing to do"]);
    }
}
