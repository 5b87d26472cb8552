//! `kill -9` while the queue is written: it is as it was before the request or after it, and what was answered is there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use homelab_agent::power::{Queue, Reason, ShutdownSettings, Shutdowns};
use homelab_agent::state::{StateFile, Stored};
use rand::RngExt as _;

use super::hosts::FakeLogin;

const FOLDER: &str = "HOMELAB_AGENT_TEST_FOLDER";
const ROUNDS: usize = 200;
const MINUTE: u64 = 60_000_000;

/// The process that is killed: it schedules and cancels without end, and says what is done.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let login = Arc::new(FakeLogin::default());
    let file = StateFile::new(Path::new(&folder), "queue.json");
    let shutdowns = Shutdowns::load(login, ShutdownSettings::default(), file).expect("a queue that can be read");
    let now = 1_000 * MINUTE;
    println!("\nready");
    loop {
        for minutes in (10..40).step_by(2) {
            let at = now + minutes * MINUTE;
            let entry = shutdowns
                .schedule(at, "test", Reason::Request, now)
                .await
                .expect("scheduled");
            println!("\nhas {}", entry.id);
        }
        while shutdowns.cancel(now).await.is_ok() {
            println!("\ncancelled");
        }
    }
}

#[test]
fn killed_while_it_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = StateFile::new(folder.path(), "queue.json");
    let mut sizes = std::collections::BTreeSet::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "kill::child", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"))
            .lines()
            .map_while(Result::ok);
        assert!(
            lines.any(|line| line == "ready"),
            "round {round}: the queue could not be read"
        );
        std::thread::sleep(Duration::from_micros(rand::rng().random_range(0..20_000)));
        child.kill().expect("killed");
        child.wait().expect("ended");
        // What was answered before the end is in the queue, unless a later request took it away.
        let said: Vec<String> = lines
            .filter(|line| line.starts_with("has ") || line == "cancelled")
            .collect();
        let queue: Queue = match file.read().expect("read") {
            Stored::Value(queue) => queue,
            Stored::Nothing => Queue::default(),
            Stored::PutAside(_) => panic!("round {round}: half of a queue"),
        };
        if let Some(id) = said.last().and_then(|line| line.strip_prefix("has ")) {
            let id = id.parse().expect("a number");
            // The next request may have begun: to cancel it, if all are there.
            let is_kept = queue.entry(id).is_some() || queue.next_id >= id && queue.entries.len() < 15;
            assert!(is_kept, "round {round}: {id} was answered and is not in {queue:?}");
        }
        assert!(queue.entries.len() <= 15, "round {round}: {queue:?}");
        sizes.insert(queue.entries.len());
    }
    assert!(sizes.len() > 3, "it was always killed at the same moment: {sizes:?}");
}
