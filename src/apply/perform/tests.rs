//! Runs steps in this machine's own shells, in a temporary folder, and checks the result with file system calls.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod grouped;
mod lockout;
mod moved;
mod open;
mod previous;
mod together;

use super::*;
use std::time::Duration;

use crate::change::{
    Action, Attributes, Before, Command, Link, MakeDirectory, Ownership, Remove, ResourceId, ResourceKind,
    SetAttributes, WriteFile,
};
use crate::content::{Content, Input};
use crate::facts::{Identity, Probe};
use crate::remote::{Connection, LockRequest, StepAnswer, StepEnd, StepNews};
use crate::secret::{DigestKey, sha256_hex};

fn scripts(change: &ResourceChange, manner: StepOptions) -> Vec<StepScript> {
    super::scripts(change, manner, &mut |_, _| None)
}

fn change(steps: Vec<Step>, expect: Vec<Expect>) -> ResourceChange {
    ResourceChange {
        expect,
        steps,
        ..ResourceChange::new(
            ResourceId::new(ResourceKind::File, "x"),
            Action::Create,
            Before::Absent,
            None,
        )
    }
}

fn owner() -> Ownership {
    let Attributes { owner, group, .. } = attributes(0);
    Ownership { owner, group }
}

fn attributes(mode: u32) -> Attributes {
    let name = |option: &str| {
        let output = std::process::Command::new("id").arg(option).output().expect("id runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    Attributes {
        owner: name("-un"),
        group: name("-gn"),
        mode,
    }
}

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, content: &[u8], mode: u32) -> Step {
        Step::WriteFile(WriteFile {
            path: self.path(name),
            content: Content::new(content),
            attributes: attributes(mode),
            validate: None,
            validate_within: None,
            validate_env: crate::facts::Environment::default(),
            backup: false,
            fetch: None,
        })
    }

    fn listing(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .expect("readable")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name != "lock")
            .collect();
        names.sort();
        names
    }

    async fn perform_in(&self, shell: &str, scripts: &[StepScript]) -> Vec<StepAnswer> {
        let shell = PathBuf::from(format!("/bin/{shell}"));
        let mut connection = Connection::local(&shell).await.expect("a shell");
        let request = LockRequest {
            path: self.path("lock"),
            ..LockRequest::new("a test")
        };
        let mut writer = connection.lock(&request).await.expect("the lock");
        let answers = writer.perform(scripts, &mut |_, _| {}).await.expect("answers");
        connection.close().await;
        answers
    }

    async fn perform(&self, change: &ResourceChange, ensure: bool) -> Vec<StepAnswer> {
        self.perform_in(
            "sh",
            &scripts(
                change,
                StepOptions {
                    ensure,
                    ..StepOptions::default()
                },
            ),
        )
        .await
    }
}

fn mode(path: &str) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

fn said(answer: &StepAnswer) -> String {
    String::from_utf8_lossy(&answer.output).into_owned()
}

#[tokio::test]
async fn a_file_comes_whole_with_its_mode_in_every_shell() {
    for shell in ["dash", "bash"] {
        let folder = Folder::new();
        let content = b"a\0b\r\n$HOME `id` no newline";
        let absent = Expect::Absent {
            path: folder.path("f x"),
        };
        let change = change(vec![folder.write("f x", content, 0o640)], vec![absent]);
        let answers = folder
            .perform_in(shell, &scripts(&change, StepOptions::default()))
            .await;
        assert_eq!(answers[0].end, StepEnd::Done, "{shell}: {}", said(&answers[0]));
        assert_eq!(std::fs::read(folder.path("f x")).expect("there"), content);
        assert_eq!(mode(&folder.path("f x")), 0o640);
        assert_eq!(folder.listing(), ["f x"], "no temporary file is left");
    }
}

