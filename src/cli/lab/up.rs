//! `homelab lab up`

use std::path::Path;
use std::process::ExitCode;

use homelab::lab::{Lab, LabSpec};

use crate::cli::output::tell_line;

pub(super) fn run(root: &Path, spec: &LabSpec) -> anyhow::Result<ExitCode> {
    if spec.hosts.is_empty() {
        tell_line(format_args!(
            "lab: no host of the inventory `{}` is a lab host (`lab = true`)",
            spec.inventory
        ));
        return Ok(ExitCode::from(3));
    }
    super::runtime()?.block_on(async {
        let lab = Lab::connect(root).await?;
        lab.up(spec, &mut |event| super::show(&event)).await?;
        Ok(ExitCode::SUCCESS)
    })
}
