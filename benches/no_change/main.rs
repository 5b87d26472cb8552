//! What a run costs that finds nothing to do, beside the least that any tool could do over SSH: one `ssh HOST sh` that is fed the
//! very bytes which homelab sent. Kept connections are a third run of each turn.
//!
//! Both go through a proxy that adds 10 ms to each round trip, one after the other in turns, so that what else the machine does
//! weighs on both alike. Ratios are printed, never asserted. `cargo bench --bench no_change -- [PAIRS]`; needs the lab (see
//! README.md), and leaves none behind.
//!
//! `cargo bench --bench no_change -- --against BINARY [PAIRS]` compares with another build of homelab instead: see `against`.
//! `scripts/bench-peers [TURNS]` compares with pyinfra and Ansible: see `peers`.
//! `cargo bench --bench no_change -- --stacks [PAIRS]` has ten compose stacks: see `stacks`.
//! `cargo bench --bench no_change -- --objects [PAIRS]` has forty objects of Kubernetes: see `objects`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark may end at the first thing that is not as it should be, and prints its table"
)]

mod against;
mod floor;
mod objects;
mod peers;
mod proxy;
mod stacks;
#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use floor::Floor;
use proxy::Proxy;
use support::project::Project;

/// Pairs of runs unless the command line says otherwise.
const PAIRS: usize = 11;
const DELAY: Duration = Duration::from_millis(10);

fn main() {
    // `cargo bench` passes `--bench`, and `cargo test --benches` nothing that means to measure.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let numbers: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let pairs = numbers.first().copied().unwrap_or(PAIRS);
    let value = |option: &str| arguments.iter().skip_while(|argument| *argument != option).nth(1);
    if let Some(other) = value("--against") {
        return against::compare(Path::new(other), pairs);
    }
    if let Some(tools) = value("--peers") {
        return peers::compare(Path::new(tools), pairs, numbers.get(1..).unwrap_or_default());
    }
    if arguments.iter().any(|argument| argument == "--stacks") {
        return stacks::compare(pairs);
    }
    if arguments.iter().any(|argument| argument == "--objects") {
        return objects::compare(pairs);
    }
    println!(
        "| workload | hosts | floor, s | homelab, s | ratio min | median | max | kept: ratio min | median | max |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for hosts in [1, 10] {
        let lab = Lab::up(hosts, &no_change_workloads());
        for workload in ["regular", "fifty"] {
            println!("{}", lab.measure(workload, pairs));
        }
    }
}

/// Lab hosts that have converged, each behind a proxy.
struct Lab {
    project: Project,
    hosts: usize,
    far: Vec<Far>,
}

fn no_change_workloads() -> [Workload; 2] {
    [
        Workload::of_this_repository("regular"),
        Workload::of_task("fifty", &fifty()),
    ]
}

/// A deploy that is measured, with the files that it needs beside those of this repository.
struct Workload {
    deploy: &'static str,
    files: Vec<(String, String)>,
}

impl Workload {
    fn of_this_repository(deploy: &'static str) -> Self {
        Self {
            deploy,
            files: Vec::new(),
        }
    }

    fn of_task(deploy: &'static str, task: &str) -> Self {
        let all = format!("hosts = ['*']\ntasks = ['bench/{deploy}']\n");
        Self {
            deploy,
            files: vec![
                (format!("tasks/bench/{deploy}.toml"), task.to_owned()),
                (format!("deploys/{deploy}.toml"), all),
            ],
        }
    }
}

/// A lab host behind its proxy.
struct Far {
    name: String,
    port: u16,
    identity_file: PathBuf,
}

impl Lab {
    fn up(hosts: usize, workloads: &[Workload]) -> Self {
        Self::up_with(hosts, "true", workloads)
    }

