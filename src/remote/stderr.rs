//! What a child says on its standard error.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The last of what a child writes to its standard error, read as it comes so that the child never waits.
pub(super) struct StandardError {
    tail: Arc<Mutex<Vec<u8>>>,
    arrivals: watch::Receiver<()>,
    task: JoinHandle<()>,
}

impl StandardError {
    const LONGEST: usize = 16 * 1024;
    /// A jump host's `ssh` may keep the pipe open for longer than its parent lives.
    const PATIENCE: Duration = Duration::from_millis(500);

    pub(super) fn drain(mut stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let tail = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&tail);
        let (arrived, arrivals) = watch::channel(());
        let task = tokio::spawn(async move {
            let mut chunk = vec![0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                let mut tail = shared.lock().unwrap_or_else(PoisonError::into_inner);
                tail.extend_from_slice(&chunk[..length]);
                let surplus = tail.len().saturating_sub(Self::LONGEST);
                tail.drain(..surplus);
                drop(tail);
                let _ = arrived.send(());
            }
        });
        Self { tail, arrivals, task }
    }

    /// All that came, once the child has closed it.
    pub(super) async fn text(&mut self) -> String {
        let _ = tokio::time::timeout(Self::PATIENCE, &mut self.task).await;
        self.so_far()
    }

    /// What has come so far.
    pub(super) fn so_far(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&tail).into_owned()
    }

    /// Waits until `text` has come for the `times`th time; for ever, if it does not.
    pub(super) async fn wait_for(&self, text: &str, times: usize) {
        let mut arrivals = self.arrivals.clone();
        while self.so_far().matches(text).count() < times {
            if arrivals.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

impl Drop for StandardError {
    fn drop(&mut self) {
        self.task.abort();
    }
}
