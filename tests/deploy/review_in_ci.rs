//! The workflow of docs/review-in-ci.md as CI runs it, with act: without the configuration of a home directory, with the read-only key
//! of docs/read-only-key.md, and with a local stand-in for the API that comments are written with.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::canary::forms;
use crate::support::host::Host;
use crate::support::project::{Project, Ran, copy_folder, text};
use crate::support::snapshot::{self, LoginPaths};

const CANARY: &str = "Kanari/Zq9'x+reviewed";
const TOKEN: &str = "stand-in-for-a-token";
const AUTHOR: &str = "github-actions[bot]";
const UPLOAD: &str = "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02";
const DOWNLOAD: &str = "actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093";
const UPLOADS: &str = r#"
name: keep
inputs: { name: { required: true }, path: { required: true }, retention-days: { required: false } }
runs:
  using: composite
  steps:
    - shell: sh
      run: mkdir -p "$STORE/${{ inputs.name }}" && cp -r "${{ inputs.path }}/." "$STORE/${{ inputs.name }}/"
"#;
const DOWNLOADS: &str = r#"
name: fetch
inputs: { name: { required: true }, path: { required: true } }
runs:
  using: composite
  steps:
    - shell: sh
      run: mkdir -p "${{ inputs.path }}" && cp -r "$STORE/${{ inputs.name }}/." "${{ inputs.path }}/"
"#;
const TASK: &str = r#"
[[operation]]
op = "files.template"
src = "app.conf.j2"
dest = "/etc/app.conf"
mode = "0644"

[[operation]]
op = "files.put"
dest = "/etc/app.secret"
content = "{{ token }}"
mode = "0600"

[[operation]]
op = "files.put"
dest = "/root/app.unseen"
content = "unseen\n"
"#;

/// What each line tries must fail. A program that the host does not have fails too, so those that the result depends on are looked for.
const TRICKS: &str = r#"
try() { what=$1; shift; if timeout 5 "$@" >/dev/null 2>&1; then echo "OPEN $what"; else echo "closed $what"; fi; }
for d in / /etc /etc/ssh /home /root /var /var/lib /var/lib/homelab /var/tmp/.. /var/mail /var/cache /run /run/lock /run/user \
    /run/systemd /dev /dev/shm /dev/mqueue /usr/local/sbin /boot /opt /srv /srv/open /sys /sys/fs/cgroup /proc/sys/kernel; do
    try "write to $d" touch "$d/hl-probe"
done
try 'write to a file of all' sh -c 'echo x >>/srv/open/file'
try 'another process' sh -c 'for p in /proc/[0-9]*; do touch $p/root/run/lock/hl-probe && exit; done; exit 1'
try 'the process of the login' sh -c 'for p in $(pgrep -u homelab-review); do kill -CONT $p && exit; done; exit 1'
try 'process 1' kill -CONT 1
try 'its environment' cat /proc/1/environ
try 'sudo' sudo -n true
try 'its own sudo' sudo -n /usr/local/sbin/homelab-read-only
try 'a set-id program' sh -c 'cp /bin/sh /tmp/s && chmod u+s /tmp/s'
try 'another user' setpriv --reuid 0 true
try 'a namespace' unshare -Ur true
try 'a mount' mount -o remount,rw /
try 'a device' mknod /tmp/n b 8 0
try 'a kernel parameter' sh -c 'echo x >/proc/sys/kernel/hostname'
try 'a unit' systemctl restart ssh
try 'a unit of its own' systemd-run true
try 'the manager' busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager SetEnvironment as 1 A=b
try 'the log' logger hl-probe
try 'shadow' cat /etc/shadow
try 'the host key' cat /etc/ssh/ssh_host_ed25519_key
try 'the network' bash -c 'exec 3<>/dev/tcp/127.0.0.1/22'
try 'a ring of calls' perl -e '$p = "\0" x 120; exit(syscall(425, 8, $p) < 0)'
try 'another program' sh -c 'perl -e "exit(syscall(101, 16, $$, 0, 0) < 0)"'
try 'all of the disk' sh -c 'dd if=/dev/zero of=/var/tmp/full bs=1M count=80; s=$?; rm -f /var/tmp/full; exit $s'
try 'the engine' test -w /run/docker.sock
(setsid sleep 977 >/dev/null 2>&1 &)
id -un; cat /srv/open/file; systemctl is-active ssh
"#;

/// Answers as the API for comments does, and keeps what it was asked.
struct Api {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// The newest commit of the branch `main`.
    main: String,
    requests: Vec<String>,
    comments: Vec<Value>,
}

