//! The two streams of the program. A reader that goes away, as `head` does, ends nothing: a run goes on to its end, and its
//! exit code is that of the run.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use homelab::gather::Stream;
use tokio::io::{AsyncWrite, AsyncWriteExt};

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

/// Passes on what a host writes, as it is: colours and all.
#[derive(Debug, Default)]
pub(super) struct PassingOn {
    /// The streams that nobody reads any more.
    closed: Vec<Stream>,
}

impl PassingOn {
    /// Errors: as [`print`].
    pub(super) async fn pass_on(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if self.closed.contains(&stream) {
            return Ok(());
        }
        let written = match stream {
            Stream::Output => write_through(tokio::io::stdout(), bytes).await,
            Stream::Errors => write_through(tokio::io::stderr(), bytes).await,
        };
        match written {
            Err(error) if stream == Stream::Errors || error.kind() == ErrorKind::BrokenPipe => {
                self.closed.push(stream);
                Ok(())
            }
            other => other,
        }
    }
}

async fn write_through(mut stream: impl AsyncWrite + Unpin, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
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
