//! A guard goes back by itself, unless it is confirmed.

use std::collections::BTreeSet;
use std::time::Instant;

use super::*;
use crate::change::{Access, LockoutGuard, NOT_ARMED, Previous};
use crate::quote::quote;

/// How long the guards of these tests wait.
const WITHIN: Duration = Duration::from_secs(600);

struct Armed {
    folder: Folder,
    guard: LockoutGuard,
}

impl Armed {
    /// A guard over a change of two files, the second of which is new. Its time is so long that no test waits for it.
    async fn over_two_files(shell: &str) -> Self {
        let folder = Folder::new();
        std::fs::write(folder.path("old"), "old").expect("write");
        let previous = Previous::new(&folder.path("state"), "20260101T000000Z-00000000");
        let guard = LockoutGuard::new(7, WITHIN, Some(&folder.path("state")));
        let accesses = BTreeSet::from([Access::Privilege]);
        let mut steps = Vec::new();
        for (number, name) in ["old", "new"].into_iter().enumerate() {
            let step = folder.write(name, b"changed", 0o640);
            let kept = previous.before(&step, None, number).expect("a path").or_fail();
            let keep = format!(
                "{}(\n{}\n) || exit\n{}",
                guard.arm(&accesses),
                kept.script(),
                guard.add(&kept)
            );
            steps.extend(super::super::scripts(
                &change(vec![step], Vec::new()),
                StepOptions::default(),
                &mut |_, _| {
                    Some(Around {
                        before: keep.clone(),
                        ..Around::default()
                    })
                },
            ));
        }
        let armed = Self { folder, guard };
        for answer in armed.folder.perform_in(shell, &steps).await {
            assert_eq!(answer.end, StepEnd::Done, "{shell}: {}", said(&answer));
        }
        assert_eq!(armed.read("old"), "changed");
        assert_eq!(armed.read("new"), "changed");
        armed
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path(name)).unwrap_or_else(|_| "absent".to_owned())
    }

    fn has_folder(&self) -> bool {
        Path::new(&self.file("")).exists()
    }

    /// A file of the guard.
    fn file(&self, name: &str) -> String {
        self.folder.path(&format!("state/jobs/0000000000000007/{name}"))
    }

    fn number(&self, file: &str) -> u64 {
        let text = std::fs::read_to_string(self.file(file)).expect("a file of the guard");
        text.trim().parse().expect("a number")
    }

    /// The seconds that are left until it goes back.
    fn left(&self) -> u64 {
        let up = std::fs::read_to_string("/proc/uptime").expect("uptime");
        let (up, _) = up.split_once('.').expect("seconds");
        self.number("until").saturating_sub(up.parse().expect("a number"))
    }

    /// Lets its time run out.
    fn run_out(&self) {
        std::fs::write(self.file("until"), "0\n").expect("write");
    }

    async fn run(&self, shell: &str, body: String) -> StepAnswer {
        let step = StepScript {
            body,
            ..StepScript::default()
        };
        self.folder.perform_in(shell, &[step]).await.remove(0)
    }
}

