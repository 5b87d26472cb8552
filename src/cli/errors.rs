//! Errors on standard error: with position, excerpt, causes and hint where there are any.

use homelab::error::{Diagnostic, Diagnostics};
use homelab::lab::LabError;
use homelab::plan::Mistake;
use homelab::remote::RemoteError;
use homelab::report;

/// Shows an error with all that is known of it.
pub(super) fn show(error: &anyhow::Error) {
    if let Some(mistakes) = error.downcast_ref::<Diagnostics>() {
        anstream::eprint!("{}", report::diagnostics(&mistakes.0));
        return;
    }
    if let Some(mistake) = error.downcast_ref::<Diagnostic>() {
        anstream::eprint!("{}", report::diagnostic(mistake));
        return;
    }
    show_plain(error.as_ref());
}

/// Shows an error without a position: its causes below, its hint last.
pub(super) fn show_plain(error: &(dyn std::error::Error + 'static)) {
    let mut mistake = Diagnostic::new(error.to_string());
    let mut below = error.source();
    while let Some(cause) = below {
        mistake = mistake.because(cause.to_string());
        below = cause.source();
    }
    anstream::eprint!("{}", report::diagnostic(&mistake.hint_maybe(hint(error))));
}

fn hint(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let lab = error.downcast_ref::<LabError>().and_then(LabError::hint);
    lab.or_else(|| error.downcast_ref::<RemoteError>().and_then(RemoteError::hint))
}

/// Shows what is wrong with the project, each mistake once with the hosts that have it.
pub(super) fn show_mistakes(mistakes: &[Mistake]) {
    let mut shown: Vec<(&Diagnostic, Vec<&str>)> = Vec::new();
    for mistake in mistakes {
        match shown
            .iter_mut()
            .find(|(diagnostic, _)| **diagnostic == mistake.diagnostic)
        {
            Some((_, hosts)) => hosts.push(&mistake.host),
            None => shown.push((&mistake.diagnostic, vec![&mistake.host])),
        }
    }
    for (diagnostic, hosts) in shown {
        let mut diagnostic = diagnostic.clone();
        diagnostic.title = format!("{}: {}", hosts.join(", "), diagnostic.title);
        anstream::eprint!("{}", report::diagnostic(&diagnostic));
    }
}
