//! Locks that all labs of a user share, since they share one Docker engine.

use std::fs::File;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use super::error::LabError;
use super::state;
use crate::content::open_lock;

/// Held while images are built.
pub(super) const IMAGES: &str = "lab-images.lock";
/// Held while a container joins or leaves the network, so that they do so one after the other. Docker before 20.10.27, as in
/// Debian 12, can lock up when two do so at once: it then answers no call about them until it is restarted (moby/moby issue
/// 46661).
pub(super) const NETWORK: &str = "lab-network.lock";

/// Waits for the lock `name`, and holds it until the file is dropped.
///
/// Errors: it cannot be created or opened.
pub(super) async fn hold(name: &'static str) -> Result<File, LabError> {
    let locked = tokio::task::spawn_blocking(move || hold_blocking(name)).await;
    locked.map_err(|error| failed(path(name))(error.into())).flatten()
}

/// For programs that start or end containers beside the lab: as long as the file is open, no container of a lab joins or leaves
/// the network. Docker before 20.10.27 can lock up when two do so at once.
///
/// Errors: the lock cannot be created or opened.
pub fn hold_network() -> Result<File, LabError> {
    hold_blocking(NETWORK)
}

fn hold_blocking(name: &'static str) -> Result<File, LabError> {
    let path = path(name);
    state::create_private(path.parent().unwrap_or(Path::new("/")))?;
    let file = open_lock(&path).map_err(failed(path.clone()))?;
    file.lock().map(|()| file).map_err(failed(path))
}

fn path(name: &str) -> PathBuf {
    cache().join(name)
}

/// What the labs of a user keep on this machine.
pub(super) fn cache() -> PathBuf {
    let folder =
        etcetera::choose_base_strategy().map_or_else(|_| std::env::temp_dir(), |strategy| strategy.cache_dir());
    folder.join("homelab")
}

fn failed(path: PathBuf) -> impl FnOnce(std::io::Error) -> LabError {
    |source| LabError::Disk {
        action: "lock",
        path,
        source,
    }
}
