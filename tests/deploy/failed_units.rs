//! Units that have failed and then go, whatever removes them: systemd lists none of them any more.

use crate::support::host::Host;
use crate::support::project::Project;

const PLAIN: &str = "[[operation]]\nop = 'files.put'\ndest = '/srv/plain'\ncontent = 'x'\n";

/// A service that ends with an error, and a timer whose command does.
const FAILING: &str = r#"
[[operation]]
op = "systemd.unit"
unit = "lost"
content = "[Service]\nExecStart=/bin/sh -c 'sleep 1; exit 3'\n"

[[operation]]
op = "systemd.timer"
unit = "lost-timer"
on_calendar = "daily"
command = "exit 4"
"#;

fn deploy(project: &Project, more: &[&str], code: i32) -> String {
    let ran = project
        .homelab(&[&["deploy", "dev", "all", "--yes"], more].concat())
        .expect(code);
    format!("{}{}", ran.stdout, ran.stderr)
}

fn failed(host: &Host<'_>) -> String {
    host.inside("systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1 | sort")
}

fn fail(host: &Host<'_>) {
    host.inside("systemctl start lost; systemctl start lost-timer.service || :");
    host.inside("n=0; while systemctl is-active --quiet lost && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done");
    assert_eq!(failed(host), "lost-timer.service\nlost.service\n");
}

fn goes_whatever_removes_it(image: &str) {
    let project = Project::with_task(PLAIN);
    project.write(
        "inventories/dev.toml",
        format!("[hosts.alpha]\nlab = {{ image = '{image}' }}\n"),
    );
    let host = project.up("dev", "alpha");
    deploy(&project, &[], 0);
    let before = failed(&host);
    assert_eq!(before, "", "the lab's own");
    let is_gone = || {
        assert_eq!(failed(&host), "");
        assert_eq!(host.inside("ls /etc/systemd/system | grep -c lost || :"), "0\n");
    };

    // A rollback of the run that wrote them.
    project.write("tasks/test/files.toml", [PLAIN, FAILING].concat());
    deploy(&project, &[], 0);
    fail(&host);
    project
        .homelab(&["rollback", "dev", "alpha", "last", "--yes"])
        .expect(0);
    is_gone();

    // What left the configuration.
    deploy(&project, &[], 0);
    fail(&host);
    project.write("tasks/test/files.toml", PLAIN);
    deploy(&project, &["--prune"], 0);
    is_gone();
    assert!(deploy(&project, &[], 0).starts_with("nothing to do"));

    // A new unit whose file goes back because of another one, while systemd starts it again and again.
    let pair = |value: &str| {
        let other = "[[operation]]\nop = 'files.put'\ndest = '/etc/systemd/system/lost-loop.service'\nnotify = ['restart app']\ncontent = \"[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\nExecStart=/bin/false\\nRestart=always\\nRestartSec=1\\n\"\n\
             [[operation]]\nop = 'server.shell'\ncommands = ['systemctl start lost-loop; true']\nunless = 'systemctl is-active lost-loop || [ \"$(systemctl show -p SubState --value lost-loop)\" = auto-restart ]'\ntouches = ['/srv/x']\n";
        format!(
            "[[operation]]\nop = 'files.put'\ndest = '/etc/app.conf'\ncontent = '{value}'\nnotify = ['restart app']\n\
             [[operation]]\nop = 'files.put'\ndest = '/etc/systemd/system/app.service'\ncontent = \"[Service]\\nExecStartPre=/bin/sh -c '! grep -q bad /etc/app.conf'\\nExecStart=/bin/sleep infinity\\n\"\n\
             [[operation]]\nop = 'systemd.service'\nservice = 'app'\nstate = 'started'\n{}\
             [[handler]]\nname = 'restart app'\nop = 'systemd.service'\nservice = 'app'\nstate = 'restarted'\n",
            if value == "bad" { other } else { "" }
        )
    };
    project.write("tasks/test/files.toml", pair("good"));
    deploy(&project, &[], 0);
    project.write("tasks/test/files.toml", pair("bad"));
    let told = deploy(&project, &[], 1);
    assert!(told.contains("/etc/systemd/system/lost-loop.service"), "{told}");
    is_gone();
    assert_eq!(host.inside("systemctl is-active app"), "active\n");
    assert!(!host.is("systemctl is-active lost-loop"));
}

#[test]
fn a_failed_unit_goes_whatever_removes_it_on_debian_13() {
    goes_whatever_removes_it("debian:13");
}

#[test]
fn a_failed_unit_goes_whatever_removes_it_on_debian_12() {
    goes_whatever_removes_it("debian:12");
}
