//! Steps that run together: all bodies first, then what watches them.

use super::super::step::{StepRecord, Together};
use super::*;
use crate::facts::Probe;

/// A step of `part` whose body and settle write their names into a log and end with these exit codes.
fn part(log: &Path, part: usize, name: &str, body: i32, settle: Option<i32>) -> StepScript {
    let log = quote(log.to_str().unwrap());
    StepScript {
        together: Some(Together {
            part,
            settle: settle.map(|code| {
                format!("read -r said\necho \"watch $said${{watched:+ again}}\" | tee -a {log}; exit {code}")
            }),
        }),
        ..step(format!("echo {name} | tee -a {log}; exit {body}"))
    }
}

const DONE: StepEnd = StepEnd::Done;
const SKIPPED: StepEnd = StepEnd::Skipped;

fn failed(status: i32) -> StepEnd {
    StepEnd::Failed { status }
}

#[tokio::test]
async fn all_bodies_run_before_anything_is_watched() {
    type Row = (
        &'static [(usize, &'static str, i32, Option<i32>)],
        &'static [StepEnd],
        &'static str,
    );
    const FAILED_3: StepEnd = StepEnd::Failed { status: 3 };
    const FAILED_4: StepEnd = StepEnd::Failed { status: 4 };
    let rows: [Row; 7] = [
        (&[(0, "a", 0, Some(0))], &[DONE], "a,watch a"),
        (
            &[(0, "a", 0, Some(0)), (1, "b", 0, Some(0)), (2, "c", 0, Some(0))],
            &[DONE; 3],
            "a,b,c,watch a,watch b again,watch c again",
        ),
        // One that dies: the others are watched for as long as they need.
        (
            &[(0, "a", 0, Some(3)), (1, "b", 0, Some(0)), (2, "c", 0, Some(4))],
            &[FAILED_3, DONE, FAILED_4],
            "a,b,c,watch a,watch b,watch c again",
        ),
        // One that does not start.
        (
            &[(0, "a", 4, Some(0)), (1, "b", 0, Some(0))],
            &[FAILED_4, DONE],
            "a,b,watch b",
        ),
        // Nothing watches the first step of a part.
        (
            &[(0, "a", 0, None), (0, "b", 0, Some(0)), (1, "c", 0, None)],
            &[DONE; 3],
            "a,b,c,watch b",
        ),
        // A part whose first step fails goes no further, others do.
        (
            &[(0, "a", 3, None), (0, "b", 0, Some(0)), (1, "c", 0, Some(0))],
            &[FAILED_3, SKIPPED, DONE],
            "a,c,watch c",
        ),
        (
            &[(0, "a", 0, Some(3)), (1, "b", 4, None)],
            &[FAILED_3, FAILED_4],
            "a,b,watch a",
        ),
    ];
    let shells = Shells::all();
    join_all(shells.paths.iter().map(|shell| async move {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut host = Connection::local(shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        for (steps, expected, logged) in rows {
            let _ = std::fs::remove_file(&log);
            let mut steps: Vec<StepScript> = steps
                .iter()
                .map(|(number, name, body, settle)| part(&log, *number, name, *body, *settle))
                .collect();
            // What follows them waits for all of them.
            steps.push(step("true"));
            let trips = writer.round_trips();
            let answers = perform(&mut writer, &steps).await;
            assert_eq!(writer.round_trips(), trips + 1);
            let halts = expected.iter().any(|end| end.halts());
            let last = if halts { SKIPPED } else { DONE };
            let told = format!("{shell:?} {logged}");
            assert_eq!(ends(&answers), [expected, &[last]].concat(), "{told}");
            let lines = std::fs::read_to_string(&log).unwrap();
            assert_eq!(lines.trim_end().replace('\n', ","), logged, "{told}");
            assert_eq!(writer.is_halted(), halts, "{told}");
            writer.resume().await.unwrap();
        }
        host.close().await;
    }))
    .await;
}

