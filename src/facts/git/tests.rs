use std::path::Path;
use std::process::Command;

use super::*;

/// A repository and a directory for its working tree.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        bench.sh("mkdir tree && git init -q -b main up && cd up && echo 1 >a && git add a && git commit -q -m 1 && git tag v1");
        bench
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What a shell prints, in the folder.
    fn sh(&self, script: &str) -> String {
        let mut command = Command::new("sh");
        for (name, value) in [
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_AUTHOR_NAME", "a"),
            ("GIT_AUTHOR_EMAIL", "a@lab"),
            ("GIT_COMMITTER_NAME", "a"),
            ("GIT_COMMITTER_EMAIL", "a@lab"),
        ] {
            command.env(name, value);
        }
        let output = command.arg("-c").arg(script).current_dir(self.path()).output();
        let output = output.expect("sh runs");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn tree(&self, target: Target) -> WorkingTree {
        let path = |name: &str| self.path().join(name).to_str().expect("text").to_owned();
        WorkingTree {
            src: path("up"),
            dest: path("tree"),
            user: None,
            target,
            submodules: true,
        }
    }

    /// The lines of what is known of the tree, without those that say where it comes from.
    fn probe(&self, target: Target) -> Vec<String> {
        let said = self.sh(&self.tree(target).probe());
        let lines = said.lines().filter(|line| !line.starts_with("origin "));
        lines.map(|line| line.replace(&self.commit("HEAD"), "HEAD")).collect()
    }

    fn update(&self, target: Target, commit: Option<&str>, clean: bool) -> String {
        let tree = self.tree(target);
        self.sh(&tree.by().run("timeout 60", &tree.update(commit, None, clean)))
    }

    /// A commit of the source.
    fn commit(&self, name: &str) -> String {
        self.sh(&format!("git -C up rev-parse {name}")).trim().to_owned()
    }
}

const CURRENT: [&str; 6] = [
    "repository",
    "head HEAD",
    "branch main",
    "default main",
    "remote HEAD",
    "commits 0",
];

#[test]
fn a_tree_is_cloned_and_follows_its_source() {
    let bench = Bench::new();
    assert_eq!(bench.probe(Target::Default), ["empty", "default main", "remote HEAD"]);
    assert_eq!(bench.update(Target::Default, None, false), "");
    assert_eq!(bench.probe(Target::Default), CURRENT);
    bench.sh("cd up; echo 2 >a; git commit -q -a -m 2; touch ../tree/untracked");
    assert_ne!(bench.probe(Target::Default), CURRENT);
    assert_eq!(bench.update(Target::Default, Some(&bench.commit("HEAD")), false), "");
    assert_eq!(bench.probe(Target::Default), CURRENT);
    assert_eq!(bench.sh("cat tree/a; ls -A tree"), "2\n.git\na\nuntracked\n");
}

#[test]
fn the_commit_is_the_reviewed_one_though_the_source_has_moved_on() {
    let bench = Bench::new();
    let reviewed = bench.commit("HEAD");
    bench.sh("cd up; echo 2 >a; git commit -q -a -m 2");
    let branch = || Target::Branch("main".to_owned());
    assert_eq!(bench.update(branch(), Some(&reviewed), false), "");
    assert_eq!(bench.sh("git -C tree rev-parse HEAD").trim(), reviewed);
}

#[test]
fn what_only_the_host_has_is_named_and_stays() {
    let bench = Bench::new();
    bench.update(Target::Default, None, false);
    bench.sh("cd tree; echo x >a; git add a; git commit -q -m own; echo y >a");
    bench.sh("cd up; echo 2 >a; git commit -q -a -m 2");
    let said = bench.probe(Target::Default);
    assert!(
        said.contains(&"changed  M a".to_owned()) && said.contains(&"commits 1".to_owned()),
        "{said:?}"
    );
    assert!(bench.update(Target::Default, None, false).contains("local changes"));
    assert_eq!(bench.sh("cat tree/a"), "y\n");
    assert_eq!(bench.update(Target::Default, None, true), "");
    assert_eq!(bench.probe(Target::Default), CURRENT);
}

