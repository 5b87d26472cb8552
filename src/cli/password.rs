//! Asks for a password on the terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};

use anyhow::Context as _;
use homelab::error::Diagnostic;
use homelab::secret::{PASSWORD_VARIABLE, Secret};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// Asks on the terminal of this process, even if its standard streams are redirected, and hides the input.
pub(super) fn ask(question: &str) -> anyhow::Result<Secret> {
    let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Err(Diagnostic::new("cannot ask for the password: no terminal")
            .hint(format!("set the environment variable `{PASSWORD_VARIABLE}` instead"))
            .into());
    };
    match ask_on(&terminal, question).context("cannot ask for the password on the terminal")? {
        Some(text) => check(&text),
        None => Err(Diagnostic::new("no password given; nothing was changed").into()),
    }
}

/// Asks on the terminal of this process, and hides the input; `None` if the user cancels.
pub(super) fn ask_unseen(question: &str) -> anyhow::Result<Option<Secret>> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let typed = terminal.and_then(|terminal| ask_on(&terminal, question));
    Ok(typed.context("cannot ask on the terminal")?.map(Secret::new))
}

/// The text typed on `terminal`; `None` if the user cancels.
fn ask_on(mut terminal: &File, question: &str) -> io::Result<Option<String>> {
    // Turn echo off before asking, so that an immediate answer is hidden too.
    let _quiet = Quiet::begin(terminal)?;
    let typed = terminal
        .write_all(question.as_bytes())
        .and_then(|()| read_line(terminal));
    let _ = terminal.write_all(b"\n");
    typed
}

/// Refuses text that cannot be a password: `sudo` reads one line.
pub(super) fn check(text: &str) -> anyhow::Result<Secret> {
    if text.is_empty() || text.contains(|one: char| one.is_control() || one == '\u{fffd}') {
        return Err(Diagnostic::new("the sudo password is empty or contains control characters").into());
    }
    Ok(Secret::new(text))
}

fn read_line(mut terminal: &File) -> io::Result<Option<String>> {
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

/// A terminal without echo and signals: Ctrl-C is read like any other key, so that
/// the settings are restored however the question ends.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        // Each byte is read as it is typed.
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Drain, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}

#[cfg(test)]
mod tests;
