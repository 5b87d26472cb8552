//! What systemd is told: that the service is ready, alive, and ends.

use std::time::Duration;

use sd_notify::NotifyState;

/// Says that requests are answered from now on.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Says that the service is about to end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says again and again that the service is alive, if systemd asked for it. The same thread answers requests: if it is
/// blocked, systemd starts the service again.
pub(super) async fn keep_alive() {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let mut beat = tokio::time::interval((limit / 2).max(Duration::from_millis(100)));
    loop {
        beat.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    // Without systemd there is nothing to notify.
    let _ = sd_notify::notify(states);
}
