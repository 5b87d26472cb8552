//! Consent.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use homelab::error::Diagnostic;

/// Refuses a run that would have to ask and has nobody to ask.
pub(super) fn check_terminal() -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Diagnostic::new("cannot ask for consent: standard input is no terminal")
        .hint("`--dry-run` shows the plan and changes nothing; `--yes` applies it without asking")
        .into())
}

/// Asks on the terminal; only `y` and `yes` are consent.
pub(super) fn confirm(question: &str) -> std::io::Result<bool> {
    let mut stderr = anstream::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
