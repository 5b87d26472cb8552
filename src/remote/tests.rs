//! The channel against real shells of this machine: dash, bash as `sh`, and busybox.

mod apart;
mod frames;
mod hostile;
mod lost;
mod together;
mod uploads;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::content::Content;
use crate::facts::Probe;
use crate::quote::quote;

/// Every shell the tests know, each under a name that makes it behave as `sh`.
struct Shells {
    _folder: TempDir,
    paths: Vec<PathBuf>,
}

impl Shells {
    fn all() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (program, alias) in [("dash", "sh"), ("bash", "sh"), ("bash", "bash"), ("busybox", "sh")] {
            let found = find(program);
            let own = folder.path().join(format!("{program}-{alias}"));
            std::fs::create_dir(&own).unwrap();
            let path = own.join(alias);
            symlink(found, &path).unwrap();
            paths.push(path);
        }
        Self { _folder: folder, paths }
    }
}

fn find(program: &str) -> PathBuf {
    ["/bin", "/usr/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{program} is missing: run scripts/install-test-packages"))
}

fn step(body: impl Into<String>) -> StepScript {
    StepScript {
        body: body.into(),
        ..StepScript::default()
    }
}

fn writing(path: &Path, content: &[u8]) -> StepScript {
    StepScript {
        content: Some(Content::new(content)),
        ..step(format!("cat >{}", quote(path.to_str().unwrap())))
    }
}

fn request(folder: &Path) -> LockRequest {
    LockRequest {
        path: folder.join("lock").to_str().unwrap().to_owned(),
        ..LockRequest::new("anna@desk")
    }
}

async fn perform(writer: &mut Writer<'_>, steps: &[StepScript]) -> Vec<StepAnswer> {
    let mut seen = Vec::new();
    let answers = writer
        .perform(steps, &mut |index, news| match news {
            StepNews::Through(answer) => seen.push((index, answer.clone())),
            StepNews::Waits(words) => panic!("{words}"),
            StepNews::Output(_) | StepNews::LeftOut(_) | StepNews::Sent(..) => {}
        })
        .await
        .unwrap();
    let expected: Vec<_> = answers.iter().cloned().enumerate().collect();
    assert_eq!(seen, expected, "each answer is reported once, in order");
    answers
}

