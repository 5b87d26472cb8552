//! The work on one host: it holds the connection, and the host's lock from its first stage to its last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::creations::Creations;
use super::events::{ApplyEvent, HostEnd, HostResult};
use super::halt::{Halt, held_back, interrupted, lost};
use super::host::HostApply;
use super::journal::Journal;
use super::keeping::Keeping;
use super::options::ApplyOptions;
use super::owed::Records;
use super::stop_all::StopAll;
use crate::facts::journal::RunRecord;
use crate::facts::{FactKey, Facts};
use crate::plan::HostPlan;
use crate::remote::{Connection, LockRequest, Writer};
use crate::rounds::ReadHost;
use crate::secret::DigestKey;

/// How many bytes of a host's live output may wait to be shown.
const WAITING: usize = 8 << 20;

/// What all workers share.
pub(super) struct WorkerContext {
    pub(super) turns: Arc<Semaphore>,
    pub(super) digests: Arc<DigestKey>,
    pub(super) options: ApplyOptions,
    pub(super) events: UnboundedSender<ApplyEvent>,
    pub(super) cancelled: watch::Receiver<bool>,
    pub(super) stop: Arc<StopAll>,
    /// Whether an operation of some host may stop all: then all can stop before each of theirs.
    pub(super) one_by_one: bool,
}

/// An order for a worker. It ends normally when there are no more orders.
pub(super) enum Order {
    /// Apply a stage; `peers` are facts of other hosts that were read again.
    Stage {
        number: usize,
        peers: BTreeMap<String, Facts>,
        is_last: bool,
        done: oneshot::Sender<()>,
    },
    /// Read the facts that other hosts use of this one.
    Read {
        keys: BTreeSet<FactKey>,
        facts: oneshot::Sender<Facts>,
    },
    /// Stop, because too many hosts before this one failed.
    HoldBack { why: String },
}

/// A host being worked on.
pub(super) struct Worker {
    /// Its reviewed plan.
    pub(super) plan: HostPlan,
    orders: Option<mpsc::Sender<Order>>,
    task: JoinHandle<HostResult>,
}

impl Worker {
    /// The host's name.
    pub(super) fn name(&self) -> &str {
        &self.plan.host
    }

    /// Applies a stage, and ends if it is the last; returns whether the host succeeded so far.
    pub(super) async fn apply(&self, number: usize, peers: BTreeMap<String, Facts>, is_last: bool) -> bool {
        let (done, is_done) = oneshot::channel();
        let order = Order::Stage {
            number,
            peers,
            is_last,
            done,
        };
        self.order(order).await;
        is_done.await.is_ok()
    }

    /// The facts of this host that other hosts use; `None` if it has ended.
    pub(super) async fn read(&self, keys: BTreeSet<FactKey>) -> Option<Facts> {
        let (facts, read) = oneshot::channel();
        self.order(Order::Read { keys, facts }).await;
        read.await.ok()
    }

    /// Stops it before its turn.
    pub(super) async fn hold_back(&self, why: &str) {
        self.order(Order::HoldBack { why: why.to_owned() }).await;
    }

