//! Reads facts of one host in one script, and runs the user's commands on hosts. The caller decides which facts.

mod command;
mod turns;

use std::collections::BTreeSet;
use std::future::Future;

use crate::facts::{FactKey, Facts, Probe, UnreadableAnswer, questions};
use crate::remote::{Answer, Connection, RemoteError, Target, Writer};

pub use self::command::{CommandEvent, CommandOutput, Ran, run_command};
pub(crate) use self::turns::in_turn;
pub use crate::remote::Stream;

/// Why a host could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The connection failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The answer of the host does not parse.
    #[error("{host}: cannot read {subject}")]
    Unreadable {
        host: String,
        subject: &'static str,
        #[source]
        cause: UnreadableAnswer,
    },
}

/// A channel to a host that probes can be sent through.
pub trait Reader: Send {
    /// Sends all probes in one round trip.
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

/// Reads the facts that templates see of a host, and `further` facts.
pub async fn read_facts(target: &Target, further: Option<FactKey>) -> Result<Facts, GatherError> {
    let mut connection = Connection::open(target).await?;
    let mut facts = Facts::default();
    let keys = std::iter::once(FactKey::System).chain(further).collect();
    let gathered = gather(&mut connection, &target.name, &keys, &mut facts).await;
    connection.close().await;
    gathered.map(|()| facts)
}
