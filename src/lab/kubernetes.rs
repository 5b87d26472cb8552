//! The Kubernetes of the lab: a stand-in for k3s, built on this machine from the sources of Kubernetes with programs of our own.
//!
//! It is built once and kept, in a folder named after the digest of what it is built from. What pods need besides (containerd,
//! runc and network plugins) is in the image of the hosts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio::process::Command;

use super::error::LabError;
use super::events::{Events, ImageStep, LabEvent};
use super::program::Program;
use super::{lock, naming, state};
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
const SHA256_BYTES: usize = 32;
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

/// Where this machine keeps it.
pub(super) fn folder() -> PathBuf {
    lock::cache().join(name())
}

/// Builds it unless it is there, and returns its folder: the program k3s in each version, and `images` with an archive for each image.
pub(super) async fn ensure(events: &Events<'_>) -> Result<PathBuf, LabError> {
    let folder = folder();
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
        what: "Kubernetes",
        takes: "ten minutes or more",
    });
    let cache = lock::cache();
    let work = tempfile::tempdir_in(&cache).map_err(disk("write", &cache))?;
    build(work.path()).await?;
    let built = work.path().join("built");
    fs::rename(&built, &folder).map_err(disk("rename", &built))?;
    report(ImageStep::Made {
        took: started.elapsed(),
    });
    Ok(folder)
}

/// Builds it in `work`, in a folder `built` there.
async fn build(work: &Path) -> Result<(), LabError> {
    for (path, text) in SOURCES {
        state::write(&work.join("sources").join(path), text.as_bytes())?;
    }
    let (programs, built) = (work.join("programs"), work.join("built"));
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
    keep(&from, &built, &lab_k3s_file(own))?;
    for version in others {
        // Only linked anew.
        compile(work, version, &programs, "./k3s").await?;
        keep(&from, &built, &lab_k3s_file(version))?;
    }
    Ok(())
}

/// Compiles `packages` as parts of this version of k3s.
async fn compile(work: &Path, version: &str, programs: &Path, packages: &str) -> Result<(), LabError> {
    let mut compile = Command::new(GO.name);
    compile
        .current_dir(work.join("sources"))
        .env("CGO_ENABLED", "0")
        // A workspace of the user, in a folder above, has nothing to do with it.
        .env("GOWORK", "off")
        .arg("build")
        .args(flags(version))
        .arg("-o")
        .arg(programs)
        .arg(packages);
    GO.run("lab", compile).await
}

/// Keeps a program under a name, with its digest.
pub(super) fn keep(program: &Path, built: &Path, name: &str) -> Result<(), LabError> {
    let to = built.join(name);
    fs::rename(program, &to).map_err(disk("rename", program))?;
    let whole = fs::read(&to).map_err(disk("read", &to))?;
    let digest = naming::hex_of(&whole, SHA256_BYTES);
    let beside = built.join(format!("{name}.sha256"));
    state::write(&beside, format!("{digest}\n").as_bytes())
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

pub(super) fn disk(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LabError {
    let path = path.to_path_buf();
    move |source| LabError::Disk { action, path, source }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A file that the list lacks would be missing in the build of a user, whose homelab has no source folder.
    #[test]
    fn all_files_of_the_module_are_built() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lab/kubernetes");
        let (mut folders, mut found) = (vec![root.clone()], BTreeSet::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.to_string_lossy().ends_with("_test.go") {
                    found.insert(path.strip_prefix(&root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let listed: BTreeSet<String> = SOURCES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, found);
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
