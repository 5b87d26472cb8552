//! Two thousand files of 4 KiB on one lab host, beside the least that any tool could do over SSH: `tar c | ssh HOST tar x` to write
//! them, and `ssh HOST sha256sum` to find that nothing has changed. And five hundred operations beside fifty.
//!
//! `cargo bench --bench bulk -- [TURNS]` prints the figures, and fails if homelab takes more than its aims. It needs the lab and a
//! machine that does nothing else.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark may end at the first thing that is not as it should be, and prints its table"
)]

#[path = "../../tests/support/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;

use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use support::host::Host;
use support::project::Project;

const FILES: usize = 2000;
const FOLDERS: usize = 50;
const SIZE: usize = 4096;
/// Turns unless the command line says otherwise.
const TURNS: usize = 5;

/// How much more than the least it may take.
const FIRST_APPLY: f64 = 4.0;
const NO_CHANGE: f64 = 1.2;
/// How much longer five hundred operations with nothing to do may take than fifty.
const TEN_TIMES: f64 = 1.4;
/// How long two thousand operations may take, in seconds.
const SINGLE_FILES: f64 = 6.0;

fn main() {
    // `cargo bench` passes `--bench`, and `cargo test --benches` nothing that means to measure.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let turns = arguments.iter().find_map(|argument| argument.parse().ok());
    let (project, others) = project();
    let host = project.up("dev", "bulk");
    let bench = Bench {
        ssh: ssh(&project),
        project: &project,
        others,
        host,
    };
    let [sync, none, single, many] = bench.measure(turns.unwrap_or(TURNS));
    println!("| | least, s | homelab, s | ratio | aim |\n|---|---|---|---|---|");
    let first = sync.tell("files.sync, first apply", FIRST_APPLY);
    let unchanged = none.tell("files.sync, no change", NO_CHANGE);
    let ten_times = many.tell("500 operations of five kinds beside 50, no change", TEN_TIMES);
    let seconds = median(single.ours.clone());
    println!("| {FILES} files.put, first apply | | {seconds:.2} | | {SINGLE_FILES} s |");
    assert!(
        first <= FIRST_APPLY && unchanged <= NO_CHANGE && ten_times <= TEN_TIMES && seconds <= SINGLE_FILES,
        "slower than its aims"
    );
}

/// A project with the files and a deploy that syncs them; and the files of the other deploys. A run reads the whole project, so
/// thousands of operations of others would count as the time of the sync.
fn project() -> (Project, [(&'static str, String); 6]) {
    let mut puts = String::new();
    let mut files = Vec::new();
    for number in 0..FILES {
        let name = format!("d{:02}/f{number:04}", number % FOLDERS);
        let line = format!("file {number} of {FILES}\n");
        files.push((format!("templates/bulk/{name}"), line.repeat(SIZE / line.len())));
        let _ = write!(
            puts,
            "[[operation]]\nop = 'files.put'\nsrc = 'bulk/{name}'\ndest = '/srv/puts/f{number:04}'\nmode = '0644'\n"
        );
    }
    let sync = "[[operation]]\nop = 'files.sync'\nsrc = 'bulk'\ndest = '/srv/sync'\nmode = '0644'\n";
    let project = Project::of(&[
        ("inventories/dev.toml", "[hosts.bulk]\nlab = true\n"),
        ("deploys/sync.toml", "hosts = ['*']\ntasks = ['bulk/sync']\n"),
        ("tasks/bulk/sync.toml", sync),
    ]);
    for (path, text) in files {
        project.write(&path, text);
    }
    let deploy = |task: &str| format!("hosts = ['*']\ntasks = ['bulk/{task}']\n");
    let others = [
        ("deploys/puts.toml", deploy("puts")),
        ("tasks/bulk/puts.toml", puts),
        ("deploys/fifty.toml", deploy("fifty")),
        ("tasks/bulk/fifty.toml", mixed(50)),
        ("deploys/many.toml", deploy("many")),
        ("tasks/bulk/many.toml", mixed(500)),
    ];
    (project, others)
}

/// This many operations: directories, files, lines, links and groups, as many of each.
fn mixed(count: usize) -> String {
    let five = |number: usize| {
        format!(
            "[[operation]]\nop = 'files.directory'\npath = '/srv/m{number}'\n\
             [[operation]]\nop = 'files.put'\ncontent = 'file {number}'\ndest = '/srv/m{number}/f'\n\
             [[operation]]\nop = 'files.line'\npath = '/srv/m{number}/lines'\nline = 'line {number}'\ncreate = true\n\
             [[operation]]\nop = 'files.link'\npath = '/srv/m{number}/link'\ntarget = 'f'\n\
             [[operation]]\nop = 'server.group'\ngroup = 'm{number}'\n"
        )
    };
    (0..count / 5).map(five).collect()
}

/// What a shell of this machine runs to reach the host.
fn ssh(project: &Project) -> String {
    let address = &homelab::lab::addresses(project.root(), "dev").unwrap()["bulk"];
    format!(
        "ssh -F none -i '{}' -o UserKnownHostsFile='{}' -p {} root@{}",
        address.identity_file.display(),
        address.known_hosts.display(),
        address.port,
        address.address
    )
}

struct Bench<'a> {
    ssh: String,
    project: &'a Project,
    others: [(&'static str, String); 6],
    host: Host<'a>,
}

struct Times {
    least: Vec<f64>,
    ours: Vec<f64>,
}

impl Bench<'_> {
    fn measure(&self, turns: usize) -> [Times; 4] {
        let [mut sync, mut none, mut single, mut many] = [const { Times::new() }; 4];
        for _ in 0..turns {
            self.host.on("rm -rf /srv/* /var/lib/homelab; mkdir /srv/tar /srv/puts");
            sync.least
                .push(self.here(&format!("tar c -C templates/bulk . | {} tar x -C /srv/tar", self.ssh)));
            sync.ours.push(self.deploy("sync"));
            none.least.push(self.here(&format!(
                "{} 'find /srv/sync -type f -exec sha256sum {{}} +' >/dev/null",
                self.ssh
            )));
            none.ours.push(self.deploy("sync"));
            for (path, text) in &self.others {
                self.project.write(path, text);
            }
            single.ours.push(self.deploy("puts"));
            for deploy in ["fifty", "many"] {
                self.deploy(deploy);
            }
            many.least.push(self.deploy("fifty"));
            many.ours.push(self.deploy("many"));
            for (path, _) in &self.others {
                std::fs::remove_file(self.project.root().join(path)).unwrap();
            }
        }
        [sync, none, single, many]
    }

    fn here(&self, line: &str) -> f64 {
        let start = Instant::now();
        let ended = Command::new("sh")
            .args(["-c", line])
            .current_dir(self.project.root())
            .status()
            .unwrap();
        assert!(ended.success(), "{line}");
        start.elapsed().as_secs_f64()
    }

    fn deploy(&self, deploy: &str) -> f64 {
        let start = Instant::now();
        self.project.homelab(&["deploy", "dev", deploy, "--yes"]).expect(0);
        start.elapsed().as_secs_f64()
    }
}

impl Times {
    const fn new() -> Self {
        Self {
            least: Vec::new(),
            ours: Vec::new(),
        }
    }

    /// Prints a line of the table; returns the ratio of the medians.
    fn tell(&self, what: &str, aim: f64) -> f64 {
        let (least, ours) = (median(self.least.clone()), median(self.ours.clone()));
        let ratio = ours / least;
        println!("| {what} | {least:.2} | {ours:.2} | {ratio:.2} | {aim} |");
        ratio
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
