//! The command line: one file per command, which reads its arguments, calls the library and shows the result.
//!
//! Plans and reports go to standard output, everything else to standard error.

mod agent;
mod apply;
mod applying;
mod backup;
mod check;
mod commands;
mod comparing;
mod completion;
mod completions;
mod connection_arguments;
pub(crate) mod core_dumps;
mod deploy;
mod deploy_arguments;
mod deploying;
mod document_path;
mod documents;
mod drift;
mod duration;
mod earlier;
mod errors;
mod exec;
mod facts;
mod filter;
mod format;
mod history;
mod holding;
mod host_keys;
mod images;
mod init;
mod interruption;
mod inventory;
mod journals;
mod lab;
mod man;
mod new;
mod only_failed;
mod opened;
mod operations;
mod output;
pub(crate) mod panics;
mod pass;
mod pass_applied;
mod passes;
mod password;
mod pki;
mod plan;
mod plan_file;
mod prepared;
mod progress;
mod project;
mod prompt;
mod read_as;
mod reading;
mod review_arguments;
mod rollback;
mod run_arguments;
mod runtime;
mod saving;
mod schema;
mod secrets;
mod several;
mod show;
mod showing;
mod status;
mod table;
mod targets;
mod terminal;
mod trust;
mod typed;
mod window;
mod wrong_call;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use homelab::project::hosts_of_deploy;

use commands::{Cli, CliCommand};

/// Runs the command line. Exit codes: docs/output.md.
pub(crate) fn main() -> ExitCode {
    let parsed = match completion::answer(Cli::command) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => Cli::try_parse(),
        Err(error) => Err(error),
    };
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let error = wrong_call::with_tip(error);
            // clap's own code for a wrong call is 2, which here means that changes are pending.
            let code = if error.use_stderr() { errors::INVALID } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    cli.color.write_global();
    let result = match &cli.command {
        CliCommand::Init(arguments) => init::run(arguments),
        CliCommand::New(command) => new::run(command),
        CliCommand::Deploy(arguments) => deploy::run(arguments),
        CliCommand::Plan(arguments) => plan::run(arguments),
        CliCommand::Show(arguments) => show::run(arguments),
        CliCommand::Apply(arguments) => apply::run(arguments),
        CliCommand::Drift(arguments) => drift::run(arguments),
        CliCommand::Check(arguments) => check::run(arguments),
        CliCommand::Inventory(command) => inventory::run(command),
        CliCommand::Secrets(command) => secrets::run(command),
        CliCommand::Pki(command) => pki::run(command),
        CliCommand::Trust(arguments) => trust::run(arguments),
        CliCommand::Exec(arguments) => exec::run(arguments),
        CliCommand::Facts(arguments) => facts::run(arguments),
        CliCommand::History(arguments) => history::run(arguments),
        CliCommand::Rollback(arguments) => rollback::run(arguments),
        CliCommand::Status(arguments) => status::run(arguments),
        CliCommand::Images(command) => images::run(command),
        CliCommand::Backup(command) => backup::run(command),
        CliCommand::Agent(command) => agent::run(command),
        CliCommand::Operations(arguments) => operations::run(arguments),
        CliCommand::Schema(arguments) => schema::run(arguments),
        CliCommand::Completions(arguments) => completions::run(arguments),
        CliCommand::Man(arguments) => man::run(arguments, Cli::command()),
        CliCommand::Lab(command) => lab_command(command),
    };
    result.unwrap_or_else(|error| {
        errors::show(&error);
        ExitCode::from(errors::INVALID)
    })
}

fn lab_command(command: &lab::LabCommand) -> anyhow::Result<ExitCode> {
    let root = project::root()?;
    lab::run(command, &root, |inventory, deploy| {
        let project = project::with_deploy(inventory, deploy)?;
        let hosts = deploy.map(|deploy| hosts_of_deploy(&project, inventory, deploy));
        let names = hosts
            .transpose()?
            .unwrap_or_default()
            .iter()
            .map(|host| host.name.clone())
            .collect();
        Ok((targets::lab_spec(&project, inventory)?, names))
    })
}
