//! Applies a plan and shows the progress.

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
use super::progress::{EventText, Lines, ProgressDisplay};

/// How a plan is applied and its progress shown.
pub(super) struct Applying<'a> {
    pub(super) run: &'a Selection,
    pub(super) plan: &'a Plan,
    pub(super) unread: &'a [HostResult],
    pub(super) rollback_of: Option<String>,
    pub(super) lock_wait: Duration,
    pub(super) guard_within: Duration,
    pub(super) parallel: usize,
    pub(super) text: TextOptions,
    pub(super) lines: Lines,
}

impl Applying<'_> {
    /// Applies the plans of `hosts` and shows the progress; the caller prints how each host ended.
    ///
    /// Errors: the progress could not be written; the plans were applied nevertheless.
    pub(super) async fn apply(
        self,
        hosts: Vec<ReadHost>,
        digests: &Arc<DigestKey>,
        interruption: &mut Interruption,
    ) -> anyhow::Result<Vec<HostResult>> {
        let (events, received) = mpsc::unbounded_channel();
        let (cancel, cancelled) = watch::channel(false);
        let apply_options = ApplyOptions {
            who: lock_holder(),
            rollback_of: self.rollback_of,
            lock_wait: self.lock_wait,
            guard_within: self.guard_within,
            parallel: self.parallel,
            live_output: self.text.verbose,
        };
        // The summary says how each host ended, and what failed. Documents have none.
        let leaves_ends = self.lines == Lines::Report;
        let display = ProgressDisplay::new(Progress::of_applying(self.plan), self.lines);
        let mut live = LiveOutput::default();
        let text_of = |progress: &mut Progress, event: ApplyEvent| {
            progress.on_applying(&event, Instant::now());
            EventText {
                lines: report::event(&event, &self.text, leaves_ends).unwrap_or_default(),
                aside: live.lines(&event),
            }
        };
        let interrupted = async {
            interruption.wanted().await;
            let _ = cancel.send(true);
            "interrupted: stopping after the current step\n".to_owned()
        };
        let showing = display.follow(received, text_of, interrupted);
        let applying = async move {
            // The last sender is dropped when applying ends, which ends the progress.
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
        let (results, shown) = tokio::join!(applying, showing);
        shown?;
        Ok(results)
    }
}

/// The name of the account that runs this, for jobs of cron and systemd, which set no `$USER`.
fn account() -> String {
    let output = std::process::Command::new("id").arg("-un").output();
    let name = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    name.ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The holder of a host's lock, as shown to other runs that wait for it.
fn lock_holder() -> String {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| account());
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{} (process {})", machine.trim(), std::process::id())
}
