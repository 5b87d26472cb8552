//! Events of reading hosts.

use std::sync::Arc;

/// What a command of the project runs for before anyone agreed to anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It decides whether an operation runs.
    Condition,
    /// It is a check of the project.
    Check,
    /// It validates new files, where nothing that it writes is kept.
    Validator,
}

/// Something that happened while hosts were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadingEvent {
    /// Connecting to a host.
    Started { host: String },
    /// A host is connected and is read.
    Connected { host: String },
    /// Waiting for a host.
    Waiting {
        host: String,
        /// What it waits for.
        words: String,
    },
    /// Another run is changing a host.
    Locked { host: String, words: String },
    /// Commands of the project are about to run on a host.
    Commands {
        host: String,
        purpose: Purpose,
        commands: Vec<String>,
    },
    /// A host was read, or could not be.
    Finished { host: String },
}

/// Called with what happens while hosts are read.
pub type OnEvent = Arc<dyn Fn(ReadingEvent) + Send + Sync>;
