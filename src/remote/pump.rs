//! Large contents: raw bytes on a second channel of the same connection.
//!
//! The host's shell has opened a nameless file; the second channel only fills it. What is done with the bytes, and
//! whether they are all there, is decided by the first channel's shell, in order with the other steps.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use openssh::{Session, Stdio as RemoteStdio};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::process::Command;

use super::answers::Answers;
use super::control::ControlSocket;
use super::privilege::{Dialogue, Privilege};
use super::stderr::StandardError;
use super::upload::{Unusable, Upload};
use crate::secret::PASSWORD_VARIABLE;

/// How much is read and sent at once.
const LARGEST_PIECE: usize = 256 * 1024;

/// Where second channels come from.
#[derive(Debug)]
pub(super) enum Road {
    /// The mux master that the first channel is.
    Ssh(ControlSocket),
    /// Another child of the same shell.
    Local(PathBuf),
}

/// Why a content did not go over a second channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotPumped {
    /// None could be had, so nothing was sent.
    NoSecondChannel,
    /// The content itself is at fault.
    Unusable(Unusable),
}

type OnSent<'f> = &'f mut (dyn FnMut(u64) + Send);

impl Road {
    /// Runs `command` with what is uploaded on its standard input. Whether all of it arrived is for the first channel to see.
    /// `sent` hears how many bytes have been sent.
    ///
    /// It runs with the same `privilege` as the first channel's shell, or it could not reach the file.
    pub(super) async fn pump(
        &self,
        privilege: &Privilege,
        command: &str,
        upload: &mut Upload<'_>,
        sent: OnSent<'_>,
    ) -> Result<(), NotPumped> {
        let (line, dialogue) = privilege.enter(command);
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
                Ok(()) => drop(child.wait().await),
                Err(_) => drop(child.disconnect().await),
            }
            outcome
        }
        Err(_) => Err(NotPumped::NoSecondChannel),
    };
    // The master lives on: it is the first channel.
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
        .env_remove(PASSWORD_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(answering())
        .stderr(answering())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = spawned.map_err(|_| NotPumped::NoSecondChannel)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    fill(dialogue, stdin, stdout, stderr, upload, sent).await?;
    let _ = child.wait().await;
    Ok(())
}

/// Settles with `sudo` what is to be settled, then sends the content.
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
        let stderr = StandardError::drain(stderr);
        let held = dialogue.hold(&mut answers, stdin, &stderr).await;
        held.map_err(|_| NotPumped::NoSecondChannel)?;
    }
    send(stdin, upload, sent).await.map_err(NotPumped::Unusable)
}

/// Sends all pieces and closes the pipe; a reader that went away shows in the size that the host counts.
async fn send(
    stdin: Option<impl AsyncWrite + Unpin>,
    upload: &mut Upload<'_>,
    sent: OnSent<'_>,
) -> Result<(), Unusable> {
    let Some(mut stdin) = stdin else {
        return Ok(());
    };
    while let Some(piece) = upload.next(LARGEST_PIECE).await? {
        if stdin.write_all(piece).await.is_err() {
            return Ok(());
        }
        sent(upload.sent());
    }
    let _ = stdin.shutdown().await;
    Ok(())
}
