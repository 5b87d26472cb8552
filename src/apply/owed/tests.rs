use super::*;
use crate::change::{Command, Outcome};

fn id(name: &str) -> OperationId {
    OperationId(format!("web / t / {name}"))
}

fn operation(name: &str, handler: Option<PlannedHandler>, trigger: Trigger) -> PlannedOperation {
    PlannedOperation {
        trigger,
        handler,
        ..PlannedOperation::for_test(id(name), Outcome::Unchanged)
    }
}

/// The records of a host with a handler that `notifier` notifies, in a folder of this machine.
fn records(folder: &std::path::Path) -> (Records, PlannedOperation) {
    let handler = PlannedHandler {
        record: Owed {
            handler: "t / it's".to_owned(),
            op: "server.shell".to_owned(),
            ..Owed::default()
        }
        .in_its_file(),
        unit: None,
        workloads: None,
        covered_by: None,
        unless_started_by: None,
        is_beside_another_run: false,
    };
    let handler = operation("it's", Some(handler), Trigger::NotifiedBy(vec![id("notifier")]));
    let mut records = Records::new(Some(folder.to_str().expect("text").to_owned()), &[]);
    records.note(std::slice::from_ref(&handler));
    (records, handler)
}

const FIRST: Turn<'_> = Turn {
    is_first: true,
    is_last: false,
    kept: &[],
    changed: &[],
    starts: None,
};
const LAST: Turn<'_> = Turn { is_last: true, ..FIRST };

fn run(script: &StepScript) -> (bool, String) {
    let output = std::process::Command::new("sh")
        .args(["-c", &script.body])
        .output()
        .expect("sh runs");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

fn step(text: &str) -> (Step, StepScript) {
    let script = StepScript {
        body: text.to_owned(),
        ..StepScript::default()
    };
    (Step::Run(Command::new(text, text)), script)
}

fn recorded(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join("owed")).into_iter().flatten().flatten();
    entries
        .map(|entry| std::fs::read_to_string(entry.path()).expect("a record"))
        .collect()
}

#[test]
fn a_handler_is_recorded_before_the_change_and_forgotten_when_it_has_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, handler) = records(folder.path());
    let notifier = operation("notifier", None, Trigger::Always);
    let (change, mut script) = step(&format!("ls -A {}/owed | wc -l", folder.path().display()));
    records.keep(&notifier, (&change, None), LAST, &mut script);
    assert_eq!(run(&script), (true, "1\n".to_owned()), "{}", script.body);
    let line = recorded(folder.path()).concat();
    assert_eq!(
        line,
        "{\"handler\":\"t / it's\",\"op\":\"server.shell\",\"parameters\":null}\n"
    );

    let (change, mut script) = step("exit 3");
    records.keep(&handler, (&change, None), LAST, &mut script);
    assert!(!run(&script).0);
    assert_eq!(recorded(folder.path()).len(), 1, "it failed, so it stays owed");
    let (change, mut script) = step("true");
    records.keep(&handler, (&change, None), FIRST, &mut script);
    assert!(run(&script).0);
    assert_eq!(recorded(folder.path()).len(), 1, "there are further steps");
    let (change, mut script) = step("true");
    records.keep(&handler, (&change, None), LAST, &mut script);
    assert!(run(&script).0);
    assert_eq!(recorded(folder.path()), [] as [String; 0]);
}

#[test]
fn a_failed_command_may_have_changed_something() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, _) = records(folder.path());
    let notifier = operation("notifier", None, Trigger::Always);
    let (change, mut script) = step("exit 3");
    records.keep(&notifier, (&change, None), LAST, &mut script);
    assert!(!run(&script).0);
    assert_eq!(recorded(folder.path()).len(), 1);
    let other = operation("other", None, Trigger::Always);
    let (change, mut script) = step("true");
    records.keep(&other, (&change, None), LAST, &mut script);
    assert_eq!(script.body, "true");
}

#[test]
fn records_of_handlers_with_nothing_to_do_are_removed_at_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, handler) = records(folder.path());
    assert!(records.settled(0, |_| false, |_| false).is_none());
    assert!(records.settled(0, |one| *one == handler.id, |_| false).is_some());
    assert!(records.settled(0, |_| false, |one| *one == id("notifier")).is_some());
    assert!(records.settled(1, |_| true, |_| true).is_none(), "another stage");
}

