//! At most one shutdown is armed in logind, and logind is the truth; the others wait in the queue.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::queue::{Entry, MINUTE, Queue, Reason};
use super::settings::ShutdownSettings;
use crate::bus::{Fault, FaultKind, Login, Scheduled};
use crate::journal;
use crate::state::{StateError, StateFile, Stored};

/// So long before the end it is looked again whether something blocks it.
const LAST_LOOK: u64 = 15_000_000;

/// What will happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// One of the agent's own.
    Own(Entry),
    /// Another program told logind, such as `shutdown -r`.
    Foreign(Scheduled),
}

/// Why a shutdown is not scheduled or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Bus(#[from] Fault),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the host does not allow it: {0}")]
    NotAllowed(String),
    #[error("blocked by {}", .0.join(", "))]
    Blocked(Vec<String>),
    #[error("the queue is full")]
    Full,
    #[error("another shutdown is scheduled later")]
    Foreign(Scheduled),
    #[error("another shutdown is scheduled, of a kind that the agent may not cancel")]
    NotOwn(Scheduled),
    #[error("nothing to cancel")]
    Nothing,
}

/// The shutdowns of this host. One request is looked at after the other.
pub struct Shutdowns {
    login: Arc<dyn Login>,
    settings: ShutdownSettings,
    held: Mutex<Held>,
}

struct Held {
    queue: Queue,
    file: StateFile,
    /// What is on the disk.
    written: Queue,
    has_wall_message: bool,
}

impl Held {
    fn save(&mut self) -> Result<(), StateError> {
        if self.queue != self.written {
            self.file.write(&self.queue)?;
            self.written = self.queue.clone();
        }
        Ok(())
    }
}

impl Shutdowns {
    /// Reads the queue. A file that cannot be understood is put aside.
    ///
    /// Errors: the file cannot be read.
    pub fn load(login: Arc<dyn Login>, settings: ShutdownSettings, file: StateFile) -> Result<Self, StateError> {
        let queue = match file.read()? {
            Stored::Value(queue) => queue,
            Stored::Nothing => Queue::default(),
            Stored::PutAside(path) => {
                journal::error(&format!(
                    "the queue could not be read and is now `{}`; it is empty",
                    path.display()
                ));
                Queue::default()
            }
        };
        let held = Held {
            written: queue.clone(),
            queue,
            file,
            has_wall_message: false,
        };
        Ok(Self {
            login,
            settings,
            held: Mutex::new(held),
        })
    }

    /// Schedules a shutdown for `at`. One within the same minute is returned as it is.
    ///
    /// Errors: the host does not allow it, something blocks it, the queue is full, or another program's would be lost.
    pub async fn schedule(&self, at: u64, by: &str, reason: Reason, now: u64) -> Result<Entry, Refused> {
        let mut held = self.held.lock().await;
        let foreign = self.reconcile(&mut held, now).await?;
        if let Some(id) = held.queue.close_to(at).map(|entry| entry.id) {
            // One that a caller asked for stays, also if the host is no longer idle.
            if let Some(entry) = held
                .queue
                .entry_mut(id)
                .filter(|entry| entry.reason == Reason::Idle && reason != Reason::Idle)
            {
                entry.reason = reason;
                by.clone_into(&mut entry.by);
                held.save()?;
            }
            return held.queue.entry(id).cloned().ok_or(Refused::Nothing);
        }
        if held.queue.is_full() {
            return Err(Refused::Full);
        }
        let has_foreign = foreign.is_some();
        if let Some(foreign) = foreign.filter(|foreign| foreign.at > at) {
            return Err(Refused::Foreign(foreign));
        }
        // Before the permission, since logind gives none while something blocks.
        let blockers = self.login.blockers().await?;
        if !blockers.is_empty() {
            return Err(Refused::Blocked(blockers));
        }
        let permission = self.login.can_power_off().await?;
        if permission != "yes" {
            return Err(Refused::NotAllowed(permission));
        }
        let id = held.queue.add(at, now, by, reason);
        if let Err(error) = held.save() {
            held.queue.remove(id);
            return Err(error.into());
        }
        // To arm it would take away what another program scheduled.
        if !has_foreign && let Err(fault) = self.arm_first(&mut held).await {
            held.queue.remove(id);
            held.save()?;
            return Err(fault.into());
        }
        held.save()?;
        held.queue.entry(id).cloned().ok_or(Refused::Nothing)
    }

