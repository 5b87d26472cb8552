//! Forwards the output of a user's command as it arrives.

use tokio::sync::mpsc::Sender;

use super::answers::{Answers, Interruption, Piece};

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

/// Forwards the output before the next tag; returns the tag's status.
pub(super) async fn pass_on<R>(
    answers: &mut Answers<R>,
    stream: Stream,
    written: &Sender<Written>,
) -> Result<u64, Interruption>
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
