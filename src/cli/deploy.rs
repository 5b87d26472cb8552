//! `homelab deploy`

use std::process::ExitCode;

use homelab::project::Filter;
use homelab::secret::DigestKey;

use super::deploy_arguments::DeployArguments;
use super::deploying::{Deploying, Saved};
use super::only_failed::only_failed;
use super::prepared::{Prepared, Refused, refuse};
use super::read_as::read_as;
use super::{project, targets};

pub(super) fn run(arguments: &DeployArguments) -> anyhow::Result<ExitCode> {
    let names = (arguments.inventory.as_str(), arguments.deploy.as_str());
    match prepared(arguments, names) {
        Ok(prepared) => deploy(arguments, prepared),
        Err(refused) => refuse(refused, names, &arguments.run),
    }
}

fn prepared(arguments: &DeployArguments, names: (&str, &str)) -> Result<Prepared, Refused> {
    let project = project::for_deploy(&arguments.deploy, arguments.access()).map_err(Refused::Error)?;
    let filter = Filter {
        owed: arguments.earlier.owed,
        ..arguments.filter.read().map_err(|error| Refused::Error(error.into()))?
    };
    Prepared::new(project, names, &filter, arguments.earlier.prune, DigestKey::random())
}

fn deploy(arguments: &DeployArguments, mut prepared: Prepared) -> anyhow::Result<ExitCode> {
    prepared.tell_unknown();
    if arguments.earlier.only_failed {
        let targets = targets::targets(&prepared.project, &prepared.run)?;
        let targets = arguments.run.connection.complete(targets)?;
        prepared.run = match only_failed(&prepared.run, &targets)? {
            Ok(run) => run,
            Err(code) => return Ok(code),
        };
    }
    let user = arguments.read_as.as_deref();
    let targets = || read_as(user, targets::targets(&prepared.project, &prepared.run)?);
    let deploying = Deploying {
        arguments: &arguments.run,
        run: &prepared.run,
        digests: prepared.digests.clone(),
        uses_peers: prepared.uses_peers,
        rollback_of: None,
        reads_only: user.is_some(),
        saved: Saved::No,
    };
    deploying.carry_out(targets)
}
