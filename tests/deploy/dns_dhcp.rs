//! The DNS and DHCP boxes of this repository's own project: two empty hosts answer, are changed one after the other, and keep what
//! works when something else is wrong.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const PATIENCE: Duration = Duration::from_secs(30);

/// Two boxes, of which the first gives addresses, and a machine that is in the inventory only. `more` is data of both boxes, `second`
/// of the second one.
fn inventory(upstream: &str, more: &str, second: &str) -> String {
    let data = format!(
        "dns.upstreams = [{upstream}]
dns.unsigned = ['example']
dns.sites_host = 'nas'
dns.records = [{{ name = 'printer', address = '10.77.0.30' }}, {{ name = 'alias.example', host = 'nas' }}]
dhcp.subnet = '10.77.0.0/24'
dhcp.router = '10.77.0.1'
dhcp.reservations = [{{ mac = '02:00:00:00:00:31', address = '10.77.0.31', name = 'camera' }}]
blocklist.lists = ['file:///srv/list']
blocklist.allowed = ['good.ads.example', 'printer.dev.lab.example']
{more}"
    );
    format!(
        "groups = ['development']
[hosts.dns-1]
lab = {{ image = 'debian:13-docker', registry = true }}
groups = ['docker', 'dns']
[hosts.dns-1.data]
dhcp.range = '10.77.0.100 - 10.77.0.199'
stack_settings.wg-easy.user_space = true
{data}
[hosts.dns-2]
lab = {{ image = 'debian:12' }}
groups = ['dns']
[hosts.dns-2.data]
{data}
{second}
[hosts.nas]
address = '10.77.0.20'
data = {{ mac = '02:00:00:00:00:20' }}
"
    )
}

fn deploy(project: &Project, more: &[&str]) -> Ran {
    project.homelab(&[&["deploy", "dev", "dns-dhcp", "--yes"], more].concat())
}

/// What a server answers to a question of `dig`, without the rest.
fn answer(host: &Host<'_>, server: &str, question: &str) -> String {
    host.inside(&format!("dig +short +time=3 +tries=1 @{server} {question}"))
}

fn status(host: &Host<'_>, server: &str, name: &str) -> String {
    host.inside(&format!(
        "dig +time=5 +tries=1 @{server} {name} | sed -n 's/.*status: \\([A-Z]*\\).*/\\1/p'"
    ))
}

fn process(host: &Host<'_>, unit: &str) -> String {
    host.inside(&format!("systemctl show -P MainPID {unit}"))
}

/// Nothing is left to do. One round trip to a box finds that, and two to one that may have run Pi-hole.
fn quiet(project: &Project) {
    let again = deploy(project, &["-v"]).expect(0);
    assert!(again.stdout.contains("nothing to do on 2 hosts"), "{}", again.stdout);
    for told in ["dns-1: round trips: 2\n", "dns-2: round trips: 1\n"] {
        assert!(again.stderr.contains(told), "{}", again.stderr);
    }
}

#[test]
fn two_empty_hosts_become_dns_and_dhcp_boxes() {
    let project = &Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    project.write(".gitignore", "/.env\n");
    project.write("inventories/dev.toml", inventory("", "", ""));
    let one = &project.up("dev", "dns-1");
    let two = &Host::of(project, "dev", "dns-2");
    // It has port 53, and its own resolv.conf.
    one.inside("DEBIAN_FRONTEND=noninteractive apt-get install -qq -y systemd-resolved");
    one.inside(
        "ip netns add client; ip link add lan type veth peer name eth9 netns client; ip addr add 10.77.0.53/24 dev lan; \
         ip link set lan up; ip netns exec client ip link set eth9 up",
    );
    // It lists names of this network too, which no list can take away.
    let own = "dev.lab.example\nnas.dev.lab.example\nalias.example\n77.10.in-addr.arpa\n";
    let list = format!("# names\n0.0.0.0 ads.example\n||tracker.example^\nlocalhost\n127.0.0.1 localhost\n{own}");
    for host in [one, two] {
        host.inside(&format!("printf '{list}' >/srv/list"));
    }
    let upstream = |name: &str| format!("{{ address = '{}', name = '{name}' }}", two.address());
    project.write("inventories/dev.toml", inventory(&upstream("wrong.example"), "", ""));
    deploy(project, &[]).expect(0);
    quiet(project);
    for host in [one, two] {
        names_are_found(host, one, two);
    }
    addresses_are_given(one);
    upstream_is_asked_by_tls(project, one, two, &upstream("dns.upstream.example"));
    what_is_broken_changes_nothing(project, one);
    a_wrong_resolver_goes_back(project, two);
    a_box_that_finds_no_names_is_the_last(project, one, two);
    another_server_takes_the_place(project, one, two);
    a_wrong_address_goes_back(project, two, &upstream("dns.upstream.example"));
}