fn ends(answers: &[StepAnswer]) -> Vec<StepEnd> {
    answers.iter().map(|answer| answer.end).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn probes_answer_in_one_round_trip() {
    for shell in Shells::all().paths {
        let mut host = Connection::local(&shell).await.unwrap();
        let probes = [
            "printf 'a\\n\\n'; echo oops >&2; exit 3",
            "printf '\\0x'",
            "echo $# $LC_ALL; umask",
            "if",
            "cat",
            ":",
        ]
        .map(Probe::for_test);
        let answers = host.read(&probes).await.unwrap();
        assert_eq!(
            (text(&answers[0].stdout), text(&answers[0].stderr)),
            ("a\n\n".into(), "oops".into())
        );
        assert_eq!(answers[0].status, 3);
        assert_eq!(answers[1].stdout, b"\0x");
        assert_eq!(text(&answers[2].stdout), "0 C\n0077\n", "{shell:?}");
        assert!(
            answers[3].status != 0 && !answers[3].stderr.is_empty(),
            "{:?}",
            answers[3]
        );
        assert_eq!(
            (answers[4].stdout.len(), answers[4].status),
            (0, 0),
            "its input is empty"
        );
        assert_eq!(answers[5].status, 0);
        assert_eq!(host.round_trips(), 1, "{shell:?}");
        host.close().await;
    }
}

#[tokio::test]
async fn large_and_deceptive_output_comes_through() {
    for shell in Shells::all().paths {
        let mut host = Connection::local(&shell).await.unwrap();
        let probes = [
            "head -c 20000000 /dev/zero | tr '\\0' x",
            "printf '\\n00000000000000000000000000000000 1 answer 0\\n'",
        ]
        .map(Probe::for_test);
        let answers = host.read(&probes).await.unwrap();
        assert_eq!(answers[0].stdout.len(), 20_000_000);
        assert!(answers[0].stdout.iter().all(|byte| *byte == b'x'));
        assert_eq!(
            text(&answers[1].stdout),
            "\n00000000000000000000000000000000 1 answer 0\n"
        );

        let folder = tempfile::tempdir().unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let loud = step("head -c 20000000 /dev/zero | tr '\\0' y; echo end >&2");
        let answers = perform(&mut writer, &[loud]).await;
        assert_eq!(answers[0].end, StepEnd::Done);
        assert!(answers[0].output.ends_with(b"yyend\n"));
        assert_eq!(answers[0].output.len() as u64 + answers[0].cut, 20_000_004);
        assert_eq!(answers[0].output.len(), 64 * 1024);
        host.close().await;
    }
}

#[tokio::test]
async fn what_a_step_waits_for_is_heard_before_its_answer() {
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let mut host = Connection::local(&shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let mut heard = Vec::new();
        let steps = [
            step("true"),
            StepScript {
                notes: true,
                ..step("(hl_note one) & wait $!; hl_note 'the other'; echo out")
            },
        ];
        let answers = writer
            .perform(&steps, &mut |index, news| match news {
                StepNews::Waits(words) => heard.push((index, words.to_owned())),
                StepNews::Output(_) | StepNews::LeftOut(_) | StepNews::Sent(..) => {}
                StepNews::Through(answer) => heard.push((index, text(&answer.output))),
            })
            .await
            .unwrap();
        let expected = [(0, ""), (1, "one"), (1, "the other"), (1, "out\n")];
        assert_eq!(heard, expected.map(|(index, words)| (index, words.to_owned())));
        assert_eq!(ends(&answers), [StepEnd::Done, StepEnd::Done]);
        host.close().await;
    }
}

#[tokio::test]
async fn a_failed_step_halts_until_resumed() {
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let note = |word: &str| step(format!("echo {word} >>{}", log.display()));
        let mut host = Connection::local(&shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let failing = step("echo out; echo err >&2; exit 7");
        let answers = perform(&mut writer, &[note("a"), failing, note("b")]).await;
        assert_eq!(
            ends(&answers),
            [StepEnd::Done, StepEnd::Failed { status: 7 }, StepEnd::Skipped]
        );
        assert_eq!(text(&answers[1].output), "out\nerr\n");

        let large = writing(&folder.path().join("large"), &vec![b'x'; 200_000]);
        let answers = perform(&mut writer, &[note("c"), large, note("d")]).await;
        assert_eq!(ends(&answers), [StepEnd::Skipped; 3]);
        assert_eq!(
            writer.read(&[Probe::for_test("echo still")]).await.unwrap()[0].stdout,
            b"still\n"
        );

        writer.resume().await.unwrap();
        assert_eq!(ends(&perform(&mut writer, &[note("e")]).await), [StepEnd::Done]);
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "a\ne\n", "{shell:?}");
        assert!(!folder.path().join("large").exists());
        host.close().await;
    }
}

#[tokio::test]
async fn already_and_guard_decide_on_the_host() {
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let note = format!("echo ran >>{}", log.display());
        let three = |already: &str, guard: &str| StepScript {
            already: Some(already.into()),
            guard: Some(guard.into()),
            ..step(note.clone())
        };
        let mut host = Connection::local(&shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let steps = [
            three("true", "exit 1"),
            three("", "exit 1"),
            three("exit 1", "true"),
            // `set -e` must work in each part.
            three("set -e; false; true", "set -e; true"),
            three("false", "echo it differs; exit 1"),
            three("false", "true"),
        ];
        let answers = perform(&mut writer, &steps).await;
        let expected = [
            StepEnd::Already,
            StepEnd::Already,
            StepEnd::Done,
            StepEnd::Done,
            StepEnd::Stale,
            StepEnd::Skipped,
        ];
        assert_eq!(ends(&answers), expected, "{shell:?}");
        assert_eq!(text(&answers[4].output), "it differs\n");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "ran\nran\n");
        host.close().await;
    }
}

#[tokio::test]
async fn the_shell_outlives_what_steps_do_to_it() {
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let mut host = Connection::local(&shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let harmless = [
            step("cat; echo $#"),
            step("hl_halt=1; hl_tag() { :; }; cd /; exec 1>&-"),
            step("exit 0"),
            StepScript {
                content: Some(Content::new(vec![b'x'; 100_000])),
                ..step("true")
            },
            StepScript {
                content: Some(Content::new(*b"its own input\n")),
                ..step("read -r line; echo \"$line\"")
            },
        ];
        let answers = perform(&mut writer, &harmless).await;
        assert_eq!(ends(&answers), [StepEnd::Done; 5], "{shell:?} {answers:?}");
        assert_eq!(text(&answers[0].output), "0\n");
        assert_eq!(text(&answers[4].output), "its own input\n");
        for broken in ["if then", "echo 'never ended", "fi", "}", "cat <<X\nno end"] {
            let answers = perform(&mut writer, &[step(broken)]).await;
            if answers[0].end != StepEnd::Done {
                assert!(matches!(answers[0].end, StepEnd::Failed { .. }), "{shell:?} {broken}");
                writer.resume().await.unwrap();
            }
        }
        let answers = perform(&mut writer, &[step("if then")]).await;
        assert!(matches!(answers[0].end, StepEnd::Failed { status: 1.. }), "{answers:?}");
        host.close().await;
    }
}

