//! Progress, collected from events: shown as a window of a few lines or, in a log, as periodic lines.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::duration::so_far;
use super::sanitize::one_line;
use super::style::counted;
use crate::apply;
use crate::change::Outcome;
use crate::gather;
use crate::plan::Plan;
use crate::rounds::{Purpose, ReadingEvent};

/// How often a log gets a line of progress.
const BEAT: Duration = Duration::from_secs(30);
/// Rows of the terminal that the window leaves free.
const FREE_ROWS: usize = 4;
/// Longer words are cut, in characters.
const LONG: usize = 60;

/// Which hosts are working on what, and the overall progress.
#[derive(Debug)]
pub struct Progress {
    verb: &'static str,
    /// Whether hosts are read, which wait for each other.
    is_reading: bool,
    since: Instant,
    /// Operations with something to do, by host.
    planned: BTreeMap<String, usize>,
    hosts: usize,
    hosts_done: usize,
    operations_done: usize,
    active: Vec<Active>,
}

/// A working host.
#[derive(Debug)]
struct Active {
    host: String,
    work: Work,
    since: Instant,
    /// Lines of progress since then.
    beats: u32,
    operations_done: usize,
    /// Bytes of large content sent so far, and in total.
    sent: Option<(u64, u64)>,
}

/// What a host is doing.
#[derive(Clone, Debug)]
enum Work {
    /// A phase of homelab's own, such as "reading the host again".
    Phase(&'static str),
    /// A step.
    Step(String),
    /// Waiting for this.
    Waiting(String),
}

/// The window's lines at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowContent {
    /// How much is done, of [`WindowContent::length`].
    pub position: u64,
    pub length: u64,
    /// The overall progress, in words.
    pub summary: String,
    /// What hosts are doing, one line each, as many as the terminal has room for.
    pub hosts: Vec<String>,
}

impl Progress {
    /// Progress of reading so many hosts.
    pub fn of_reading(hosts: usize) -> Self {
        Self {
            is_reading: true,
            ..Self::new("reading", hosts, BTreeMap::new())
        }
    }

    /// Progress of applying `plan`.
    pub fn of_applying(plan: &Plan) -> Self {
        let planned = plan.hosts.iter().map(|host| {
            let busy = host.operations.iter().filter(|one| one.outcome != Outcome::Unchanged);
            (host.host.clone(), busy.count())
        });
        Self::new("applying", plan.hosts.len(), planned.collect())
    }

    /// Progress of a command on so many hosts.
    pub fn of_running(hosts: usize) -> Self {
        Self::new("running", hosts, BTreeMap::new())
    }

    fn new(verb: &'static str, hosts: usize, planned: BTreeMap<String, usize>) -> Self {
        Self {
            verb,
            is_reading: false,
            since: Instant::now(),
            planned,
            hosts,
            hosts_done: 0,
            operations_done: 0,
            active: Vec::new(),
        }
    }

    /// Updates the progress from an event of reading hosts.
    pub fn on_reading(&mut self, event: &ReadingEvent, now: Instant) {
        match event {
            ReadingEvent::Started { host } => self.begin(host, Work::Phase("connecting"), now),
            ReadingEvent::Connected { host } => self.begin(host, Work::Phase("reading"), now),
            ReadingEvent::Waiting { host, words } => self.begin(host, Work::waiting(words), now),
            ReadingEvent::Locked { .. } => {}
            ReadingEvent::Commands { host, purpose, .. } => {
                let doing = match purpose {
                    Purpose::Condition => "running conditions",
                    Purpose::Check => "running checks",
                    Purpose::Validator => "validating new files",
                };
                self.begin(host, Work::Phase(doing), now);
            }
            ReadingEvent::Finished { host } => self.finish(host),
        }
    }

    /// Updates the progress from an event of applying a plan.
    pub fn on_applying(&mut self, event: &apply::ApplyEvent, now: Instant) {
        match event {
            apply::ApplyEvent::HostStarted { host } => self.begin(host, Work::Phase("locking"), now),
            apply::ApplyEvent::Started { host, doing, .. } => self.begin(host, Work::step(doing), now),
            apply::ApplyEvent::Sent { host, bytes, size } => {
                if let Some(active) = self.active.iter_mut().find(|active| active.host == *host) {
                    active.sent = Some((*bytes, *size));
                }
            }
            apply::ApplyEvent::Waits { host, words, .. } => self.begin(host, Work::waiting(words), now),
            apply::ApplyEvent::Finished { host, .. } => {
                if let Some(active) = self.active.iter_mut().find(|active| active.host == *host) {
                    active.operations_done += 1;
                }
                self.begin(host, Work::Phase("reading the host again"), now);
            }
            apply::ApplyEvent::Retries {
                host, retry, of, pause, ..
            } => {
                let words = format!("retry {retry} of {of} in {} s", pause.as_secs());
                self.begin(host, Work::waiting(&words), now);
                if let Some(active) = self.active.iter_mut().find(|active| active.host == *host) {
                    active.operations_done = active.operations_done.saturating_sub(1);
                }
            }
            apply::ApplyEvent::HostFinished { result } => self.finish(&result.host),
            apply::ApplyEvent::Resolved { .. }
            | apply::ApplyEvent::Ignored { .. }
            | apply::ApplyEvent::Output { .. }
            | apply::ApplyEvent::OutputLeftOut { .. } => {}
        }
    }

