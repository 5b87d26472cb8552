//! The tool is killed in the middle of its work: nothing of it stays behind, and the next run goes on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::host::Host;
use crate::support::project::Project;

/// A run of the tool with a folder of its own for its control socket.
pub(crate) struct Victim {
    child: Child,
    runtime: tempfile::TempDir,
}

impl Victim {
    pub(crate) fn deploy(project: &Project, deploy: &str) -> Self {
        let runtime = tempfile::tempdir().unwrap();
        let mut command = project.command(&["deploy", "dev", deploy, "--yes"]);
        command.env("XDG_RUNTIME_DIR", runtime.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, runtime }
    }

    fn sockets(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.runtime.path().join("homelab"));
        entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect()
    }

    /// Kills the tool with a signal that it cannot see; what it had started must end by itself.
    pub(crate) fn kill(mut self) {
        let family = descendants(self.child.id());
        let ssh = family.iter().filter(|process| process.1 == "ssh").count();
        assert_eq!(ssh, 1, "one connection a host: {family:?}");
        assert_eq!(self.sockets().len(), 1);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let start = Instant::now();
        while family.iter().any(is_alive) || !self.sockets().is_empty() {
            let left: Vec<_> = family.iter().filter(|process| is_alive(process)).collect();
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "{left:?} {:?}",
                self.sockets()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Number, name and start of a process: numbers are used again.
type Process = (u32, String, String);

fn process(id: u32) -> Option<(Process, u32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    Some(((id, name, (*fields.get(19)?).to_owned()), parent))
}

fn is_alive(known: &Process) -> bool {
    process(known.0).is_some_and(|(found, _)| found == *known)
}

fn descendants(of: u32) -> Vec<Process> {
    let numbers = fs::read_dir(Path::new("/proc")).unwrap().flatten();
    let all: Vec<(Process, u32)> = numbers
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect();
    let mut family = BTreeSet::from([of]);
    loop {
        let size = family.len();
        family.extend(
            all.iter()
                .filter(|(_, parent)| family.contains(parent))
                .map(|(one, _)| one.0)
                .collect::<Vec<_>>(),
        );
        if family.len() == size {
            break;
        }
    }
    all.into_iter()
        .map(|(one, _)| one)
        .filter(|one| family.contains(&one.0) && one.0 != of)
        .collect()
}

const FILES: &str = "[[operation]]
op = 'files.put'
dest = '/opt/first'
content = 'first'
validate = ['sh', '-c', 'sleep 4', '{path}']

[[operation]]
op = 'files.put'
dest = '/opt/second'
content = 'second'
";

#[test]
fn killed_while_it_writes_files() {
    let project = Project::with_task(FILES);
    let host = project.up("dev", "alpha");
    let victim = Victim::deploy(&project, "all");
    host.wait_until("ls /opt/.homelab*", Duration::from_secs(30));
    victim.kill();
    host.is_left_in_order();
    // Each file is whole or not there at all.
    assert_eq!(host.inside("cat /opt/first 2>/dev/null || printf first"), "first");
    assert!(!host.is("test -e /opt/second"), "a step began after the tool was gone");

    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(host.inside("cat /opt/first /opt/second"), "firstsecond");
    let again = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}

#[test]
fn killed_while_apt_installs() {
    let project = Project::of_this_repository();
    let tasks = "tasks = ['system/monitoring', 'system/unattended-upgrades']\n";
    project.write("deploys/packages.toml", format!("hosts = ['services-dev']\n{tasks}"));
    project.homelab(&["lab", "up", "dev", "packages"]).expect(0);
    let host = Host::of(&project, "dev", "services-dev");
    let victim = Victim::deploy(&project, "packages");
    host.wait_until("grep -qs ' unpacked ' /var/log/dpkg.log", Duration::from_secs(180));
    victim.kill();
    // apt is not torn out of its work: it goes on as a job of the host.
    assert!(host.is("pgrep -x apt-get"), "apt was cut off");

    let waiting = ["deploy", "dev", "packages", "--yes", "--lock-wait", "3m"];
    project.homelab(&waiting).expect(0);
    assert_eq!(host.inside("dpkg --audit"), "");
    for package in ["prometheus-node-exporter", "unattended-upgrades"] {
        assert_eq!(
            host.inside(&format!("dpkg-query -W -f '${{db:Status-Abbrev}}' {package}")),
            "ii "
        );
    }
    host.is_left_in_order();
    assert!(
        !host.is("systemctl list-units --all --no-legend 'homelab-job-*' | grep ."),
        "a job is left"
    );
    let again = project.homelab(&["deploy", "dev", "packages", "--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}
