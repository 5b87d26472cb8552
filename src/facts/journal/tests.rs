use super::*;

const HEADER: &str = r#"{"run":"20260101T000000Z-0","at":"2026-01-01T00:00:00Z","who":"a@b","inventory":"dev","deploy":"all","plan":"x","version":"0"}"#;

fn change(number: u32, steps: usize) -> String {
    format!(
        r#"{{"change":{number},"operation":"t / x","kind":"file","name":"/etc/{number}","action":"create","steps":{steps},"was":"unknown"}}"#
    )
}

fn ends(lines: &[String]) -> (Vec<ChangeEnd>, RunEnd) {
    let text = format!("journal k\n{HEADER}\n{}\n", lines.join("\n"));
    let (run, key) = parse(&text).remove(0);
    assert_eq!(key.as_deref(), Some("k"));
    (run.changes.iter().map(|change| change.end).collect(), run.end)
}

fn step(step: &str, end: &str) -> String {
    format!(r#"{{"step":{step},"end":"{end}","status":0}}"#)
}

#[test]
fn each_change_has_the_end_of_its_steps() {
    use ChangeEnd::{AlreadySo, Applied, Failed, NotReached, PutBack, Unknown};
    let all = || vec![change(0, 1), change(1, 2), change(2, 0), change(3, 1)];
    let with = |more: &[&str]| {
        let more = more.iter().map(|line| (*line).to_owned());
        ends(&all().into_iter().chain(more).collect::<Vec<_>>())
    };
    let done = |number: &str| step(number, "done");
    let (zero, one, three) = (done("0"), done("1"), done("3"));
    assert_eq!(with(&[]).0, [Unknown, NotReached, NotReached, NotReached]);
    assert_eq!(with(&[&zero, &one]).0, [Applied, Unknown, Unknown, NotReached]);
    assert_eq!(with(&[&zero]).0, [Applied, Unknown, Unknown, NotReached]);
    assert_eq!(with(&[&zero, &one, &one]).0, [Applied, Applied, Applied, Unknown]);
    let end = r#"{"ended":"converged"}"#;
    let whole = with(&[&zero, &one, &one, &step("3", "already"), end]);
    assert_eq!(
        whole,
        (
            vec![Applied, Applied, Applied, AlreadySo],
            RunEnd::Ended("converged".to_owned())
        )
    );
    let failed = with(&[
        &zero,
        &step("1", "failed"),
        r#"{"ended":"failed","ends":[[0,"put_back"]]}"#,
    ]);
    assert_eq!(failed.0, [PutBack, Failed, Failed, NotReached]);
    // The host took it back by itself: homelab was killed, also in the middle of it.
    let back = r#"{"put_back":1}"#;
    let killed = with(&[&zero, &one, &one, &three, "", back, back]);
    assert_eq!(killed, (vec![Applied, PutBack, PutBack, Applied], RunEnd::Interrupted));
    assert_eq!(with(&[&zero, &one, back]).0, [Applied, PutBack, PutBack, NotReached]);
    let told = with(&[
        &zero,
        &one,
        &one,
        &three,
        back,
        r#"{"ended":"failed","ends":[[1,"put_back"]]}"#,
    ]);
    assert_eq!(told.1, RunEnd::Ended("failed".to_owned()));
    // A group that failed, and its steps one by one.
    assert_eq!(with(&[&step("[0,3]", "done"), end]).0, [Applied; 4]);
    let singly = with(&[&step("[0,3]", "failed"), &zero, &one, &one, &three, end]);
    assert_eq!(singly.0, [Applied; 4]);
    // It did the first of them before it failed; after one that fails, the rest is skipped.
    let group = step("[0,3]", "failed");
    let halted = with(&[
        &group,
        &step("0", "already"),
        &step("1", "failed"),
        r#"{"ended":"failed"}"#,
    ]);
    assert_eq!(halted.0, [Applied, Failed, Failed, NotReached]);
    assert_eq!(with(&[&group]).0, [Unknown; 4]);
    // The run went on after what it thought to be its end.
    assert_eq!(with(&[&zero, &one, &one, end, &three]).1, RunEnd::Interrupted);
}

#[test]
fn what_one_command_does_for_several_is_under_way_for_all_of_them() {
    use ChangeEnd::{Applied, NotReached, Unknown};
    let joined = |number| change(number, 1).replace("\"was\"", "\"joined\":true,\"was\"");
    let all = [change(0, 1), change(1, 1), joined(2), joined(3), change(4, 1)];
    let with = |more: &[String]| ends(&[&all, more].concat()).0;
    let zero = step("0", "done");
    assert_eq!(with(&[]), [Unknown, NotReached, NotReached, NotReached, NotReached]);
    assert_eq!(
        with(std::slice::from_ref(&zero)),
        [Applied, Unknown, Unknown, Unknown, NotReached]
    );
    let group = step("[1,3]", "done");
    assert_eq!(with(&[zero, group]), [Applied, Applied, Applied, Applied, Unknown]);
}

#[test]
fn a_torn_line_and_a_file_without_a_beginning_are_tolerated() {
    let text = format!(
        "journal \n{{\"run\":\"2026\njournal \n{HEADER}\n{}\n{{\"step\":0,\"en\n",
        change(0, 1)
    );
    let runs = parse(&text);
    assert_eq!(runs.len(), 1);
    let (run, key) = &runs[0];
    assert_eq!((run.unreadable, &run.end, key), (1, &RunEnd::Interrupted, &None));
    assert_eq!(run.changes[0].end, ChangeEnd::Unknown);
}

#[test]
fn what_was_not_known_may_turn_out_to_be_absent() {
    let text = format!("journal \n{HEADER}\n{}\n{{\"absent\":0}}\n", change(0, 1));
    assert_eq!(parse(&text)[0].0.changes[0].record.was, Was::Absent);
}

#[test]
fn the_oldest_journals_are_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().to_str().expect("a path");
    let journals = folder.path().join(FOLDER);
    std::fs::create_dir(&journals).expect("made");
    for number in 0..205 {
        std::fs::write(journals.join(format!("20260101T000000Z-{number:04}.jsonl")), "x").expect("written");
    }
    std::fs::write(journals.join("20260101T000000Z-0000.key"), "x").expect("written");
    let run = std::process::Command::new("sh")
        .args(["-c", &begin(state)])
        .output()
        .expect("sh runs");
    assert!(run.status.success() && run.stderr.is_empty(), "{run:?}");
    let mut left: Vec<_> = std::fs::read_dir(&journals)
        .expect("there")
        .flatten()
        .map(|one| one.file_name())
        .collect();
    left.sort();
    assert_eq!(left.len(), MOST_RUNS as usize);
    assert_eq!(left[0], "20260101T000000Z-0006.jsonl");
}

