//! `homelab exec`

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use homelab::apply::{HostEnd, exit_code};
use homelab::gather::{CommandEvent, Ran, run_command};
use homelab::project::hosts;
use homelab::quote::quote_all;
use homelab::remote::Target;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::connection_arguments::{ConnectionArguments, PARALLEL};
use super::interruption::Interruption;
use super::output::{Forwarding, eprint_line};
use super::{completion, errors, project, runtime, several, targets};

/// How long the remaining output may take after the command has finished.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// Arguments of `homelab exec`.
#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    /// Name of an inventory, such as `prod` for `inventories/prod.toml`
    #[arg(add = completion::inventories())]
    inventory: String,
    /// Hosts by name, group or glob, separated by commas, such as `web*,!web3`; `!` excludes
    #[arg(required = true, value_name = "PATTERN", value_delimiter = ',', num_args = 1, add = completion::host_patterns())]
    patterns: Vec<String>,
    /// Run on this many hosts at a time
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    #[command(flatten)]
    connection: ConnectionArguments,
    /// Command with its arguments, or one quoted line for the host's shell
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(super) fn run(arguments: &ExecArguments) -> anyhow::Result<ExitCode> {
    let project = project::with_inventory(Some(&arguments.inventory))?;
    let selected = hosts(&project, &arguments.inventory, &arguments.patterns)?;
    let names = selected.iter().map(|host| host.name.as_str());
    let targets = targets::of_hosts(&project, &arguments.inventory, names)?;
    let targets = arguments.connection.complete(targets)?;
    let runtime = runtime::all_threads()?;
    let ended = runtime.block_on(exec(arguments, targets));
    // After an interruption, do not wait for a reader that does not read.
    runtime.shutdown_timeout(LAST_MOMENTS);
    ended
}

async fn exec(arguments: &ExecArguments, targets: Vec<Target>) -> anyhow::Result<ExitCode> {
    let mut interruption = Interruption::listen()?;
    let is_alone = targets.len() == 1;
    let hosts = targets.len();
    let (events, received) = mpsc::unbounded_channel();
    let script = script(&arguments.command);
    let running = run_command(targets, &script, usize::from(arguments.parallel), events);
    let printing = async {
        if is_alone {
            alone(received).await
        } else {
            several::print_output(hosts, received).await
        }
    };
    let both = async { tokio::join!(running, printing) };
    let Some(((), code)) = interruption.or(both).await else {
        eprint_line("interrupted: the command may continue on the hosts");
        return Ok(ExitCode::from(exit_code([HostEnd::Interrupted])));
    };
    code
}

/// A single word is a line for the shell; several words are one command with its arguments, passed unchanged.
fn script(command: &[String]) -> String {
    match command {
        [line] => line.clone(),
        words => quote_all(words.iter().map(String::as_str)),
    }
}

/// Forwards the output of a single host byte by byte, and returns its exit code.
async fn alone(mut events: UnboundedReceiver<CommandEvent>) -> anyhow::Result<ExitCode> {
    let mut output = Forwarding::default();
    while let Some(event) = events.recv().await {
        match event {
            CommandEvent::Started { .. } => {}
            CommandEvent::Output(written) => output.forward(written.stream, &written.bytes).await?,
            CommandEvent::Finished(Ran { result: Ok(status), .. }) => {
                output.finish().await?;
                return Ok(ExitCode::from(u8::try_from(status).unwrap_or(1)));
            }
            CommandEvent::Finished(Ran { result: Err(error), .. }) => errors::show_plain(&error),
        }
    }
    output.finish().await?;
    Ok(ExitCode::from(exit_code([HostEnd::Unreachable])))
}
