//! The lab, end to end, on this machine's real Docker engine. What it claims is checked with `docker` and with the host's
//! own commands.

mod kubernetes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::docker::{docker, try_docker};
use crate::support::leftovers;
use crate::support::project::text;

/// A project in a folder of its own, so that its lab is its own; its containers go when it is dropped.
struct Project(tempfile::TempDir);

impl Project {
    fn new(inventory: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inventories")).unwrap();
        fs::write(folder.path().join("inventories/dev.toml"), inventory).unwrap();
        leftovers::own(folder.path());
        Self(folder)
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_homelab"));
        command.current_dir(self.root()).args(arguments);
        command
    }

    fn homelab(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What the command printed, which must have worked.
    fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.homelab(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn stderr(&self, arguments: &[&str]) -> String {
        let output = self.homelab(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stderr)
    }

    fn on(&self, host: &str, line: &str) -> String {
        self.stdout(&["lab", "ssh", host, "--", line]).trim().to_owned()
    }

    fn label(&self) -> String {
        format!("label=homelab.lab.project={}", homelab::lab::project_id(self.root()))
    }

    fn containers(&self) -> Vec<String> {
        lines(&docker(&["ps", "-aq", "--no-trunc", "--filter", &self.label()]))
    }

    fn volumes(&self) -> Vec<String> {
        lines(&docker(&["volume", "ls", "-q", "--filter", &self.label()]))
    }

    fn lab_folder(&self) -> PathBuf {
        self.root().join(".homelab/lab")
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // Also where a test fails half-way.
        let _ = self.homelab(&["lab", "down", "dev"]);
        leftovers::disown(self.root());
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

const ONE_OF_EACH: &str = r#"
[hosts.alpha]
lab = true
[hosts.beta]
lab = { image = "debian:12" }
[hosts.elsewhere]
address = "192.0.2.1"
"#;

#[test]
fn hosts_come_up_as_plain_debian_servers_and_leave_nothing_behind() {
    let project = Project::new(ONE_OF_EACH);
    project.stderr(&["lab", "up", "dev"]);
    assert_eq!(project.containers().len(), 2);
    assert_eq!(project.volumes().len(), 2);
    let volumes = project.volumes();

    for (host, release) in [("alpha", "13"), ("beta", "12")] {
        assert_eq!(project.on(host, "hostname"), host);
        assert_eq!(project.on(host, ". /etc/os-release; echo $VERSION_ID"), release);
        assert_eq!(
            project.on(host, "cat /proc/1/comm; systemctl is-system-running"),
            "systemd\nrunning"
        );
        assert_eq!(
            project.on(host, "ls /etc/ssh/*.pub"),
            "/etc/ssh/ssh_host_ed25519_key.pub"
        );
        // The apt timers are those of a server, but never fire.
        let timers = "apt-daily.timer apt-daily-upgrade.timer";
        assert_eq!(
            project.on(host, &format!("systemctl is-enabled {timers}")),
            "enabled\nenabled"
        );
        assert_eq!(
            project.on(host, &format!("systemctl is-active {timers}")),
            "active\nactive"
        );
        let next = project.on(host, &format!("systemctl show -P NextElapseUSecRealtime {timers}"));
        let years = next.lines().filter(|line| line.contains(" 2190-01-01 ")).count();
        assert_eq!(years, 2, "{next}");
        // The package lists are there, as on a server, and the mirror answers.
        assert_ne!(project.on(host, "apt-cache policy htop | grep Candidate"), "");
        project.on(host, "apt-get -qq update");
        // Not the workstation's kernel settings, but the host's own network.
        assert_eq!(project.on(host, "! echo 1 > /proc/sys/vm/swappiness"), "");
        project.on(host, "sysctl -qw net.ipv4.ip_forward=1");
        assert_eq!(
            project.on(host, "findmnt -no FSTYPE /var/lib/docker | grep -v overlay | wc -l"),
            "1"
        );
    }
    assert_ne!(
        project.on("alpha", "cat /etc/machine-id"),
        project.on("beta", "cat /etc/machine-id")
    );
    let table = project.stdout(&["lab", "status", "dev"]);
    let states: Vec<_> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>())
        .collect();
    // The last line is about the cache that they share.
    assert_eq!(states, [["alpha", "running"], ["beta", "running"], ["apt", "cache:"]]);

    project.stderr(&["lab", "down", "dev"]);
    assert!(project.containers().is_empty());
    assert!(project.volumes().is_empty());
    let left = lines(&docker(&["volume", "ls", "-q"]));
    assert!(!volumes.iter().any(|volume| left.contains(volume)));
    assert!(!project.lab_folder().join("dev").exists());
    let table = project.stdout(&["lab", "status", "dev"]);
    assert_eq!(table.matches(" absent ").count(), 2, "{table}");
}

const ONE: &str = "[hosts.alpha]\nlab = true\n";

fn started_at(container: &str) -> String {
    docker(&["inspect", "-f", "{{.State.StartedAt}}", container])
}

#[test]
fn a_second_up_does_nothing_and_a_stopped_host_comes_back_as_it_was() {
    let project = Project::new(ONE);
    project.stderr(&["lab", "up", "dev"]);
    let container = project.containers().remove(0);
    let before = started_at(&container);
    project.on("alpha", "echo kept > /root/mark");
    let said = project.stderr(&["lab", "up", "dev"]);
    assert!(said.contains("alpha: already running"), "{said}");
    assert_eq!(started_at(&container), before);

    docker(&["stop", "-t", "20", &container]);
    assert!(project.stdout(&["lab", "status", "dev"]).contains(" stopped "));
    let said = project.stderr(&["lab", "up", "dev"]);
    assert!(said.contains("alpha: started, booting"), "{said}");
    assert_eq!(project.containers(), std::slice::from_ref(&container));
    assert_ne!(started_at(&container), before);
    assert_eq!(project.on("alpha", "cat /root/mark"), "kept");

    docker(&["pause", &container]);
    assert!(project.stdout(&["lab", "status", "dev"]).contains(" stopped "));
    project.stderr(&["lab", "up", "dev"]);
    assert_eq!(project.on("alpha", "cat /root/mark"), "kept");
}

/// Runs `line`, which ends the connection, then waits until the host has booted anew.
fn boot_by(project: &Project, host: &str, line: &str) {
    const BOOT_ID: &str = "cat /proc/sys/kernel/random/boot_id";
    let before = project.on(host, BOOT_ID);
    project.homelab(&["lab", "ssh", host, "--", line]);
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let state = "systemctl is-system-running --wait";
        let output = project.homelab(&["lab", "ssh", host, "--", &format!("{BOOT_ID}; {state}")]);
        let told = text(&output.stdout);
        if output.status.success() && told.lines().next() != Some(before.as_str()) {
            assert_eq!(told.lines().nth(1), Some("running"), "{host}");
            return;
        }
        assert!(Instant::now() < deadline, "{host}: {told}{}", text(&output.stderr));
        thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn a_host_boots_again_at_a_reboot_stays_off_at_a_power_off_and_owns_its_files() {
    let project = Project::new(ONE_OF_EACH);
    fs::create_dir(project.root().join("deploys")).unwrap();
    fs::create_dir(project.root().join("tasks")).unwrap();
    let deploy = "hosts = [\"beta\", \"elsewhere\"]\ntasks = [\"ping\"]\n";
    fs::write(project.root().join("deploys/one.toml"), deploy).unwrap();
    let task = "[[operation]]\nop = \"verify.tcp\"\nport = 22\n";
    fs::write(project.root().join("tasks/ping.toml"), task).unwrap();
    let said = project.stderr(&["lab", "up", "dev", "one"]);
    assert!(!said.contains("alpha"), "{said}");
    assert_eq!(project.containers().len(), 1);
    let said = project.stderr(&["lab", "up", "dev"]);
    assert!(said.contains("beta: already running"), "{said}");
    let said = project.stderr(&["lab", "up", "dev", "one"]);
    assert!(!said.contains("alpha"), "{said}");

    let containers = project.containers();
    let addresses = homelab::lab::addresses(project.root(), "dev").unwrap();
    for host in ["alpha", "beta"] {
        assert_eq!(
            project.on(host, "grep ' /etc/' /proc/self/mountinfo; getent hosts $(hostname)"),
            format!("127.0.1.1       {host}")
        );
        assert_eq!(project.on(host, "grep -c ^nameserver /etc/resolv.conf"), "1");
        let own = "for file in hosts hostname resolv.conf; do cp /etc/$file /etc/new; echo '# own' >>/etc/new; mv /etc/new /etc/$file; done";
        project.on(host, own);
        project.on(
            host,
            "echo kept >/root/mark; echo gone >/run/mark; ip link add left type dummy; mount -t tmpfs left /mnt",
        );
        for line in ["systemctl reboot", "shutdown -r now"] {
            boot_by(&project, host, line);
            assert_eq!(
                project.on(
                    host,
                    "cat /root/mark; ls /run/mark /sys/class/net/left /mnt 2>/dev/null; true"
                ),
                "kept\n/mnt:"
            );
        }
        assert_eq!(
            project.on(
                host,
                "cat /proc/1/comm; hostname; grep -c own /etc/hosts /etc/hostname /etc/resolv.conf"
            ),
            format!("systemd\n{host}\n/etc/hosts:1\n/etc/hostname:1\n/etc/resolv.conf:1")
        );
        // As `journalctl --list-boots` tells them apart.
        assert_eq!(project.on(host, "journalctl --list-boots --quiet | grep -vc IDX"), "3");
        project.on(host, "apt-get -qq update");
    }
    assert_eq!(project.containers(), containers);
    assert_eq!(homelab::lab::addresses(project.root(), "dev").unwrap(), addresses);

    project.homelab(&["lab", "ssh", "alpha", "--", "systemctl poweroff"]);
    let alpha = docker(&[
        "ps",
        "-aq",
        "--filter",
        &project.label(),
        "--filter",
        "label=homelab.lab.host=alpha",
    ]);
    let state = || docker(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", alpha.trim()]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while state().starts_with("running") {
        assert!(Instant::now() < deadline, "{}", state());
        thread::sleep(Duration::from_millis(300));
    }
    thread::sleep(Duration::from_secs(3));
    assert_eq!(state().trim(), "exited 130");
    let silent = project.homelab(&["lab", "ssh", "alpha", "--", "true"]);
    assert_eq!(silent.status.code(), Some(3));
    let told = text(&silent.stderr);
    assert!(
        told.contains("alpha: the lab host does not answer") && told.contains("homelab lab up"),
        "{told}"
    );
    project.stderr(&["lab", "up", "dev", "one"]);
    assert_eq!(state().trim(), "exited 130", "not a host of the deploy");
    project.stderr(&["lab", "up", "dev"]);
    assert_eq!(project.on("alpha", "cat /root/mark; grep -c own /etc/hosts"), "kept\n1");
    project.stderr(&["lab", "down", "dev"]);
    assert!(project.containers().is_empty() && project.volumes().is_empty());
}

#[test]
fn ssh_passes_words_and_exit_codes_on_and_trusts_only_the_pinned_key() {
    let project = Project::new(ONE);
    project.stderr(&["lab", "up", "dev"]);
    let exit = |arguments: &[&str]| project.homelab(arguments).status.code();
    assert_eq!(exit(&["lab", "ssh", "alpha", "--", "sh", "-c", "exit 7"]), Some(7));
    assert_eq!(exit(&["lab", "ssh", "dev", "alpha", "--", "exit 3"]), Some(3));
    assert_eq!(
        project.stdout(&["lab", "ssh", "alpha", "--", "printf", "%s|", "a b", "$HOME"]),
        "a b|$HOME|"
    );
    assert_eq!(exit(&["lab", "ssh", "dev", "beta", "--", "true"]), Some(3));

    // Another host key, as in a man-in-the-middle attack.
    let address = &homelab::lab::addresses(project.root(), "dev").unwrap()["alpha"];
    let pinned = fs::read_to_string(&address.known_hosts).unwrap();
    project.on("alpha", "rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh");
    let refused = project.homelab(&["lab", "ssh", "alpha", "--", "true"]);
    assert_eq!(refused.status.code(), Some(255));
    assert!(
        text(&refused.stderr).contains("Host key verification failed"),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(fs::read_to_string(&address.known_hosts).unwrap(), pinned);

    // `up` fixes that through the engine, also if this machine's own keys are lost.
    let said = project.stderr(&["lab", "up", "dev"]);
    assert!(said.contains("SSH keys renewed"), "{said}");
    assert_eq!(fs::read_to_string(&address.known_hosts).unwrap(), pinned);
    fs::remove_dir_all(project.lab_folder()).unwrap();
    project.stderr(&["lab", "up", "dev"]);
    assert_eq!(project.on("alpha", "hostname"), "alpha");
    assert_eq!(project.containers().len(), 1);
}

#[test]
fn two_ups_at_once_make_one_host() {
    let project = Project::new(ONE);
    let ups: Vec<Output> = thread::scope(|scope| {
        let runs: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| project.homelab(&["lab", "up", "dev"])))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    for up in &ups {
        assert!(up.status.success(), "{}", text(&up.stderr));
    }
    let said: String = ups.iter().map(|up| text(&up.stderr)).collect();
    assert_eq!(said.matches("alpha: created").count(), 1, "{said}");
    assert_eq!(said.matches("alpha: already running").count(), 1, "{said}");
    assert_eq!(project.containers().len(), 1);
}

#[test]
fn containers_join_and_leave_the_network_one_after_the_other() {
    let project = Project::new(ONE);
    let state = || match project.containers().first() {
        Some(container) => docker(&["inspect", "-f", "{{.State.Status}}", container])
            .trim()
            .to_owned(),
        None => "absent".to_owned(),
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let turn = homelab::lab::hold_network().unwrap();
    let mut up = project.command(&["lab", "up", "dev"]);
    // The cache is a container too, and the first to be started.
    let mut up = up.env("HOMELAB_LAB_APT_CACHE", "off").spawn().unwrap();
    while state() == "absent" {
        assert!(Instant::now() < deadline, "no container was created");
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_secs(1));
    assert_eq!(state(), "created");
    drop(turn);
    assert!(up.wait().unwrap().success());
    assert_eq!(state(), "running");

    let turn = homelab::lab::hold_network().unwrap();
    let mut down = project.command(&["lab", "down", "dev"]).spawn().unwrap();
    thread::sleep(Duration::from_secs(1));
    assert_eq!(state(), "running");
    drop(turn);
    assert!(down.wait().unwrap().success());
    assert_eq!(state(), "absent");
}

#[test]
fn a_container_of_somebody_else_is_neither_used_nor_removed() {
    let project = Project::new(ONE);
    let name = format!("homelab-{}-dev-alpha", homelab::lab::project_id(project.root()));
    // The image of another project's host will do.
    let other = Project::new(ONE);
    other.stderr(&["lab", "up", "dev"]);
    let image = docker(&["inspect", "-f", "{{.Image}}", &other.containers()[0]])
        .trim()
        .to_owned();
    let foreign = docker(&["create", "--name", &name, &image, "true"]).trim().to_owned();
    let up = project.homelab(&["lab", "up", "dev"]);
    assert_eq!(up.status.code(), Some(3));
    assert!(
        text(&up.stderr).contains("is already in use by another container"),
        "{}",
        text(&up.stderr)
    );
    project.stderr(&["lab", "down", "dev"]);
    let filter = format!("id={foreign}");
    let found = || docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
    assert_eq!(found().trim(), foreign);
    assert_eq!(other.on("alpha", "hostname"), "alpha");
    drop(project);
    assert_eq!(found(), "", "the test leaves a container behind");
}

#[test]
fn without_an_engine_the_error_says_how_to_get_one() {
    let project = Project::new(ONE);
    let socket = project.root().join("none.sock");
    for action in ["up", "down", "status"] {
        let mut command = project.command(&["lab", action, "dev"]);
        let output = command
            .env("DOCKER_HOST", format!("unix://{}", socket.display()))
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(
            said.contains(&format!("cannot reach a Docker engine at `{}`", socket.display())),
            "{said}"
        );
        assert!(said.contains("scripts/docker-engine"), "{said}");
    }
    let output = project
        .command(&["lab", "up", "dev"])
        .env("DOCKER_HOST", "tcp://192.0.2.1:2375")
        .output()
        .unwrap();
    assert!(
        text(&output.stderr).contains("is not on this machine"),
        "{}",
        text(&output.stderr)
    );
}

/// An apt cache of this test's own, so that no other is stopped; it goes when it is dropped.
struct AptCache(
    String,
    #[expect(dead_code, reason = "held, not read")] MutexGuard<'static, ()>,
);

/// One at a time: an address that one cache leaves could be the next one's, and hosts take any cache for theirs.
static ONE_CACHE: Mutex<()> = Mutex::new(());

impl AptCache {
    fn new(test: &str) -> Self {
        let turn = ONE_CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        Self(format!("homelab-lab-apt-cache-{test}-{}", std::process::id()), turn)
    }

    /// What `lab up` said, which must have worked.
    fn up(&self, project: &Project) -> String {
        let mut command = project.command(&["lab", "up", "dev"]);
        let output = command.env("HOMELAB_LAB_APT_CACHE", &self.0).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    }

    /// How often it was asked for a package of this name, and whether it had it: `HIT` or `MISS`, and the bytes that it
    /// read from the mirror.
    fn asked_for(&self, package: &str) -> Vec<(String, String)> {
        let log = docker(&["logs", &self.0]);
        let about = |line: &&str| line.contains(&format!("/{package}_"));
        let columns = log.lines().filter(about).map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            (columns[1].to_owned(), columns[4].to_owned())
        });
        columns.collect()
    }

    /// The same since it was asked `before` times. What it was asked last may take a moment to be in its log.
    fn asked_since(&self, before: usize) -> Vec<(String, String)> {
        let since = Instant::now();
        loop {
            let asked = self.asked_for("hello");
            if asked.len() > before || since.elapsed() > Duration::from_secs(20) {
                return asked[before..].to_vec();
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Options that have apt of a host use its cache, also if that takes longer to answer than the host waits for it.
fn through_cache(project: &Project, host: &str) -> String {
    let cache = project.on(host, "cat /etc/homelab-lab/apt-cache");
    let (address, port) = cache.split_once(' ').unwrap();
    format!("-o Acquire::http::Proxy-Auto-Detect= -o Acquire::http::Proxy=http://{address}:{port}/")
}

impl Drop for AptCache {
    fn drop(&mut self) {
        for arguments in [["rm", "-f", &self.0], ["volume", "rm", &self.0]] {
            let _ = try_docker(&arguments);
        }
    }
}

/// Installs `hello` anew and returns how long apt took.
fn install_hello(project: &Project, host: &str) -> Duration {
    install_hello_with(project, host, "")
}

fn install_hello_with(project: &Project, host: &str, options: &str) -> Duration {
    project.on(host, "apt-get clean; dpkg --purge hello 2>&1; apt-get -q update 2>&1");
    let started = Instant::now();
    project.on(
        host,
        &format!("DEBIAN_FRONTEND=noninteractive apt-get -q -y {options} install hello 2>&1"),
    );
    let took = started.elapsed();
    assert_eq!(project.on(host, "hello"), "Hello, world!");
    took
}

fn proxy(project: &Project, host: &str) -> String {
    let uri = "$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/debian.sources | head -n 1)/pool/x.deb";
    project.on(host, &format!("/usr/local/lib/homelab-lab-apt-proxy {uri}"))
}

fn hit() -> (String, String) {
    ("HIT".to_owned(), "-".to_owned())
}

#[test]
fn what_one_host_fetched_hosts_of_other_projects_get_from_the_cache() {
    let cache = AptCache::new("shared");
    let (first, second) = (Project::new(ONE), Project::new(ONE));
    // Both find no cache and make it; one comes too late.
    thread::scope(|scope| {
        scope.spawn(|| cache.up(&first));
        scope.spawn(|| cache.up(&second));
    });
    let label = format!("label=homelab.lab.apt-cache={}", cache.0);
    assert_eq!(lines(&docker(&["ps", "-q", "--filter", &label])).len(), 1);
    assert_eq!(docker(&["port", &cache.0]), "", "no port of this machine is bound");

    install_hello(&first, "alpha");
    let fetched = cache.asked_for("hello");
    assert_eq!(fetched.len(), 1, "{}", docker(&["logs", &cache.0]));
    assert_eq!(fetched[0].0, "MISS");
    first.stderr(&["lab", "down", "dev"]);
    install_hello(&second, "alpha");
    assert_eq!(cache.asked_for("hello")[1..], [hit()]);

    // Other mirrors are not its business.
    let other = "/usr/local/lib/homelab-lab-apt-proxy http://packages.example/debian/pool/x.deb";
    assert_eq!(second.on("alpha", other), "DIRECT");
    let address = second.on("alpha", "tr ' ' / < /etc/homelab-lab/apt-cache");
    let foreign = format!(
        "exec 3<>/dev/tcp/{address}; printf 'GET http://packages.example/ HTTP/1.0\\r\\nHost: packages.example\\r\\n\\r\\n' >&3; head -n 1 <&3"
    );
    let answer = second.stdout(&["lab", "ssh", "alpha", "--", "bash", "-c", &foreign]);
    assert!(answer.contains(" 403 "), "{answer}");

    // What it holds outlives its container.
    docker(&["rm", "-f", &cache.0]);
    cache.up(&second);
    install_hello(&second, "alpha");
    assert_eq!(cache.asked_for("hello"), [hit()]);
}

#[test]
fn a_cache_that_is_gone_or_damaged_keeps_no_host_from_its_packages() {
    let cache = AptCache::new("broken");
    let project = Project::new(ONE);
    // The user's own cache, so that it does not start just when this one leaves its address.
    project.stderr(&["lab", "up", "dev"]);
    cache.up(&project);
    let by_cache = |project: &Project| install_hello_with(project, "alpha", &through_cache(project, "alpha"));
    let usual = by_cache(&project);
    // A machine that is busy may take longer to answer than a host waits.
    let is_found = |wanted: &dyn Fn(&str) -> bool| {
        let since = Instant::now();
        while !wanted(&proxy(&project, "alpha")) {
            assert!(
                since.elapsed() < Duration::from_secs(60),
                "{}",
                proxy(&project, "alpha")
            );
        }
    };
    is_found(&|proxy| proxy.starts_with("http://"));

    // As a machine that loses its power leaves it: a part of a package, and one that was being fetched.
    let files = docker(&[
        "exec",
        &cache.0,
        "grep",
        "-rlE",
        "KEY: .*/hello_",
        "/var/cache/packages",
    ]);
    let [file] = lines(&files).try_into().unwrap();
    docker(&["exec", &cache.0, "truncate", "-s", "-1000", &file]);
    docker(&["exec", &cache.0, "cp", &file, &format!("{file}.0000000001")]);
    docker(&["kill", &cache.0]);
    let took = install_hello(&project, "alpha");
    assert_eq!(proxy(&project, "alpha"), "DIRECT");
    // Beside what apt takes anyway, on a machine as busy as this one.
    assert!(
        took < Duration::from_secs(10) + 5 * usual,
        "{took:?}, usually {usual:?}"
    );
    let before = cache.asked_for("hello").len();
    cache.up(&project);
    by_cache(&project);
    let asked = cache.asked_since(before);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].0, "MISS");
    docker(&["kill", &cache.0]);
    cache.up(&project);
    by_cache(&project);
    assert_eq!(cache.asked_since(before + 1), [hit()]);

    // A file that went bad on the disk: apt refuses it, and can ask for a fresh one.
    docker(&[
        "exec",
        &cache.0,
        "sh",
        "-c",
        &format!("printf bad | dd of={file} bs=1 seek=20000 conv=notrunc"),
    ]);
    project.on("alpha", "apt-get clean; dpkg --purge hello 2>&1");
    let options = through_cache(&project, "alpha");
    project.on("alpha", &format!("! apt-get -q -y {options} install hello 2>&1"));
    project.on(
        "alpha",
        &format!("apt-get -q -y {options} -o Acquire::http::No-Cache=true install hello 2>&1"),
    );
    let before = cache.asked_for("hello").len();
    by_cache(&project);
    assert_eq!(cache.asked_since(before).last(), Some(&hit()));

    // One that listens and cannot reach the mirror.
    let address = project.on("alpha", "cat /etc/homelab-lab/apt-cache");
    docker(&[
        "exec",
        &cache.0,
        "sed",
        "-Ei",
        "s/server [^;]+; keepalive/server 127.0.0.1:9; keepalive/g",
        "/etc/nginx/nginx.conf",
    ]);
    docker(&["exec", &cache.0, "nginx", "-s", "reload"]);
    // Its old workers answer until they are replaced.
    is_found(&|proxy| proxy == "DIRECT");
    install_hello(&project, "alpha");

    // One that answers nothing at all.
    docker(&["pause", &cache.0]);
    // What a command on the host takes anyway does not count.
    let started = Instant::now();
    project.on("alpha", "true");
    let usual = started.elapsed();
    let started = Instant::now();
    assert_eq!(proxy(&project, "alpha"), "DIRECT");
    let took = started.elapsed();
    assert!(
        took < Duration::from_millis(1500) + 5 * usual,
        "{took:?}, usually {usual:?}"
    );
    docker(&["unpause", &cache.0]);
    assert_eq!(project.on("alpha", "cat /etc/homelab-lab/apt-cache"), address);
}

#[test]
fn hosts_come_up_without_a_cache() {
    let cache = AptCache::new("taken");
    let project = Project::new(ONE);
    let mut command = project.command(&["lab", "up", "dev"]);
    let output = command.env("HOMELAB_LAB_APT_CACHE", "off").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(project.on("alpha", "cat /etc/homelab-lab/apt-cache"), "");
    assert_eq!(proxy(&project, "alpha"), "DIRECT");
    install_hello(&project, "alpha");

    // The name is taken by another container.
    let image = docker(&["inspect", "-f", "{{.Image}}", &project.containers()[0]])
        .trim()
        .to_owned();
    docker(&["create", "--name", &cache.0, &image, "true"]);
    cache.up(&project);
    assert_eq!(
        docker(&["inspect", "-f", "{{.State.Status}}", &cache.0]).trim(),
        "created"
    );
    assert_eq!(project.on("alpha", "cat /etc/homelab-lab/apt-cache"), "");
}
