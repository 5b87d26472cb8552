//! `homelab lab down`

use std::cell::Cell;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use homelab::lab::{Lab, LabSpec};

use super::events;
use crate::cli::completion;
use crate::cli::output::eprint_line;
use crate::cli::runtime;

/// Arguments of `homelab lab down`.
#[derive(Debug, Args)]
pub(crate) struct DownArguments {
    /// Name of an inventory with lab hosts, such as `dev`
    #[arg(add = completion::labs())]
    pub(super) inventory: String,
    /// Accepted as elsewhere; this command never asks
    #[arg(long, short, hide = true)]
    yes: bool,
}

pub(super) fn run(root: &Path, spec: &LabSpec) -> anyhow::Result<ExitCode> {
    let said_anything = Cell::new(false);
    runtime::one_thread()?.block_on(async {
        let lab = Lab::connect(root).await?;
        let mut listener = |event| {
            said_anything.set(true);
            events::show(&event);
        };
        lab.down(spec, &mut listener).await
    })?;
    if !said_anything.get() {
        eprint_line(format_args!(
            "lab: inventory `{}` has no running lab hosts",
            spec.inventory
        ));
    }
    Ok(ExitCode::SUCCESS)
}