    /// What happens next.
    ///
    /// Errors: logind does not answer.
    pub async fn next(&self, now: u64) -> Result<Option<Shown>, Refused> {
        let mut held = self.held.lock().await;
        let foreign = self.reconcile(&mut held, now).await?;
        Ok(shown(&held.queue, foreign))
    }

    /// All that waits, the next one first.
    ///
    /// Errors: logind does not answer.
    pub async fn all(&self, now: u64) -> Result<Vec<Shown>, Refused> {
        let mut held = self.held.lock().await;
        let foreign = self.reconcile(&mut held, now).await?;
        let mut own: Vec<Entry> = held.queue.entries.clone();
        own.sort_by_key(|entry| (entry.at, entry.id));
        Ok(foreign
            .map(Shown::Foreign)
            .into_iter()
            .chain(own.into_iter().map(Shown::Own))
            .collect())
    }

    /// Cancels what `next` shows.
    ///
    /// Errors: there is nothing, or logind refuses.
    pub async fn cancel(&self, now: u64) -> Result<Shown, Refused> {
        let mut held = self.held.lock().await;
        let foreign = self.reconcile(&mut held, now).await?;
        let next = shown(&held.queue, foreign).ok_or(Refused::Nothing)?;
        match &next {
            Shown::Own(entry) => self.end(&mut held, entry.id).await?,
            Shown::Foreign(foreign) => {
                self.login.cancel().await.map_err(|fault| match fault.kind {
                    // Its rules are about power-offs.
                    FaultKind::Denied => Refused::NotOwn(foreign.clone()),
                    _ => fault.into(),
                })?;
            }
        }
        // What waited behind it is armed; if that fails, the next look tries again.
        if let Err(fault) = self.reconcile(&mut held, now).await {
            journal::warning(&format!("the next shutdown is not armed yet: {fault}"));
        }
        Ok(next)
    }

    /// Cancels those that came about because the host was idle. Returns whether there was one.
    ///
    /// Errors: logind refuses.
    pub async fn cancel_idle(&self, now: u64) -> Result<bool, Refused> {
        let mut held = self.held.lock().await;
        self.reconcile(&mut held, now).await?;
        let idle = held.queue.entries.iter().filter(|entry| entry.reason == Reason::Idle);
        let ids: Vec<u64> = idle.map(|entry| entry.id).collect();
        for id in &ids {
            self.end(&mut held, *id).await?;
        }
        self.reconcile(&mut held, now).await?;
        Ok(!ids.is_empty())
    }

    /// Compares the queue with logind, puts off what is blocked right before its end, and returns how long nothing needs to
    /// be looked at.
    ///
    /// Errors: logind does not answer, or the queue cannot be written.
    pub async fn look(&self, now: u64) -> Result<std::time::Duration, Refused> {
        let mut held = self.held.lock().await;
        self.reconcile(&mut held, now).await?;
        if let Some(entry) = held.queue.first().cloned()
            && entry.at.saturating_sub(now) <= LAST_LOOK
        {
            self.last_look(&mut held, &entry, now).await?;
        }
        let left = held
            .queue
            .first()
            .map_or(u64::MAX, |entry| entry.at.saturating_sub(now));
        let seconds = if left <= LAST_LOOK + 20_000_000 { 1 } else { 15 };
        Ok(std::time::Duration::from_secs(seconds))
    }

    /// logind does not look at inhibitors that came after a shutdown was scheduled.
    async fn last_look(&self, held: &mut Held, entry: &Entry, now: u64) -> Result<(), Refused> {
        let blockers = self.login.blockers().await?;
        if blockers.is_empty() {
            return Ok(());
        }
        if entry.armed {
            self.login.cancel().await?;
        }
        let put_off = (now - now.min(entry.meant_for)) / MINUTE;
        let by = blockers.join(", ");
        if put_off >= u64::from(self.settings.give_up_minutes) {
            journal::warning(&format!("shutdown {} is given up: blocked by {by}", entry.id));
            held.queue.remove(entry.id);
        } else {
            journal::warning(&format!(
                "shutdown {} is put off by a minute: blocked by {by}",
                entry.id
            ));
            if let Some(entry) = held.queue.entry_mut(entry.id) {
                entry.at = entry.at.max(now) + MINUTE;
                entry.armed = false;
            }
        }
        Ok(held.save()?)
    }