    /// As `up`, with what an inventory says of a lab host.
    fn up_with(hosts: usize, host: &str, workloads: &[Workload]) -> Self {
        let project = Project::of_this_repository();
        let names: Vec<String> = (1..=hosts).map(|number| format!("h{number}")).collect();
        let mut inventory = String::from("groups = ['development']\n");
        for name in &names {
            let _ = write!(inventory, "[hosts.{name}]\nlab = {host}\n");
        }
        project.write("inventories/dev.toml", &inventory);
        for (path, text) in workloads.iter().flat_map(|workload| &workload.files) {
            project.write(path, text);
        }
        project.homelab(&["lab", "up", "dev"]).expect(0);
        for workload in workloads {
            project.homelab(&["deploy", "dev", workload.deploy, "--yes"]).expect(0);
        }
        let addresses = homelab::lab::addresses(project.root(), "dev").unwrap();
        let mut known_hosts = String::new();
        let mut proxied = String::from("groups = ['development']\n");
        let mut far = Vec::new();
        for name in &names {
            let address = &addresses[name];
            let proxy = Proxy::to(&address.address, address.port, DELAY);
            let keys = std::fs::read_to_string(&address.known_hosts).unwrap();
            // One file has the keys of all lab hosts.
            let own = [name.clone(), format!("[{name}]:{}", address.port)];
            let is_own = |names: &str| names.split(',').any(|label| own.iter().any(|own| own == label));
            let mut keys = keys.lines().filter_map(|line| line.split_once(' '));
            let (_, key) = keys.find(|(names, _)| is_own(names)).unwrap();
            let _ = writeln!(known_hosts, "[127.0.0.1]:{} {key}", proxy.port());
            let _ = write!(
                proxied,
                "[hosts.{name}]\naddress = '127.0.0.1'\n[hosts.{name}.connection]\nuser = 'root'\nport = {}\nidentity_file = '{}'\n",
                proxy.port(),
                address.identity_file.display()
            );
            far.push(Far {
                name: name.clone(),
                port: proxy.port(),
                identity_file: address.identity_file.clone(),
            });
        }
        project.write("inventories/far.toml", &proxied);
        project.write("inventories/known_hosts", &known_hosts);
        Self { project, hosts, far }
    }

    /// One line of the table.
    fn measure(&self, workload: &str, pairs: usize) -> String {
        let floor = Floor::recorded(&self.project, workload, self.hosts);
        let kept = ["--keep-connections", "1m"];
        self.deploy(workload, &kept);
        let mut measured = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..pairs {
            measured[0].push(timed(|| floor.run()));
            measured[1].push(timed(|| self.deploy(workload, &[])));
            measured[2].push(timed(|| self.deploy(workload, &kept)));
        }
        let [least, fresh, kept] = measured;
        format!(
            "| {workload} | {} | {:.2} | {:.2} | {} | {} |",
            self.hosts,
            median(least.clone()),
            median(fresh.clone()),
            ratios(&fresh, &least),
            ratios(&kept, &least)
        )
    }

    /// A run that finds nothing to do.
    fn deploy(&self, workload: &str, further: &[&str]) {
        let arguments = [&["deploy", "far", workload, "--yes"], further].concat();
        let ran = self.project.homelab(&arguments).expect(0);
        assert!(ran.stdout.contains("nothing to do"), "{}", ran.stdout);
    }
}

/// Smallest, median and largest ratio of pairs.
fn ratios(ours: &[f64], least: &[f64]) -> String {
    let mut ratios: Vec<f64> = ours.iter().zip(least).map(|(ours, least)| ours / least).collect();
    ratios.sort_by(f64::total_cmp);
    format!(
        "{:.2} | {:.2} | {:.2}",
        ratios[0],
        median(ratios.clone()),
        ratios[ratios.len() - 1]
    )
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Fifty operations of the kinds that a lab has most of.
fn fifty() -> String {
    let mut task = String::from("[[operation]]\nop = 'files.directory'\npath = '/opt/bench'\n");
    for number in 1..=20 {
        let _ = write!(
            task,
            "[[operation]]\nop = 'files.put'\ndest = '/opt/bench/put{number}'\ncontent = 'file {number}'\n"
        );
    }
    for number in 1..=10 {
        let _ = write!(
            task,
            "[[operation]]\nop = 'files.line'\npath = '/opt/bench/put{number}'\nline = 'file {number}'\n"
        );
    }
    for number in 1..=6 {
        let _ = write!(
            task,
            "[[operation]]\nop = 'files.link'\npath = '/opt/bench/link{number}'\ntarget = 'put{number}'\n"
        );
    }
    for group in ["one", "two", "three"] {
        let _ = write!(
            task,
            "[[operation]]\nop = 'server.group'\ngroup = 'bench-{group}'\n\
             [[operation]]\nop = 'server.user'\nuser = 'bench-{group}'\ngroup = 'bench-{group}'\n"
        );
    }
    for package in ["bash", "openssh-server", "sudo"] {
        let _ = write!(task, "[[operation]]\nop = 'apt.packages'\npackages = ['{package}']\n");
    }
    for unit in [
        "ssh.service",
        "systemd-journald.service",
        "dbus.socket",
        "dpkg-db-backup.timer",
    ] {
        let _ = write!(
            task,
            "[[operation]]\nop = 'systemd.service'\nservice = '{unit}'\nstate = 'started'\n"
        );
    }
    assert_eq!(task.matches("[[operation]]").count(), 50);
    task
}
