//! A host that is this machine, without `ssh`: as root, and as a user with `sudo`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::deploy::people::{PASSWORD, is_deployed, large, project, settle};
use crate::support::project::Project;

#[test]
fn this_machine_needs_no_ssh() {
    let target = tempfile::tempdir().unwrap();
    let at = |name: &str| target.path().join(name);
    let task = format!(
        "[[operation]]\nop = 'files.put'\ndest = '{0}/small'\ncontent = '{{{{ host.name }}}}'\nmode = '0640'\n\
         [[operation]]\nop = 'files.put'\ndest = '{0}/large'\nsrc = 'large'\n",
        target.path().display()
    );
    let project = Project::of(&[
        ("inventories/dev.toml", "[hosts.desk]\nconnection = { local = true }\n"),
        ("deploys/all.toml", "hosts = ['desk']\ntasks = ['test/files']\n"),
        ("tasks/test/files.toml", &task),
    ]);
    project.write("templates/large", large());
    // In place of `ssh`, something that tells of itself.
    let fake = target.path().join("ssh");
    fs::write(&fake, format!("#!/bin/sh\ntouch '{}'\n", at("called").display())).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", target.path().display(), std::env::var("PATH").unwrap());
    let run = |arguments: &[&str]| {
        let output = project.command(arguments).env("PATH", &path).output().unwrap();
        (
            output.status.code(),
            crate::support::project::text(&output.stdout) + &crate::support::project::text(&output.stderr),
        )
    };
    let (code, said) = run(&["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(!at("small").exists());
    let (code, said) = run(&["deploy", "dev", "all", "--yes"]);
    assert!(code == Some(0) && said.contains("desk"), "{said}");
    assert_eq!(fs::read_to_string(at("small")).unwrap(), "desk");
    assert!(fs::read(at("large")).unwrap() == large());
    let (_, said) = run(&["deploy", "dev", "all", "--yes"]);
    assert!(said.contains("nothing to do"), "{said}");
    assert!(!at("called").exists(), "ssh was run");
}

/// In an emergency, mistakes in files that a command does not need are not in its way. It counts them.
#[test]
fn commands_work_beside_broken_files() {
    let project = Project::of(&[
        ("inventories/dev.toml", "[hosts.desk]\nconnection = { local = true }\n"),
        ("inventories/boxes.toml", "[hosts.box]\nlab = true\n"),
        ("inventories/other.toml", "[hosts"),
        ("deploys/broken.toml", "= 1"),
        ("tasks/broken.toml", "= 1"),
        ("templates/broken.j2", "{{"),
    ]);
    let broken = project.homelab(&["check"]).expect(3).stderr;
    for arguments in [
        &["exec", "dev", "desk", "--", "true"][..],
        &["facts", "dev", "desk"],
        &["inventory", "list", "dev"],
        &["inventory", "show", "desk"],
        &["inventory", "show", "desk", "--inventory", "dev"],
        &["lab", "status", "boxes"],
        &["history", "dev"],
        &["status", "dev"],
        &["trust", "dev"],
    ] {
        let ran = project.homelab(arguments).expect(0);
        let warning = ran.stderr.lines().find(|line| line.starts_with("warning: "));
        let warning = warning.unwrap_or_else(|| panic!("{arguments:?}: {}", ran.stderr));
        assert!(warning.contains("4 mistakes"), "{arguments:?}: {warning}\n{broken}");
    }
    // A host that no inventory has may be in the one that cannot be read.
    let unknown = project.homelab(&["inventory", "show", "tower"]).expect(3).stderr;
    assert!(unknown.contains("inventories/other.toml"), "{unknown}");
}

#[test]
fn this_machine_by_sudo() {
    let project = project();
    let host = project.up("dev", "alpha");
    settle(&host, &project, "");
    host.inside("echo 'anna ALL=(ALL) ALL' >/etc/sudoers.d/anna");
    project.write(
        "inventories/people.toml",
        "[hosts.alpha]\nconnection = { local = true, become = 'sudo' }\n",
    );

    // The tool itself goes to the lab host, with its project, and is run there by anna.
    let mut pack = Command::new("tar")
        .args(["-C", "/", "-c"])
        .arg(&env!("CARGO_BIN_EXE_homelab")[1..])
        .arg("-C")
        .arg(project.root())
        .args(["--exclude=.homelab", "."])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let unpacked = Command::new("docker")
        .args([
            "exec",
            "-i",
            host.container(),
            "tar",
            "-C",
            "/home/anna",
            "--no-same-owner",
            "-x",
        ])
        .stdin(pack.stdout.take().unwrap())
        .status();
    assert!(unpacked.unwrap().success() && pack.wait().unwrap().success());
    host.inside("chmod -R a+rX /home/anna");
    let by_anna = |password: &str| {
        format!(
            "cd /home/anna && exec runuser -u anna -- env HOMELAB_BECOME_PASSWORD=\"{password}\" .{} deploy people all --yes 2>&1",
            env!("CARGO_BIN_EXE_homelab")
        )
    };
    let said = host.inside(&format!("{{ {}; }} || true", by_anna("wrong").replace("exec ", "")));
    assert!(
        said.contains("alpha: cannot become `root` with `sudo`: wrong password"),
        "{said}"
    );
    host.inside(&by_anna(&PASSWORD.replace('$', "\\$")));
    is_deployed(&host);
}
