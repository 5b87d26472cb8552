//! Applies a plan: runs its steps on hosts and sends what happens as events.

mod changed_units;
mod checks;
mod confirm;
mod creations;
mod differences;
mod events;
mod go_back;
mod halt;
mod host;
mod host_stage;
mod joined;
mod journal;
mod keeping;
mod options;
mod owed;
mod perform;
mod prepared;
mod put_back;
mod read_back;
mod reboot;
mod recovery;
mod replan;
mod result;
mod segment;
mod stages;
mod stop_all;
mod together;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, watch};

use crate::gather::GatherError;
use crate::project::Selection;
use crate::rounds::ReadHost;
use crate::secret::DigestKey;

pub use events::{ApplyEvent, Failure, HostEnd, HostResult, OperationResult, ResourceEnd, ResourceResult, exit_code};
pub use options::ApplyOptions;

use halt::{Halt, gather_failed};
use recovery::stops_all;
use stop_all::StopAll;

/// Applies every host's plan, stage by stage, as many hosts at once as allowed; results are in the order of `hosts`.
///
/// `unread` are the hosts that could not be read: they count as failed in their stages. When `cancelled` becomes true,
/// no further step begins; the running one finishes.
pub async fn apply(
    selection: &Selection,
    hosts: Vec<ReadHost>,
    unread: &[HostResult],
    digests: &Arc<DigestKey>,
    options: &ApplyOptions,
    events: &UnboundedSender<ApplyEvent>,
    cancelled: &watch::Receiver<bool>,
) -> Vec<HostResult> {
    let turns = Arc::new(Semaphore::new(options.parallel));
    let stop = Arc::new(StopAll::new());
    let one_by_one = hosts
        .iter()
        .flat_map(|host| &host.build.plan.hosts)
        .any(|host| host.operations.iter().any(stops_all));
    let workers = hosts
        .into_iter()
        .map(|host| {
            let context = worker::WorkerContext {
                turns: Arc::clone(&turns),
                digests: Arc::clone(digests),
                options: options.clone(),
                events: events.clone(),
                cancelled: cancelled.clone(),
                stop: Arc::clone(&stop),
                one_by_one,
            };
            worker::start(host, context)
        })
        .collect();
    stages::carry_out(selection, workers, unread, &stop).await
}

/// The result of a host that could not be read and has no plan.
pub fn not_read(host: &str, error: &GatherError) -> HostResult {
    let Halt { end, failure } = gather_failed(error);
    HostResult {
        host: host.to_owned(),
        end,
        operations: Vec::new(),
        failure: failure.map(|failure| *failure),
        notices: Vec::new(),
        round_trips: 0,
        took: Duration::ZERO,
    }
}

/// The result of a host that is not in a saved plan, since it could not be read.
pub fn not_in_plan(host: &str) -> HostResult {
    HostResult {
        host: host.to_owned(),
        end: HostEnd::Unreachable,
        operations: Vec::new(),
        failure: None,
        notices: Vec::new(),
        round_trips: 0,
        took: Duration::ZERO,
    }
}

/// The result of a host that is not as its saved plan says, so that nothing is done on it.
pub fn not_as_saved(host: &str, why: &str, hint: &str) -> HostResult {
    HostResult {
        host: host.to_owned(),
        end: HostEnd::Stale,
        operations: Vec::new(),
        failure: Some(Failure {
            attempted: "apply the saved plan".to_owned(),
            cause: Some(why.to_owned()),
            outcome: None,
            place: None,
            exit_code: None,
            output: String::new(),
            hint: Some(hint.to_owned()),
        }),
        notices: Vec::new(),
        round_trips: 0,
        took: Duration::ZERO,
    }
}
