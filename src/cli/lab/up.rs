//! `homelab lab up`

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use homelab::error::Diagnostic;
use homelab::lab::{Lab, LabSpec};

use super::events;
use crate::cli::completion;
use crate::cli::runtime;

/// Arguments of `homelab lab up`.
#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// Name of an inventory with lab hosts, such as `dev`
    #[arg(add = completion::labs())]
    pub(super) inventory: String,
    /// Only the hosts of this deploy; all lab hosts of the inventory if omitted
    #[arg(add = completion::deploys())]
    pub(super) deploy: Option<String>,
}

/// Starts the hosts of `spec`, or of a deploy: its name and those of its hosts.
pub(super) fn run(root: &Path, spec: &LabSpec, deploy: Option<&(&str, Vec<String>)>) -> anyhow::Result<ExitCode> {
    if spec.hosts.is_empty() {
        return Err(
            Diagnostic::new(format!("no lab hosts in inventory `{}`", spec.inventory))
                .hint("add `lab = true` to a host")
                .into(),
        );
    }
    let is_meant = |name: &str| deploy.is_none_or(|(_, hosts)| hosts.iter().any(|host| host == name));
    if let Some((deploy, _)) = deploy
        && !spec.hosts.iter().any(|host| is_meant(&host.name))
    {
        return Err(Diagnostic::new(format!(
            "no lab hosts in deploy `{deploy}` on inventory `{}`",
            spec.inventory
        ))
        .hint("add `lab = true` to a host of the deploy, or start all lab hosts without naming a deploy")
        .into());
    }
    runtime::one_thread()?.block_on(async {
        let lab = Lab::connect(root).await?;
        lab.up_only(spec, is_meant, &mut |event| events::show(&event)).await?;
        Ok(ExitCode::SUCCESS)
    })
}
