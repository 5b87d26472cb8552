//! A connection to one host: reading through it, and the lock that allows writing.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::mpsc::Sender;

use super::answers::{Keep, Tagged};
use super::channel::{Channel, Destination, Exchange};
use super::command::Written;
use super::configuration::Configuration;
use super::control::ControlSocket;
use super::error::RemoteError;
use super::limits::Limits;
use super::privilege::Privilege;
use super::pump::SecondChannel;
use super::script::FrameText;
use super::target::Target;
use crate::facts::Probe;
use crate::quote::Unquotable;

/// A longer answer to a probe is an error.
pub(super) const LONGEST_ANSWER: usize = 64 * 1024 * 1024;
/// More bytes in answer to one frame of probes are an error.
pub(super) const MOST_READ: u64 = 256 << 20;
/// More bytes in answer to a small question are an error.
const MOST_ASKED: u64 = 1 << 20;

/// What a host answered to a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub stdout: Vec<u8>,
    /// Without NUL bytes and final newlines.
    pub stderr: Vec<u8>,
    pub status: i32,
}

/// A connection to one host's shell. It can only read; [`Connection::lock`] gives the right to write.
pub struct Connection {
    pub(super) channel: Channel,
    pub(super) second_channel: SecondChannel,
    pub(super) privilege: Privilege,
    /// How long the host may send nothing while it is read.
    pub(super) silence: Option<Duration>,
    /// What it connects to; `None` for a shell of this machine.
    target: Option<Target>,
}

impl Connection {
    /// Starts to connect to `target`.
    ///
    /// This does not wait: the first frame travels along with the login. A failed login shows in its answer, or in
    /// [`Connection::ready`].
    pub async fn open(target: &Target) -> Result<Self, RemoteError> {
        if target.local {
            return Self::local_as(&target.name, Path::new("/bin/sh"), &target.privilege, target.silence).await;
        }
        let missing = || RemoteError::SshMissing {
            host: target.name.clone(),
        };
        let ssh = ssh_program().ok_or_else(missing)?;
        let control = match target.keep {
            None => ControlSocket::reserve(&target.name)?,
            Some(_) => ControlSocket::kept(&target.name, &target.settings())?,
        };
        let configuration = Configuration::write(target, control.configuration())?;
        let (line, dialogue) = target.privilege.command_line("sh");
        let mut command = Command::new(ssh);
        command.args(target.arguments(control.path(), configuration.path(), &line)?);
        let destination = Destination {
            host: target.name.clone(),
            address: Some(target.address.clone()),
            becoming: target.privilege.becoming(),
            dialogue,
            configuration: Some(configuration),
            login: Limits::of_login(target.silence),
        };
        Ok(Self {
            channel: Channel::start(destination, command).await?,
            second_channel: SecondChannel::Ssh(control),
            privilege: target.privilege.clone(),
            silence: target.silence,
            target: Some(target.clone()),
        })
    }

    /// A connection to a `shell` of this machine.
    pub async fn local(shell: &Path) -> Result<Self, RemoteError> {
        Self::local_as("this machine", shell, &Privilege::LoginUser, None).await
    }

    pub(super) async fn local_as(
        host: &str,
        shell: &Path,
        privilege: &Privilege,
        silence: Option<Duration>,
    ) -> Result<Self, RemoteError> {
        let mut command = Command::new(shell);
        let mut dialogue = None;
        if *privilege != Privilege::LoginUser {
            let (line, asked) = privilege.command_line("sh");
            command.args(["-c", &line]);
            dialogue = asked;
        }
        let destination = Destination {
            host: host.to_owned(),
            address: None,
            becoming: privilege.becoming(),
            dialogue,
            configuration: None,
            login: Limits::of_login(silence),
        };
        Ok(Self {
            channel: Channel::start(destination, command).await?,
            second_channel: SecondChannel::Local(shell.to_owned()),
            privilege: privilege.clone(),
            silence,
            target: None,
        })
    }

    /// Whether the login user can only read, for a review of what root would do.
    pub fn is_for_review_only(&self) -> bool {
        self.target.as_ref().is_some_and(|target| target.is_for_review_only)
    }

    /// Waits until the host's shell is ready. Only needed to check the login itself.
    pub async fn ready(&mut self) -> Result<(), RemoteError> {
        self.channel.ready().await
    }

