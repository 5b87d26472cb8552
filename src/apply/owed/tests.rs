use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::change::{Command, Outcome};
use crate::error::{Origin, SourceFile};

fn id(name: &str) -> OperationId {
    OperationId(format!("web / t / {name}"))
}

fn operation(name: &str, handler: Option<PlannedHandler>, trigger: Trigger) -> PlannedOperation {
    PlannedOperation {
        id: id(name),
        stage: 0,
        task: "t".to_owned(),
        origin: Origin::new(&SourceFile::new("tasks/t.toml", "op"), 0..2),
        within: Vec::new(),
        peers: BTreeMap::new(),
        trigger,
        handler,
        guards: std::collections::BTreeSet::new(),
        conduct: crate::change::Conduct::default(),
        as_now: crate::plan::AsNow::No,
        outcome: Outcome::Unchanged,
        asked: BTreeSet::new(),
    }
}

/// The records of a host with a handler that `notifier` notifies, in a folder of this machine.
fn records(folder: &std::path::Path) -> (Records, PlannedOperation) {
    let handler = PlannedHandler {
        record: Owed {
            handler: "t / it's".to_owned(),
            op: "server.shell".to_owned(),
            parameters: None,
        },
        unit: None,
        covered_by: None,
    };
    let handler = operation("it's", Some(handler), Trigger::NotifiedBy(vec![id("notifier")]));
    let mut records = Records::new(Some(folder.to_str().expect("text").to_owned()));
    records.note(std::slice::from_ref(&handler));
    (records, handler)
}

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
    records.keep(&notifier, (&change, None), true, &mut script);
    assert_eq!(run(&script), (true, "1\n".to_owned()), "{}", script.body);
    let line = recorded(folder.path()).concat();
    assert_eq!(
        line,
        "{\"handler\":\"t / it's\",\"op\":\"server.shell\",\"parameters\":null}\n"
    );

    let (change, mut script) = step("exit 3");
    records.keep(&handler, (&change, None), true, &mut script);
    assert!(!run(&script).0);
    assert_eq!(recorded(folder.path()).len(), 1, "it failed, so it stays owed");
    let (change, mut script) = step("true");
    records.keep(&handler, (&change, None), false, &mut script);
    assert!(run(&script).0);
    assert_eq!(recorded(folder.path()).len(), 1, "there are further steps");
    let (change, mut script) = step("true");
    records.keep(&handler, (&change, None), true, &mut script);
    assert!(run(&script).0);
    assert_eq!(recorded(folder.path()), [] as [String; 0]);
}

#[test]
fn a_failed_command_may_have_changed_something() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, _) = records(folder.path());
    let notifier = operation("notifier", None, Trigger::Always);
    let (change, mut script) = step("exit 3");
    records.keep(&notifier, (&change, None), true, &mut script);
    assert!(!run(&script).0);
    assert_eq!(recorded(folder.path()).len(), 1);
    let other = operation("other", None, Trigger::Always);
    let (change, mut script) = step("true");
    records.keep(&other, (&change, None), true, &mut script);
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