    async fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // A worker that ended takes no orders and gives no answer.
            let _ = orders.send(order).await;
        }
    }

    /// Ends it and returns its result.
    pub(super) async fn end(mut self) -> HostResult {
        self.orders = None;
        match self.task.await {
            Ok(result) => result,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
}

/// Starts a worker, which waits for orders.
pub(super) fn start(host: ReadHost, context: WorkerContext) -> Worker {
    let (orders, ordered) = mpsc::channel(1);
    Worker {
        plan: host.build.plan.hosts[0].clone(),
        orders: Some(orders),
        task: tokio::spawn(work(host, context, ordered)),
    }
}

/// The name of a run that starts now. Names are sorted to find the last run, also among those of one second: the digits after it are
/// the microsecond, and chance.
fn run_name(now: jiff::Timestamp, chance: u16) -> String {
    let microsecond = now.subsec_nanosecond().unsigned_abs() / 1_000;
    format!(
        "{}-{microsecond:05x}{:03x}",
        now.strftime("%Y%m%dT%H%M%SZ"),
        chance % 0x1000
    )
}

async fn work(host: ReadHost, context: WorkerContext, mut orders: mpsc::Receiver<Order>) -> HostResult {
    let ReadHost {
        selection,
        mut connection,
        snapshot,
        build,
    } = host;
    let now = jiff::Timestamp::now();
    let run = run_name(now, rand::random());
    let keeping = Keeping::new(snapshot.facts.get(&build.plan.hosts[0].host), &run, &context.options);
    let name = &build.plan.hosts[0].host;
    let creations = Creations::new(
        keeping.state_folder(),
        (run.as_str(), context.options.rollback_of.as_deref()),
        selection
            .memory
            .as_ref()
            .map(|memory| (memory.file(name), &memory.absent)),
        snapshot.facts.get(name),
    );
    let journal = Journal::new(
        keeping.state_folder(),
        &keeping.previous().clear(),
        RunRecord {
            run,
            at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            who: context.options.who.clone(),
            inventory: selection.inventory.clone(),
            deploy: selection.deploy.clone(),
            filters: selection.filters.clone(),
            rollback_of: context.options.rollback_of.clone(),
            plan: String::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        creations,
        snapshot.facts.get(name),
    );
    let mut host_apply = HostApply {
        selection: &selection,
        reviewed: &build.plan.hosts[0],
        snapshot,
        digests: &context.digests,
        events: &context.events,
        stop: &context.stop,
        one_by_one: context.one_by_one,
        live_output: context.options.live_output.then(|| Arc::new(Semaphore::new(WAITING))),
        stage: 0,
        results: Vec::new(),
        under_way: Vec::new(),
        planned_since: None,
        replaced: BTreeSet::new(),
        told: BTreeMap::new(),
        retried: BTreeMap::new(),
        is_refusal: false,
        notices: Vec::new(),
        keeping,
        lock: None,
        records: Records::default(),
        journal,
        is_last_stage: false,
    };
    let state_folder = host_apply.session().and_then(|session| {
        let unprivileged = session.unprivileged.as_ref()?;
        Some(unprivileged.state_folder.clone())
    });
    host_apply.records = Records::new(state_folder, host_apply.owed());
    host_apply.records.note(&host_apply.reviewed.operations);
    let mut took = Duration::ZERO;
    let mut cancelled = context.cancelled.clone();
    let halt = tokio::select! {
        biased;
        () = cancellation(&mut cancelled) => Some(interrupted()),
        halt = obey(&mut host_apply, &mut connection, &context, &mut orders, &mut took) => halt,
    };
    let halt = match host_apply.settle_guard(&mut connection, halt.as_ref()).await {
        Ok(()) => halt,
        Err(back) => Some(both(halt.as_ref(), back)),
    };
    host_apply.close_journal(&mut connection, halt.as_ref()).await;
    let round_trips = connection.round_trips();
    connection.close().await;
    let result = host_apply.result(halt, round_trips, took);
    // Events without a receiver do not stop the work.
    let _ = context.events.send(ApplyEvent::HostFinished { result: result.clone() });
    result
}

/// The host stopped, and took back what was guarded: that is what has to be told.
fn both(halt: Option<&Halt>, back: Halt) -> Halt {
    let end = match halt {
        Some(Halt {
            end: HostEnd::Interrupted,
            ..
        }) => HostEnd::Interrupted,
        _ => back.end,
    };
    Halt { end, ..back }
}

/// Follows orders until there are no more, or something stops the host.
async fn obey(
    host_apply: &mut HostApply<'_>,
    connection: &mut Connection,
    context: &WorkerContext,
    orders: &mut mpsc::Receiver<Order>,
    took: &mut Duration,
) -> Option<Halt> {
    let first = orders.recv().await?;
    if let Order::HoldBack { why } = first {
        return Some(held_back("start", &why));
    }
    // The semaphore is never closed: without a permit the host would be changed at once.
    let mut turn = context.turns.acquire().await.ok();
    if let Some(why) = context.stop.why() {
        return Some(held_back("start", &why));
    }
    let mut since = Instant::now();
    host_apply.begin();
    let mut request = LockRequest {
        wait: context.options.lock_wait,
        ..LockRequest::new(&context.options.who)
    };
    if let Some(path) = host_apply.lock_path() {
        request.path = path;
    }
    host_apply.lock = Some(request.clone());
    let mut writer = match connection.lock(&request).await {
        Ok(writer) => writer,
        Err(error) => {
            *took = since.elapsed();
            return Some(lost(&error));
        }
    };
    let looked = if writer.has_waited() || host_apply.was_changed_by_another_run() {
        host_apply.look_again(&mut writer).await
    } else {
        Ok(())
    };
    let mut end = match looked {
        Ok(()) => host_apply.take_away_jobs(&mut writer).await.map(|()| true),
        Err(halt) => Err(halt),
    };
    let mut order = Some(first);
    while let (Ok(true), Some(now)) = (&end, order.take()) {
        end = follow(host_apply, &mut writer, now).await;
        *took += since.elapsed();
        if matches!(end, Ok(true)) {
            drop(turn.take());
            order = orders.recv().await;
            turn = context.turns.acquire().await.ok();
            since = Instant::now();
        }
    }
    end.err()
}

/// Follows one order; returns whether more may come.
async fn follow(host_apply: &mut HostApply<'_>, writer: &mut Writer<'_>, order: Order) -> Result<bool, Halt> {
    match order {
        Order::Stage {
            number,
            peers,
            is_last,
            done,
        } => {
            host_apply.is_last_stage = is_last;
            host_apply.apply_stage(writer, number, peers).await?;
            if is_last {
                host_apply.read_notices(writer).await?;
            }
            // The receiver may be gone.
            let _ = done.send(());
            Ok(!is_last)
        }
        Order::Read { keys, facts } => {
            let read = host_apply.read_visible(writer, &keys).await?;
            let _ = facts.send(read);
            Ok(true)
        }
        Order::HoldBack { why } => Err(held_back("continue", &why)),
    }
}

async fn cancellation(cancelled: &mut watch::Receiver<bool>) {
    // A dropped sender cannot cancel any more.
    if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_runs_are_sorted_by_time() {
        let at = |nanosecond: i32, chance| {
            run_name(jiff::Timestamp::new(1_800_000_000, nanosecond).expect("a time"), chance)
        };
        assert_eq!(at(0, 0xffff), "20270115T080000Z-00000fff");
        assert_eq!(at(999_999_999, 1), "20270115T080000Z-f423f001");
        assert!(at(1_000, 0) > at(999, u16::MAX) && at(2_000_000, 0) > at(1_999_000, u16::MAX));
    }
}
