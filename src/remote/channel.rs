//! A child process whose pipes are connected to a host's shell.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::sync::mpsc::Sender;

use super::answers::{Answers, Interruption, Keep, Piece, Tagged};
use super::beat::Beat;
use super::command::{self, Stream, Written};
use super::configuration::Configuration;
use super::diagnosis::{diagnose, last_line};
use super::error::{Becoming, Explanation, Refusal, RemoteError};
use super::functions::Functions;
use super::limits::{Exceeded, Limits};
use super::nonce::Nonce;
use super::privilege::{Dialogue, NoEntry, refusal, without_prompts};
use super::script::{Frame, FrameText, GAP, LEAD, NOTE, READY, prologue};
use super::stderr::StandardError;
use super::watchdog::Watchdog;
use crate::secret::WithoutSecrets as _;

/// How long a child may take to exit after the pipe has closed.
const LAST_MOMENTS: Duration = Duration::from_secs(2);
/// Output before the shell is ready, kept only to explain errors.
const NOISE: Keep = Keep::Tail(2048);

/// One round trip: what is sent, and what to do with the answers.
pub(super) struct Exchange<'a> {
    pub(super) frame: FrameText,
    /// What to keep of the output of the next one after this many answers.
    pub(super) keep: &'a (dyn Fn(usize) -> Keep + Sync),
    /// The limits of all answers together.
    pub(super) limits: Limits,
    /// The limits of the answer after this many, notes included.
    pub(super) limits_of: &'a (dyn Fn(usize) -> Limits + Sync),
    /// What the host is doing after this many answers, for messages.
    pub(super) during: &'a (dyn Fn(usize) -> String + Sync),
    /// Called for output, notes and answers as they arrive.
    pub(super) on_answer: &'a mut (dyn FnMut(Received<'_>) + Send),
}

