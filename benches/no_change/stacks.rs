//! Ten compose stacks of two services with nothing to do, beside one `ssh HOST sh` with commands that someone would write by hand to
//! read the same: what Docker has, the files, and what compose makes of them.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use super::{Lab, Workload, median, ratios, timed};

const STACKS: usize = 10;

const COMPOSE: &str = "services:
  app:
    image: busybox:1.37
    command: [sleep, infinity]
    init: true
    env_file: app.env
    volumes: ['./conf:/conf']
  side: { image: 'busybox:1.37', command: [sleep, infinity], init: true, network_mode: 'service:app' }
";

/// One round trip by hand. The hash on a container is that of the filled in configuration, so it takes two calls of compose.
const DOCKER: &str =
    "docker version; docker inspect $(docker ps -aq); docker image ls --no-trunc --digests; docker network ls\n";
const FILES: &str = "cd /opt/stacks/s$stack; sha256sum compose.yaml app.env conf/a\n";
const ONE_CALL: &str = "docker compose config --hash '*'\n";
const TWO_CALLS: &str = "docker compose config --format json | docker compose -f - config --hash '*'\n";

pub(super) fn compare(pairs: usize) {
    let lab = Lab::up_with(1, "{ image = 'debian:13-docker', registry = true }", &[workload()]);
    println!("| by hand | by hand, s | homelab, s | ratio min | median | max |");
    println!("|---|---|---|---|---|---|");
    for (name, calls) in [("compose once a stack", ONE_CALL), ("compose twice a stack", TWO_CALLS)] {
        let numbers: Vec<String> = (1..=STACKS).map(|number| number.to_string()).collect();
        let text = format!("{DOCKER}for stack in {}; do\n{FILES}{calls}done\n", numbers.join(" "));
        let (mut ours, mut least) = (Vec::new(), Vec::new());
        for _ in 0..pairs {
            least.push(timed(|| by_hand(&lab, &text)));
            ours.push(timed(|| lab.deploy("stacks", &[])));
        }
        println!(
            "| {name} | {:.2} | {:.2} | {} |",
            median(least.clone()),
            median(ours.clone()),
            ratios(&ours, &least)
        );
    }
}

fn workload() -> Workload {
    let mut task = String::new();
    let mut workload = Workload::of_task("stacks", "");
    for number in 1..=STACKS {
        let _ = write!(
            task,
            "[[operation]]\nop = 'docker.compose'\nstack = 's{number}'\nproject_directory = '/opt/stacks/s{number}'\nsettle = '1s'\n"
        );
        for (path, text) in [("compose.yaml", COMPOSE), ("app.env", "A=b\n"), ("conf/a", "a\n")] {
            let path = format!("templates/services/s{number}/{path}");
            workload.files.push((path, text.to_owned()));
        }
    }
    workload.files.push(("tasks/bench/stacks.toml".to_owned(), task));
    workload
}

pub(super) fn by_hand(lab: &Lab, text: &str) {
    let far = &lab.far[0];
    let known_hosts = lab.project.root().join("inventories/known_hosts");
    let mut ssh = Command::new("ssh")
        .args(["-F", "none", "-o", "BatchMode=yes", "-o"])
        .arg(format!("UserKnownHostsFile={}", known_hosts.display()))
        .arg("-i")
        .arg(&far.identity_file)
        .args(["-p", &far.port.to_string(), "root@127.0.0.1", "sh -e"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut ssh.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = ssh.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.len() > 1000, "{output:?}");
}
