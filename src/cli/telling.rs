//! What goes on, told as it goes: a window on a terminal, else lines and a sign of life now and then.

use std::io;
use std::time::{Duration, Instant};

use homelab::report::Progress;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use super::output::{print, tell, tell_line};
use super::window::Window;

/// How often the window shows the time.
const TICK: Duration = Duration::from_millis(200);

/// Where lines of finished work go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// With the report, to standard output.
    Report,
    /// Beside a report of another form, to standard error.
    Aside,
}

/// What is to be written of an event.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Lines of finished work.
    pub(super) lines: String,
    /// What goes to standard error whatever form the report has.
    pub(super) aside: String,
}

impl Told {
    pub(super) fn line(text: Option<String>) -> Self {
        Self {
            lines: text.unwrap_or_default(),
            aside: String::new(),
        }
    }
}

/// Tells what goes on.
pub(super) struct Teller {
    progress: Progress,
    window: Option<Window>,
    lines: Lines,
    failure: Option<io::Error>,
}

impl Teller {
    pub(super) fn new(progress: Progress, lines: Lines) -> Self {
        Self {
            progress,
            window: Window::open(),
            lines,
            failure: None,
        }
    }

    /// Tells `events` until there are no more. `hear` takes one in and says what is to be written of it; what `aside` comes
    /// to is told when it comes.
    ///
    /// Errors: lines could not be written; all events were taken in nevertheless.
    pub(super) async fn follow<E>(
        mut self,
        mut events: UnboundedReceiver<E>,
        mut hear: impl FnMut(&mut Progress, E) -> Told,
        aside: impl Future<Output = String>,
    ) -> io::Result<()> {
        tokio::pin!(aside);
        let mut is_aside_told = false;
        let mut ticks = tokio::time::interval(TICK);
        let mut resized = signal(SignalKind::window_change())?;
        loop {
            tokio::select! {
                event = events.recv() => {
                    let Some(event) = event else { break };
                    let mut told = hear(&mut self.progress, event);
                    // What is there already is written in one go: the window flickers less.
                    while let Ok(event) = events.try_recv() {
                        let more = hear(&mut self.progress, event);
                        told.lines += &more.lines;
                        told.aside += &more.aside;
                    }
                    self.write(Lines::Aside, &told.aside);
                    self.write(self.lines, &told.lines);
                }
                text = &mut aside, if !is_aside_told => {
                    is_aside_told = true;
                    self.write(Lines::Aside, &text);
                }
                _ = ticks.tick() => self.beat(),
                () = has_come(&mut resized) => self.window.as_mut().map_or((), Window::resized),
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
                tell(text);
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
            self.progress.heartbeats(Instant::now()).iter().for_each(tell_line);
        }
    }

    fn draw(&mut self) {
        if let Some(window) = &mut self.window {
            let frame = self.progress.frame(window.rows(), Instant::now());
            window.draw(&frame);
        }
    }
}

async fn has_come(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}
