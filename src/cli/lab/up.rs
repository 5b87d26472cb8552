//! `homelab lab up`

use std::path::Path;
use std::process::ExitCode;

use homelab::lab::{Lab, LabSpec};

use super::events;
use crate::cli::output::tell_line;
use crate::cli::runtime;

pub(super) fn run(root: &Path, spec: &LabSpec) -> anyhow::Result<ExitCode> {
    if spec.hosts.is_empty() {
        tell_line(format_args!(
            "lab: inventory `{}` has no lab hosts (`lab = true`)",
            spec.inventory
        ));
        return Ok(ExitCode::from(3));
    }
    runtime::one_thread()?.block_on(async {
        let lab = Lab::connect(root).await?;
        lab.up(spec, &mut |event| events::show(&event)).await?;
        Ok(ExitCode::SUCCESS)
    })
}
