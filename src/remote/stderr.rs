//! What a child says on its standard error.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::task::JoinHandle;

/// The last of what a child writes to its standard error, read as it comes so that the child never waits.
pub(super) struct StandardError {
    tail: Arc<Mutex<Vec<u8>>>,
    arrivals: watch::Receiver<()>,
    /// Who gets it all as it comes.
    listener: Arc<AsyncMutex<Option<DuplexStream>>>,
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
        let listener = Arc::new(AsyncMutex::new(None::<DuplexStream>));
        let heard_by = Arc::clone(&listener);
        let task = tokio::spawn(async move {
            let mut chunk = vec![0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                keep(&shared, &chunk[..length]);
                let _ = arrived.send(());
                let mut listener = heard_by.lock().await;
                if let Some(stream) = listener.as_mut()
                    && stream.write_all(&chunk[..length]).await.is_err()
                {
                    // Nobody listens any more: that is no reason to let the child wait.
                    *listener = None;
                }
            }
            drop(heard_by.lock().await.take());
        });
        Self {
            tail,
            arrivals,
            listener,
            task,
        }
    }

    /// All that comes from now on. The child waits for who listens.
    pub(super) async fn listen(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(Self::LONGEST);
        *self.listener.lock().await = Some(near);
        far
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

/// Adds to the tail what came last.
fn keep(tail: &Mutex<Vec<u8>>, bytes: &[u8]) {
    let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    tail.extend_from_slice(bytes);
    let surplus = tail.len().saturating_sub(StandardError::LONGEST);
    tail.drain(..surplus);
}

impl Drop for StandardError {
    fn drop(&mut self) {
        self.task.abort();
    }
}
