//! Saved plans: what was reviewed is applied, and nothing on a host that is not as it was.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::canary::forms;
use crate::support::host::Host;
use crate::support::project::{Project, Ran, text};

const HOSTS: &str = "[hosts.alpha]\nlab = true\n\n[hosts.beta]\nlab = true\n";
const TASK: &str = r#"
[[operation]]
op = "files.template"
src = "plain.j2"
dest = "/etc/plain"
mode = "0644"

[[operation]]
op = "files.put"
dest = "/etc/secret"
content = "token = {{ env('CANARY') }}\n"
mode = "0600"
"#;
const WAITING: &str = r#"
[[operation]]
op = "server.shell"
commands = ["printf 'one\n' >/srv/list"]
creates = "/srv/list"

[[operation]]
op = "files.line"
path = "/srv/list"
line = "two"
"#;
const SLOW: &str = r#"
[[operation]]
op = "files.put"
dest = "/srv/first"
content = "1\n"

[[operation]]
op = "server.shell"
commands = ["sleep 30; touch /srv/slow"]
creates = "/srv/slow"
touches = ["/srv/slow"]
when = "not quick"

[[operation]]
op = "files.put"
dest = "/srv/last"
content = "2\n"
"#;

struct Scene {
    project: Project,
    away: tempfile::TempDir,
    identity: PathBuf,
    canary: String,
}

