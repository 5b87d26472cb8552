//! Secrets where they must not be.

use std::process::Command;

use crate::support::project::{Project, text};

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

/// Where a secret is refused, with what the hint says to do instead.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "op = 'sudo.rule'\nrule = 'tokens'\nusers = ['root']\ncommands = [\"/usr/bin/test {{ env('PW') }}\"]",
        &[
            "`files.put`",
            "`mode = \"0440\"`",
            "`validate = [\"visudo\", \"-cf\", \"{path}\"]`",
        ],
    ),
    (
        "op = 'ssh.server_config'\nfilename = '50-tokens'\nsettings = { VersionAddendum = \"{{ env('PW') }}\" }",
        &[
            "`files.put`",
            "`mode = \"0600\"`",
            "`validate = [\"sshd\", \"-t\", \"-f\", \"{path}\"]`",
            "a handler that reloads `ssh`",
        ],
    ),
    (
        "op = 'systemd.timer'\nunit = 'tokens'\non_calendar = 'yearly'\ncommand = \"echo {{ env('PW') }} >/srv/read\"",
        &[
            "to a file that only `user` can read, with `files.put`",
            "have `command` read it there",
        ],
    ),
    (
        "op = 'systemd.tmpfiles'\nfile = 'tokens'\ncontent = \"f /run/token 0600 root root - {{ env('PW') }}\\n\"",
        &["to a file of its own with `files.put`", "a line `C`"],
    ),
];

/// The same as the hints say.
const INSTEAD: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/sudoers.d/tokens"
content = "root ALL = /usr/bin/test {{ env('PW') }}\n"
mode = "0440"
validate = ["visudo", "-cf", "{path}"]

[[operation]]
op = "files.put"
dest = "/etc/ssh/sshd_config.d/50-tokens.conf"
content = "VersionAddendum {{ env('PW') }}\n"
mode = "0600"
validate = ["sshd", "-t", "-f", "{path}"]
notify = ["reload ssh"]

[[operation]]
op = "files.put"
dest = "/etc/token"
content = "{{ env('PW') }}\n"

[[operation]]
op = "systemd.timer"
unit = "tokens"
on_calendar = "yearly"
command = "cat /etc/token >/srv/read"

[[operation]]
op = "systemd.tmpfiles"
file = "tokens"
content = "C /run/token 0600 root root - /etc/token\n"

[[handler]]
name = "reload ssh"
op = "systemd.service"
service = "ssh"
state = "reloaded"
"#;

#[test]
fn what_is_said_instead_of_a_secret_works() {
    const PW: &str = "hunter-two-7f3a";
    let project = Project::with_task("");
    project.write(".env", format!("PW={PW}\n"));
    for (refused, parts) in REFUSED {
        project.write("tasks/test/files.toml", format!("[[operation]]\n{refused}\n"));
        let said = project.homelab(&["check"]).expect(3).stderr;
        for part in *parts {
            assert!(said.contains(part), "no {part} in {said}");
        }
        assert!(said.contains("cannot be a secret") && !said.contains(PW), "{said}");
    }
    project.write("tasks/test/files.toml", INSTEAD);
    let host = project.up("dev", "alpha");
    host.inside("which visudo || { apt-get -qq update && apt-get -qq install -y sudo >/dev/null 2>&1; }");
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(!ran.stdout.contains(PW) && !ran.stderr.contains(PW), "{}", ran.stdout);
    host.inside("systemctl start tokens");
    for shown in [
        "cat /etc/sudoers.d/tokens",
        "sshd -T | grep -i versionaddendum",
        "cat /srv/read",
        "cat /run/token",
    ] {
        let told = host.inside(shown);
        assert!(told.contains(PW), "{shown}: {told}");
    }
    let others = "find /etc/sudoers.d/tokens /etc/ssh/sshd_config.d/50-tokens.conf /etc/token /run/token -perm /007";
    assert_eq!(host.inside(others), "");
    let again = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(again.stdout.starts_with("nothing to do"), "{}", again.stdout);
    host.is_left_in_order();
}
