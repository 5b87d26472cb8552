//! Steps of which one script does several, when that script fails.

use super::*;
use crate::remote::{StepGroup, StepRecord};

/// A step that makes a file, and fails if `bad-NAME` is there.
fn makes(folder: &Folder, name: &str) -> StepScript {
    let (path, bad) = (folder.path(name), folder.path(&format!("bad-{name}")));
    StepScript {
        already: Some(format!("[ -e {path} ]")),
        body: format!("[ ! -e {bad} ] || {{ echo {name} is bad; exit 7; }}\necho one >{path}"),
        record: Some(StepRecord {
            entry: format!("\"{name}\""),
            ..StepRecord::default()
        }),
        ..StepScript::default()
    }
}

#[tokio::test]
async fn after_a_group_that_failed_each_step_tells_its_own_end() {
    use StepEnd::*;
    const FAILED: StepEnd = Failed { status: 7 };
    // What the group makes before it fails, what cannot be made alone, and the ends: one step before the group and one after it.
    for (made, status, bad, ends, left) in [
        ("", 1, "", [Done; 5], "a b c d e"),
        ("b", 1, "", [Done; 5], "a b c d e"),
        ("", 9, "", [Done, Failed { status: 9 }, Skipped, Skipped, Skipped], "a"),
        ("b d", 1, "c", [Done, Done, FAILED, Done, Skipped], "a b d"),
        ("c", 1, "b", [Done, FAILED, Done, Skipped, Skipped], "a c"),
        ("", 1, "d", [Done, Done, Done, FAILED, Skipped], "a b c"),
    ] {
        let folder = Folder::new();
        for name in bad.split_whitespace() {
            std::fs::write(folder.path(&format!("bad-{name}")), "").expect("written");
        }
        let steps: Vec<StepScript> = ["a", "b", "c", "d", "e"]
            .iter()
            .map(|name| makes(&folder, name))
            .collect();
        let touched: Vec<String> = made.split_whitespace().map(|name| folder.path(name)).collect();
        let group = StepGroup {
            of: 1..4,
            script: StepScript {
                body: format!("touch {} {}; exit {status}", folder.path("tried"), touched.join(" ")),
                ..StepScript::default()
            },
            not_begun: Some(9),
        };
        let mut connection = Connection::local(Path::new("/bin/sh")).await.expect("a shell");
        let request = LockRequest {
            path: folder.path("lock"),
            ..LockRequest::new("a test")
        };
        let mut writer = connection.lock(&request).await.expect("the lock");
        let mut told = Vec::new();
        let mut on_news = |place: usize, news: StepNews<'_>| {
            if let StepNews::Through(answer) = news {
                assert_eq!(place, told.len());
                told.push(answer.clone());
            }
        };
        let probe = Probe::for_test(format!("ls {}", folder.folder.path().display()));
        let (answers, read) = writer
            .perform_grouped(&steps, &[group], &[probe], &mut on_news)
            .await
            .expect("answers");
        assert_eq!(told, answers);
        let own: Vec<StepEnd> = answers.iter().map(|answer| answer.end).collect();
        assert_eq!(own, ends, "{made} {bad}");
        let listed = String::from_utf8_lossy(&read[0].stdout).replace('\n', " ");
        for name in left.split_whitespace().chain(["tried"]) {
            assert!(format!(" {listed}").contains(&format!(" {name} ")), "{name} {listed}");
        }
        let is_halted = ends.contains(&Skipped);
        assert_eq!(writer.is_halted(), is_halted);
        let later = writer
            .perform(&[makes(&folder, "f")], &mut |_, _| {})
            .await
            .expect("answers");
        assert_eq!(later[0].end, if is_halted { Skipped } else { Done }, "{made} {bad}");
        connection.close().await;
    }
}
