//! What this program has in memory, such as secrets, is written to no file if it crashes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sets the limit for core dumps to nothing.
pub(crate) fn prevent() {
    let none = Rlimit {
        current: Some(0),
        ..getrlimit(Resource::Core)
    };
    // Lowering a limit is always allowed.
    let _ = setrlimit(Resource::Core, none);
}
