//! Each way in, tried: a change that closes it heals itself, a good one is confirmed.

use std::process::{Command, Stdio};

use crate::deploy::guard::{DROP_IN, GUARDED, LISTENS, PATIENCE, RESTART, deploy, is_disarmed, says, sshd};
use crate::deploy::people::{PASSWORD, settle};
use crate::deploy::staged::ANY_COMMAND;
use crate::support::host::Host;
use crate::support::project::{Project, Ran, text};

fn deploy_as_anna(project: &Project) -> Ran {
    let mut command: Command = project.command(&["deploy", "people", "all", "--yes", "--guard-within", "20s"]);
    let output = command.env("HOMELAB_BECOME_PASSWORD", PASSWORD).output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

fn put(path: &str, mode: &str, content: &str) -> String {
    format!("[[operation]]\nop = 'files.put'\ndest = '{path}'\nmode = '{mode}'\ncontent = \"{content}\\n\"\n")
}

fn remove(path: &str) -> String {
    format!("[[operation]]\nop = 'files.file'\npath = '{path}'\npresent = false\n")
}

#[test]
fn drop_ins_that_are_new_changed_or_gone_go_back() {
    const FOLDERS: &str = "cd /etc && stat -c '%n %a %U' sshd_config.d/* ssh/sshd_config.d/* sudoers.d/* 2>/dev/null; \
        tail -n +1 ssh/sshd_config.d/* sudoers.d/*";
    const OTHER: &str = "/etc/ssh/sshd_config.d/20-other.conf";
    const GONE: &str = "/etc/ssh/sshd_config.d/30-gone.conf";
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    settle(&host, &project, "become = 'sudo'");
    host.inside(&format!(
        "printf 'PrintMotd no\\n' >{OTHER}; chmod 600 {OTHER}; printf 'Banner none\\n' >{GONE}; chmod 640 {GONE}; \
         printf 'anna ALL=(ALL) ALL\\n' >/etc/sudoers.d/anna; chmod 440 /etc/sudoers.d/anna; \
         printf '# other\\n' >/etc/sudoers.d/other; chmod 440 /etc/sudoers.d/other"
    ));
    let before = host.inside(FOLDERS);
    let ssh = |text: &str| {
        let notify = format!("{text}\"\nnotify = ['restart ssh'");
        put(DROP_IN, "0644", &notify).replace("['restart ssh'\\n\"", "['restart ssh']")
            + &put(OTHER, "0644", "PrintMotd yes")
            + &remove(GONE)
    };
    let sudo = |rule: &str| {
        put("/etc/sudoers.d/zz", "0440", rule)
            + &put("/etc/sudoers.d/other", "0440", "# changed")
            + &remove("/etc/sudoers.d/anna")
    };
    for (task, cause, restarts) in [
        (sudo("# nothing"), "cannot become `root` with `sudo`", false),
        (ssh("Port 2222") + RESTART, "refused", true),
        (ssh("Port 2222") + &sudo("# nothing") + RESTART, "refused", true),
    ] {
        project.write("tasks/test/files.toml", &task);
        let ran = deploy_as_anna(&project).expect(1);
        says(&ran, &[cause, "put back", "a new connection works"]);
        assert_eq!(ran.stdout.contains("restarted ssh.service"), restarts, "{}", ran.stdout);
        assert_eq!(host.inside(FOLDERS), before, "{task}");
        assert!(host.is(LISTENS));
        is_disarmed(&host);
    }
    let good = ssh("PrintLastLog no") + &sudo("anna ALL=(ALL) ALL") + RESTART;
    project.write("tasks/test/files.toml", good);
    deploy_as_anna(&project).expect(0);
    says(&deploy_as_anna(&project).expect(0), &["nothing to do"]);
    is_disarmed(&host);
    assert!(host.is(&format!(
        "[ ! -e {GONE} ] && [ ! -e /etc/sudoers.d/anna ] && sshd -T | grep -qi 'printmotd yes'"
    )));
}

#[test]
fn parameters_of_the_network_go_back_with_their_file() {
    const PARAMETER: &str = "/proc/sys/net/ipv4/conf/all/log_martians";
    const FILE: &str = "/etc/sysctl.d/60-homelab.conf";
    let task = "[[operation]]\nop = 'server.sysctl'\nkey = 'net.ipv4.conf.all.log_martians'\nvalue = 1\n";
    let project = Project::with_task(&format!("{task}\n{}", sshd("Port 2222\n")));
    let host = project.up("dev", "alpha");
    let before = host.inside(&format!("echo 0 >{PARAMETER}; cat {PARAMETER}"));
    let ran = deploy(&project, "20s").expect(1);
    let [parameter, file] = [PARAMETER, FILE].map(|path| format!("put back {path}"));
    says(&ran, &[GUARDED, &parameter, &file, "restarted ssh.service"]);
    assert_eq!(host.inside(&format!("cat {PARAMETER}")), before);
    assert!(host.is(&format!("[ ! -e {FILE} ]")));
    is_disarmed(&host);

    project.write("tasks/test/files.toml", task);
    says(&deploy(&project, "60s").expect(0), &[GUARDED, "! may lock you out"]);
    assert_eq!(host.inside(&format!("cat {PARAMETER}")), "1\n");
    says(&deploy(&project, "60s").expect(0), &["nothing to do"]);
    is_disarmed(&host);
}

/// `ufw` with these rules, unless it is on.
fn ufw(keys: &str, rules: &str) -> String {
    format!(
        "[[operation]]\nop = 'server.shell'\n{keys}\nunless = 'ufw status | grep -q \"Status: active\"'\n\
         commands = ['ufw default deny incoming', {rules}, 'ufw --force enable']\n"
    )
}

#[test]
fn rules_of_ufw_that_cut_ssh_go_back_with_its_files() {
    const STATE: &str = "ufw status; nft -s list ruleset 2>/dev/null | sort; cd /etc; \
        find ufw default/ufw -type f -exec md5sum {} + | sort";
    let is_as = |host: &Host<'_>, before: &str| {
        assert_eq!(host.inside(STATE), before);
        is_disarmed(host);
    };
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    host.inside("apt-get -qq update && apt-get -qq install -y ufw nftables >/dev/null 2>&1; nft flush ruleset");
    let before = host.inside(STATE);
    for keys in ["touches = ['/etc/ufw', '/etc/default/ufw']", "guard = true"] {
        project.write("tasks/test/files.toml", ufw(keys, "'ufw limit 2222/tcp'"));
        let ran = deploy(&project, "20s").expect(1);
        says(
            &ran,
            &["confirm the changes", "put back /etc/ufw", "put back /etc/default/ufw"],
        );
        is_as(&host, &before);
    }
    project.write("tasks/test/files.toml", ufw("guard = true", "'ufw limit 22/tcp'"));
    deploy(&project, "60s").expect(0);
    is_disarmed(&host);
    assert!(host.inside(STATE).contains("LIMIT"));
    // Its rules have what `nft` cannot read again, and go back all the same.
    let before = host.inside(STATE);
    assert!(
        before.contains("xt match \"recent\"") || before.contains("limit"),
        "{before}"
    );
    let bad = ufw("guard = true", "'ufw --force delete limit 22/tcp', 'ufw reload'")
        .replace("unless = 'ufw", "unless = '! ufw");
    project.write("tasks/test/files.toml", bad);
    deploy(&project, "20s").expect(1);
    is_as(&host, &before);
}