/// Something that arrives in answer to a frame.
#[derive(Clone, Copy)]
pub(super) enum Received<'a> {
    Output(&'a [u8]),
    /// Bytes of output that the host left out.
    Gap(u64),
    /// An answer or a note, with all its output.
    Tag(&'a Tagged),
}

/// The host that a channel connects to, and how.
pub(super) struct Destination {
    /// The host's name in the inventory.
    pub(super) host: String,
    /// What `ssh` connects to; `None` for a shell of this machine.
    pub(super) address: Option<String>,
    /// What the login user becomes before the shell starts.
    pub(super) becoming: Option<Becoming>,
    /// The dialogue with `sudo` before the shell starts.
    pub(super) dialogue: Option<Dialogue>,
    /// Needed until `ssh` has connected.
    pub(super) configuration: Option<Configuration>,
    /// The limits of the time before the shell is ready.
    pub(super) login: Limits,
}

/// The channel to one host's shell.
pub(super) struct Channel {
    host: String,
    address: Option<String>,
    becoming: Option<Becoming>,
    /// The dialogue with `sudo` that comes before the prologue.
    dialogue: Option<Dialogue>,
    /// Dropped once `ssh` has connected.
    configuration: Option<Configuration>,
    nonce: Nonce,
    /// Before `child`, so that it is dropped first.
    watchdog: Option<Watchdog>,
    child: Child,
    /// Shared with signs of life.
    stdin: Option<Arc<Mutex<ChildStdin>>>,
    beat: Option<Beat>,
    answers: Answers<ChildStdout>,
    stderr: StandardError,
    /// The process id of the host's shell, once it is ready.
    shell: Option<u32>,
    next: u32,
    /// The functions that it was sent besides those of the prologue.
    functions: Functions,
    in_exchange: bool,
    round_trips: u32,
}

impl Channel {
    /// Starts `command` and writes the prologue into its pipe, before the connection is made.
    ///
    /// If `sudo` asks for a password, nothing is sent before the dialogue is finished.
    pub(super) async fn start(destination: Destination, mut command: Command) -> Result<Self, RemoteError> {
        let Destination {
            host,
            address,
            becoming,
            dialogue,
            configuration,
            login,
        } = destination;
        command
            .without_secrets()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal must reach only homelab, which then ends the connection cleanly.
            .process_group(0)
            .kill_on_drop(true);
        let program = Path::new(command.as_std().get_program()).to_owned();
        let failed = |cause| RemoteError::Start {
            host: host.clone(),
            program: program.clone(),
            cause,
        };
        let mut child = command.spawn().map_err(failed)?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(std::io::Error::other("it was started without pipes")));
        };
        let nonce = Nonce::random();
        let mut answers = Answers::new(stdout, dialogue.as_ref().map_or(&nonce, Dialogue::nonce));
        answers.limit(login);
        // A shell of this machine needs no watchdog: it exits when its pipes close.
        let watchdog = match child.id().filter(|_| address.is_some()) {
            Some(process) => {
                let leftover = configuration.as_ref().map(Configuration::path);
                Some(Watchdog::over(process, leftover).map_err(failed)?)
            }
            None => None,
        };
        let mut channel = Self {
            host: host.clone(),
            address,
            becoming,
            dialogue,
            configuration,
            answers,
            stderr: StandardError::drain(stderr),
            stdin: Some(Arc::new(Mutex::new(stdin))),
            beat: None,
            watchdog,
            child,
            shell: None,
            next: READY + 1,
            functions: Functions::default(),
            in_exchange: false,
            round_trips: 0,
            nonce,
        };
        if channel.dialogue.is_none() {
            channel.send_prologue().await;
        }
        Ok(channel)
    }

    async fn send_prologue(&mut self) {
        let text = prologue(&self.nonce);
        if let Some(stdin) = &self.stdin {
            // It fits the pipe's buffer. If the child has exited already, reading the first answer reports why.
            let _ = stdin.lock().await.write_all(text.as_bytes()).await;
        }
    }

    /// Sends signs of life after each `pause` from now on, or none.
    pub(super) fn show_life(&mut self, pause: Option<Duration>) {
        let stdin = self.stdin.as_ref();
        self.beat = pause.zip(stdin).map(|(pause, stdin)| Beat::of(stdin, pause));
    }

    /// Holds the dialogue with `sudo`, if there is one.
    async fn authenticate(&mut self) -> Result<(), RemoteError> {
        let Some(dialogue) = self.dialogue.take() else {
            return Ok(());
        };
        let outcome = match &self.stdin {
            Some(stdin) => {
                let mut stdin = stdin.lock().await;
                dialogue
                    .authenticate(&mut self.answers, &mut *stdin, &self.stderr)
                    .await
            }
            None => Err(NoEntry::Interrupted(Interruption::Ended)),
        };
        let refusal = match outcome {
            Ok(()) => {
                self.answers.listen_for(&self.nonce);
                self.send_prologue().await;
                self.round_trips += 1;
                return Ok(());
            }
            Err(NoEntry::Interrupted(interruption)) => return Err(self.explain(interruption, "connecting").await),
            Err(NoEntry::WrongPassword) => Refusal::WrongPassword,
            Err(NoEntry::NoAnswer) => Refusal::NoAnswer,
        };
        let words = Dialogue::last_words(&self.stderr.so_far());
        // Send nothing more, not even an empty line: `sudo` would count it as another attempt.
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.release().await;
        }
        let _ = self.child.start_kill();
        self.reap().await;
        Err(self.refused(dialogue.becoming(), refusal, Explanation(words)))
    }

    fn refused(&self, becoming: Becoming, refusal: Refusal, cause: Explanation) -> RemoteError {
        RemoteError::NotBecome {
            host: self.host.clone(),
            becoming,
            refusal,
            cause,
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn round_trips(&self) -> u32 {
        self.round_trips
    }

    pub(super) fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// The process id of the host's shell, once it has answered.
    pub(super) fn shell(&self) -> Option<u32> {
        self.shell
    }

    /// An empty frame of this channel.
    pub(super) fn frame(&self) -> Frame<'_> {
        Frame::new(&self.nonce, self.next, self.functions)
    }

    /// Waits until the host's shell is ready.
    pub(super) async fn ready(&mut self) -> Result<(), RemoteError> {
        if self.shell.is_some() {
            return Ok(());
        }
        self.begin("connecting")?;
        self.authenticate().await?;
        match greet(&mut self.answers, &mut self.shell, &mut self.configuration).await {
            Ok(()) => {
                self.finish();
                Ok(())
            }
            Err(interruption) => Err(self.explain(interruption, "connecting").await),
        }
    }

    /// Sends a frame and waits for all its answers: one round trip.
    pub(super) async fn exchange(&mut self, exchange: Exchange<'_>) -> Result<Vec<Tagged>, RemoteError> {
        let Exchange {
            frame,
            keep,
            limits,
            limits_of,
            during,
            on_answer,
        } = exchange;
        self.begin(&during(0))?;
        self.authenticate().await?;
        let FrameText { text, numbers, .. } = self.take_up(frame);
        let mut received = Vec::with_capacity(numbers.len());
        let outcome = {
            let Self {
                stdin,
                answers,
                shell,
                configuration,
                ..
            } = self;
            let read = async {
                greet(answers, shell, configuration).await?;
                answers.limit(limits);
                for (answered, number) in numbers.enumerate() {
                    answers.limit_next(limits_of(answered));
                    let keep = keep(answered);
                    let mut before: u64 = 0;
                    let tagged = loop {
                        let mut on_output = |output: &[u8]| on_answer(Received::Output(output));
                        let mut tagged = expected(answers.next_streaming(keep, &mut on_output).await?, number)?;
                        match tagged.outcome.as_str() {
                            NOTE => on_answer(Received::Tag(&tagged)),
                            GAP => {
                                on_answer(Received::Gap(tagged.status));
                                let own = tagged.cut.saturating_add(tagged.output.len() as u64);
                                before = own.saturating_add(tagged.status).saturating_add(before);
                            }
                            _ => {
                                tagged.cut = tagged.cut.saturating_add(before);
                                break tagged;
                            }
                        }
                    };
                    on_answer(Received::Tag(&tagged));
                    received.push(tagged);
                }
                Ok(())
            };
            // Sent while the answers are read: a host that blocks on its output does not read its input.
            while_sending(stdin.as_deref(), text.as_bytes(), read).await
        };
        match outcome {
            Ok(()) => {
                self.finish();
                Ok(received)
            }
            Err(interruption) => {
                let during = during(received.len());
                Err(self.explain(interruption, &during).await)
            }
        }
    }

    /// Sends the frame of a command and forwards its output until it exits; returns its exit code.
    pub(super) async fn pass_on(&mut self, frame: FrameText, written: &Sender<Written>) -> Result<i32, RemoteError> {
        const DURING: &str = "running the command";
        self.begin(DURING)?;
        self.authenticate().await?;
        let FrameText { text, .. } = self.take_up(frame);
        let mut errors = Answers::new(self.stderr.listen().await, &self.nonce);
        errors.expect_lead(LEAD);
        let outcome = {
            let Self {
                stdin,
                answers,
                shell,
                configuration,
                ..
            } = self;
            let output = async {
                greet(answers, shell, configuration).await?;
                answers.limit(Limits::NONE);
                answers.expect_lead(LEAD);
                let status = command::pass_on(answers, Stream::Output, written).await?;
                answers.expect_lead(b'\n');
                Ok(status)
            };
            let aside = async {
                // The output before the tag is from a login shell's start-up files.
                while !matches!(errors.piece().await?, Piece::Tag(_)) {}
                command::pass_on(&mut errors, Stream::Errors, written).await
            };
            while_sending(stdin.as_deref(), text.as_bytes(), with_the_rest_of(aside, output)).await
        };
        match outcome {
            Ok(status) => {
                self.finish();
                Ok(i32::try_from(status).unwrap_or(i32::MAX))
            }
            Err(interruption) => Err(self.explain(interruption, DURING).await),
        }
    }

    /// Ends the child: `ssh` with SIGTERM, a shell by closing its pipe, and with SIGKILL if that is not enough.
    pub(super) async fn end(mut self) {
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.release().await;
        }
        self.reap().await;
    }

    /// The error for an answer that does not follow the protocol.
    pub(super) fn nonsense(&self, during: &str, what: impl Into<String>) -> RemoteError {
        RemoteError::Protocol {
            host: self.host.clone(),
            during: during.to_owned(),
            cause: Explanation(what.into()),
        }
    }

    /// Fails if an earlier caller was cancelled before its answers arrived: the channel is then out of step.
    fn begin(&mut self, during: &str) -> Result<(), RemoteError> {
        if self.in_exchange {
            return Err(self.nonsense(during, "an earlier request was cancelled halfway"));
        }
        self.in_exchange = true;
        Ok(())
    }

    /// What later frames build on once `frame` is being sent: if sending fails, there are none.
    fn take_up(&mut self, frame: FrameText) -> FrameText {
        self.next = frame.numbers.end;
        self.functions = frame.functions;
        frame
    }

    fn finish(&mut self) {
        self.in_exchange = false;
        self.round_trips += 1;
    }

    async fn explain(&mut self, interruption: Interruption, during: &str) -> RemoteError {
        match interruption {
            Interruption::TooLong(most) => {
                return self.nonsense(during, format!("an answer is longer than {most} bytes"));
            }
            Interruption::Nonsense(what) => return self.nonsense(during, what),
            Interruption::Exceeded(exceeded) => {
                let host = self.host.clone();
                let during = if self.shell.is_some() { during } else { "logging in" }.to_owned();
                return match exceeded {
                    Exceeded::Silence(patience) => RemoteError::Silent { host, during, patience },
                    Exceeded::Total(limit) => RemoteError::TooSlow { host, during, limit },
                    Exceeded::Bytes(limit) => RemoteError::TooMuch { host, during, limit },
                };
            }
            Interruption::Failed(error) => return self.lost(during, error.to_string()),
            Interruption::Ended => {}
        }
        let status = self.reap().await;
        let stderr = without_prompts(&self.stderr.text().await);
        let code = status.and_then(|status| status.code());
        match (&self.address, &self.becoming, self.shell, code) {
            (Some(address), _, None, Some(255)) => diagnose(&self.host, address, self.configuration.as_ref(), &stderr),
            (_, Some(becoming), None, code @ Some(_)) => {
                let (refusal, words) = refusal(&stderr, code);
                self.refused(becoming.clone(), refusal, words)
            }
            (_, None, None, Some(_)) => {
                let words = last_line(&stderr).unwrap_or_else(|| "it exited without a message".to_owned());
                self.nonsense("starting it", words)
            }
            _ => {
                let ended = || status.map_or_else(|| "it does not respond".to_owned(), ending);
                self.lost(during, last_line(&stderr).unwrap_or_else(ended))
            }
        }
    }

    fn lost(&self, during: &str, words: String) -> RemoteError {
        RemoteError::ConnectionLost {
            host: self.host.clone(),
            during: during.to_owned(),
            cause: Explanation(words),
        }
    }

    async fn reap(&mut self) -> Option<ExitStatus> {
        drop(self.watchdog.take());
        drop(self.beat.take());
        drop(self.stdin.take());
        if let Ok(status) = tokio::time::timeout(LAST_MOMENTS, self.child.wait()).await {
            return status.ok();
        }
        let _ = self.child.kill().await;
        None
    }
}

