//! Reads facts of one host in one script, and runs the user's commands on hosts. The caller decides which facts.

mod backups;
mod command;
mod journal;
mod turns;

use std::collections::BTreeSet;
use std::future::Future;

use crate::facts::{FactKey, Facts, Probe, Question, UnreadableAnswer, questions};
use crate::remote::{Answer, Connection, RemoteError, Target, Writer};

pub use self::backups::{
    Backup, BackupEnd, BackupSettings, BackupWork, BackupsFound, HostBackups, read_backups, work_on_backups,
};
pub use self::command::{CommandEvent, CommandOutput, Ran, run_command};
pub use self::journal::{HostJournal, read_journal, read_journal_of, read_journals, read_run};
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

    /// Whether it reads for a review of what root would do, as a user who cannot do it.
    fn is_for_review_only(&self) -> bool {
        false
    }
}

impl Reader for Connection {
    async fn ask(&mut self, probes: &[Probe]) -> Result<Vec<Answer>, RemoteError> {
        self.read(probes).await
    }

    fn is_for_review_only(&self) -> bool {
        Connection::is_for_review_only(self)
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
    let probes = FactProbes::of(keys);
    let answers = reader.ask(&probes.probes).await?;
    probes.keep(host, answers, facts)?;
    if reader.is_for_review_only() {
        facts.plan_as_root();
    }
    Ok(())
}

/// Probes for facts, for a caller that sends them along with something else.
#[derive(Debug, Default)]
pub struct FactProbes {
    questions: Vec<Question>,
    /// What to send.
    pub probes: Vec<Probe>,
}

impl FactProbes {
    /// The probes for `keys`.
    pub fn of(keys: &BTreeSet<FactKey>) -> Self {
        let questions = questions(keys);
        let probes = questions.iter().map(|question| question.probe().clone()).collect();
        Self { questions, probes }
    }

    /// Keeps the answers of `host` in `facts`.
    pub fn keep(&self, host: &str, answers: Vec<Answer>, facts: &mut Facts) -> Result<(), GatherError> {
        for (question, answer) in self.questions.iter().zip(answers) {
            let read = match question.parse(answer.status, &answer.stdout) {
                Ok(read) => read,
                // The plan says what the matter is: programs of such a host answer differently.
                Err(_) if facts.unsupported_system().is_some() => continue,
                Err(cause) => {
                    return Err(GatherError::Unreadable {
                        host: host.to_owned(),
                        subject: question.subject(),
                        cause,
                    });
                }
            };
            for (key, fact) in read {
                facts.insert(key, fact);
            }
        }
        Ok(())
    }
}

/// Reads the facts that templates see of a host, and `further` facts.
pub async fn read_facts(target: &Target, further: impl IntoIterator<Item = FactKey>) -> Result<Facts, GatherError> {
    let mut connection = Connection::open(target).await?;
    let mut facts = Facts::default();
    let keys = std::iter::once(FactKey::System).chain(further).collect();
    let gathered = gather(&mut connection, &target.name, &keys, &mut facts).await;
    connection.close().await;
    gathered.map(|()| facts)
}
