//! Ctrl-C, and the polite signals of others.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on: until then a signal ends the program at once.
pub(super) struct Interruption {
    signals: [Signal; 3],
}

impl Interruption {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            signals: [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            ],
        })
    }

    /// Waits until the user, or whoever ends the program, wants it to end.
    pub(super) async fn wanted(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    /// What `work` comes to; nothing if the user wants to end before, and then it is dropped.
    pub(super) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.wanted() => None,
        }
    }
}
