//! The async runtimes.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// For work on several hosts, which keeps all processors busy.
pub(super) fn all_threads() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// For work that only waits for the Docker engine or for `ssh`.
pub(super) fn one_thread() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
