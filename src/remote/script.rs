//! The text that the channel sends to a host's shell.
//!
//! A frame is one group `{ … }`: a shell runs none of it before it has read the closing brace, so a frame that is cut off never
//! runs in part. Scripts are quoted text, evaluated in a subshell: an `exit` or a syntax error ends only that subshell. Each part
//! of a frame answers with a tag: a line with the connection's random nonce, the part's number, its outcome and a status.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::functions::{Functions, READING};
use super::nonce::Nonce;
use super::step::{Prints, StepScript, Together};
use crate::facts::Probe;
use crate::quote::{Unquotable, quoted_script, try_quote};

/// The number of the tag that reports that the host's shell is ready.
pub(super) const READY: u32 = 0;

/// The outcome of a tag that is not the answer yet: the output before it says what the step waits for.
pub(super) const NOTE: &str = "note";

/// The outcome of a tag that is not the answer yet: its status is a number of bytes that the host left out of the output.
pub(super) const GAP: &str = "gap";

/// The first byte of tags while a command's output is forwarded.
pub(super) const LEAD: u8 = 0x1e;

/// The first text that a channel sends.
pub(super) fn prologue(nonce: &Nonce) -> String {
    READING.replace("NONCE", nonce.as_str())
}

/// The command of a second channel that fills the staged file of the shell `shell_pid` from its standard input.
///
/// `dd` instead of a redirection, since it is started by a login shell of any kind.
pub(super) fn pump_command(shell_pid: u32) -> String {
    format!("dd of=/proc/{shell_pid}/fd/8 bs=65536")
}

/// How a step's content reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// In the frame, if there is content.
    Inline,
    /// In the staged file.
    Staged,
    /// Not at all: the step fails.
    Refused,
}

/// A frame that is ready to send.
#[derive(Debug)]
pub(super) struct FrameText {
    pub(super) text: String,
    /// The numbers of the tags that answer it.
    pub(super) numbers: Range<u32>,
    /// The functions that the channel has after it.
    pub(super) functions: Functions,
}

/// Builds a frame.
pub(super) struct Frame<'a> {
    nonce: &'a Nonce,
    /// The functions that the channel has already.
    defined: Functions,
    needed: Functions,
    /// Functions of probes that the frame defines.
    shared: Vec<&'static str>,
    text: String,
    /// What comes after the steps that run together: a line for each of them.
    late: Vec<String>,
    /// The numbers of their parts, each with that of its first step.
    parts: Vec<(usize, u32)>,
    first: u32,
    next: u32,
}

impl<'a> Frame<'a> {
    /// An empty frame for a channel that has the functions `defined`; its parts are numbered from `first`.
    pub(super) fn new(nonce: &'a Nonce, first: u32, defined: Functions) -> Self {
        Self {
            nonce,
            defined,
            needed: Functions::default(),
            shared: Vec::new(),
            text: String::new(),
            late: Vec::new(),
            parts: Vec::new(),
            first,
            next: first,
        }
    }

    /// Runs `probe`. It answers with two tags: its standard output and status, then its standard error.
    pub(super) fn probe(&mut self, probe: &Probe) -> Result<(), Unquotable> {
        let text = quoted_script(probe.text())?;
        for functions in probe.functions() {
            if !self.shared.contains(&functions) {
                self.shared.push(functions);
                self.text.push_str(functions);
            }
        }
        let number = self.number();
        self.number();
        self.line(format_args!("hl_probe {number} {text}"));
        Ok(())
    }

    /// Runs a command of the user and forwards its output.
    pub(super) fn run(&mut self, script: &str) -> Result<(), Unquotable> {
        self.needed.exec = true;
        let text = quoted_script(script)?;
        let number = self.number();
        self.line(format_args!("hl_run {number} {text}"));
        Ok(())
    }

    /// Performs `step`.
    pub(super) fn step(&mut self, step: &StepScript, delivery: Delivery) -> Result<(), Unquotable> {
        self.needed.changing = true;
        let already = quoted_or_nothing(step.already.as_deref())?;
        let guard = quoted_or_nothing(step.guard.as_deref())?;
        let body = quoted_script(&step.body)?;
        // The lines before a large step were written when its file was opened.
        self.record(step, !step.is_large())?;
        let number = self.number();
        if let Some(together) = step.runs_together() {
            return self.early(number, step, together, &format!("{already} {guard} {body}"));
        }
        // For staged content, `hl_stage` has run `already` before.
        let already = match delivery {
            Delivery::Staged => Cow::Borrowed("''"),
            Delivery::Inline | Delivery::Refused => already,
        };
        let (name, manner) = (random_name(), manner(step));
        let head = format!("hl_step {number} {name} {manner} {already} {guard} {body}");
        match (&step.content, delivery) {
            (None, _) => self.line(format_args!("{head} nothing")),
            (Some(content), Delivery::Staged) => self.line(format_args!("{head} staged {}", content.size())),
            (Some(_), Delivery::Refused) => {
                self.line(format_args!(
                    "hl_unstage; hl_step {number} {name} '' '' '' 'exit 1' nothing"
                ));
            }
            (Some(content), Delivery::Inline) => {
                let nonce = self.nonce.as_str();
                let encoded = STANDARD.encode(content.bytes().unwrap_or_default());
                self.line(format_args!("{head} inline <<'{nonce}'\n{encoded}\n{nonce}"));
            }
        }
        if let Some(closing) = closing(step)? {
            self.line(format_args!("{closing}"));
        }
        Ok(())
    }

