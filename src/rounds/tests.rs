//! What is read while another run changes the host.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{await_release, is_changed};
use crate::facts::{Fact, FactKey, Probe};
use crate::gather::{Reader, gather};
use crate::plan::Snapshot;
use crate::remote::{Answer, RemoteError};

/// A host whose lock is free at this look.
struct Busy {
    free_at: usize,
    asked: Vec<Vec<&'static str>>,
}

impl Busy {
    fn until(free_at: usize) -> Self {
        Self {
            free_at,
            asked: Vec::new(),
        }
    }
}

impl Reader for Busy {
    async fn ask(&mut self, probes: &[Probe]) -> Result<Vec<Answer>, RemoteError> {
        self.asked.push(probes.iter().map(Probe::subject).collect());
        let is_free = self.asked.len() >= self.free_at;
        let lock = if is_free { "" } else { "lock=anna@desk since now\n" };
        let answer = Answer {
            stdout: format!("user=0\n{lock}").into_bytes(),
            stderr: Vec::new(),
            status: 0,
        };
        Ok(vec![answer; probes.len()])
    }
}

/// What was read of a host that another run was changing.
async fn changing() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let facts = snapshot.facts.entry("alpha".to_owned()).or_default();
    let keys = BTreeSet::from([FactKey::System]);
    gather(&mut Busy::until(2), "alpha", &keys, facts).await.unwrap();
    facts.insert(
        FactKey::Group("crew".to_owned()),
        Fact::Denied("by this test".to_owned()),
    );
    assert!(is_changed(&snapshot, "alpha"));
    snapshot
}

#[tokio::test]
async fn only_the_lock_and_jobs_are_read_while_another_run_changes_the_host() {
    let (mut host, mut snapshot) = (Busy::until(2), changing().await);
    let deadline = Instant::now() + Duration::from_secs(600);
    let waited = await_release(&mut host, "alpha", &mut snapshot, deadline).await;
    waited.unwrap();
    assert_eq!(host.asked, [["the system"], ["the system"]]);
    assert!(!snapshot.facts.contains_key("alpha"), "all of it is read again");
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_not_waited_for() {
    let (mut host, mut snapshot) = (Busy::until(usize::MAX), changing().await);
    let deadline = Instant::now() + Duration::from_millis(300);
    let waited = await_release(&mut host, "alpha", &mut snapshot, deadline).await;
    waited.unwrap();
    assert!(!snapshot.facts.contains_key("alpha"));
}
