//! A step as it is sent to a host, and the host's answer.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use super::answers::Tagged;
use super::limits::Limits;
use crate::content::Content;

/// Content up to this size is sent in the frame.
const LARGEST_INLINE: u64 = 128 * 1024;
/// How long a step without a time limit of its own may take, such as the removal of a large directory.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// What is added to any limit, for everything around the step: checks, syncing a slow disk, the way there and back.
const AROUND: Duration = Duration::from_secs(120);
/// A slow disk or line takes this many bytes of content in a second.
const SLOWEST: u64 = 64 * 1024;
/// More bytes in answer to one step are an error: the host's functions never send as many.
const MOST_SENT: u64 = 16 << 20;

/// One change, as three pieces of shell text. Each runs in a subshell of its own, with `umask 077` and `LC_ALL=C`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StepScript {
    /// Exits with 0 if the change is already made; then the rest does not run.
    pub already: Option<String>,
    /// Exits with another status than 0 if the host has changed since the review.
    pub guard: Option<String>,
    /// Makes the change. Its standard input is `content`, or empty.
    pub body: String,
    /// Input of the body. It is never an argument of a process, which other users could see.
    pub content: Option<Content>,
    /// The path of a new file for large content. If it is used, the body finds the path in `$staged`, and its standard input is empty;
    /// if not, `$staged` is empty. The file is removed afterwards if it still exists.
    pub stage: Option<String>,
    pub prints: Prints,
    /// How long its scripts may take, if they have a time limit of their own; the default is half an hour.
    pub limit: Option<Duration>,
    /// Whether the body may call `hl_note`, which sends a line at once. Only for bodies that are homelab's own: descriptor 4 carries
    /// notes, and the body must close it for everything else that it runs (`4>&-`).
    pub notes: bool,
    /// What the journal of the host says of it.
    pub record: Option<StepRecord>,
    /// Whether it runs along with its neighbors.
    pub together: Option<Together>,
}

/// How a step runs along with its neighbors that have this too: first the bodies of all of them, one after the other, and then what
/// watches them, so that all are watched at the same time. Only for steps without content.
///
/// If one fails, the later steps of its own part are skipped, but those of other parts are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Together {
    /// The same number for steps that need each other.
    pub part: usize,
    /// Fails if what the body did does not last. Its standard input is what the body printed, and `$watched` is not empty if this
    /// text of a neighbor has ended with success since all bodies have run.
    pub settle: Option<String>,
}

/// What the journal of the host says of a step. The host writes it along with the step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepRecord {
    /// What is written before the step.
    pub opening: Option<Opening>,
    /// What the line with the step's end names: a value of JSON.
    pub entry: String,
    /// What is written after the step if no step failed.
    pub closing: Option<Closing>,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Its line for the journal.
    pub line: String,
    /// The path of the run's mark, which goes then.
    pub mark: String,
}

/// Lines for the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The journal's path.
    pub path: String,
    /// Shell text that makes its folder; only for the first lines of a run.
    pub begin: Option<String>,
    /// Whole lines.
    pub lines: String,
}

/// Neighboring steps that one script can perform together.
#[derive(Clone, Debug)]
pub struct StepGroup {
    /// The steps, by their places.
    pub of: Range<usize>,
    /// Does what they do. If it fails, each of them still can be performed, and its `already` says whether it has to be.
    pub script: StepScript,
    /// The exit code with which it fails if its first step would fail in the same way: then that step has failed, and nothing is tried
    /// again.
    pub not_begun: Option<i32>,
}

/// What is expected of a step's output. At most the last 64 KiB of it are kept, and sent when the step has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prints {
    /// A few lines.
    #[default]
    Little,
    /// Perhaps more than the host has room for: what was sent or is left out must not take up room there.
    Much,
    /// The same, and it is sent as it is printed, up to 4 MiB.
    Live,
}

impl StepScript {
    /// The text that runs last, and whose end is that of the step: what watches the body, if anything does.
    pub fn ending(&mut self) -> &mut String {
        let settle = self.together.as_mut().and_then(|together| together.settle.as_mut());
        settle.unwrap_or(&mut self.body)
    }

    /// The limits of its answer.
    pub(super) fn limits(&self) -> Limits {
        let content = self.content.as_ref().map_or(0, Content::size);
        let total = self.limit.unwrap_or(LONGEST) + AROUND + Duration::from_secs(content / SLOWEST);
        Limits {
            silence: None,
            total: Some(total),
            bytes: MOST_SENT,
        }
    }

    /// How it runs together with its neighbors, if it does.
    pub(super) fn runs_together(&self) -> Option<&Together> {
        self.together.as_ref().filter(|_| self.content.is_none())
    }

    /// Whether the content is too large for the frame.
    pub(super) fn is_large(&self) -> bool {
        self.content
            .as_ref()
            .is_some_and(|content| content.size() > LARGEST_INLINE || content.bytes().is_none())
    }
}

/// The content may be a secret: only its size is shown.
impl fmt::Debug for StepScript {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StepScript")
            .field("already", &self.already)
            .field("guard", &self.guard)
            .field("body", &self.body)
            .field("content", &self.content)
            .field("stage", &self.stage)
            .field("prints", &self.prints)
            .field("limit", &self.limit)
            .field("notes", &self.notes)
            .field("record", &self.record)
            .field("together", &self.together)
            .finish()
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// The change was made.
    Done,
    /// The change was made before.
    Already,
    /// The host has changed since the review. Nothing was done; later steps are skipped.
    Stale,
    /// The body failed; later steps are skipped, but for those that run together with it.
    Failed { status: i32 },
    /// An earlier step failed or was stale.
    Skipped,
}

impl StepEnd {
    /// Whether later steps are skipped because of this one.
    pub(super) fn halts(self) -> bool {
        matches!(self, Self::Stale | Self::Failed { .. })
    }
}

/// The host's answer to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepAnswer {
    pub end: StepEnd,
    /// Standard output and standard error of its scripts, in order; at most the last 64 KiB.
    pub output: Vec<u8>,
    /// The number of bytes that were dropped before `output`.
    pub cut: u64,
    /// Why it failed, if the reason is on this machine and not on the host.
    pub cause: Option<String>,
}

impl StepAnswer {
    /// The answer in a tag; `None` if the tag does not answer a step.
    pub(super) fn of(tagged: &Tagged) -> Option<Self> {
        let status = i32::try_from(tagged.status).unwrap_or(i32::MAX);
        let end = match tagged.outcome.as_str() {
            "done" => StepEnd::Done,
            "already" => StepEnd::Already,
            "stale" => StepEnd::Stale,
            "failed" => StepEnd::Failed { status },
            "skipped" => StepEnd::Skipped,
            _ => return None,
        };
        Some(Self {
            end,
            output: tagged.output.clone(),
            cut: tagged.cut,
            cause: None,
        })
    }
}

/// News of a step that is being performed.
#[derive(Clone, Copy, Debug)]
pub enum StepNews<'a> {
    /// Output; the step goes on.
    Output(&'a [u8]),
    /// The host left out this many bytes of the output.
    LeftOut(u64),
    /// Progress of sending its content, in bytes.
    Sent(u64, u64),
    /// It waits, for this reason; its answer is still to come.
    Waits(&'a str),
    /// It has ended.
    Through(&'a StepAnswer),
}
