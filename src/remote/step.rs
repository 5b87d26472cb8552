//! A change as it is sent to a host, and what the host answers.

use std::fmt;

use super::answers::Tagged;
use crate::content::Content;

/// Contents up to this size travel in the frame.
const LARGEST_INLINE: u64 = 128 * 1024;

/// One change, as three pieces of shell text. Each runs in a subshell of its own, with `umask 077` and `LC_ALL=C`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StepScript {
    /// Exits 0 where nothing needs doing; then the rest does not run.
    pub already: Option<String>,
    /// Exits with another status than 0 where the host is not as it was when the change was reviewed.
    pub guard: Option<String>,
    /// Makes the change. Reads `content` on its standard input, or nothing.
    pub body: String,
    /// Bytes for the body, which never are an argument of any process.
    pub content: Option<Content>,
    /// Where a large content may be put beforehand, as a file that does not exist yet. The body then finds this path in `$staged`,
    /// which is empty where the content comes on standard input, and nothing to read. What is left there afterwards is removed.
    pub stage: Option<String>,
}

impl StepScript {
    /// Whether the content does not travel in a frame of steps.
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
            .finish()
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// The change was made.
    Done,
    /// Nothing needed doing.
    Already,
    /// The host is not as it was when the change was reviewed. Nothing was done; later steps are skipped.
    Stale,
    /// The body failed; later steps are skipped.
    Failed {
        /// The exit status.
        status: i32,
    },
    /// An earlier step failed or was stale.
    Skipped,
}

impl StepEnd {
    /// Whether later steps are skipped because of this one.
    pub(super) fn halts(self) -> bool {
        matches!(self, Self::Stale | Self::Failed { .. })
    }
}

/// What a host answered to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepAnswer {
    /// How it ended.
    pub end: StepEnd,
    /// What its scripts wrote to standard output and standard error, in order; of a long one the last 64 KiB.
    pub output: Vec<u8>,
    /// How many bytes before `output` were dropped.
    pub cut: u64,
    /// Why it failed, where that was seen here and not on the host.
    pub cause: Option<String>,
}

impl StepAnswer {
    /// The answer that a tag is; `None` where it is none of a step.
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

/// What is heard of a step.
#[derive(Clone, Copy, Debug)]
pub enum StepNews<'a> {
    /// It has written this, and goes on.
    Output(&'a [u8]),
    /// So many bytes of its content have been sent, of so many.
    Sent(u64, u64),
    /// It waits, for what these words say; its answer is still to come.
    Waits(&'a str),
    /// It is through.
    Through(&'a StepAnswer),
}
