//! Changing a host: the lock, and performing steps while it is held.

use std::time::{Duration, Instant};

use super::answers::Keep;
use super::channel::{Exchange, Received};
use super::connection::{Answer, Connection, LONGEST_ANSWER, MOST_READ};
use super::error::{Explanation, RemoteError};
use super::limits::Limits;
use super::lock::{Holder, LockRequest, printable};
use super::pump::NotPumped;
use super::script::{Delivery, FrameText, NOTE, pump_command};
use super::step::{StepAnswer, StepNews, StepScript};
use super::upload::{Unusable, Upload};
use crate::facts::Probe;
use crate::quote::Unquotable;

/// How many bytes of a step's output are kept.
const OUTPUT_KEPT: usize = 64 * 1024;
/// The pause between two attempts to take a lock.
const LOCK_PAUSE: Duration = Duration::from_secs(1);
/// The size of the pieces in which content is sent if there is no second channel.
const LARGEST_PIECE: usize = 1024 * 1024;
/// How often progress is reported.
const SENT_PAUSE: Duration = Duration::from_millis(250);

/// Performs steps on a host while it holds the host's lock.
pub struct Writer<'a> {
    connection: &'a mut Connection,
    halted: bool,
    has_waited: bool,
}

/// The steps of one frame, and how the content of the first is delivered.
struct FrameContent<'s> {
    steps: &'s [StepScript],
    offset: usize,
    total: usize,
    first: Filled,
    /// The step after these, if it needs a staged file for its content.
    stage_next: Option<&'s StepScript>,
    /// What is read after the last step.
    probes: &'s [Probe],
}

/// How a large content reaches its step, or why it does not.
struct Filled {
    delivery: Delivery,
    cause: Option<String>,
}

impl FrameContent<'_> {
    /// The limits of the answer after this many answers: a step that runs together with others is answered after all of them ran.
    fn limits(&self, answered: usize) -> Option<Limits> {
        let Some(step) = self.steps.get(answered) else {
            return self.stage_next.map(StepScript::limits);
        };
        let mut limits = step.limits();
        let others = self.steps[answered + 1..].iter();
        if step.runs_together().is_some() {
            for other in others.take_while(|other| other.runs_together().is_some()) {
                limits.total = limits.total.zip(other.limits().total).map(|(one, other)| one + other);
            }
        }
        Some(limits)
    }

    /// The probe that is answered after this many answers; `None` if a step is.
    fn probe(&self, answered: usize) -> Option<&Probe> {
        self.probes.get(answered.checked_sub(self.steps.len())? / 2)
    }
}