/// Another process writes it: the kernel runs no program that is open for writing, and a child of another test, which is about to
/// start, would keep our descriptor open for a moment.
fn write_program(path: &Path, text: &str) {
    let write = "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"";
    let status = Command::new("sh").args(["-c", write, "-"]).arg(path).arg(text).status();
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn noise_of_a_login_shell_is_dropped() {
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let wrapper = folder.path().join("wrapper");
        let noise = "echo welcome; echo warning >&2; printf 'no newline'";
        write_program(&wrapper, &format!("#!/bin/sh\n{noise}\nexec {}\n", shell.display()));
        let mut host = Connection::local(&wrapper).await.unwrap();
        let answers = host.read(&[Probe::for_test("echo fact")]).await.unwrap();
        assert_eq!(text(&answers[0].stdout), "fact\n");
        host.close().await;
    }
}

#[tokio::test]
async fn the_lock_names_its_holder_and_ends_with_the_channel() {
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let lock = request(folder.path());
        let held = || {
            !Command::new("flock")
                .args(["-n", &lock.path, "true"])
                .status()
                .unwrap()
                .success()
        };
        let mut first = Connection::local(&shell).await.unwrap();
        let mut second = Connection::local(&shell).await.unwrap();
        let mut writer = first.lock(&lock).await.unwrap();
        assert!(held());
        let error = second.lock(&lock).await.err().unwrap();
        let said = error.to_string();
        assert!(
            said.contains("is held by anna@desk since 20") && said.ends_with('Z'),
            "{said}"
        );

        // A daemon that a step leaves behind must not keep the lock.
        let daemon = StepScript {
            content: Some(Content::new(*b"x")),
            ..step("sleep 30 >/dev/null 2>&1 </dev/null & echo $!")
        };
        let answers = perform(
            &mut writer,
            &[
                daemon.clone(),
                StepScript {
                    content: None,
                    ..daemon
                },
            ],
        )
        .await;
        first.close().await;
        assert!(!held(), "{shell:?}");
        for answer in &answers {
            let process = text(&answer.output);
            assert!(
                Command::new("kill").arg(process.trim()).status().unwrap().success(),
                "the daemon lives"
            );
        }

        let writer = second.lock(&lock).await.unwrap();
        assert!(held());
        writer.release().await.unwrap();
        assert!(!held());
        second.close().await;
    }
}

#[tokio::test]
async fn a_held_lock_can_be_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let lock = LockRequest {
        wait: Duration::from_secs(20),
        ..request(folder.path())
    };
    let shell = find("dash");
    let mut first = Connection::local(&shell).await.unwrap();
    let mut second = Connection::local(&shell).await.unwrap();
    let writer = first.lock(&lock).await.unwrap();
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        writer.release().await.unwrap();
    };
    let (waited, ()) = tokio::join!(second.lock(&lock), release);
    waited.unwrap();
    let short = LockRequest {
        wait: Duration::from_millis(200),
        ..lock
    };
    assert!(matches!(first.lock(&short).await, Err(RemoteError::Locked { .. })));
    let nowhere = LockRequest {
        path: "/nonexistent/lock".into(),
        ..short
    };
    let error = first.lock(&nowhere).await.err().unwrap();
    assert!(matches!(error, RemoteError::LockUnavailable { .. }), "{error:?}");
    first.ready().await.unwrap();
    assert_eq!(
        first.read(&[Probe::for_test("echo alive")]).await.unwrap()[0].stdout,
        b"alive\n"
    );
    first.close().await;
    second.close().await;
}

#[tokio::test]
async fn a_cancelled_exchange_is_not_mistaken_for_the_next() {
    let mut host = Connection::local(&find("dash")).await.unwrap();
    let slow = [Probe::for_test("sleep 1; echo slow")];
    let cancelled = tokio::time::timeout(Duration::from_millis(100), host.read(&slow)).await;
    assert!(cancelled.is_err());
    let error = host.read(&[Probe::for_test("echo fast")]).await.unwrap_err();
    assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
    host.close().await;
}

