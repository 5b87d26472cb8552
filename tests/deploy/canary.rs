//! Secrets, and an old one that is only on the host, are in nothing that is printed, left behind or seen by others: every command,
//! format and failure, the host's processes as strace sees them, its files, and every file of this machine that a run made.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::host::Host;
use crate::support::project::{Project, text};

const TASK: &str = r#"
[[operation]]
op = "files.template"
src = "auth.j2"
dest = "/etc/auth.conf"

[[operation]]
op = "files.put"
src = "whole"
dest = "/etc/auth.whole"

[[operation]]
op = "files.json"
path = "/etc/auth.json"
value = { user = "anna", password = "{{ env('CANARY') }}" }

[[operation]]
op = "files.line"
path = "/etc/auth.list"
line = "anna {{ env('CANARY') | upper }}"
create = true

[[operation]]
capture = "token"
file = "/etc/auth.token"
secret = true
create = { op = "server.shell", commands = ["cat /root/issued"] }

[[operation]]
op = "files.put"
dest = "/etc/auth.captured"
content = "token = {{ ('x' ~ captured.token) | b64encode }}\n"

[[operation]]
op = "files.put"
dest = "/etc/auth.validated"
content = "{{ env('CANARY') }}\n"
validate = ["sh", "-c", "echo \"looked at $(cat \"$1\")\"; test ! -e /etc/refuses", "sh", "{path}"]

[[operation]]
op = "systemd.unit"
unit = "auth"
content = "[Service]\nExecStart=/bin/sleep infinity\n# {{ env('CANARY') | b64encode }}\n"

[[operation]]
op = "server.user"
user = "anna"
password = "{{ env('CANARY') | password_hash('sha512', salt='anna') }}"

[[operation]]
op = "server.shell"
commands = ["cat >/dev/null; echo \"says $TOKEN\"; printf %s \"x$TOKEN\" | base64; test -e /etc/ends && touch /etc/done"]
creates = "/etc/done"
touches = ["/etc/done"]
env = { TOKEN = "{{ env('IN_ENV') }}" }
input = "{{ env('CANARY') }}"
"#;

/// Texts that nothing may show. Each has what shells, JSON, URLs and HTML write in another way.
struct Canaries {
    /// In `.env`.
    secret: String,
    /// In the environment of a command, which its own user can see.
    in_env: String,
    /// Only on the host: before the first deploy, and in what a command prints there.
    old: String,
    issued: String,
    /// In a file that is encrypted in the project.
    whole: String,
}

impl Canaries {
    fn new() -> Self {
        // Other runs of this test on this machine have others.
        let of = |word: &str| format!("{word}{}/Zq9'x+\"y", std::process::id());
        Self {
            secret: of("Kanari"),
            in_env: of("Envcanary"),
            old: of("Oldcanary"),
            issued: of("Issued"),
            whole: of("Wholefile"),
        }
    }

    fn forms(&self) -> Vec<String> {
        let all = [&self.secret, &self.in_env, &self.old, &self.issued, &self.whole];
        all.into_iter().flat_map(|secret| forms(secret)).collect()
    }

    #[track_caller]
    fn are_not_in(&self, what: &str, text: &str) {
        if let Some(form) = self.forms().iter().find(|form| text.contains(form.as_str())) {
            let line = text.lines().find(|line| line.contains(form.as_str())).unwrap_or(text);
            panic!("`{form}` in {what}: {line}");
        }
    }
}

