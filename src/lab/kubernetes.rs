//! The Kubernetes of the lab: a stand-in for k3s, built on this machine from the sources of Kubernetes with programs of our own.
//!
//! It is built once and kept, in a folder named after the digest of what it is built from. What pods need besides (containerd,
//! runc and network plugins) is in the image of the hosts.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::compiled::{Compiled, disk, go_build, keep_program};
use super::error::LabError;
use super::events::Events;
use super::program::Program;
use super::{naming, state};
use crate::content::{LAB_K3S, lab_k3s_file};

/// The Go module: path and text of each file.
const SOURCES: &[(&str, &str)] = &[
    ("go.mod", include_str!("kubernetes/go.mod")),
    ("go.sum", include_str!("kubernetes/go.sum")),
    ("answer/main.go", include_str!("kubernetes/answer/main.go")),
    ("coredns/main.go", include_str!("kubernetes/coredns/main.go")),
    ("gpu/main.go", include_str!("kubernetes/gpu/main.go")),
    ("pause/main.go", include_str!("kubernetes/pause/main.go")),
    ("k3s/components.go", include_str!("kubernetes/k3s/components.go")),
    ("k3s/configuration.go", include_str!("kubernetes/k3s/configuration.go")),
    ("k3s/coredns.yaml", include_str!("kubernetes/k3s/coredns.yaml")),
    ("k3s/crictl.go", include_str!("kubernetes/k3s/crictl.go")),
    ("k3s/images.go", include_str!("kubernetes/k3s/images.go")),
    ("k3s/joining.yaml", include_str!("kubernetes/k3s/joining.yaml")),
    (
        "k3s/local-storage.yaml",
        include_str!("kubernetes/k3s/local-storage.yaml"),
    ),
    ("k3s/main.go", include_str!("kubernetes/k3s/main.go")),
    ("k3s/manifests.go", include_str!("kubernetes/k3s/manifests.go")),
    ("k3s/node.go", include_str!("kubernetes/k3s/node.go")),
    ("k3s/pki.go", include_str!("kubernetes/k3s/pki.go")),
    ("k3s/processes.go", include_str!("kubernetes/k3s/processes.go")),
    ("k3s/registries.go", include_str!("kubernetes/k3s/registries.go")),
    ("k3s/server.go", include_str!("kubernetes/k3s/server.go")),
    ("k3s/start.go", include_str!("kubernetes/k3s/start.go")),
    ("k3s/storage.go", include_str!("kubernetes/k3s/storage.go")),
];
/// The programs that become images of the name `docker.io/lab/PROGRAM:1`.
const IMAGES: [&str; 4] = ["answer", "coredns", "gpu", "pause"];
/// What is not the real thing on a host with Kubernetes.
pub(super) const STAND_INS: &str = "k3s, gpu";
/// Held while it is built.
const LOCK: &str = "lab-kubernetes.lock";
const GO: Program = Program {
    name: "go",
    action: "build the Kubernetes of the lab",
};
const PACK: Program = Program {
    name: "k3s",
    action: "pack an image",
};

/// The name of the folder with what is built: it follows from the sources and the flags.
pub(super) fn name() -> String {
    let mut all: String = LAB_K3S.map(|version| flags(version).join("\n")).concat();
    for (path, text) in SOURCES {
        all.extend(["\n", path, "\n", text]);
    }
    format!("lab-kubernetes-{}", naming::hex_of(all.as_bytes(), 5))
}

fn compiled() -> Compiled {
    Compiled {
        name: name(),
        lock: LOCK,
        what: "Kubernetes",
        takes: "ten minutes or more",
    }
}

/// Where this machine keeps it.
pub(super) fn folder() -> PathBuf {
    compiled().folder()
}

/// Builds it unless it is there, and returns its folder: the program k3s in each version, and `images` with an archive for each image.
pub(super) async fn ensure(events: &Events<'_>) -> Result<PathBuf, LabError> {
    let compiled = compiled();
    if let Some(compiling) = compiled.begin(events).await? {
        build(compiling.work(), compiling.built()).await?;
        compiling.keep()?;
    }
    Ok(compiled.folder())
}

/// Builds it in `work`, and puts what is kept into `built`.
async fn build(work: &Path, built: &Path) -> Result<(), LabError> {
    for (path, text) in SOURCES {
        state::write(&work.join("sources").join(path), text.as_bytes())?;
    }
    let programs = work.join("programs");
    for folder in [&programs, &built.join("images")] {
        fs::create_dir_all(folder).map_err(disk("create", folder))?;
    }
    let [own, others @ ..] = LAB_K3S;
    compile(work, own, &programs, "./...").await?;
    for image in IMAGES {
        let mut pack = Command::new(programs.join("k3s"));
        pack.arg("pack-image")
            .arg(built.join("images").join(image).with_extension("tar"))
            .arg(format!("docker.io/lab/{image}:1"))
            .arg(programs.join(image));
        PACK.run("lab", pack).await?;
    }
    let from = programs.join("k3s");
    keep_program(&from, built, &lab_k3s_file(own))?;
    for version in others {
        // Only linked anew.
        compile(work, version, &programs, "./k3s").await?;
        keep_program(&from, built, &lab_k3s_file(version))?;
    }
    Ok(())
}

/// Compiles `packages` as parts of this version of k3s.
async fn compile(work: &Path, version: &str, programs: &Path, packages: &str) -> Result<(), LabError> {
    let mut compile = go_build(&work.join("sources"));
    compile
        .env("CGO_ENABLED", "0")
        .args(flags(version))
        .arg("-o")
        .arg(programs)
        .arg(packages);
    GO.run("lab", compile).await
}

fn flags(version: &str) -> Vec<String> {
    let mut numbers = version.trim_start_matches('v').split('.');
    let [major, minor] = [numbers.next(), numbers.next()].map(Option::unwrap_or_default);
    let known = [
        ("gitVersion", version),
        ("gitMajor", major),
        ("gitMinor", minor),
        ("gitTreeState", "clean"),
        ("buildDate", "2026-01-01T00:00:00Z"),
    ];
    let links: Vec<String> = known
        .iter()
        .map(|(name, value)| format!("-X k8s.io/component-base/version.{name}={value}"))
        .collect();
    let links = format!("-ldflags=-s -w {}", links.join(" "));
    ["-trimpath".to_owned(), "-buildvcs=false".to_owned(), links].to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::compiled::files_of_module;
    use super::*;

    /// A file that the list lacks would be missing in the build of a user, whose homelab has no source folder.
    #[test]
    fn all_files_of_the_module_are_built() {
        let listed: BTreeSet<String> = SOURCES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, files_of_module("kubernetes"));
    }

    #[test]
    fn the_version_is_that_of_the_module() {
        let (kubernetes, _) = LAB_K3S[0].split_once('+').unwrap();
        let (_, module) = SOURCES[0];
        assert!(
            module.contains(&format!("k8s.io/kubernetes {kubernetes}\n")),
            "{module}"
        );
        assert!(flags(LAB_K3S[2])[2].contains("gitMinor=35 "), "{:?}", flags(LAB_K3S[2]));
    }
}