#[tokio::test]
async fn each_step_is_answered_with_its_own_output() {
    let shells = Shells::all();
    join_all(shells.paths.iter().map(|shell| async move {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let journal = folder.path().join("journal");
        let mark = folder.path().join("mark");
        std::fs::write(&mark, "").unwrap();
        let mut host = Connection::local(shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let mut steps = [
            part(&log, 0, "a", 0, Some(0)),
            part(&log, 1, "b", 5, Some(0)),
            part(&log, 2, "c", 0, None),
            StepScript {
                already: Some("true".to_owned()),
                ..part(&log, 3, "d", 0, Some(0))
            },
            StepScript {
                guard: Some("echo changed; false".to_owned()),
                ..part(&log, 4, "e", 0, Some(0))
            },
        ];
        for (entry, step) in steps.iter_mut().enumerate() {
            step.record = Some(StepRecord {
                entry: entry.to_string(),
                closing: (entry == 4).then(|| super::super::step::Closing {
                    line: "closed".to_owned(),
                    mark: mark.to_str().unwrap().to_owned(),
                }),
                opening: (entry == 0).then(|| super::super::step::Opening {
                    path: journal.to_str().unwrap().to_owned(),
                    begin: None,
                    lines: "opened\n".to_owned(),
                }),
            });
        }
        let probes = [Probe::for_test("echo read")];
        let (answers, read) = writer.perform_and_read(&steps, &probes, &mut |_, _| {}).await.unwrap();
        assert_eq!(
            ends(&answers),
            [DONE, failed(5), DONE, StepEnd::Already, StepEnd::Stale]
        );
        let said: Vec<String> = answers.iter().map(|answer| text(&answer.output)).collect();
        assert_eq!(said, ["watch a\n", "b\n", "c\n", "", "changed\n"], "{shell:?}");
        assert_eq!(text(&read[0].stdout), "read\n");
        let told = std::fs::read_to_string(&journal).unwrap();
        let all: Vec<&str> = told.lines().collect();
        let expected = [
            "opened",
            r#"{"step":0,"end":"done","status":0}"#,
            r#"{"step":1,"end":"failed","status":5}"#,
            r#"{"step":2,"end":"done","status":0}"#,
            r#"{"step":3,"end":"already","status":0}"#,
            r#"{"step":4,"end":"stale","status":1}"#,
        ];
        assert_eq!(all, expected, "{shell:?}: the run is not over");
        assert!(mark.exists(), "{shell:?}");
        // After a failure, none of the next ones runs.
        let more = [part(&log, 0, "f", 0, Some(0)), part(&log, 1, "g", 0, None)];
        assert_eq!(ends(&perform(&mut writer, &more).await), [SKIPPED; 2]);
        writer.resume().await.unwrap();
        assert_eq!(ends(&perform(&mut writer, &more).await), [DONE; 2]);
        host.close().await;
    }))
    .await;
}

/// Nothing runs that the journal would not tell of, for want of room; other reasons do not matter.
#[tokio::test]
async fn without_room_for_the_first_lines_of_the_journal_nothing_runs() {
    let shells = Shells::all();
    join_all(shells.paths.iter().map(|shell| async move {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut host = Connection::local(shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let opened = |path: &str, begin: Option<&str>| {
            let mut first = step(format!("echo ran >>{}", quote(log.to_str().unwrap())));
            first.record = Some(StepRecord {
                entry: "0".to_owned(),
                closing: None,
                opening: Some(super::super::step::Opening {
                    path: path.to_owned(),
                    begin: begin.map(str::to_owned),
                    lines: "opened\n".to_owned(),
                }),
            });
            first
        };
        let answers = perform(&mut writer, &[opened("/no such/journal", Some(":"))]).await;
        assert_eq!(ends(&answers), [DONE], "{shell:?}");
        let answers = perform(&mut writer, &[opened("/dev/full", Some(":")), step("echo more")]).await;
        assert_eq!(ends(&answers), [failed(116), SKIPPED], "{shell:?}");
        let said = text(&answers[0].output);
        assert!(
            said.starts_with("there is no room in /dev, where homelab notes"),
            "{shell:?}: {said}"
        );
        writer.resume().await.unwrap();
        assert_eq!(
            ends(&perform(&mut writer, &[step("echo more")]).await),
            [failed(116)],
            "{shell:?}"
        );
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "ran\n", "{shell:?}");
        host.close().await;

        // What a run has noted is done, and nothing after that. What homelab does for itself is in no journal.
        let mut host = Connection::local(shell).await.unwrap();
        let mut writer = host.lock(&request(folder.path())).await.unwrap();
        let journal = folder.path().join("journal");
        let first = opened(journal.to_str().unwrap(), Some(":"));
        let answers = perform(&mut writer, &[first, opened("/dev/full", None), step("echo more")]).await;
        assert_eq!(ends(&answers), [DONE, failed(116), SKIPPED], "{shell:?}");
        let said = text(&answers[1].output);
        let words = "homelab could not write to /dev, where it notes what it changes, so this was not begun\nfree space there: `df /dev`";
        assert!(said.starts_with(words), "{shell:?}: {said}");
        writer.resume().await.unwrap();
        let again = [step("echo more"), opened("/dev/full", None)];
        assert_eq!(ends(&perform(&mut writer, &again).await), [DONE, failed(116)], "{shell:?}");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "ran\nran\n", "{shell:?}");
        host.close().await;
    }))
    .await;
}
