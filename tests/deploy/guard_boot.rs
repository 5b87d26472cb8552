//! A host that goes down while a guard is armed takes the change back when it boots, before anything loads it.

use std::process::{Child, Stdio};

use crate::deploy::guard::{DROP_IN, PATIENCE, RESTART, deploy, is_disarmed, says, went_back};
use crate::support::docker::docker;
use crate::support::host::Host;
use crate::support::project::Project;

/// A port without clients, a firewall that lets no connection in, for the next boot, and a new unit file. Then the guard waits.
fn task(last: &str) -> String {
    format!(
        "[[operation]]\nop = 'files.put'\ndest = '{DROP_IN}'\ncontent = \"Port 2222\\n\"\nnotify = ['restart ssh']\n
[[operation]]\nop = 'systemd.unit'\nunit = 'ssh.service'\ndrop_in = 'slow'\ncontent = \"[Service]\\nExecStartPre=/bin/sleep 1\\n\"\n
[[operation]]\nop = 'files.put'\ndest = '/etc/nftables.conf'\nmode = '0755'\ncontent = '''
#!/usr/sbin/nft -f
flush ruleset
table inet filter {{
chain input {{ type filter hook input priority 0; policy drop; }}
}}
'''\n
[[operation]]\nop = 'systemd.service'\nservice = 'nftables'\nenabled = true\n
[[operation]]\nop = 'server.shell'\nguard = true\ncommands = ['cp {DROP_IN} /srv/loaded || rm -f /srv/loaded']\n\
        unless = 'cmp {DROP_IN} /srv/loaded'\n
[[operation]]\nop = 'server.shell'\ncommands = ['{last}']\nalways = true\n
{RESTART}"
    )
}

fn start(project: &Project) -> Child {
    let mut command = project.command(&["deploy", "dev", "all", "--yes", "--guard-within", "5m"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Everything is as it was before, also what was to be loaded at a boot, and nothing of the guard is left but its report.
#[track_caller]
fn is_back(host: &Host<'_>, firewall: &str) {
    host.wait_until("systemctl is-system-running | grep -q running", PATIENCE);
    host.wait_until("! ls /var/lib/homelab/jobs/*/armed", PATIENCE);
    let state = "cat /etc/nftables.conf; ls /etc/ssh/sshd_config.d /etc/systemd/system/ssh.service.d /srv; \
        systemctl is-enabled nftables; systemctl is-active ssh; nft list ruleset; ls /etc/systemd/system | grep homelab; \
        ls /etc/systemd/system/sysinit.target.wants | grep homelab; ss -tlnH sport = :22 | wc -l";
    let told = host.inside(&format!("({state}) 2>/dev/null"));
    let expected = format!("{firewall}/etc/ssh/sshd_config.d:\nhomelab-lab.conf\n\n/srv:\ndisabled\nactive\n2\n");
    assert_eq!(told, expected);
    host.wait_until(
        "! systemctl list-units --all --no-legend 'homelab-guard*' | grep -q .",
        PATIENCE,
    );
}

#[test]
fn a_host_that_goes_down_meanwhile_takes_the_change_back_at_its_boot() {
    let project = Project::with_task(&task("sleep 300"));
    let host = project.up("dev", "alpha");
    host.inside("apt-get -qq update && apt-get -qq install -y nftables >/dev/null 2>&1");
    let firewall = host.inside("cat /etc/nftables.conf");
    let is_waiting = "pgrep -x sleep -a | grep -q 'sleep 300'";

    // homelab is gone too, and the host loses its power.
    let mut run = start(&project);
    host.wait_until(is_waiting, PATIENCE);
    run.kill().unwrap();
    run.wait().unwrap();
    docker(&["kill", host.container()]);
    project.homelab(&["lab", "up", "dev"]).expect(0);
    is_back(&host, &firewall);
    went_back(&project, &host, 6);
    let ran = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    let put_back = format!("put back {DROP_IN}");
    says(
        &ran,
        &["the lock-out guard of an earlier run went back", "when the host booted"],
    );

    // homelab waits for a host that is rebooted.
    let run = start(&project);
    host.wait_until(is_waiting, PATIENCE);
    host.is("systemctl reboot");
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in ["when the host booted", &put_back, "a new connection works"] {
        assert!(said.contains(words), "{words}:\n{said}");
    }
    is_back(&host, &firewall);
    is_disarmed(&host);

    // What was confirmed stays.
    project.write(
        "tasks/test/files.toml",
        task("true")
            .replace("Port 2222", "Banner none")
            .replace("policy drop", "policy accept"),
    );
    deploy(&project, "5m").expect(0);
    is_disarmed(&host);
    assert!(host.is("! ls -R /etc/systemd/system | grep homelab-guard"));
    host.is("systemctl reboot");
    host.wait_until(
        "systemctl is-system-running | grep -q running && nft list ruleset | grep -q accept",
        PATIENCE,
    );
    assert_eq!(host.inside(&format!("cat {DROP_IN}")), "Banner none\n");
}