/// The forms in which a secret must not show.
pub(super) fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), secret.replace('\'', "'\\''")];
    let json = serde_json::to_string(secret).unwrap();
    forms.push(json.trim_matches('"').to_owned());
    let mut url = String::new();
    let mut hex = String::new();
    for byte in secret.bytes() {
        let _ = write!(hex, "{byte:02x}");
        match char::from(byte) {
            one if one.is_ascii_alphanumeric() || "-_.~".contains(one) => url.push(one),
            _ => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    forms.extend([url, hex]);
    for before in ["", "a", "ab"] {
        let encoded = STANDARD.encode(format!("{before}{secret}"));
        // Without the characters that depend on what stands around it.
        forms.push(encoded[4..encoded.len() - 4].to_owned());
    }
    forms
}

/// The project, and what its commands get and leave.
struct Scene {
    project: Project,
    canaries: Canaries,
    temporary: tempfile::TempDir,
    identity: PathBuf,
    /// Older than all that a run makes.
    stamp: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let project = Project::with_task(TASK);
        let canaries = Canaries::new();
        let temporary = tempfile::tempdir().unwrap();
        project.write("group_data/all.toml", "user = 'anna'\nport = 1\n");
        project.write(
            "templates/auth.j2",
            "Basic {{ (user ~ ':' ~ env('CANARY')) | b64encode }}\nport = {{ port }}\n",
        );
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let variables = format!(
            "CANARY=\"{}\"\nIN_ENV=\"{}\"\n",
            quoted(&canaries.secret),
            quoted(&canaries.in_env)
        );
        project.write(".env", variables);
        let home = temporary.path().join("home");
        fs::create_dir(&home).unwrap();
        let stamp = temporary.path().join("stamp");
        fs::write(&stamp, "").unwrap();
        let scene = Self {
            identity: home.join(".config/homelab/identity.txt"),
            project,
            canaries,
            temporary,
            stamp,
        };
        let mut init = scene.project.command(&["secrets", "init"]);
        assert!(init.env("HOME", &home).output().unwrap().status.success());
        let clear = scene.temporary.path().join("clear");
        fs::write(&clear, &scene.canaries.whole).unwrap();
        let mut set = scene.command(&["secrets", "set", "templates/whole.age"]);
        let set = set.stdin(fs::File::open(&clear).unwrap()).output().unwrap();
        assert!(set.status.success(), "{}", text(&set.stderr));
        fs::remove_file(clear).unwrap();
        scene
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        command
            .env("TMPDIR", self.temporary.path())
            .env("HOMELAB_AGE_IDENTITY", &self.identity);
        command
    }

    /// What a command says, which must hold no canary.
    #[track_caller]
    fn says(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let said = format!("{}{}", text(&stdout), text(&stderr));
        self.canaries.are_not_in(&arguments.join(" "), &said);
        (status.code(), said)
    }

    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let (found, said) = self.says(arguments);
        assert_eq!(found, Some(code), "{}: {said}", arguments.join(" "));
        said
    }

    /// Files of this machine that were made since the beginning, but for the project's own `.env`.
    fn leaves_nothing_here(&self) {
        let own = self.project.root().join(".env");
        let mut places = vec![self.temporary.path().to_path_buf(), self.project.root().to_path_buf()];
        places.extend(["/tmp", "/var/tmp", "/dev/shm", "/run"].map(PathBuf::from));
        places.extend(std::env::home_dir());
        let mut find = Command::new("find");
        find.args(&places).args([
            "-xdev", "(", "-name", "target", "-o", "-name", "docker", ")", "-prune", "-o",
        ]);
        find.arg("-newer")
            .arg(&self.stamp)
            .args(["-type", "f", "-size", "-20M", "-print"]);
        let found: BTreeSet<PathBuf> = text(&find.output().unwrap().stdout)
            .lines()
            .map(PathBuf::from)
            .collect();
        assert!(found.contains(&own), "{found:?}");
        for path in found.iter().filter(|path| **path != own) {
            let content = text(&fs::read(path).unwrap_or_default());
            self.canaries.are_not_in(&path.display().to_string(), &content);
        }
    }
}

