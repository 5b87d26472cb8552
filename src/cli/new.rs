//! `homelab new`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use homelab::starter::{NewStack, write_stack};

use super::output::print;
use super::project;

#[derive(Debug, Subcommand)]
pub(crate) enum NewCommand {
    /// Write the files of a new compose stack, and add it to the stacks of your hosts
    Stack(StackArguments),
}

/// Arguments of `homelab new stack`.
#[derive(Debug, Args)]
pub(crate) struct StackArguments {
    /// Name of the stack and of its service, such as `grafana`
    name: String,
    /// Image of the service, such as `grafana/grafana:12.1`
    #[arg(long)]
    image: String,
    /// Port on which the service answers as a web site
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Network that other stacks are in too; default: the first of the data `docker.networks`
    #[arg(long)]
    network: Option<String>,
    /// Group whose hosts run it; default: the only group with a list of `stacks`
    #[arg(long)]
    group: Option<String>,
}

pub(super) fn run(command: &NewCommand) -> anyhow::Result<ExitCode> {
    let NewCommand::Stack(arguments) = command;
    let project = project::with_data(None)?;
    let written = write_stack(
        &project,
        &NewStack {
            name: &arguments.name,
            image: &arguments.image,
            port: arguments.port,
            network: arguments.network.as_deref(),
            group: arguments.group.as_deref(),
        },
    )?;
    let files = written.files.join(" and ");
    let name = &arguments.name;
    let list = match written.list {
        Some(list) => format!("added `{name}` to `stacks` in {list}\nnext: "),
        None => format!("next: add `{name}` to `stacks` in the data of the hosts that run it\n      "),
    };
    let (inventory, deploy) = written.deploy.unwrap_or(("INVENTORY".to_owned(), "DEPLOY".to_owned()));
    let names = written.names_deploy.map_or_else(String::new, |names| {
        format!("      homelab deploy {inventory} {names}    # makes the name of the site known\n")
    });
    let next = format!("{list}homelab check\n      homelab deploy {inventory} {deploy}\n{names}");
    print(&format!("created {files}\n{next}"))?;
    Ok(ExitCode::SUCCESS)
}