#[test]
fn handlers_are_due_from_a_change_until_they_have_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut records, handler) = records(folder.path());
    let own = handler.id.clone();
    let is_due = |records: &Records, done: &[&OperationId], changed: &[OperationId]| {
        let due = records.due(|id| done.contains(&id), |id| changed.contains(id));
        due.iter().map(|(_, name)| (*name).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(is_due(&records, &[], &[]), [] as [&str; 0]);
    assert_eq!(is_due(&records, &[], &[id("another")]), [] as [&str; 0]);
    assert_eq!(is_due(&records, &[], &[id("notifier")]), ["t / it's"]);
    assert_eq!(is_due(&records, &[&own], &[id("notifier")]), [] as [&str; 0]);
    let owed = PlannedOperation {
        trigger: Trigger::Owed,
        ..handler
    };
    records.note(&[owed]);
    assert_eq!(is_due(&records, &[], &[]), ["t / it's"]);
}

#[test]
fn a_record_keeps_what_earlier_runs_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, handler) = records(folder.path());
    let notifier = operation("notifier", None, Trigger::Always);
    let write = |kept: &[&str]| {
        let kept: Vec<String> = kept.iter().map(|one| (*one).to_owned()).collect();
        let (change, mut script) = step("true");
        let turn = Turn { kept: &kept, ..LAST };
        records.keep(&notifier, (&change, None), turn, &mut script);
        assert!(run(&script).0, "{}", script.body);
    };
    let record = handler.handler.expect("a handler").record;
    write(&["/p/one/0000", "/p/it's/0001"]);
    let kept = "kept /p/one/0000\nkept /p/it's/0001\n";
    assert_eq!(recorded(folder.path()), [format!("{}\n{kept}", record.line())]);
    // A restart began, and was noted.
    let path = record.path(folder.path().to_str());
    let starts = record.that_starts().line();
    std::fs::write(&path, format!("{starts}\n{kept}0123abcd\n")).expect("written");
    write(&["/p/two/0000"]);
    let all = format!("{starts}\n{kept}kept /p/two/0000\n");
    assert_eq!(recorded(folder.path()), [all]);

    for (lines, expected) in [
        (format!("{starts}\n{kept}"), "starts 1 noted  invocation "),
        (
            format!("{}\n{kept}0123abcd\n", record.line()),
            "starts  noted 1 invocation 0123abcd",
        ),
        (format!("{}\n\n", record.line()), "starts  noted 1 invocation "),
    ] {
        std::fs::write(&path, lines).expect("written");
        let read = read(&quote(&path), "");
        let script = StepScript {
            body: format!("{read}printf '%s' \"starts $starts noted $noted invocation $invocation\""),
            ..StepScript::default()
        };
        assert_eq!(run(&script), (true, expected.to_owned()));
    }
}

#[test]
fn what_was_kept_goes_back_the_latest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut records, mut handler) = records(folder.path());
    handler.handler.as_mut().expect("a handler").unit = Some("app.service".to_owned());
    records.note(std::slice::from_ref(&handler));
    let record = handler.handler.as_ref().expect("a handler").record.clone();
    let at = |name: &str| folder.path().join(name);
    let mut lines = format!("{}\n", record.line());
    for (name, was, back) in [
        ("first", "kept", "echo first"),
        ("done", "put back", "exit 9"),
        ("gone", "not kept: it is large", "echo why; echo more; exit 1"),
        ("last", "kept", "true"),
    ] {
        std::fs::create_dir(at(name)).expect("made");
        for (file, text) in [
            ("was", format!("{was}\n")),
            ("back", back.to_owned()),
            ("path", format!("/{name}")),
        ] {
            std::fs::write(at(name).join(file), text).expect("written");
        }
        lines = format!("{lines}kept {}\n", at(name).display());
    }
    lines.push_str("kept /nowhere\n0123abcd\n");
    std::fs::create_dir(at("owed")).expect("made");
    std::fs::write(record.path(folder.path().to_str()), lines).expect("written");
    let (_, said) = run(&records.put_back("app.service", &[]));
    let told: Vec<&str> = said.lines().skip(1).collect();
    let (first, last) = (at("first"), at("last"));
    let expected = [
        &format!("back {}", last.display()),
        "/last",
        "left /gone",
        "why more",
        &format!("back {}", first.display()),
        "/first",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_another_handler_stopped_is_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let state_folder = folder.path().to_str().expect("text").to_owned();
    let parameters = |service: &str| {
        let all = [("service", service), ("state", "restarted")];
        Some(
            all.map(|(key, value)| (key.to_owned(), value.into()))
                .into_iter()
                .collect(),
        )
    };
    let record = |handler: &str, service: &str| {
        let owed = Owed {
            handler: handler.to_owned(),
            op: "systemd.service".to_owned(),
            parameters: parameters(service),
            starts: true,
            ..Owed::default()
        };
        owed.in_its_file()
    };
    let owed = [record("a / restart", "app"), record("b / restart", "other")];
    let records = Records::new(Some(state_folder.clone()), &owed);
    let own = PlannedHandler {
        record: Owed {
            starts: false,
            ..record("c / restart", "app.service")
        },
        unit: Some("app.service".to_owned()),
        workloads: None,
        covered_by: None,
        unless_started_by: None,
        is_beside_another_run: false,
    };
    let handler = operation("restart", Some(own), Trigger::Always);
    std::fs::create_dir(folder.path().join("owed")).expect("made");
    let lines = |owed: &Owed| format!("{}\nkept /p/one/0000\n0123abcd\n", owed.line());
    let path = |owed: &Owed| owed.path(Some(&state_folder));
    for owed in &owed {
        std::fs::write(path(owed), lines(owed)).expect("written");
    }
    let run_handler = |text: &str| {
        let (change, mut script) = step(text);
        records.keep(&handler, (&change, None), LAST, &mut script);
        run(&script)
    };
    let read = |owed: &Owed| std::fs::read_to_string(path(owed)).expect("a record");
    assert_eq!(run_handler("echo $starts; exit 3"), (false, "1\n".to_owned()));
    assert_eq!(read(&owed[0]), lines(&owed[0]), "it does not run, so it stays");
    assert_eq!(run_handler("echo $starts"), (true, "1\n".to_owned()));
    assert!(
        !std::path::Path::new(&path(&owed[0])).exists(),
        "a restart does what it is about"
    );
    assert_eq!(read(&owed[1]), lines(&owed[1]), "another unit");
    assert_eq!(run_handler("echo $starts"), (true, "\n".to_owned()));
}

