//! Runs the command of `homelab exec` on hosts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::turns::in_turn;
use crate::remote::{Connection, RemoteError, Stream, Target, Written};

/// How many bytes of a host's output may be buffered before the command has to wait.
const WAITING: u32 = 1 << 20;

/// How a command ended on a host.
#[derive(Debug)]
pub struct Ran {
    pub host: String,
    /// How long it took, including the login.
    pub took: Duration,
    /// The command's exit code, or why it did not finish.
    pub result: Result<i32, RemoteError>,
}

/// Output of a command on a host.
#[derive(Debug)]
pub struct CommandOutput {
    pub host: String,
    pub stream: Stream,
    /// As it arrived: lines may be split.
    pub bytes: Vec<u8>,
    /// Freed when the output has been printed.
    _room: Option<OwnedSemaphorePermit>,
}

/// Something that happened while a command ran on hosts.
#[derive(Debug)]
pub enum CommandEvent {
    /// A host's turn has come.
    Started {
        host: String,
    },
    /// The command printed something and is still running.
    Output(CommandOutput),
    Finished(Ran),
}

impl CommandOutput {
    /// Output of `host` that does not hold back the command.
    pub fn of(host: &str, stream: Stream, bytes: &[u8]) -> Self {
        Self {
            host: host.to_owned(),
            stream,
            bytes: bytes.to_vec(),
            _room: None,
        }
    }
}

/// Runs `script` in the shell of each of `targets`, about `parallel` at once, and sends its output and end as events.
/// Standard input is empty. Dropping the future stops the work on this side.
pub async fn run_command(targets: Vec<Target>, script: &str, parallel: usize, events: UnboundedSender<CommandEvent>) {
    let turns = Arc::new(Semaphore::new(parallel));
    let script: Arc<str> = Arc::from(script);
    let mut tasks = JoinSet::new();
    for target in targets {
        let (turns, script, events) = (Arc::clone(&turns), Arc::clone(&script), events.clone());
        tasks.spawn(async move {
            let host = target.name.clone();
            let mut since = Instant::now();
            let begin = || {
                since = Instant::now();
                // Events without a receiver do not stop the work.
                let _ = events.send(CommandEvent::Started { host: host.clone() });
            };
            let result = Box::pin(in_turn(&turns, begin, run_on(&target, &script, &events))).await;
            let took = since.elapsed();
            let _ = events.send(CommandEvent::Finished(Ran { host, took, result }));
        });
    }
    drop(events);
    tasks.join_all().await;
}

async fn run_on(target: &Target, script: &str, events: &UnboundedSender<CommandEvent>) -> Result<i32, RemoteError> {
    const PIECES: usize = 4;
    let (written, pieces) = mpsc::channel(PIECES);
    let connection = Connection::open(target).await?;
    let (result, ()) = tokio::join!(
        connection.run(script, written),
        forward_output(&target.name, pieces, events)
    );
    result
}

/// Sends what a command writes, no faster than it is consumed.
async fn forward_output(host: &str, mut pieces: mpsc::Receiver<Written>, events: &UnboundedSender<CommandEvent>) {
    let room = Arc::new(Semaphore::new(WAITING as usize));
    while let Some(Written { stream, bytes }) = pieces.recv().await {
        let wanted = u32::try_from(bytes.len()).unwrap_or(WAITING).min(WAITING);
        let room = Arc::clone(&room).acquire_many_owned(wanted).await.ok();
        let _ = events.send(CommandEvent::Output(CommandOutput {
            host: host.to_owned(),
            stream,
            bytes,
            _room: room,
        }));
    }
}
