//! The end of an `ssh` whose program was killed.
//!
//! An `ssh` whose standard input ends lives on for as long as the host is busy. So a small shell waits beside it on a
//! pipe that only this program holds open: if the pipe ends without a word, the shell asks `ssh` to end, which removes
//! its control socket. The step that is under way on the host is finished there, and none after it begins.

use std::io::{self, PipeWriter, Write};
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::secret::PASSWORD_VARIABLE;

/// The pipe to the shell that waits, and that shell.
pub(super) struct Watchdog {
    pipe: Option<PipeWriter>,
    shell: Child,
}

impl Watchdog {
    /// Watches over the child `process` of this program.
    ///
    /// `leftover` is a file that goes too.
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
            .env_remove(PASSWORD_VARIABLE)
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

    /// Ends the child in good order now. It has been asked to when this returns.
    pub(super) async fn release(mut self) {
        drop(self.pipe.take());
        let _ = self.shell.wait().await;
    }
}

/// Called off before the child is gone for good: its number may soon belong to another process.
impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(b"\n");
        }
    }
}