#[tokio::test]
async fn no_wider_mode_is_ever_seen() {
    let folder = Folder::new();
    let (top, is_done) = (folder.folder.path().to_owned(), Arc::new(AtomicBool::new(false)));
    let seen_until = Arc::clone(&is_done);
    let watcher = std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while !seen_until.load(Ordering::Relaxed) {
            let entries = std::fs::read_dir(&top).expect("readable").flatten();
            let files = entries.filter(|entry| entry.file_name() != "lock");
            seen.extend(files.filter_map(|entry| Some(entry.metadata().ok()?.permissions().mode() & 0o777)));
        }
        seen
    });
    let secret = vec![b'x'; 2 << 20];
    for number in 0..8 {
        let name = format!("f{number}");
        let answers = folder
            .perform(&change(vec![folder.write(&name, &secret, 0o600)], Vec::new()), false)
            .await;
        assert_eq!(answers[0].end, StepEnd::Done, "{}", said(&answers[0]));
    }
    is_done.store(true, Ordering::Relaxed);
    let seen = watcher.join().expect("it watched");
    assert!(seen.contains(&0o600), "{seen:?}");
    assert!(seen.iter().all(|mode| [0o400, 0o600, 0o700].contains(mode)), "{seen:?}");
}

#[tokio::test]
async fn a_file_replaced_is_another_inode_and_never_half_written() {
    let folder = Folder::new();
    std::fs::write(folder.path("f"), "old").expect("write");
    let before = std::fs::metadata(folder.path("f")).expect("there").ino();
    let large = vec![b'x'; 2 << 20];
    let answers = folder
        .perform(&change(vec![folder.write("f", &large, 0o644)], Vec::new()), false)
        .await;
    assert_eq!(answers[0].end, StepEnd::Done, "{}", said(&answers[0]));
    assert_eq!(std::fs::read(folder.path("f")).expect("there"), large);
    assert_ne!(std::fs::metadata(folder.path("f")).expect("there").ino(), before);
}

#[tokio::test]
async fn what_changed_since_the_review_is_left_alone() {
    let folder = Folder::new();
    std::fs::write(folder.path("f"), "somebody else's").expect("write");
    let absent = Expect::Absent { path: folder.path("f") };
    let as_reviewed = Expect::File {
        path: folder.path("f"),
        digest: Some(sha256_hex(b"reviewed")),
        attributes: attributes(0o644),
    };
    for expect in [absent, as_reviewed] {
        let answers = folder
            .perform(&change(vec![folder.write("f", b"new", 0o644)], vec![expect]), false)
            .await;
        assert_eq!(answers[0].end, StepEnd::Stale);
        assert!(said(&answers[0]).contains(&folder.path("f")), "{}", said(&answers[0]));
    }
    assert_eq!(std::fs::read(folder.path("f")).expect("there"), b"somebody else's");
}

#[tokio::test]
async fn an_expected_file_passes_the_guard_and_a_changed_mode_does_not() {
    let folder = Folder::new();
    std::fs::write(folder.path("f"), "reviewed").expect("write");
    let set =
        |mode: u32| std::fs::set_permissions(folder.path("f"), std::fs::Permissions::from_mode(mode)).expect("chmod");
    let expect = Expect::File {
        path: folder.path("f"),
        digest: Some(sha256_hex(b"reviewed")),
        attributes: attributes(0o644),
    };
    let change = change(vec![folder.write("f", b"new", 0o644)], vec![expect]);
    set(0o600);
    assert_eq!(folder.perform(&change, false).await[0].end, StepEnd::Stale);
    set(0o644);
    assert_eq!(folder.perform(&change, false).await[0].end, StepEnd::Done);
}

