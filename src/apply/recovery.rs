//! After a failure: tries an operation again (`retries`), goes on without it (`on_error = "ignore"`), or has all hosts
//! stop (`on_error = "stop_all"`).

use std::time::Duration;

use super::events::{ApplyEvent, HostEnd, ResourceEnd};
use super::halt::{Halt, held_back, lost};
use super::host::HostApply;
use crate::change::{Conduct, OnError, Outcome};
use crate::plan::PlannedOperation;
use crate::remote::Writer;

/// The pause before the first retry. Each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether the host may go on after a failure of the operation, so that nothing may follow it in its segment.
pub(super) fn may_go_on(operation: &PlannedOperation) -> bool {
    operation.conduct.may_go_on() && operation.outcome != Outcome::Unchanged
}

/// Whether a failure of the operation stops all hosts.
pub(super) fn stops_all(operation: &PlannedOperation) -> bool {
    operation.conduct.on_error == OnError::StopAll && operation.outcome != Outcome::Unchanged
}

/// The pause before a retry, which are counted from 1.
fn pause(retry: u8) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << u32::from(retry.saturating_sub(1)).min(16));
    doubled.min(LONGEST_PAUSE)
}

/// Why the host stops if it cannot be planned again: an operation that failed counts more than a host that is not as
/// reviewed.
fn stopped(has_failed: bool, halt: Halt) -> Halt {
    let end = match halt.end {
        HostEnd::Stale if has_failed => HostEnd::Failed,
        end => end,
    };
    Halt { end, ..halt }
}

impl HostApply<'_> {
    /// Errors: another host failed in a way that stops all.
    pub(super) fn check_stop(&self) -> Result<(), Halt> {
        self.stop.why().map_or(Ok(()), |why| Err(held_back("continue", &why)))
    }

    /// The rest of the stage, if the host goes on after a failure of one of `operations`, which were applied.
    ///
    /// Errors: `halt`, if it does not.
    pub(super) async fn go_on(
        &mut self,
        writer: &mut Writer<'_>,
        operations: &[PlannedOperation],
        halt: Halt,
    ) -> Result<Vec<PlannedOperation>, Halt> {
        let Some((index, conduct)) = self.failed(operations, &halt) else {
            return Err(halt);
        };
        let operation = &operations[index];
        let tried = self.retried.get(&operation.id).copied().unwrap_or_default();
        let is_again = tried < conduct.retries && !self.is_refusal;
        if is_again {
            self.wait_for_retry(operation, tried + 1).await;
            if self.stop.why().is_some() {
                return Err(halt);
            }
        }
        if !is_again && conduct.on_error != OnError::Ignore {
            if conduct.on_error == OnError::StopAll {
                self.stop.stop(format!(
                    "`{}` failed on {}, which stops all hosts (`on_error = \"stop_all\"`)",
                    operation.id.slug(),
                    self.reviewed.host
                ));
            }
            return Err(halt);
        }
        self.tell_checks(&operations[..index]);
        let done = self.snapshot.done.entry(self.reviewed.host.clone()).or_default();
        done.extend(operations[..index].iter().map(|one| one.id.clone()));
        // What it was planned from may be different now, whatever it said that it changes.
        if let Some(facts) = self.snapshot.facts.get_mut(&self.reviewed.host) {
            for key in &operation.asked {
                facts.remove(key);
            }
        }
        if is_again {
            self.retried.insert(operation.id.clone(), tried + 1);
        } else {
            done.insert(operation.id.clone());
            self.go_back_and_on(writer, operations).await?;
            self.ignore(operation);
        }
        if writer.is_halted() {
            writer.resume().await.map_err(|error| lost(&error))?;
        }
        let rest = self.plan_again(writer).await.map_err(|halt| stopped(is_again, halt))?;
        if is_again {
            self.results.retain(|result| result.operation != operation.id);
        }
        Ok(rest)
    }

    /// The operation whose failure stopped the host, and how it is carried out. `None` if something else did: a connection
    /// that broke, or a plan that does not fit the host any more.
    fn failed(&self, operations: &[PlannedOperation], halt: &Halt) -> Option<(usize, Conduct)> {
        if halt.end != HostEnd::Failed || halt.failure.is_some() {
            return None;
        }
        let failed = self.results.iter().rfind(|result| result.failure.is_some())?;
        let index = operations.iter().position(|one| one.id == failed.operation)?;
        Some((index, operations[index].conduct))
    }

    async fn wait_for_retry(&self, operation: &PlannedOperation, retry: u8) {
        let pause = pause(retry);
        let failed = self.results.iter().rfind(|result| result.operation == operation.id);
        let Some(failure) = failed.and_then(|result| result.failure.clone()) else {
            return;
        };
        self.send(ApplyEvent::Retries {
            host: self.reviewed.host.clone(),
            operation: operation.id.clone(),
            retry,
            of: operation.conduct.retries,
            pause,
            failure,
        });
        tokio::time::sleep(pause).await;
    }

    fn ignore(&mut self, operation: &PlannedOperation) {
        let failed = self.results.iter_mut().rfind(|result| result.operation == operation.id);
        let lines = failed.into_iter().flat_map(|result| &mut result.lines);
        for line in lines.filter(|line| line.end == ResourceEnd::Failed) {
            line.end = ResourceEnd::Ignored;
        }
        self.send(ApplyEvent::Ignored {
            host: self.reviewed.host.clone(),
            operation: operation.id.clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let pauses: Vec<u64> = [1, 2, 3, 5, 6, 255].map(|retry| pause(retry).as_secs()).to_vec();
        assert_eq!(pauses, [2, 4, 8, 32, 60, 60]);
    }
}
