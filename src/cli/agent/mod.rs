//! `homelab agent`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use homelab::agent::{self, AgentError, Part, own_architecture};
use homelab::report;

use super::output::{eprint_line, print};
use super::project;

/// Subcommands of `homelab agent`.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Compile its program into `.homelab/agent`, unless that is there
    Build(BuildArguments),
    /// Compile it, and pack an image for pods beside it
    Image(BuildArguments),
}

/// Arguments of `homelab agent build` and `homelab agent image`.
#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// Architecture of the hosts; that of this machine if omitted
    #[arg(long, value_parser = agent::ARCHITECTURES)]
    architecture: Option<String>,
}

pub(super) fn run(command: &AgentCommand) -> anyhow::Result<ExitCode> {
    let root = project::root()?;
    let (part, arguments) = match command {
        AgentCommand::Build(arguments) => (Part::Binary, arguments),
        AgentCommand::Image(arguments) => (Part::Image, arguments),
    };
    let architecture = match (&arguments.architecture, own_architecture()) {
        (Some(asked), _) => asked.as_str(),
        (None, Some(own)) => own,
        (None, None) => {
            let architecture = std::env::consts::ARCH.to_owned();
            return Err(AgentError::UnknownArchitecture { architecture }.into());
        }
    };
    let mut compiling = || {
        eprint_line(format_args!(
            "compiling the agent for {architecture}, which takes a few minutes"
        ));
    };
    let built = agent::build(&root, part, architecture, &mut compiling)?;
    print(&report::agent(&built, part))?;
    Ok(ExitCode::SUCCESS)
}
