//! Reading hosts: facts in as few round trips as the plan needs, three at most.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::facts::{FactKey, Facts, Probe, UnreadableAnswer, questions};
use crate::plan::{Build, Known, build};
use crate::project::Run;
use crate::remote::{Answer, Connection, RemoteError, Target, Writer};
use crate::secret::DigestKey;

/// A later look asks only for what the plan found to be missing; what a fourth look would find stays open.
pub const ROUNDS: usize = 3;

/// Why a host could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The way to the host failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The host answered something else than was asked.
    #[error("{host}: failed to read {subject}")]
    Unreadable {
        /// The host.
        host: String,
        /// What was read.
        subject: &'static str,
        /// What came instead.
        #[source]
        cause: UnreadableAnswer,
    },
}

/// Whoever can ask probes.
pub trait Reader: Send {
    /// Asks all probes in one round trip.
    fn ask(&mut self, probes: &[Probe]) -> impl Future<Output = Result<Vec<Answer>, RemoteError>> + Send;
}

impl Reader for Connection {
    async fn ask(&mut self, probes: &[Probe]) -> Result<Vec<Answer>, RemoteError> {
        self.read(probes).await
    }
}

impl Reader for Writer<'_> {
    async fn ask(&mut self, probes: &[Probe]) -> Result<Vec<Answer>, RemoteError> {
        self.read(probes).await
    }
}

/// Reads `keys` of a host in one round trip and keeps them in `facts`.
pub async fn gather(
    reader: &mut impl Reader,
    host: &str,
    keys: &BTreeSet<FactKey>,
    facts: &mut Facts,
) -> Result<(), GatherError> {
    let questions = questions(keys);
    let probes: Vec<Probe> = questions.iter().map(|question| question.probe().clone()).collect();
    let answers = reader.ask(&probes).await?;
    for (question, answer) in questions.iter().zip(answers) {
        let read = question
            .parse(answer.status, &answer.stdout)
            .map_err(|cause| GatherError::Unreadable {
                host: host.to_owned(),
                subject: question.subject(),
                cause,
            })?;
        for (key, fact) in read {
            facts.insert(key, fact);
        }
    }
    Ok(())
}

/// Plans one host and reads what the plan lacks, in turns, until nothing is missing or the rounds are used up.
///
/// `run` holds that host alone. Mistakes end it: there is nothing to plan for them.
pub async fn settle(
    reader: &mut impl Reader,
    run: &Run,
    known: &mut Known,
    digests: &DigestKey,
) -> Result<Build, GatherError> {
    let mut rounds = 0;
    loop {
        let build = build(run, known, digests);
        let Some((host, missing)) = build.missing.iter().next() else {
            return Ok(build);
        };
        if rounds == ROUNDS {
            return Ok(build);
        }
        rounds += 1;
        let facts = known.facts.entry(host.clone()).or_default();
        gather(reader, host, missing, facts).await?;
    }
}

/// A host that was read.
pub struct ReadHost {
    /// The run, this host alone.
    pub run: Run,
    /// The connection, still open.
    pub connection: Connection,
    /// What was read.
    pub known: Known,
    /// The plan.
    pub build: Build,
}

/// What reading a host came to.
pub struct Reading {
    /// The host.
    pub host: String,
    /// The host as read, or why not.
    pub result: Result<ReadHost, GatherError>,
}

/// Connects to all `targets` at once and plans each host of `run` from what is read there.
pub async fn read_hosts(run: &Run, targets: Vec<Target>, digests: &Arc<DigestKey>) -> Vec<Reading> {
    let readings = targets.into_iter().map(|target| {
        let host = target.name.clone();
        let run = run.host_alone(&host);
        let digests = Arc::clone(digests);
        let task = tokio::spawn(async move { read_host(run, &target, &digests).await });
        async move {
            let result = match task.await {
                Ok(result) => result,
                Err(failed) => std::panic::resume_unwind(failed.into_panic()),
            };
            Reading { host, result }
        }
    });
    join_all(readings).await
}

async fn read_host(run: Run, target: &Target, digests: &DigestKey) -> Result<ReadHost, GatherError> {
    let mut connection = Connection::open(target).await?;
    let mut known = Known::default();
    match settle(&mut connection, &run, &mut known, digests).await {
        Ok(build) => Ok(ReadHost {
            run,
            connection,
            known,
            build,
        }),
        Err(error) => {
            connection.close().await;
            Err(error)
        }
    }
}
