//! The window on a terminal: a progress bar, and below it what hosts are doing.

use std::time::{Duration, Instant};

use homelab::report::WindowContent;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::show_beside;
use super::terminal;

/// Work that finishes sooner shows no window.
const PATIENCE: Duration = Duration::from_millis(400);
const SUMMARY: &str = "[{bar:20}] {wide_msg}";
const HOST: &str = "  {wide_msg}";

/// The window; it disappears when dropped.
pub(super) struct Window {
    bars: MultiProgress,
    summary: ProgressBar,
    hosts: Vec<ProgressBar>,
    rows: usize,
    since: Instant,
}

impl Window {
    /// A window on standard error, if that is a terminal.
    pub(super) fn open() -> Option<Self> {
        if !terminal::can_be_written_over() {
            return None;
        }
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Some(Self {
            bars,
            summary: ProgressBar::hidden(),
            hosts: Vec::new(),
            rows: terminal::rows(),
            since: Instant::now(),
        })
    }

    /// Rows of the terminal.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Handles a new size of the terminal.
    pub(super) fn resized(&mut self) {
        self.rows = terminal::rows();
    }

    /// Shows `frame` instead of the last one.
    pub(super) fn draw(&mut self, frame: &WindowContent) {
        if self.since.elapsed() < PATIENCE {
            return;
        }
        if self.summary.is_hidden() {
            self.summary = self.add(SUMMARY);
        }
        self.summary.set_length(frame.length);
        self.summary.set_position(frame.position);
        show_beside(&self.summary, &frame.summary);
        while self.hosts.len() > frame.hosts.len() {
            self.take_away();
        }
        while self.hosts.len() < frame.hosts.len() {
            let bar = self.add(HOST);
            self.hosts.push(bar);
        }
        for (bar, line) in self.hosts.iter().zip(&frame.hosts) {
            show_beside(bar, line);
        }
    }

    /// Writes text above the window.
    pub(super) fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bars.suspend(write)
    }

    fn add(&self, template: &str) -> ProgressBar {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(1).with_style(style.progress_chars("=> "));
        self.bars.add(bar)
    }

    fn take_away(&mut self) {
        if let Some(bar) = self.hosts.pop() {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        while !self.hosts.is_empty() {
            self.take_away();
        }
        self.summary.finish_and_clear();
        let _ = self.bars.clear();
    }
}
