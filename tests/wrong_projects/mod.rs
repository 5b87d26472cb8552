//! Wrong projects, each a little different from a right one, and what `homelab check` says of them, to the letter.
//!
//! A case of `cases/` marks where its mistakes are. Here it is seen to that every mistake is told at its word, once, and
//! with a next step, that nothing else is told, and that the text is the one that a person read and found helpful.
//! A hint that names what to write is followed: it must not lead into another mistake.
//! `HOMELAB_WRITE_TEXTS=1 cargo test --test cases wrong_projects` writes what is told into the cases: read it before you
//! commit.

mod case;
mod followed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use case::{Case, Mark, Odd};
use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;

use crate::support::project::copy_folder;

/// Fewer cases would leave kinds of mistakes out.
const AT_LEAST: usize = 60;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/wrong_projects")
        .join(name)
}

/// A test a case, and one of the project that they spoil.
pub(crate) fn trials() -> Vec<Trial> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder("cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= AT_LEAST, "{} cases", paths.len());
    let cases = paths.into_iter().map(|path| {
        let name = format!("wrong_projects::{}", path.file_stem().unwrap().to_string_lossy());
        Trial::test(name, move || is_told_well(&path))
    });
    let right = Trial::test("wrong_projects::the_right_project_is_right", || {
        the_right_project_is_right();
        Ok(())
    });
    let emergency = Trial::test(
        "wrong_projects::commands_for_emergencies_need_only_the_inventory",
        || {
            commands_for_emergencies_need_only_the_inventory();
            Ok(())
        },
    );
    let below = Trial::test("wrong_projects::below_the_root_paths_are_explained", || {
        below_the_root_paths_are_explained();
        Ok(())
    });
    cases.chain([right, emergency, below]).collect()
}

/// Every mistake is told at its word and with a next step.
fn is_told_well(path: &Path) -> Result<(), Failed> {
    let failures = failures(&Case::read(path, &folder("base")));
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("{}:\n    {}", path.display(), failures.join("\n    ")).into())
}

/// The right project with the files of `case`.
fn project(case: &Case) -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    copy_folder(&folder("base"), project.path());
    for (path, content) in &case.files {
        // What is given on the command line is in no file.
        if path.starts_with("--") {
            continue;
        }
        let path = project.path().join(path);
        match content {
            Some(content) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            None => fs::remove_file(path).unwrap(),
        }
    }
    for (path, odd) in &case.odd {
        let path = project.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match odd {
            Odd::Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            Odd::Pipe => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
            Odd::Large(size) => fs::File::create(path).unwrap().set_len(size << 20).unwrap(),
        }
    }
    project
}

fn homelab(project: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_homelab"))
        .args(arguments)
        .current_dir(project)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

/// What is wrong with the text that is printed about a case.
fn failures(case: &Case) -> Vec<String> {
    let project = project(case);
    let command: Vec<&str> = case.command.iter().map(String::as_str).collect();
    let (code, stdout, stderr) = homelab(project.path(), &command);
    let mut failures = Vec::new();
    if code != Some(3) || !stdout.is_empty() {
        failures.push(format!("it ends with {code:?}, and says on stdout: {stdout}"));
    }
    if std::env::var_os("HOMELAB_WRITE_TEXTS").is_some() {
        let text = format!("{}\n==\n{stderr}", case.given);
        fs::write(folder("cases").join(format!("{}.txt", case.name)), text).unwrap();
    } else if stderr != case.told {
        let (told, expected) = first_difference(&stderr, &case.told);
        failures.push(format!(
            "it says otherwise:\n      told      {told}\n      expected  {expected}"
        ));
    }
    let command = [&command[..], &["--format", "json"]].concat();
    let (_, document, _) = homelab(project.path(), &command);
    match serde_json::from_str::<Json>(&document) {
        Ok(document) => {
            let mistakes = document["mistakes"].as_array().unwrap();
            failures.extend(misplaced(case, &stderr, mistakes));
            let placed: Vec<Json> = mistakes
                .iter()
                .filter(|one| one.get("file").is_some())
                .cloned()
                .collect();
            let marks: Vec<Mark> = placed.iter().map(|mistake| mark(case, mistake, true)).collect();
            failures.extend(followed::in_vain(project.path(), &command, &placed, &marks));
        }
        // What is wrong about the command itself is told alone.
        Err(_) if case.marks.is_empty() && stderr.starts_with("error: ") && stderr.contains("hint: ") => {}
        Err(_) => failures.push("there is no JSON document".to_owned()),
    }
    failures
}

fn first_difference<'a>(told: &'a str, expected: &'a str) -> (&'a str, &'a str) {
    let mut pairs = told.lines().zip(expected.lines());
    pairs
        .find(|(told, expected)| told != expected)
        .unwrap_or(("more, or fewer lines", ""))
}

/// Mistakes that are not where the case says, or that leave people alone.
fn misplaced(case: &Case, text: &str, mistakes: &[Json]) -> Vec<String> {
    let mut failures = Vec::new();
    let mut told: Vec<Mark> = Vec::new();
    for mistake in mistakes {
        let title = mistake["title"].as_str().unwrap_or_default();
        if mistake["hint"].is_null() {
            failures.push(format!("no next step: {title}"));
        }
        if mistake.get("file").is_some() {
            told.push(mark(case, mistake, true));
        } else if !case.marks.is_empty() {
            failures.push(format!("no place: {title}"));
        }
        let also = mistake["also"].as_array().into_iter().flatten();
        told.extend(also.map(|place| mark(case, place, false)));
    }
    if case.marks.is_empty() && mistakes.len() != 1 {
        failures.push(format!("{} mistakes are told", mistakes.len()));
    }
    told.sort();
    for mark in case.marks.iter().filter(|mark| !told.contains(mark)) {
        failures.push(format!("nothing is told at {}", shown(mark)));
    }
    for mark in told.iter().filter(|mark| !case.marks.contains(mark)) {
        failures.push(format!("told at {}", shown(mark)));
    }
    if told.windows(2).any(|pair| pair[0] == pair[1] && pair[0].is_first) {
        failures.push("one place is blamed twice".to_owned());
    }
    for mark in case.marks.iter().filter(|mark| mark.is_first) {
        let place = format!("{}:{}:{}", mark.file, mark.line, mark.column);
        if !text.contains(&place) {
            failures.push(format!("the text does not name {place}"));
        }
    }
    failures
}

