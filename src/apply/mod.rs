//! Carrying out a plan: steps on hosts, as events.

mod batch;
mod events;
mod perform;
mod run;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, watch};

use crate::gather::{GatherError, ReadHost};
use crate::remote::{Connection, LockRequest};
use crate::secret::DigestKey;

pub use events::{Event, Failure, HostEnd, HostResult, Line, LineEnd, OperationResult, exit_code};

use run::{Halt, HostApply, gather_failed, lost};

/// How a plan is to be applied.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Who applies it, for whoever finds the host locked: a user and a machine.
    pub who: String,
    /// How long to wait for another run that holds a host's lock.
    pub lock_wait: Duration,
    /// How many hosts are changed at once, at most.
    pub parallel: usize,
    /// Whether the output of steps is told as it comes.
    pub live_output: bool,
}

/// Applies every host's plan, as many hosts at once as allowed; results come in the order of `hosts`.
///
/// When `cancelled` turns true no further step begins; the one under way ends by itself.
pub async fn apply(
    hosts: Vec<ReadHost>,
    digests: &Arc<DigestKey>,
    options: &ApplyOptions,
    events: &UnboundedSender<Event>,
    cancelled: &watch::Receiver<bool>,
) -> Vec<HostResult> {
    let turns = Arc::new(Semaphore::new(options.parallel));
    let applies = hosts.into_iter().map(|host| {
        let (digests, options, turns) = (Arc::clone(digests), options.clone(), Arc::clone(&turns));
        let (events, cancelled) = (events.clone(), cancelled.clone());
        let task = tokio::spawn(async move { apply_host(host, &turns, &digests, &options, &events, cancelled).await });
        async move {
            match task.await {
                Ok(result) => result,
                Err(failed) => std::panic::resume_unwind(failed.into_panic()),
            }
        }
    });
    join_all(applies).await
}

/// The result of a host that could not be read, and so has no plan.
pub fn not_read(host: &str, error: &GatherError) -> HostResult {
    let Halt { end, failure } = gather_failed(error);
    HostResult {
        host: host.to_owned(),
        end,
        operations: Vec::new(),
        failure,
        notices: Vec::new(),
        round_trips: 0,
        took: Duration::ZERO,
    }
}

async fn apply_host(
    host: ReadHost,
    turns: &Semaphore,
    digests: &DigestKey,
    options: &ApplyOptions,
    events: &UnboundedSender<Event>,
    mut cancelled: watch::Receiver<bool>,
) -> HostResult {
    let ReadHost {
        run,
        mut connection,
        known,
        build,
    } = host;
    let reviewed = &build.plan.hosts[0];
    let mut host_apply = HostApply {
        run: &run,
        reviewed,
        known,
        digests,
        events,
        live_output: options.live_output,
        results: Vec::new(),
        notices: Vec::new(),
    };
    let mut request = LockRequest {
        wait: options.lock_wait,
        ..LockRequest::new(&options.who)
    };
    if let Some(path) = host_apply.lock_path() {
        request.path = path;
    }
    let mut since = Instant::now();
    let in_turn = async {
        // Nobody closes it: without a turn the host is changed at once.
        let _turn = turns.acquire().await.ok();
        since = Instant::now();
        host_apply.begin();
        locked_apply(&mut host_apply, &mut connection, &request).await
    };
    let halt = tokio::select! {
        halt = in_turn => halt,
        () = cancellation(&mut cancelled) => Some(interrupted()),
    };
    let took = since.elapsed();
    let round_trips = connection.round_trips();
    connection.close().await;
    let result = host_apply.result(halt, round_trips, took);
    // Nobody listening is no reason to stop.
    let _ = events.send(Event::HostFinished { result: result.clone() });
    result
}

async fn locked_apply(
    host_apply: &mut HostApply<'_>,
    connection: &mut Connection,
    request: &LockRequest,
) -> Option<Halt> {
    let mut writer = match connection.lock(request).await {
        Ok(writer) => writer,
        Err(error) => return Some(lost(&error)),
    };
    if let Err(halt) = host_apply.take_away_jobs(&mut writer).await {
        return Some(halt);
    }
    if let Err(halt) = host_apply.apply(&mut writer).await {
        return Some(halt);
    }
    host_apply.read_notices(&mut writer).await.err()
}

async fn cancellation(cancelled: &mut watch::Receiver<bool>) {
    // A sender that is gone cannot cancel any more.
    if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn interrupted() -> Halt {
    Halt {
        end: HostEnd::Interrupted,
        failure: Some(Failure {
            attempted: "go on".to_owned(),
            cause: Some(
                "interrupted: the step under way may still have ended on the host, none began after it".to_owned(),
            ),
            exit_code: None,
            output: String::new(),
            hint: Some("run the deploy again: it finishes what is left".to_owned()),
        }),
    }
}
