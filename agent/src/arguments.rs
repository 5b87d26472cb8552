//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::{activity, journal, models, nginx_sync, power};

/// Runs one part of a home lab on a host or in a pod
#[derive(Debug, Parser)]
#[command(name = "homelab-agent", version)]
struct Arguments {
    /// What to run
    #[arg(value_enum)]
    mode: Mode,
    /// The configuration file of the mode
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// Power the host off at a time
    Power,
    /// Start, stop and watch models
    Models,
    /// Keep nginx's list of models
    NginxSync,
    /// Follow nginx's access log, and start models that sleep
    Activity,
}

/// Reads the command line and runs the mode. One thread does everything: there is little to do, and it keeps the process small.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where there is no terminal left, the code still says it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            journal::error(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        let served = match arguments.mode {
            Mode::Power => power::serve(&arguments.config).await,
            Mode::Models => models::serve(&arguments.config).await,
            Mode::NginxSync => nginx_sync::serve(&arguments.config).await,
            Mode::Activity => activity::serve(&arguments.config).await,
        };
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                journal::error(&journal::causes(&*error));
                ExitCode::FAILURE
            }
        }
    })
}
