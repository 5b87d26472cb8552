//! Ways to run as another user than the login user: `doas`, and another user than root.

use crate::deploy::bad_input::Guarded;
use crate::deploy::people::{PASSWORD, inventory, is_deployed, project, settle};
use crate::support::host::Host;
use crate::support::project::{Project, Ran};

fn deploy(project: &Project, code: i32) -> Ran {
    project
        .homelab(&["deploy", "people", "all", "--yes", "-v"])
        .expect(code)
}

fn rule(host: &Host<'_>, rule: &str) {
    host.inside(&format!(
        "printf '%s\\n' '{rule}' >/etc/doas.conf && chmod 600 /etc/doas.conf"
    ));
}

#[test]
fn root_by_doas_and_every_refusal() {
    let project = project();
    let host = project.up("dev", "alpha");
    settle(&host, &project, "become = 'doas'");
    let refused = |expected: &[&str]| {
        let ran = deploy(&project, 4);
        for part in [&["alpha: cannot become `root` with `doas`"], expected].concat() {
            assert!(ran.stderr.contains(part), "no `{part}` in:\n{}", ran.stderr);
        }
        assert!(!host.is("test -e /etc/small"));
    };
    refused(&["not installed on the host", "install `doas`"]);

    host.inside("apt-get -q update && apt-get -q -y install opendoas");
    refused(&[
        "the login user lacks permission",
        "doas is not enabled",
        "permit nopass USER as root",
    ]);
    rule(&host, "permit nopass someone");
    refused(&["the login user lacks permission", "Operation not permitted"]);
    rule(&host, "permit anna");
    refused(&["a password is required", "Authentication required"]);

    rule(&host, "permit nopass anna as root");
    deploy(&project, 0);
    is_deployed(&host);

    // Who logged in is known through doas too.
    let task = "[[operation]]\nop = 'server.shell'\nbecome = false\ncommands = ['id -un >/home/anna/ran-by']\n\
        creates = '/home/anna/ran-by'\ntouches = ['/home/anna']\n";
    project.write("tasks/test/files.toml", task);
    deploy(&project, 0);
    assert_eq!(host.inside("cat /home/anna/ran-by"), "anna\n");
    let again = deploy(&project, 0);
    assert!(again.stderr.contains("alpha: round trips: 1\n"), "{}", again.stderr);

    inventory(&host, &project, "become = 'doas'\nbecome_user = 'www-data'");
    let ran = deploy(&project, 4);
    assert!(
        ran.stderr
            .contains("alpha: cannot become `www-data` with `doas`: the login user lacks permission"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains(PASSWORD));
}

/// What the runner can do, and what takes root.
const OWN: &str = "[[operation]]\nop = 'files.put'\ndest = '/home/runner/large'\nsrc = 'large'\n
[[operation]]\nop = 'server.shell'\ncommands = ['id -un >/home/runner/ran-by']\ncreates = '/home/runner/ran-by'\n
touches = ['/home/runner']\n";
const ROOTS: &str =
    "[[operation]]\nop = 'server.shell'\nbecome = false\ncommands = ['true']\nunless = 'false'\ntouches = ['/x']\n
[[operation]]\nop = 'files.put'\ndest = '/etc/small'\ncontent = 'x'\n";

#[test]
fn another_user_than_root_by_sudo() {
    let project = project();
    project.write("tasks/test/files.toml", OWN);
    let host = project.up("dev", "alpha");
    let as_runner = "become = 'sudo'\nbecome_user = 'runner'";
    settle(&host, &project, as_runner);
    host.inside(
        "printf '%s\\n' 'anna ALL=(runner) NOPASSWD: ALL' >/etc/sudoers.d/anna && chmod 440 /etc/sudoers.d/anna",
    );
    let ran = deploy(&project, 4);
    assert!(
        ran.stderr
            .contains("alpha: cannot become `runner` with `sudo`: no such user on the host"),
        "{}",
        ran.stderr
    );

    host.inside("useradd -m -s /usr/sbin/nologin runner");
    let ran = deploy(&project, 0);
    assert!(
        ran.stdout
            .contains("runs without root: the lock is in /home/runner/.local/state/homelab"),
        "{}",
        ran.stdout
    );
    assert_eq!(host.inside("cat /home/runner/ran-by"), "runner\n");
    assert_eq!(
        host.inside("stat -c '%U:%G %s' /home/runner/large /home/runner/.local/state/homelab/lock | cut -d' ' -f1"),
        "runner:runner\nrunner:runner\n"
    );
    assert!(!host.is("test -e /run/homelab.lock || test -e /home/anna/.local"));
    let again = deploy(&project, 0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert!(again.stderr.contains("alpha: round trips: 1\n"), "{}", again.stderr);

    project.write("tasks/test/files.toml", ROOTS);
    let review = project.homelab(&["deploy", "people", "all", "--dry-run"]).expect(0);
    for part in [
        "needs root; homelab runs as `runner` here",
        "`runner` cannot run commands as `anna`",
    ] {
        assert!(review.stdout.contains(part), "no `{part}` in:\n{}", review.stdout);
    }
    let ran = deploy(&project, 1);
    assert!(
        ran.stdout.contains("`runner` cannot run commands as `anna`"),
        "{}",
        ran.stdout
    );

    // With a password, which is for anna to give.
    project.write("tasks/test/files.toml", OWN);
    host.inside("rm /home/runner/ran-by /home/runner/large; echo 'anna ALL=(runner) ALL' >/etc/sudoers.d/anna");
    let by_password = project
        .command(&["deploy", "people", "all", "--yes"])
        .env("HOMELAB_BECOME_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    assert_eq!(by_password.status.code(), Some(0));
    assert_eq!(host.inside("cat /home/runner/ran-by"), "runner\n");
    assert_eq!(host.inside("stat -c '%U %s' /home/runner/large"), "runner 300000\n");
}

#[test]
fn a_user_to_become_without_a_way_is_a_mistake_with_a_place() {
    let cases = [
        ("connection = { become_user = 'web' }\n", "`become_user` needs `become`"),
        (
            "connection = { become = 'sudo', become_user = '-u' }\n",
            "`-u` is not a valid `become_user`",
        ),
        (
            "connection = { become = 'su' }\n",
            "`become` must be \"none\", \"sudo\" or \"doas\"",
        ),
    ];
    for (line, expected) in cases {
        let guarded = Guarded::new();
        guarded.project.write("inventories/dev.toml", guarded.inventory(line));
        guarded.refuses(
            &["deploy", "dev", "all", "--dry-run"],
            &[expected, "inventories/dev.toml:"],
        );
    }
}
