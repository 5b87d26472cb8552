//! Kills at random moments while files go back: of the tool, after a restart whose unit died, and of the lock-out guard.
//!
//! `scripts/chaos [FAULTS] [SEED]` injects more of them than a test run does.

use std::env;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::deploy::guard::{DROP_IN, LISTENS, PATIENCE, is_disarmed, sshd};
use crate::support::host::Host;
use crate::support::project::Project;

/// How many kills a test run tries for each kind.
const KILLS: u64 = 3;

/// How many kills, and the seed of their moments.
fn kills() -> (u64, u64) {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let kills = number("HOMELAB_CHAOS_FAULTS").unwrap_or(KILLS);
    let seed = number("HOMELAB_CHAOS_SEED").unwrap_or_else(rand::random);
    (kills, seed)
}

/// A service with a file that notifies its handler, and one of its own. It runs only if both say `good` or `better`.
const SERVICE: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "{{ value }}\n{{ padding }}\n"
notify = ["use it"]

[[operation]]
op = "files.put"
dest = "/etc/systemd/system/app.service"
content = """
[Service]
Environment=VALUE={{ value }}
ExecStartPre=/bin/sh -c 'sleep 0.3; grep -q good /etc/app.conf'
ExecStart=/bin/sleep infinity
"""

[[operation]]
op = "systemd.service"
service = "app"
state = "started"
when = "starts"

[[handler]]
name = "use it"
op = "systemd.service"
service = "app"
state = "restarted"
"#;

fn data(project: &Project, value: &str, starts: bool) {
    let padding = value.repeat(100_000);
    let text = format!("value = '{value}'\nstarts = {starts}\npadding = '{padding}'\n");
    project.write("group_data/all.toml", text);
}

/// Both files whole, each with one of these values.
#[track_caller]
fn is_whole(host: &Host<'_>, values: &[&str], told: &str) {
    let found = host.inside("cat /etc/app.conf");
    let whole = |value: &&&str| found == format!("{value}\n{}\n", value.repeat(100_000));
    assert!(
        values.iter().any(|value| whole(&value)),
        "{told}: {} bytes",
        found.len()
    );
    let unit = host.inside("cat /etc/systemd/system/app.service");
    assert!(
        values.iter().any(|value| unit.contains(&format!("VALUE={value}\n"))) && unit.ends_with("infinity\n"),
        "{told}: {unit}"
    );
    assert_eq!(host.inside("find /etc -name '.homelab-*'"), "", "{told}");
}

#[test]
fn a_kill_while_files_go_back_loses_nothing() {
    let (kills, seed) = kills();
    println!("{kills} kills, seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let project = Project::with_task(SERVICE);
    let host = project.up("dev", "alpha");
    data(&project, "good", true);
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    let dies = "journalctl -q -u app | tail -n 1 | grep -q 'Failed to start'";
    let next = |code: i32| {
        let next = ["deploy", "dev", "all", "--yes", "--lock-wait", "60s"];
        let ran = project.homelab(&next).expect(code);
        format!("{}{}", ran.stdout, ran.stderr)
    };
    for kill in 0..kills {
        // Restarted by its own operation, or by the handler.
        let starts = kill % 2 == 0;
        data(&project, "bad", starts);
        let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        host.wait_until(dies, Duration::from_secs(30));
        let after = Duration::from_millis(random.random_range(0..1500));
        thread::sleep(after);
        run.kill().unwrap();
        run.wait().unwrap();
        let told = format!("kill {kill} after {after:?}, by its own operation: {starts}");
        host.wait_until("flock -n /run/homelab.lock true", PATIENCE);
        is_whole(&host, &["good", "bad"], &told);
        // It fails again, and all of it goes back.
        let said = next(1);
        is_whole(&host, &["good"], &format!("{told}\n{said}"));
        assert_eq!(
            host.inside("systemctl is-active app || true"),
            "active\n",
            "{told}\n{said}"
        );
        let records = "find /var/lib/homelab/owed /var/lib/homelab/units -type f";
        assert_eq!(host.inside(records), "", "{told}\n{said}");
        data(&project, "good", true);
        let said = next(0);
        assert!(said.contains("nothing to do"), "{told}\n{said}");
    }
    host.is_left_in_order();
}

/// How long anything may take on a busy machine. The guard itself would wait longer.
const LONGEST: Duration = Duration::from_secs(180);

/// Holds the run before it would look for a new connection, until the guard has gone back: when the run is killed, it is always as far.
/// What it has begun puts off the time of the guard no more.
const HOLD: &str = r#"
[[operation]]
op = 'server.shell'
always = true
commands = ['touch /run/held; timeout 300 sh -c "until ls /var/lib/homelab/jobs/*/status >/dev/null 2>&1; do sleep 0.1; done"']
"#;

#[test]
fn a_guard_that_is_killed_goes_back_all_the_same() {
    let (kills, seed) = kills();
    println!("{kills} kills, seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let project = Project::with_task(&sshd("Banner none\n"));
    let host = project.up("dev", "alpha");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    for kill in 0..kills {
        let task = sshd(&format!("Port 2222\n# {kill}\n")) + HOLD;
        project.write("tasks/test/files.toml", task);
        let mut command = project.command(&["deploy", "dev", "all", "--yes", "--guard-within", "10m"]);
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        host.wait_until("ss -tlnH sport = :2222 | grep -q . && rm /run/held", LONGEST);
        run.kill().unwrap();
        run.wait().unwrap();
        host.inside("for g in /var/lib/homelab/jobs/*; do echo 0 >$g/until; done");
        // The watch looks once a second.
        let after = Duration::from_millis(random.random_range(0..1800));
        thread::sleep(after);
        host.is("systemctl kill -s KILL 'homelab-guard-*'");
        let since = Instant::now();
        host.wait_until(LISTENS, LONGEST);
        let told = format!("kill {kill} after {after:?}: open again after {:?}", since.elapsed());
        host.wait_until("ls /var/lib/homelab/jobs/*/status", LONGEST);
        assert_eq!(host.inside(&format!("cat {DROP_IN}")), "Banner none\n", "{told}");
        println!("{told}");
        project.write("tasks/test/files.toml", sshd("Banner none\n"));
        let ran = project
            .homelab(&["deploy", "dev", "all", "--yes", "--lock-wait", "3m"])
            .expect(0);
        assert!(
            ran.stdout.contains("the lock-out guard of an earlier run went back"),
            "{told}\n{}",
            ran.stdout
        );
        is_disarmed(&host);
    }
}