#[test]
fn the_last_run_of_each_deploy_is_found_however_many_there_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let journals = folder.path().join("homelab").join(FOLDER);
    std::fs::create_dir_all(&journals).expect("made");
    let write = |number: u32, of: &str| {
        let text = format!(
            "{{\"run\":\"{number}\",\"at\":\"x\",\"who\":\"\\\"inventory\\\":@b\",{of},\"plan\":\"x\",\"version\":\"0\"}}\n{}\n",
            change(number, 1)
        );
        std::fs::write(journals.join(format!("20260101T000000Z-{number:04}.jsonl")), text).expect("written");
    };
    let site = r#""inventory":"dev","deploy":"site""#;
    write(0, site);
    let only = |task: &str| format!("{site},\"filters\":[\"--only {task}\"]");
    write(1, &only("a"));
    write(2, site);
    for (number, task) in [(3, "a"), (4, "b"), (5, "a")] {
        write(number, &only(task));
    }
    for number in 6..150 {
        write(number, r#""inventory":"dev","deploy":"all""#);
    }
    std::fs::write(journals.join("20260101T000000Z-9999.jsonl"), "{\"run\":\"20").expect("written");
    // As a user without root, whose folder can be another one.
    let text = probe(Wanted::LastOfEach).text().replace("$(id -u)", "1");
    let ran = std::process::Command::new("sh")
        .args(["-c", &text])
        .env("XDG_STATE_HOME", folder.path())
        .output()
        .expect("sh runs");
    let runs = parse(&String::from_utf8_lossy(&ran.stdout));
    let found: Vec<(&str, usize)> = runs
        .iter()
        .map(|(run, _)| (run.record.run.as_str(), run.changes.len()))
        .collect();
    // What a part of the deploy did says nothing of the rest; what was before the last whole run does not count any more.
    assert_eq!(found, [("149", 1), ("5", 1), ("4", 1), ("2", 1)]);
}

