//! Large files are sent from disk, whole or not at all; commands read what they are given.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use homelab::change::{Command as Run, ScriptOptions, Step};
use homelab::content::Input;
use homelab::facts::Identity;
use homelab::secret::{DigestKey, sha256_hex};

use crate::support::host::Host;
use crate::support::project::{Project, text};

const PUT: &str = "[[operation]]\nop = 'files.put'\nsrc = 'big.bin'\ndest = '/opt/big'\nmode = '0644'\n";
const WAITS: &str = "[[operation]]\nop = 'server.shell'\ncommands = ['touch /run/ready; sleep 8']\nalways = true\n";
const LOUD: &str = "[[operation]]\nop = 'server.shell'\nname = 'loud'\nalways = true\n\
    commands = ['yes 0123456789012345678901234567890123456789012345678901234567890123 | head -c 300000000']\n";
const PATIENCE: Duration = Duration::from_secs(60);
const SESSION: &str = "'^sshd(-session)?: root@notty'";

fn bytes(megabytes: usize, seed: u8) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    (0..megabytes * 1_000_000).map(|_| next()).collect()
}

fn digest_on(host: &Host<'_>) -> String {
    host.inside("sha256sum </opt/big").split(' ').next().unwrap().to_owned()
}

/// Runs homelab to its end: what it wrote, and the most memory that it ever had, in kB.
fn run_and_measure(project: &Project, arguments: &[&str]) -> (String, u64) {
    let path = project.root().join("output");
    let output = File::create(&path).unwrap();
    let mut command = project.command(arguments);
    command.stdout(output.try_clone().unwrap()).stderr(output);
    let mut child = command.spawn().unwrap();
    let status_of = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        let status = fs::read_to_string(&status_of).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(now.unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let written = text(&fs::read(&path).unwrap());
    assert!(ended.success(), "{written}");
    (written, peak)
}

fn nothing_is_left(host: &Host<'_>) {
    host.wait_until("! ls -d /opt/.homelab-* 2>/dev/null", Duration::from_secs(10));
}

#[test]
fn a_large_file_arrives_whole_and_the_next_run_is_quiet() {
    let project = Project::with_task(PUT);
    let big = bytes(70, 1);
    project.write("templates/big.bin", &big);
    let host = project.up("dev", "alpha");
    let planned = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    let shown = format!("[a large file, 70000000 bytes, sha256 {}]", sha256_hex(&big));
    assert!(planned.stdout.contains(&shown), "{}", planned.stdout);
    assert!(!host.is("ls -d /opt/big /opt/.homelab-*"), "a dry run wrote it");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(digest_on(&host), sha256_hex(&big));
    assert_eq!(host.inside("stat -c '%a %U %s' /opt/big"), "644 root 70000000\n");
    nothing_is_left(&host);
    let again = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}

#[test]
fn a_file_that_changes_after_the_review_is_refused() {
    let project = Project::with_task(&format!("{WAITS}{PUT}"));
    project.write("templates/big.bin", bytes(3, 1));
    let host = project.up("dev", "alpha");
    host.inside("echo old >/opt/big");
    let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    host.wait_until("test -e /run/ready", PATIENCE);
    project.write("templates/big.bin", bytes(3, 2));
    let output = run.wait_with_output().unwrap();
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("`templates/big.bin` changed after the plan was made"),
        "{told}"
    );
    assert_eq!(host.inside("cat /opt/big"), "old\n");
    nothing_is_left(&host);
}

#[test]
fn a_link_that_is_cut_amid_an_upload_leaves_the_old_file() {
    let project = Project::with_task(PUT);
    let big = bytes(300, 1);
    project.write("templates/big.bin", &big);
    let host = project.up("dev", "alpha");
    host.inside("echo old >/opt/big");
    let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    host.wait_until("test -n \"$(find /opt -name '.homelab-*' -size +1M)\"", PATIENCE);
    host.inside(&format!("pkill -KILL -f {SESSION}"));
    let output = run.wait_with_output().unwrap();
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("alpha: connection lost"), "{told}");
    assert_eq!(host.inside("cat /opt/big"), "old\n");
    nothing_is_left(&host);
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(digest_on(&host), sha256_hex(&big));
}