#[tokio::test]
async fn ensured_steps_find_that_it_is_so_already() {
    let folder = Folder::new();
    let steps = vec![
        Step::MakeDirectory(MakeDirectory {
            path: folder.path("d"),
            attributes: attributes(0o750),
            keeps: false,
        }),
        folder.write("d/f", b"x", 0o600),
        Step::SetAttributes(SetAttributes {
            path: folder.path("d/f"),
            attributes: attributes(0o600),
        }),
        Step::Link(Link {
            path: folder.path("l"),
            target: "d/f".to_owned(),
            owner: owner(),
        }),
    ];
    let change = change(steps, Vec::new());
    let ends = |answers: Vec<StepAnswer>| answers.iter().map(|answer| answer.end).collect::<Vec<_>>();
    assert_eq!(
        ends(folder.perform(&change, true).await),
        [StepEnd::Done, StepEnd::Done, StepEnd::Already, StepEnd::Done]
    );
    assert_eq!(ends(folder.perform(&change, true).await), [StepEnd::Already; 4]);
    assert_eq!(mode(&folder.path("d")), 0o750);
    assert_eq!(std::fs::read_link(folder.path("l")).expect("a link"), Path::new("d/f"));
}

#[tokio::test]
async fn a_directory_that_is_there_by_then_stays_as_it_is() {
    let folder = Folder::new();
    let make = |keeps| {
        let step = Step::MakeDirectory(MakeDirectory {
            path: folder.path("d"),
            attributes: attributes(0o750),
            keeps,
        });
        change(vec![step], Vec::new())
    };
    assert_eq!(folder.perform(&make(true), true).await[0].end, StepEnd::Done);
    assert_eq!(mode(&folder.path("d")), 0o750, "a new one is as it should be");
    std::fs::set_permissions(folder.path("d"), std::fs::Permissions::from_mode(0o700)).expect("changed");
    assert_eq!(folder.perform(&make(true), true).await[0].end, StepEnd::Already);
    assert_eq!(mode(&folder.path("d")), 0o700);
    assert_eq!(folder.perform(&make(false), true).await[0].end, StepEnd::Done);
    assert_eq!(mode(&folder.path("d")), 0o750);
}

#[tokio::test]
async fn a_refused_file_never_takes_the_place() {
    let folder = Folder::new();
    std::fs::write(folder.path("f"), "good").expect("write");
    let validated = |content: &[u8]| {
        Step::WriteFile(WriteFile {
            path: folder.path("f"),
            content: Content::new(content),
            attributes: attributes(0o644),
            validate: Some(["grep", "-q", "good", "{path}"].map(str::to_owned).to_vec()),
            validate_within: None,
            validate_env: crate::facts::Environment::default(),
            backup: false,
            fetch: None,
        })
    };
    let refused = folder
        .perform(&change(vec![validated(b"bad")], Vec::new()), false)
        .await;
    assert_eq!(refused[0].end, StepEnd::Failed { status: 1 });
    assert_eq!(std::fs::read(folder.path("f")).expect("there"), b"good");
    assert_eq!(folder.listing(), ["f"]);
    let accepted = folder
        .perform(&change(vec![validated(b"good too")], Vec::new()), false)
        .await;
    assert_eq!(accepted[0].end, StepEnd::Done);
}

#[tokio::test]
async fn a_failed_step_leaves_the_rest_and_says_what_it_said() {
    let folder = Folder::new();
    let steps = vec![
        folder.write("no/such/folder", b"x", 0o644),
        folder.write("f", b"x", 0o644),
    ];
    let answers = folder.perform(&change(steps, Vec::new()), false).await;
    assert!(matches!(answers[0].end, StepEnd::Failed { .. }));
    assert!(said(&answers[0]).contains("no/such"), "{}", said(&answers[0]));
    assert_eq!(answers[1].end, StepEnd::Skipped);
    assert_eq!(folder.listing(), Vec::<String>::new());
    std::fs::create_dir(folder.path("d")).expect("mkdir");
    let onto_directory = folder
        .perform(&change(vec![folder.write("d", b"x", 0o644)], Vec::new()), false)
        .await;
    assert_eq!(onto_directory[0].end, StepEnd::Failed { status: 1 });
}