#[test]
fn a_commit_that_is_checked_out_needs_no_source() {
    let bench = Bench::new();
    let commit = || Target::Commit(bench.commit("HEAD"));
    bench.update(commit(), None, false);
    let at = commit();
    bench.sh("mv up/.git up/gone");
    let said = bench.sh(&bench.tree(at).probe());
    assert!(said.contains("\nremote ") && !said.contains("unreachable"), "{said}");
    assert!(
        bench
            .sh(&bench.tree(Target::Default).probe())
            .contains("\nunreachable fatal: ")
    );
    bench.sh("mv up/gone up/.git");
    assert_eq!(
        bench.probe(Target::Tag("v1".to_owned())).last().map(String::as_str),
        Some("commits 0")
    );
    assert!(bench.probe(Target::Tag("v2".to_owned())).contains(&"none".to_owned()));
}

#[test]
fn a_failed_clone_leaves_nothing_and_an_interrupted_one_is_made_again() {
    let bench = Bench::new();
    bench.sh("mv up/.git up/gone");
    assert!(bench.update(Target::Default, None, false).contains("fatal: "));
    assert_eq!(bench.sh("ls -A tree"), "");
    bench.sh("mv up/gone up/.git; git init -q --bare tree/.homelab-git; echo half >tree/a");
    assert_eq!(bench.probe(Target::Default)[0], "unfinished");
    assert_eq!(bench.update(Target::Default, None, false), "");
    assert_eq!(bench.probe(Target::Default), CURRENT);
    assert_eq!(bench.sh("cat tree/a; ls -A tree"), "1\n.git\na\n");
}

#[test]
fn a_directory_with_other_files_and_a_tree_above_are_left_alone() {
    let bench = Bench::new();
    bench.sh("git init -q . && echo mine >tree/x");
    assert_eq!(bench.probe(Target::Default)[0], "other");
    assert!(bench.update(Target::Default, None, true).contains("not empty"));
    bench.sh("echo 'gitdir: ../up/.git' >tree/.git");
    assert_eq!(bench.probe(Target::Default)[0], "other");
    assert!(bench.update(Target::Default, None, true).contains("not its own"));
    bench.sh("rm tree/.git; mkdir tree/.git");
    assert_eq!(bench.probe(Target::Default)[0], "other");
    assert_eq!(bench.sh("cat tree/x"), "mine\n");
}

#[test]
fn reading_runs_nothing_that_a_source_or_a_tree_names() {
    let bench = Bench::new();
    bench.update(Target::Default, None, false);
    let trace = bench.path().join("trace");
    bench.sh(
        "printf '#!/bin/sh\\ntouch trace ../trace\\n' >run; chmod +x run; git -C tree config core.fsmonitor ../run",
    );
    bench.probe(Target::Default);
    for src in [
        "ext::sh -c touch% trace",
        "--upload-pack=./run",
        "-oProxyCommand=./run:x",
    ] {
        let tree = WorkingTree {
            src: src.to_owned(),
            ..bench.tree(Target::Default)
        };
        assert!(bench.sh(&tree.probe()).contains("unreachable"), "{src}");
    }
    assert!(!trace.exists());
}

#[test]
fn submodules_are_checked_out_as_recorded() {
    let bench = Bench::new();
    bench.sh(
        "git init -q -b main part && cd part && echo p >p && git add p && git commit -q -m p && cd ../up && \
         git -c protocol.file.allow=always submodule --quiet add ../part 'a part' && git commit -q -m s",
    );
    assert_eq!(bench.update(Target::Default, None, false), "");
    assert_eq!(bench.sh("cat 'tree/a part/p'"), "p\n");
    assert_eq!(bench.probe(Target::Default), CURRENT);
    bench.sh("cd 'tree/a part'; git checkout -q --orphan x; git commit -q -m other");
    assert!(bench.probe(Target::Default).contains(&"submodule a part".to_owned()));
    assert_eq!(bench.update(Target::Default, None, false), "");
    assert_eq!(bench.probe(Target::Default), CURRENT);
}

