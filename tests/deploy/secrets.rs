//! A secret, and an old one that is only on the host, are in nothing that is printed, left behind or seen by others.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::host::Host;
use crate::support::project::{Project, text};

const SECRET: &str = "Kanari-5eed/Zq9'x+\"y";
const OLD: &str = "Oldcanary/77'q+\"zz";

const TASK: &str = r#"
[[operation]]
op = "files.template"
src = "auth.j2"
dest = "/etc/auth.conf"

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
op = "server.user"
user = "anna"
password = "{{ env('CANARY') | password_hash('sha512', salt='anna') }}"

[[operation]]
op = "server.shell"
commands = ["cat >/dev/null; echo \"says $TOKEN\"; printf %s \"x$TOKEN\" | base64; test -e /etc/ends && touch /etc/done"]
creates = "/etc/done"
touches = ["/etc/done"]
env = { TOKEN = "{{ env('CANARY') }}" }
input = "{{ env('CANARY') }}"
"#;

/// The forms in which a secret must not show.
fn forms(secret: &str) -> Vec<String> {
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
    forms.push(STANDARD.encode(format!("anna:{secret}")));
    forms
}

#[track_caller]
fn has_none(what: &str, text: &str) {
    for form in forms(SECRET).iter().chain(&forms(OLD)) {
        assert!(!text.contains(form.as_str()), "`{form}` in {what}:\n{text}");
    }
}

fn said(project: &Project, temporary: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command: Command = project.command(arguments);
    let output = command.env("TMPDIR", temporary).output().unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    has_none(&arguments.join(" "), &said);
    (output.status.code(), said)
}

/// Files of the host that hold a secret.
fn holders(host: &Host<'_>) -> String {
    let mut found = String::new();
    for form in forms(SECRET).iter().chain(&forms(OLD)) {
        let pattern = form.replace('\'', "'\\''");
        let line = format!("grep -rlF --exclude-dir=proc --exclude-dir=sys -- '{pattern}' / 2>/dev/null; true");
        found.push_str(&host.inside(&line));
    }
    found
}

