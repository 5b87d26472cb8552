//! Reads hosts, and closes their connections.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use homelab::apply::{HostResult, not_read};
use homelab::project::Selection;
use homelab::remote::Target;
use homelab::report::{self, Progress};
use homelab::rounds::{LateHosts, OnEvent, ReadHost, ReadOptions, ReadingEvent, Readings, read_hosts};
use homelab::secret::DigestKey;
use tokio::sync::mpsc;

use super::errors;
use super::output::eprint_line;
use super::progress::{EventText, Lines, ProgressDisplay};

/// Hosts that were read, and the results of those that could not be.
pub(super) struct Hosts {
    pub(super) read: Vec<ReadHost>,
    pub(super) unread: Vec<HostResult>,
    pub(super) late: Option<LateHosts>,
}

/// The hosts to read.
pub(super) enum ToRead {
    Targets(Vec<Target>),
    /// Those that a pass did not wait for.
    Late(LateHosts),
}

impl ToRead {
    fn names(&self) -> usize {
        match self {
            Self::Targets(targets) => targets.len(),
            Self::Late(late) => late.names().len(),
        }
    }

    fn local(&self) -> BTreeSet<String> {
        let Self::Targets(targets) = self else {
            return BTreeSet::new();
        };
        let local = targets.iter().filter(|target| target.local);
        local.map(|target| target.name.clone()).collect()
    }
}

/// How hosts are read and what is printed about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) options: ReadOptions,
    pub(super) verbose: bool,
    /// Whether conditions are shown before they run, because the user has not agreed to anything yet.
    pub(super) names_conditions: bool,
}

/// Reads hosts, all at once; those that cannot be read are reported, with their result.
pub(super) async fn read(
    reading: Reading,
    run: &Selection,
    hosts: ToRead,
    digests: &Arc<DigestKey>,
) -> std::io::Result<Hosts> {
    let display = ProgressDisplay::new(Progress::of_reading(hosts.names()), Lines::Aside);
    let (events, received) = mpsc::unbounded_channel();
    let local = hosts.local();
    let mut named = BTreeSet::new();
    let text_of = |progress: &mut Progress, event: ReadingEvent| {
        progress.on_reading(&event, Instant::now());
        match event {
            ReadingEvent::Waiting { host, words } => EventText::line(Some(format!("{host}: waiting for {words}\n"))),
            ReadingEvent::Locked { host, words } => EventText::line(Some(format!("{host}: {words}\n"))),
            ReadingEvent::Commands {
                host,
                purpose,
                mut commands,
            } if reading.names_conditions => {
                let is_local = local.contains(&host);
                // Most commands are the same on many hosts.
                commands.retain(|command| named.insert((is_local, command.clone())));
                EventText::line(Some(report::commands(purpose, &commands, is_local)))
            }
            _ => EventText::default(),
        }
    };
    let showing = display.follow(received, text_of, std::future::pending());
    // The only sender is dropped when reading ends, which ends the progress: late hosts are read on without one.
    let reading_hosts = async move {
        let weak = events.downgrade();
        let on_event: OnEvent = Arc::new(move |event| {
            if let Some(events) = weak.upgrade() {
                let _ = events.send(event);
            }
        });
        let readings = match hosts {
            ToRead::Targets(targets) => read_hosts(run, targets, digests, reading.options, &on_event).await,
            ToRead::Late(late) => late.read(&on_event).await,
        };
        drop(events);
        readings
    };
    let (readings, shown) = tokio::join!(reading_hosts, showing);
    shown?;
    Ok(sorted(readings, reading.verbose))
}

fn sorted(readings: Readings, verbose: bool) -> Hosts {
    let mut hosts = Hosts {
        read: Vec::new(),
        unread: Vec::new(),
        late: readings.late,
    };
    for reading in readings.hosts {
        match reading.result {
            Ok(host) => {
                if verbose {
                    let (name, took) = (&reading.host, reading.took.as_secs_f64());
                    let round_trips = host.connection.round_trips();
                    eprint_line(format_args!("{name}: read in {took:.1} s"));
                    eprint_line(format_args!("{name}: round trips: {round_trips}"));
                }
                hosts.read.push(host);
            }
            Err(error) => {
                errors::show_reading(&error);
                hosts.unread.push(not_read(&reading.host, &error));
            }
        }
    }
    if let Some(late) = &hosts.late {
        let names = late.names().join(", ");
        eprint_line(format_args!(
            "{names}: not read yet; the other hosts go on without waiting"
        ));
    }
    hosts
}

/// Ends the connections.
pub(super) async fn close(hosts: Vec<ReadHost>) {
    for host in hosts {
        host.connection.close().await;
    }
}
