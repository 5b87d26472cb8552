//! Reads hosts, and closes their connections.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use homelab::apply::{HostResult, not_read};
use homelab::project::Selection;
use homelab::remote::Target;
use homelab::report::{self, Progress};
use homelab::rounds::{HostReading, OnEvent, ReadHost, ReadOptions, ReadingEvent, read_hosts};
use homelab::secret::DigestKey;
use tokio::sync::mpsc;

use super::errors;
use super::output::eprint_line;
use super::progress::{EventText, Lines, ProgressDisplay};

/// Hosts that were read, and the results of those that could not be.
pub(super) struct Hosts {
    pub(super) read: Vec<ReadHost>,
    pub(super) unread: Vec<HostResult>,
}

/// How hosts are read and what is printed about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) options: ReadOptions,
    pub(super) verbose: bool,
    /// Whether conditions are named before they run, because nobody agreed to anything yet.
    pub(super) names_conditions: bool,
}

/// Reads all hosts at once; those that cannot be read are reported, with their result.
pub(super) async fn read(
    reading: Reading,
    run: &Selection,
    targets: Vec<Target>,
    digests: &Arc<DigestKey>,
) -> std::io::Result<Hosts> {
    let display = ProgressDisplay::new(Progress::of_reading(targets.len()), Lines::Aside);
    let (events, received) = mpsc::unbounded_channel();
    let local: BTreeSet<String> = targets
        .iter()
        .filter(|target| target.local)
        .map(|target| target.name.clone())
        .collect();
    let mut named = BTreeSet::new();
    let text_of = |progress: &mut Progress, event: ReadingEvent| {
        progress.on_reading(&event, Instant::now());
        match event {
            ReadingEvent::Waiting { host, words } => EventText::line(Some(format!("{host}: waiting for {words}\n"))),
            ReadingEvent::Conditions { host, mut commands } if reading.names_conditions => {
                let is_local = local.contains(&host);
                // Most conditions are the same on many hosts.
                commands.retain(|command| named.insert((is_local, command.clone())));
                EventText::line(Some(report::conditions(&commands, is_local)))
            }
            ReadingEvent::Started { .. } | ReadingEvent::Conditions { .. } | ReadingEvent::Finished { .. } => {
                EventText::default()
            }
        }
    };
    let showing = display.follow(received, text_of, std::future::pending());
    // The last sender is dropped when reading ends, which ends the progress.
    let hosts = async move {
        let on_event: OnEvent = Arc::new(move |event| {
            let _ = events.send(event);
        });
        read_hosts(run, targets, digests, reading.options, &on_event).await
    };
    let (readings, shown) = tokio::join!(hosts, showing);
    shown?;
    Ok(sorted(readings, reading.verbose))
}

fn sorted(readings: Vec<HostReading>, verbose: bool) -> Hosts {
    let mut hosts = Hosts {
        read: Vec::new(),
        unread: Vec::new(),
    };
    for reading in readings {
        match reading.result {
            Ok(host) => {
                if verbose {
                    eprint_line(format_args!(
                        "{}: read in {:.1} s",
                        reading.host,
                        reading.took.as_secs_f64()
                    ));
                    eprint_line(format_args!(
                        "{}: round trips: {}",
                        reading.host,
                        host.connection.round_trips()
                    ));
                }
                hosts.read.push(host);
            }
            Err(error) => {
                errors::show_reading(&error);
                hosts.unread.push(not_read(&reading.host, &error));
            }
        }
    }
    hosts
}

/// Ends the connections.
pub(super) async fn close(hosts: Vec<ReadHost>) {
    for host in hosts {
        host.connection.close().await;
    }
}
