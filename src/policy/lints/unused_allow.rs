//! `unused-allow`: an `allow` that allows nothing any more. It is found when everything else was.

use crate::policy::lint::{Level, Lint};

pub(in crate::policy) const LINT: Lint = Lint {
    name: "unused-allow",
    level: Level::Warning,
    title: "An `allow` that allows nothing",
    why: "It would hide what comes later, with a reason that was meant for something else.",
    remedy: "Remove it.",
    check: |_| Vec::new(),
};
