//! A password, asked for on the terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use homelab::error::Diagnostic;
use homelab::secret::{PASSWORD_VARIABLE, Secret};

/// Asks on the terminal of this process, whatever its standard streams are, and shows nothing of what is typed.
pub(super) fn ask(question: &str) -> anyhow::Result<Secret> {
    let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Err(Diagnostic::new("cannot ask for the password: there is no terminal")
            .hint(format!(
                "put it into the environment variable {PASSWORD_VARIABLE} instead"
            ))
            .into());
    };
    let quiet = Quiet::begin(&terminal)?;
    let typed = (&terminal)
        .write_all(question.as_bytes())
        .and_then(|()| read_line(&terminal));
    let _ = (&terminal).write_all(b"\n");
    drop(quiet);
    match typed? {
        Some(text) => check(&text),
        None => Err(Diagnostic::new("no password was given: nothing was done").into()),
    }
}

/// Refuses what can be no password: `sudo` reads one line.
pub(super) fn check(text: &str) -> anyhow::Result<Secret> {
    if text.is_empty() || text.contains(|one: char| one.is_control() || one == '\u{fffd}') {
        return Err(Diagnostic::new("the password for sudo is empty, or holds characters that nobody can type").into());
    }
    Ok(Secret::new(text))
}

/// Reads what is typed until the line ends; nothing if it was given up.
fn read_line(mut terminal: &File) -> std::io::Result<Option<String>> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    const BACKSPACES: [u8; 2] = [8, 127];
    const CLEAR: u8 = 21;
    let mut typed: Vec<u8> = Vec::new();
    let mut byte = [0];
    loop {
        if terminal.read(&mut byte)? == 0 {
            return Ok(None);
        }
        match byte[0] {
            b'\r' | b'\n' => return Ok(Some(String::from_utf8_lossy(&typed).into_owned())),
            INTERRUPT | END => return Ok(None),
            CLEAR => typed.clear(),
            one if BACKSPACES.contains(&one) => {
                // A character may be several bytes.
                while typed.pop().is_some_and(|last| last & 0xc0 == 0x80) {}
            }
            one => typed.push(one),
        }
    }
}

/// A terminal that shows nothing and sends no signals, so that it is put back however the question ends.
struct Quiet<'a> {
    terminal: &'a File,
    before: String,
}

impl<'a> Quiet<'a> {
    fn begin(terminal: &'a File) -> anyhow::Result<Self> {
        let before = stty(terminal, &["-g"])?;
        let quiet = Self { terminal, before };
        stty(terminal, &["-echo", "-icanon", "-isig", "min", "1", "time", "0"])?;
        Ok(quiet)
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = stty(self.terminal, &[self.before.trim()]);
    }
}

fn stty(terminal: &File, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("stty")
        .args(arguments)
        .env_remove(PASSWORD_VARIABLE)
        .stdin(terminal.try_clone()?)
        .stderr(Stdio::null())
        .output()?;
    anyhow::ensure!(output.status.success(), "cannot silence the terminal with `stty`");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