    /// Updates the progress from an event of a command on hosts.
    pub fn on_running(&mut self, event: &gather::CommandEvent, now: Instant) {
        match event {
            gather::CommandEvent::Started { host } => self.begin(host, Work::Phase("running"), now),
            gather::CommandEvent::Output(_) => {}
            gather::CommandEvent::Finished(ran) => self.finish(&ran.host),
        }
    }

    fn begin(&mut self, host: &str, work: Work, now: Instant) {
        let index = self.active.iter().position(|active| active.host == host);
        let index = index.unwrap_or_else(|| {
            self.active.push(Active {
                host: host.to_owned(),
                work: work.clone(),
                since: now,
                beats: 0,
                operations_done: 0,
                sent: None,
            });
            self.active.len() - 1
        });
        let active = &mut self.active[index];
        active.work = work;
        active.sent = None;
        active.since = now;
        active.beats = 0;
    }

    fn finish(&mut self, host: &str) {
        self.active.retain(|active| active.host != host);
        self.hosts_done += 1;
        self.operations_done += self.planned.get(host).copied().unwrap_or_default();
    }

    /// The window on a terminal with so many rows.
    pub fn frame(&self, rows: usize, now: Instant) -> WindowContent {
        let room = rows.saturating_sub(FREE_ROWS).max(1);
        let shown = self.active.iter().take(room);
        let (position, length) = self.extent();
        WindowContent {
            position,
            length,
            summary: self.summary(self.active.len().saturating_sub(room), now),
            hosts: shown.map(|active| active.line(now)).collect(),
        }
    }

    /// Counts operations if they are known, otherwise hosts.
    fn extent(&self) -> (u64, u64) {
        let (done, all) = match self.operations() {
            Some(operations) => operations,
            None => (self.hosts_done, self.hosts),
        };
        (done as u64, all as u64)
    }

    fn operations(&self) -> Option<(usize, usize)> {
        let all: usize = self.planned.values().sum();
        // An operation may be reported in parts: never count more than there are.
        let under_way = self.active.iter().map(|active| {
            let planned = self.planned.get(&active.host).copied().unwrap_or_default();
            active.operations_done.min(planned)
        });
        (all > 0).then(|| (self.operations_done + under_way.sum::<usize>(), all))
    }

    fn summary(&self, not_shown: usize, now: Instant) -> String {
        let mut parts = vec![format!(
            "{} {} of {}",
            self.verb,
            self.hosts_done,
            counted(self.hosts, "host")
        )];
        if let Some((done, all)) = self.operations() {
            parts.push(format!("{done} of {}", counted(all, "operation")));
        }
        parts.push(so_far(now.saturating_duration_since(self.since)));
        if not_shown > 0 {
            parts.push(format!("{} not shown", counted(not_shown, "host")));
        }
        parts.join(", ")
    }

    /// Lines for hosts that have been doing the same thing for half a minute, and for each further one.
    pub fn heartbeats(&mut self, now: Instant) -> Vec<String> {
        // The review begins when the last host is read.
        let waiting = if self.is_reading && self.hosts_done > 0 {
            format!(" ({} of {} read)", self.hosts_done, counted(self.hosts, "host"))
        } else {
            String::new()
        };
        let beating = self.active.iter_mut().filter_map(|active| active.beat(now));
        beating.map(|beat| beat + &waiting).collect()
    }
}

impl Work {
    fn step(words: &str) -> Self {
        Self::Step(short(words))
    }

    fn waiting(words: &str) -> Self {
        Self::Waiting(short(words))
    }
}

impl Active {
    fn line(&self, now: Instant) -> String {
        let took = so_far(now.saturating_duration_since(self.since));
        let work = match &self.work {
            Work::Phase(phase) => (*phase).to_owned(),
            Work::Step(step) => step.clone(),
            Work::Waiting(what) => format!("waiting: {what}"),
        };
        format!("{}  {work}{}  {took}", one_line(&self.host), self.sent())
    }

    fn beat(&mut self, now: Instant) -> Option<String> {
        let took = now.saturating_duration_since(self.since);
        if took < BEAT * (self.beats + 1) {
            return None;
        }
        self.beats = u32::try_from(took.as_secs() / BEAT.as_secs()).unwrap_or(u32::MAX - 1);
        let took = so_far(took);
        let work = match &self.work {
            Work::Phase(phase) => format!("still {phase} after {took}"),
            Work::Step(step) => format!("still running after {took}: {step}"),
            Work::Waiting(what) => format!("still waiting after {took}: {what}"),
        };
        Some(format!("{}: {work}{}", one_line(&self.host), self.sent()))
    }

    fn sent(&self) -> String {
        const MEGABYTE: u64 = 1_000_000;
        let of = |(sent, size): (u64, u64)| format!(", {} of {} MB sent", sent / MEGABYTE, size.div_ceil(MEGABYTE));
        self.sent.map_or_else(String::new, of)
    }
}

fn short(words: &str) -> String {
    let words = one_line(words);
    if words.chars().count() <= LONG {
        return words;
    }
    let head: String = words.chars().take(LONG - 1).collect();
    format!("{head}…")
}
