//! The command line of `homelab`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::core_dumps::prevent();
    cli::panics::redact();
    cli::main()
}
