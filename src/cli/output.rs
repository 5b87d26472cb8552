//! The only way out for text: standard output, standard error, the window and documents, without the secrets that are known. A
//! test keeps other files of the command line from writing.
//!
//! If a reader such as `head` closes the pipe, the run continues and its exit code stays that of the run.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use homelab::gather::Stream;
use homelab::secret::{Redactor, redacted};
use indicatif::ProgressBar;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Standard output cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub(super) struct Unprinted(#[source] io::Error);

impl Unprinted {
    fn error(cause: io::Error) -> io::Error {
        io::Error::new(cause.kind(), Self(cause))
    }

    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self.0.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room, or redirect the output to another disk",
            _ => "redirect the output to a file or a terminal that can be written to",
        }
    }
}

/// Writes to standard output.
///
/// Errors: it cannot be written to, for another reason than a closed pipe.
pub(super) fn print(text: &str) -> io::Result<()> {
    unless_closed(write(&mut anstream::stdout(), &redacted(text))).map_err(Unprinted::error)
}

/// Writes text to standard output as it is, with whatever looks like colors in it.
///
/// Errors: as [`print`].
pub(super) fn print_exactly(text: &str) -> io::Result<()> {
    unless_closed(write(&mut io::stdout(), text)).map_err(Unprinted::error)
}

/// Writes bytes to standard output as they are, for a user who asks for a secret.
///
/// Errors: as [`print`].
pub(super) fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stream = io::stdout();
    unless_closed(stream.write_all(bytes).and_then(|()| stream.flush())).map_err(Unprinted::error)
}

/// Writes to standard error. Errors are ignored, because there is nowhere to report them.
pub(super) fn eprint(text: &str) {
    let _ = write(&mut anstream::stderr(), &redacted(text));
}

/// Writes a line to standard error.
pub(super) fn eprint_line(line: impl Display) {
    eprint(&format!("{line}\n"));
}

/// Shows text beside a progress bar.
pub(super) fn show_beside(bar: &ProgressBar, text: &str) {
    bar.set_message(redacted(text).into_owned());
}

/// Writes a document to its file.
///
/// Errors: it cannot be written to.
pub(super) fn write_document(file: &mut impl Write, text: &str) -> io::Result<()> {
    file.write_all(redacted(text).as_bytes())
}

/// Forwards the output of a host unchanged but for secrets, including colors.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    /// The streams whose reader is gone.
    closed: Vec<Stream>,
    output: Redactor,
    errors: Redactor,
}

impl Forwarding {
    /// Errors: as [`print`].
    pub(super) async fn forward(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let ready = match stream {
            Stream::Output => self.output.push(bytes),
            Stream::Errors => self.errors.push(bytes),
        };
        self.write(stream, &ready).await
    }

    /// Forwards what may have been the start of a secret.
    ///
    /// Errors: as [`print`].
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        let (output, errors) = (self.output.finish(), self.errors.finish());
        self.write(Stream::Output, &output).await?;
        self.write(Stream::Errors, &errors).await
    }

    async fn write(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if self.closed.contains(&stream) || bytes.is_empty() {
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
            other => other.map_err(Unprinted::error),
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