#[test]
fn memory_does_not_grow_with_files_and_output() {
    const MOST: u64 = 100_000;
    let project = Project::with_task(PUT);
    project.write("deploys/loud.toml", "hosts = ['alpha']\ntasks = ['test/loud']\n");
    project.write("tasks/test/loud.toml", LOUD);
    let block = bytes(1, 1);
    project.write("templates/big.bin", "");
    let big = project.root().join("templates/big.bin");
    let mut file = File::create(&big).unwrap();
    for _ in 0..500 {
        file.write_all(&block).unwrap();
    }
    let host = project.up("dev", "alpha");
    let (_, peak) = run_and_measure(&project, &["deploy", "dev", "all", "--yes"]);
    assert!((1_000..MOST).contains(&peak), "{peak} kB");
    let here = Command::new("sha256sum").arg(&big).output().unwrap();
    assert_eq!(text(&here.stdout).split(' ').next().unwrap(), digest_on(&host));
    nothing_is_left(&host);
    let (again, peak) = run_and_measure(&project, &["deploy", "dev", "all", "--yes"]);
    assert!(again.contains("nothing to do"), "{again}");
    assert!((1_000..MOST).contains(&peak), "{peak} kB");

    let (written, peak) = run_and_measure(&project, &["deploy", "dev", "loud", "--yes", "--verbose"]);
    assert!((1_000..MOST).contains(&peak), "{peak} kB");
    let left_out = written.lines().find_map(|line| {
        let count = line.split_once("… ")?.1.strip_suffix(" bytes left out")?;
        count.replace(',', "").parse::<usize>().ok()
    });
    let left_out = left_out.expect("the output is told as capped");
    let shown: usize = written
        .lines()
        .filter_map(|line| line.strip_prefix("alpha  | ").filter(|line| !line.contains("left out")))
        .map(|line| line.len() + 1)
        .sum();
    // A line that is cut in two has two line breaks here, and the last one has none on the host.
    assert!((left_out + shown).abs_diff(300_000_000) <= 2, "{left_out} + {shown}");
}

/// Runs a step's shell text on the host, as the channel does, its input on standard input.
fn perform(host: &Host<'_>, command: Run) -> String {
    let script = Step::Run(command).script(&ScriptOptions {
        live: false,
        random: 7,
        resolved: None,
    });
    assert!(!script.body.contains("hunter2"));
    // The channel has a function that finds out whether homelab still listens.
    let body = format!("hl_alive() {{ :; }}\n{}", script.body);
    let mut docker = Command::new("docker");
    docker.args(["exec", "-i", host.container(), "sh", "-c", &body]);
    let mut child = docker.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let content = script.content.unwrap();
    child.stdin.take().unwrap().write_all(content.bytes().unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stdout));
    text(&output.stdout)
}

#[test]
fn a_command_reads_its_input_also_as_another_user_and_as_a_job() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    host.inside("useradd -m deploy");
    let secret = "hunter2\n".repeat(100_000);
    let reads = || Run {
        input: Some(Input::secret(secret.clone().into_bytes(), &DigestKey::random())),
        ..Run::new(
            "reads",
            "id -un; sha256sum; cat /proc/[0-9]*/cmdline 2>/dev/null | grep -a -c 'hunter[2]'",
        )
    };
    let digest = sha256_hex(secret.as_bytes());
    let ways = [
        (reads(), "root"),
        (
            Run {
                by: Identity::User("deploy".to_owned()),
                ..reads()
            },
            "deploy",
        ),
        (
            Run {
                supervised: true,
                ..reads()
            },
            "root",
        ),
    ];
    for (mut command, user) in ways {
        command.script = format!("{} || true", command.script);
        assert_eq!(perform(&host, command), format!("{user}\n{digest}  -\n0\n"));
    }
    assert_eq!(host.inside("ls /var/lib/homelab/jobs"), "");
}
