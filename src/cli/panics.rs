//! What is printed if this program has a bug and panics: without the secrets that are known.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::panic::set_hook;

use super::output::eprint;

/// Prints panics in place of the standard library, which would print values as they are.
pub(crate) fn redact() {
    set_hook(Box::new(|panic| eprint(&text(panic))));
}

fn text(panic: &impl Display) -> String {
    let backtrace = Backtrace::capture();
    let backtrace = match backtrace.status() {
        BacktraceStatus::Captured => format!("{backtrace}\n"),
        _ => String::new(),
    };
    format!("{panic}\n{backtrace}this is a bug in homelab: please report it with these lines\n")
}
