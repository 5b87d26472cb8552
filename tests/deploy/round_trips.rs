//! How often a host is asked: no operation adds a round trip, whatever its kind, and however many there are.

use homelab::operations::OPERATIONS;

use crate::deploy::repository::{Package, install_only, publish};
use crate::support::host::Host;
use crate::support::project::{Project, Ran};
use crate::support::snapshot;

/// How many operations of each kind the longer task has.
const COPIES: usize = 4;

const SERVER: &str = r#"use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 9, ReuseAddr => 1) or die;
while (my $client = $server->accept) {
    while (<$client>) { last if /^\r?$/ }
    print $client "HTTP/1.0 200 OK\r\n\r\nfine\n";
    close $client;
}"#;

/// One operation of each kind; what a later one needs, an earlier one makes. `@` is the copy's number.
const EVERY_KIND: &str = r#"
[[operation]]
op = "apt.update"
cache_time = "1@h"

[[operation]]
op = "apt.upgrade"
name = "upgrade @"
auto_remove = true

[[operation]]
op = "apt.packages"
packages = ["lab-@"]

[[operation]]
op = "server.group"
group = "lab-group-@"

[[operation]]
op = "server.user"
user = "lab-user-@"
groups = ["lab-group-@"]

[[operation]]
op = "files.directory"
path = "/srv/lab/@/deep"
user = "lab-user-@"

[[operation]]
op = "files.file"
path = "/srv/lab/@/empty"
mode = "0600"

[[operation]]
op = "files.line"
path = "/etc/lab-@.conf"
line = "port = 8080"
matching = "^port "

[[operation]]
op = "files.link"
path = "/etc/lab-link-@"
target = "/srv/lab/@"

[[operation]]
op = "files.put"
dest = "/srv/lab/@/put"
content = "put"
notify = ["reload @"]

[[handler]]
name = "reload @"
op = "systemd.daemon_reload"

[[operation]]
op = "files.template"
src = "lab.j2"
dest = "/home/lab-user-@/template"
user = "lab-user-@"

[[operation]]
op = "server.shell"
commands = ["touch /srv/lab/@/made"]
creates = "/srv/lab/@/made"
touches = ["/srv/lab/@"]

[[operation]]
op = "systemd.service"
service = "lab-@"
state = "started"
enabled = true

[[operation]]
op = "systemd.unit"
unit = "lab-unit-@"
content = """
[Service]
ExecStart=/bin/true
"""

[[operation]]
op = "systemd.timer"
unit = "lab-timer-@"
on_calendar = "daily"
command = "true"

[[operation]]
op = "systemd.tmpfiles"
file = "lab-@"
content = "d /run/lab-@ 0755 root root -"

[[operation]]
op = "verify.tcp"
port = 808@

[[operation]]
op = "verify.http"
url = "http://127.0.0.1:808@/"
contains = "fine"
"#;

fn task(copies: usize) -> String {
    (1..=copies)
        .map(|copy| EVERY_KIND.replace('@', &copy.to_string()))
        .collect()
}

/// Packages with a configuration file and a service that answers on a port.
fn prepare(host: &Host<'_>) {
    for copy in 1..=COPIES {
        let server = format!("/etc/lab-server-{copy}");
        let unit =
            format!("[Service]\nExecStart=/usr/bin/perl {server} 808{copy}\n\n[Install]\nWantedBy=multi-user.target\n");
        let conffiles = [
            (&*format!("/etc/lab-{copy}.conf"), "port = 1\n"),
            (&*format!("/etc/systemd/system/lab-{copy}.service"), &*unit),
            (&*server, SERVER),
        ];
        let package = Package {
            name: &format!("lab-{copy}"),
            version: "1.0",
            conffiles: &conffiles,
            postinst: "systemctl daemon-reload",
            ..Package::default()
        };
        publish(host, &[package]);
    }
    install_only(host, &[], "");
}

fn make_lists_old(host: &Host<'_>) {
    host.inside("touch -d '9 days ago' /var/lib/apt/lists/partial");
}

/// The number that a verbose run told.
#[track_caller]
fn round_trips(ran: &Ran) -> u32 {
    let told = ran
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("alpha: round trips: "));
    told.unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr))
        .parse()
        .unwrap()
}

/// Operations whose round trips nothing counts yet: they are to be added to the task above.
const NOT_COUNTED: &[&str] = &[
    "apt.hold",
    "apt.key",
    "apt.sources_file",
    "crontab.crontab",
    "files.block",
    "files.copy",
    "files.download",
    "files.json",
    "files.move",
    "files.replace",
    "server.etc_hosts",
    "server.hostname",
    "server.locale",
    "server.modprobe",
    "server.mount",
    "server.reboot",
    "server.script",
    "server.swap",
    "server.sysctl",
    "server.timezone",
    "server.user_authorized_keys",
    "server.wait",
    "ssh.keyscan",
    "ssh.server_config",
    "sudo.rule",
    "verify.command",
    "verify.file",
];

#[test]
fn no_operation_of_any_kind_adds_one() {
    let (few, many) = (task(1), task(COPIES));
    for definition in OPERATIONS {
        let is_counted = few.contains(&format!("op = \"{}\"", definition.name));
        assert_ne!(
            is_counted,
            NOT_COUNTED.contains(&definition.name),
            "{}",
            definition.name
        );
    }
    assert!(many.matches("[[operation]]").count() >= 50);
    let project = Project::of(&[
        ("inventories/dev.toml", "[hosts.alpha]\nlab = true\n"),
        ("templates/lab.j2", "of {{ host.name }}\n"),
        ("tasks/test/few.toml", &few),
        ("tasks/test/many.toml", &many),
        ("deploys/few.toml", "hosts = ['*']\ntasks = ['test/few']\n"),
        ("deploys/many.toml", "hosts = ['*']\ntasks = ['test/many']\n"),
    ]);
    let host = project.up("dev", "alpha");
    prepare(&host);
    make_lists_old(&host);

    // The lists' age decides whether apt is to be asked with newer ones: that is the second, for all of it.
    for deploy in ["few", "many"] {
        let arguments = ["deploy", "dev", deploy, "--dry-run", "--detailed-exitcode", "-v"];
        let looked = project.homelab(&arguments).expect(2);
        assert_eq!(round_trips(&looked), 2, "{}", looked.stdout);
        assert!(!looked.stdout.contains("not read from"), "{}", looked.stdout);
    }

    project.homelab(&["deploy", "dev", "many", "--yes"]).expect(0);
    assert_eq!(snapshot::packages(&host)["lab-4"].trim(), "ii 1.0");
    assert_eq!(
        host.inside("cat /home/lab-user-4/template /etc/lab-4.conf"),
        "of alpha\nport = 8080\n"
    );
    for deploy in ["few", "many"] {
        let again = project.homelab(&["deploy", "dev", deploy, "--yes", "-v"]).expect(0);
        assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
        assert_eq!(round_trips(&again), 1);
    }
}
