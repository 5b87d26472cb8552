//! How often a host is asked: no operation adds a round trip, whatever its kind, and however many there are.

use homelab::operations::OPERATIONS;

use crate::deploy::repository::{Package, install_only, publish};
use crate::support::deb;
use crate::support::host::Host;
use crate::support::project::{Project, Ran};
use crate::support::snapshot;

/// How many operations of each kind the longer task has.
const COPIES: usize = 2;

const SERVER: &str = r#"use IO::Socket::INET;
$SIG{PIPE} = 'IGNORE';
my $server = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 9, ReuseAddr => 1) or die;
while (my $client = $server->accept) {
    my ($line, $length) = (scalar <$client>, 0);
    while (<$client>) { last if /^\r?$/; $length = $1 if /^content-length: (\d+)/i }
    read $client, my $sent, $length;
    my $body = $line =~ m{/json } ? "{}" : "fine\n";
    print $client "HTTP/1.0 200 OK\r\nContent-Length: ", length $body, "\r\n\r\n", $body;
    close $client;
}"#;

/// One operation of each kind; what a later one needs, an earlier one makes. `@` is the copy's number.
const EVERY_KIND: &str = include_str!("every_kind.toml");

/// A changed source makes the package lists old for every operation after it: it is in place before anything is counted.
const SOURCES: &str = r#"
[[operation]]
op = "apt.key"
src = "lab.asc"
dest = "/etc/apt/keyrings/lab-@.asc"

[[operation]]
op = "apt.sources_file"
filename = "lab-@"
uris = ["file:/srv/repository"]
suites = ["./"]
signed_by = "/etc/apt/keyrings/lab-@.asc"
enabled = false
"#;

fn copies(text: &str, count: usize) -> String {
    (1..=count).map(|copy| text.replace('@', &copy.to_string())).collect()
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

/// What the task needs on a host beside packages. sshd would soon refuse a client that asks for its keys that often.
fn make_ready(host: &Host<'_>) {
    host.inside(&format!(
        "apt-get -qq update && apt-get -qq install -y --no-install-recommends cron git nftables >/dev/null && \
         for copy in $(seq {COPIES}); do mkdir /srv/lab-mount-$copy /srv/lab-archive-$copy && touch /srv/lab-old-$copy && tar -cf /srv/lab-$copy.tar -C /etc hostname && git init -q -b main /srv/lab-source-$copy && git -C /srv/lab-source-$copy -c user.name=lab -c user.email=lab@lab commit -q --allow-empty -m lab && echo 'color = red' >/etc/lab-$copy.ini || exit; done && \
         mkdir -p -m 0700 /root/.ssh && \
         echo 'PerSourcePenaltyExemptList 127.0.0.0/8' >/etc/ssh/sshd_config.d/00-keyscan.conf && systemctl reload ssh && \
         mkdir -m 0700 /root/.docker && (umask 077; echo '{{\"auths\":{{\"lab.example\":{{\"auth\":\"bGFiOmxhYg==\"}}}}}}' >/root/.docker/config.json) && \
         docker run -d --name lab-box busybox:1.37 sleep infinity",
    ));
}

/// The key of a case of `apt.key`.
fn signing_key() -> String {
    let case: toml::Table = include_str!("../operations/apt.key/from-the-project.toml")
        .parse()
        .unwrap();
    case["files"]["templates/example.asc"].as_str().unwrap().to_owned()
}

#[test]
fn no_operation_of_any_kind_adds_one() {
    let names = format!("{SOURCES}{EVERY_KIND}");
    // `deploy::kubernetes` counts theirs: they fail without a cluster.
    let need_cluster = ["k8s.exec", "k8s.job", "k8s.node", "k8s.restart", "k8s.wait"];
    for definition in OPERATIONS.iter().filter(|one| !need_cluster.contains(&one.name)) {
        let line = format!("op = \"{}\"", definition.name);
        assert!(names.contains(&line), "add `{}` to every_kind.toml", definition.name);
    }
    let project = Project::of(&[
        (
            "inventories/dev.toml",
            "[hosts.alpha]\nlab = { image = 'debian:13-docker', registry = true }\n",
        ),
        ("templates/lab.j2", "of {{ host.name }}\n"),
        (
            "templates/lab-objects.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: lab }\n",
        ),
        ("templates/lab.asc", &signing_key()),
        ("templates/lab/sub/file.j2", "of {{ host.name }}\n"),
        ("templates/lab.sh", "#!/bin/sh\ntouch \"$1\"\n"),
        ("tasks/test/sources.toml", &copies(SOURCES, COPIES)),
        ("deploys/sources.toml", "hosts = ['*']\ntasks = ['test/sources']\n"),
        ("deploys/few.toml", "hosts = ['*']\ntasks = ['test/few']\n"),
        ("deploys/many.toml", "hosts = ['*']\ntasks = ['test/many']\n"),
    ]);
    for copy in 1..=COPIES {
        let control = format!(
            "Package: lab-deb-{copy}\nVersion: 1\nArchitecture: all\nMaintainer: lab\nDescription: of the lab\n"
        );
        project.write(&format!("templates/lab-deb-{copy}.deb"), deb::package(&control));
    }
    let host = project.up("dev", "alpha");
    make_ready(&host);
    prepare(&host);
    let fingerprint = host.inside("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2");
    for (name, count) in [("few", 1), ("many", COPIES)] {
        let task = copies(SOURCES, count) + &copies(EVERY_KIND, count);
        let task = task.replace("FINGERPRINT", fingerprint.trim());
        assert!(count == 1 || task.matches("[[operation]]").count() >= 50);
        project.write(&format!("tasks/test/{name}.toml"), task);
    }
    project.homelab(&["deploy", "dev", "sources", "--yes"]).expect(0);
    make_lists_old(&host);

    // The lists' age decides whether apt is to be asked with newer ones: that is the second, for all of it. The third has the host
    // validate all new files.
    for deploy in ["few", "many"] {
        let arguments = ["deploy", "dev", deploy, "--dry-run", "--detailed-exitcode", "-v"];
        let looked = project.homelab(&arguments).expect(2);
        assert_eq!(round_trips(&looked), 3, "{}", looked.stdout);
        assert!(!looked.stdout.contains("not read from"), "{}", looked.stdout);
    }

    project.homelab(&["deploy", "dev", "many", "--yes"]).expect(0);
    assert_eq!(snapshot::packages(&host)["lab-2"].trim(), "hi 1.0");
    assert_eq!(
        host.inside("cat /home/lab-user-2/template /etc/lab-2.conf /etc/lab-2.ini /srv/lab/2/downloaded"),
        "of alpha\nport = 8080\ncolor = blue\n# BEGIN homelab\nblock = 2\n# END homelab\nfine\n"
    );
    for deploy in ["few", "many"] {
        let again = project.homelab(&["deploy", "dev", deploy, "--yes", "-v"]).expect(0);
        assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
        assert_eq!(round_trips(&again), 1, "{deploy}: {}", again.stdout);
    }
}