fn shown(mark: &Mark) -> String {
    let end = if mark.is_first { "" } else { " (a further end)" };
    format!("{}:{}:{} `{}`{end}", mark.file, mark.line, mark.column, mark.word)
}

/// The place, with what the file holds there.
fn mark(case: &Case, place: &Json, is_first: bool) -> Mark {
    let number = |key: &str| place[key].as_u64().unwrap();
    let file = place["file"].as_str().unwrap();
    let text = match case.files.get(file) {
        Some(content) => String::from_utf8_lossy(content.as_deref().unwrap_or_default()).into_owned(),
        None => fs::read_to_string(folder("base").join(file)).unwrap_or_default(),
    };
    let offset = |line: u64, column: u64| {
        let above: usize = text
            .split_inclusive('\n')
            .take(usize::try_from(line).unwrap() - 1)
            .map(str::len)
            .sum();
        let before = text[above..].chars().take(usize::try_from(column).unwrap() - 1);
        above + before.map(char::len_utf8).sum::<usize>()
    };
    let start = offset(number("line"), number("column"));
    let end = offset(number("end_line"), number("end_column"));
    Mark {
        file: file.to_owned(),
        line: number("line"),
        column: number("column"),
        word: text[start..end].to_owned(),
        is_first,
    }
}

/// They run beside mistakes elsewhere, and stop at those of the inventory.
fn commands_for_emergencies_need_only_the_inventory() {
    let wrong = tempfile::tempdir().unwrap();
    copy_folder(&folder("base"), wrong.path());
    let write = |path: &str, text: &str| fs::write(wrong.path().join(path), text).unwrap();
    write("deploys/site.toml", "hosts = 3\nnope = [\n");
    write("tasks/system/base.toml", "nope = 1\n");
    write("inventories/other.toml", "[hosts.-x]\n");
    write("inventories/here.toml", "[hosts.here]\nconnection = { local = true }\n");
    let commands: [&[&str]; 4] = [
        &["exec", "here", "here", "--", "echo", "hi"],
        &["inventory", "list", "home"],
        &["inventory", "show", "dns", "--inventory", "home"],
        &["inventory", "explain", "dns", "base_domain", "--inventory", "home"],
    ];
    for command in commands {
        let (code, stdout, stderr) = homelab(wrong.path(), command);
        assert_eq!(code, Some(0), "{command:?}: {stderr}");
        assert!(
            !stdout.is_empty() && stderr.starts_with("warning: "),
            "{command:?}: {stderr}"
        );
        assert!(stderr.contains("mistakes") && stderr.lines().count() == 1, "{stderr}");
    }
    let refused: [&[&str]; 4] = [
        &["exec", "other", "*", "--", "echo", "hi"],
        &["inventory", "list", "other"],
        &["facts", "other", "x"],
        &["deploy", "here", "site", "--dry-run"],
    ];
    for command in refused {
        let (code, stdout, stderr) = homelab(wrong.path(), command);
        assert_eq!((code, stdout.as_str()), (Some(3), ""), "{command:?}: {stderr}");
        assert!(stderr.contains(if command[0] == "deploy" {
            "deploys/site.toml"
        } else {
            "inventories/other.toml"
        }));
    }
    write("group_data/dns.toml", "x = [\n");
    let (code, _, stderr) = homelab(wrong.path(), &["inventory", "show", "dns", "--inventory", "home"]);
    assert!(code == Some(3) && stderr.contains("group_data/dns.toml"), "{stderr}");
    assert_eq!(homelab(wrong.path(), &["inventory", "list", "home"]).0, Some(0));
}

/// A path in a message is not one from the current folder there.
fn below_the_root_paths_are_explained() {
    let wrong = tempfile::tempdir().unwrap();
    copy_folder(&folder("base"), wrong.path());
    let root = wrong.path().canonicalize().unwrap();
    let note = format!("paths are relative to the project `{}`\n", root.display());
    fs::write(root.join("group_data/dns.toml"), "x = [\n").unwrap();
    let commands: [&[&str]; 4] = [
        &["check"],
        &["deploy", "home", "site", "--dry-run"],
        &["deploy", "nope", "site", "--dry-run"],
        &["inventory", "show", "dns", "--inventory", "home"],
    ];
    for command in commands {
        let (code, _, stderr) = homelab(&root.join("tasks"), command);
        assert!(code == Some(3) && stderr.ends_with(&note), "{command:?}: {stderr}");
        let (_, _, stderr) = homelab(&root, command);
        assert!(!stderr.contains("relative to"), "{command:?}: {stderr}");
    }
    // Without a path, there is nothing to explain.
    fs::remove_file(root.join("group_data/dns.toml")).unwrap();
    let (_, _, stderr) = homelab(&root.join("tasks"), &["init", "."]);
    assert!(!stderr.contains("relative to"), "{stderr}");
}

fn the_right_project_is_right() {
    let right = tempfile::tempdir().unwrap();
    copy_folder(&folder("base"), right.path());
    let (code, stdout, stderr) = homelab(right.path(), &["check"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("no problems found (4 hosts checked"), "{stdout}");
}