impl Api {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        // A user has quoted the marker before.
        let quoted = json!({"id": 3, "body": "<!-- homelab: ci site -->\nhello", "user": {"login": "mallory"}});
        seen.lock().unwrap().comments.push(quoted);
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(&stream, &shared);
            }
        });
        Self { port, seen }
    }

    /// The requests since the last look, and all comments.
    fn take(&self) -> (Vec<String>, Vec<Value>) {
        let mut seen = self.seen.lock().unwrap();
        (std::mem::take(&mut seen.requests), seen.comments.clone())
    }
}

fn answer(mut stream: &TcpStream, seen: &Mutex<Seen>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let request = line.trim_end_matches(" HTTP/1.1\r\n").to_owned();
    let (mut length, mut is_allowed) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ").unwrap();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => is_allowed = value == format!("Bearer {TOKEN}"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut seen = seen.lock().unwrap();
    let sent = || serde_json::from_slice::<Value>(&body).unwrap()["body"].clone();
    let answered = if request.starts_with("POST ") {
        let comment = json!({"id": 7, "body": sent(), "user": {"login": AUTHOR}});
        seen.comments.push(comment.clone());
        comment
    } else if let Some(id) = request.strip_prefix("PATCH /repos/anna/lab/issues/comments/") {
        let id: u64 = id.parse().unwrap();
        let comment = seen.comments.iter_mut().find(|one| one["id"] == id).unwrap();
        comment["body"] = sent();
        comment.clone()
    } else if request == "GET /repos/anna/lab/git/ref/heads/main" {
        json!({"ref": "refs/heads/main", "object": {"type": "commit", "sha": seen.main}})
    } else {
        Value::Array(seen.comments.clone())
    };
    seen.requests.push(request);
    drop(seen);
    let status = if is_allowed { "200 OK" } else { "401 Unauthorized" };
    let answered = answered.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        answered.len()
    );
    stream.write_all(format!("{head}{answered}").as_bytes()).unwrap();
}

/// A project as it is in a repository, and what is beside it.
struct Scene {
    project: Project,
    away: tempfile::TempDir,
    api: Api,
}

impl Scene {
    fn new() -> Self {
        let project = Project::of(&[
            ("inventories/dev.toml", "[hosts.alpha]\nlab = true\n"),
            (
                "deploys/read-only-key.toml",
                "hosts = ['alpha']\ntasks = ['system/read-only-key']\n",
            ),
            ("deploys/site.toml", "hosts = ['alpha']\ntasks = ['site/app']\n"),
            ("tasks/site/app.toml", TASK),
            ("templates/app.conf.j2", "first\n"),
            (".gitignore", "/.homelab\n"),
        ]);
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy_folder(&sources.join("docs/read-only-key"), project.root());
        copy_folder(&sources.join(".github"), &project.root().join(".github"));
        let scene = Self {
            project,
            away: tempfile::tempdir().unwrap(),
            api: Api::start(),
        };
        for (name, action) in [("keep", UPLOADS), ("fetch", DOWNLOADS)] {
            fs::create_dir(scene.at(name)).unwrap();
            fs::write(scene.at(name).join("action.yml"), action).unwrap();
        }
        for name in ["home", "act", "store", "bin"] {
            fs::create_dir(scene.at(name)).unwrap();
        }
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_homelab"), scene.at("bin/homelab")).unwrap();
        let mut keygen = Command::new("ssh-keygen");
        keygen
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(scene.at("key"));
        assert!(keygen.status().unwrap().success());
        let public = fs::read_to_string(scene.at("key.pub")).unwrap();
        let data = format!("read_only_keys = ['{}']\ntoken = ''\n", public.trim());
        scene.project.write("group_data/all.toml", data);
        scene.with_home(&["secrets", "init"], "");
        scene.with_home(&["secrets", "set", "group_data/all.toml", "token"], CANARY);
        scene
    }

    fn at(&self, name: &str) -> PathBuf {
        self.away.path().join(name)
    }

