//! Sends large content as raw bytes on a second channel of the same connection.
//!
//! The host's shell has opened a staged file, and the second channel only fills it. The first channel's shell checks that all
//! bytes have arrived and uses them, in order with the other steps.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use openssh::{Session, Stdio as RemoteStdio};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::answers::Answers;
use super::control::ControlSocket;
use super::limits::Limits;
use super::privilege::{Dialogue, Privilege};
use super::stderr::StandardError;
use super::upload::{Unusable, Upload};
use crate::secret::WithoutSecrets as _;

/// The size of the pieces that are read and sent.
const LARGEST_PIECE: usize = 256 * 1024;

/// How long a second channel may take to open, to take in a piece, or to end.
const PATIENCE: Duration = Duration::from_secs(300);

/// How a second channel is opened.
#[derive(Debug)]
pub(super) enum SecondChannel {
    /// Through the first channel, which is the mux master.
    Ssh(ControlSocket),
    /// As another child of this shell.
    Local(PathBuf),
}

/// Why content was not sent over a second channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotPumped {
    /// No second channel could be opened, so nothing was sent.
    NoSecondChannel,
    /// The content itself cannot be sent.
    Unusable(Unusable),
}

type OnSent<'f> = &'f mut (dyn FnMut(u64) + Send);

impl SecondChannel {
    /// Runs `command` with the upload on its standard input. The first channel checks whether all of it arrived. `sent` gets the number
    /// of bytes sent so far.
    ///
    /// The command runs with the same `privilege` as the first channel's shell, since it must be able to write the file.
    pub(super) async fn pump(
        &self,
        privilege: &Privilege,
        command: &str,
        upload: &mut Upload<'_>,
        sent: OnSent<'_>,
    ) -> Result<(), NotPumped> {
        let (line, dialogue) = privilege.command_line(command);
        match self {
            Self::Ssh(control) => pump_through_master(control.path(), &line, dialogue, upload, sent).await,
            Self::Local(shell) => pump_through_shell(shell, &line, dialogue, upload, sent).await,
        }
    }
}

async fn pump_through_master(
    control: &Path,
    line: &str,
    dialogue: Option<Dialogue>,
    upload: &mut Upload<'_>,
    sent: OnSent<'_>,
) -> Result<(), NotPumped> {
    let answering = || match dialogue {
        Some(_) => RemoteStdio::piped(),
        None => RemoteStdio::null(),
    };
    let session = Session::resume_mux(control.into(), None);
    let spawned = session
        .raw_command(line)
        .stdin(RemoteStdio::piped())
        .stdout(answering())
        .stderr(answering())
        .spawn()
        .await;
    let outcome = match spawned {
        Ok(mut child) => {
            let (stdin, stdout, stderr) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
            let outcome = fill(dialogue, stdin, stdout, stderr, upload, sent).await;
            match outcome {
                Ok(()) => drop(timeout(PATIENCE, child.wait()).await),
                Err(_) => drop(child.disconnect().await),
            }
            outcome
        }
        Err(_) => Err(NotPumped::NoSecondChannel),
    };
    // Keep the master running: it is the first channel.
    session.detach();
    outcome
}

async fn pump_through_shell(
    shell: &Path,
    line: &str,
    dialogue: Option<Dialogue>,
    upload: &mut Upload<'_>,
    sent: OnSent<'_>,
) -> Result<(), NotPumped> {
    let answering = || match dialogue {
        Some(_) => Stdio::piped(),
        None => Stdio::null(),
    };
    let spawned = Command::new(shell)
        .arg("-c")
        .arg(line)
        .without_secrets()
        .stdin(Stdio::piped())
        .stdout(answering())
        .stderr(answering())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = spawned.map_err(|_| NotPumped::NoSecondChannel)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    fill(dialogue, stdin, stdout, stderr, upload, sent).await?;
    let _ = timeout(PATIENCE, child.wait()).await;
    Ok(())
}

/// Holds the dialogue with `sudo`, if there is one, then sends the content.
async fn fill<W, R, E>(
    dialogue: Option<Dialogue>,
    mut stdin: Option<W>,
    stdout: Option<R>,
    stderr: Option<E>,
    upload: &mut Upload<'_>,
    sent: OnSent<'_>,
) -> Result<(), NotPumped>
where
    W: AsyncWrite + Unpin,
    R: AsyncRead + Unpin,
    E: AsyncRead + Unpin + Send + 'static,
{
    if let (Some(dialogue), Some(stdin), Some(stdout), Some(stderr)) = (dialogue, &mut stdin, stdout, stderr) {
        let mut answers = Answers::new(stdout, dialogue.nonce());
        answers.limit(Limits::of_login(Some(PATIENCE)));
        let stderr = StandardError::drain(stderr);
        let held = dialogue.authenticate(&mut answers, stdin, &stderr).await;
        held.map_err(|_| NotPumped::NoSecondChannel)?;
    }
    send(stdin, upload, sent).await.map_err(NotPumped::Unusable)
}

/// Sends all pieces and closes the pipe. If the reader is gone or takes in nothing, the host finds fewer bytes than expected.
async fn send(
    stdin: Option<impl AsyncWrite + Unpin>,
    upload: &mut Upload<'_>,
    sent: OnSent<'_>,
) -> Result<(), Unusable> {
    let Some(mut stdin) = stdin else {
        return Ok(());
    };
    while let Some(piece) = upload.next(LARGEST_PIECE).await? {
        if !matches!(timeout(PATIENCE, stdin.write_all(piece)).await, Ok(Ok(()))) {
            return Ok(());
        }
        sent(upload.sent());
    }
    let _ = stdin.shutdown().await;
    Ok(())
}
