//! A plan applied, told as it goes.

use std::sync::Arc;
use std::time::Duration;

use homelab::apply::{ApplyOptions, Event, HostResult, apply};
use homelab::gather::ReadHost;
use homelab::report::{self, TextOptions};
use homelab::secret::DigestKey;
use tokio::sync::{mpsc, watch};

use super::print;

/// Applies the plans of `hosts` and prints what happens; how each host ended is for the caller to print.
pub(super) async fn apply_and_tell(
    lock_wait: Duration,
    hosts: Vec<ReadHost>,
    digests: &Arc<DigestKey>,
    options: &TextOptions,
) -> anyhow::Result<Vec<HostResult>> {
    let (events, mut told) = mpsc::unbounded_channel();
    let (cancel, cancelled) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            anstream::eprintln!("interrupted: ending after the step under way");
            let _ = cancel.send(true);
        }
        // Kept, so that applying does not take its end for a cancellation.
        std::future::pending::<()>().await;
    });
    let apply_options = ApplyOptions { who: who(), lock_wait };
    let telling = async {
        while let Some(event) = told.recv().await {
            // How hosts end is told at the end, of all of them.
            let is_end = matches!(event, Event::HostFinished { .. });
            if let Some(text) = report::event(&event, options).filter(|_| !is_end) {
                print(&text)?;
            }
        }
        Ok::<(), anyhow::Error>(())
    };
    let applying = async move { apply(hosts, digests, &apply_options, &events, &cancelled).await };
    let (results, telling) = tokio::join!(applying, telling);
    telling?;
    Ok(results)
}

/// Who holds a host's lock, for whoever finds it held.
fn who() -> String {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| "somebody".to_owned());
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{} (process {})", machine.trim(), std::process::id())
}
