//! `homelab lab reset`

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use homelab::error::{Diagnostic, suggestion};
use homelab::lab::{Lab, LabSpec};

use super::events;
use crate::cli::completion;
use crate::cli::runtime;

/// Arguments of `homelab lab reset`.
#[derive(Debug, Args)]
pub(crate) struct ResetArguments {
    /// Name of an inventory with lab hosts, such as `dev`
    #[arg(add = completion::labs())]
    pub(super) inventory: String,
    /// Lab host to recreate; all of the inventory if omitted
    #[arg(add = completion::lab_hosts())]
    host: Option<String>,
    /// Accepted as elsewhere; this command never asks
    #[arg(long, short, hide = true)]
    yes: bool,
}

pub(super) fn run(root: &Path, spec: &LabSpec, arguments: &ResetArguments) -> anyhow::Result<ExitCode> {
    let host = arguments.host.as_deref();
    if let Some(host) = host
        && !spec.hosts.iter().any(|one| one.name == host)
    {
        let mistake = Diagnostic::new(format!("unknown lab host `{host}` in inventory `{}`", spec.inventory));
        let names = spec.hosts.iter().map(|one| one.name.as_str());
        return Err(mistake.hint_maybe(suggestion(host, names)).into());
    }
    runtime::one_thread()?.block_on(async {
        let lab = Lab::connect(root).await?;
        lab.reset(spec, host, &mut |event| events::show(&event)).await?;
        Ok(ExitCode::SUCCESS)
    })
}