#[tokio::test]
async fn without_a_word_everything_goes_back() {
    for shell in ["dash", "bash"] {
        let armed = Armed::over_two_files(shell).await;
        let left = armed.left();
        assert!(left <= WITHIN.as_secs() && left > WITHIN.as_secs() / 2, "{left}");
        armed.run_out();
        let since = Instant::now();
        while armed.read("new") != "absent" {
            assert!(since.elapsed() < Duration::from_secs(60), "{shell}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let answer = armed.run(shell, armed.guard.give_up()).await;
        let told = format!(
            "put back {}\nput back {}\n",
            armed.folder.path("new"),
            armed.folder.path("old")
        );
        assert_eq!((said(&answer), answer.end), (told, StepEnd::Done));
        assert_eq!(armed.read("old"), "old");
        assert!(!armed.has_folder());
    }
}

#[tokio::test]
async fn what_is_confirmed_stays() {
    for shell in ["dash", "bash"] {
        let armed = Armed::over_two_files(shell).await;
        let watch = armed.number("pid");
        let answer = armed.run(shell, armed.guard.confirm()).await;
        assert_eq!(answer.end, StepEnd::Done, "{}", said(&answer));
        assert!(!armed.has_folder());
        let since = Instant::now();
        while is_watching(watch) {
            assert!(since.elapsed() < Duration::from_secs(60), "{shell}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(armed.read("old"), "changed");
        assert_eq!(armed.read("new"), "changed");
        assert!(!armed.has_folder());
        let answer = armed.run(shell, armed.guard.give_up()).await;
        assert_eq!(answer.end, StepEnd::Failed { status: NOT_ARMED });
    }
}

/// Whether a process still runs the script that waits.
fn is_watching(process: u64) -> bool {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains("0000000000000007/watch")
}

#[tokio::test]
async fn a_guard_that_is_given_up_goes_back_at_once_and_cannot_be_confirmed_any_more() {
    let armed = Armed::over_two_files("sh").await;
    let since = Instant::now();
    let step = |body| StepScript {
        body,
        ..StepScript::default()
    };
    std::fs::create_dir(armed.folder.path("state/jobs/0000000000000007/decided")).expect("mkdir");
    let late = armed.run("sh", armed.guard.confirm()).await;
    assert_eq!(late.end, StepEnd::Failed { status: NOT_ARMED });
    std::fs::remove_dir(armed.folder.path("state/jobs/0000000000000007/decided")).expect("rmdir");
    let answers = armed.folder.perform_in("sh", &[step(armed.guard.give_up())]).await;
    assert_eq!(answers[0].end, StepEnd::Done, "{}", said(&answers[0]));
    assert!(since.elapsed() < Duration::from_secs(20));
    assert_eq!(armed.read("old"), "old");
    assert_eq!(armed.read("new"), "absent");
}

#[tokio::test]
async fn commands_run_again_after_the_files_went_back() {
    let armed = Armed::over_two_files("sh").await;
    let log = armed.folder.path("log");
    let body = format!("cat {} >>{log}", armed.folder.path("old"));
    let repeat = armed.guard.repeat("load it", &body);
    let answer = armed.run("sh", format!("{repeat}{body}")).await;
    assert_eq!(answer.end, StepEnd::Done, "{}", said(&answer));
    let answer = armed.run("sh", armed.guard.give_up()).await;
    assert!(said(&answer).ends_with("ran again: load it\n"), "{}", said(&answer));
    assert_eq!(armed.read("log"), "changedold");
}

#[tokio::test]
async fn the_journal_of_the_run_says_what_went_back() {
    for shell in ["dash", "bash"] {
        let armed = Armed::over_two_files(shell).await;
        std::fs::write(armed.folder.path("a journal"), "{\"torn").expect("write");
        let notes: String = [4, 4, 7].map(|number| armed.guard.note(number)).concat();
        let with_journal = format!("hl_journal={}\n{notes}", quote(&armed.folder.path("a journal")));
        // Without root, there may be none.
        let without = format!("hl_journal=\n{}", armed.guard.note(9));
        for body in [with_journal, without] {
            assert_eq!(armed.run(shell, body).await.end, StepEnd::Done);
        }
        assert_eq!(armed.run(shell, armed.guard.give_up()).await.end, StepEnd::Done);
        assert_eq!(
            armed.read("a journal"),
            "{\"torn\n{\"put_back\":4}\n\n{\"put_back\":7}\n"
        );
    }
}

#[tokio::test]
async fn a_step_puts_it_off_for_as_long_as_it_may_take() {
    let armed = Armed::over_two_files("sh").await;
    let answer = armed.run("sh", armed.guard.put_off(WITHIN)).await;
    assert_eq!(answer.end, StepEnd::Done);
    let left = armed.left();
    assert!(left <= 2 * WITHIN.as_secs() && left > WITHIN.as_secs(), "{left}");
    let answer = armed.run("sh", armed.guard.confirm()).await;
    assert_eq!(answer.end, StepEnd::Done);
}
