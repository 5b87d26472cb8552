//! What lints find, and what they leave alone: `NAME/bad-….txt` must have the lint `NAME`, `NAME/good-….txt` must not.
//!
//! A case is a line of words, the files that differ from the project in `base` behind `-- PATH`, and behind `==` what
//! `homelab check --verbose` says of a bad one. `HOMELAB_WRITE_TEXTS=1 cargo test --test cases lints` writes that: read it before you
//! commit. The word `canary` is in secrets only, and must not be in any output.

mod sarif;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use homelab::policy::LINTS;
use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;

use crate::support::project::copy_folder;

/// In every secret of the cases.
const CANARY: &str = "canary";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lints").join(name)
}

/// A test a case, and those of all of them.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("lints::every_lint_has_cases", || {
            every_lint_has_cases();
            Ok(())
        }),
        Trial::test("lints::what_is_allowed_is_counted_and_shown", || {
            what_is_allowed_is_counted_and_shown();
            Ok(())
        }),
        Trial::test("lints::exit_codes", || {
            exit_codes();
            Ok(())
        }),
        Trial::test("lints::the_project_of_this_repository_is_clean", || {
            the_project_of_this_repository_is_clean();
            Ok(())
        }),
    ];
    for (lint, path) in cases() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        trials.push(Trial::test(format!("lints::{lint}::{name}"), move || {
            holds(&lint, &path)
        }));
    }
    trials
}

fn cases() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for lint in LINTS {
        let Ok(entries) = fs::read_dir(folder(lint.name)) else {
            continue;
        };
        found.extend(entries.map(|entry| (lint.name.to_owned(), entry.unwrap().path())));
    }
    found.sort();
    found
}

fn every_lint_has_cases() {
    for start in ["bad-", "good-"] {
        let has = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with(start);
        let covered: BTreeSet<String> = cases()
            .into_iter()
            .filter(|(_, path)| has(path))
            .map(|(lint, _)| lint)
            .collect();
        let missing: Vec<&str> = LINTS
            .iter()
            .map(|lint| lint.name)
            .filter(|name| !covered.contains(*name))
            .collect();
        assert!(missing.is_empty(), "no case `{start}…` of {missing:?}");
    }
}

fn project(files: &str) -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    copy_folder(&folder("base"), project.path());
    for section in format!("\n{files}").split("\n-- ").skip(1) {
        let (path, text) = section.split_once('\n').unwrap();
        let path = project.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }
    project
}

