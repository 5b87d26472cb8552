//! Ends `ssh` if homelab is killed.
//!
//! After its standard input closes, `ssh` stays alive for as long as the host is busy. So a small shell waits on a pipe that
//! only homelab holds open. If the pipe closes without a line, the shell sends SIGTERM to `ssh`, which then removes its
//! control socket. The step that runs on the host finishes; no further step starts.

use std::io::{self, PipeWriter, Write};
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::secret::WithoutSecrets as _;

/// The waiting shell and the pipe to it.
pub(super) struct Watchdog {
    pipe: Option<PipeWriter>,
    shell: Child,
}

impl Watchdog {
    /// Watches over the child `process` of this program. With it, the file `leftover` is removed.
    pub(super) fn over(process: u32, leftover: Option<&Path>) -> io::Result<Self> {
        let (end, pipe) = io::pipe()?;
        let shell = Command::new("/bin/sh")
            .args([
                "-c",
                "read -r word || { kill -TERM \"$1\"; [ -z \"$2\" ] || rm -f -- \"$2\"; }",
                "sh",
            ])
            .arg(process.to_string())
            .arg(leftover.unwrap_or(Path::new("")))
            .without_secrets()
            .stdin(end)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self {
            pipe: Some(pipe),
            shell,
        })
    }

    /// Sends SIGTERM to the child now; it has been sent when this returns.
    pub(super) async fn release(mut self) {
        drop(self.pipe.take());
        let _ = self.shell.wait().await;
    }
}

/// Stops the shell before the child is reaped: its process id may soon belong to another process.
impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(b"\n");
        }
    }
}
