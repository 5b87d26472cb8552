//! Shells that do anything but answer: each is given up in time, and says why.

use std::time::Instant;

use super::*;

/// What a host may send nothing for; reading it may take five times as long.
const SILENCE: Duration = Duration::from_secs(1);
/// What a busy machine may take on top.
const LONGEST: Duration = Duration::from_secs(60);

const NOT_DONE: &str = "not done after 1 s of logging in";
const NO_RESPONSE: &str = "no response for 1 s while logging in";
const TOO_MUCH: &str = "more than 1 MiB of output while logging in";

/// Shells that never speak, or too much, before they are ready, and the errors: on a busy machine another limit may be reached first.
const BEFORE_READY: &[(&str, &str, &[&str])] = &[
    ("silence", "sleep 60", &[NO_RESPONSE]),
    (
        "a byte now and then",
        "while :; do printf .; sleep 0.1; done",
        &[NOT_DONE, NO_RESPONSE],
    ),
    (
        "a line now and then",
        "while :; do echo login; sleep 0.1; done",
        &[NOT_DONE, NO_RESPONSE],
    ),
    ("noise", "exec yes", &[TOO_MUCH, NOT_DONE, NO_RESPONSE]),
    (
        "noise without lines",
        "exec cat /dev/zero",
        &[TOO_MUCH, NOT_DONE, NO_RESPONSE],
    ),
    ("errors", "yes >&2", &[NO_RESPONSE]),
    (
        "its end",
        "exit 0",
        &["unexpected answer from the host's shell while starting it", NO_RESPONSE],
    ),
    (
        "closed streams",
        "exec >&- 2>&-; sleep 60",
        &["connection lost while reading a test's answer (1 of 1)", NO_RESPONSE],
    ),
];

/// A shell that greets as it should, and then does this when a probe or a step is sent. `$nonce` and `$number` are those of the answer.
const INSTEAD_OF_AN_ANSWER: &[(&str, &str)] = &[
    ("silence", "sleep 60"),
    ("a byte now and then", "while :; do printf .; sleep 0.1; done"),
    ("noise", "exec yes"),
    ("noise without lines", "exec cat /dev/zero"),
    (
        "notes now and then",
        r"while :; do printf 'x\n%s %s note 0\n' $nonce $number; sleep 0.1; done",
    ),
    ("notes", r#"exec yes "$(printf '\n%s %s note 0\n' $nonce $number)""#),
    (
        "gaps",
        r#"exec yes "$(printf '\n%s %s gap 18446744073709551615\n' $nonce $number)""#,
    ),
    ("another number", r"printf '\n%s 77 done 0\n' $nonce; sleep 60"),
    (
        "an unknown outcome",
        r"printf '\n%s %s hello 0\n' $nonce $number; printf '\n%s %s hello 0\n' $nonce $((number + 1)); sleep 60",
    ),
    ("errors", "yes >&2"),
    ("its end", "exit 0"),
];

fn shell(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("shell");
    write_program(&path, &format!("#!/bin/sh\n{script}\n"));
    path
}

/// Greets and takes the lock as homelab's functions would.
fn greeting(then: &str) -> String {
    format!(
        r"set -f
while read -r line; do
case $line in
'hl_tag() '*) set -- $line; nonce=$8 ;;
'hl_tag 0 ready '*) printf '\n%s 0 ready 1\n' $nonce ;;
'hl_lock '[0-9]*) set -- $line; printf '\n%s %s locked 0\n' $nonce $2 ;;
'hl_probe '[0-9]*|'hl_step '[0-9]*) set -- $line; number=$2
{then} ;;
esac
done"
    )
}

async fn connected(path: &Path, silence: Duration) -> Connection {
    let local = Connection::local_as("pi", path, &Privilege::LoginUser, Some(silence));
    local.await.unwrap()
}

fn in_time(start: Instant, name: &str) {
    assert!(start.elapsed() < LONGEST, "{name}: {:?}", start.elapsed());
}

#[tokio::test]
async fn a_shell_that_never_gets_ready_is_given_up() {
    join_all(BEFORE_READY.iter().map(|(name, script, expected)| async move {
        let folder = tempfile::tempdir().unwrap();
        let mut host = connected(&shell(folder.path(), script), SILENCE).await;
        let start = Instant::now();
        let error = host.read(&[Probe::for_test("true")]).await.unwrap_err();
        let error = error.to_string();
        assert!(
            expected.iter().any(|one| error == format!("pi: {one}")),
            "{name}: {error}"
        );
        host.close().await;
        in_time(start, name);
    }))
    .await;
}

#[tokio::test]
async fn a_shell_that_does_not_answer_a_probe_is_given_up() {
    join_all(INSTEAD_OF_AN_ANSWER.iter().map(|(name, script)| async move {
        let folder = tempfile::tempdir().unwrap();
        let mut host = connected(&shell(folder.path(), &greeting(script)), SILENCE).await;
        let start = Instant::now();
        let error = host.read(&[Probe::for_test("true")]).await.unwrap_err();
        assert!(error.to_string().starts_with("pi: "), "{name}: {error}");
        host.close().await;
        in_time(start, name);
    }))
    .await;
}

#[tokio::test]
async fn a_shell_that_floods_instead_of_performing_a_step_is_given_up() {
    // A step may take long: it has a time limit of minutes at least. What it may send is limited too.
    const FLOODS: &[&str] = &["noise", "noise without lines", "notes", "gaps"];
    let floods = INSTEAD_OF_AN_ANSWER.iter().filter(|(name, _)| FLOODS.contains(name));
    join_all(floods.map(|(name, script)| async move {
        let folder = tempfile::tempdir().unwrap();
        let mut host = connected(&shell(folder.path(), &greeting(script)), LONGEST).await;
        let start = Instant::now();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let error = writer.perform(&[step("true")], &mut |_, _| {}).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "pi: more than 16 MiB of output while performing step 1 of 1",
            "{name}"
        );
        host.close().await;
        in_time(start, name);
    }))
    .await;
}
