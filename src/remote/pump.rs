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
use crate::secret::PASSWORD_VARIABLE;

/// Where second channels come from.
#[derive(Debug)]
pub(super) enum Road {
    /// The mux master that the first channel is.
    Ssh(ControlSocket),
    /// Another child of the same shell.
    Local(PathBuf),
}

/// No second channel could be had, so nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSecondChannel;

impl Road {
    /// Runs `command` with `content` on its standard input. Whether all of it arrived is for the first channel to see.
    ///
    /// It runs with the same `privilege` as the first channel's shell, or it could not reach the file.
    pub(super) async fn pump(
        &self,
        privilege: &Privilege,
        command: &str,
        content: &[u8],
    ) -> Result<(), NoSecondChannel> {
        let (line, dialogue) = privilege.enter(command);
        match self {
            Self::Ssh(control) => pump_through_master(control.path(), &line, dialogue, content).await,
            Self::Local(shell) => pump_through_shell(shell, &line, dialogue, content).await,
        }
    }
}

async fn pump_through_master(
    control: &Path,
    line: &str,
    dialogue: Option<Dialogue>,
    content: &[u8],
) -> Result<(), NoSecondChannel> {
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
            let outcome = fill(dialogue, stdin, stdout, stderr, content).await;
            match outcome {
                Ok(()) => drop(child.wait().await),
                Err(NoSecondChannel) => drop(child.disconnect().await),
            }
            outcome
        }
        Err(_) => Err(NoSecondChannel),
    };
    // The master lives on: it is the first channel.
    session.detach();
    outcome
}

async fn pump_through_shell(
    shell: &Path,
    line: &str,
    dialogue: Option<Dialogue>,
    content: &[u8],
) -> Result<(), NoSecondChannel> {
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
    let mut child = spawned.map_err(|_| NoSecondChannel)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    fill(dialogue, stdin, stdout, stderr, content).await?;
    let _ = child.wait().await;
    Ok(())
}

/// Settles with `sudo` what is to be settled, then sends the content.
async fn fill<W, R, E>(
    dialogue: Option<Dialogue>,
    mut stdin: Option<W>,
    stdout: Option<R>,
    stderr: Option<E>,
    content: &[u8],
) -> Result<(), NoSecondChannel>
where
    W: AsyncWrite + Unpin,
    R: AsyncRead + Unpin,
    E: AsyncRead + Unpin + Send + 'static,
{
    if let (Some(dialogue), Some(stdin), Some(stdout), Some(stderr)) = (dialogue, &mut stdin, stdout, stderr) {
        let mut answers = Answers::new(stdout, dialogue.nonce());
        let stderr = StandardError::drain(stderr);
        let held = dialogue.hold(&mut answers, stdin, &stderr).await;
        held.map_err(|_| NoSecondChannel)?;
    }
    send(stdin, content).await;
    Ok(())
}

/// Sends `content` and closes the pipe; a reader that went away shows in the size that the host counts.
async fn send(stdin: Option<impl AsyncWrite + Unpin>, content: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(content).await;
        let _ = stdin.shutdown().await;
    }
}
