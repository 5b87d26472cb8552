//! Signs of life for a host whose lock this run holds.
//!
//! A link that is lost without an end is not noticed by sshd for hours. So a line break is sent now and then, which the host's shell
//! reads between two frames; if none comes for long, a process beside that shell ends it, and the lock is free (`hl_mind`).

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

/// Sends line breaks until it is dropped.
#[derive(Debug)]
pub(super) struct Beat(AbortHandle);

impl Beat {
    /// Sends one after each `pause`, but none within a frame: then others hold the mutex.
    pub(super) fn of(stdin: &Arc<Mutex<ChildStdin>>, pause: Duration) -> Self {
        let stdin = Arc::downgrade(stdin);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(stdin) = stdin.upgrade() else { return };
                if let Ok(mut stdin) = stdin.try_lock() {
                    // If sending fails, the next frame reports it.
                    let _ = stdin.write_all(b"\n").await;
                    let _ = stdin.flush().await;
                }
            }
        });
        Self(task.abort_handle())
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.abort();
    }
}