/// Which record of the same unit, of a handler that is no part of the run, a handler settles.
#[test]
fn a_restart_settles_what_is_owed_for_its_unit_and_a_reload_only_reloads() {
    let with_state = |name: &str, state: &str| {
        let parameters = [("service", "app"), ("state", state)];
        let parameters = parameters.map(|(key, value)| (key.to_owned(), value.into()));
        let owed = Owed {
            handler: name.to_owned(),
            op: "systemd.service".to_owned(),
            parameters: Some(parameters.into_iter().collect()),
            unit: Some("app.service".to_owned()),
            ..Owed::default()
        };
        owed.in_its_file()
    };
    for (own, other, code, is_left) in [
        ("restarted", "restarted", 0, false),
        ("restarted", "reloaded", 0, false),
        ("reloaded", "reloaded", 0, false),
        ("reloaded", "restarted", 0, true),
        ("restarted", "restarted", 3, true),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let state_folder = folder.path().to_str().expect("text").to_owned();
        let owed = with_state("a / other", other);
        let records = Records::new(Some(state_folder.clone()), std::slice::from_ref(&owed));
        let own_record = PlannedHandler {
            record: with_state("b / own", own),
            unit: Some("app.service".to_owned()),
            workloads: None,
            covered_by: None,
            unless_started_by: None,
            is_beside_another_run: false,
        };
        let handler = operation("own", Some(own_record), Trigger::Always);
        let path = owed.path(Some(&state_folder));
        std::fs::create_dir(folder.path().join("owed")).expect("made");
        std::fs::write(&path, format!("{}\n0123abcd\n", owed.line())).expect("written");
        let (change, mut script) = step(&format!("exit {code}"));
        records.keep(&handler, (&change, None), LAST, &mut script);
        run(&script);
        assert_eq!(std::path::Path::new(&path).exists(), is_left, "{own}, {other}, {code}");
    }
}

#[test]
fn what_another_run_came_to_meanwhile_is_not_run_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, mut handler) = records(folder.path());
    let (change, written) = step("echo ran");
    let own = &handler.handler.as_ref().expect("a handler").record;
    let path = own.path(folder.path().to_str());
    let line = own.line();
    let mut is_already = |trigger| {
        handler.trigger = trigger;
        let mut script = written.clone();
        records.keep(&handler, (&change, None), LAST, &mut script);
        let already = script.already.map(|already| StepScript {
            body: already,
            ..StepScript::default()
        });
        already.is_some_and(|already| run(&already).0)
    };
    std::fs::create_dir(folder.path().join("owed")).expect("made");
    std::fs::write(&path, format!("{line}\n")).expect("written");
    assert!(!is_already(Trigger::Owed));
    std::fs::remove_file(&path).expect("removed");
    assert!(is_already(Trigger::Owed));
    assert!(!is_already(Trigger::NotifiedBy(vec![id("notifier")])));
}