    /// Performs a step that runs together with its neighbors; `scripts` are three words of the shell.
    fn early(&mut self, number: u32, step: &StepScript, together: &Together, scripts: &str) -> Result<(), Unquotable> {
        let settle = quoted_or_nothing(together.settle.as_deref())?;
        let entry = step.record.as_ref().map_or("", |record| &record.entry);
        let entry = try_quote(entry)?;
        let manner = manner(step);
        let mut late = format!("hl_late {number} {} {manner} {entry} {settle}", random_name());
        if let Some(closing) = closing(step)? {
            late = format!("{late}\n{closing}");
        }
        if self.late.is_empty() {
            self.push("hl_failed= hl_watched=");
        }
        let known = self.parts.iter().find(|(part, _)| *part == together.part);
        let part = known.map_or(number, |(_, first)| *first);
        if known.is_none() {
            self.parts.push((together.part, part));
        }
        self.push(&format!("hl_early {number} {} {part} {scripts}", random_name()));
        self.late.push(late);
        Ok(())
    }

    /// What the journal says of `step` before it; with `opens`, also the lines that come first.
    fn record(&mut self, step: &StepScript, opens: bool) -> Result<(), Unquotable> {
        let Some(record) = &step.record else { return Ok(()) };
        if let Some(opening) = record.opening.as_ref().filter(|_| opens) {
            let begin = quoted_or_nothing(opening.begin.as_deref())?;
            let path = try_quote(&opening.path)?;
            let (nonce, lines) = (self.nonce.as_str(), &opening.lines);
            self.line(format_args!("hl_record {path} {begin} <<'{nonce}'\n{lines}{nonce}"));
        }
        if step.runs_together().is_none() {
            let entry = try_quote(&record.entry)?;
            self.line(format_args!("hl_entry={entry}"));
        }
        Ok(())
    }

    /// Opens a file for the content of `step`, which comes next. If the step is already done or stale, this gives its answer instead.
    pub(super) fn stage(&mut self, step: &StepScript) -> Result<(), Unquotable> {
        self.needed.changing = true;
        let already = quoted_or_nothing(step.already.as_deref())?;
        let guard = quoted_or_nothing(step.guard.as_deref())?;
        let path = quoted_or_nothing(step.stage.as_deref())?;
        self.record(step, true)?;
        let number = self.number();
        let name = random_name();
        self.line(format_args!("hl_stage {number} {name} {already} {guard} {path}"));
        Ok(())
    }

    /// Adds `piece` to the staged file.
    pub(super) fn append(&mut self, piece: &[u8]) {
        self.needed.changing = true;
        let (number, nonce) = (self.number(), self.nonce.as_str());
        let encoded = STANDARD.encode(piece);
        self.line(format_args!("hl_append {number} <<'{nonce}'\n{encoded}\n{nonce}"));
    }

    /// Takes the lock at `path` for `who`. The host looks after so many `seconds`, again and again, whether the link is lost.
    pub(super) fn lock(&mut self, path: &str, who: &str, seconds: u64) -> Result<(), Unquotable> {
        self.needed.changing = true;
        let (path, who) = (try_quote(path)?, try_quote(who)?);
        let number = self.number();
        self.line(format_args!("hl_lock {number} {path} {who} {seconds}"));
        Ok(())
    }

    /// Releases the lock.
    pub(super) fn unlock(&mut self) {
        self.needed.changing = true;
        let number = self.number();
        self.line(format_args!("hl_unlock {number}"));
    }

    /// Clears the halt that a failed step left.
    pub(super) fn resume(&mut self) {
        self.needed.changing = true;
        let number = self.number();
        self.line(format_args!("hl_resume {number}"));
    }

    /// The complete text. A frame needs at least one part: an empty group is a syntax error.
    pub(super) fn finish(mut self) -> FrameText {
        self.end_together();
        let mut text = String::from("{\n");
        for functions in self.needed.missing_from(self.defined) {
            text.push_str(&functions.replace("NONCE", self.nonce.as_str()));
        }
        text.push_str(&self.text);
        text.push_str("}\n");
        FrameText {
            text,
            numbers: self.first..self.next,
            functions: self.needed.and(self.defined),
        }
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn line(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.end_together();
        self.push(&arguments.to_string());
    }

    /// The steps that run together are over.
    fn end_together(&mut self) {
        for line in std::mem::take(&mut self.late) {
            self.push(&line);
        }
        self.parts.clear();
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// The line that ends the journal of a run after `step`, if that is its last one.
fn closing(step: &StepScript) -> Result<Option<String>, Unquotable> {
    let closing = step.record.as_ref().and_then(|record| record.closing.as_ref());
    closing
        .map(|closing| {
            let (line, mark) = (try_quote(&closing.line)?, try_quote(&closing.mark)?);
            Ok(format!("hl_close {line} {mark}"))
        })
        .transpose()
}

/// The name of a file for what a step prints, which cannot be guessed.
fn random_name() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// A letter for each way in which a step differs from the usual one.
fn manner(step: &StepScript) -> String {
    let output = match step.prints {
        Prints::Little => "",
        Prints::Much => "w",
        Prints::Live => "l",
    };
    let notes = if step.notes { "n" } else { "" };
    match format!("{output}{notes}") {
        letters if letters.is_empty() => "''".to_owned(),
        letters => letters,
    }
}

/// An empty argument means that there is no script, so an empty script becomes `:`.
fn quoted_or_nothing(script: Option<&str>) -> Result<Cow<'_, str>, Unquotable> {
    match script {
        None => Ok(Cow::Borrowed("''")),
        Some("") => Ok(Cow::Borrowed(":")),
        Some(text) => quoted_script(text),
    }
}
