//! Through other hosts, by the inventory and by the user's own configuration of `ssh`: with strict keys at every hop.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::host::Host;
use crate::support::project::{Project, Ran, text};

const TASK: &str = "[[operation]]\nop = 'files.put'\ndest = '/opt/large'\nsrc = 'large'\n";

/// Two lab hosts, and what inventories of other names need to know of them.
struct Pair {
    project: Project,
    identity: String,
    known_hosts: String,
}

impl Pair {
    fn up() -> Self {
        let project = Project::of(&[
            (
                "inventories/dev.toml",
                "[hosts.inner]\nlab = true\nconnection = { jump = ['outer'] }\n[hosts.outer]\nlab = true\n",
            ),
            ("deploys/all.toml", "hosts = ['inner']\ntasks = ['test/files']\n"),
            ("tasks/test/files.toml", TASK),
        ]);
        project.write("templates/large", vec![b'x'; 300_000]);
        project.homelab(&["lab", "up", "dev"]).expect(0);
        let lab = &homelab::lab::addresses(project.root(), "dev").unwrap()["inner"];
        Self {
            identity: lab.identity_file.display().to_string(),
            known_hosts: fs::read_to_string(&lab.known_hosts).unwrap(),
            project,
        }
    }

    fn host(&self, name: &'static str) -> Host<'_> {
        Host::of(&self.project, "dev", name)
    }

    /// The keys that are known of hosts but `name`.
    fn known_hosts_without(&self, name: &'static str) -> String {
        let address = self.host(name).address();
        let lines = self.known_hosts.lines().filter(|line| !line.contains(&address));
        lines.fold(String::new(), |text, line| text + line + "\n")
    }

    /// That the file came to `inner` through `outer`; it is taken away again.
    #[track_caller]
    fn came_through(&self) {
        let (inner, outer) = (self.host("inner"), self.host("outer"));
        let last = inner.inside("journalctl --sync; journalctl -q --no-pager -u ssh | grep Accepted | tail -n 1");
        assert!(last.contains(&format!("from {} port", outer.address())), "{last}");
        assert_eq!(inner.inside("stat -c %s /opt/large"), "300000\n");
        inner.inside("rm /opt/large");
    }
}

#[test]
fn through_a_host_of_the_inventory() {
    let pair = Pair::up();
    let (inner, outer) = (pair.host("inner"), pair.host("outer"));
    pair.project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    pair.came_through();

    // The same machines as anybody's, each with settings of its own.
    let inventory = format!(
        "[connection]\nuser = 'root'\nidentity_file = '{}'\njump = ['outer']\n[hosts.inner]\naddress = '{}'\n[hosts.outer]\naddress = '{}'\n",
        pair.identity,
        inner.address(),
        outer.address()
    );
    pair.project.write("inventories/own.toml", &inventory);
    pair.project.write("inventories/known_hosts", &pair.known_hosts);
    let deploy = ["deploy", "own", "all", "--yes"];
    pair.project.homelab(&deploy).expect(0);
    pair.came_through();

    let addresses = inventory.replace("['outer']", &format!("['root@{}:22']", outer.address()));
    pair.project.write("inventories/own.toml", &addresses);
    let ran = pair.project.homelab(&deploy).expect(4);
    // The key is said to be the last host's, and not the jump host's.
    let expected = format!("inner: cannot log in to `{}`", outer.address());
    assert!(ran.stderr.contains(&expected), "no `{expected}` in {}", ran.stderr);
    pair.project.write("inventories/own.toml", &inventory);

    let refused = |known_hosts: String, expected: &str| {
        pair.project.write("inventories/known_hosts", &known_hosts);
        let ran = pair.project.homelab(&deploy).expect(4);
        for part in ["inner: ", expected, &outer.address()] {
            assert!(ran.stderr.contains(part), "no `{part}` in:\n{}", ran.stderr);
        }
        let after = fs::read_to_string(pair.project.root().join("inventories/known_hosts")).unwrap();
        assert_eq!(after, known_hosts, "nothing is learnt on the way");
        assert!(!inner.is("test -e /opt/large"));
    };
    refused(pair.known_hosts_without("outer"), "unknown host key");
    let key = pair
        .known_hosts
        .lines()
        .find(|line| line.contains(&inner.address()))
        .unwrap();
    let swapped = key.replace(&inner.address(), &outer.address());
    refused(
        format!("{}{swapped}\n", pair.known_hosts_without("outer")),
        "has changed",
    );
}

#[test]
fn a_way_in_a_circle_is_a_mistake_with_a_place() {
    let project = Project::with_task(TASK);
    project.write("templates/large", "x");
    let circle = "[hosts.alpha]\nconnection = { jump = ['beta'] }\n[hosts.beta]\nconnection = { jump = ['alpha'] }\n";
    let cases = [
        (circle, "form a loop: alpha → beta", "inventories/dev.toml:2:24"),
        (
            "[hosts.alpha]\nconnection = { jump = ['-oProxyCommand=x'] }\n",
            "starts with `-`",
            "inventories/dev.toml:2:24",
        ),
        (
            "[hosts.alpha]\nconnection = { jump = ['a:b'] }\n",
            "the port is not a number",
            "inventories/dev.toml:2:24",
        ),
        (
            "[hosts.alpha]\nconnection = { jump = ['me'] }\n[hosts.me]\nconnection = { local = true }\n",
            "this is the local machine",
            "inventories/dev.toml:3:8",
        ),
        (
            "[hosts.alpha]\nconnection = { local = true, port = 22 }\n",
            "is not connected to over SSH",
            "inventories/dev.toml:2:30",
        ),
        (
            "[hosts.alpha]\nconnection = { become = 'su' }\n",
            "`become` must be \"none\", \"sudo\" or \"doas\"",
            "inventories/dev.toml:2:25",
        ),
        ("[hosts.-alpha]\n", "starts with `-`", "inventories/dev.toml:1:8"),
        (
            "[hosts.alpha]\naddress = '-oProxyCommand=x'\n",
            "starts with `-`",
            "inventories/dev.toml:2:11",
        ),
    ];
    for (inventory, words, place) in cases {
        project.write("inventories/dev.toml", inventory);
        let ran = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(3);
        assert!(
            ran.stderr.contains(words) && ran.stderr.contains(place),
            "{inventory}: {}",
            ran.stderr
        );
    }
}

/// The tool, for a user with this folder as `~/.ssh`, which no environment variable can tell to `ssh`.
fn as_a_user_with(project: &Project, folder: &Path, agent: Option<&Path>) -> Ran {
    let mut command = Command::new("unshare");
    let line = "mkdir -p /root/.ssh && mount --bind \"$1\" /root/.ssh && exec \"$2\" deploy own all --yes";
    command
        .args(["-m", "sh", "-c", line, "sh"])
        .arg(folder)
        .arg(env!("CARGO_BIN_EXE_homelab"));
    command
        .current_dir(project.root())
        .stdin(Stdio::null())
        .env_remove("SSH_AUTH_SOCK");
    if let Some(agent) = agent {
        command.env("SSH_AUTH_SOCK", agent);
    }
    let output = command.output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// An `ssh-agent` that ends with the test.
struct Agent {
    process: std::process::Child,
    folder: tempfile::TempDir,
}

impl Agent {
    fn with(identity: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let process = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { process, folder };
        let start = Instant::now();
        while !agent.socket().exists() {
            assert!(start.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(10));
        }
        let added = Command::new("ssh-add")
            .args(["-q", identity])
            .env("SSH_AUTH_SOCK", agent.socket())
            .status();
        assert!(added.unwrap().success());
        agent
    }

    fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("agent")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn aliases_jumps_and_agents_of_the_users_own_configuration() {
    let pair = Pair::up();
    let (inner, outer) = (pair.host("inner"), pair.host("outer"));
    pair.project.write("inventories/own.toml", "[hosts.inner]\n");
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    // A configuration that is nasty wherever it can be.
    let configuration = format!(
        "Host inner\n  HostName {}\n  User root\n  ProxyJump outer\nHost outer\n  HostName {}\n  User root\n\
         Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  BatchMode no\n  RemoteCommand echo nasty\n  \
         PermitLocalCommand yes\n  LocalCommand touch {home}/nasty\n  ControlMaster auto\n  ControlPath {home}/%C\n  RequestTTY force\n",
        inner.address(),
        outer.address(),
        home = home.path().display(),
    );
    fs::write(home.path().join("config"), &configuration).unwrap();
    let agent = Agent::with(&pair.identity);

    // Its keys are known by nobody: that it is lax does not help.
    pair.project
        .write("inventories/known_hosts", pair.known_hosts_without("outer"));
    let ran = as_a_user_with(&pair.project, home.path(), Some(&agent.socket())).expect(4);
    assert!(
        ran.stderr.contains("unknown host key") && ran.stderr.contains(&outer.address()),
        "{}",
        ran.stderr
    );

    pair.project.write("inventories/known_hosts", &pair.known_hosts);
    as_a_user_with(&pair.project, home.path(), Some(&agent.socket())).expect(0);
    pair.came_through();
    assert!(!home.path().join("nasty").exists());

    let ran = as_a_user_with(&pair.project, home.path(), None).expect(4);
    assert!(ran.stderr.contains("inner: cannot log in"), "{}", ran.stderr);

    // Without a file of the project's own, the user's own known keys count.
    fs::remove_file(pair.project.root().join("inventories/known_hosts")).unwrap();
    fs::write(
        home.path().join("config"),
        configuration.replace("  UserKnownHostsFile /dev/null\n", ""),
    )
    .unwrap();
    let ran = as_a_user_with(&pair.project, home.path(), Some(&agent.socket())).expect(4);
    assert!(ran.stderr.contains("unknown host key"), "{}", ran.stderr);
    fs::write(home.path().join("known_hosts"), &pair.known_hosts).unwrap();
    as_a_user_with(&pair.project, home.path(), Some(&agent.socket())).expect(0);
    pair.came_through();
}

#[test]
fn killed_on_the_way_through_another_host_and_as_root_by_sudo() {
    let pair = Pair::up();
    let slow = TASK.replace(
        "src = 'large'",
        "src = 'large'\nvalidate = ['sh', '-c', 'sleep 4', '{path}']",
    );
    let after = "\n[[operation]]\nop = 'files.put'\ndest = '/opt/after'\ncontent = 'x'\n";
    pair.project.write("tasks/test/files.toml", slow + after);
    let inventory =
        "[hosts.inner]\nlab = true\nconnection = { jump = ['outer'], become = 'sudo' }\n[hosts.outer]\nlab = true\n";
    pair.project.write("inventories/dev.toml", inventory);
    let (inner, outer) = (pair.host("inner"), pair.host("outer"));
    let runtime = tempfile::tempdir().unwrap();
    let mut command = pair.project.command(&["deploy", "dev", "all", "--yes"]);
    command.env("XDG_RUNTIME_DIR", runtime.path()).stdout(Stdio::null());
    let mut tool = command.spawn().unwrap();
    inner.wait_until("ls /opt/.homelab*", Duration::from_secs(30));
    assert!(inner.is("pgrep -x sudo"), "it is not by sudo");
    let mark = runtime.path().to_str().unwrap();
    let running = || {
        let output = Command::new("ps").args(["-eo", "args="]).output().unwrap();
        text(&output.stdout).lines().filter(|line| line.contains(mark)).count()
    };
    assert!(running() >= 2, "one ssh for each hop");
    tool.kill().unwrap();
    tool.wait().unwrap();
    let start = Instant::now();
    while running() > 0 || fs::read_dir(runtime.path().join("homelab")).unwrap().next().is_some() {
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "{} processes are left",
            running()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    inner.is_left_in_order();
    inner.wait_until("! pgrep -x sudo", Duration::from_secs(10));
    outer.wait_until(
        "! ss -Htn state established dport = :22 | grep .",
        Duration::from_secs(10),
    );
    assert!(!inner.is("test -e /opt/after"), "a step began after the tool was gone");
}
