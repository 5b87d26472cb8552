//! Large contents: raw bytes on a second channel of the same connection.
//!
//! The host's shell has opened a nameless file; the second channel only fills it. What is done with the bytes, and
//! whether they are all there, is decided by the first channel's shell, in order with the other steps.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use openssh::{Session, Stdio as RemoteStdio};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::process::Command;

use super::control::ControlSocket;

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
    pub(super) async fn pump(&self, command: &str, content: &[u8]) -> Result<(), NoSecondChannel> {
        match self {
            Self::Ssh(control) => pump_through_master(control.path(), command, content).await,
            Self::Local(shell) => pump_through_shell(shell, command, content).await,
        }
    }
}

async fn pump_through_master(control: &Path, command: &str, content: &[u8]) -> Result<(), NoSecondChannel> {
    let session = Session::resume_mux(control.into(), None);
    let spawned = session
        .raw_command(command)
        .stdin(RemoteStdio::piped())
        .stdout(RemoteStdio::null())
        .stderr(RemoteStdio::null())
        .spawn()
        .await;
    let outcome = match spawned {
        Ok(mut child) => {
            send(child.stdin().take(), content).await;
            let _ = child.wait().await;
            Ok(())
        }
        Err(_) => Err(NoSecondChannel),
    };
    // The master lives on: it is the first channel.
    session.detach();
    outcome
}

async fn pump_through_shell(shell: &Path, command: &str, content: &[u8]) -> Result<(), NoSecondChannel> {
    let spawned = Command::new(shell)
        .arg("-c")
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = spawned.map_err(|_| NoSecondChannel)?;
    send(child.stdin.take(), content).await;
    let _ = child.wait().await;
    Ok(())
}

/// Sends `content` and closes the pipe; a reader that went away shows in the size that the host counts.
async fn send(stdin: Option<impl AsyncWrite + Unpin>, content: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(content).await;
        let _ = stdin.shutdown().await;
    }
}