fn check(project: &Path, options: &[&str]) -> (Option<i32>, String, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_homelab"))
        .arg("check")
        .args(options)
        .current_dir(project)
        .env("NO_COLOR", "1")
        .env("GIT_CEILING_DIRECTORIES", "/")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

/// Whether a case is as its name says, in every format.
fn holds(lint: &str, path: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(path).unwrap();
    let (given, told) = text.split_once("\n==\n").unwrap_or((&text, ""));
    let project = project(given);
    let is_bad = path.file_name().unwrap().to_string_lossy().starts_with("bad-");
    let (_, stdout, stderr) = check(project.path(), &["--verbose"]);
    let marked = format!("[{lint}]");
    let mut wrong = Vec::new();
    if !stdout.contains("checked without connecting") {
        wrong.push(format!("the project is wrong: {stdout}{stderr}"));
    }
    if stderr.contains(&marked) != is_bad {
        wrong.push(format!("it says of the lint:\n{stderr}"));
    }
    if is_bad && std::env::var_os("HOMELAB_WRITE_TEXTS").is_some() {
        fs::write(path, format!("{}\n==\n{stderr}", given.trim_end())).unwrap();
    } else if is_bad && stderr != told {
        wrong.push(format!("it says otherwise:\n{stderr}"));
    }
    for format in ["json", "github", "sarif"] {
        let [first, second] = [0, 1].map(|_| check(project.path(), &["--format", format]).1);
        if first != second {
            wrong.push(format!("{format} differs from run to run"));
        }
        if first.contains(CANARY) {
            wrong.push(format!("{format} shows a secret: {first}"));
        }
        if first.contains(lint) != (is_bad || format == "sarif") {
            wrong.push(format!("{format} says otherwise: {first}"));
        }
        if format == "sarif" {
            wrong.extend(sarif::faults(&first, is_bad.then_some(lint)));
        }
    }
    if (stdout + &stderr).contains(CANARY) {
        wrong.push("the text shows a secret".to_owned());
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{}:\n{}", path.display(), wrong.join("\n")).into())
    }
}

const IMAGE: &str = "[[operation]]\nop = 'docker.container'\ncontainer = 'web'\nimage = 'caddy'\n";

/// A project with one task.
fn with_task(text: &str) -> tempfile::TempDir {
    project(&format!("-- tasks/app/app.toml\n{text}"))
}

/// With the keys of an operation, of a task and of a stack, and with comments.
fn what_is_allowed_is_counted_and_shown() {
    let reason = "allow = ['latest-tag']\nallow_reason = 'the vendor has no versions'\n";
    let stack = "-- tasks/app/app.toml\n[[operation]]\nop = 'docker.compose'\nproject_directory = '/opt/web'\nstack = 'web'\n\
                 -- templates/services/web/compose.yaml\nservices:\n  web:\n";
    let projects = [
        with_task(&format!("{IMAGE}{reason}")),
        with_task(&format!("{reason}{IMAGE}")),
        project(&format!(
            "{stack}    image: caddy\n-- templates/services/web/stack.toml\n{reason}"
        )),
        project(&format!(
            "{stack}    # homelab: allow latest-tag: the vendor has no versions\n    image: caddy\n"
        )),
        project(&format!(
            "{stack}    image: caddy # homelab: allow latest-tag: the vendor has no versions\n"
        )),
    ];
    for project in projects {
        let (code, stdout, stderr) = check(project.path(), &["--deny-warnings"]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        assert!(stdout.starts_with("no problems found (1 host"), "{stdout}");
        assert!(
            stdout.contains("lints: 1 allowed (`--verbose` shows all)\n"),
            "{stdout}"
        );
        let (_, _, stderr) = check(project.path(), &["--verbose"]);
        assert!(
            stderr.contains("allowed[latest-tag]: image `caddy` has no version"),
            "{stderr}"
        );
        assert!(stderr.contains("= reason: the vendor has no versions\n"), "{stderr}");
        let (_, json, _) = check(project.path(), &["--format", "json"]);
        let json: Json = serde_json::from_str(&json).unwrap();
        assert_eq!(json["lints"][0]["allowed"], "the vendor has no versions");
        let (_, github, _) = check(project.path(), &["--format", "github"]);
        assert_eq!(github, "");
        let (_, sarif, _) = check(project.path(), &["--format", "sarif"]);
        let sarif: Json = serde_json::from_str(&sarif).unwrap();
        let suppression = &sarif["runs"][0]["results"][0]["suppressions"][0];
        assert_eq!(suppression["justification"], "the vendor has no versions");
    }
}

/// Only mistakes and errors end with 3, and warnings if they are denied. Names of lints and reasons are checked.
fn exit_codes() {
    let warned = with_task(IMAGE);
    let (code, stdout, stderr) = check(warned.path(), &[]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stdout.starts_with("no mistakes found (1 host checked without connecting)\nlints: 1 warning\n"),
        "{stdout}"
    );
    assert!(
        stderr.starts_with("warning[latest-tag]: image `caddy` has no version\n"),
        "{stderr}"
    );
    assert!(stderr.contains("tasks/app/app.toml:4:9"), "{stderr}");
    assert_eq!(check(warned.path(), &["--deny-warnings"]).0, Some(3));
    let (_, github, _) = check(warned.path(), &["--format", "github"]);
    assert!(
        github.starts_with("::warning file=tasks/app/app.toml,line=4,col=9,title=latest-tag%3A "),
        "{github}"
    );
    for (keys, said) in [
        (
            "allow = ['latest-tga']\nallow_reason = 'x'\n",
            "unknown lint `latest-tga`",
        ),
        ("allow = ['latest-tag']\n", "missing `allow_reason`"),
        ("allow_reason = 'x'\n", "`allow_reason` needs `allow`"),
        (
            "allow = ['latest-tag']\nallow_reason = ' '\n",
            "`allow_reason` is empty",
        ),
        ("# homelab: allow latest-tag\n", "`homelab: allow` without a reason"),
        ("# homelab: allow latest-tga: x\n", "unknown lint `latest-tga`"),
    ] {
        let (code, _, stderr) = check(with_task(&format!("{IMAGE}{keys}")).path(), &[]);
        assert!(code == Some(3) && stderr.contains(said), "{keys}: {stderr}");
    }
    let (code, _, stderr) = check(
        with_task(&format!("{IMAGE}allow = ['latest-tga']\nallow_reason = 'x'\n")).path(),
        &[],
    );
    assert!(
        code == Some(3) && stderr.contains("did you mean `latest-tag`?"),
        "{stderr}"
    );
    // Names of other things may hold anything.
    let hostile = "[[operation]]\nop = 'docker.container'\ncontainer = \"a\\u001b[2Jb\\u202e\"\nimage = 'caddy:2'\n\
                   volumes = ['/var/run/docker.sock:/s']\n";
    let hostile = with_task(hostile);
    for options in [&[][..], &["--format", "github"], &["--format", "sarif"]] {
        let (_, stdout, stderr) = check(hostile.path(), options);
        assert!(!(stdout + &stderr).contains(['\u{1b}', '\u{202e}']), "{options:?}");
    }
    let (code, stdout, _) = check(warned.path(), &["--lints"]);
    assert!(
        code == Some(0) && LINTS.iter().all(|lint| stdout.contains(lint.name)),
        "{stdout}"
    );
}

/// What it allows has reasons.
fn the_project_of_this_repository_is_clean() {
    let (code, stdout, stderr) = check(Path::new(env!("CARGO_MANIFEST_DIR")), &["--deny-warnings"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
}
