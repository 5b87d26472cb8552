//! Shows the review of a deploy before anything is changed.

use homelab::plan::Plan;
use homelab::report::review::Review;
use homelab::report::{self, TextOptions};

use super::format::DocumentFormat;
use super::output::{eprint, eprint_line, print};

/// Shows a review. A document is printed if the run ends with it; if the user will be asked, the text is always shown.
pub(super) fn show(
    review: &Review<'_>,
    document: Option<DocumentFormat>,
    options: &TextOptions,
    is_end: bool,
    will_ask: bool,
) -> std::io::Result<()> {
    let text = || report::text(review, options) + &report::not_read(review);
    match document {
        Some(format) if is_end => print(&format.render(review)),
        Some(_) if will_ask => {
            eprint(&text());
            Ok(())
        }
        Some(_) => Ok(()),
        None => print(&text()),
    }
}

/// The end of a run that was stopped at a point where it had nothing under way.
pub(super) fn interrupted(is_untouched: bool) {
    eprint_line(if is_untouched {
        "nothing was changed"
    } else {
        "nothing more was changed"
    });
}

/// The question before anything is changed.
pub(super) fn question(plan: &Plan) -> String {
    let pending = plan.hosts.iter().filter(|host| !host.is_idle());
    let names: Vec<&str> = pending.map(|host| host.host.as_str()).collect();
    format!("Apply this to {}?", names.join(", "))
}
