//! Steps where other users may change what is on the way.

use super::*;
use crate::change::{Above, End, FileNumber, ResolvedPath};
use crate::facts::path::{ancestors, parent};

pub(super) fn number(path: &str) -> FileNumber {
    let metadata = std::fs::symlink_metadata(path).expect("there");
    FileNumber {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

fn stat(format: &str, path: &str) -> String {
    let output = std::process::Command::new("stat")
        .args(["-c", format, path])
        .output()
        .expect("stat runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The way to a path as it is now.
pub(super) fn resolve(path: &str) -> ResolvedPath {
    let above = ancestors(path).into_iter().map(|path| Above {
        number: Some(number(&path)),
        owner: stat("%U", &path),
        mode: u32::from_str_radix(&stat("%a", &path), 8).expect("a mode"),
        path,
    });
    let end = if std::fs::symlink_metadata(path).is_ok() {
        End::Present {
            number: Some(number(path)),
            owner: stat("%U", path),
            mode: mode(path),
            links: stat("%h", path).parse().expect("a number"),
        }
    } else {
        End::Absent
    };
    ResolvedPath {
        path: path.to_owned(),
        above: above.collect(),
        is_open: true,
        end,
        in_place: false,
        safe: Some(parent(path).to_owned()),
    }
}

pub(super) fn on_path(step: Step, resolved: ResolvedPath) -> ResourceChange {
    change(vec![step], vec![Expect::ResolvedPath(Box::new(resolved))])
}

fn directory(path: String, mode: u32) -> Step {
    Step::MakeDirectory(MakeDirectory {
        path,
        attributes: attributes(mode),
        keeps: false,
    })
}

pub(super) fn set(path: String, mode: u32) -> Step {
    Step::SetAttributes(SetAttributes {
        path,
        attributes: attributes(mode),
    })
}

#[tokio::test]
async fn every_step_is_done_and_leaves_nothing_else() {
    for shell in ["dash", "bash"] {
        let folder = Folder::new();
        let at = |name: &str| folder.path(name);
        std::fs::write(at("old"), "old").expect("write");
        std::fs::write(at("gone"), "x").expect("write");
        std::fs::create_dir(at("d * e")).expect("mkdir");
        // What is made in it inherits the setgid bit.
        std::fs::set_permissions(at("d * e"), std::fs::Permissions::from_mode(0o2755)).expect("chmod");
        std::fs::write(at("d * e/new"), "kept").expect("write");
        let large = vec![b'x'; 300_000];
        let steps = [
            folder.write("new", b"a\0b", 0o640),
            folder.write("old", b"other", 0o600),
            folder.write("large", &large, 0o644),
            directory(at("made"), 0o2750),
            directory(at("d * e/deep"), 0o700),
            set(at("d * e"), 0o711),
            set(at("old"), 0o604),
            Step::Link(Link {
                path: at("link"),
                target: "old".to_owned(),
                owner: owner(),
            }),
            Step::Link(Link {
                path: at("link"),
                target: "new".to_owned(),
                owner: owner(),
            }),
            Step::Remove(Remove { path: at("gone") }),
        ];
        for step in steps {
            let path = step.path().expect("about a path").to_owned();
            let made = on_path(step, resolve(&path));
            let answers = folder.perform_in(shell, &scripts(&made, StepOptions::default())).await;
            assert_eq!(answers[0].end, StepEnd::Done, "{shell}, {path}: {}", said(&answers[0]));
            assert_eq!(said(&answers[0]), "", "{shell}, {path}");
        }
        assert_eq!(folder.listing(), ["d * e", "large", "link", "made", "new", "old"]);
        assert_eq!(std::fs::read(at("new")).expect("there"), b"a\0b");
        assert_eq!(std::fs::read(at("large")).expect("there"), large);
        assert_eq!(std::fs::read(at("old")).expect("there"), b"other");
        assert_eq!(std::fs::read(at("d * e/new")).expect("there"), b"kept");
        let modes = ["new", "old", "made", "d * e", "d * e/deep"].map(|name| mode(&at(name)));
        assert_eq!(modes, [0o640, 0o604, 0o2750, 0o711, 0o700]);
        assert_eq!(std::fs::read_link(at("link")).expect("a link"), Path::new("new"));
        assert_eq!(std::fs::read_dir(at("d * e")).expect("readable").count(), 2);
    }
}

#[tokio::test]
async fn a_directory_that_was_swapped_for_a_link_gets_nothing() {
    let names = ["f", "d", "set", "l", "gone"];
    let folder = Folder::new();
    let at = |name: &str| folder.path(name);
    let steps = [
        folder.write("in/f", b"x", 0o644),
        directory(at("in/d"), 0o755),
        set(at("in/set"), 0o777),
        Step::Link(Link {
            path: at("in/l"),
            target: "x".to_owned(),
            owner: owner(),
        }),
        Step::Remove(Remove { path: at("in/gone") }),
    ];
    std::fs::create_dir(at("in")).expect("mkdir");
    for name in ["in/set", "in/gone"] {
        std::fs::write(at(name), "mine").expect("write");
    }
    let changes: Vec<ResourceChange> = steps
        .into_iter()
        .zip(names)
        .map(|(step, name)| on_path(step, resolve(&at(&format!("in/{name}")))))
        .collect();
    std::fs::rename(at("in"), at("away")).expect("renamed");
    std::os::unix::fs::symlink("away", at("in")).expect("symlink");
    let before = stat("%n %a %y %z", &at("away/set"));
    for change in &changes {
        // As reviewed, and swapped only after that look.
        assert_eq!(folder.perform(change, false).await[0].end, StepEnd::Stale);
        let mut late = scripts(change, StepOptions::default());
        late[0].guard = None;
        let answers = folder.perform_in("dash", &late).await;
        assert_eq!(answers[0].end, StepEnd::Failed { status: 1 }, "{}", said(&answers[0]));
        assert!(said(&answers[0]).contains("changed meanwhile"), "{}", said(&answers[0]));
    }
    assert_eq!(stat("%n %a %y %z", &at("away/set")), before);
    assert_eq!(std::fs::read_dir(at("away")).expect("readable").count(), 2);
}

#[tokio::test]
async fn attributes_are_set_only_of_what_was_reviewed() {
    let folder = Folder::new();
    let at = |name: &str| folder.path(name);
    std::fs::write(at("victim"), "x").expect("write");
    std::fs::write(at("f"), "x").expect("write");
    let change = on_path(set(at("f"), 0o777), resolve(&at("f")));
    let body = || {
        let mut late = scripts(&change, StepOptions::default());
        late[0].guard = None;
        late
    };
    let planted: [&dyn Fn(); 4] = [
        &|| std::os::unix::fs::symlink("victim", at("f")).expect("symlink"),
        &|| std::fs::hard_link(at("victim"), at("f")).expect("linked"),
        &|| std::fs::create_dir(at("f")).expect("mkdir"),
        &|| {
            let made = std::process::Command::new("mkfifo")
                .arg(at("f"))
                .status()
                .expect("it runs");
            assert!(made.success());
        },
    ];
    // The inode stays in use: its number is not given to what is planted.
    std::fs::rename(at("f"), at("kept")).expect("renamed");
    for plant in planted {
        let _ = std::fs::remove_file(at("f"));
        plant();
        let before = stat("%a", &at("f"));
        let answers = folder.perform_in("dash", &body()).await;
        assert_eq!(answers[0].end, StepEnd::Failed { status: 1 }, "{}", said(&answers[0]));
        assert_eq!(
            (mode(&at("victim")), stat("%a", &at("f"))),
            (0o644 & mode(&at("victim")), before)
        );
        let _ = std::fs::remove_dir(at("f"));
    }
}

#[tokio::test]
async fn old_files_of_one_second_are_all_kept() {
    for is_open in [false, true] {
        let folder = Folder::new();
        std::fs::write(folder.path("f"), "0").expect("write");
        for text in ["1", "2", "3", "4"] {
            let step = Step::WriteFile(WriteFile {
                path: folder.path("f"),
                content: Content::new(text.as_bytes()),
                attributes: attributes(0o644),
                validate: None,
                validate_within: None,
                validate_env: crate::facts::Environment::default(),
                backup: true,
                fetch: None,
            });
            let resolved = ResolvedPath {
                is_open,
                ..resolve(&folder.path("f"))
            };
            let answers = folder.perform(&on_path(step, resolved), false).await;
            assert_eq!(answers[0].end, StepEnd::Done, "{}", said(&answers[0]));
        }
        let names = folder.listing();
        let mut kept: Vec<Vec<u8>> = names
            .iter()
            .filter(|name| name.ends_with('~'))
            .map(|name| std::fs::read(folder.path(name)).expect("there"))
            .collect();
        kept.sort();
        assert_eq!(kept, ["0", "1", "2", "3"].map(Vec::from), "{names:?}");
    }
}

#[tokio::test]
async fn a_validator_that_writes_or_refuses_leaves_the_old_file() {
    for is_open in [false, true] {
        let folder = Folder::new();
        std::fs::write(folder.path("f"), "old").expect("write");
        let with = |command: &[&str]| {
            let step = Step::WriteFile(WriteFile {
                path: folder.path("f"),
                content: Content::new(*b"new"),
                attributes: attributes(0o644),
                validate: Some(command.iter().map(|word| (*word).to_owned()).collect()),
                validate_within: None,
                validate_env: crate::facts::Environment::default(),
                backup: false,
                fetch: None,
            });
            let resolved = ResolvedPath {
                is_open,
                ..resolve(&folder.path("f"))
            };
            on_path(step, resolved)
        };
        let cases: [(&[&str], &str); 4] = [
            (
                &["sh", "-c", "echo more >>{path}"],
                "`validate` changed the new file; the old file stays",
            ),
            (
                &["chmod", "0777", "{path}"],
                "`validate` changed the new file; the old file stays",
            ),
            (
                &["grep", "-q", "zzz", "{path}"],
                "`validate` did not accept the new file; the old file stays: `grep -q zzz {path}`\n",
            ),
            (
                &["sh", "-c", "false", "visudo", "{path}"],
                "`visudo` did not accept the new file; the old file stays\n",
            ),
        ];
        for (command, expected) in cases {
            let answers = folder.perform(&with(command), false).await;
            assert_eq!(answers[0].end, StepEnd::Failed { status: 1 });
            assert!(said(&answers[0]).contains(expected), "{}", said(&answers[0]));
            assert_eq!(std::fs::read(folder.path("f")).expect("there"), b"old");
            assert_eq!(folder.listing(), ["f"]);
        }
        std::fs::remove_file(folder.path("f")).expect("there");
        let answers = folder.perform(&with(&["false"]), false).await;
        let nothing = "`validate` did not accept the new file; nothing was written: `false`\n";
        assert!(said(&answers[0]).contains(nothing), "{}", said(&answers[0]));
        assert_eq!(folder.listing(), [""; 0]);
        let answers = folder.perform(&with(&["grep", "-q", "new", "{path}"]), false).await;
        assert_eq!(answers[0].end, StepEnd::Done, "{}", said(&answers[0]));
        assert_eq!(std::fs::read(folder.path("f")).expect("there"), b"new");
    }
}

#[tokio::test]
async fn a_mount_point_keeps_its_inode() {
    let folder = Folder::new();
    std::fs::write(folder.path("f"), "old content").expect("write");
    let before = number(&folder.path("f"));
    let resolved = ResolvedPath {
        is_open: false,
        in_place: true,
        ..resolve(&folder.path("f"))
    };
    let answers = folder
        .perform(&on_path(folder.write("f", b"new", 0o600), resolved), false)
        .await;
    assert_eq!(answers[0].end, StepEnd::Done, "{}", said(&answers[0]));
    assert_eq!((number(&folder.path("f")), mode(&folder.path("f"))), (before, 0o600));
    assert_eq!(std::fs::read(folder.path("f")).expect("there"), b"new");
    assert_eq!(folder.listing(), ["f"]);
}
