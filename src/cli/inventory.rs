//! `homelab inventory`

use std::process::ExitCode;

use clap::Subcommand;
use homelab::project::{explain, find_host, host_data};
use homelab::report;

use super::completion;
use super::output::print;

/// What of the inventories to show.
#[derive(Debug, Subcommand)]
pub(crate) enum InventoryCommand {
    /// List the hosts of an inventory, or of all, with their addresses and groups
    List {
        /// Inventory: the name of a file in `inventories/`
        #[arg(add = completion::inventories())]
        inventory: Option<String>,
    },
    /// Show a host's groups and all its data, each value with its place
    Show {
        /// The host
        #[arg(add = completion::hosts())]
        host: String,
        /// The inventory, where several have a host of that name
        #[arg(long, add = completion::inventories())]
        inventory: Option<String>,
    },
    /// Tell which file and line gave a host a value, and what that overrode
    Explain {
        /// The host
        #[arg(add = completion::hosts())]
        host: String,
        /// The value's dotted name, as in `docker.source`
        key: String,
        /// The inventory, where several have a host of that name
        #[arg(long, add = completion::inventories())]
        inventory: Option<String>,
    },
}

pub(super) fn run(command: &InventoryCommand) -> anyhow::Result<ExitCode> {
    let project = super::project()?;
    match command {
        InventoryCommand::List { inventory: Some(name) } => {
            print(&report::inventory(name, project.inventory(name)?))?;
        }
        InventoryCommand::List { inventory: None } => {
            for (name, inventory) in &project.inventories {
                print(&report::inventory(name, inventory))?;
            }
        }
        InventoryCommand::Show { host, inventory } => {
            let (name, inventory, host) = find_host(&project, inventory.as_deref(), host)?;
            let data = host_data(&project, name, inventory, host);
            print(&report::host(name, inventory, host, &data))?;
        }
        InventoryCommand::Explain { host, key, inventory } => {
            let found = find_host(&project, inventory.as_deref(), host)?;
            print(&report::explanation(key, &explain(&project, found, key)?))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
