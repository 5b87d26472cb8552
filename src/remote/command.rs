//! A command of the user, its output passed on as it comes.

use tokio::sync::mpsc::Sender;

use super::answers::{Answers, Interruption, Piece};
use super::connection::Connection;
use super::error::RemoteError;

/// Which of a command's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Its standard output.
    Output,
    /// Its standard error.
    Errors,
}

/// What a command wrote, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where to.
    pub stream: Stream,
    /// What.
    pub bytes: Vec<u8>,
}

impl Connection {
    /// Runs `script` in the host's `sh`, outside of any deploy: what it does is the user's to answer for. It reads nothing, has
    /// the mask that logins have, and may be silent for as long as it likes.
    ///
    /// What it writes goes to `written`; a command that is heard of more slowly than it writes waits. Comes to its exit code.
    pub async fn run(&mut self, script: &str, written: Sender<Written>) -> Result<i32, RemoteError> {
        let mut frame = self.channel.frame();
        let asked = frame.run(&format!("umask 022\nunset LC_ALL\n{script}"));
        let frame = frame.finish();
        asked.map_err(|cause| self.unsendable("the command", cause))?;
        self.channel.pass_on(frame, &written).await
    }
}

/// Passes on what comes before the next tag; the tag's status.
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
            // Nobody listening is no reason to stop.
            Piece::Output(bytes) => drop(written.send(Written { stream, bytes }).await),
            Piece::Tag(tagged) => return Ok(tagged.status),
        }
    }
}