#[test]
fn data_that_would_be_other_lines_is_refused() {
    let project = Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    project.write(".gitignore", "/.env\n");
    let upstream = |more: &str| format!("dns.upstreams = [{{ address = '192.0.2.9', {more} }}]");
    for (data, said) in [
        (
            "dns.records = [{ name = 'a b', address = '192.0.2.1' }]",
            "`name` in `dns.records`",
        ),
        (
            "dns.records = [{ name = \"a\\nb\", address = '192.0.2.1' }]",
            "`name` in `dns.records`",
        ),
        (
            "dns.records = [{ name = '', address = '192.0.2.1' }]",
            "`name` in `dns.records`",
        ),
        (
            "dns.records = [{ name = 'a', address = '192.0.2.1 b' }]",
            "`address` in `dns.records`",
        ),
        (
            "dns.records = [{ name = 'a', address = \"192.0.2.1\\n\" }]",
            "`address` in `dns.records`",
        ),
        ("dns.records = [{ name = 'a' }]", "neither `address` nor `host`"),
        (
            "dns.records = [{ name = 'a', host = 'nobody' }]",
            "names the host `nobody`, which the inventory does not have",
        ),
        (
            "dns.records = [{ name = 'a', adress = '192.0.2.1' }]",
            "unknown key `adress`",
        ),
        ("dns.sites_host = 'nobody'", "has no host `nobody`"),
        (&upstream("name = ''"), "`name` in `dns.upstreams`"),
        (&upstream("name = 'a', port = 0"), "`port` in `dns.upstreams`"),
        (&upstream("name = 'a', port = 65536"), "`port` in `dns.upstreams`"),
    ] {
        for server in ["unbound", "dnsmasq"] {
            let host = format!(
                "groups = ['development']\n[hosts.dns]\naddress = '192.0.2.53'\ngroups = ['docker', 'dns']\n[hosts.dns.data]\nweb_host = ''\ndns.server = '{server}'\n{data}\n"
            );
            project.write("inventories/dev.toml", host);
            let refused = project.homelab(&["check"]).expect(3);
            assert!(refused.stderr.contains(said), "{data}: {}", refused.stderr);
        }
    }
}

#[test]
fn a_server_that_cannot_find_names_by_itself_needs_another_one() {
    let project = Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    project.write(".gitignore", "/.env\n");
    for (server, code) in [("unbound", 0), ("dnsmasq", 3), ("pihole", 3), ("bind", 3)] {
        let host = format!(
            "groups = ['development']\n[hosts.dns]\naddress = '192.0.2.53'\ngroups = ['docker', 'dns']\n[hosts.dns.data]\nweb_host = ''\n\
             dns.server = '{server}'\ndns.upstreams = []\n"
        );
        project.write("inventories/dev.toml", host);
        let checked = project.homelab(&["check", "dev", "dns-dhcp"]).expect(code);
        let said = match server {
            "bind" => "must be unbound, dnsmasq or pihole",
            _ => "needs at least one server",
        };
        assert_eq!(checked.stderr.contains(said), code == 3, "{server}: {}", checked.stderr);
    }
}

