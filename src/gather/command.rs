//! A command of the user, run on hosts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::turns::in_turn;
use crate::facts::Probe;
use crate::remote::{Answer, Connection, RemoteError, Target};

/// What running a command came to on a host.
#[derive(Debug)]
pub struct Ran {
    /// The host.
    pub host: String,
    /// How long it took, the login included.
    pub took: Duration,
    /// What the command wrote, and its exit code; or why it was not run to its end.
    pub result: Result<Answer, RemoteError>,
}

/// Something that happened while a command ran on hosts.
#[derive(Debug)]
pub enum CommandEvent {
    /// A host's turn has come.
    Started {
        /// The host.
        host: String,
    },
    /// A host is through.
    Finished(Ran),
}

/// Runs `script` in the shell of each of `targets`, no more than `parallel` at once of those that are quick, and tells of
/// each as it is through. Nothing is read from this side. Nothing goes on here if this is dropped.
pub async fn run_command(targets: Vec<Target>, script: &str, parallel: usize, events: UnboundedSender<CommandEvent>) {
    let turns = Arc::new(Semaphore::new(parallel));
    let probe = Probe::of_user(script);
    let mut tasks = JoinSet::new();
    for target in targets {
        let (turns, probe, events) = (Arc::clone(&turns), probe.clone(), events.clone());
        tasks.spawn(async move {
            let host = target.name.clone();
            let mut since = Instant::now();
            let begin = || {
                since = Instant::now();
                // Nobody listening is no reason to stop.
                let _ = events.send(CommandEvent::Started { host: host.clone() });
            };
            let result = in_turn(&turns, begin, run(&target, &probe)).await;
            let took = since.elapsed();
            let _ = events.send(CommandEvent::Finished(Ran { host, took, result }));
        });
    }
    drop(events);
    tasks.join_all().await;
}

async fn run(target: &Target, probe: &Probe) -> Result<Answer, RemoteError> {
    let mut connection = Connection::open(target).await?;
    let answers = connection.read(std::slice::from_ref(probe)).await;
    connection.close().await;
    let missing = Answer {
        stdout: Vec::new(),
        stderr: Vec::new(),
        status: 0,
    };
    // One question has one answer.
    answers.map(|answers| answers.into_iter().next().unwrap_or(missing))
}
