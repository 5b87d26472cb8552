//! A limit to how many hosts are worked on at once.

use std::future::Future;
use std::time::Duration;

use tokio::sync::Semaphore;

/// How long a host that does not answer may delay others.
const TURN: Duration = Duration::from_secs(2);

/// Does `work` when its turn comes; `begin` is called then.
pub(crate) async fn in_turn<T>(turns: &Semaphore, begin: impl FnOnce(), work: impl Future<Output = T>) -> T {
    // The semaphore is never closed: without a permit the work would start at once.
    let turn = turns.acquire().await.ok();
    begin();
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = tokio::time::sleep(TURN) => drop(turn),
    }
    work.await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn no_more_than_allowed_are_at_work() {
        let (turns, now, most) = (Semaphore::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || async {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            now.fetch_sub(1, Ordering::SeqCst);
        };
        join_all((0..6).map(|_| in_turn(&turns, || {}, work()))).await;
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn one_that_does_not_answer_delays_nobody_for_long() {
        let turns = Semaphore::new(1);
        let start = Instant::now();
        tokio::select! {
            () = in_turn(&turns, || {}, std::future::pending()) => unreachable!("it never ends"),
            () = in_turn(&turns, || {}, async {}) => {}
        }
        let waited = start.elapsed();
        assert!(waited < TURN * 2, "{waited:?}");
    }
}