    fn with_home(&self, arguments: &[&str], input: &str) {
        fs::write(self.at("input"), input).unwrap();
        let mut command = self.project.command(arguments);
        command
            .env("HOME", self.at("home"))
            .stdin(fs::File::open(self.at("input")).unwrap());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    /// The inventory and the host keys that CI uses: nothing of the lab.
    fn commit(&self, host: &Host<'_>) {
        let inventory = format!(
            "[connection]\nuser = 'root'\n\n[hosts.alpha]\naddress = '{}'\n",
            host.address()
        );
        self.project.write("inventories/ci.toml", inventory);
        let known_hosts = fs::read(self.project.root().join(".homelab/lab/dev/known_hosts")).unwrap();
        self.project.write("inventories/known_hosts", known_hosts);
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.git(&["remote", "add", "origin", "https://github.com/anna/lab.git"]);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=first"]);
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.current_dir(self.project.root())
            .env("HOME", self.at("home"))
            .args(["-c", "user.name=anna", "-c", "user.email=anna@lab.test"])
            .args(arguments);
        assert!(git.status().unwrap().success(), "{arguments:?}");
    }

    fn newest(&self) -> String {
        let mut git = Command::new("git");
        git.current_dir(self.project.root()).args(["rev-parse", "HEAD"]);
        text(&git.output().unwrap().stdout).trim().to_owned()
    }

    /// homelab with an agent that holds a key, and no other one.
    fn with_key(&self, key: &Path, arguments: &[&str]) -> Ran {
        let script = "ssh-add -q \"$KEY\" && exec \"$@\"";
        let mut command = Command::new("ssh-agent");
        command.args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_homelab")]);
        command.args(arguments).current_dir(self.project.root());
        command.env("KEY", key).env("HOME", self.at("act")).stdin(Stdio::null());
        let output = command.output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    fn deploy_key(&self) -> PathBuf {
        self.project.root().join(".homelab/lab/id_ed25519")
    }

    /// `ssh` with the read-only key.
    fn ssh(&self, host: &Host<'_>, options: &[&str], line: &str, input: &str) -> Output {
        fs::write(self.at("input"), input).unwrap();
        let known_hosts = self.project.root().join(".homelab/lab/dev/known_hosts");
        let mut ssh = Command::new("timeout");
        ssh.args([
            "120",
            "ssh",
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-i",
        ]);
        ssh.arg(self.at("key")).arg("-o");
        ssh.arg(format!("UserKnownHostsFile={}", known_hosts.display()));
        ssh.args(options)
            .arg(format!("homelab-review@{}", host.address()))
            .arg(line);
        ssh.stdin(fs::File::open(self.at("input")).unwrap()).output().unwrap()
    }

    /// Runs the workflow for an event. Returns its log.
    fn act(&self, event: &str, payload: &Value) -> String {
        let (is_well, log) = self.try_act(event, payload);
        assert!(is_well, "{log}");
        log
    }

    /// The same, and whether all of it went well.
    fn try_act(&self, event: &str, payload: &Value) -> (bool, String) {
        let quoted = |path: &Path| fs::read_to_string(path).unwrap().replace('\n', "\\n");
        let identity = fs::read_to_string(self.at("home/.config/homelab/identity.txt")).unwrap();
        let identity = identity
            .lines()
            .find(|line| line.starts_with("AGE-SECRET-KEY"))
            .unwrap();
        let secrets = format!(
            "HOMELAB_READ_ONLY_KEY=\"{}\"\nHOMELAB_SSH_KEY=\"{}\"\nHOMELAB_AGE_KEY={identity}\nGITHUB_TOKEN={TOKEN}\n",
            quoted(&self.at("key")),
            quoted(&self.deploy_key()),
        );
        fs::write(self.at("secrets"), secrets).unwrap();
        fs::write(self.at("event.json"), payload.to_string()).unwrap();
        let mut act = Command::new("timeout");
        act.args([
            "300",
            "act",
            event,
            "-P",
            "lab=-self-hosted",
            "--no-cache-server",
            "--env-file",
            "/dev/null",
        ]);
        act.arg("--eventpath").arg(self.at("event.json"));
        act.arg("--secret-file").arg(self.at("secrets"));
        act.args([
            "--var",
            "HOMELAB_INVENTORY=ci",
            "--var",
            "HOMELAB_DEPLOY=site",
            "--var",
            "HOMELAB_RUNNER=lab",
            "--var",
            "HOMELAB_DEPLOY_RUNNER=lab",
        ]);
        act.arg("--env")
            .arg(format!("GITHUB_API_URL=http://127.0.0.1:{}", self.api.port));
        act.arg("--env").arg(format!("STORE={}", self.at("store").display()));
        for (action, name) in [(UPLOAD, "keep"), (DOWNLOAD, "fetch")] {
            act.arg("--local-repository")
                .arg(format!("{action}={}", self.at(name).display()));
        }
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        act.env_clear().env("PATH", path).env("HOME", self.at("act"));
        act.current_dir(self.project.root()).stdin(Stdio::null());
        let output = act.output().unwrap();
        let log = format!("{}{}", text(&output.stdout), text(&output.stderr));
        let of_key = fs::read_to_string(self.at("key"))
            .unwrap()
            .lines()
            .nth(2)
            .unwrap()
            .to_owned();
        for secret in forms(CANARY)
            .iter()
            .map(String::as_str)
            .chain([identity, TOKEN, &of_key])
        {
            assert!(!log.contains(secret), "`{secret}` in the log:\n{log}");
        }
        (output.status.success(), log)
    }
}

fn pull_request(repository: &str) -> Value {
    json!({
        "number": 12,
        "pull_request": {"number": 12, "head": {"ref": "change", "repo": {"full_name": repository}}, "base": {"ref": "main"}},
        "repository": {"full_name": "anna/lab", "name": "lab", "owner": {"login": "anna"}, "default_branch": "main"},
    })
}

#[test]
fn a_pull_request_is_reviewed_with_a_key_that_changes_nothing_and_what_was_merged_is_applied() {
    let scene = Scene::new();
    let alpha = scene.project.up("dev", "alpha");
    alpha.inside("mkdir -m 1777 /srv/open; echo open >/srv/open/file; chmod 666 /srv/open/file");
    scene
        .project
        .homelab_with_home(&scene, &["deploy", "dev", "read-only-key", "--yes"]);
    scene.commit(&alpha);
    holds(&scene, &alpha);
    reads(&scene, &alpha);
    is_reviewed(&scene, &alpha);
    is_applied(&scene, &alpha);
}

impl Project {
    /// The deploy that sets the key up, twice: the second finds nothing to do.
    fn homelab_with_home(&self, scene: &Scene, arguments: &[&str]) {
        for is_second in [false, true] {
            let mut command = self.command(arguments);
            let output = command.env("HOME", scene.at("home")).output().unwrap();
            let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
            assert!(output.status.success(), "{said}");
            assert!(!is_second || said.contains("nothing to do"), "{said}");
        }
    }
}

/// Nothing on the host can be changed with the key, and nothing can be reached through it.
fn holds(scene: &Scene, alpha: &Host<'_>) {
    for needed in [
        "unshare",
        "setpriv",
        "logger",
        "busctl",
        "systemd-run",
        "bash",
        "pgrep",
        "perl",
    ] {
        assert!(alpha.is(&format!("command -v {needed}")), "{needed}");
    }
    // The first login starts what later ones find, and one of the tricks a service that D-Bus starts.
    alpha.inside("systemctl start polkit");
    scene.ssh(alpha, &[], "exec sh", "true\n");
    let before = snapshot::files(alpha);
    let tried = scene.ssh(alpha, &[], "exec sh", TRICKS);
    let said = text(&tried.stdout);
    let open: Vec<&str> = said.lines().filter(|line| line.starts_with("OPEN")).collect();
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(
        said.lines().filter(|line| line.starts_with("closed")).count(),
        50,
        "{said}"
    );
    assert!(
        said.ends_with("homelab-reader\nopen\nactive\n"),
        "{said}{}",
        text(&tried.stderr)
    );
    // What it asks for is not run: it gets a shell that reads, and this one reads nothing.
    let asked = scene.ssh(alpha, &[], "touch /srv/open/asked", "");
    assert_eq!(text(&asked.stdout), "");
    let forwarded = scene.ssh(
        alpha,
        &["-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:7099:127.0.0.1:22"],
        "",
        "",
    );
    assert!(!forwarded.status.success(), "{}", text(&forwarded.stderr));
    let through = scene.ssh(alpha, &["-W", "127.0.0.1:22"], "", "");
    assert!(!text(&through.stdout).contains("SSH-"), "{}", text(&through.stdout));
    alpha.wait_until("! pgrep -u homelab-reader", std::time::Duration::from_secs(30));
    assert!(!alpha.is("find / /run /dev/shm -xdev -name 'hl-probe*' -o -xdev -name asked | grep ."));
    let mut changed = LoginPaths::committed().unexplained(snapshot::changed(&before, &snapshot::files(alpha)));
    // What systemd keeps of a login and of the unit of the sandbox.
    let own = ["/var/log/journal/", "/run/systemd/users/", "/run/systemd/propagate"];
    changed.retain(|path| path != "/run/systemd" && !own.iter().any(|own| path.starts_with(own)));
    assert!(changed.is_empty(), "{changed:?}");
    assert_eq!(alpha.inside("cat /srv/open/file"), "open\n");
}

/// A review sees what every user can see, and says what it cannot.
fn reads(scene: &Scene, alpha: &Host<'_>) {
    let arguments = ["--dry-run", "--without-secrets", "--read-as", "homelab-review"];
    let review = scene
        .with_key(&scene.at("key"), &[&["deploy", "ci", "site"][..], &arguments].concat())
        .expect(0);
    for part in [
        "+ file /etc/app.conf",
        "not compared: needs a key",
        "`homelab-reader` cannot look into /root",
        "read as `homelab-reader`, planned for root",
    ] {
        assert!(review.stdout.contains(part), "no `{part}` in:\n{}", review.stdout);
    }
    let full = scene.with_key(
        &scene.at("key"),
        &["deploy", "ci", "site", "--dry-run", "--without-secrets"],
    );
    assert_eq!(full.code, Some(4), "the key is not root's: {}", full.stdout);
    assert!(!alpha.is("test -e /etc/app.conf"));
}

/// One comment, which follows the pull request, and a plan that cannot be applied.
fn is_reviewed(scene: &Scene, alpha: &Host<'_>) {
    let own = pull_request("anna/lab");
    scene.act("pull_request", &own);
    let (requests, comments) = scene.api.take();
    let [listed, added] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert!(
        listed.starts_with("GET /repos/anna/lab/issues/12/comments?"),
        "{listed}"
    );
    assert_eq!(added, "POST /repos/anna/lab/issues/12/comments");
    let body = comments[1]["body"].as_str().unwrap();
    assert!(
        body.starts_with("<!-- homelab: ci site -->\n") && body.contains("Review of ") && body.contains("+ first"),
        "{body}"
    );

    scene.project.write("templates/app.conf.j2", "second\n");
    scene.git(&["commit", "--quiet", "--all", "--message=second"]);
    scene.act("pull_request", &own);
    let (requests, comments) = scene.api.take();
    assert_eq!(requests[1], "PATCH /repos/anna/lab/issues/comments/7");
    assert_eq!(comments.len(), 2);
    assert!(
        comments[1]["body"].as_str().unwrap().contains("+ second"),
        "{comments:?}"
    );

    // A review that fails does not leave the one before it.
    let right = "second\n";
    scene.project.write("templates/app.conf.j2", "{{ none_such }}\n");
    scene.git(&["commit", "--quiet", "--all", "--message=third"]);
    assert!(!scene.try_act("pull_request", &own).0);
    let (_, comments) = scene.api.take();
    let body = comments[1]["body"].as_str().unwrap();
    assert!(
        body.contains("It failed (exit code 3)") && !body.contains("+ second"),
        "{body}"
    );
    scene.project.write("templates/app.conf.j2", right);
    scene.git(&["commit", "--quiet", "--all", "--message=fourth"]);
    scene.act("pull_request", &own);
    scene.api.take();

    for file in ["review.plan", "review.md", "review.html"] {
        let kept = text(&fs::read(scene.at("store/review").join(file)).unwrap());
        for form in forms(CANARY) {
            assert!(!kept.contains(&form), "`{form}` in {file}");
        }
    }
    let plan = scene.at("store/review/review.plan");
    let refused = scene
        .with_key(&scene.deploy_key(), &["apply", &plan.to_string_lossy(), "--yes"])
        .expect(6);
    for part in [
        "review.plan` is for a review only, and cannot be applied",
        "--without-secrets",
    ] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    // A fork gets its mistakes and no more.
    let log = scene.act("pull_request", &pull_request("mallory/lab"));
    assert!(
        log.contains("[review/check") && !log.contains("[review/review"),
        "{log}"
    );
    assert_eq!(scene.api.take().0, Vec::<String>::new());
    assert!(!alpha.is("test -e /etc/app.conf"));
}

/// What was merged is planned with the keys, and exactly that is applied.
fn is_applied(scene: &Scene, alpha: &Host<'_>) {
    let push = json!({
        "ref": "refs/heads/main",
        "repository": {"full_name": "anna/lab", "name": "lab", "owner": {"login": "anna"}, "default_branch": "main"},
    });
    // Another commit is the newest by now: its plan is the one to approve.
    scene.api.seen.lock().unwrap().main = "0".repeat(40);
    let (is_well, log) = scene.try_act("push", &push);
    assert!(!is_well && log.contains("approve the plan of that commit"), "{log}");
    assert!(!alpha.is("test -e /etc/app.conf"));
    scene.api.seen.lock().unwrap().main = scene.newest();
    scene.act("push", &push);
    assert_eq!(
        alpha.inside("cat /etc/app.conf /etc/app.secret"),
        format!("second\n{CANARY}")
    );
    assert_eq!(
        alpha.inside("stat -c %a /etc/app.secret; cat /root/app.unseen"),
        "600\nunseen\n"
    );
    let mut again = scene
        .project
        .command(&["deploy", "dev", "site", "--dry-run", "--detailed-exitcode"]);
    let again = again.env("HOME", scene.at("home")).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stdout));
}
