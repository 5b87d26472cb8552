//! Reads hosts: facts in as few round trips as the plan needs, three at most.

mod command;
mod together;
mod turns;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::facts::{Fact, FactKey, Facts, Probe, UnreadableAnswer, questions};
use crate::plan::{Build, Snapshot, build};
use crate::project::Selection;
use crate::remote::{Answer, Connection, RemoteError, Target, Writer};
use crate::secret::DigestKey;

use self::turns::in_turn;

pub use self::command::{CommandEvent, CommandOutput, Ran, run_command};
pub use crate::remote::Stream;

/// A later look asks only for what the plan found to be missing; what a fourth look would find stays open.
pub const ROUNDS: usize = 3;

/// How long to wait before work that goes on is looked at again.
const WORK_PAUSE: Duration = Duration::from_secs(1);

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
    run: &Selection,
    known: &mut Snapshot,
    digests: &DigestKey,
) -> Result<Build, GatherError> {
    let mut rounds = 0;
    loop {
        let build = build(run, known, digests);
        let Some(host) = run.hosts.first().map(|host| &host.name) else {
            return Ok(build);
        };
        let Some(missing) = build.missing.get(host).filter(|_| rounds < ROUNDS) else {
            return Ok(build);
        };
        rounds += 1;
        let facts = known.facts.entry(host.clone()).or_default();
        gather(reader, host, missing, facts).await?;
    }
}

/// A host that was read.
pub struct ReadHost {
    /// The run, this host alone.
    pub run: Selection,
    /// The connection, still open.
    pub connection: Connection,
    /// What was read.
    pub known: Snapshot,
    /// The plan.
    pub build: Build,
}

/// What reading a host came to.
pub struct HostReading {
    /// The host.
    pub host: String,
    /// How long it took, its login included.
    pub took: Duration,
    /// The host as read, or why not.
    pub result: Result<ReadHost, GatherError>,
}

/// Something that happened while hosts were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatherEvent {
    /// A host's turn has come: it is being connected to.
    Started {
        /// The host.
        host: String,
    },
    /// A host is waited for.
    Waiting {
        /// The host.
        host: String,
        /// For what: "waiting for …".
        words: String,
    },
    /// A host was read, or cannot be.
    Finished {
        /// The host.
        host: String,
    },
}

/// Told what happens while hosts are read.
pub type OnEvent = Arc<dyn Fn(GatherEvent) + Send + Sync>;

/// Reads what templates see of a host, and `further` facts.
pub async fn read_facts(target: &Target, further: Option<FactKey>) -> Result<Facts, GatherError> {
    let mut connection = Connection::open(target).await?;
    let mut facts = Facts::default();
    let keys = std::iter::once(FactKey::System).chain(further).collect();
    let gathered = gather(&mut connection, &target.name, &keys, &mut facts).await;
    connection.close().await;
    gathered.map(|()| facts)
}

/// Connects to all `targets`, no more than `parallel` at once of those that answer, and plans each host of `run` from what
/// is read there. Readings come in the order of `targets`. Nothing goes on if this is dropped.
pub async fn read_hosts(
    run: &Selection,
    targets: Vec<Target>,
    digests: &Arc<DigestKey>,
    parallel: usize,
    on_event: &OnEvent,
) -> Vec<HostReading> {
    let turns = Arc::new(Semaphore::new(parallel));
    let mut tasks = JoinSet::new();
    for (place, target) in targets.into_iter().enumerate() {
        let run = run.host_alone(&target.name);
        let (digests, on_event) = (Arc::clone(digests), Arc::clone(on_event));
        let turns = Arc::clone(&turns);
        tasks.spawn(async move { (place, read_in_turn(&turns, run, &target, &digests, &on_event).await) });
    }
    let mut readings = tasks.join_all().await;
    readings.sort_by_key(|(place, _)| *place);
    let readings = readings.into_iter().map(|(_, reading)| reading).collect();
    Box::pin(together::settle(run, readings, digests)).await
}

async fn read_in_turn(
    turns: &Semaphore,
    run: Selection,
    target: &Target,
    digests: &DigestKey,
    on_event: &OnEvent,
) -> HostReading {
    let host = target.name.clone();
    let mut since = Instant::now();
    let begin = || {
        since = Instant::now();
        on_event(GatherEvent::Started { host: host.clone() });
    };
    let reading = Box::pin(read_host(run, target, digests, on_event));
    let result = in_turn(turns, begin, reading).await;
    on_event(GatherEvent::Finished { host: host.clone() });
    HostReading {
        host,
        took: since.elapsed(),
        result,
    }
}

/// As [`settle`], of a host on which no work of an earlier run goes on: that is waited for, since it may change anything.
async fn settle_at_rest(
    connection: &mut Connection,
    run: &Selection,
    known: &mut Snapshot,
    digests: &DigestKey,
    on_event: &OnEvent,
) -> Result<Build, GatherError> {
    let mut build = settle(connection, run, known, digests).await?;
    let Some(host) = run.hosts.first().map(|host| host.name.clone()) else {
        return Ok(build);
    };
    while let Some(summary) = running_job(known, &host) {
        on_event(GatherEvent::Waiting {
            host: host.clone(),
            words: format!("waiting for `{summary}` of an earlier run, which lost its connection"),
        });
        while running_job(known, &host).is_some() {
            tokio::time::sleep(WORK_PAUSE).await;
            let facts = known.facts.entry(host.clone()).or_default();
            gather(connection, &host, &BTreeSet::from([FactKey::System]), facts).await?;
        }
        known.facts.remove(&host);
        build = settle(connection, run, known, digests).await?;
    }
    Ok(build)
}

fn running_job(known: &Snapshot, host: &str) -> Option<String> {
    match known.facts.get(host)?.get(&FactKey::System)? {
        Fact::System(system) => system.running_job().map(|job| job.summary.clone()),
        _ => None,
    }
}

async fn read_host(
    run: Selection,
    target: &Target,
    digests: &DigestKey,
    on_event: &OnEvent,
) -> Result<ReadHost, GatherError> {
    let mut connection = Connection::open(target).await?;
    let mut known = Snapshot::default();
    match settle_at_rest(&mut connection, &run, &mut known, digests, on_event).await {
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
