//! The program `homelab-agent`.

use std::process::ExitCode;

fn main() -> ExitCode {
    homelab_agent::arguments::run()
}
