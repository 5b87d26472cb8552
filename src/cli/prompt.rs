//! Consent.

use std::io::{BufRead as _, IsTerminal as _};

use homelab::error::Diagnostic;
use tokio::sync::oneshot;

use super::output::tell;

/// Refuses a run that would have to ask and has nobody to ask.
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

/// Asks on the terminal; only `y` and `yes` are consent. May be dropped while it waits.
pub(super) async fn confirm(question: &str) -> std::io::Result<bool> {
    tell(&format!("{question} [y/N] "));
    let (answer, answered) = oneshot::channel();
    // A thread of its own: a terminal that is being read from would keep the runtime from ending.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = answer.send(std::io::stdin().lock().read_line(&mut line).map(|_| line));
    });
    let line = answered.await.map_err(std::io::Error::other)??;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}