#[test]
fn pi_hole_and_caddy_are_refused_on_one_host() {
    let project = Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    project.write(".gitignore", "/.env\n");
    for (deploy, server, stacks, code) in [
        ("dns-dhcp", "pihole", "'caddy'", 3),
        ("services", "pihole", "'caddy'", 3),
        ("dns-dhcp", "unbound", "'caddy'", 0),
        ("services", "pihole", "", 0),
    ] {
        let host = format!(
            "groups = ['development']\n[hosts.box]\naddress = '192.0.2.53'\ngroups = ['services', 'docker', 'dns']\n[hosts.box.data]\n\
             web_host = 'box'\nstacks = [{stacks}]\ndns.server = '{server}'\n"
        );
        project.write("inventories/dev.toml", host);
        let checked = project.homelab(&["check", "dev", deploy]).expect(code);
        for said in [
            "Pi-hole and Caddy both want port 80 of box",
            "`dns.server = \"pihole\"` in group_data/dns.toml",
            "`stacks` of group_data/services.toml",
        ] {
            assert_eq!(checked.stderr.contains(said), code == 3, "{said}: {}", checked.stderr);
        }
    }
}

/// Names of the inventory and of the data, forward and reverse, of sites, and none of a blocked one.
fn names_are_found(host: &Host<'_>, one: &Host<'_>, two: &Host<'_>) {
    // From each box, as from any other machine.
    let asked = host.address();
    let (first, second) = (format!("{}\n", one.address()), format!("{}\n", two.address()));
    for (question, expected) in [
        ("dns-1.dev.lab.example", first.as_str()),
        ("dns-2.dev.lab.example", second.as_str()),
        ("nas.dev.lab.example", "10.77.0.20\n"),
        ("printer.dev.lab.example", "10.77.0.30\n"),
        ("camera.dev.lab.example", "10.77.0.31\n"),
        ("alias.example", "10.77.0.20\n"),
        ("grafana.dev.lab.example", "10.77.0.20\n"),
        ("nothing.dev.lab.example", ""),
        ("-x 10.77.0.20", "nas.dev.lab.example.\n"),
        ("-x 10.77.0.30", "printer.dev.lab.example.\n"),
    ] {
        assert_eq!(answer(two, &asked, question), expected, "{question} of {asked}");
    }
    host.wait_until("grep -q tracker /var/lib/unbound/blocklist.conf", PATIENCE);
    for name in ["ads.example", "www.tracker.example", "nothing.dev.lab.example"] {
        let reached = format!("dig +time=1 +tries=1 @127.0.0.1 {name} | grep -q NXDOMAIN");
        host.wait_until(&reached, PATIENCE);
    }
    for (question, expected) in [
        ("nas.dev.lab.example", "10.77.0.20\n"),
        ("alias.example", "10.77.0.20\n"),
        ("printer.dev.lab.example", "10.77.0.30\n"),
        ("-x 10.77.0.20", "nas.dev.lab.example.\n"),
    ] {
        assert_eq!(answer(two, &asked, question), expected, "{question}, with the list");
    }
    let nightly =
        "systemctl is-enabled homelab-blocklist.timer; systemctl show -P TimersCalendar homelab-blocklist.timer";
    let nightly = host.inside(nightly);
    assert!(
        nightly.starts_with("enabled\n") && nightly.contains("*-*-* 04:30:00"),
        "{nightly}"
    );
    let own = "getent ahostsv4 nas | grep -q 10.77.0.20 && grep -q 'nameserver 127.0.0.1' /etc/resolv.conf";
    assert!(host.is(own));
}

/// The address that a client with this card gets.
fn lease(one: &Host<'_>, card: &str) -> String {
    one.inside(&format!("ip netns exec client ip link set eth9 address {card}"));
    one.inside("ip netns exec client udhcpc -i eth9 -f -q -n -t 5 -s /bin/true 2>&1 | grep -o 'lease of [0-9.]*'")
}

