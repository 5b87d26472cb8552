//! Reads hosts, and closes their connections.

use std::sync::Arc;
use std::time::Instant;

use homelab::apply::{HostResult, not_read};
use homelab::project::Selection;
use homelab::remote::Target;
use homelab::report::Progress;
use homelab::rounds::{HostReading, OnEvent, ReadHost, ReadingEvent, read_hosts};
use homelab::secret::DigestKey;
use tokio::sync::mpsc;

use super::errors;
use super::output::tell_line;
use super::progress::{EventText, Lines, ProgressDisplay};

/// Hosts that were read, and the results of those that could not be.
pub(super) struct Hosts {
    pub(super) read: Vec<ReadHost>,
    pub(super) unread: Vec<HostResult>,
}

/// How hosts are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadOptions {
    pub(super) parallel: usize,
    pub(super) verbose: bool,
}

/// Reads all hosts at once; those that cannot be read are reported, with their result.
pub(super) async fn read(
    options: ReadOptions,
    run: &Selection,
    targets: Vec<Target>,
    digests: &Arc<DigestKey>,
) -> std::io::Result<Hosts> {
    let display = ProgressDisplay::new(Progress::of_reading(targets.len()), Lines::Aside);
    let (events, received) = mpsc::unbounded_channel();
    let text_of = |progress: &mut Progress, event: ReadingEvent| {
        progress.on_reading(&event, Instant::now());
        match event {
            ReadingEvent::Waiting { host, words } => EventText::line(Some(format!("{host}: waiting for {words}\n"))),
            ReadingEvent::Started { .. } | ReadingEvent::Finished { .. } => EventText::default(),
        }
    };
    let showing = display.follow(received, text_of, std::future::pending());
    // The last sender is dropped when reading ends, which ends the progress.
    let reading = async move {
        let on_event: OnEvent = Arc::new(move |event| {
            let _ = events.send(event);
        });
        read_hosts(run, targets, digests, options.parallel, &on_event).await
    };
    let (readings, shown) = tokio::join!(reading, showing);
    shown?;
    Ok(sorted(readings, options.verbose))
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
                    tell_line(format_args!(
                        "{}: read in {:.1} s",
                        reading.host,
                        reading.took.as_secs_f64()
                    ));
                    tell_line(format_args!(
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