pub(super) type OnNews<'f> = &'f mut (dyn FnMut(usize, StepNews<'_>) + Send);

impl Connection {
    /// Takes the host's lock, and with it the right to write.
    ///
    /// The channel's own shell holds it, so the lock is released when the connection ends, however that happens.
    pub async fn lock(&mut self, request: &LockRequest) -> Result<Writer<'_>, RemoteError> {
        let deadline = Instant::now() + request.wait;
        let mut has_waited = false;
        loop {
            match self.try_lock(request).await {
                Ok(()) => {
                    return Ok(Writer {
                        has_waited,
                        ..Writer::new(self)
                    });
                }
                Err(RemoteError::Locked { .. }) if Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
            has_waited = true;
            // Waiting here, not on the host: a run that is killed while it waits leaves nothing there.
            let left = deadline.saturating_duration_since(Instant::now());
            tokio::time::sleep(LOCK_PAUSE.min(left)).await;
        }
    }

    /// Performs a step while this connection or another one of this run holds the host's lock.
    pub async fn perform_beside(&mut self, step: &StepScript) -> Result<StepAnswer, RemoteError> {
        let mut writer = Writer::new(self);
        writer.resume().await?;
        let answers = writer.perform(std::slice::from_ref(step), &mut |_, _| {}).await?;
        let first = answers.into_iter().next();
        first.ok_or_else(|| self.channel.nonsense("performing a step", "no answer"))
    }

    async fn try_lock(&mut self, request: &LockRequest) -> Result<(), RemoteError> {
        const DURING: &str = "locking";
        let mut frame = self.channel.frame();
        let written = frame.lock(&request.path, &printable(&request.who), request.seconds_between_looks());
        let frame = frame.finish();
        written.map_err(|cause| self.unsendable("the lock request", cause))?;
        let tagged = self.ask(frame, DURING).await?;
        let host = self.channel.host().to_owned();
        let path = request.path.clone();
        match tagged.outcome.as_str() {
            "locked" => {
                self.channel.show_life(Some(request.pause_between_signs()));
                Ok(())
            }
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
            has_waited: false,
        }
    }

    /// Its connection, for work that needs no lock of its own.
    pub fn connection(&mut self) -> &mut Connection {
        self.connection
    }

    /// Goes on through `connection`, after the host has restarted: its lock went with the old connection.
    pub async fn go_on_with(&mut self, connection: Connection, request: &LockRequest) -> Result<(), RemoteError> {
        let old = std::mem::replace(&mut *self.connection, connection);
        old.close().await;
        self.halted = false;
        self.connection.lock(request).await.map(|_| ())
    }

    /// Whether another run held the lock first, and may have changed the host meanwhile.
    pub fn has_waited(&self) -> bool {
        self.has_waited
    }

    /// Performs `steps` in order. They are sent together; only large content needs round trips of its own.
    ///
    /// `on_news` gets each step's number and news as they arrive, even if the connection breaks later. After a step that failed or
    /// was stale, all later steps are skipped, those of later calls too, until [`Writer::resume`].
    pub async fn perform(&mut self, steps: &[StepScript], on_news: OnNews<'_>) -> Result<Vec<StepAnswer>, RemoteError> {
        let (answers, _) = self.perform_and_read(steps, &[], on_news).await?;
        Ok(answers)
    }

    /// As [`Writer::perform`], and runs `probes` after the last step, without a further round trip.
    pub async fn perform_and_read(
        &mut self,
        steps: &[StepScript],
        probes: &[Probe],
        on_news: OnNews<'_>,
    ) -> Result<(Vec<StepAnswer>, Vec<Answer>), RemoteError> {
        let mut answers = Vec::with_capacity(steps.len());
        let mut read = Vec::new();
        // How the large content of the next step is delivered, once that is known.
        let mut first = None;
        while answers.len() < steps.len() {
            let start = answers.len();
            let end = next_large(steps, start + usize::from(first.is_some()));
            let mut content = self.frame_content(steps, start..end, first.take());
            if end == steps.len() {
                content.probes = probes;
            }
            let staged = self.send(&content, &mut answers, &mut read, on_news).await?;
            if let Some(step) = steps.get(end)
                && answers.len() == end
            {
                first = Some(self.fill(staged, step, end, on_news).await?);
            }
        }
        Ok((answers, read))
    }

    /// Whether steps are skipped because of one that failed or was stale.
    pub fn is_halted(&self) -> bool {
        self.halted
    }

    /// Clears the halt that a failed or stale step left, so that later steps run again.
    pub async fn resume(&mut self) -> Result<(), RemoteError> {
        let mut frame = self.connection.channel.frame();
        frame.resume();
        let frame = frame.finish();
        self.connection.ask(frame, "continuing after a failed step").await?;
        self.halted = false;
        Ok(())
    }

    /// Runs all `probes` in one round trip, as [`Connection::read`] does.
    pub async fn read(&mut self, probes: &[Probe]) -> Result<Vec<Answer>, RemoteError> {
        self.connection.read(probes).await
    }

    /// How many times a frame was sent and its answers awaited.
    pub fn round_trips(&self) -> u32 {
        self.connection.round_trips()
    }

    /// Releases the lock. Without this, the lock is released when the connection ends.
    pub async fn release(self) -> Result<(), RemoteError> {
        let mut frame = self.connection.channel.frame();
        frame.unlock();
        let frame = frame.finish();
        self.connection.ask(frame, "releasing the lock").await?;
        self.connection.channel.show_life(None);
        Ok(())
    }

    fn frame_content<'s>(
        &self,
        steps: &'s [StepScript],
        range: std::ops::Range<usize>,
        first: Option<Filled>,
    ) -> FrameContent<'s> {
        FrameContent {
            offset: range.start,
            total: steps.len(),
            first: first.unwrap_or(Filled {
                delivery: Delivery::Inline,
                cause: None,
            }),
            stage_next: steps.get(range.end).filter(|_| !self.halted),
            steps: &steps[range],
            probes: &[],
        }
    }

    /// Sends one frame and reads its answers; returns whether a file for the next step's content is open.
    async fn send(
        &mut self,
        content: &FrameContent<'_>,
        answers: &mut Vec<StepAnswer>,
        read: &mut Vec<Answer>,
        on_news: OnNews<'_>,
    ) -> Result<bool, RemoteError> {
        let (count, silence) = (content.steps.len(), self.connection.silence);
        let Some(frame) = self.write(content)? else {
            return Ok(false);
        };
        let mut staged = false;
        let mut on_tag = |received: Received<'_>| {
            let position = answers.len();
            let tagged = match received {
                Received::Tag(tagged) => tagged,
                Received::Gap(bytes) => {
                    on_news(position, StepNews::LeftOut(bytes));
                    return;
                }
                Received::Output(output) => {
                    let is_of_probe = !content.probes.is_empty() && position == content.offset + count;
                    if !output.is_empty() && !is_of_probe {
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
            // A skipped step has an answer of its own.
            let is_own = position < content.offset + content.steps.len() || tagged.outcome != "skipped";
            if let Some(mut answer) = StepAnswer::of(tagged).filter(|_| is_own) {
                if position == content.offset {
                    answer.cause.clone_from(&content.first.cause);
                }
                on_news(position, StepNews::Through(&answer));
                answers.push(answer);
            }
        };
        let exchange = Exchange {
            frame,
            keep: &|answered| match content.probe(answered) {
                Some(_) => Keep::All(LONGEST_ANSWER),
                None => Keep::Tail(OUTPUT_KEPT),
            },
            limits: Limits::NONE,
            // A step may be silent for long.
            limits_of: &|answered| {
                let probe = content.probe(answered);
                let reading = probe.map(|probe| Limits::of_reading(silence, probe.allowance(), MOST_READ));
                reading.or_else(|| content.limits(answered)).unwrap_or(Limits::NONE)
            },
            during: &|answered| match content.probe(answered) {
                Some(probe) => format!("reading {} after the last step", probe.subject()),
                None => during(content.offset + answered, content.total),
            },
            on_answer: &mut on_tag,
        };
        let tagged = self.connection.channel.exchange(exchange).await?;
        if !content.probes.is_empty() {
            *read = self.connection.answers(&tagged[count..])?;
        }
        let arrived = answers.len();
        let expected = content.offset + content.steps.len();
        if arrived != expected && !(content.stage_next.is_some() && arrived == expected + 1) {
            let during = during(arrived, content.total);
            return Err(self
                .connection
                .channel
                .nonsense(&during, "unexpected outcome of a step"));
        }
        self.halted |= answers[content.offset..].iter().any(|answer| answer.end.halts());
        Ok(staged)
    }

    /// The text of a frame; `None` if there is nothing to send.
    fn write(&self, content: &FrameContent<'_>) -> Result<Option<FrameText>, RemoteError> {
        let mut frame = self.connection.channel.frame();
        for (index, step) in content.steps.iter().enumerate() {
            let delivery = if index == 0 {
                content.first.delivery
            } else {
                Delivery::Inline
            };
            frame
                .step(step, delivery)
                .map_err(|cause| self.unsendable(content, index, cause))?;
        }
        if let Some(step) = content.stage_next {
            frame
                .stage(step)
                .map_err(|cause| self.unsendable(content, content.steps.len(), cause))?;
        }
        for probe in content.probes {
            frame
                .probe(probe)
                .map_err(|cause| self.connection.unsendable("a probe", cause))?;
        }
        let anything = content.stage_next.is_some() || !content.steps.is_empty();
        Ok(anything.then(|| frame.finish()))
    }

    fn unsendable(&self, content: &FrameContent<'_>, index: usize, cause: Unquotable) -> RemoteError {
        let what = format!("step {} of {}", content.offset + index + 1, content.total);
        self.connection.unsendable(what, cause)
    }

    /// Fills the staged file with the content of `step`, and returns how the content reaches the step.
    ///
    /// A host that allows no second session (`MaxSessions`) gets the content in pieces over the first, which is slower. A host
    /// without a temporary folder gets it in the frame.
    async fn fill(
        &mut self,
        staged: bool,
        step: &StepScript,
        position: usize,
        on_news: OnNews<'_>,
    ) -> Result<Filled, RemoteError> {
        let reached = |delivery| Filled { delivery, cause: None };
        let Some(content) = &step.content else {
            return Ok(reached(Delivery::Inline));
        };
        if self.halted {
            // The step will be skipped, so its content is not needed.
            return Ok(reached(Delivery::Staged));
        }
        let refused = |Unusable(cause)| Filled {
            delivery: Delivery::Refused,
            cause: Some(cause),
        };
        let mut upload = match Upload::begin(content) {
            Ok(upload) => upload,
            Err(unusable) => return Ok(refused(unusable)),
        };
        let Some(shell) = self.connection.channel.shell().filter(|_| staged) else {
            return Ok(match content.bytes() {
                Some(_) => reached(Delivery::Inline),
                None => refused(Unusable(
                    "no writable temporary folder on the host (`TMPDIR`)".to_owned(),
                )),
            });
        };
        let mut last = Instant::now();
        let mut sent = |bytes: u64| {
            if last.elapsed() >= SENT_PAUSE {
                last = Instant::now();
                on_news(position, StepNews::Sent(bytes, content.size()));
            }
        };
        let pumped = {
            let Connection {
                second_channel,
                privilege,
                ..
            } = &*self.connection;
            second_channel
                .pump(privilege, &pump_command(shell), &mut upload, &mut sent)
                .await
        };
        let filled = match pumped {
            Ok(()) => Ok(()),
            Err(NotPumped::Unusable(unusable)) => Err(unusable),
            Err(NotPumped::NoSecondChannel) => self.append(&mut upload, &mut sent).await?,
        };
        Ok(match filled {
            Ok(()) => reached(Delivery::Staged),
            Err(unusable) => refused(unusable),
        })
    }

    /// Sends content to the staged file over the channel itself, in pieces.
    async fn append(
        &mut self,
        upload: &mut Upload<'_>,
        sent: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Result<(), Unusable>, RemoteError> {
        loop {
            let piece = match upload.next(LARGEST_PIECE).await {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(Ok(())),
                Err(unusable) => return Ok(Err(unusable)),
            };
            let mut frame = self.connection.channel.frame();
            frame.append(piece);
            let frame = frame.finish();
            self.connection.ask(frame, "sending a large file").await?;
            sent(upload.sent());
        }
    }
}

fn during(position: usize, total: usize) -> String {
    format!("performing step {} of {total}", (position + 1).min(total))
}

fn next_large(steps: &[StepScript], from: usize) -> usize {
    let rest = &steps[from.min(steps.len())..];
    rest.iter()
        .position(StepScript::is_large)
        .map_or(steps.len(), |offset| from + offset)
}