#[test]
fn a_secret_is_in_nothing_that_is_printed_left_behind_or_seen_by_others() {
    let project = Project::with_task(TASK);
    let temporary = tempfile::tempdir().unwrap();
    project.write("group_data/all.toml", "user = 'anna'\nport = 1\n");
    project.write(
        "templates/auth.j2",
        "Basic {{ (user ~ ':' ~ env('CANARY')) | b64encode }}\nport = {{ port }}\n",
    );
    let quoted = SECRET.replace('\\', "\\\\").replace('"', "\\\"");
    project.write(".env", format!("CANARY=\"{quoted}\"\nHOMELAB_LAB_KEY=key-of-the-lab\n"));
    let host = project.up("dev", "alpha");
    let old = STANDARD.encode(format!("anna:{OLD}"));
    host.inside(&format!(
        "umask 077; printf 'Basic {old}\\nport = 1\\n' >/etc/auth.conf"
    ));
    // What other users of the host can see of processes meanwhile.
    host.start("until [ -e /run/enough ]; do cat /proc/[0-9]*/cmdline; done >/run/seen 2>/dev/null; touch /run/ended");

    let (_, review) = said(&project, temporary.path(), &["deploy", "dev", "all", "--dry-run"]);
    assert!(
        review.contains("- [hidden]") && review.contains("+ Basic [secret]"),
        "{review}"
    );
    assert!(
        review.contains("\"password\": \"[secret]\"") || review.contains("[secret]"),
        "{review}"
    );
    for arguments in [
        &["deploy", "dev", "all", "--dry-run", "--verbose"][..],
        &["deploy", "dev", "all", "--dry-run", "--format", "json"],
        &["deploy", "dev", "all", "--dry-run", "--format", "markdown"],
        &["deploy", "dev", "all", "--dry-run", "--format", "html"],
        &["check"],
        &["facts", "alpha"],
        &["inventory", "show", "alpha"],
        &[
            "exec",
            "dev",
            "alpha",
            "--",
            "cat /etc/auth.json /etc/shadow; base64 </etc/auth.json",
        ],
    ] {
        said(&project, temporary.path(), arguments);
    }
    // It fails at the last command, whose output has the secret in it, and then it does not.
    let into = temporary.path().join("review.json");
    let failing = [
        "deploy",
        "dev",
        "all",
        "--yes",
        "--verbose",
        "--format-into",
        into.to_str().unwrap(),
    ];
    let (code, failed) = said(&project, temporary.path(), &failing);
    assert_eq!(code, Some(1), "{failed}");
    assert!(failed.contains("says [secret]"), "{failed}");
    has_none("the document", &fs::read_to_string(&into).unwrap());
    host.inside("touch /etc/ends");
    let (code, applied) = said(&project, temporary.path(), &["deploy", "dev", "all", "--yes"]);
    assert_eq!(code, Some(0), "{applied}");
    let (code, again) = said(&project, temporary.path(), &["deploy", "dev", "all", "--yes"]);
    assert_eq!(code, Some(0), "{again}");
    assert!(again.contains("nothing to do"), "{again}");

    // The test's own commands name the secrets from here on.
    host.inside("touch /run/enough");
    host.wait_until("[ -e /run/ended ]", Duration::from_secs(10));
    has_none("arguments", &host.inside("tr '\\0' ' ' </run/seen; rm /run/seen"));

    // What was deployed is there, for root alone.
    assert_eq!(
        host.inside("cat /etc/auth.conf; stat -c '%a %U' /etc/auth.conf /etc/auth.json"),
        format!(
            "Basic {}\nport = 1\n600 root\n600 root\n",
            STANDARD.encode(format!("anna:{SECRET}"))
        )
    );
    let json: serde_json::Value = serde_json::from_str(&host.inside("cat /etc/auth.json")).unwrap();
    assert_eq!(json["password"], SECRET);
    assert!(host.inside("getent shadow anna").starts_with("anna:$6$"));
    // And the file that it replaced, which a rollback needs, for root alone too.
    let kept = "/var/lib/homelab/previous/";
    let holders = holders(&host);
    let is_known = |path: &&str| path.starts_with("/etc/auth.") || path.starts_with(kept);
    assert!(holders.lines().all(|path| is_known(&path)), "{holders}");
    assert_eq!(host.inside("stat -c '%a %U' /var/lib/homelab"), "700 root\n");
    has_none(
        "the log",
        &host.inside("journalctl --no-pager 2>/dev/null; cat /var/log/*.log 2>/dev/null; true"),
    );
    let left = Command::new("find")
        .arg(temporary.path())
        .args(["-type", "f"])
        .output()
        .unwrap();
    for path in text(&left.stdout).lines() {
        has_none(path, &fs::read_to_string(path).unwrap_or_default());
    }
}

#[test]
fn a_secret_where_others_could_read_it_is_refused_before_anything_connects() {
    for (parameters, title) in [
        (
            "op = 'files.put'\ndest = \"/etc/{{ env('PW') }}\"\ncontent = 'x'",
            "`dest` of `files.put`",
        ),
        (
            "op = 'server.shell'\ncommands = [\"login {{ env('PW') }}\"]\nalways = true",
            "`commands` of `server.shell`",
        ),
        (
            "op = 'apt.packages'\npackages = [\"{{ env('PW') }}\"]",
            "`packages` of `apt.packages`",
        ),
    ] {
        let project = Project::of(&[
            ("inventories/dev.toml", "[hosts.alpha]\naddress = '127.0.0.1'\n"),
            ("deploys/all.toml", "hosts = ['alpha']\ntasks = ['test/files']\n"),
        ]);
        project.write(".env", "PW=hunter-two\n");
        project.write("tasks/test/files.toml", format!("[[operation]]\n{parameters}\n"));
        let ran = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(3);
        assert!(
            ran.stderr.contains(title) && ran.stderr.contains("tasks/test/files.toml:"),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("hunter-two"), "{}", ran.stderr);
    }
}

#[test]
fn a_file_of_variables_that_git_would_commit_is_refused() {
    let project = Project::of(&[
        ("inventories/dev.toml", "[hosts.alpha]\naddress = '127.0.0.1'\n"),
        (".env", "PW=hunter-two\n"),
    ]);
    let git = |arguments: &[&str]| {
        let ran = Command::new("git")
            .current_dir(project.root())
            .args(arguments)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", text(&ran.stderr));
    };
    git(&["init", "--quiet"]);
    let ran = project.homelab(&["check"]).expect(3);
    assert!(
        ran.stderr.contains("git would commit `.env`") && ran.stderr.contains("/.env"),
        "{}",
        ran.stderr
    );
    project.write(".gitignore", "/.env\n");
    project.homelab(&["check"]).expect(0);
}