    /// Runs all `probes` in one round trip; the answers are in the same order.
    ///
    /// Errors: also a host that sends nothing for too long.
    pub async fn read(&mut self, probes: &[Probe]) -> Result<Vec<Answer>, RemoteError> {
        if probes.is_empty() {
            return Ok(Vec::new());
        }
        let (count, silence) = (probes.len(), self.silence);
        let mut frame = self.channel.frame();
        let asked: Result<(), Unquotable> = probes.iter().try_for_each(|probe| frame.probe(probe));
        let frame = frame.finish();
        asked.map_err(|cause| self.unsendable("a probe", cause))?;
        let exchange = Exchange {
            frame,
            keep: &|_| Keep::All(LONGEST_ANSWER),
            limits: Limits::of_reading(silence, probes.iter().map(Probe::allowance).sum(), MOST_READ),
            limits_of: &|answered| {
                let allowance = probes.get(answered / 2).map(Probe::allowance).unwrap_or_default();
                Limits::of_reading(silence, allowance, MOST_READ)
            },
            during: &|answered| {
                let index = answered / 2;
                let subject = probes.get(index).map_or("its state", Probe::subject);
                format!("reading {subject} ({} of {count})", index + 1)
            },
            on_answer: &mut |_| {},
        };
        let tagged = self.channel.exchange(exchange).await?;
        self.answers(&tagged)
    }

    /// Runs `script` in the host's `sh`, outside of any deploy; returns its exit code. It has no input, the usual umask of
    /// logins, and no timeout. The connection ends with it, since a process that it leaves behind may go on to write.
    ///
    /// Its output goes to `written`; if the receiver is slow, the command waits.
    pub async fn run(mut self, script: &str, written: Sender<Written>) -> Result<i32, RemoteError> {
        let mut frame = self.channel.frame();
        let asked = frame.run(&format!("umask 022\nunset LC_ALL\n{script}"));
        let frame = frame.finish();
        asked.map_err(|cause| self.unsendable("the command", cause))?;
        let result = self.channel.pass_on(frame, &written).await;
        drop(written);
        self.close().await;
        result
    }

    /// A new connection to the same host, the same way in and as the same user. It shares nothing with this one, and no connection
    /// that is kept.
    pub async fn another(&self) -> Result<Self, RemoteError> {
        match (&self.target, &self.second_channel) {
            (Some(target), _) => {
                let target = Target {
                    keep: None,
                    ..target.clone()
                };
                Box::pin(Self::open(&target)).await
            }
            (None, SecondChannel::Local(shell)) => {
                Self::local_as(self.channel.host(), shell, &self.privilege, self.silence).await
            }
            (None, SecondChannel::Ssh(_)) => Err(self.channel.nonsense("connecting again", "the target is not known")),
        }
    }

    /// How many times a frame was sent and its answers awaited.
    pub fn round_trips(&self) -> u32 {
        self.channel.round_trips()
    }

    /// The process id of the local `ssh` or shell.
    pub fn process(&self) -> Option<u32> {
        self.channel.process()
    }

    /// Ends the connection without waiting for the host to agree.
    pub async fn close(self) {
        let Self {
            channel,
            second_channel,
            ..
        } = self;
        channel.end().await;
        drop(second_channel);
    }

    pub(super) fn unsendable(&self, what: impl Into<String>, cause: Unquotable) -> RemoteError {
        RemoteError::Script {
            host: self.channel.host().to_owned(),
            what: what.into(),
            cause,
        }
    }

    /// Sends a frame with one answer of a few lines.
    pub(super) async fn ask(&mut self, frame: FrameText, during: &str) -> Result<Tagged, RemoteError> {
        const LONGEST: usize = 4096;
        let silence = self.silence;
        let exchange = Exchange {
            frame,
            keep: &|_| Keep::Tail(LONGEST),
            limits: Limits::of_reading(silence, Duration::ZERO, MOST_ASKED),
            limits_of: &|_| Limits::of_reading(silence, Duration::ZERO, MOST_ASKED),
            during: &|_| during.to_owned(),
            on_answer: &mut |_| {},
        };
        let answers = self.channel.exchange(exchange).await?;
        let first = answers.into_iter().next();
        first.ok_or_else(|| self.channel.nonsense(during, "no answer"))
    }

    /// The answers that the tags of probes carry, two each.
    pub(super) fn answers(&self, tagged: &[Tagged]) -> Result<Vec<Answer>, RemoteError> {
        tagged.chunks(2).map(|pair| self.answer(pair)).collect()
    }

    /// The answer that the two tags of a probe carry.
    fn answer(&self, pair: &[Tagged]) -> Result<Answer, RemoteError> {
        match pair {
            [output, errors] if output.outcome == "answer" && errors.outcome == "errors" => Ok(Answer {
                stdout: output.output.clone(),
                stderr: errors.output.clone(),
                status: i32::try_from(output.status).unwrap_or(i32::MAX),
            }),
            _ => Err(self
                .channel
                .nonsense("reading the host's state", "unexpected outcome of a probe")),
        }
    }
}

/// The `ssh` of this machine, looked up once.
pub(super) fn ssh_program() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| which::which("ssh").ok()).as_deref()
}
