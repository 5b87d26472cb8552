//! Prints errors to standard error, with position, excerpt, causes and hint if they have them.

use homelab::agent::AgentError;
use homelab::error::{Diagnostic, Diagnostics};
use homelab::gather::GatherError;
use homelab::lab::LabError;
use homelab::remote::RemoteError;
use homelab::report;

use super::output::{Unprinted, eprint, eprint_line};
use super::project;

/// The exit code for an error on the command line or in the project.
pub(super) const INVALID: u8 = 3;

/// Shows an error with all its details.
pub(super) fn show(error: &anyhow::Error) {
    if let Some(mistakes) = error.downcast_ref::<Diagnostics>() {
        eprint(&report::diagnostics(&mistakes.0));
        eprint_root(&mistakes.0);
        return;
    }
    if let Some(mistake) = error.downcast_ref::<Diagnostic>() {
        eprint(&report::diagnostic(mistake));
        eprint_root([mistake]);
        return;
    }
    show_plain(error.as_ref());
}

/// Prints which folder the paths in mistakes start from, if that is not the current one.
pub(super) fn eprint_root<'a>(mistakes: impl IntoIterator<Item = &'a Diagnostic>) {
    let names_file = |text: &str| text.contains(".toml");
    let names_path = |mistake: &Diagnostic| {
        mistake.origin().is_some() || names_file(&mistake.title) || mistake.hint.as_deref().is_some_and(names_file)
    };
    if mistakes.into_iter().any(names_path)
        && let (Ok(root), Ok(here)) = (project::root(), std::env::current_dir())
        && root != here
    {
        eprint_line(format_args!("paths are relative to the project `{}`", root.display()));
    }
}

/// An error as diagnostics.
pub(super) fn diagnostics(error: &anyhow::Error) -> Vec<Diagnostic> {
    if let Some(mistakes) = error.downcast_ref::<Diagnostics>() {
        return mistakes.0.clone();
    }
    match error.downcast_ref::<Diagnostic>() {
        Some(mistake) => vec![mistake.clone()],
        None => vec![of_plain(error.as_ref())],
    }
}

/// Shows an error without a position.
pub(super) fn show_plain(error: &(dyn std::error::Error + 'static)) {
    eprint(&plain(error));
}

/// An error without a position: its causes below, its hint last.
pub(super) fn plain(error: &(dyn std::error::Error + 'static)) -> String {
    report::diagnostic(&of_plain(error))
}

fn of_plain(error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    let mut mistake = Diagnostic::new(error.to_string());
    let mut below = error.source();
    while let Some(cause) = below {
        mistake = mistake.because(cause.to_string());
        below = cause.source();
    }
    mistake.hint_maybe(hint(error))
}

/// Shows why a host could not be read.
pub(super) fn show_reading(error: &GatherError) {
    match error {
        GatherError::Remote(error) => show_plain(error),
        other @ GatherError::Unreadable { .. } => show_plain(other),
    }
}

fn hint(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let unprinted = error
        .downcast_ref::<std::io::Error>()
        .and_then(|error| error.get_ref()?.downcast_ref::<Unprinted>());
    if let Some(unprinted) = unprinted {
        return Some(unprinted.hint().to_owned());
    }
    let lab = error.downcast_ref::<LabError>().and_then(LabError::hint);
    let agent = || error.downcast_ref::<AgentError>().and_then(AgentError::hint);
    lab.or_else(agent)
        .or_else(|| error.downcast_ref::<RemoteError>().and_then(RemoteError::hint))
}
