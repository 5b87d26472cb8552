//! The shutdowns that were asked for, as they are kept on the disk.

use serde::{Deserialize, Serialize};

/// A minute in microseconds, as logind counts.
pub(super) const MINUTE: u64 = 60_000_000;
/// How many shutdowns wait at most.
const MOST_ENTRIES: usize = 32;

/// Why there is a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A caller asked for it.
    Request,
    /// No model has run for a while.
    Idle,
}

/// One shutdown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub id: u64,
    /// When, in microseconds since 1970. logind says the same number, so the agent knows its own.
    pub at: u64,
    /// When it was asked for.
    pub created: u64,
    /// When it was meant to be; later than that it is put off.
    pub meant_for: u64,
    pub by: String,
    pub reason: Reason,
    /// Whether logind had it.
    pub armed: bool,
    /// Whether it is being cancelled. If logind still has it after a crash, it is cancelled there.
    pub ending: bool,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    pub next_id: u64,
    /// The boot in which this was written: after another one, logind has forgotten everything.
    pub boot: u64,
    pub entries: Vec<Entry>,
}

impl Queue {
    /// The one that is due first.
    pub fn first(&self) -> Option<&Entry> {
        self.entries
            .iter()
            .filter(|entry| !entry.ending)
            .min_by_key(|entry| (entry.at, entry.id))
    }

    /// One within a minute of `at`, which a second request for the same time gets too.
    pub fn close_to(&self, at: u64) -> Option<&Entry> {
        let mut entries = self.entries.iter().filter(|entry| !entry.ending);
        entries.find(|entry| entry.at.abs_diff(at) < MINUTE)
    }

    /// Whether there is no room for another one.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= MOST_ENTRIES
    }

    /// Adds one and returns its number.
    pub fn add(&mut self, at: u64, created: u64, by: &str, reason: Reason) -> u64 {
        self.next_id += 1;
        self.entries.push(Entry {
            id: self.next_id,
            at,
            created,
            meant_for: at,
            by: by.to_owned(),
            reason,
            armed: false,
            ending: false,
        });
        self.next_id
    }

    /// The one with this number.
    pub fn entry(&self, id: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    pub(super) fn entry_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.entries.retain(|entry| entry.id != id);
    }
}