/// A real client gets the address that its card is to have, and another one of the range.
fn addresses_are_given(one: &Host<'_>) {
    one.inside("DEBIAN_FRONTEND=noninteractive apt-get install -qq -y udhcpc");
    assert_eq!(
        lease(one, "02:00:00:00:00:20"),
        "lease of 10.77.0.20\n",
        "a host of the inventory"
    );
    assert_eq!(
        lease(one, "02:00:00:00:00:31"),
        "lease of 10.77.0.31\n",
        "a reservation"
    );
    let other = lease(one, "02:00:00:00:00:77");
    assert!(other.starts_with("lease of 10.77.0.1"), "{other}");
}

/// Only a server with the right certificate is asked; the change to it is made on one box after the other, which no client notices.
fn upstream_is_asked_by_tls(project: &Project, one: &Host<'_>, two: &Host<'_>, upstream: &str) {
    two.inside(
        "mkdir /srv/upstream; cd /srv/upstream; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key \
         -out crt -days 2 -subj /CN=upstream -addext subjectAltName=DNS:dns.upstream.example 2>/dev/null
cat >conf <<'end'
server:
    interface: 0.0.0.0@853
    tls-service-key: /srv/upstream/key
    tls-service-pem: /srv/upstream/crt
    access-control: 0.0.0.0/0 allow
    local-zone: 'upstream.example.' static
    local-data: 'www.upstream.example. IN A 203.0.113.7'
    do-daemonize: no
    username: ''
    chroot: ''
    pidfile: ''
remote-control:
    control-enable: no
end",
    );
    two.start("exec unbound -d -c /srv/upstream/conf");
    let certificate = two.inside("cat /srv/upstream/crt");
    for host in [one, two] {
        host.inside(&format!(
            "printf '%s' '{certificate}' >/usr/local/share/ca-certificates/upstream.crt; update-ca-certificates >/dev/null 2>&1; \
             systemctl restart unbound"
        ));
        let status = status(host, "127.0.0.1", "www.upstream.example");
        assert_eq!(status, "SERVFAIL\n", "the certificate has another name");
    }
    let before = [process(one, "unbound"), process(two, "unbound")];
    project.write(
        "inventories/dev.toml",
        inventory(upstream, "dns.checks = ['www.upstream.example']", ""),
    );
    let servers = [one.address(), two.address()];
    let asked = while_asked(&servers, || {
        deploy(project, &[]).expect(0);
    });
    assert!(asked.number > 20 && asked.failed.is_empty(), "{asked:?}");
    let after = [process(one, "unbound"), process(two, "unbound")];
    assert!(before[0] != after[0] && before[1] != after[1], "both were restarted");
    quiet(project);
    for host in [one, two] {
        assert_eq!(answer(host, "127.0.0.1", "www.upstream.example"), "203.0.113.7\n");
    }
    // A name more is a reload of both, which one server alone answers through.
    let text = inventory(upstream, "dns.checks = ['www.upstream.example']", "");
    project.write("inventories/dev.toml", text.replace("'10.77.0.30'", "'10.77.0.40'"));
    let asked = while_asked(&servers[..1], || {
        deploy(project, &[]).expect(0);
    });
    assert!(asked.number > 20 && asked.failed.is_empty(), "{asked:?}");
    assert_eq!(after, [process(one, "unbound"), process(two, "unbound")], "reloaded");
    assert_eq!(answer(two, &servers[0], "printer.dev.lab.example"), "10.77.0.40\n");
}

/// How a client was answered that asked every 100 ms.
#[derive(Debug, Default)]
struct Asked {
    number: usize,
    /// When there was no answer.
    failed: Vec<Duration>,
}

/// Asks as libc does, while `work` runs: the first server, and the next one if that does not answer.
fn while_asked(servers: &[String], work: impl FnOnce()) -> Asked {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = Asked::default();
            let start = Instant::now();
            while !ended.load(Ordering::Relaxed) {
                asked.number += 1;
                if !servers.iter().any(|server| is_answered(server)) {
                    asked.failed.push(start.elapsed());
                }
                thread::sleep(Duration::from_millis(100));
            }
            asked
        });
        work();
        ended.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    })
}

