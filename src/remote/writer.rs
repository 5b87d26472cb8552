//! The right to change a host, and the steps that do it.

use std::fmt;
use std::time::{Duration, Instant};

use super::answers::{Keep, Tagged};
use super::channel::{Exchange, Heard};
use super::connection::{Answer, Connection};
use super::error::{Explanation, RemoteError};
use super::lock::{Holder, LockRequest, printable};
use super::script::{Delivery, NOTE, pump_command};
use crate::facts::Probe;

/// Contents up to this size travel in the frame.
const LARGEST_INLINE: usize = 128 * 1024;
/// How much of a step's output is kept.
const OUTPUT_KEPT: usize = 64 * 1024;
/// The pause between two attempts to take a lock.
const LOCK_PAUSE: Duration = Duration::from_secs(1);

/// One change, as three pieces of shell text. Each runs in a subshell of its own, with `umask 077` and `LC_ALL=C`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StepScript {
    /// Exits 0 where nothing needs doing; then the rest does not run.
    pub already: Option<String>,
    /// Exits with another status than 0 where the host is not as it was when the change was reviewed.
    pub guard: Option<String>,
    /// Makes the change. Reads `content` on its standard input, or nothing.
    pub body: String,
    /// Bytes for the body, which never are an argument of any process.
    pub content: Option<Vec<u8>>,
}

/// The content may be a secret: only its size is shown.
impl fmt::Debug for StepScript {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StepScript")
            .field("already", &self.already)
            .field("guard", &self.guard)
            .field("body", &self.body)
            .field("content_bytes", &self.content.as_ref().map(Vec::len))
            .finish()
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// The change was made.
    Done,
    /// Nothing needed doing.
    Already,
    /// The host is not as it was when the change was reviewed. Nothing was done; later steps are skipped.
    Stale,
    /// The body failed; later steps are skipped.
    Failed {
        /// The exit status.
        status: i32,
    },
    /// An earlier step failed or was stale.
    Skipped,
}

impl StepEnd {
    /// Whether later steps are skipped because of this one.
    fn halts(self) -> bool {
        matches!(self, Self::Stale | Self::Failed { .. })
    }
}

/// What a host answered to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepAnswer {
    /// How it ended.
    pub end: StepEnd,
    /// What its scripts wrote to standard output and standard error, in order; of a long one the last 64 KiB.
    pub output: Vec<u8>,
    /// How many bytes before `output` were dropped.
    pub cut: u64,
}

/// The one who may change a host, while it holds the host's lock.
pub struct Writer<'a> {
    connection: &'a mut Connection,
    halted: bool,
}

/// Which steps go in one frame, and whether the first has been staged.
struct FrameContent<'s> {
    steps: &'s [StepScript],
    offset: usize,
    total: usize,
    first: Delivery,
    /// The step after these needs a file for its content.
    stage_next: bool,
}

