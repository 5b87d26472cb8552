//! The two streams of the program. A reader that goes away, as `head` does, ends nothing: a run goes on to its end, and its
//! exit code is that of the run.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Writes to standard output.
///
/// Errors: it cannot be written to, for another reason than that nobody reads it.
pub(super) fn print(text: &str) -> io::Result<()> {
    unless_closed(write(&mut anstream::stdout(), text))
}

/// Writes to standard error. Where even that cannot be written to there is nobody left to tell.
pub(super) fn tell(text: &str) {
    let _ = write(&mut anstream::stderr(), text);
}

/// Writes a line to standard error.
pub(super) fn tell_line(line: impl Display) {
    tell(&format!("{line}\n"));
}

/// Writes what a host wrote, as it is: colours and all.
pub(super) fn pass_on(output: &[u8], errors: &[u8]) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(errors).and_then(|()| match errors.last() {
        // The channel takes the last line's end off.
        Some(last) if *last != b'\n' => stderr.write_all(b"\n"),
        _ => Ok(()),
    });
    let mut stdout = io::stdout().lock();
    unless_closed(stdout.write_all(output).and_then(|()| stdout.flush()))
}

fn write(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

fn unless_closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