/// Whether a server knows an address of `nas.dev.lab.example`.
fn is_answered(server: &str) -> bool {
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in ["nas", "dev", "lab", "example"] {
        question.push(u8::try_from(label.len()).unwrap());
        question.extend(label.bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect((server, 53)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut answer = [0; 512];
    // A closed port is refused at once.
    let received = socket.send(&question).and_then(|_| socket.recv(&mut answer));
    received.is_ok_and(|length| length > 12) && answer[..2] == [0x12, 0x34] && answer[3] % 16 == 0 && answer[7] == 1
}

/// A zone, a configuration, a range and a list that are no good are refused, and the servers run on as they are.
fn what_is_broken_changes_nothing(project: &Project, one: &Host<'_>) {
    let state = || {
        let files =
            "cat /etc/unbound/unbound.conf.d/* /etc/kea/kea-dhcp4.conf /var/lib/unbound/blocklist.conf | sha256sum";
        [
            process(one, "unbound"),
            process(one, "kea-dhcp4-server"),
            one.inside(files),
        ]
    };
    let before = state();
    for (data, said) in [
        (
            "dns.records=[{ name = 'x', address = '10.77.0.999' }]",
            "homelab-zones.conf",
        ),
        ("dns.networks=['10.0.0.0/99']", "homelab.conf"),
        ("dhcp.range='10.78.0.1 - 10.78.0.9'", "kea-dhcp4.conf"),
        (
            "dhcp.reservations=[{ mac = '02:00:00:00:00:31', address = '10.78.0.31' }]",
            "kea-dhcp4.conf",
        ),
    ] {
        let refused = deploy(project, &["--limit", "dns-1", "--data", data]).expect(3);
        assert!(refused.stderr.contains(said), "{data}: {}", refused.stderr);
        assert_eq!(state(), before, "{data}");
    }
    one.inside("cp /srv/list /srv/list.good");
    for (broken, said) in [
        (
            "printf '<html>\\n<h1>Sorry</h1>\\n' >/srv/list",
            "is not a list of names",
        ),
        (": >/srv/list", "is not a list of names"),
        ("rm /srv/list", "cannot download file:///srv/list"),
    ] {
        one.inside(broken);
        assert!(!one.is("systemctl start homelab-blocklist"), "{broken}");
        let journal = one.inside("journalctl --sync; journalctl -u homelab-blocklist -n 5 -o cat");
        assert!(journal.contains(said), "{broken}: {journal}");
        assert_eq!(state(), before, "{broken}");
        assert_eq!(status(one, "127.0.0.1", "ads.example"), "NXDOMAIN\n");
    }
    one.inside("mv /srv/list.good /srv/list; echo more.example >>/srv/list; systemctl start homelab-blocklist");
    assert_eq!(status(one, "127.0.0.1", "more.example"), "NXDOMAIN\n");
    assert_eq!(process(one, "unbound"), before[0], "a list is loaded without a restart");
}

/// A box that does not find what it has to find ends the deploy, and the next one keeps its files and its process.
fn a_box_that_finds_no_names_is_the_last(project: &Project, one: &Host<'_>, two: &Host<'_>) {
    let files = "cat /etc/unbound/unbound.conf.d/* | sha256sum";
    let state = |host: &Host<'_>| (process(host, "unbound"), host.inside(files));
    let (first, second) = (state(one), state(two));
    let data = [
        "dns.checks=['no.such.dev.lab.example']",
        "dns.networks=['10.0.0.0/8', '172.16.0.0/12']",
    ];
    let failed = deploy(project, &["--data", data[0], "--data", data[1]]).expect(1);
    let told = failed.stdout + &failed.stderr;
    assert!(
        told.contains("failed to verify `dig '+time=2' '+tries=1' @127.0.0.1 no.such.dev.lab.example`"),
        "{told}"
    );
    assert_ne!(state(one), first, "the first box has the change");
    assert_eq!(state(two), second, "the second box was not touched");
    assert_eq!(answer(two, &two.address(), "nas.dev.lab.example"), "10.77.0.20\n");
    deploy(project, &[]).expect(0);
}

/// Another server takes the place of the first, with the same names, addresses, list and upstream server, and gives the place back.
fn another_server_takes_the_place(project: &Project, one: &Host<'_>, two: &Host<'_>) {
    let active = "systemctl is-active unbound kea-dhcp4-server dnsmasq stubby | tr '\\n' ' '; true";
    // Whatever cuts a run off, one of them answers: a start stops the other.
    let cut = "systemctl stop unbound; systemctl start dnsmasq; systemctl start unbound; systemctl is-active unbound dnsmasq | tr '\\n' ' '";
    let other = ["--limit", "dns-1", "--data", "dns.server=dnsmasq"];
    deploy(project, &other).expect(0);
    let again = deploy(project, &other).expect(0);
    assert!(again.stdout.contains("nothing to do on 1 host"), "{}", again.stdout);
    assert_eq!(one.inside(active), "inactive inactive active active ");
    let server = one.address();
    for (question, expected) in [
        ("nas.dev.lab.example", "10.77.0.20\n"),
        ("-x 10.77.0.20", "nas.dev.lab.example.\n"),
        ("nothing.dev.lab.example", ""),
        ("www.upstream.example", "203.0.113.7\n"),
    ] {
        assert_eq!(answer(two, &server, question), expected, "{question}");
    }
    one.wait_until("dig @127.0.0.1 www.tracker.example | grep -q NXDOMAIN", PATIENCE);
    assert_eq!(lease(one, "02:00:00:00:00:20"), "lease of 10.77.0.20\n");
    let broken = [&other[..], &["--data", "dhcp.range='x - y'"]].concat();
    let before = process(one, "dnsmasq");
    let refused = deploy(project, &broken).expect(3);
    assert!(
        refused.stderr.contains("/etc/dnsmasq.d/homelab.conf"),
        "{}",
        refused.stderr
    );
    assert_eq!(process(one, "dnsmasq"), before);

    deploy(project, &["--limit", "dns-1"]).expect(0);
    assert_eq!(one.inside(active), "active active inactive inactive ");
    assert_eq!(answer(two, &server, "nas.dev.lab.example"), "10.77.0.20\n");
    assert_eq!(
        one.inside(&format!("{cut}; systemctl start kea-dhcp4-server; true")),
        "active inactive "
    );
    pihole_takes_the_place(project, one, two, active);
}

/// Pi-hole in a container, here a stand-in with dnsmasq in it: the same names, addresses and list, a new record, and back.
fn pihole_takes_the_place(project: &Project, one: &Host<'_>, two: &Host<'_>, active: &str) {
    // Other machines have it.
    one.inside("mkdir -p /dev/net; mknod /dev/net/tun c 10 200");
    let pihole = [
        "--limit",
        "dns-1",
        "--data",
        "dns.server=pihole",
        "--data",
        "dns.wireguard=true",
    ];
    deploy(project, &pihole).expect(0);
    let again = deploy(project, &pihole).expect(0);
    assert!(again.stdout.contains("nothing to do on 1 host"), "{}", again.stdout);
    assert_eq!(one.inside(active), "inactive inactive inactive active ");
    let containers = "docker ps --format '{{.Image}} {{.Status}}' | sed 's/ Up .*(/ (/'";
    assert_eq!(
        one.inside(&format!("{containers} | sort")),
        "ghcr.io/wg-easy/wg-easy:15 (healthy)\npihole/pihole:2026.04.0 (healthy)\n"
    );
    assert_eq!(
        one.inside("docker exec wg-easy-wg-easy-1 wg show wg0 listen-port"),
        "51820\n"
    );
    let pages = one.inside(
        "docker port wg-easy-wg-easy-1 51821/tcp; docker exec wg-easy-wg-easy-1 wget -qO- http://127.0.0.1:51821/",
    );
    assert_eq!(pages, "127.0.0.1:51821\nwg-easy");
    let server = one.address();
    let address = format!("{server}\n");
    for (question, expected) in [
        ("dns-1.dev.lab.example", address.as_str()),
        ("nas.dev.lab.example", "10.77.0.20\n"),
        ("camera.dev.lab.example", "10.77.0.31\n"),
        ("alias.example", "10.77.0.20\n"),
        ("-x 10.77.0.20", "nas.dev.lab.example.\n"),
        ("nothing.dev.lab.example", ""),
        ("www.upstream.example", "203.0.113.7\n"),
    ] {
        assert_eq!(answer(two, &server, question), expected, "{question}");
    }
    one.wait_until("dig @127.0.0.1 www.tracker.example | grep -q NXDOMAIN", PATIENCE);
    assert_eq!(lease(one, "02:00:00:00:00:20"), "lease of 10.77.0.20\n");
    let other = lease(one, "02:00:00:00:00:78");
    assert!(other.starts_with("lease of 10.77.0.1"), "{other}");
    one.inside("echo later.example >>/srv/list; systemctl start homelab-blocklist");
    assert_eq!(status(one, "127.0.0.1", "later.example"), "NXDOMAIN\n");
    let password =
        "docker inspect pihole-pihole-1 | grep -c \"$(cat /opt/stacks/pihole/secrets/admin-password)\" || true";
    assert_eq!(one.inside(password), "0\n", "the password is a file");

    one.inside("docker compose -p wg-easy down 2>&1");
    deploy(project, &["--limit", "dns-1"]).expect(0);
    assert_eq!(one.inside(active), "active active inactive inactive ");
    assert_eq!(one.inside("docker ps -aq"), "", "one server is left");
    assert_eq!(answer(two, &server, "nas.dev.lab.example"), "10.77.0.20\n");
    let again = deploy(project, &["--limit", "dns-1"]).expect(0);
    assert!(again.stdout.contains("nothing to do on 1 host"), "{}", again.stdout);
}

/// What the box itself asks: one that answers nothing does not end the connection, so the check in the same task has it put back.
fn a_wrong_resolver_goes_back(project: &Project, two: &Host<'_>) {
    let template = "templates/dns/resolv.conf.j2";
    let right = std::fs::read_to_string(project.root().join(template)).unwrap();
    let file = "cat /etc/resolv.conf";
    let before = two.inside(file);
    project.write(template, "nameserver 192.0.2.1\noptions timeout:1 attempts:1\n");
    let failed = deploy(project, &["--limit", "dns-2"]).expect(1);
    for told in [
        "put back /etc/resolv.conf",
        "failed to keep guarded changes: a check in their task failed",
        "failed to verify `getent ahostsv4 dns-2.dev.lab.example`",
    ] {
        let said = format!("{}{}", failed.stdout, failed.stderr);
        assert!(said.contains(told), "no `{told}` in {said}");
    }
    assert_eq!(two.inside(file), before);
    project.write(template, right);
    quiet(project);
}

/// The box's own address: one that cannot be reached goes back by itself.
fn a_wrong_address_goes_back(project: &Project, two: &Host<'_>, upstream: &str) {
    let shown = "ip -4 -o addr show dev eth0 | grep -o 'inet [0-9./]*'";
    let (before, gateway) = (
        two.inside(shown),
        two.inside("ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p'"),
    );
    let address = before.trim().trim_start_matches("inet ");
    let of = |address: &str| {
        let data = format!(
            "static_address = {{ interface = 'eth0', address = '{address}', gateway = '{}' }}",
            gateway.trim()
        );
        inventory(upstream, "", &data)
    };
    project.write("inventories/dev.toml", of(address));
    deploy(project, &["--limit", "dns-2"]).expect(0);
    assert_eq!(two.inside(shown), before);
    let interfaces = two.inside("cat /etc/network/interfaces");
    project.write(
        "inventories/dev.toml",
        of("10.9.9.9/24").replace(gateway.trim(), "10.9.9.1"),
    );
    let failed = deploy(project, &["--limit", "dns-2", "--guard-within", "10s"]).expect(1);
    assert!(
        failed.stdout.contains("put back /etc/network/interfaces"),
        "{}",
        failed.stdout
    );
    assert_eq!(two.inside(shown), before);
    assert_eq!(two.inside("cat /etc/network/interfaces"), interfaces);
    assert_eq!(answer(two, "127.0.0.1", "nas.dev.lab.example"), "10.77.0.20\n");
}