/// Every command, with the formats and the verbosity that it has. `init`, `new`, `lab` and `trust` see no secret, and `secrets get` and
/// `secrets lab-password` print one.
const COMMANDS: &[(&str, &[&[&str]])] = &[
    ("agent", &[]),
    ("init", &[]),
    ("new", &[]),
    (
        "deploy",
        &[
            &["deploy", "dev", "all", "--dry-run"],
            &["deploy", "dev", "all", "--dry-run", "--verbose"],
            &["deploy", "dev", "all", "--dry-run", "--no-conditions"],
            &["deploy", "dev", "all", "--dry-run", "--format", "json"],
            &["deploy", "dev", "all", "--dry-run", "--format", "markdown"],
            &["deploy", "dev", "all", "--dry-run", "--format", "html"],
            &["deploy", "dev", "all", "--dry-run", "--without-secrets"],
            &["deploy", "dev", "all", "--only-failed", "--dry-run"],
            &["deploy", "dev", "all"],
            &[
                "deploy",
                "dev",
                "all",
                "--dry-run",
                "--data",
                "port=[",
                "--data",
                "user=3",
            ],
        ],
    ),
    ("plan", &[&["plan", "dev", "all", "-o", "all.plan"]]),
    (
        "show",
        &[
            &["show", "all.plan"],
            &["show", "all.plan", "--verbose", "--format", "json"],
            &["show", "all.plan", "--format", "html"],
        ],
    ),
    (
        "apply",
        &[
            &["apply", "all.plan", "--dry-run", "--allow-deferred"],
            &["apply", "all.plan", "--dry-run"],
        ],
    ),
    (
        "drift",
        &[&["drift", "dev", "all"], &["drift", "dev", "all", "--format", "json"]],
    ),
    (
        "check",
        &[
            &["check"],
            &["check", "--format", "json"],
            &["check", "--format", "github"],
        ],
    ),
    (
        "inventory",
        &[
            &["inventory", "list"],
            &["inventory", "show", "alpha"],
            &["inventory", "explain", "alpha", "user"],
        ],
    ),
    ("secrets", &[&["secrets", "recipients"], &["secrets", "rekey"]]),
    ("pki", &[&["pki", "list"], &["pki", "list", "--format", "json"]]),
    (
        "images",
        &[&["images", "outdated", "dev"], &["images", "pin", "dev", "--dry-run"]],
    ),
    ("backup", &[&["backup", "list", "dev", "alpha"]]),
    ("trust", &[]),
    (
        "exec",
        &[&[
            "exec",
            "dev",
            "alpha",
            "--",
            "cat /etc/auth.json /etc/auth.list /etc/shadow; base64 </etc/auth.json; od -An -tx1 /etc/auth.whole | tr -d ' \n'",
        ]],
    ),
    ("facts", &[&["facts", "alpha"], &["facts", "alpha", "--format", "json"]]),
    (
        "history",
        &[
            &["history", "dev"],
            &["history", "dev", "alpha"],
            &["history", "dev", "--format", "json"],
        ],
    ),
    (
        "rollback",
        &[
            &["rollback", "dev", "alpha", "last", "--dry-run"],
            &["rollback", "dev", "alpha", "last", "--dry-run", "--verbose"],
            &["rollback", "dev", "alpha", "last", "--dry-run", "--format", "json"],
            &["rollback", "dev", "alpha", "last", "--dry-run", "--format", "markdown"],
            &["rollback", "dev", "alpha", "last", "--dry-run", "--format", "html"],
        ],
    ),
    ("status", &[&["status", "dev"], &["status", "dev", "--format", "json"]]),
    ("operations", &[&["operations"]]),
    ("schema", &[&["schema", "task"]]),
    ("completions", &[&["completions", "bash"]]),
    ("man", &[]),
    ("lab", &[&["lab", "status", "dev"]]),
    ("help", &[&["help"]]),
];

/// Traces all that sshd starts on a host, with the bytes that it writes and where.
pub(super) struct Trace<'a>(&'a Host<'a>);

impl<'a> Trace<'a> {
    pub(super) fn begin(host: &'a Host<'a>) -> Self {
        host.inside(
            "command -v strace || { apt-get -qq update >/dev/null && apt-get -qq install -y strace >/dev/null 2>&1; }; command -v strace",
        );
        host.start(
            "echo $$ >/run/strace.pid; umask 077; exec strace -f -q -y -v -xx -s 200000 -e trace=execve,write,pwrite64,writev,sendto \
             -o /run/trace -p \"$(systemctl show -p MainPID --value ssh)\"",
        );
        let is_traced = "grep -q 'TracerPid:[[:space:]]*[1-9]' /proc/$(systemctl show -p MainPID --value ssh)/status";
        host.wait_until(is_traced, Duration::from_secs(20));
        Self(host)
    }

