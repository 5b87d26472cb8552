//! Powers the host off when no model has run for a while.

use std::time::{Duration, Instant};

use super::queue::{MINUTE, Reason};
use super::settings::OffWhenIdle;
use super::shutdowns::{Refused, Shown, Shutdowns};
use crate::bus::{Activity, UnitState};
use crate::journal;

/// How often the models are looked at.
const PAUSE: Duration = Duration::from_secs(20);
/// So long before the host goes off, they are looked at each second.
const LAST_LOOKS: u64 = 40_000_000;

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

    /// Looks at the models, schedules or cancels, and returns when to look again. `clock` is in microseconds since 1970.
    ///
    /// Errors: logind refuses, or something blocks.
    pub async fn look(
        &mut self,
        models: &[UnitState],
        shutdowns: &Shutdowns,
        now: Instant,
        clock: u64,
    ) -> Result<Duration, Refused> {
        let is_busy = |unit: &UnitState| matches!(unit.activity, Activity::Active | Activity::Changing);
        if models.iter().any(is_busy) {
            self.since = now;
            self.is_pending = false;
            if shutdowns.cancel_idle(clock).await? {
                journal::notice("a model runs again: the host stays on");
            }
            return Ok(PAUSE);
        }
        let all = shutdowns.all(clock).await?;
        let own = all.iter().find_map(|shown| match shown {
            Shown::Own(entry) if entry.reason == Reason::Idle => Some(entry.at),
            Shown::Own(_) | Shown::Foreign(_) => None,
        });
        if self.is_pending && own.is_none() {
            // A user cancelled it: they want the host for a while.
            self.since = now;
        }
        self.is_pending = own.is_some();
        if let Some(at) = own {
            let is_soon = at.saturating_sub(clock) <= LAST_LOOKS;
            return Ok(if is_soon { Duration::from_secs(1) } else { PAUSE });
        }
        let limit = Duration::from_secs(u64::from(self.settings.minutes) * 60);
        let at = clock + u64::from(self.settings.warning_minutes.max(1)) * MINUTE;
        // One that was asked for later does not keep an idle host on. Another program's would be replaced.
        let is_in_the_way = |shown: &Shown| match shown {
            Shown::Own(entry) => entry.at < at + MINUTE,
            Shown::Foreign(_) => true,
        };
        if !all.iter().any(is_in_the_way) && now.saturating_duration_since(self.since) >= limit {
            let entry = shutdowns.schedule(at, "idle models", Reason::Idle, clock).await?;
            journal::audit(
                "agent",
                "local",
                &format!("schedule shutdown {}", entry.id),
                "every model has been idle",
            );
            self.is_pending = true;
        }
        Ok(PAUSE)
    }
}
