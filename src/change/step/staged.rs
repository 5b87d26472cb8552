//! What steps will have done, made in a throw-away view of the host ([`crate::facts::layers`]), for the programs that validate
//! new files.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Step;
use super::fetch::Fetch;
use super::kind::ScriptOptions;
use super::state::{content_is, file_is};
use super::write_file::WriteFile;
use crate::quote::quote;

/// More bytes of files than this are not sent for it.
const MOST_CONTENT: usize = 4 << 20;
/// How long a validator may take if no limit is set.
const LIMIT: Duration = Duration::from_secs(60);
/// How much of what a validator says is kept, in bytes.
const MOST_SAID: usize = 8192;

/// A part of what is made and validated, in order.
#[derive(Clone, Copy, Debug)]
pub enum StagedPart<'a> {
    Step(&'a Step),
    /// Something happens that can only be seen once it has happened.
    Unseen,
    /// The validator of a file that was made.
    Validate(&'a WriteFile),
}

/// What a validator says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub answer: ValidatorAnswer,
    /// Whether something is not to be seen that an earlier part does.
    pub is_partial: bool,
    /// Mounted file systems of the host that are not to be seen.
    pub hidden: Vec<String>,
    /// What it printed.
    pub said: String,
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
}

/// How a validator ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidatorAnswer {
    Accepted,
    Refused,
    /// It wrote to the new file.
    Changed,
    /// It took longer than it may.
    TooLong,
    /// Its program is not on the host.
    Missing,
    /// The folder of the new file is not there.
    NoFolder,
    /// The new file could not be made.
    Unmade,
}

/// Makes files, and validates them. Users of the host may own the folder: the name is new and cannot be guessed. What a validator prints
/// goes into a file without a name (descriptor 6): a process that it leaves behind would keep a pipe open.
const FUNCTIONS: &str = r#"exec 6>>/dev/shm/said && rm -f /dev/shm/said
lay() {
t=$(mktemp -- "${1%/*}/.homelab-XXXXXXXXXX") && cat >"$t" && chown -h -- "$2" "$t" && chmod -- "$3" "$t" && mv -f -T -- "$t" "$1"
}
made() { stat -c '%d:%i %u:%g %a' -- "$v"; sha256sum <"$v"; }
lost=0
tell() { printf '%s %s\0%s\0%s\0' "$1" "$lost" "$hidden" "$2"; }
"#;

/// Shell text for a view of the host that makes what `parts` do. It answers each [`StagedPart::Validate`], in order.
pub fn staged(parts: &[StagedPart<'_>]) -> String {
    let mut text = FUNCTIONS.to_owned();
    let mut room = MOST_CONTENT;
    for part in parts {
        match part {
            StagedPart::Unseen => text.push_str("lost=1\n"),
            StagedPart::Step(step) => match made(step, &mut room) {
                Some(made) => {
                    text.push_str(&made);
                    text.push_str(" || lost=1\n");
                }
                None => text.push_str("lost=1\n"),
            },
            StagedPart::Validate(file) => text.push_str(&validated(file)),
        }
    }
    text
}

/// How long all of it may take.
pub fn staged_limit(parts: &[StagedPart<'_>]) -> Duration {
    let limits = parts.iter().filter_map(|part| match part {
        StagedPart::Validate(file) => Some(limit(file)),
        _ => None,
    });
    limits.sum::<Duration>() + LIMIT
}

/// The verdicts in an answer, as far as it goes.
pub fn verdicts(answer: &[u8]) -> Vec<Verdict> {
    let fields: Vec<&[u8]> = answer.split(|byte| *byte == 0).collect();
    let answers = fields.chunks_exact(3);
    answers
        .map_while(|fields| verdict(fields[0], fields[1], fields[2]))
        .collect()
}

fn verdict(head: &[u8], hidden: &[u8], said: &[u8]) -> Option<Verdict> {
    let (word, lost) = std::str::from_utf8(head).ok()?.split_once(' ')?;
    Some(Verdict {
        answer: match word {
            "0" => ValidatorAnswer::Accepted,
            "changed" => ValidatorAnswer::Changed,
            "long" => ValidatorAnswer::TooLong,
            "missing" => ValidatorAnswer::Missing,
            "nofolder" => ValidatorAnswer::NoFolder,
            "unmade" => ValidatorAnswer::Unmade,
            _ => ValidatorAnswer::Refused,
        },
        is_partial: lost != "0",
        hidden: String::from_utf8_lossy(hidden).lines().map(str::to_owned).collect(),
        said: String::from_utf8_lossy(said).trim_end().to_owned(),
        code: word.parse().ok(),
    })
}

fn limit(file: &WriteFile) -> Duration {
    file.validate_within.unwrap_or(LIMIT)
}

/// Shell text that does what `step` will do; `None` if only the host itself can do it.
fn made(step: &Step, room: &mut usize) -> Option<String> {
    match step {
        Step::WriteFile(file) => laid(file, room),
        Step::MakeDirectory(_)
        | Step::SetAttributes(_)
        | Step::Link(_)
        | Step::Remove(_)
        | Step::MovePath(_)
        | Step::RemoveDirectory(_) => {
            let options = ScriptOptions {
                live: false,
                random: 0,
                resolved: None,
            };
            let script = step.script(&options);
            Some(format!("( {}\n) </dev/null >/dev/null 2>&1", script.body))
        }
        // Only homelab reads it.
        Step::WriteRecord(_) => Some(":".to_owned()),
        Step::Run(_) | Step::Reboot(_) => None,
    }
}

fn laid(file: &WriteFile, room: &mut usize) -> Option<String> {
    let content = match &file.fetch {
        None => {
            let bytes = file.content.bytes().filter(|bytes| bytes.len() <= *room)?;
            *room -= bytes.len();
            format!("printf %s '{}' | base64 -d", STANDARD.encode(bytes))
        }
        Some(Fetch::Copy { path }) => format!("cat -- {}", quote(path)),
        Some(Fetch::Download { .. }) => return None,
    };
    let attributes = &file.attributes;
    Some(format!(
        "{{ {content} | lay {} {} {:05o}; }} 2>/dev/null",
        quote(&file.path),
        quote(&format!("{}:{}", attributes.owner, attributes.group)),
        attributes.mode,
    ))
}

fn validated(file: &WriteFile) -> String {
    let Some(validator) = file.validator() else {
        return "tell 0 ''\n".to_owned();
    };
    let program = match validator.program() {
        Some(program) => format!("! command -v {} >/dev/null 2>&1", quote(program)),
        None => "false".to_owned(),
    };
    let too_long = match file.validate_within {
        None => "code=long",
        Some(_) => "said=\"$said\"'it did not end in time'",
    };
    format!(
        "v={path}\n\
         if [ ! -d \"${{v%/*}}/\" ]; then tell nofolder ''\n\
         elif ! {{ {is_there} && {is_whole}; }}; then tell unmade ''\n\
         elif {program}; then tell missing ''\n\
         else\n\
         m=$(made)\n\
         : >/proc/$$/fd/6\n\
         (\n{run}\n) </dev/null >&6 2>&1 6>&-; code=$?\n\
         said=$(tail -c {MOST_SAID} /proc/$$/fd/6)\n\
         case $code in 124|137) {too_long} ;; 0) [ \"$m\" = \"$(made)\" ] || code=changed ;; esac\n\
         tell \"$code\" \"$said\"\n\
         fi\n",
        path = quote(&file.path),
        is_there = file_is(&file.path, None, &file.attributes),
        is_whole = content_is(&file.path, file.content.sha256()),
        run = validator.in_place(limit(file)),
    )
}
