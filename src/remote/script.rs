//! The text that the channel sends to a host's shell.
//!
//! A frame is one group `{ … }`: a shell runs none of it before it has read the closing brace, so a frame that is cut off never
//! runs in part. Scripts are quoted text, evaluated in a subshell: an `exit` or a syntax error ends only that subshell. Each part
//! of a frame answers with a tag: a line with the connection's random nonce, the part's number, its outcome and a status.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::nonce::Nonce;
use super::step::StepScript;
use crate::facts::Probe;
use crate::quote::{Unquotable, try_quote};

/// The number of the tag that reports that the host's shell is ready.
pub(super) const READY: u32 = 0;

/// The outcome of a tag that is not the answer yet: the output before it says what the step waits for.
pub(super) const NOTE: &str = "note";

/// The first byte of tags while a command's output is forwarded.
pub(super) const LEAD: u8 = 0x1e;

/// The functions that frames call, defined once per channel. `NONCE` is replaced by the nonce.
///
/// `hl_note` sends a note from the body of a step that has printed nothing yet, while the body goes on.
///
/// `hl_run` forwards a command's two streams unchanged, so its tags begin with [`LEAD`]: a line break may be output.
///
/// If content arrives short, a further block shows why the host takes no more, such as a full disk.
///
/// Descriptors: 5 is the standard error that the shell was started with; 6, 7 and 8 are a staged content's (to count, to read, to write), 9 is the lock's. Nothing that runs on
/// behalf of an operation inherits them: a daemon would keep the lock forever.
const PROLOGUE: &str = r#"{
exec 5>&2 2>&1
umask 077
LC_ALL=C
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export LC_ALL PATH
hl_halt=
hl_file=
trap hl_unstage EXIT
hl_tag() { printf '\n%s %s %s %s\n' NONCE "$1" "$2" "$3"; }
hl_eval() { hl_text=$1; set --; eval "$hl_text"; }
hl_probe() {
{ hl_errors=$( { hl_eval "$2"; } </dev/null 2>&1 >&3 3>&- 5>&- 6<&- 7<&- 8>&- 9>&- ); hl_status=$?; } 3>&1
hl_tag "$1" answer "$hl_status"
printf %s "$hl_errors"
hl_tag "$(($1 + 1))" errors 0
}
hl_mark() { printf '\036%s %s %s %s\n' NONCE "$1" "$2" "$3"; }
hl_run() {
hl_mark "$1" begun 0 >&5
( hl_eval "$2" ) </dev/null 2>&5 5>&- 6<&- 7<&- 8>&- 9>&-
hl_status=$?
hl_mark "$1" ended 0 >&5
hl_mark "$1" ended "$hl_status"
}
hl_note() { printf %s "$1"; hl_tag "$hl_number" note 0; }
hl_step() {
hl_number=$1
if [ -n "$hl_halt" ]; then hl_tag "$1" skipped 0; return 0; fi
if [ -n "$2" ]; then
( hl_eval "$2" ) </dev/null 5>&- 6<&- 7<&- 8>&- 9>&-
if [ $? = 0 ]; then hl_unstage; hl_tag "$1" already 0; return 0; fi
fi
if [ -n "$3" ]; then
( hl_eval "$3" ) </dev/null 5>&- 6<&- 7<&- 8>&- 9>&-
hl_status=$?
if [ "$hl_status" != 0 ]; then hl_unstage; hl_halt=1; hl_tag "$1" stale "$hl_status"; return 0; fi
fi
staged=
case $5 in
nothing) ( hl_eval "$4" ) </dev/null 5>&- 9>&-; hl_status=$? ;;
inline) hl_unstage
if command -v base64 >/dev/null; then base64 -d | ( hl_eval "$4" ) 5>&- 9>&-; hl_status=$?
else echo 'base64: not found'; hl_status=127; fi ;;
staged) if [ -n "$hl_file" ]; then hl_size=$(wc -c <"$hl_file"); hl_folder=${hl_file%/*}/
else hl_size=$(wc -c <&6); hl_folder='the folder for temporary files'; fi
exec 6<&-
[ "${hl_size:-0}" -eq "$6" ] || dd if=/dev/zero bs=65536 count=1 2>&1 >>"/proc/$$/fd/8" 5>&- 7<&- 8>&- 9>&- | sed -n 's/^dd: //p'
exec 8>&-
if [ "${hl_size:-0}" -ne "$6" ]; then echo "only ${hl_size:-0} of $6 bytes arrived in $hl_folder"; hl_status=1
elif [ -n "$hl_file" ]; then staged=$hl_file; ( hl_eval "$4" ) </dev/null 5>&- 9>&-; hl_status=$?
else ( hl_eval "$4" ) <&7 5>&- 7<&- 9>&-; hl_status=$?; fi
hl_unstage ;;
esac
if [ "$hl_status" = 0 ]; then hl_tag "$1" done 0; else hl_halt=1; hl_tag "$1" failed "$hl_status"; fi
}
hl_stage() {
if [ -n "$hl_halt" ]; then hl_tag "$1" skipped 0; return 0; fi
hl_number=$1
if [ -n "$2" ]; then
( hl_eval "$2" ) </dev/null 5>&- 9>&-
if [ $? = 0 ]; then hl_tag "$1" already 0; return 0; fi
fi
if [ -n "$3" ]; then
( hl_eval "$3" ) </dev/null 5>&- 9>&-
hl_status=$?
if [ "$hl_status" != 0 ]; then hl_halt=1; hl_tag "$1" stale "$hl_status"; return 0; fi
fi
if [ -z "$4" ]; then
if hl_new=$(mktemp); then exec 8>"$hl_new" 7<"$hl_new" 6<"$hl_new"; rm -f "$hl_new"; hl_tag "$1" staged 0
else hl_tag "$1" unstaged 1; fi
return 0
fi
find "${4%/*}/" -maxdepth 1 -type f -name '.homelab-????????????????' -mmin +60 -exec rm -f -- {} + 2>/dev/null 5>&- 9>&-
set -C
if command exec 8>"$4"; then hl_file=$4; set +C; hl_tag "$1" staged 0
else set +C; hl_halt=1; hl_tag "$1" failed 1; fi
}
hl_append() {
if [ -z "$hl_halt" ]; then base64 -d >&8 5>&- 6<&- 7<&- 9>&-; fi
hl_tag "$1" appended $?
}
hl_unstage() {
exec 6<&- 7<&- 8>&-
[ -z "$hl_file" ] || [ ! -e "$hl_file" ] || rm -f -- "$hl_file"
hl_file=
}
hl_lock() {
[ -d "${2%/*}" ] || [ "$(id -u)" = 0 ] || mkdir -p -- "${2%/*}"
if ( exec 9>>"$2" ); then exec 9>>"$2"; else hl_tag "$1" unavailable 1; return 0; fi
flock -n 9
hl_status=$?
case $hl_status in
0) : >"$2"; printf '%s\n%s\n' "$3" "$(date -u +%Y-%m-%dT%H:%M:%SZ 9>&-)" >&9; hl_tag "$1" locked 0 ;;
1) cat "$2"; exec 9>&-; hl_tag "$1" held 1 ;;
*) exec 9>&-; hl_tag "$1" unavailable "$hl_status" ;;
esac
}
hl_unlock() { exec 9>&-; hl_tag "$1" unlocked 0; }
hl_resume() { hl_halt=; hl_tag "$1" resumed 0; }
hl_tag 0 ready $$
}
"#;

/// The first text that a channel sends.
pub(super) fn prologue(nonce: &Nonce) -> String {
    PROLOGUE.replace("NONCE", nonce.as_str())
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

/// Builds a frame.
pub(super) struct Frame<'a> {
    nonce: &'a Nonce,
    text: String,
    first: u32,
    next: u32,
}

impl<'a> Frame<'a> {
    /// An empty frame; its parts are numbered from `first`.
    pub(super) fn new(nonce: &'a Nonce, first: u32) -> Self {
        Self {
            nonce,
            text: String::from("{\n"),
            first,
            next: first,
        }
    }

    /// Runs `probe`. It answers with two tags: its standard output and status, then its standard error.
    pub(super) fn probe(&mut self, probe: &Probe) -> Result<(), Unquotable> {
        let text = try_quote(probe.text())?;
        let number = self.number();
        self.number();
        self.line(format_args!("hl_probe {number} {text}"));
        Ok(())
    }

    /// Runs a command of the user and forwards its output.
    pub(super) fn run(&mut self, script: &str) -> Result<(), Unquotable> {
        let text = try_quote(script)?;
        let number = self.number();
        self.line(format_args!("hl_run {number} {text}"));
        Ok(())
    }

    /// Performs `step`.
    pub(super) fn step(&mut self, step: &StepScript, delivery: Delivery) -> Result<(), Unquotable> {
        let already = quoted_or_nothing(step.already.as_deref())?;
        let guard = quoted_or_nothing(step.guard.as_deref())?;
        let body = try_quote(&step.body)?;
        let number = self.number();
        // For staged content, `hl_stage` has run `already` before.
        let already = match delivery {
            Delivery::Staged => Cow::Borrowed("''"),
            Delivery::Inline | Delivery::Refused => already,
        };
        let head = format!("hl_step {number} {already} {guard} {body}");
        match (&step.content, delivery) {
            (None, _) => self.line(format_args!("{head} nothing")),
            (Some(content), Delivery::Staged) => self.line(format_args!("{head} staged {}", content.size())),
            (Some(_), Delivery::Refused) => {
                self.line(format_args!("hl_unstage; hl_step {number} '' '' 'exit 1' nothing"));
            }
            (Some(content), Delivery::Inline) => {
                let nonce = self.nonce.as_str();
                let encoded = STANDARD.encode(content.bytes().unwrap_or_default());
                self.line(format_args!("{head} inline <<'{nonce}'\n{encoded}\n{nonce}"));
            }
        }
        Ok(())
    }

    /// Opens a file for the content of `step`, which comes next. If the step is already done or stale, this gives its answer instead.
    pub(super) fn stage(&mut self, step: &StepScript) -> Result<(), Unquotable> {
        let already = quoted_or_nothing(step.already.as_deref())?;
        let guard = quoted_or_nothing(step.guard.as_deref())?;
        let path = quoted_or_nothing(step.stage.as_deref())?;
        let number = self.number();
        self.line(format_args!("hl_stage {number} {already} {guard} {path}"));
        Ok(())
    }

    /// Adds `piece` to the staged file.
    pub(super) fn append(&mut self, piece: &[u8]) {
        let (number, nonce) = (self.number(), self.nonce.as_str());
        let encoded = STANDARD.encode(piece);
        self.line(format_args!("hl_append {number} <<'{nonce}'\n{encoded}\n{nonce}"));
    }

    /// Takes the lock at `path` for `who`.
    pub(super) fn lock(&mut self, path: &str, who: &str) -> Result<(), Unquotable> {
        let (path, who) = (try_quote(path)?, try_quote(who)?);
        let number = self.number();
        self.line(format_args!("hl_lock {number} {path} {who}"));
        Ok(())
    }

    /// Releases the lock.
    pub(super) fn unlock(&mut self) {
        let number = self.number();
        self.line(format_args!("hl_unlock {number}"));
    }

    /// Clears the halt that a failed step left.
    pub(super) fn resume(&mut self) {
        let number = self.number();
        self.line(format_args!("hl_resume {number}"));
    }

    /// The complete text, and the numbers of the tags that answer it. A frame needs at least one part: an empty group is a syntax error.
    pub(super) fn finish(mut self) -> (String, std::ops::Range<u32>) {
        self.text.push_str("}\n");
        (self.text, self.first..self.next)
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn line(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{arguments}");
    }
}

/// An empty argument means that there is no script, so an empty script becomes `:`.
fn quoted_or_nothing(script: Option<&str>) -> Result<Cow<'_, str>, Unquotable> {
    match script {
        None => Ok(Cow::Borrowed("''")),
        Some("") => Ok(Cow::Borrowed(":")),
        Some(text) => try_quote(text),
    }
}