    /// Makes queue and logind agree. Returns what another program scheduled.
    async fn reconcile(&self, held: &mut Held, now: u64) -> Result<Option<Scheduled>, Refused> {
        let boot = self.login.boot().await?;
        let mut scheduled = self.login.scheduled().await?;
        // A crash between the request to cancel one and logind's answer.
        let is_ending = |entry: &Entry, scheduled: &Option<Scheduled>| {
            entry.ending && scheduled.as_ref().is_some_and(|scheduled| scheduled.at == entry.at)
        };
        if held.queue.entries.iter().any(|entry| is_ending(entry, &scheduled)) {
            self.login.cancel().await?;
            scheduled = None;
        }
        held.queue.entries.retain(|entry| !entry.ending);
        let at = scheduled.as_ref().map(|scheduled| scheduled.at);
        let is_own = held.queue.entries.iter().any(|entry| Some(entry.at) == at);
        let is_same_boot = held.queue.boot == boot;
        held.queue.boot = boot;
        held.queue.entries.retain_mut(|entry| {
            let was_armed = entry.armed;
            entry.armed = Some(entry.at) == at;
            let why = if entry.at <= now {
                "its time has passed"
            } else if was_armed && !entry.armed && is_same_boot && !is_own {
                "another user cancelled or replaced it"
            } else {
                return true;
            };
            journal::notice(&format!("shutdown {} of {} is gone: {why}", entry.id, entry.by));
            false
        });
        held.save()?;
        let foreign = scheduled.filter(|_| !is_own);
        if foreign.is_none() {
            match self.arm_first(held).await {
                Ok(()) => held.save()?,
                // It stays in the queue, and the next look tries again.
                Err(fault) => journal::warning(&format!("a shutdown of the queue is not armed: {fault}")),
            }
        }
        Ok(foreign)
    }

    /// Arms the first of the queue, unless it is armed or blocked. The caller saves the queue.
    async fn arm_first(&self, held: &mut Held) -> Result<(), Fault> {
        let Some(first) = held.queue.first().filter(|first| !first.armed).cloned() else {
            return Ok(());
        };
        if !self.login.blockers().await?.is_empty() {
            // logind would refuse. Right before its end it is put off.
            return Ok(());
        }
        if !self.settings.wall_message.is_empty() {
            self.login.set_wall_message(&self.settings.wall_message).await?;
            held.has_wall_message = true;
        }
        self.login.schedule(self.settings.action.name(), first.at).await?;
        for entry in &mut held.queue.entries {
            entry.armed = entry.id == first.id;
        }
        Ok(())
    }

    /// Takes one away: first it is written down that it ends, so that a crash cannot leave it armed.
    async fn end(&self, held: &mut Held, id: u64) -> Result<(), Refused> {
        let Some(entry) = held.queue.entry_mut(id) else {
            return Ok(());
        };
        let was_armed = entry.armed;
        entry.ending = true;
        held.save()?;
        if was_armed {
            if let Err(fault) = self.login.cancel().await {
                if let Some(entry) = held.queue.entry_mut(id) {
                    entry.ending = false;
                }
                held.save()?;
                return Err(fault.into());
            }
            if held.has_wall_message {
                // It would be shown at the next shutdown of anybody.
                self.login.set_wall_message("").await?;
                held.has_wall_message = false;
            }
        }
        held.queue.remove(id);
        Ok(held.save()?)
    }
}

/// logind's one, or the first that waits.
fn shown(queue: &Queue, foreign: Option<Scheduled>) -> Option<Shown> {
    foreign
        .map(Shown::Foreign)
        .or_else(|| queue.first().cloned().map(Shown::Own))
}