    /// The calls, with their texts as they are.
    pub(super) fn end(self) -> Vec<String> {
        self.0
            .inside("p=$(cat /run/strace.pid); kill -INT $p; while [ -e /proc/$p ]; do sleep 0.1; done");
        let lines = self.0.inside("cat /run/trace; rm /run/trace /run/strace.pid");
        lines.lines().map(unescaped).collect()
    }
}

/// A line of strace with the bytes for its `\xNN`.
fn unescaped(line: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.find("\\x") {
        bytes.extend(&rest.as_bytes()[..at]);
        match rest
            .get(at + 2..at + 4)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(b"\\x"),
        }
        rest = rest.get(at + 4..).unwrap_or_default();
    }
    bytes.extend(rest.as_bytes());
    String::from_utf8_lossy(&bytes).replace('\n', "\\n")
}

/// No program got a canary as an argument, or in its environment unless a task said so; and only files for root alone, pipes and
/// sockets were written to with one.
fn check_trace(canaries: &Canaries, calls: &[String]) {
    let programs = calls.iter().filter(|call| call.contains("execve("));
    assert!(programs.clone().count() > 100, "{} calls", calls.len());
    let in_env = forms(&canaries.in_env);
    for call in programs {
        let (arguments, environment) = call.split_once("], [").unwrap_or((call, ""));
        canaries.are_not_in("arguments", arguments);
        if !in_env.iter().any(|form| environment.contains(form.as_str())) {
            canaries.are_not_in("an environment", environment);
        }
    }
    let mut written: BTreeSet<String> = BTreeSet::new();
    for call in calls.iter().filter(|call| !call.contains("execve(")) {
        if canaries.forms().iter().any(|form| call.contains(form.as_str())) {
            let place = call.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
            // What a step prints is in a file without a name.
            let named = place.filter(|(_, rest)| !rest.starts_with("(deleted)"));
            written.extend(named.map(|(place, _)| place.to_owned()));
        }
    }
    assert!(!written.is_empty(), "nothing was written");
    let is_expected = |place: &String| {
        let is_stream = ["pipe:", "socket:", "UNIX", "TCP", "unix:", "/dev/null"]
            .iter()
            .any(|start| place.starts_with(start));
        // Files beside those that they become, and in the view for validators.
        let is_staged = place.starts_with("/etc/") && place.contains(".homelab-") || place.starts_with("/etc/auth.");
        let is_kept = place.starts_with("/var/lib/homelab/previous/");
        // In a directory that only root can enter, for `systemd-analyze verify`.
        let is_unit = place.starts_with("/tmp/tmp.") && place.ends_with("/auth.service");
        is_stream || is_staged || is_kept || is_unit
    };
    let beyond: Vec<&String> = written.iter().filter(|place| !is_expected(place)).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

/// Files of the host that hold a canary.
fn holders(host: &Host<'_>, canaries: &Canaries) -> String {
    let patterns: String = canaries
        .forms()
        .iter()
        .fold(String::new(), |all, form| all + form + "\n");
    host.inside(&format!(
        "umask 077; printf %s '{}' | base64 -d >/run/patterns; \
         grep -rlF --exclude-dir=proc --exclude-dir=sys --exclude=patterns -f /run/patterns / 2>/dev/null; rm /run/patterns",
        STANDARD.encode(patterns.trim_end())
    ))
}

#[test]
fn every_command_is_among_those_that_are_tried() {
    let project = Project::of(&[]);
    let help = project.homelab(&["--help"]).expect(0).stdout;
    let listed = help
        .split("Commands:")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next())
        .unwrap();
    let listed: BTreeSet<&str> = listed
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let tried: BTreeSet<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
    assert_eq!(listed, tried);
}

