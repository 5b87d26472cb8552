//! Powers the host off at a time, through logind.

use std::path::Path;
use std::process::ExitCode;

/// Runs the mode with its configuration file, until the process is told to end.
pub async fn run(config: &Path) -> ExitCode {
    crate::journal::error(&format!("{}: this mode is not built yet", config.display()));
    ExitCode::FAILURE
}
