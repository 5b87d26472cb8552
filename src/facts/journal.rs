//! The journal of a host: what runs of homelab changed there. Each run that changes something has a file of its own, which only
//! its user can read.
//!
//! A file is a line of JSON for each event: first the run ([`RunRecord`]), then, before the steps of a change, the change
//! ([`ChangeRecord`]), and the end of each step, which the host writes by itself. The last line is the end of the run. A run that
//! was cut off has none, and its last line may be torn.
//!
//! A line holds what a review shows, without the text of files. Digests of content are keyed, and the key is in a file beside.

mod parse;
mod probe;
mod standing;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::mark::MARKS;

pub use parse::{Run, RunEnd, Taken, odd, parse};
pub use probe::{CONNECTED, Wanted, probe};
pub use standing::standing;

/// The folder of journals, below homelab's own.
pub const FOLDER: &str = "journal";
/// How many earlier runs keep their journal.
const MOST_RUNS: u32 = 199;
/// How much the journals of earlier runs may take up, in bytes.
const MOST_BYTES: u32 = 32 << 20;
/// The room that a run needs besides what it keeps, in bytes.
const RESERVED: u32 = 256 << 10;

/// The first line of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its name, which begins with its time: names sort by time.
    pub run: String,
    /// When it began to change the host, in UTC.
    pub at: String,
    /// The user and machine that ran it.
    pub who: String,
    pub inventory: String,
    pub deploy: String,
    /// The options that selected a part of the deploy; empty if it was whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// The run that it took back, if it was a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_of: Option<String>,
    /// A digest of what was reviewed for this host.
    pub plan: String,
    /// The version of homelab.
    pub version: String,
}

impl RunRecord {
    /// What ran, as it was called.
    pub fn called(&self) -> String {
        if let Some(of) = &self.rollback_of {
            return format!("rollback of {of}");
        }
        let words = [&self.inventory, &self.deploy].into_iter().chain(&self.filters);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// A change of a resource, written before its first step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// Its number in the run.
    pub change: u32,
    /// The operation's id, without the host.
    pub operation: String,
    pub kind: String,
    pub name: String,
    pub action: String,
    /// How many steps it takes; 0 if the change before it makes it.
    pub steps: usize,
    pub was: Was,
    /// Attributes before and after, as a review shows them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub after: BTreeMap<String, String>,
    /// The keyed digest of a file's new content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where the previous version is kept, if anything was there and could be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// The handlers that it notifies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifies: Vec<HandlerRecord>,
    /// Whether it is a handler's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_handler: bool,
    /// Whether the command of the change before it does it too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joined: bool,
}

/// What was there before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Was {
    Absent,
    Present,
    /// Only the host knew.
    Unknown,
}

/// A handler that a change notifies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HandlerRecord {
    /// `task / handler`.
    pub handler: String,
    /// The unit that it restarts or reloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// The last line of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRecord {
    /// How it ended on this host, in a word.
    pub ended: String,
    /// The changes that ended otherwise than their steps say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<(u32, ChangeEnd)>,
    /// The handlers that it still owes the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owed: Vec<String>,
}

/// How a change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeEnd {
    Applied,
    AlreadySo,
    Failed,
    /// It failed, and the run went on.
    Ignored,
    /// It was made, and taken back in the same run.
    PutBack,
    /// It was under way when the run was cut off.
    Unknown,
    NotReached,
}

/// The attribute with the text of a file.
pub const CONTENT: &str = "content";
/// What stands for what a review does not show.
pub const SECRET: &str = "[secret]";

/// The name of the deploy of a rollback.
pub const ROLLBACK: &str = "rollback";

/// A step's end, which the host writes: `step` is the number of its change, or the first and last of several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct StepRecord {
    step: Numbers,
    end: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Numbers {
    One(u32),
    Range(u32, u32),
}

/// The host found nothing where a change did not know what was there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct AbsentRecord {
    absent: u32,
}

/// The host took a change back by itself, since no new connection confirmed it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct PutBackRecord {
    put_back: u32,
}

/// A later run found nothing left to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeUpRecord {
    /// When that was, in UTC.
    pub made_up: String,
}

/// A line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Line {
    Run(RunRecord),
    Change(Box<ChangeRecord>),
    Step(StepRecord),
    Absent(AbsentRecord),
    PutBack(PutBackRecord),
    MadeUp(MadeUpRecord),
    End(EndRecord),
}

/// The folder of journals below `state_folder`, where homelab keeps its state.
pub fn folder(state_folder: &str) -> String {
    format!("{state_folder}/{FOLDER}")
}

/// The file of a run in it.
pub fn path(state_folder: &str, run: &str) -> String {
    format!("{}/{run}.jsonl", folder(state_folder))
}

/// Shell text that makes the folders of a journal and of marks, and removes the journals of the oldest runs.
pub fn begin(state_folder: &str) -> String {
    let folder = crate::quote::quote(&folder(state_folder));
    let marks = crate::quote::quote(&format!("{state_folder}/{MARKS}"));
    format!(
        "mkdir -p -- {folder} {marks}\n\
         ( cd -- {folder} || exit\n\
         set -- ./*T*Z-*.jsonl\n\
         [ -e \"$1\" ] || exit 0\n\
         n=0 sum=0\n\
         stat -c '%s %n' -- \"$@\" | sort -r -k 2 | while read -r size run; do\n\
         n=$((n + 1)) sum=$((sum + size))\n\
         [ $n -le {MOST_RUNS} ] && [ $sum -le {MOST_BYTES} ] || rm -f -- \"$run\" \"${{run%.jsonl}}.key\"\n\
         done )\n"
    )
}

/// Shell text that fails unless there is room for a run: what it notes later must not fail for that.
pub fn reserve(state_folder: &str) -> String {
    let file = crate::quote::quote(&format!("{state_folder}/{FOLDER}/.room"));
    format!("head -c {RESERVED} /dev/zero >{file}; hl_room=$?; rm -f -- {file}; [ $hl_room = 0 ] || exit\n")
}

/// Shell text that adds, in the body of a step, that nothing is where the change `number` did not know what is there.
pub fn note_absent(number: u32) -> String {
    format!("[ -z \"$hl_journal\" ] || printf '{{\"absent\":%s}}\\n' {number} >>\"$hl_journal\"")
}

/// Whether `run` is the name of a run.
pub fn is_run(run: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !run.is_empty() && run.bytes().all(is_of_name) && !run.starts_with('-')
}

#[cfg(test)]
mod tests;
