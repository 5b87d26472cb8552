//! `homelab lab up`

use std::path::Path;
use std::process::ExitCode;

use homelab::error::Diagnostic;
use homelab::lab::{Lab, LabSpec};

use super::events;
use crate::cli::runtime;

pub(super) fn run(root: &Path, spec: &LabSpec) -> anyhow::Result<ExitCode> {
    if spec.hosts.is_empty() {
        return Err(
            Diagnostic::new(format!("no lab hosts in inventory `{}`", spec.inventory))
                .hint("add `lab = true` to a host")
                .into(),
        );
    }
    runtime::one_thread()?.block_on(async {
        let lab = Lab::connect(root).await?;
        lab.up(spec, &mut |event| events::show(&event)).await?;
        Ok(ExitCode::SUCCESS)
    })
}
