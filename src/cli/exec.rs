//! `homelab exec`

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use homelab::apply::{HostEnd, exit_code};
use homelab::gather::{CommandEvent, Ran, run_command};
use homelab::project::hosts;
use homelab::quote::quote_all;
use homelab::remote::Target;
use homelab::report::{self, Progress};
use tokio::sync::mpsc;

use super::interruption::Interruption;
use super::output::{pass_on, tell_line};
use super::telling::{Lines, Teller, Told};
use super::ways::WayArguments;
use super::{completion, deploy, errors, targets};

/// Where to run what.
#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    /// Inventory: the name of a file in `inventories/`
    #[arg(add = completion::inventories())]
    inventory: String,
    /// Hosts: a name, a group or a glob, or several with commas between them
    #[arg(required = true, value_name = "PATTERN", value_delimiter = ',', num_args = 1, add = completion::host_patterns())]
    patterns: Vec<String>,
    /// How many hosts at once
    #[arg(long, value_name = "NUMBER", default_value_t = deploy::PARALLEL, value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    #[command(flatten)]
    ways: WayArguments,
    /// A command with its arguments, or one word that is a line for the host's shell
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(super) fn run(arguments: &ExecArguments) -> anyhow::Result<ExitCode> {
    let project = super::project()?;
    let selected = hosts(&project, &arguments.inventory, &arguments.patterns)?;
    let names = selected.iter().map(|host| host.name.as_str());
    let targets = targets::of_hosts(&project, &arguments.inventory, names)?;
    let targets = arguments.ways.complete(targets)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(exec(arguments, targets))
}

async fn exec(arguments: &ExecArguments, targets: Vec<Target>) -> anyhow::Result<ExitCode> {
    let is_alone = targets.len() == 1;
    let mut interruption = Interruption::listen()?;
    let teller = Teller::new(Progress::of_running(targets.len()), Lines::Report);
    let (events, told) = mpsc::unbounded_channel();
    let mut all = Vec::new();
    let hear = |progress: &mut Progress, event: CommandEvent| {
        progress.hear_running(&event, Instant::now());
        let CommandEvent::Finished(ran) = event else {
            return Told::default();
        };
        let told = if is_alone { Told::default() } else { of_many(&ran) };
        all.push(ran);
        told
    };
    let script = script(&arguments.command);
    let running = run_command(targets, &script, usize::from(arguments.parallel), events);
    let both = async { tokio::join!(running, teller.follow(told, hear, std::future::pending())) };
    let Some(((), telling)) = interruption.or(both).await else {
        tell_line("interrupted: what runs on a host may go on there");
        return Ok(ExitCode::from(exit_code([HostEnd::Interrupted])));
    };
    telling?;
    match all.as_slice() {
        [ran] if is_alone => alone(ran),
        many => Ok(ExitCode::from(exit_code(many.iter().map(end)))),
    }
}

/// A single word is a line for the shell; several are one command whose arguments arrive as they are.
fn script(command: &[String]) -> String {
    match command {
        [line] => line.clone(),
        words => quote_all(words.iter().map(String::as_str)),
    }
}

/// What one of several hosts wrote, each line with the host's name before it.
fn of_many(ran: &Ran) -> Told {
    match &ran.result {
        Ok(answer) => {
            let mut aside = report::host_lines(&ran.host, &answer.stderr);
            if answer.status != 0 {
                aside += &report::host_lines(&ran.host, format!("exit code {}", answer.status).as_bytes());
            }
            Told {
                lines: report::host_lines(&ran.host, &answer.stdout),
                aside,
            }
        }
        Err(error) => Told {
            lines: String::new(),
            aside: errors::plain(error),
        },
    }
}

/// What the only host wrote comes as it is, and so does its exit code.
fn alone(ran: &Ran) -> anyhow::Result<ExitCode> {
    match &ran.result {
        Ok(answer) => {
            pass_on(&answer.stdout, &answer.stderr)?;
            Ok(ExitCode::from(u8::try_from(answer.status).unwrap_or(1)))
        }
        Err(error) => {
            errors::show_plain(error);
            Ok(ExitCode::from(exit_code([HostEnd::Unreachable])))
        }
    }
}

fn end(ran: &Ran) -> HostEnd {
    match &ran.result {
        Ok(answer) if answer.status == 0 => HostEnd::Converged,
        Ok(_) => HostEnd::Failed,
        Err(_) => HostEnd::Unreachable,
    }
}
