//! Compares hosts with their configuration.

use std::sync::Arc;
use std::time::Duration;

use homelab::apply::HostEnd;
use homelab::facts::journal::{Run, Wanted};
use homelab::gather::{GatherError, read_journal_of};
use homelab::plan::{Drift, HostPlan, Mistake, drift};
use homelab::remote::Target;
use homelab::report::{self, HostDrift};
use homelab::rounds::{ReadHost, ReadOptions};

use super::connection_arguments::PARALLEL;
use super::errors;
use super::output::eprint;
use super::prepared::Prepared;
use super::reading::{self, Hosts, Reading, ToRead};

/// Journals of so many runs say how homelab left what a host has: a host keeps no more.
const RUNS: u32 = 200;

/// Compares each host with its configuration. `Err` if there are mistakes, which are told.
pub(super) async fn hosts(prepared: &Prepared, targets: Vec<Target>) -> anyhow::Result<Result<Vec<HostDrift>, ()>> {
    let order: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
    let reading = Reading {
        options: ReadOptions {
            parallel: usize::from(PARALLEL),
            waits_for_all: true,
            skips_conditions: false,
            lock_wait: Duration::ZERO,
        },
        verbose: false,
        names_conditions: false,
    };
    let digests = Arc::clone(&prepared.digests);
    let read = reading::read(reading, &prepared.run, ToRead::Targets(targets), &digests).await?;
    let Hosts { read, unread, .. } = read;
    let mistakes = read.iter().flat_map(|host| host.build.mistakes.clone());
    // What others have changed is what is asked here.
    let mistakes: Vec<Mistake> = mistakes
        .filter(|mistake| mistake.diagnostic.others_changed().is_none())
        .collect();
    if !mistakes.is_empty() {
        eprint(&report::mistakes(&mistakes));
        reading::close(read).await;
        return Ok(Err(()));
    }
    let mut found: Vec<HostDrift> = unread
        .into_iter()
        .map(|result| HostDrift {
            host: result.host,
            drift: None,
            end: result.end,
        })
        .collect();
    found.extend(
        futures_util::future::join_all(read.into_iter().map(one))
            .await
            .into_iter()
            .flatten(),
    );
    found.sort_by_key(|host| order.iter().position(|name| *name == host.host));
    Ok(Ok(found))
}

/// What a host is compared with its plan, and with what others have changed so that homelab does not change it.
fn drift_of(plan: &HostPlan, runs: &[(Run, Option<String>)], mistakes: &[Mistake]) -> Drift {
    let mut found = drift(plan, runs);
    let of_host = mistakes.iter().filter(|mistake| mistake.host == plan.host);
    for changed in of_host.filter_map(|mistake| mistake.diagnostic.others_changed()) {
        found.add_taken(changed);
    }
    found
}

/// Compares a host, and reads its journals if anything is pending.
async fn one(mut host: ReadHost) -> Vec<HostDrift> {
    let mut found = Vec::new();
    for plan in &host.build.plan.hosts {
        let name = plan.host.clone();
        let journals: Result<_, GatherError> = if plan.is_pending() {
            let read = read_journal_of(&mut host.connection, &name, Wanted::Last(RUNS)).await;
            read.map(|journal| journal.runs)
        } else {
            Ok(Vec::new())
        };
        found.push(match journals {
            Ok(runs) => HostDrift {
                drift: Some(drift_of(plan, &runs, &host.build.mistakes)),
                host: name,
                end: HostEnd::Converged,
            },
            Err(error) => {
                errors::show_reading(&error);
                HostDrift {
                    host: name,
                    drift: None,
                    end: HostEnd::Unreachable,
                }
            }
        });
    }
    host.connection.close().await;
    found
}