#[test]
fn what_is_no_journal_is_named_and_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let journals = folder.path().join("homelab").join(FOLDER);
    std::fs::create_dir_all(journals.join("20260101T000000Z-0003.jsonl")).expect("made");
    let at = |name: &str| journals.join(name);
    let site = format!("{}\n", HEADER.replace("-0\"", "-0002\""));
    std::fs::write(at("20260101T000000Z-0002.jsonl"), &site).expect("written");
    std::fs::write(at("20260101T000000Z-0004.jsonl"), "{\"run\":\"2026").expect("written");
    std::fs::write(at("20260101T000000Z-0005.jsonl"), "{\"x\":1}\n").expect("written");
    std::fs::write(at("notes.jsonl"), &site).expect("written");
    std::fs::write(at("notes.txt"), "x\n").expect("written");
    let large = std::fs::File::create(at("20260101T000000Z-0006.jsonl")).expect("made");
    large.set_len(1 << 40).expect("sparse");
    std::os::unix::fs::symlink("/dev/zero", at("20260101T000000Z-0007.jsonl")).expect("linked");
    for pipe in ["p.jsonl", "20260101T000000Z-0008.jsonl", "20260101T000000Z-0002.key"] {
        let made = std::process::Command::new("mkfifo").arg(at(pipe)).status();
        assert!(made.expect("mkfifo runs").success());
    }
    for wanted in [Wanted::Last(1), Wanted::LastOfEach, Wanted::Run("20260101T000000Z-00")] {
        let text = probe(wanted).text().replace("$(id -u)", "1");
        let ran = std::process::Command::new("timeout")
            .args(["20", "sh", "-c", &text])
            .env("XDG_STATE_HOME", folder.path())
            .output()
            .expect("sh runs");
        let answer = String::from_utf8_lossy(&ran.stdout);
        let runs = parse(&answer);
        assert_eq!(runs.len(), 1, "{wanted:?}: {answer}");
        assert_eq!(runs[0].0.record.run, "20260101T000000Z-0002", "{wanted:?}");
        let mut named = odd(&answer);
        named.sort();
        let numbers = ["0003", "0005", "0006", "0007", "0008"].map(|number| format!("20260101T000000Z-{number}.jsonl"));
        let all = numbers.iter().map(String::as_str).chain(["notes.jsonl", "p.jsonl"]);
        let all: Vec<String> = all.map(|name| at(name).display().to_string()).collect();
        assert_eq!(named, all, "{wanted:?}");
    }
}

#[test]
fn a_run_that_was_made_up_for_is_not_unfinished() {
    let text = format!("journal \n{HEADER}\n{}\ntorn\n{{\"made_up\":\"t\"}}\n", change(0, 1));
    let (run, _) = &parse(&text)[0];
    assert_eq!((run.is_unfinished(), &run.end), (false, &RunEnd::Interrupted));
    assert_eq!(run.made_up.as_deref(), Some("t"));
}
