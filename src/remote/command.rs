//! Runs a command of the user and forwards its output as it arrives.

use tokio::sync::mpsc::Sender;

use super::answers::{Answers, Interruption, Piece};
use super::connection::Connection;
use super::error::RemoteError;

/// One of a command's output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    Output,
    Errors,
}

/// A piece of a command's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub stream: Stream,
    pub bytes: Vec<u8>,
}

impl Connection {
    /// Runs `script` in the host's `sh`, outside of any deploy; returns its exit code. It has no input, the usual umask of
    /// logins, and no timeout.
    ///
    /// Its output goes to `written`; if the receiver is slow, the command waits.
    pub async fn run(&mut self, script: &str, written: Sender<Written>) -> Result<i32, RemoteError> {
        let mut frame = self.channel.frame();
        let asked = frame.run(&format!("umask 022\nunset LC_ALL\n{script}"));
        let frame = frame.finish();
        asked.map_err(|cause| self.unsendable("the command", cause))?;
        self.channel.pass_on(frame, &written).await
    }
}

/// Forwards the output before the next tag; returns the tag's status.
pub(super) async fn pass_on<R>(
    answers: &mut Answers<R>,
    stream: Stream,
    written: &Sender<Written>,
) -> Result<u32, Interruption>
where
    R: tokio::io::AsyncRead + Unpin,
{
    loop {
        match answers.piece().await? {
            // Without a receiver the command still runs to its end.
            Piece::Output(bytes) => drop(written.send(Written { stream, bytes }).await),
            Piece::Tag(tagged) => return Ok(tagged.status),
        }
    }
}