#[test]
fn a_guarded_file_that_is_refused_is_told_of_once() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    host.inside(&format!("printf 'Banner none\\n' >{DROP_IN}"));
    let refused = put(DROP_IN, "0644", "ClientAliveInterval often")
        + "validate = ['sshd', '-t', '-f', '{path}']\nnotify = ['restart ssh']\n";
    // What an earlier operation of the guard changed goes back as before.
    let other = put("/etc/ssh/sshd_config.d/20-other.conf", "0644", "PrintMotd yes");
    for (task, goes_back) in [
        (format!("{refused}{RESTART}"), false),
        (format!("{other}{refused}{RESTART}"), true),
    ] {
        // What is refused after a command is decided at apply.
        project.write("tasks/test/files.toml", ANY_COMMAND.to_owned() + &task);
        let ran = deploy(&project, "20s").expect(1);
        says(&ran, &["`validate` did not accept the new file; the old file stays"]);
        let told = ran.stdout.contains("put back /etc/ssh") || ran.stdout.contains("guarded changes loaded");
        assert_eq!(told, goes_back, "{}", ran.stdout);
        is_disarmed(&host);
        assert_eq!(
            host.inside(&format!("cat {DROP_IN}; ls -A /var/lib/homelab/owed")),
            "Banner none\n"
        );
        assert!(!host.is("test -e /etc/ssh/sshd_config.d/20-other.conf"));
    }
    project.write("tasks/test/files.toml", put(DROP_IN, "0644", "PrintMotd no"));
    let ran = deploy(&project, "20s").expect(0);
    assert!(
        !format!("{}{}", ran.stdout, ran.stderr).contains("No such process"),
        "{}",
        ran.stdout
    );
}

