//! Whether a unit runs, asked on the host.

use crate::facts::unit::STOPPED;

/// Shell text that succeeds if a unit does not run; `unit` is a word of the shell.
pub fn has_stopped(unit: &str) -> String {
    format!(
        "case $(systemctl show -p ActiveState --value -- {unit}) in {}) true ;; *) false ;; esac",
        STOPPED.join("|")
    )
}
