//! Shows progress: a window on a terminal, otherwise lines of finished work and periodic lines.

use std::io;
use std::time::{Duration, Instant};

use homelab::report::Progress;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use super::output::{eprint, eprint_line, print};
use super::window::Window;

/// How often the window updates the time.
const TICK: Duration = Duration::from_millis(200);

/// Where lines of finished work go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// With the report, to standard output.
    Report,
    /// To standard error, if the report has another format.
    Aside,
}

/// The text to print for an event.
#[derive(Debug, Default)]
pub(super) struct EventText {
    /// Lines of finished work.
    pub(super) lines: String,
    /// Text for standard error in every format.
    pub(super) aside: String,
}

impl EventText {
    pub(super) fn line(text: Option<String>) -> Self {
        Self {
            lines: text.unwrap_or_default(),
            aside: String::new(),
        }
    }
}

/// Shows progress.
pub(super) struct ProgressDisplay {
    progress: Progress,
    window: Option<Window>,
    lines: Lines,
    failure: Option<io::Error>,
}

impl ProgressDisplay {
    pub(super) fn new(progress: Progress, lines: Lines) -> Self {
        Self {
            progress,
            window: Window::open(),
            lines,
            failure: None,
        }
    }

    /// Shows `events` until there are no more. `text_of` handles one and returns the text to print. The text that `aside`
    /// returns is printed when it is ready.
    ///
    /// Errors: lines could not be written; all events were handled nevertheless.
    pub(super) async fn follow<E>(
        mut self,
        mut events: UnboundedReceiver<E>,
        mut text_of: impl FnMut(&mut Progress, E) -> EventText,
        aside: impl Future<Output = String>,
    ) -> io::Result<()> {
        tokio::pin!(aside);
        let mut is_aside_printed = false;
        let mut ticks = tokio::time::interval(TICK);
        let mut resized = signal(SignalKind::window_change())?;
        loop {
            tokio::select! {
                event = events.recv() => {
                    let Some(event) = event else { break };
                    let mut text = text_of(&mut self.progress, event);
                    // Everything available is written at once, so that the window flickers less.
                    while let Ok(event) = events.try_recv() {
                        let more = text_of(&mut self.progress, event);
                        text.lines += &more.lines;
                        text.aside += &more.aside;
                    }
                    self.write(Lines::Aside, &text.aside);
                    self.write(self.lines, &text.lines);
                }
                text = &mut aside, if !is_aside_printed => {
                    is_aside_printed = true;
                    self.write(Lines::Aside, &text);
                }
                _ = ticks.tick() => self.beat(),
                () = received(&mut resized) => self.window.as_mut().map_or((), Window::resized),
            }
            self.draw();
        }
        self.failure.map_or(Ok(()), Err)
    }

    fn write(&mut self, lines: Lines, text: &str) {
        if text.is_empty() {
            return;
        }
        let write = || match lines {
            Lines::Report => print(text),
            Lines::Aside => {
                eprint(text);
                Ok(())
            }
        };
        let written = match &self.window {
            Some(window) => window.above(write),
            None => write(),
        };
        if let Err(error) = written {
            self.failure.get_or_insert(error);
        }
    }

    fn beat(&mut self) {
        if self.window.is_none() {
            self.progress.heartbeats(Instant::now()).iter().for_each(eprint_line);
        }
    }

    fn draw(&mut self) {
        if let Some(window) = &mut self.window {
            let frame = self.progress.frame(window.rows(), Instant::now());
            window.draw(&frame);
        }
    }
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}