/// A guarded change, and a command that takes a while before the new connection.
fn slow(banner: &str, seconds: u32) -> String {
    format!(
        "{}\n[[operation]]\nop = 'server.shell'\ncommands = ['sleep {seconds}']\nalways = true\ntouches = []\n",
        put(DROP_IN, "0644", banner)
    )
}

#[test]
fn a_second_run_finds_the_guard_of_one_that_is_under_way() {
    let project = Project::with_task(&slow("Banner none", 30));
    let host = project.up("dev", "alpha");
    let mut command = project.command(&["deploy", "dev", "all", "--yes", "--guard-within", "10m"]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    host.wait_until("pgrep -x sleep -a | grep -q 'sleep 30'", PATIENCE);

    project.write("tasks/test/files.toml", slow("PrintMotd no", 0));
    let ran = deploy(&project, "60s").expect(5);
    let under_way = "another run is changing this host, and its lock-out guard is armed";
    says(&ran, &[under_way, "alpha  locked"]);
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);

    // That run is killed, and its guard goes back before the second one goes on.
    run.kill().unwrap();
    run.wait().unwrap();
    host.inside("pkill -x sleep");
    host.wait_until("flock -n /run/homelab.lock true", PATIENCE);
    host.inside("for g in /var/lib/homelab/jobs/*; do echo 0 >$g/until; done");
    let waits = [
        "deploy",
        "dev",
        "all",
        "--yes",
        "--guard-within",
        "60s",
        "--lock-wait",
        "1m",
    ];
    project.homelab(&waits).expect(0);
    assert_eq!(host.inside(&format!("cat {DROP_IN}")), "PrintMotd no\n");
    is_disarmed(&host);
}

#[test]
fn a_guard_that_cannot_be_kept_for_a_reboot_says_so() {
    const WANTS: &str = "/etc/systemd/system/sysinit.target.wants";
    let project = Project::with_task(&put(DROP_IN, "0644", "Banner none"));
    let host = project.up("dev", "alpha");
    host.inside(&format!("rm -rf {WANTS}; touch {WANTS}"));
    let ran = deploy(&project, "60s").expect(0);
    says(
        &ran,
        &["alpha: the lock-out guard was not armed for a reboot, since `/etc/systemd/system` cannot be written"],
    );
    is_disarmed(&host);
    assert_eq!(host.inside("ls /etc/systemd/system | grep homelab || true"), "");
}
