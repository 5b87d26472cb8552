//! What reaches a shell in part, and what it is sent at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::super::functions::Functions;
use super::super::nonce::Nonce;
use super::super::script::{Delivery, Frame, prologue};
use super::{Shells, step};
use crate::content::Content;
use crate::facts::Probe;
use crate::quote::quote;
use crate::remote::StepScript;

/// A frame of several writing steps, and the prologue before it.
fn frame_of_writes(nonce: &Nonce, log: &Path) -> (String, String) {
    let log = quote(log.to_str().unwrap());
    let mut frame = Frame::new(nonce, 1, Functions::default());
    let steps = [
        step(format!("echo one >>{log}")),
        StepScript {
            already: Some("false".into()),
            guard: Some("true".into()),
            content: Some(Content::new(*b"it's two\n")),
            ..step(format!("cat >>{log}"))
        },
        step(format!("if true; then\necho 'it'\"'\"'s three' >>{log}\nfi")),
        StepScript {
            content: Some(Content::new(*b"four\nfive\n")),
            ..step(format!("cat >>{log}"))
        },
    ];
    for one in &steps {
        frame.step(one, Delivery::Inline).unwrap();
    }
    (prologue(nonce), frame.finish().text)
}

/// What a shell wrote that was fed `script` and then the end of its input.
fn written_by(shell: &Path, script: &[u8], folder: &Path, log: &Path) -> String {
    let input = folder.join("script");
    std::fs::write(&input, script).unwrap();
    let _ = std::fs::remove_file(log);
    let status = Command::new(shell)
        .stdin(std::fs::File::open(&input).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap();
    std::fs::read_to_string(log).unwrap_or_default()
}

/// Cuts a frame at every byte, but only at each of `among_functions` bytes of the functions.
fn cut_at_bytes(shell: &Path, among_functions: usize) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let nonce = Nonce::random();
    let (start, frame) = frame_of_writes(&nonce, &log);
    let whole = "one\nit's two\nit's three\nfour\nfive\n";
    let script = format!("{start}{frame}");
    assert_eq!(
        written_by(shell, script.as_bytes(), folder.path(), &log),
        whole,
        "{shell:?}"
    );
    // What was read of the functions alone has run nothing, so fewer cuts among them are enough for every day.
    let after_functions = script.find("\nhl_resume()").unwrap();
    let mut cut = 0;
    while cut < script.len() {
        let written = written_by(shell, &script.as_bytes()[..cut], folder.path(), &log);
        // Only the newline after the closing brace may be missing: then all of the frame is there.
        let expected = if cut == script.len() - 1 { whole } else { "" };
        assert_eq!(written, expected, "{shell:?} cut at byte {cut} of {}", script.len());
        cut += if cut < after_functions { among_functions } else { 1 };
    }
}

fn cut_in_all_shells(among_functions: usize) {
    let shells = Shells::all();
    std::thread::scope(|scope| {
        for shell in &shells.paths {
            scope.spawn(move || cut_at_bytes(shell, among_functions));
        }
    });
}

#[test]
fn functions_are_sent_once_and_only_if_they_are_needed() {
    let nonce = Nonce::random();
    let mut frame = Frame::new(&nonce, 1, Functions::default());
    frame.probe(&Probe::for_test("true")).unwrap();
    let read = frame.finish();
    let sent = prologue(&nonce) + &read.text;
    assert!(!sent.contains("hl_step") && !sent.contains("hl_run"), "{sent}");
    let mut frame = Frame::new(&nonce, 3, read.functions);
    frame.step(&step("true"), Delivery::Inline).unwrap();
    let first = frame.finish();
    let mut frame = Frame::new(&nonce, 4, first.functions);
    frame.step(&step("true"), Delivery::Inline).unwrap();
    let later = frame.finish();
    assert!(
        first.text.contains("hl_step() {") && !first.text.contains("NONCE"),
        "{}",
        first.text
    );
    assert!(later.text.starts_with("{\nhl_step 4 "), "{}", later.text);
}

#[test]
fn a_cut_frame_never_runs_in_part() {
    cut_in_all_shells(17);
}

#[test]
#[ignore = "starts 30,000 shells: run it after a change of the functions"]
fn a_frame_cut_at_any_byte_never_runs_in_part() {
    cut_in_all_shells(1);
}

#[test]
fn a_function_of_two_probes_is_defined_once() {
    let nonce = Nonce::random();
    let mut frame = Frame::new(&nonce, 1, Functions::default());
    for _ in 0..2 {
        frame.probe(&Probe::for_test("hl_hidden /etc; echo $why")).unwrap();
    }
    let text = frame.finish().text;
    assert_eq!(text.matches("hl_hidden() {").count(), 1, "{text}");
    assert_eq!(text.matches("hl_probe ").count(), 2, "{text}");
}

/// A shell that has opened a file for an upload, and the file.
fn staging(shell: &Path, folder: &Path) -> (Child, Nonce, PathBuf) {
    let staged = folder.join(".homelab-0123456789abcdef");
    let nonce = Nonce::random();
    let mut frame = Frame::new(&nonce, 1, Functions::default());
    let upload = StepScript {
        stage: Some(staged.to_str().unwrap().to_owned()),
        content: Some(Content::new(vec![b'x'; 200_000])),
        ..step("cat")
    };
    frame.stage(&upload).unwrap();
    let mut child = Command::new(shell)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let text = prologue(&nonce) + &frame.finish().text;
    child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    wait_until(|| staged.exists());
    (child, nonce, staged)
}

#[track_caller]
fn wait_until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..2400 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("not so after 60 s");
}

/// The text of a frame that a channel with all functions sends next.
fn next_frame(nonce: &Nonce, bodies: &[&str]) -> String {
    let functions = Functions {
        changing: true,
        ..Functions::default()
    };
    let mut frame = Frame::new(nonce, 2, functions);
    for body in bodies {
        frame.step(&step(*body), Delivery::Inline).unwrap();
    }
    frame.finish().text
}

#[test]
fn a_shell_whose_answers_nobody_reads_ends_and_leaves_no_file() {
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, nonce, staged) = staging(&shell, folder.path());
        drop(child.stdout.take());
        // A process that another test starts at this moment still has that end, until it becomes another program.
        std::thread::sleep(Duration::from_millis(300));
        let noted = folder.path().join("noted");
        let note = format!("echo ran >>{}", quote(noted.to_str().unwrap()));
        let text = next_frame(&nonce, &["true", &note]);
        // Its input stays open: only the answer tells it that homelab is gone.
        child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        wait_until(|| child.try_wait().unwrap().is_some());
        assert!(!staged.exists(), "{shell:?}");
        assert!(
            !noted.exists(),
            "{shell:?}: a step began after the answer that nobody read"
        );
    }
}

#[test]
fn a_shell_that_ends_by_a_signal_during_a_step_leaves_no_file() {
    for shell in Shells::all().paths {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, nonce, staged) = staging(&shell, folder.path());
        let begun = folder.path().join("begun");
        let body = format!("echo >{}; sleep 1", quote(begun.to_str().unwrap()));
        let text = next_frame(&nonce, &[&body]);
        child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        wait_until(|| begun.exists());
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        wait_until(|| child.try_wait().unwrap().is_some());
        assert!(!staged.exists(), "{shell:?}");
    }
}
