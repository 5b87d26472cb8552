//! A person who is none of the recipients

use std::path::Path;

use homelab::report;
use homelab::secrets::is_recipient;

use crate::cli::output::eprint_line;

/// Says that a person encrypted what they cannot decrypt.
pub(super) fn warn_outsider(root: &Path) {
    if is_recipient(root).is_ok_and(|is_recipient| !is_recipient) {
        eprint_line(report::warning_of_outsider());
    }
}
