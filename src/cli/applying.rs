//! A plan applied, told as it goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use homelab::apply::{ApplyEvent, ApplyOptions, HostResult, apply};
use homelab::plan::Plan;
use homelab::project::Selection;
use homelab::report::{self, LiveOutput, Progress, TextOptions};
use homelab::rounds::ReadHost;
use homelab::secret::DigestKey;
use tokio::sync::{mpsc, watch};

use super::interruption::Interruption;
use super::telling::{Lines, Teller, Told};

/// How a plan is applied and told.
pub(super) struct Applying<'a> {
    pub(super) run: &'a Selection,
    pub(super) plan: &'a Plan,
    pub(super) unread: &'a [HostResult],
    pub(super) lock_wait: Duration,
    pub(super) parallel: usize,
    pub(super) text: TextOptions,
    pub(super) lines: Lines,
}

impl Applying<'_> {
    /// Applies the plans of `hosts` and tells what happens; how each host ended is for the caller to print.
    ///
    /// Errors: what happened could not be written; the plans were applied nevertheless, and the error says nothing of them.
    pub(super) async fn apply(
        self,
        hosts: Vec<ReadHost>,
        digests: &Arc<DigestKey>,
        interruption: &mut Interruption,
    ) -> anyhow::Result<Vec<HostResult>> {
        let (events, told) = mpsc::unbounded_channel();
        let (cancel, cancelled) = watch::channel(false);
        let apply_options = ApplyOptions {
            who: who(),
            lock_wait: self.lock_wait,
            parallel: self.parallel,
            live_output: self.text.verbose,
        };
        // One host's end is told at once by the summary.
        let is_alone = hosts.len() == 1;
        let teller = Teller::new(Progress::of_applying(self.plan), self.lines);
        let mut live = LiveOutput::default();
        let hear = |progress: &mut Progress, event: ApplyEvent| {
            progress.hear_applying(&event, Instant::now());
            let is_told_below = is_alone && matches!(event, ApplyEvent::HostFinished { .. });
            Told {
                lines: report::event(&event, &self.text)
                    .filter(|_| !is_told_below)
                    .unwrap_or_default(),
                aside: live.hear(&event),
            }
        };
        let interrupted = async {
            interruption.wanted().await;
            let _ = cancel.send(true);
            "interrupted: stopping after the current step\n".to_owned()
        };
        let telling = teller.follow(told, hear, interrupted);
        let applying = async move {
            // The last sender goes with the applying, and so ends the telling.
            apply(
                self.run,
                hosts,
                self.unread,
                digests,
                &apply_options,
                &events,
                &cancelled,
            )
            .await
        };
        let (results, telling) = tokio::join!(applying, telling);
        telling?;
        Ok(results)
    }
}

/// Who holds a host's lock, as another run that waits for it is told.
fn who() -> String {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| "unknown".to_owned());
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{} (process {})", machine.trim(), std::process::id())
}
