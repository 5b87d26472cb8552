//! `homelab lab down`

use std::cell::Cell;
use std::path::Path;
use std::process::ExitCode;

use homelab::lab::{Lab, LabSpec};

use super::events;
use crate::cli::output::tell_line;
use crate::cli::runtime;

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
        tell_line(format_args!(
            "lab: inventory `{}` has no running lab hosts",
            spec.inventory
        ));
    }
    Ok(ExitCode::SUCCESS)
}
