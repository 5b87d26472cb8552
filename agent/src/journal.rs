//! Lines for the journal. systemd reads the priority from `<N>` at the start of a line.

use std::io::Write as _;

/// How urgent a line is, as syslog counts.
#[derive(Clone, Copy)]
enum Priority {
    Error = 3,
    Warning = 4,
    Notice = 5,
    Information = 6,
}

fn line(priority: Priority, text: &str) {
    // One entry is one line: what others wrote cannot begin a second one.
    let text = text.replace(|character: char| character.is_control(), " ");
    // Without a reader of the journal, there is nothing to report to.
    let _ = writeln!(std::io::stderr(), "<{}>{text}", priority as u8);
}

/// Something failed and stays so until the owner acts.
pub fn error(text: &str) {
    line(Priority::Error, text);
}

/// Something failed that may go away by itself.
pub fn warning(text: &str) {
    line(Priority::Warning, text);
}

/// Something that the owner of the host may want to know.
pub fn notice(text: &str) {
    line(Priority::Notice, text);
}

/// What helps when something is looked for.
pub fn information(text: &str) {
    line(Priority::Information, text);
}

/// Who had what done, and how it went: `audit caller="token operate 1" peer="192.0.2.7" action="stop tiny" result="done"`.
pub fn audit(caller: &str, peer: &str, action: &str, result: &str) {
    line(
        Priority::Notice,
        &format!("audit caller={caller:?} peer={peer:?} action={action:?} result={result:?}"),
    );
}

/// An error with its causes, in one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
