//! The programs `helm` of the lab: Helm itself, built on this machine from its Go modules.
//!
//! They are built once and kept, in a folder named after the digest of what they are built from, and only for labs that ask for them.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use tokio::process::Command;

use super::error::LabError;
use super::events::{Events, ImageStep, LabEvent};
use super::kubernetes::{disk, keep};
use super::program::Program;
use super::{lock, naming, state};
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
    let cache = lock::cache();
    let folder = cache.join(name());
    if folder.exists() {
        return Ok(folder);
    }
    let _lock = lock::hold(LOCK).await?;
    // Another run may have built it in the meantime.
    if folder.exists() {
        return Ok(folder);
    }
    let started = Instant::now();
    let report = |step| {
        events.report(LabEvent::Image { image: name(), step });
    };
    report(ImageStep::Compiling {
        what: "Helm",
        takes: "five minutes or more",
    });
    let work = tempfile::tempdir_in(&cache).map_err(disk("write", &cache))?;
    let built = work.path().join("built");
    fs::create_dir_all(&built).map_err(disk("create", &built))?;
    for ((major, module, sums), version) in SOURCES.into_iter().zip(LAB_HELM) {
        let sources = work.path().join(major);
        state::write(&sources.join("go.mod"), module.as_bytes())?;
        state::write(&sources.join("go.sum"), sums.as_bytes())?;
        let program = sources.join("helm");
        let mut compile = Command::new(GO.name);
        compile
            .current_dir(&sources)
            .env("CGO_ENABLED", "0")
            // A workspace of the user, in a folder above, has nothing to do with it.
            .env("GOWORK", "off")
            .arg("build")
            .args(flags(major, version))
            .arg("-o")
            .arg(&program)
            .arg(format!("helm.sh/helm/{major}/cmd/helm"));
        GO.run("lab", compile).await?;
        keep(&program, &built, &lab_helm_file(version))?;
    }
    fs::rename(&built, &folder).map_err(disk("rename", &built))?;
    report(ImageStep::Made {
        took: started.elapsed(),
    });
    Ok(folder)
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
