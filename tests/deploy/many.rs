//! Ten hosts at once, and those among them that are slow, dead or silent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::host::Host;
use crate::support::project::{Project, Ran, text};

const NAMES: [&str; 10] = ["h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8", "h9"];
/// How long ssh tries to connect.
const CONNECT_TIMEOUT: u64 = 10;

const TASK: &str = "[[operation]]
op = 'files.put'
dest = '/opt/name'
content = '{{ host.name }}'
";

/// Ten lab hosts, and two more that never answer: one behind an unused address, one that takes the connection and
/// then says nothing.
fn project(silent: &TcpListener) -> Project {
    let lab = NAMES.map(|name| format!("[hosts.{name}]\nlab = true\n")).concat();
    let project = Project::of(&[
        ("deploys/all.toml", "hosts = ['*']\ntasks = ['test/files']\n"),
        ("tasks/test/files.toml", TASK),
    ]);
    project.write("inventories/dev.toml", &lab);
    let port = silent.local_addr().unwrap().port();
    let mut with_dead = String::from("[hosts.black-hole]\naddress = '192.0.2.66'\n");
    let _ = write!(
        with_dead,
        "[hosts.silent]\naddress = '127.0.0.1'\nconnection = {{ port = {port} }}\n"
    );
    project.homelab(&["lab", "up", "dev"]).expect(0);
    project.write("inventories/dev.toml", with_dead + &lab);
    project
}

/// Host and end, from the report for programs.
fn ends(ran: &Ran) -> BTreeMap<String, String> {
    let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stdout));
    let hosts = document["hosts"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    hosts
        .iter()
        .map(|host| (text(&host["host"]), text(&host["end"])))
        .collect()
}

#[test]
fn of_ten_hosts_and_two_dead_ones_ten_are_deployed_and_the_exit_code_says_so() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let project = project(&silent);
    reviews_wait_no_longer_than_for_a_connection(&project);
    all_others_are_deployed(&project);
    one_at_a_time_is_obeyed(&project);
    a_failure_on_one_host_is_the_end_of_that_host_alone(&project);
}

fn reviews_wait_no_longer_than_for_a_connection(project: &Project) {
    let start = Instant::now();
    // With two turns, both taken by hosts that never answer.
    let ran = project
        .homelab(&["deploy", "dev", "all", "--dry-run", "--parallel", "2"])
        .expect(4);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(CONNECT_TIMEOUT + 5), "{took:?}");
    assert!(ran.stdout.contains("10 hosts in total"), "{}", ran.stdout);
    assert!(
        ran.stdout
            .contains("not read: black-hole (unreachable), silent (unreachable)\n"),
        "{}",
        ran.stdout
    );
    for dead in [
        "black-hole: cannot reach `192.0.2.66`",
        "silent: cannot reach `127.0.0.1`",
    ] {
        assert!(ran.stderr.contains(dead), "no `{dead}` in {}", ran.stderr);
    }
}

fn all_others_are_deployed(project: &Project) {
    let ran = project
        .homelab(&["deploy", "dev", "all", "--yes", "--format", "json"])
        .expect(4);
    let ends = ends(&ran);
    assert_eq!(ends.len(), 12);
    for name in NAMES {
        assert_eq!(ends[name], "converged");
        assert_eq!(Host::of(project, "dev", name).inside("cat /opt/name"), name);
    }
    assert_eq!(ends["black-hole"], "unreachable");
    assert_eq!(ends["silent"], "unreachable");
    let again = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(4);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    // Neither ssh nor what waits beside it.
    let mut left = Command::new("pgrep");
    let left = left.args(["-f", "192[.]0[.]2[.]66"]).output().unwrap();
    assert_eq!(text(&left.stdout), "");
}

/// Each host notes when it begins and ends; two of one machine share its clock.
fn one_at_a_time_is_obeyed(project: &Project) {
    let task = "[[operation]]\nop = 'server.shell'\nalways = true\n\
        commands = ['date +%s%N >/opt/begin; sleep 0.5; date +%s%N >/opt/end']\n";
    project.write("tasks/test/files.toml", task);
    let spans = |parallel: &str| {
        let filter = ["--limit", "h1,h2,h3", "--parallel", parallel];
        project
            .homelab(&[&["deploy", "dev", "all", "--yes"], &filter[..]].concat())
            .expect(0);
        let of = |name| Host::of(project, "dev", name).inside("cat /opt/begin /opt/end");
        let mut spans = ["h1", "h2", "h3"].map(|name| {
            let moments: Vec<u128> = of(name).lines().map(|moment| moment.parse().unwrap()).collect();
            (moments[0], moments[1])
        });
        spans.sort_unstable();
        spans
    };
    let overlaps = |spans: [(u128, u128); 3]| spans.windows(2).filter(|pair| pair[1].0 < pair[0].1).count();
    assert_eq!(overlaps(spans("1")), 0);
    assert_eq!(overlaps(spans("3")), 2);
}

fn a_failure_on_one_host_is_the_end_of_that_host_alone(project: &Project) {
    let task = "[[operation]]\nop = 'server.shell'\ncreates = '/opt/tried'\n\
        commands = ['test {{ host.name }} != h5 || exit 7', 'touch /opt/tried']\n";
    project.write("tasks/test/files.toml", task);
    let ran = project
        .homelab(&["deploy", "dev", "all", "--yes", "--limit", "h*"])
        .expect(1);
    assert!(ran.stdout.contains("10 hosts: 9 converged, 1 failed"), "{}", ran.stdout);
    for name in NAMES {
        let host = Host::of(project, "dev", name);
        assert_eq!(host.is("test -e /opt/tried"), name != "h5", "{name}");
        host.is_left_in_order();
    }
    // A failed host weighs more than one that cannot be reached.
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
}
