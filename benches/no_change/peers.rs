//! The same fifty operations by homelab, pyinfra, Ansible, and Ansible with Mitogen, beside one `ssh HOST sh` that reads what
//! homelab reads.
//!
//! `scripts/bench-peers` installs the others and calls this.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::floor::Floor;
use crate::support::project::text;
use crate::{Lab, Workload, median, ratios, timed};

const PACKAGES: [&str; 5] = ["tree", "bc", "jq", "lsof", "file"];
const WORKLOAD: &str = "peers";
/// What Ansible needs on a host; the others need nothing.
const PREPARE: &str = "apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3 python3-apt";
/// Takes back what the workload does, so that it can be done again.
const UNDO: &str = "systemctl disable -q --now peers1 peers2 peers3 peers4 peers5; rm -f /etc/systemd/system/peers*.service; \
    systemctl daemon-reload; for n in 1 2 3 4 5; do userdel -r peers$n; done; rm -rf /opt/peers*; \
    apt-get -qq purge -y tree bc jq lsof file; apt-get -qq autoremove -y --purge";

/// Prints the table, for 1 and 10 hosts if `hosts` is empty. `tools` is the folder of `pyinfra` and `ansible-playbook`.
pub(crate) fn compare(tools: &Path, turns: usize, hosts: &[usize]) {
    println!("| hosts | run | minimum, s | tool | s | ratio min | median | max |");
    println!("|---|---|---|---|---|---|---|---|");
    for &hosts in if hosts.is_empty() { &[1, 10] } else { hosts } {
        let lab = Lab::up(hosts, &[workload()]);
        let peers = Peers::new(&lab, tools);
        for turn in [Turn::First, Turn::DryRun, Turn::NoChange] {
            peers.measure(turn, if turn == Turn::First { 1 } else { turns });
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    First,
    DryRun,
    NoChange,
}

#[derive(Clone, Copy, Debug)]
enum Tool {
    Homelab,
    HomelabKept,
    Pyinfra,
    Ansible,
    Mitogen,
}

const TOOLS: [(Tool, &str); 5] = [
    (Tool::Homelab, "homelab"),
    (Tool::HomelabKept, "homelab, connections kept"),
    (Tool::Pyinfra, "pyinfra"),
    (Tool::Ansible, "Ansible"),
    (Tool::Mitogen, "Ansible with Mitogen"),
];

struct Peers<'a> {
    lab: &'a Lab,
    tools: &'a Path,
    floor: Floor,
    strategy: String,
}

impl<'a> Peers<'a> {
    fn new(lab: &'a Lab, tools: &'a Path) -> Self {
        let project = &lab.project;
        project.write("peers/inventory.py", inventory_of_pyinfra(lab));
        project.write("peers/deploy.py", deploy_of_pyinfra());
        project.write("peers/inventory.yml", inventory_of_ansible(lab));
        project.write("peers/site.yml", playbook());
        let prepare = format!("({PREPARE}) >/dev/null 2>&1");
        project.homelab(&["exec", "far", "*", "--", &prepare]).expect(0);
        project.homelab(&["deploy", "far", WORKLOAD, "--yes"]).expect(0);
        let python = "import ansible_mitogen, os; print(os.path.dirname(ansible_mitogen.__file__))";
        let found = Command::new(tools.join("python"))
            .args(["-c", python])
            .output()
            .unwrap();
        Self {
            lab,
            tools,
            floor: Floor::recorded(project, WORKLOAD, lab.hosts),
            strategy: format!("{}/plugins/strategy", text(&found.stdout).trim()),
        }
    }

    fn measure(&self, turn: Turn, turns: usize) {
        let mut least = Vec::new();
        let mut measured = [const { Vec::new() }; TOOLS.len()];
        for _ in 0..turns {
            self.converge();
            least.push(timed(|| self.floor.run()));
            for (times, (tool, _)) in measured.iter_mut().zip(TOOLS) {
                if turn == Turn::First {
                    self.undo();
                }
                times.push(timed(|| self.run(tool, turn)));
            }
        }
        for (times, (_, name)) in measured.iter().zip(TOOLS) {
            println!(
                "| {} | {turn:?} | {:.2} | {name} | {:.2} | {} |",
                self.lab.hosts,
                median(least.clone()),
                median(times.clone()),
                ratios(times, &least)
            );
        }
    }

    fn converge(&self) {
        self.lab
            .project
            .homelab(&["deploy", "far", WORKLOAD, "--yes"])
            .expect(0);
    }

    fn undo(&self) {
        let undo = format!("({UNDO}) >/dev/null 2>&1; true");
        self.lab.project.homelab(&["exec", "far", "*", "--", &undo]).expect(0);
    }

    fn run(&self, tool: Tool, turn: Turn) {
        let mut command = match tool {
            Tool::Homelab | Tool::HomelabKept => {
                let mut arguments = vec!["deploy", "far", WORKLOAD];
                arguments.push(if turn == Turn::DryRun { "--dry-run" } else { "--yes" });
                if matches!(tool, Tool::HomelabKept) {
                    arguments.extend(["--keep-connections", "1m"]);
                }
                self.lab.project.command(&arguments)
            }
            Tool::Pyinfra => {
                let mut command = Command::new(self.tools.join("pyinfra"));
                command.args(["inventory.py", "deploy.py"]);
                command.arg(if turn == Turn::DryRun { "--dry" } else { "-y" });
                command
            }
            Tool::Ansible | Tool::Mitogen => {
                let mut command = Command::new(self.tools.join("ansible-playbook"));
                command.args(["-i", "inventory.yml", "site.yml", "--forks", "10"]);
                command.args((turn == Turn::DryRun).then_some("--check"));
                command.env("ANSIBLE_PIPELINING", "true");
                if matches!(tool, Tool::Mitogen) {
                    command.env("ANSIBLE_STRATEGY", "mitogen_linear");
                    command.env("ANSIBLE_STRATEGY_PLUGINS", &self.strategy);
                }
                command
            }
        };
        if !matches!(tool, Tool::Homelab | Tool::HomelabKept) {
            command.current_dir(self.lab.project.root().join("peers"));
        }
        check(tool, turn, &command.stdin(Stdio::null()).output().unwrap());
    }
}

/// A tool that failed, or changed something where nothing was to do, is not comparable.
fn check(tool: Tool, turn: Turn, output: &Output) {
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{tool:?} {turn:?}: {said}");
    let is_quiet = match tool {
        Tool::Homelab | Tool::HomelabKept => said.contains("nothing to do"),
        Tool::Pyinfra => !said.contains("Changed:") || said.contains("Changed: 0"),
        Tool::Ansible | Tool::Mitogen => !said
            .lines()
            .any(|line| line.contains("changed=") && !line.contains("changed=0")),
    };
    assert!(turn == Turn::First || is_quiet, "{tool:?} {turn:?}: {said}");
}

fn workload() -> Workload {
    let mut workload = Workload::of_task(WORKLOAD, &task());
    let template = |number| {
        let path = format!("templates/peers{number}.j2");
        (path, format!("file {number} of {{{{ 'bench' }}}}\n"))
    };
    workload.files.extend((1..=20).map(template));
    workload
}

/// The workload for homelab.
fn task() -> String {
    let mut task = String::new();
    for number in 1..=5 {
        let _ = write!(
            task,
            "[[operation]]\nop = 'files.directory'\npath = '/opt/peers{number}'\nmode = '0750'\n"
        );
    }
    for number in 1..=20 {
        let _ = write!(
            task,
            "[[operation]]\nop = 'files.template'\nsrc = 'peers{number}.j2'\ndest = '/opt/peers1/file{number}'\nmode = '0644'\n"
        );
    }
    for number in 1..=5 {
        let _ = write!(
            task,
            "[[operation]]\nop = 'server.user'\nuser = 'peers{number}'\nshell = '/bin/sh'\n"
        );
    }
    for package in PACKAGES {
        let _ = write!(task, "[[operation]]\nop = 'apt.packages'\npackages = ['{package}']\n");
    }
    for number in 1..=5 {
        let _ = write!(
            task,
            "[[operation]]\nop = 'files.line'\npath = '/opt/peers1/file{number}'\nline = 'file {number} of bench'\n"
        );
    }
    for number in 1..=5 {
        let _ = write!(
            task,
            "[[operation]]\nop = 'systemd.unit'\nunit = 'peers{number}'\ncontent = \"\"\"\n{UNIT}\"\"\"\n"
        );
    }
    for number in 1..=5 {
        let _ = write!(
            task,
            "[[operation]]\nop = 'systemd.service'\nservice = 'peers{number}'\nstate = 'started'\nenabled = true\n"
        );
    }
    assert_eq!(task.matches("[[operation]]").count(), 50);
    task
}

const UNIT: &str = "[Service]\nExecStart=/usr/bin/sleep infinity\n\n[Install]\nWantedBy=multi-user.target\n";

fn inventory_of_pyinfra(lab: &Lab) -> String {
    let mut hosts = String::from("hosts = [\n");
    for far in &lab.far {
        let _ = writeln!(
            hosts,
            "    ({:?}, {{'ssh_hostname': '127.0.0.1', 'ssh_port': {}, 'ssh_user': 'root', 'ssh_key': {:?}, \
             'ssh_known_hosts_file': {:?}}}),",
            far.name,
            far.port,
            far.identity_file.display().to_string(),
            lab.project.root().join("inventories/known_hosts").display().to_string(),
        );
    }
    hosts + "]\n"
}

/// The workload for pyinfra.
fn deploy_of_pyinfra() -> String {
    format!(
        r#"from io import StringIO
from pyinfra.operations import apt, files, server, systemd

for number in range(1, 6):
    files.directory(path=f"/opt/peers{{number}}", mode="750")
for number in range(1, 21):
    files.template(src=f"../templates/peers{{number}}.j2", dest=f"/opt/peers1/file{{number}}", mode="644")
for number in range(1, 6):
    server.user(user=f"peers{{number}}", shell="/bin/sh")
for package in {PACKAGES:?}:
    apt.packages(packages=[package])
for number in range(1, 6):
    files.line(path=f"/opt/peers1/file{{number}}", line=f"file {{number}} of bench")
for number in range(1, 6):
    files.put(src=StringIO({UNIT:?}), dest=f"/etc/systemd/system/peers{{number}}.service")
for number in range(1, 6):
    systemd.service(service=f"peers{{number}}", running=True, enabled=True)
"#
    )
}

fn inventory_of_ansible(lab: &Lab) -> String {
    let mut hosts = String::from("all:\n  hosts:\n");
    for far in &lab.far {
        let _ = write!(
            hosts,
            "    {}:\n      ansible_host: 127.0.0.1\n      ansible_port: {}\n      ansible_user: root\n      \
             ansible_ssh_private_key_file: {:?}\n      ansible_ssh_common_args: -o UserKnownHostsFile={}\n",
            far.name,
            far.port,
            far.identity_file.display().to_string(),
            lab.project.root().join("inventories/known_hosts").display(),
        );
    }
    hosts
}

/// The workload for Ansible: its loops make fifty results, as in the others.
fn playbook() -> String {
    format!(
        r#"- hosts: all
  tasks:
    - file: {{ path: "/opt/peers{{{{ item }}}}", state: directory, mode: "0750" }}
      loop: {{{{ range(1, 6) | list }}}}
    - template: {{ src: "../templates/peers{{{{ item }}}}.j2", dest: "/opt/peers1/file{{{{ item }}}}", mode: "0644" }}
      loop: {{{{ range(1, 21) | list }}}}
    - user: {{ name: "peers{{{{ item }}}}", shell: /bin/sh }}
      loop: {{{{ range(1, 6) | list }}}}
    - apt: {{ name: "{{{{ item }}}}" }}
      loop: {PACKAGES:?}
    - lineinfile: {{ path: "/opt/peers1/file{{{{ item }}}}", line: "file {{{{ item }}}} of bench" }}
      loop: {{{{ range(1, 6) | list }}}}
    - copy: {{ content: {UNIT:?}, dest: "/etc/systemd/system/peers{{{{ item }}}}.service" }}
      loop: {{{{ range(1, 6) | list }}}}
    - systemd_service: {{ name: "peers{{{{ item }}}}", state: started, enabled: true }}
      loop: {{{{ range(1, 6) | list }}}}
"#
    )
    .replace("loop: {{ range", "loop: \"{{ range")
    .replace("| list }}", "| list }}\"")
}