/// What is heard of a step.
#[derive(Clone, Copy, Debug)]
pub enum StepNews<'a> {
    /// It has written this, and goes on.
    Output(&'a [u8]),
    /// It waits, for what these words say; its answer is still to come.
    Waits(&'a str),
    /// It is through.
    Through(&'a StepAnswer),
}

type OnNews<'f> = &'f mut (dyn FnMut(usize, StepNews<'_>) + Send);

impl Connection {
    /// Takes the host's lock, and with it the right to write.
    ///
    /// The channel's own shell holds it, so the lock is released when the connection ends, however that happens.
    pub async fn lock(&mut self, request: &LockRequest) -> Result<Writer<'_>, RemoteError> {
        let deadline = Instant::now() + request.wait;
        loop {
            match self.try_lock(request).await {
                Ok(()) => return Ok(Writer::new(self)),
                Err(RemoteError::Locked { .. }) if Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
            // Waiting here, not on the host: a run that is killed while it waits leaves nothing there.
            let left = deadline.saturating_duration_since(Instant::now());
            tokio::time::sleep(LOCK_PAUSE.min(left)).await;
        }
    }

    async fn try_lock(&mut self, request: &LockRequest) -> Result<(), RemoteError> {
        const DURING: &str = "locking";
        let mut frame = self.channel.frame();
        let written = frame.lock(&request.path, &printable(&request.who));
        let frame = frame.finish();
        written.map_err(|cause| self.unsendable("the lock request", cause))?;
        let tagged = self.ask(frame, DURING).await?;
        let host = self.channel.host().to_owned();
        let path = request.path.clone();
        match tagged.outcome.as_str() {
            "locked" => Ok(()),
            "held" => Err(RemoteError::Locked {
                holder: Holder::parse(&tagged.output),
                host,
                path,
            }),
            "unavailable" => Err(RemoteError::LockUnavailable {
                cause: Explanation(printable(&String::from_utf8_lossy(&tagged.output))),
                host,
                path,
            }),
            other => Err(self
                .channel
                .nonsense(DURING, format!("unexpected outcome `{}`", printable(other)))),
        }
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(connection: &'a mut Connection) -> Self {
        Self {
            connection,
            halted: false,
        }
    }

    /// Performs `steps` in order. They are sent in one go: a large content alone makes its own round trips.
    ///
    /// `on_news` gets each step's number and what is heard of it as it comes, also where the connection breaks later. After a step
    /// that failed or was stale all later ones, of later calls too, are skipped until [`Writer::resume`].
    pub async fn perform(&mut self, steps: &[StepScript], on_news: OnNews<'_>) -> Result<Vec<StepAnswer>, RemoteError> {
        let mut answers = Vec::with_capacity(steps.len());
        let mut first = Delivery::Inline;
        if steps.first().is_some_and(is_large) {
            let nothing = self.frame_content(steps, 0..0, first);
            let staged = self.send(&nothing, &mut answers, on_news).await?;
            first = self.fill(staged, &steps[0]).await;
        }
        while answers.len() < steps.len() {
            let start = answers.len();
            let end = next_large(steps, start + 1);
            let content = self.frame_content(steps, start..end, first);
            let staged = self.send(&content, &mut answers, on_news).await?;
            if let Some(step) = steps.get(end) {
                first = self.fill(staged, step).await;
            }
        }
        Ok(answers)
    }

    /// Clears the halt that a failed or stale step left, so that later steps run again.
    pub async fn resume(&mut self) -> Result<(), RemoteError> {
        let mut frame = self.connection.channel.frame();
        frame.resume();
        let frame = frame.finish();
        self.connection.ask(frame, "going on after a failed step").await?;
        self.halted = false;
        Ok(())
    }

    /// Asks all `probes` in one round trip, as [`Connection::read`] does.
    pub async fn read(&mut self, probes: &[Probe]) -> Result<Vec<Answer>, RemoteError> {
        self.connection.read(probes).await
    }

    /// How many times a frame was sent and its answers awaited.
    pub fn round_trips(&self) -> u32 {
        self.connection.round_trips()
    }

    /// Gives the lock back. Without this it ends with the connection.
    pub async fn release(self) -> Result<(), RemoteError> {
        let mut frame = self.connection.channel.frame();
        frame.unlock();
        let frame = frame.finish();
        self.connection.ask(frame, "giving the lock back").await?;
        Ok(())
    }

    fn frame_content<'s>(
        &self,
        steps: &'s [StepScript],
        range: std::ops::Range<usize>,
        first: Delivery,
    ) -> FrameContent<'s> {
        FrameContent {
            offset: range.start,
            total: steps.len(),
            first,
            stage_next: !self.halted && range.end < steps.len(),
            steps: &steps[range],
        }
    }

    /// Sends one frame and takes in its answers; says whether a file for the next step's content is open.
    async fn send(
        &mut self,
        content: &FrameContent<'_>,
        answers: &mut Vec<StepAnswer>,
        on_news: OnNews<'_>,
    ) -> Result<bool, RemoteError> {
        let Some(frame) = self.write(content)? else {
            return Ok(false);
        };
        let mut staged = false;
        let mut on_tag = |heard: Heard<'_>| {
            let position = answers.len();
            let tagged = match heard {
                Heard::Tag(tagged) => tagged,
                Heard::Output(output) => {
                    if !output.is_empty() {
                        on_news(position, StepNews::Output(output));
                    }
                    return;
                }
            };
            if tagged.outcome == NOTE {
                on_news(position, StepNews::Waits(&String::from_utf8_lossy(&tagged.output)));
                return;
            }
            staged = tagged.outcome == "staged";
            if position < content.offset + content.steps.len()
                && let Some(answer) = step_answer(tagged)
            {
                on_news(position, StepNews::Through(&answer));
                answers.push(answer);
            }
        };
        let exchange = Exchange {
            frame,
            keep: Keep::Tail(OUTPUT_KEPT),
            // What a step does may be silent for long; it has its own deadline on the host.
            patience: &|_| None,
            during: &|answered| during(content.offset + answered, content.total),
            on_answer: &mut on_tag,
        };
        self.connection.channel.exchange(exchange).await?;
        let arrived = answers.len();
        if arrived != content.offset + content.steps.len() {
            let during = during(arrived, content.total);
            return Err(self
                .connection
                .channel
                .nonsense(&during, "the outcome is not one of a step"));
        }
        self.halted |= answers[content.offset..].iter().any(|answer| answer.end.halts());
        Ok(staged)
    }

    /// The text of a frame, where there is anything to send.
    fn write(&self, content: &FrameContent<'_>) -> Result<Option<(String, std::ops::Range<u32>)>, RemoteError> {
        let mut frame = self.connection.channel.frame();
        for (index, step) in content.steps.iter().enumerate() {
            let delivery = if index == 0 { content.first } else { Delivery::Inline };
            frame.step(step, delivery).map_err(|cause| {
                let what = format!("step {} of {}", content.offset + index + 1, content.total);
                self.connection.unsendable(what, cause)
            })?;
        }
        if content.stage_next {
            frame.stage();
        }
        let anything = content.stage_next || !content.steps.is_empty();
        Ok(anything.then(|| frame.finish()))
    }

    /// Fills the staged file with the content of `step`, and says how that content now reaches it.
    ///
    /// A host without room for temporary files, or that allows no second session (`MaxSessions`), gets the content in
    /// the frame, which is only slower.
    async fn fill(&self, staged: bool, step: &StepScript) -> Delivery {
        let Some(content) = &step.content else {
            return Delivery::Inline;
        };
        if self.halted {
            // The step will be skipped: there is nothing to bring.
            return Delivery::Staged;
        }
        let Some(shell) = self.connection.channel.shell().filter(|_| staged) else {
            return Delivery::Inline;
        };
        let pumped = {
            let Connection { road, privilege, .. } = &*self.connection;
            road.pump(privilege, &pump_command(shell), content).await
        };
        pumped.map_or(Delivery::Inline, |()| Delivery::Staged)
    }
}

fn during(position: usize, total: usize) -> String {
    format!("performing step {} of {total}", (position + 1).min(total))
}

fn is_large(step: &StepScript) -> bool {
    step.content
        .as_ref()
        .is_some_and(|content| content.len() > LARGEST_INLINE)
}

fn next_large(steps: &[StepScript], from: usize) -> usize {
    let rest = &steps[from.min(steps.len())..];
    rest.iter()
        .position(is_large)
        .map_or(steps.len(), |offset| from + offset)
}

fn step_answer(tagged: &Tagged) -> Option<StepAnswer> {
    let status = i32::try_from(tagged.status).unwrap_or(i32::MAX);
    let end = match tagged.outcome.as_str() {
        "done" => StepEnd::Done,
        "already" => StepEnd::Already,
        "stale" => StepEnd::Stale,
        "failed" => StepEnd::Failed { status },
        "skipped" => StepEnd::Skipped,
        _ => return None,
    };
    Some(StepAnswer {
        end,
        output: tagged.output.clone(),
        cut: tagged.cut,
    })
}
