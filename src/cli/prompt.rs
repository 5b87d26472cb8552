//! Asks for confirmation.

use std::io::{BufRead as _, IsTerminal as _};

use homelab::error::Diagnostic;
use tokio::sync::oneshot;

use super::output::eprint;

/// Refuses a run that needs confirmation but has no terminal to ask on.
pub(super) fn check_terminal() -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(
        Diagnostic::new("cannot ask for confirmation: standard input is not a terminal")
            .hint("use `--dry-run` to only show the diff, or `--yes` to apply without asking")
            .into(),
    )
}

/// Asks on the terminal; only `y` and `yes` confirm. May be dropped while it waits.
pub(super) async fn confirm(question: &str) -> std::io::Result<bool> {
    eprint(&format!("{question} [y/N] "));
    let (answer, answered) = oneshot::channel();
    // Uses its own thread, because a pending read of the terminal would keep the runtime from ending.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = answer.send(std::io::stdin().lock().read_line(&mut line).map(|_| line));
    });
    let line = answered.await.map_err(std::io::Error::other)??;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}