impl Scene {
    fn new() -> Self {
        let canary = format!("Kanari{}/Zq9'x+", std::process::id());
        let project = Project::of(&[
            ("inventories/dev.toml", HOSTS),
            (
                "deploys/all.toml",
                "hosts = ['alpha', 'beta']\ntasks = ['test/files']\n",
            ),
            ("deploys/waiting.toml", "hosts = ['alpha']\ntasks = ['test/waiting']\n"),
            ("deploys/slow.toml", "hosts = ['alpha']\ntasks = ['test/slow']\n"),
            ("tasks/test/files.toml", TASK),
            ("tasks/test/waiting.toml", WAITING),
            ("tasks/test/slow.toml", SLOW),
            ("group_data/all.toml", "quick = false\n"),
            ("templates/plain.j2", "reviewed on {{ host.name }}\n"),
        ]);
        project.write(".env", format!("CANARY=\"{canary}\"\n"));
        let away = tempfile::tempdir().unwrap();
        let home = away.path().join("home");
        fs::create_dir(&home).unwrap();
        let init = project
            .command(&["secrets", "init"])
            .env("HOME", &home)
            .output()
            .unwrap();
        assert!(init.status.success(), "{}", text(&init.stderr));
        Self {
            project,
            identity: home.join(".config/homelab/identity.txt"),
            away,
            canary,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        command
            .env("HOMELAB_AGE_IDENTITY", &self.identity)
            .env("TMPDIR", self.away.path());
        command
    }

    /// How many copies of the project commands left.
    fn copies(&self) -> usize {
        let entries = fs::read_dir(self.away.path()).unwrap().map(|entry| entry.unwrap());
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("homelab-plan-")).count()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    fn plan(&self, deploy: &str, file: &str) -> Vec<u8> {
        self.run(&["plan", "dev", deploy, "-o", file]).expect(0);
        fs::read(self.project.root().join(file)).unwrap()
    }

    /// What a command prints elsewhere: without the project, its keys and its variables.
    fn shown(&self, file: &str, format: &str) -> String {
        let file = self.project.root().join(file);
        let mut show = Command::new(env!("CARGO_BIN_EXE_homelab"));
        show.current_dir(self.away.path())
            .env_clear()
            .env("HOME", self.away.path());
        let output = show.args(["show", "--format", format]).arg(file).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }
}

#[test]
fn what_was_reviewed_is_applied_and_nothing_where_a_host_moved() {
    let scene = Scene::new();
    let alpha = scene.project.up("dev", "alpha");
    let beta = Host::of(&scene.project, "dev", "beta");
    let stored = text(&scene.plan("all", "a.plan"));
    for form in forms(&scene.canary) {
        assert!(!stored.contains(&form), "`{form}` is in the plan");
    }
    // The review of both plans, and of a dry run, is the same in each format.
    scene.plan("all", "b.plan");
    let digests = ["a.plan", "b.plan"].map(|file| digest(&fs::read(scene.project.root().join(file)).unwrap()));
    for format in ["text", "json", "markdown", "html"] {
        let shown = scene.shown("a.plan", format);
        assert!(shown.contains(&digests[0]), "{format}: {shown}");
        let other = scene.shown("b.plan", format);
        assert_eq!(shown, other.replace(&digests[1], &digests[0]), "{format}");
    }
    let reviewed = scene.run(&["deploy", "dev", "all", "--dry-run"]).expect(0).stdout;
    let named = format!("saved plan, digest `{}`\n", digests[0]);
    assert_eq!(scene.shown("a.plan", "text").replace(&named, ""), reviewed);

    // One host is tampered with: nothing is written on either.
    alpha.inside("echo tampered >/etc/plain");
    let before = [&alpha, &beta].map(written);
    let refused = scene.run(&["apply", "a.plan", "--yes"]).expect(6);
    assert!(
        refused.stderr.contains("alpha: not as it was when the plan was saved"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("tampered"), "{}", refused.stderr);
    assert_eq!([&alpha, &beta].map(written), before);
    assert!(!beta.is("test -e /etc/plain"));
    // The others go on by choice.
    scene.run(&["apply", "a.plan", "--yes", "--continue"]).expect(6);
    assert_eq!(beta.inside("cat /etc/plain"), "reviewed on beta\n");
    assert_eq!(
        alpha.inside("cat /etc/plain; ls /etc/secret 2>/dev/null || :"),
        "tampered\n"
    );

    // It is as it was again, and the project is not.
    alpha.inside("rm /etc/plain");
    scene.project.write("templates/plain.j2", "edited since\n");
    scene.project.write(".env", "CANARY=other\n");
    let applied = scene.run(&["apply", "a.plan", "--yes"]).expect(0);
    assert!(
        applied.stderr.contains("beta: the plan is applied already"),
        "{}",
        applied.stderr
    );
    assert_eq!(alpha.inside("cat /etc/plain"), "reviewed on alpha\n");
    assert_eq!(alpha.inside("cat /etc/secret"), format!("token = {}\n", scene.canary));
    let again = scene.run(&["apply", "a.plan", "--yes"]).expect(0);
    assert!(
        again.stderr.contains("alpha: the plan is applied already"),
        "{}",
        again.stderr
    );

    drifts(&scene, &alpha, &beta);
    waits(&scene, &alpha);
    is_killed(&scene, &alpha);
    is_forged(&scene);
    has_another_key(&scene, &alpha);
}

/// The digest that the first line of a plan has.
fn digest(plan: &[u8]) -> String {
    text(plan).split('"').nth(5).unwrap().to_owned()
}

/// Where a deploy could write: the system itself writes elsewhere at any time.
fn written(host: &Host<'_>) -> BTreeSet<String> {
    let is_of_deploys = |line: &String| {
        let path = line.get(2..).unwrap_or_default();
        ["/etc", "/root", "/srv", "/var/lib/homelab"]
            .iter()
            .any(|folder| path.starts_with(folder))
    };
    host.differences().into_iter().filter(is_of_deploys).collect()
}

/// What differs is of the configuration, of the host, or of both.
fn drifts(scene: &Scene, alpha: &Host<'_>, beta: &Host<'_>) {
    let of = |ran: &Ran, host: &str| -> String {
        let start = format!("{host}: ");
        let line = ran.stdout.lines().find(|line| line.starts_with(&start));
        line.unwrap_or_else(|| panic!("{}", ran.stdout)).to_owned()
    };
    scene.project.write(".env", format!("CANARY=\"{}\"\n", scene.canary));
    let found = scene.run(&["drift", "dev", "all"]).expect(2);
    assert_eq!(
        of(&found, "alpha"),
        "alpha: changed in the configuration: file /etc/plain (content)"
    );
    scene
        .project
        .write("templates/plain.j2", "reviewed on {{ host.name }}\n");
    let found = scene.run(&["drift", "dev", "all"]).expect(0);
    assert_eq!(found.stdout, "alpha: as configured\nbeta: as configured\n");
    alpha.inside("chmod 0600 /etc/plain");
    beta.inside("rm /etc/plain; echo x >>/etc/secret");
    let found = scene.run(&["drift", "dev", "all"]).expect(2);
    assert_eq!(
        of(&found, "alpha"),
        "alpha: changed on the host: file /etc/plain (mode)"
    );
    assert_eq!(
        of(&found, "beta"),
        "beta: changed on the host: file /etc/plain, file /etc/secret (content)"
    );
    assert_eq!(alpha.inside("stat -c %a /etc/plain"), "600\n");
    let json = scene
        .run(&["drift", "dev", "all", "--format", "json", "--limit", "alpha"])
        .expect(2);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["hosts"][0]["drifted"][0]["changed"], "host");
    scene.run(&["deploy", "dev", "all", "--yes"]).expect(0);
    let quiet = scene.run(&["drift", "dev", "all", "--quiet"]).expect(0);
    assert_eq!(quiet.stdout, "");
}

/// Operations that are planned in their turn need consent of their own.
fn waits(scene: &Scene, alpha: &Host<'_>) {
    scene.plan("waiting", "w.plan");
    let refused = scene.run(&["apply", "w.plan", "--yes"]).expect(3);
    assert!(
        refused.stderr.contains("alpha: `") && refused.stderr.contains("/srv/list"),
        "{}",
        refused.stderr
    );
    assert!(!alpha.is("test -e /srv/list"));
    scene.run(&["apply", "w.plan", "--yes", "--allow-deferred"]).expect(0);
    assert_eq!(alpha.inside("cat /srv/list"), "one\ntwo\n");
    // Nothing of it is left to consent to.
    let again = scene.run(&["apply", "w.plan", "--yes"]).expect(0);
    assert!(again.stderr.contains("the plan is applied already"), "{}", again.stderr);
}

/// What was killed halfway is finished by a deploy.
fn is_killed(scene: &Scene, alpha: &Host<'_>) {
    scene.plan("slow", "s.plan");
    let mut apply = scene.command(&["apply", "s.plan", "--yes"]).spawn().unwrap();
    alpha.wait_until("test -e /srv/first && pgrep -x sleep", Duration::from_secs(60));
    apply.kill().unwrap();
    apply.wait().unwrap();
    alpha.inside("pkill -x sleep || :");
    alpha.wait_until("flock -n /run/homelab.lock true", Duration::from_secs(60));
    assert!(!alpha.is("test -e /srv/last"));
    alpha.inside("rm -f /srv/slow");
    assert_eq!(scene.copies(), 1);
    scene.run(&["apply", "s.plan", "--yes"]).expect(6);
    assert_eq!(scene.copies(), 0);
    scene
        .run(&["deploy", "dev", "slow", "--yes", "--data", "quick=true"])
        .expect(0);
    assert_eq!(alpha.inside("cat /srv/first /srv/last"), "1\n2\n");
}

/// A file that was changed, or that someone else made, is refused.
fn is_forged(scene: &Scene) {
    let whole = scene.plan("all", "whole.plan");
    let refuses = |what: &str, bytes: &[u8], why: &str| {
        scene.project.write("forged.plan", bytes);
        let refused = scene.run(&["apply", "forged.plan", "--yes"]).expect(6);
        assert!(refused.stderr.contains(why), "{what}: {}", refused.stderr);
    };
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    refuses("flipped", &flipped, "its digest is another one");
    refuses("cut", &whole[..whole.len() / 2], "its digest is another one");
    let other = text(&whole).replacen("\"homelab_plan\":1", "\"homelab_plan\":7", 1);
    refuses("another format", other.as_bytes(), "it has format 7");
    let start = text(&whole).find(",\"seal\"").unwrap();
    let end = whole.iter().position(|byte| *byte == b'\n').unwrap();
    let unsealed = [&whole[..start], b"}", &whole[end..]].concat();
    refuses("without its seal", &unsealed, "it has no seal of a recipient");
    // Who knows its digest needs no seal.
    let digest = digest(&whole);
    scene
        .run(&["apply", "forged.plan", "--yes", "--digest", &digest])
        .expect(0);
    let wrong = digest.replace(['0', '1'], "2");
    scene
        .run(&["apply", "whole.plan", "--yes", "--digest", &wrong])
        .expect(6);
}

/// A machine with another host key is not the one that was reviewed.
fn has_another_key(scene: &Scene, alpha: &Host<'_>) {
    alpha.inside("rm /etc/ssh/ssh_host_*; ssh-keygen -A >/dev/null; systemctl restart ssh");
    let refused = scene.run(&["apply", "whole.plan", "--yes"]).expect(6);
    assert!(
        refused.stderr.contains("alpha: its host key is SHA256:"),
        "{}",
        refused.stderr
    );
}