#[test]
fn secrets_are_in_nothing_that_is_printed_left_behind_or_seen_by_others() {
    let scene = Scene::new();
    let host = scene.project.up("dev", "alpha");
    let canaries = &scene.canaries;
    let old = STANDARD.encode(format!("anna:{}", canaries.old));
    let issued = STANDARD.encode(&canaries.issued);
    host.inside(&format!(
        "umask 077; printf 'Basic {old}\\nport = 1\\n' >/etc/auth.conf; printf %s {issued} | base64 -d >/root/issued"
    ));
    let trace = Trace::begin(&host);
    let review = scene.ends(0, &["deploy", "dev", "all", "--dry-run"]);
    for part in [
        "- [hidden]",
        "+ Basic [secret]",
        "+ [secret]",
        "+ token = (known after apply)",
        "+ # [secret]",
    ] {
        assert!(review.contains(part), "no `{part}` in:\n{review}");
    }
    // The plan of a host that still has the old secrets is left in the project, where all files are looked at.
    scene.ends(0, &["plan", "dev", "all", "-o", "first.plan"]);
    // A validator that shows what it looks at, in the review.
    host.inside("touch /etc/refuses");
    let refused = scene.ends(0, &["deploy", "dev", "all", "--dry-run"]);
    let said =
        "validated only at apply: it needs what earlier operations do; without that, it says: looked at [secret]";
    assert!(refused.contains(said), "{refused}");
    host.inside("rm /etc/refuses");
    // It fails at the last command, whose output has the secret in it, and then it does not.
    let into = scene.temporary.path().join("review.json");
    let failing = [
        "deploy",
        "dev",
        "all",
        "--yes",
        "--verbose",
        "--format-into",
        into.to_str().unwrap(),
    ];
    let failed = scene.ends(1, &failing);
    assert!(failed.contains("says [secret]"), "{failed}");
    canaries.are_not_in("the document", &fs::read_to_string(&into).unwrap());
    host.inside("touch /etc/ends");
    scene.ends(0, &["deploy", "dev", "all", "--yes"]);
    let again = scene.ends(0, &["deploy", "dev", "all", "--yes"]);
    assert!(again.contains("nothing to do"), "{again}");
    check_trace(canaries, &trace.end());
    for (_, all) in COMMANDS {
        for arguments in *all {
            scene.says(arguments);
        }
    }
    // The secret changes, and is taken back.
    let trace = Trace::begin(&host);
    let variables = fs::read_to_string(scene.project.root().join(".env")).unwrap();
    scene
        .project
        .write(".env", variables.replace("CANARY=\"Kanari", "CANARY=\"Anderer"));
    scene.ends(0, &["deploy", "dev", "all", "--yes", "--format", "json"]);
    let back = scene.ends(0, &["rollback", "dev", "alpha", "last", "--yes", "--verbose"]);
    assert!(back.contains("auth.conf"), "{back}");
    check_trace(canaries, &trace.end());

    // What was deployed is there again, for root alone.
    assert_eq!(
        host.inside("cat /etc/auth.conf; stat -c '%a %U' /etc/auth.*"),
        format!(
            "Basic {}\nport = 1\n{}",
            STANDARD.encode(format!("anna:{}", canaries.secret)),
            "600 root\n".repeat(7)
        )
    );
    assert_eq!(host.inside("cat /etc/auth.whole"), canaries.whole);
    // And in the files that were replaced, which a rollback needs, for root alone too.
    let holders = holders(&host, canaries);
    let is_known = |path: &str| {
        let known = [
            "/etc/auth.",
            "/root/issued",
            "/var/lib/homelab/previous/",
            "/etc/systemd/system/auth.service",
        ];
        known.iter().any(|start| path.starts_with(start))
    };
    assert!(holders.lines().all(is_known), "{holders}");
    assert_eq!(
        host.inside("stat -c '%a %U' /var/lib/homelab /etc/systemd/system/auth.service"),
        "700 root\n600 root\n"
    );
    canaries.are_not_in(
        "the logs and the journal",
        &host.inside(
            "journalctl --no-pager 2>/dev/null; cat /var/log/*.log /var/lib/homelab/journal/* 2>/dev/null; true",
        ),
    );
    scene.leaves_nothing_here();
}
