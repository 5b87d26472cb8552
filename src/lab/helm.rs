//! The programs `helm` of the lab: Helm itself, built on this machine from its Go modules.
//!
//! They are built once and kept, in a folder named after the digest of what they are built from, and only for labs that ask for them.

use std::path::{Path, PathBuf};

use super::compiled::{Compiled, go_build, keep_program};
use super::error::LabError;
use super::events::Events;
use super::program::Program;
use super::{naming, state};
use crate::content::{LAB_HELM, lab_helm_file};

/// For each version: the major one, and the Go module that it is built from.
const SOURCES: [(&str, &str, &str); 2] = [
    ("v3", include_str!("helm/v3/go.mod"), include_str!("helm/v3/go.sum")),
    ("v4", include_str!("helm/v4/go.mod"), include_str!("helm/v4/go.sum")),
];
/// Held while they are built.
const LOCK: &str = "lab-helm.lock";
const GO: Program = Program {
    name: "go",
    action: "build the Helm of the lab",
};

/// The name of the folder with what is built: it follows from the sources and the flags.
fn name() -> String {
    let mut all = String::new();
    for ((major, module, sums), version) in SOURCES.into_iter().zip(LAB_HELM) {
        all.extend([module, sums, &flags(major, version).join("\n")]);
    }
    format!("lab-helm-{}", naming::hex_of(all.as_bytes(), 5))
}

/// Builds it unless it is there, and returns its folder, with the program in each version.
pub(super) async fn ensure(events: &Events<'_>) -> Result<PathBuf, LabError> {
    let compiled = Compiled {
        name: name(),
        lock: LOCK,
        what: "Helm",
        takes: "five minutes or more",
    };
    if let Some(compiling) = compiled.begin(events).await? {
        build(compiling.work(), compiling.built()).await?;
        compiling.keep()?;
    }
    Ok(compiled.folder())
}

/// Builds each version in `work`, and puts the programs into `built`.
async fn build(work: &Path, built: &Path) -> Result<(), LabError> {
    for ((major, module, sums), version) in SOURCES.into_iter().zip(LAB_HELM) {
        let sources = work.join(major);
        state::write(&sources.join("go.mod"), module.as_bytes())?;
        state::write(&sources.join("go.sum"), sums.as_bytes())?;
        let program = sources.join("helm");
        let mut compile = go_build(&sources);
        compile
            .env("CGO_ENABLED", "0")
            .args(flags(major, version))
            .arg("-o")
            .arg(&program)
            .arg(format!("helm.sh/helm/{major}/cmd/helm"));
        GO.run("lab", compile).await?;
        keep_program(&program, built, &lab_helm_file(version))?;
    }
    Ok(())
}

fn flags(major: &str, version: &str) -> [String; 3] {
    [
        "-trimpath".to_owned(),
        "-buildvcs=false".to_owned(),
        format!("-ldflags=-s -w -X helm.sh/helm/{major}/internal/version.version={version}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_is_that_of_its_module() {
        for ((major, module, _), version) in SOURCES.into_iter().zip(LAB_HELM) {
            assert!(
                module.contains(&format!("helm.sh/helm/{major} {version} ")),
                "{major} {version}"
            );
        }
    }
}
