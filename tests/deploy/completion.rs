//! What shells are answered while a command is typed, as they ask for it: through the environment.

use crate::support::project::{Project, text};

const FILES: &[(&str, &str)] = &[
    (
        "inventories/dev.toml",
        "groups = ['development']\n[hosts.web-dev]\nlab = true\ngroups = ['web']\n[hosts.dns]\naddress = '192.0.2.1'\n",
    ),
    (
        "inventories/lab.toml",
        "[hosts.other]\naddress = '192.0.2.2'\n[hosts.dns]\naddress = '192.0.2.1'\ngroups = ['dns']\n",
    ),
    // Mistakes elsewhere do not matter.
    (
        "deploys/site.toml",
        "description = 'all'\ntasks = ['system/base', { task = 'web/server' }]\nunknown = 1\n",
    ),
    (
        "tasks/system/base.toml",
        "description = 'for every machine'\ntags = ['base', 'slow']\n",
    ),
    ("tasks/web/server.toml", "[[operation]]\nop = 'nope'\n"),
    ("tasks/web/unused.toml", ""),
];

/// The words that bash is offered for the last one of `words`.
fn offered(project: &Project, words: &[&str]) -> Vec<String> {
    let mut command = project.command(&["--", "homelab"]);
    command.args(words).env("COMPLETE", "bash").env("_CLAP_IFS", "\n");
    let index = words.len().to_string();
    command
        .env("_CLAP_COMPLETE_INDEX", index)
        .env("_CLAP_COMPLETE_COMP_TYPE", "9");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "{words:?}");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn names_of_the_project_are_offered_where_they_belong() {
    let project = Project::of(FILES);
    let cases: &[(&[&str], &[&str])] = &[
        (&["deploy", ""], &["dev", "lab"]),
        (&["deploy", "dev", ""], &["site"]),
        (
            &["deploy", "dev", "site", "--limit", ""],
            &["web-dev", "dns", "development", "web"],
        ),
        (
            &["deploy", "dev", "site", "--limit", "dns,w"],
            &["dns,web-dev", "dns,web"],
        ),
        (&["deploy", "lab", "site", "--limit=d"], &["--limit=dns"]),
        (&["deploy", "dev", "site", "--only", ""], &["system/base", "web/server"]),
        (&["deploy", "dev", "site", "--tags", ""], &["base", "slow"]),
        (&["check", ""], &["dev", "lab"]),
        (&["inventory", "explain", "w"], &["web-dev"]),
        (&["inventory", "show", "dns", "--inventory", "l"], &["lab"]),
        (&["exec", "lab", ""], &["other", "dns"]),
        (&["trust", ""], &["dev", "lab"]),
        (&["facts", "lab", "o"], &["other"]),
        (&["facts", "lab", "dns", "os.c"], &["os.codename"]),
        (&["lab", "up", ""], &["dev"]),
        (&["lab", "ssh", ""], &["web-dev", "dev"]),
        (&["lab", "ssh", "dev", ""], &["web-dev"]),
        (&["lab", "reset", "dev", ""], &["web-dev"]),
        (&["operations", "apt.up"], &["apt.update", "apt.upgrade"]),
        (&["schema", "s"], &["stack"]),
        (&["completions", ""], &["bash", "zsh", "fish"]),
    ];
    for (words, expected) in cases {
        assert_eq!(offered(&project, words), *expected, "{words:?}");
    }
}

#[test]
fn options_are_offered_where_nothing_else_can_stand() {
    let project = Project::of(FILES);
    assert_eq!(offered(&project, &["deploy", "--dr"]), ["--dry-run"]);
    let options = offered(&project, &["deploy", "dev", "site", ""]);
    assert!(
        options.contains(&"--limit".to_owned()) && options.contains(&"--help".to_owned()),
        "{options:?}"
    );
    assert!(offered(&project, &["dep"]).contains(&"deploy".to_owned()));
}

#[test]
fn outside_of_a_project_and_in_a_broken_one_there_are_no_names_and_no_noise() {
    let nowhere = Project::of(&[]);
    let broken = Project::of(&[("inventories/dev.toml", "[hosts"), ("deploys/site.toml", "= 1")]);
    for project in [nowhere, broken] {
        for words in [
            &["facts", "dev", ""][..],
            &["lab", "ssh", "x"],
            &["deploy", "dev", "site", "--only", "x"],
        ] {
            assert!(
                offered(&project, words).iter().all(|word| word.starts_with("--")),
                "{words:?}"
            );
        }
    }
}

#[test]
fn other_shells_are_told_what_names_stand_for() {
    let project = Project::of(FILES);
    let mut fish = project.command(&["--", "homelab", "deploy", "dev", "site", "--only", "sys"]);
    let output = fish.env("COMPLETE", "fish").output().unwrap();
    assert_eq!(text(&output.stdout), "system/base\tfor every machine\n");
    for (shell, line) in [
        ("bash", "source <(COMPLETE=bash homelab)\n"),
        ("zsh", "source <(COMPLETE=zsh homelab)\n"),
        ("fish", "COMPLETE=fish homelab | source\n"),
    ] {
        assert_eq!(project.homelab(&["completions", shell]).expect(0).stdout, line);
        let registration = project.command(&[]).env("COMPLETE", shell).output().unwrap();
        assert!(registration.status.success() && text(&registration.stdout).contains("homelab"));
    }
    let unknown = project.command(&["deploy"]).env("COMPLETE", "tcsh").output().unwrap();
    assert_eq!(unknown.status.code(), Some(3));
}

#[test]
fn bash_itself_takes_the_line_and_completes() {
    let project = Project::of(FILES);
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_homelab")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let script = "eval \"$(homelab completions bash)\"\nCOMP_WORDS=(homelab deploy dev site --limit w) COMP_CWORD=5 COMP_TYPE=9\n\
                  _clap_complete_homelab homelab w --limit\nprintf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = std::process::Command::new("bash");
    let output = bash
        .args(["-c", script])
        .env("PATH", path)
        .current_dir(project.root())
        .output()
        .unwrap();
    let replies = text(&output.stdout);
    assert_eq!(
        replies.replace('\u{b}', "\n").split_whitespace().collect::<Vec<_>>(),
        ["web-dev", "web"],
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let project = Project::of(&[]);
    project.homelab(&["man", "share/man1"]).expect(0);
    for page in [
        "homelab",
        "homelab-deploy",
        "homelab-operations",
        "homelab-lab",
        "homelab-lab-ssh",
    ] {
        let roff = std::fs::read_to_string(project.root().join(format!("share/man1/{page}.1"))).unwrap();
        assert!(roff.contains(".SH SYNOPSIS"), "{page}");
    }
    let deploy = std::fs::read_to_string(project.root().join("share/man1/homelab-deploy.1")).unwrap();
    assert!(deploy.contains("detailed\\-exitcode"), "{deploy:.300}");
    assert!(project.homelab(&["man"]).expect(0).stdout.contains(".TH homelab 1"));
    project.write("file", "x");
    let refused = project.homelab(&["man", "file/below"]).expect(3);
    assert!(
        refused.stderr.contains("cannot write man pages to `file/below`"),
        "{}",
        refused.stderr
    );
}
