//! Reading the standard error of a child process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::task::JoinHandle;

/// The end of a child's standard error. It is read as it arrives, so that the child never blocks.
pub(super) struct StandardError {
    tail: Arc<Mutex<Vec<u8>>>,
    arrivals: watch::Receiver<()>,
    /// Gets a copy of everything as it arrives.
    listener: Arc<AsyncMutex<Option<DuplexStream>>>,
    task: JoinHandle<()>,
}

impl StandardError {
    const LONGEST: usize = 16 * 1024;
    /// The `ssh` to a jump host may keep the pipe open after its parent exits.
    const PATIENCE: Duration = Duration::from_millis(500);

    pub(super) fn drain(mut stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let tail = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&tail);
        let (arrived, arrivals) = watch::channel(());
        let listener = Arc::new(AsyncMutex::new(None::<DuplexStream>));
        let shared_listener = Arc::clone(&listener);
        let task = tokio::spawn(async move {
            let mut chunk = vec![0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                append(&shared, &chunk[..length]);
                let _ = arrived.send(());
                let mut listener = shared_listener.lock().await;
                if let Some(stream) = listener.as_mut()
                    && stream.write_all(&chunk[..length]).await.is_err()
                {
                    // The listener is gone; the child must not block because of it.
                    *listener = None;
                }
            }
            drop(shared_listener.lock().await.take());
        });
        Self {
            tail,
            arrivals,
            listener,
            task,
        }
    }

    /// Everything that arrives from now on. If the reader is slow, the child blocks.
    pub(super) async fn listen(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(Self::LONGEST);
        *self.listener.lock().await = Some(near);
        far
    }

    /// What is kept, after the child has closed its standard error.
    pub(super) async fn text(&mut self) -> String {
        let _ = tokio::time::timeout(Self::PATIENCE, &mut self.task).await;
        self.so_far()
    }

    /// What has arrived so far.
    pub(super) fn so_far(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&tail).into_owned()
    }

    /// Waits until `text` has arrived `times` times; forever, if it does not.
    pub(super) async fn wait_for(&self, text: &str, times: usize) {
        let mut arrivals = self.arrivals.clone();
        while self.so_far().matches(text).count() < times {
            if arrivals.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

fn append(tail: &Mutex<Vec<u8>>, bytes: &[u8]) {
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
