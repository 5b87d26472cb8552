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
