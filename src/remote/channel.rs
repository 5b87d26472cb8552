//! A child process whose pipes lead to a host's shell.

use std::ops::Range;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::answers::{Answers, Interruption, Keep, Tagged};
use super::diagnosis::{diagnose, last_line};
use super::error::{Explanation, RemoteError};
use super::script::{Frame, NOTE, Nonce, READY, prologue};
use super::watchdog::Watchdog;

/// How long a child that closed its end of the pipe may take to end.
const LAST_MOMENTS: Duration = Duration::from_secs(2);
/// Noise before the shell listens: kept only as an explanation.
const NOISE: Keep = Keep::Tail(2048);

/// What is sent and awaited in one round trip.
pub(super) struct Exchange<'a> {
    /// The text, and the numbers of the tags that answer it.
    pub(super) frame: (String, Range<u32>),
    /// How much to keep of each answer.
    pub(super) keep: Keep,
    /// What is under way once so many answers have come, for messages.
    pub(super) during: &'a (dyn Fn(usize) -> String + Sync),
    /// Called as each answer comes, and each note before it.
    pub(super) on_answer: &'a mut (dyn FnMut(Heard<'_>) + Send),
}

/// What is heard of a frame.
#[derive(Clone, Copy)]
pub(super) enum Heard<'a> {
    /// Output, as it comes.
    Output(&'a [u8]),
    /// An answer or a note, with all its output.
    Tag(&'a Tagged),
}

/// The channel to one host's shell.
pub(super) struct Channel {
    host: String,
    /// What `ssh` connects to; none for a shell of this machine.
    address: Option<String>,
    nonce: Nonce,
    /// Dropped before the child is.
    watchdog: Option<Watchdog>,
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Answers<ChildStdout>,
    stderr: StandardError,
    /// The process number of the host's shell, once it listens.
    shell: Option<u32>,
    next: u32,
    in_exchange: bool,
    round_trips: u32,
}

impl Channel {
    /// Starts `command` and queues the prologue in its pipe, before there is anything at the other end.
    pub(super) async fn start(host: &str, address: Option<&str>, mut command: Command) -> Result<Self, RemoteError> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C in the terminal is for this program alone; the connection ends in good order.
            .process_group(0)
            .kill_on_drop(true);
        let program = Path::new(command.as_std().get_program()).to_owned();
        let failed = |cause| RemoteError::Start {
            host: host.to_owned(),
            program: program.clone(),
            cause,
        };
        let mut child = command.spawn().map_err(failed)?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(std::io::Error::other("it was started without pipes")));
        };
        let nonce = Nonce::random();
        let mut channel = Self {
            host: host.to_owned(),
            address: address.map(str::to_owned),
            answers: Answers::new(stdout, &nonce),
            stderr: StandardError::drain(stderr),
            stdin: Some(stdin),
            watchdog: None,
            child,
            shell: None,
            next: READY + 1,
            in_exchange: false,
            round_trips: 0,
            nonce,
        };
        let text = prologue(&channel.nonce);
        if let Some(stdin) = &mut channel.stdin {
            // It fits the pipe's buffer. If the child is gone already, the first answer says why.
            let _ = stdin.write_all(text.as_bytes()).await;
        }
        if let (Some(_), Some(process)) = (address, channel.child.id()) {
            // A shell of this machine needs none: it ends with its pipes.
            channel.watchdog = Some(Watchdog::over(process).map_err(failed)?);
        }
        Ok(channel)
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

    /// The process number of the host's shell, once it has answered.
    pub(super) fn shell(&self) -> Option<u32> {
        self.shell
    }

    /// An empty frame of this channel.
    pub(super) fn frame(&self) -> Frame<'_> {
        Frame::new(&self.nonce, self.next)
    }

    /// Waits until the host's shell listens.
    pub(super) async fn ready(&mut self) -> Result<(), RemoteError> {
        if self.shell.is_some() {
            return Ok(());
        }
        self.begin("connecting")?;
        match greeting(&mut self.answers).await {
            Ok(shell) => {
                self.shell = Some(shell);
                self.finish();
                Ok(())
            }
            Err(interruption) => Err(self.explain(interruption, "connecting").await),
        }
    }

    /// Sends a frame and waits for all its answers: one round trip.
    pub(super) async fn exchange(&mut self, exchange: Exchange<'_>) -> Result<Vec<Tagged>, RemoteError> {
        let Exchange {
            frame: (text, numbers),
            keep,
            during,
            on_answer,
        } = exchange;
        self.begin(&during(0))?;
        self.next = numbers.end;
        let mut received = Vec::with_capacity(numbers.len());
        let outcome = {
            let Self {
                stdin, answers, shell, ..
            } = self;
            let read = async {
                if shell.is_none() {
                    *shell = Some(greeting(answers).await?);
                }
                for number in numbers {
                    let mut hear = |output: &[u8]| on_answer(Heard::Output(output));
                    let mut tagged = expected(answers.next_heard(keep, &mut hear).await?, number)?;
                    while tagged.outcome == NOTE {
                        on_answer(Heard::Tag(&tagged));
                        let mut hear = |output: &[u8]| on_answer(Heard::Output(output));
                        tagged = expected(answers.next_heard(keep, &mut hear).await?, number)?;
                    }
                    on_answer(Heard::Tag(&tagged));
                    received.push(tagged);
                }
                Ok(())
            };
            // Sent while the answers are read: a host that waits to be read from does not read.
            while_sending(stdin.as_mut(), text.as_bytes(), read).await
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

    /// Ends the child: `ssh` by asking it to, a shell by closing its pipe, either by force in the end.
    pub(super) async fn end(mut self) {
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.release().await;
        }
        self.reap().await;
    }

    /// An answer that makes no sense.
    pub(super) fn nonsense(&self, during: &str, what: impl Into<String>) -> RemoteError {
        RemoteError::Protocol {
            host: self.host.clone(),
            during: during.to_owned(),
            cause: Explanation(what.into()),
        }
    }

    /// A frame whose answers were not awaited, because its caller was cancelled, leaves the channel out of step.
    fn begin(&mut self, during: &str) -> Result<(), RemoteError> {
        if self.in_exchange {
            return Err(self.nonsense(during, "an exchange before this one was given up half-way"));
        }
        self.in_exchange = true;
        Ok(())
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
            Interruption::Failed(error) => return self.lost(during, error.to_string()),
            Interruption::Ended => {}
        }
        let status = self.reap().await;
        let stderr = self.stderr.text().await;
        match (&self.address, self.shell, status.and_then(|status| status.code())) {
            (Some(address), None, Some(255)) => diagnose(&self.host, address, &stderr),
            (_, None, Some(_)) => {
                let words = last_line(&stderr).unwrap_or_else(|| "it ended without a word".to_owned());
                self.nonsense("starting it", words)
            }
            _ => {
                let ended = || status.map_or_else(|| "it does not answer".to_owned(), ending);
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
        drop(self.stdin.take());
        if let Ok(status) = tokio::time::timeout(LAST_MOMENTS, self.child.wait()).await {
            return status.ok();
        }
        let _ = self.child.kill().await;
        None
    }
}

fn ending(status: ExitStatus) -> String {
    format!("the channel's process ended ({status})")
}

/// Awaits the first tag; what came before it is noise of a login shell's start-up files.
async fn greeting(answers: &mut Answers<ChildStdout>) -> Result<u32, Interruption> {
    let tagged = expected(answers.next(NOISE).await?, READY)?;
    Ok(tagged.status)
}

fn expected(tagged: Tagged, number: u32) -> Result<Tagged, Interruption> {
    if tagged.number == number {
        return Ok(tagged);
    }
    let found = tagged.number;
    Err(Interruption::Nonsense(format!(
        "answer {found} came where answer {number} was due"
    )))
}

/// Runs `read` while `text` is being sent; that it could not be sent shows in what is read.
async fn while_sending<T>(stdin: Option<&mut ChildStdin>, text: &[u8], read: impl Future<Output = T>) -> T {
    let send = async {
        if let Some(stdin) = stdin {
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

/// The last of what a child writes to its standard error, read as it comes so that the child never waits.
struct StandardError {
    tail: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl StandardError {
    const LONGEST: usize = 16 * 1024;
    /// A jump host's `ssh` may keep the pipe open for longer than its parent lives.
    const PATIENCE: Duration = Duration::from_millis(500);

    fn drain(mut stream: ChildStderr) -> Self {
        let tail = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&tail);
        let task = tokio::spawn(async move {
            let mut chunk = vec![0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                let mut tail = shared.lock().unwrap_or_else(PoisonError::into_inner);
                tail.extend_from_slice(&chunk[..length]);
                let surplus = tail.len().saturating_sub(Self::LONGEST);
                tail.drain(..surplus);
            }
        });
        Self { tail, task }
    }

    async fn text(&mut self) -> String {
        let _ = tokio::time::timeout(Self::PATIENCE, &mut self.task).await;
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&tail).into_owned()
    }
}

impl Drop for StandardError {
    fn drop(&mut self) {
        self.task.abort();
    }
}
