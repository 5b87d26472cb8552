//! `homelab inventory`

use std::process::ExitCode;

use clap::Subcommand;
use homelab::project::{explain, find_host, host_data};
use homelab::report;

use super::output::print;
use super::{completion, project};

/// Subcommands of `homelab inventory`.
#[derive(Debug, Subcommand)]
pub(crate) enum InventoryCommand {
    /// List hosts with their addresses and groups
    List {
        /// Name of an inventory, such as `prod`; all inventories if omitted
        #[arg(add = completion::inventories())]
        inventory: Option<String>,
    },
    /// Show the groups and data of a host, each value with its file and line
    Show {
        /// Name of a host
        #[arg(add = completion::hosts())]
        host: String,
        /// Inventory of the host, if several have a host of that name
        #[arg(long, add = completion::inventories())]
        inventory: Option<String>,
    },
    /// Show which file and line set a value, and what it overrides
    Explain {
        /// Name of a host
        #[arg(add = completion::hosts())]
        host: String,
        /// Dotted name of the value, such as `docker.source`
        key: String,
        /// Inventory of the host, if several have a host of that name
        #[arg(long, add = completion::inventories())]
        inventory: Option<String>,
    },
}

pub(super) fn run(command: &InventoryCommand) -> anyhow::Result<ExitCode> {
    let project = match command {
        InventoryCommand::List { inventory } => project::with_inventory(inventory.as_deref())?,
        InventoryCommand::Show { host, inventory } | InventoryCommand::Explain { host, inventory, .. } => {
            project::with_data_of(host, inventory.as_deref())?
        }
    };
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