fn ending(status: ExitStatus) -> String {
    format!("the process of the connection exited ({status})")
}

/// Waits for the first tag, if it has not come yet: the process number of the shell. `ssh` has then read its
/// configuration. Output before the tag is from a login shell's start-up files.
async fn greet(
    answers: &mut Answers<ChildStdout>,
    shell: &mut Option<u32>,
    configuration: &mut Option<Configuration>,
) -> Result<(), Interruption> {
    if shell.is_none() {
        let tagged = expected(answers.next(NOISE).await?, READY)?;
        *shell = u32::try_from(tagged.status).ok();
        drop(configuration.take());
    }
    Ok(())
}

fn expected(tagged: Tagged, number: u32) -> Result<Tagged, Interruption> {
    if tagged.number == number {
        return Ok(tagged);
    }
    let found = tagged.number;
    Err(Interruption::Nonsense(format!(
        "got answer {found} instead of answer {number}"
    )))
}

/// Runs `work` and `aside` at the same time; after `work` has finished, `aside` gets only a little more time.
async fn with_the_rest_of<T, U>(aside: impl Future<Output = U>, work: impl Future<Output = T>) -> T {
    tokio::pin!(aside, work);
    tokio::select! {
        done = &mut work => {
            let _ = tokio::time::timeout(LAST_MOMENTS, aside).await;
            return done;
        }
        _ = &mut aside => {}
    }
    work.await
}

/// Runs `read` while `text` is being sent; if sending fails, `read` reports it.
async fn while_sending<T>(stdin: Option<&Mutex<ChildStdin>>, text: &[u8], read: impl Future<Output = T>) -> T {
    let send = async {
        if let Some(stdin) = stdin {
            let mut stdin = stdin.lock().await;
            let _ = stdin.write_all(text).await;
            let _ = stdin.flush().await;
        }
    };
    tokio::pin!(read, send);
    tokio::select! {
        biased;
        answer = &mut read => return answer,
        () = &mut send => {}
    }
    read.await
}
