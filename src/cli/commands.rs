//! The commands.

use clap::{Parser, Subcommand};

use super::{
    agent, apply, backup, check, completions, deploy_arguments, drift, exec, facts, history, images, init, inventory,
    lab, man, new, operations, pki, plan, rollback, schema, secrets, show, status, trust,
};

/// Deploy your home lab over SSH, and see a diff of every change first
#[derive(Debug, Parser)]
#[command(name = "homelab", version, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) color: colorchoice_clap::Color,
    #[command(subcommand)]
    pub(super) command: CliCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum CliCommand {
    /// Create a new project with a throw-away host to deploy to
    Init(init::InitArguments),
    /// Write the files of something new in the project
    #[command(subcommand)]
    New(new::NewCommand),
    /// Show a diff of what would change on the hosts, ask, then apply it
    Deploy(deploy_arguments::DeployArguments),
    /// Show a diff as `deploy --dry-run` does, and save it as a plan that `apply` carries out later
    Plan(plan::PlanArguments),
    /// Show a saved plan; needs no project, no key and no host
    Show(show::ShowArguments),
    /// Apply a saved plan, exactly as it was reviewed, to hosts that are still as they were
    Apply(apply::ApplyArguments),
    /// Tell in a line for each host whether it is as configured, and if not, what changed: for cron
    Drift(drift::DriftArguments),
    /// Find mistakes in the project without connecting to any host
    Check(check::CheckArguments),
    /// Show hosts, their groups and data, and where each value comes from
    #[command(subcommand)]
    Inventory(inventory::InventoryCommand),
    /// Encrypt passwords and keys in the project's files, and manage who can decrypt them
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Issue certificates for devices and servers from an authority of the project, renew and revoke them
    #[command(subcommand)]
    Pki(pki::PkiCommand),
    /// Show unknown host keys, ask, and add them to `inventories/known_hosts`
    Trust(trust::TrustArguments),
    /// Run a command on hosts; exits with its code, or 1 if any of several hosts failed
    Exec(exec::ExecArguments),
    /// Show the facts of a host, as templates see them
    Facts(facts::FactsArguments),
    /// Show what earlier runs changed on hosts, from the journals that the hosts keep
    History(history::HistoryArguments),
    /// Take back what a run changed on a host: show the diff, ask, then apply it
    Rollback(rollback::RollbackArguments),
    /// Show what earlier runs left on hosts: owed restarts, interrupted runs, jobs, lock-out guards
    Status(status::StatusArguments),
    /// Hold Docker images to digests, and see which registries have newer ones
    #[command(subcommand)]
    Images(images::ImagesCommand),
    /// Make, list and restore backups of stacks
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Compile the on-host agent, which operations name `agent:binary` and `agent:image`
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// List all operations, or show the parameters of one with an example
    Operations(operations::OperationsArguments),
    /// Write JSON Schemas, so that editors complete and check project files
    Schema(schema::SchemaArguments),
    /// Print the line that enables completion in your shell
    Completions(completions::CompletionsArguments),
    /// Write man pages
    Man(man::ManArguments),
    /// Create, reset and remove throw-away hosts to test deploys on
    #[command(subcommand)]
    Lab(lab::LabCommand),
}
