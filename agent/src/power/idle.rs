//! Powers the host off when no model has run for a while.

use std::time::{Duration, Instant};

use super::queue::{MINUTE, Reason};
use super::settings::OffWhenIdle;
use super::shutdowns::{Refused, Shown, Shutdowns};
use crate::bus::{Activity, UnitState};
use crate::journal;

/// Since when no model has run.
pub struct Idle {
    settings: OffWhenIdle,
    since: Instant,
    /// Whether a shutdown of this was in the queue at the last look.
    is_pending: bool,
}

impl Idle {
    /// Counts from now.
    pub fn new(settings: OffWhenIdle, now: Instant) -> Self {
        Self {
            settings,
            since: now,
            is_pending: false,
        }
    }

    /// Looks at the models, and schedules or cancels. `clock` is in microseconds since 1970.
    ///
    /// Errors: logind refuses, or something blocks.
    pub async fn look(
        &mut self,
        models: &[UnitState],
        shutdowns: &Shutdowns,
        now: Instant,
        clock: u64,
    ) -> Result<(), Refused> {
        let is_busy = |unit: &UnitState| matches!(unit.activity, Activity::Active | Activity::Changing);
        if models.iter().any(is_busy) {
            self.since = now;
            self.is_pending = false;
            if shutdowns.cancel_idle(clock).await? {
                journal::notice("a model runs again: the host stays on");
            }
            return Ok(());
        }
        let all = shutdowns.all(clock).await?;
        let has_own = all
            .iter()
            .any(|shown| matches!(shown, Shown::Own(entry) if entry.reason == Reason::Idle));
        if self.is_pending && !has_own {
            // Somebody cancelled it: they want the host for a while.
            self.since = now;
        }
        self.is_pending = has_own;
        let limit = Duration::from_secs(u64::from(self.settings.minutes) * 60);
        if all.is_empty() && now.saturating_duration_since(self.since) >= limit {
            let at = clock + u64::from(self.settings.warning_minutes.max(1)) * MINUTE;
            let entry = shutdowns.schedule(at, "idle models", Reason::Idle, clock).await?;
            journal::audit(
                "agent",
                "local",
                &format!("schedule shutdown {}", entry.id),
                "every model has been idle",
            );
            self.is_pending = true;
        }
        Ok(())
    }
}