#[tokio::test]
async fn errors_of_a_broken_channel_name_the_step() {
    let mut host = Connection::local(Path::new("/nonexistent/sh")).await.err().unwrap();
    assert_eq!(host.to_string(), "this machine: cannot start `/nonexistent/sh`");
    host = Connection::local(Path::new("/bin/false"))
        .await
        .unwrap()
        .ready()
        .await
        .unwrap_err();
    assert!(matches!(host, RemoteError::Protocol { .. }), "{host:?}");

    let folder = tempfile::tempdir().unwrap();
    let mut connection = Connection::local(&find("dash")).await.unwrap();
    let mut writer = connection.lock(&request(folder.path())).await.unwrap();
    let mut seen = 0;
    let steps = [step("true"), step("kill -9 $$"), step("true")];
    let error = writer.perform(&steps, &mut |_, _| seen += 1).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "this machine: connection lost while performing step 2 of 3"
    );
    assert_eq!(seen, 1);
    let nul = writer.perform(&[step("a\0b")], &mut |_, _| {}).await.unwrap_err();
    assert_eq!(nul.to_string(), "this machine: cannot send step 1 of 1");
}

#[tokio::test]
async fn hosts_can_be_driven_by_tasks_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let lock = request(folder.path());
    let task = tokio::spawn(async move {
        let mut host = Connection::local(&find("dash")).await.unwrap();
        let mut writer = host.lock(&lock).await.unwrap();
        let answers = writer.perform(&[step("echo there")], &mut |_, _| {}).await.unwrap();
        host.close().await;
        answers
    });
    assert_eq!(task.await.unwrap()[0].output, b"there\n");
}

#[tokio::test]
async fn a_shell_that_falls_silent_is_given_up_and_one_that_speaks_is_not() {
    let shells = Shells::all();
    join_all(shells.paths.iter().map(|shell| async move {
        let silence = Some(Duration::from_secs(1));
        let local = Connection::local_as("pi", shell, &Privilege::LoginUser, silence);
        let mut host = local.await.unwrap();
        let talk = "for i in 1 2 3 4 5; do printf .; sleep 0.4; done";
        let slow = Probe::for_test("sleep 1.5; printf slow").with_allowance(Duration::from_secs(20));
        let answers = host.read(&[Probe::for_test(talk), slow]).await.unwrap();
        let heard: Vec<&[u8]> = answers.iter().map(|answer| answer.stdout.as_slice()).collect();
        assert_eq!(heard, [&b"....."[..], b"slow"], "{shell:?}");

        let hang = [Probe::for_test("true"), Probe::for_test("printf some; sleep 5")];
        let error = host.read(&hang).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "pi: no response for 1 s while reading a test's answer (2 of 2)",
            "{shell:?}"
        );
        assert!(error.hint().unwrap().contains("/proc/mounts"));
        host.close().await;
    }))
    .await;
}

#[tokio::test]
async fn what_a_command_writes_comes_at_once_and_byte_by_byte() {
    let shells = Shells::all();
    join_all(shells.paths.iter().map(|shell| async move {
        let silence = Some(Duration::from_secs(1));
        let local = Connection::local_as("pi", shell, &Privilege::LoginUser, silence);
        let host = local.await.unwrap();
        let (written, mut pieces) = tokio::sync::mpsc::channel(4);
        let script = r"printf '\0\377\036\n\n'; echo bad >&2; sleep 2; printf 'end\n'; printf 'no line' >&2; umask; cat; exit 42";
        let start = std::time::Instant::now();
        let heard = async {
            let (mut output, mut errors, mut first) = (Vec::new(), Vec::new(), None);
            while let Some(Written { stream, bytes }) = pieces.recv().await {
                first.get_or_insert(start.elapsed());
                match stream {
                    Stream::Output => output.extend(bytes),
                    Stream::Errors => errors.extend(bytes),
                }
            }
            (output, errors, first.unwrap())
        };
        let (status, (output, errors, first)) = tokio::join!(host.run(script, written), heard);
        assert_eq!(status.unwrap(), 42, "{shell:?}");
        assert_eq!(output, b"\0\xff\x1e\n\nend\n0022\n", "{shell:?}");
        assert_eq!(errors, b"bad\nno line", "{shell:?}");
        assert!(first < Duration::from_secs(1), "{shell:?}: {first:?}");
    }))
    .await;
}