#[test]
fn a_repository_that_others_can_change_names_no_program_for_root() {
    let bench = Bench::new();
    if bench.sh("id -u") != "0\n" {
        return;
    }
    bench.update(Target::Default, None, false);
    bench.sh(
        "printf '#!/bin/sh\\ntouch \"$0.ran\"\\n' >run; chmod +x run; git -C tree config core.sshCommand \"$PWD/run\"",
    );
    let over_ssh = WorkingTree {
        src: "ssh://git@127.0.0.1:9/x".to_owned(),
        ..bench.tree(Target::Default)
    };
    for (open, shut, shown) in [
        (
            "chmod o+w tree/.git/config",
            "chmod o-w tree/.git/config",
            "open .git/config",
        ),
        ("chmod g+w tree/.git", "chmod g-w tree/.git", "open .git"),
        ("chmod 1777 tree", "chmod 755 tree", "open ."),
        ("chown 12345 tree/.git", "chown 0 tree/.git", "open .git"),
    ] {
        bench.sh(open);
        assert_eq!(bench.sh(&over_ssh.probe()).trim(), shown, "{open}");
        let said = bench.sh(&over_ssh.by().run("timeout 60", &over_ssh.update(None, None, true)));
        assert!(said.starts_with("other users can change"), "{open}: {said}");
        bench.sh(shut);
    }
    bench.sh("chmod 777 tree; rm -r tree/.git tree/a");
    assert_eq!(bench.probe(Target::Default), ["open ."]);
    assert_eq!(bench.sh("ls run.ran 2>/dev/null"), "");
}

#[test]
fn an_update_that_was_cut_off_is_finished() {
    let bench = Bench::new();
    bench.update(Target::Default, None, false);
    bench.sh("cd up; echo 2 >a; echo b >b; git add .; git commit -q -a -m 2");
    // As git leaves it behind: the index is written last.
    bench.sh("cd tree; git fetch -q; git update-ref refs/homelab/wanted origin/main; echo 2 >a; echo ha >b; touch .git/index.lock");
    let said = bench.probe(Target::Default);
    assert!(
        said.contains(&"interrupted".to_owned()) && said.contains(&"commits 0".to_owned()),
        "{said:?}"
    );
    assert_eq!(bench.update(Target::Default, Some(&bench.commit("HEAD")), true), "");
    assert_eq!(bench.probe(Target::Default), CURRENT);
    assert_eq!(bench.sh("cat tree/a tree/b"), "2\nb\n");
}

#[test]
fn an_update_that_git_refuses_is_no_interrupted_one() {
    let bench = Bench::new();
    bench.update(Target::Default, None, false);
    bench.sh("cd up; echo b >b; git add .; git commit -q -m 2; echo mine >../tree/b");
    assert!(bench.update(Target::Default, None, false).contains("untracked"));
    assert!(!bench.probe(Target::Default).contains(&"interrupted".to_owned()));
    assert_eq!(bench.sh("cat tree/b"), "mine\n");
}

#[test]
fn what_is_changed_after_the_review_stays() {
    let bench = Bench::new();
    bench.update(Target::Default, None, false);
    bench.sh("cd up; echo 2 >b; git add .; git commit -q -m 2");
    bench.sh("echo mine >tree/a");
    assert!(
        bench
            .update(Target::Default, None, false)
            .contains("has local changes now:\n M a")
    );
    bench.sh("cd tree; git commit -q -a -m own");
    assert!(
        bench
            .update(Target::Default, None, false)
            .contains("has commits of its own now")
    );
    assert_eq!(bench.sh("cat tree/a"), "mine\n");
}

#[test]
fn a_branch_that_was_forced_elsewhere_is_followed() {
    let bench = Bench::new();
    // Cloned by hand: nothing says what was deployed.
    bench.sh("git clone -q up tree; git -C tree config remote.origin.url \"$PWD/up\"");
    bench.sh("cd up; echo other >a; git commit -q --amend -a -m other; echo mine >../tree/b; echo b >b; git add b; git commit -q -m b");
    assert!(bench.probe(Target::Default).contains(&"commits 0".to_owned()));
    assert!(bench.update(Target::Default, None, false).contains("untracked"));
    assert!(bench.probe(Target::Default).contains(&"commits 0".to_owned()));
    bench.sh("rm tree/b");
    assert_eq!(bench.update(Target::Default, None, false), "");
    assert_eq!(bench.probe(Target::Default), CURRENT);
}