#[tokio::test]
async fn commands_keep_their_exit_code_and_are_ended_in_time() {
    let folder = Folder::new();
    let run = |script: &str, timeout: u64| {
        let run = Command {
            timeout: Duration::from_secs(timeout),
            by: Identity::Own,
            ..Command::new(script, script)
        };
        change(vec![Step::Run(run)], Vec::new())
    };
    let answers = folder
        .perform(&run("echo out; echo err >&2; cat; exit 7", 10), false)
        .await;
    assert_eq!(answers[0].end, StepEnd::Failed { status: 7 });
    assert_eq!(said(&answers[0]).trim(), "out\nerr");
    let answers = folder.perform(&run("sleep 60", 1), false).await;
    assert_eq!(answers[0].end, StepEnd::Failed { status: 124 });
    let answers = folder.perform(&run("if true; then", 10), false).await;
    assert_eq!(answers[0].end, StepEnd::Failed { status: 2 });
}

#[tokio::test]
async fn a_command_reads_its_input_and_nobody_else_sees_it() {
    let me = attributes(0).owner;
    // Small input is in the frame, larger input in a file without a name.
    for size in [12, 300_000] {
        for by in [Identity::Own, Identity::LoginUser, Identity::User(me.clone())] {
            for shell in ["dash", "bash"] {
                let folder = Folder::new();
                let secret = "hunter2\0 'x'\n".repeat(size / 12);
                let script = format!(
                    "cat >{out}; tr '\\0' '\\n' </proc/$$/cmdline >{out}.words; sh -c '[ -e /proc/$$/fd/3 ] || echo closed' >{out}.files",
                    out = crate::quote::quote(&folder.path("out"))
                );
                let command = Command {
                    by: by.clone(),
                    input: Some(Input::secret(secret.clone().into_bytes(), &DigestKey::random())),
                    ..Command::new("reads", script)
                };
                let change = change(vec![Step::Run(command)], Vec::new());
                assert!(!format!("{change:?}").contains("hunter2"));
                let scripts = scripts(&change, StepOptions::default());
                assert!(!format!("{scripts:?}").contains("hunter2") && !scripts[0].body.contains("hunter2"));
                let answers = folder.perform_in(shell, &scripts).await;
                assert_eq!(answers[0].end, StepEnd::Done, "{}", said(&answers[0]));
                assert_eq!(std::fs::read(folder.path("out")).expect("there"), secret.as_bytes());
                assert!(
                    !std::fs::read_to_string(folder.path("out.words"))
                        .expect("there")
                        .contains("hunter2")
                );
                // The descriptor of the input is closed.
                assert_eq!(
                    std::fs::read_to_string(folder.path("out.files")).expect("there").trim(),
                    "closed"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_secret_that_was_stored_cannot_be_sent() {
    let folder = Folder::new();
    let input = Input::secret(*b"hunter2", &DigestKey::random());
    let stored = serde_json::to_string(&input).expect("serialises");
    let command = Command {
        by: Identity::Own,
        input: Some(serde_json::from_str(&stored).expect("reads")),
        ..Command::new("reads", "cat")
    };
    let next = Step::Run(Command {
        by: Identity::Own,
        ..Command::new("next", "true")
    });
    let answers = folder
        .perform(&change(vec![Step::Run(command), next], Vec::new()), false)
        .await;
    assert_eq!(answers[0].end, StepEnd::Failed { status: 1 });
    assert_eq!(
        answers[0].cause.as_deref(),
        Some("the plan was stored without this content")
    );
    assert_eq!((answers[1].end, &answers[1].cause), (StepEnd::Skipped, &None));
}

fn large_file(folder: &Folder, path: &str, content: Content) -> Step {
    Step::WriteFile(WriteFile {
        path: folder.path(path),
        content,
        attributes: attributes(0o640),
        validate: None,
        validate_within: None,
        validate_env: crate::facts::Environment::default(),
        backup: false,
        fetch: None,
    })
}

/// A file that is read as it is sent.
fn on_disk(folder: &Folder, bytes: &[u8]) -> Content {
    let path = folder.path("source");
    std::fs::write(&path, bytes).expect("write");
    let mut content: Content =
        serde_json::from_str(&serde_json::to_string(&Content::new(bytes)).expect("serialises")).expect("reads");
    content.attach("templates/source", Path::new(&path));
    content
}

#[tokio::test]
async fn a_large_file_is_staged_beside_its_target_and_leaves_nothing_else() {
    for shell in ["dash", "bash"] {
        let folder = Folder::new();
        let bytes = b"0123456789\0\n".repeat(50_000);
        let content = on_disk(&folder, &bytes);
        let steps = vec![
            large_file(&folder, "a", content.clone()),
            Step::MakeDirectory(MakeDirectory {
                path: folder.path("d"),
                attributes: attributes(0o700),
                keeps: false,
            }),
            large_file(&folder, "d/b", content.clone()),
            folder.write("small", b"x", 0o600),
        ];
        let made = change(steps, Vec::new());
        let answers = folder.perform_in(shell, &scripts(&made, StepOptions::default())).await;
        for answer in &answers {
            assert_eq!(answer.end, StepEnd::Done, "{shell}: {}", said(answer));
        }
        assert_eq!(std::fs::read(folder.path("d/b")).expect("there"), bytes);
        assert_eq!(mode(&folder.path("a")), 0o640);
        assert_eq!(folder.listing(), ["a", "d", "small", "source"]);
        assert_eq!(std::fs::read_dir(folder.path("d")).expect("readable").count(), 1);
        // Existing content is not sent again.
        std::fs::remove_file(folder.path("source")).expect("removed");
        let whole = StepOptions {
            ensure: true,
            ..StepOptions::default()
        };
        let again = change(vec![large_file(&folder, "a", Content::new(bytes.clone()))], Vec::new());
        assert_eq!(
            folder.perform_in(shell, &scripts(&again, whole)).await[0].end,
            StepEnd::Already
        );
        let refused = change(
            vec![large_file(&folder, "small", Content::new(bytes.clone()))],
            vec![Expect::Absent {
                path: folder.path("small"),
            }],
        );
        let answers = folder
            .perform_in(shell, &scripts(&refused, StepOptions::default()))
            .await;
        assert_eq!(answers[0].end, StepEnd::Stale);
        let nowhere = change(vec![large_file(&folder, "no/such/f", Content::new(bytes))], Vec::new());
        let answers = folder
            .perform_in(shell, &scripts(&nowhere, StepOptions::default()))
            .await;
        assert!(matches!(answers[0].end, StepEnd::Failed { .. }) && said(&answers[0]).contains("no/such"));
        assert_eq!(folder.listing(), ["a", "d", "small"]);
    }
}

#[tokio::test]
async fn a_file_that_changed_after_planning_replaces_nothing() {
    let folder = Folder::new();
    std::fs::write(folder.path("f"), "old").expect("write");
    let content = on_disk(&folder, &vec![1; 400_000]);
    std::fs::write(folder.path("source"), vec![2; 400_000]).expect("write");
    let steps = vec![large_file(&folder, "f", content), folder.write("g", b"x", 0o600)];
    let answers = folder.perform(&change(steps, Vec::new()), false).await;
    assert_eq!(answers[0].end, StepEnd::Failed { status: 1 });
    assert_eq!(
        answers[0].cause.as_deref(),
        Some("`templates/source` changed after the plan was made")
    );
    assert_eq!(answers[1].end, StepEnd::Skipped);
    assert_eq!(std::fs::read(folder.path("f")).expect("there"), b"old");
    assert_eq!(folder.listing(), ["f", "source"]);
}

#[tokio::test]
async fn what_is_removed_is_gone_with_all_below() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("d/e")).expect("mkdir");
    let remove = Step::Remove(Remove { path: folder.path("d") });
    let answers = folder.perform(&change(vec![remove], Vec::new()), false).await;
    assert_eq!(answers[0].end, StepEnd::Done);
    assert_eq!(folder.listing(), Vec::<String>::new());
}

#[tokio::test]
async fn a_step_that_leaves_something_else_than_it_should_fails_and_stops_the_rest() {
    let step = |body: &str, proof: &str| StepScript {
        body: checked(body, proof),
        ..StepScript::default()
    };
    for shell in ["dash", "bash"] {
        for (body, proof, end) in [
            ("true", "[ 1 = 1 ] && true", StepEnd::Done),
            ("true", "true && [ 1 = 2 ]", StepEnd::Failed { status: UNTRUE }),
            ("exit 0", "false", StepEnd::Failed { status: UNTRUE }),
            ("exit 7", "true", StepEnd::Failed { status: 7 }),
            ("trap 'exit 9' EXIT; false", "true", StepEnd::Failed { status: 9 }),
            // Not a word of its own about the proof.
            ("exit 113", "true", StepEnd::Failed { status: 1 }),
        ] {
            let answers = Folder::new()
                .perform_in(shell, &[step(body, proof), step("true", "true")])
                .await;
            assert_eq!(answers[0].end, end, "{shell}: {body}");
            let next = if end == StepEnd::Done {
                StepEnd::Done
            } else {
                StepEnd::Skipped
            };
            assert_eq!(answers[1].end, next, "{shell}: {body}");
        }
    }
}

#[tokio::test]
async fn each_kind_of_step_but_a_command_proves_what_it_did() {
    let folder = Folder::new();
    let target = folder.path("d");
    let own = attributes(0o750);
    let steps = vec![
        Step::MakeDirectory(MakeDirectory {
            path: target.clone(),
            attributes: own.clone(),
            keeps: false,
        }),
        folder.write("f", b"x", 0o640),
        Step::SetAttributes(SetAttributes {
            path: folder.path("f"),
            attributes: own,
        }),
        Step::Link(Link {
            path: folder.path("l"),
            target,
            owner: owner(),
        }),
        Step::Remove(Remove { path: folder.path("l") }),
    ];
    assert!(steps.iter().all(|step| step.proof().is_some()));
    assert!(Step::Run(Command::new("a", "a")).proof().is_none());
    for answer in folder.perform(&change(steps, Vec::new()), false).await {
        assert_eq!(answer.end, StepEnd::Done, "{}", said(&answer));
    }
    assert_eq!(folder.listing(), ["d", "f"]);
}

#[tokio::test]
async fn what_is_read_after_the_last_step_takes_no_round_trip_of_its_own() {
    let folder = Folder::new();
    let mut connection = Connection::local(Path::new("/bin/sh")).await.expect("a shell");
    let request = LockRequest {
        path: folder.path("lock"),
        ..LockRequest::new("a test")
    };
    let mut writer = connection.lock(&request).await.expect("the lock");
    let before = writer.round_trips();
    let long = "x".repeat(100_000);
    let probes = [
        Probe::for_test(format!("cat {}", quote_all([folder.path("f").as_str()]))),
        Probe::for_test("echo gone >&2; exit 3"),
    ];
    let change = change(vec![folder.write("f", long.as_bytes(), 0o600)], Vec::new());
    let mut heard = Vec::new();
    let (steps, read) = writer
        .perform_and_read(&scripts(&change, StepOptions::default()), &probes, &mut |_, news| {
            if let StepNews::Output(output) = news {
                heard.extend_from_slice(output);
            }
        })
        .await
        .expect("answers");
    assert_eq!(writer.round_trips(), before + 1);
    assert_eq!(steps[0].end, StepEnd::Done);
    assert_eq!((read[0].status, read[0].stdout.as_slice()), (0, long.as_bytes()));
    assert_eq!((read[1].status, read[1].stderr.as_slice()), (3, &b"gone"[..]));
    assert_eq!(heard, b"", "what is read is no output of a step");
    connection.close().await;
}
