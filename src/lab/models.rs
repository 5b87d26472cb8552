//! Models of the lab: Ollama, built on this machine from its own module, a registry with a tiny model, and a stand-in for the Model Manager.
//!
//! They are built once and kept, in a folder named after the digest of what they are built from. Ollama is linked without shared
//! libraries, so it runs on every host and in an image that has nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use bollard::models::ContainerCreateBody;
use tokio::process::Command;

use super::archive::{self, Entry};
use super::compiled::{Compiled, disk, go_build};
use super::engine::Engine;
use super::error::LabError;
use super::events::Events;
use super::image::{self, Recipe};
use super::program::Program;
use super::{naming, state};
use crate::content::{LAB_MODEL_IMAGES, lab_archive_file};

/// The Go module: path and text of each file. Of Ollama it has the name and the digests alone.
const SOURCES: &[(&str, &str)] = &[
    ("go.mod", include_str!("models/go.mod")),
    ("go.sum", include_str!("models/go.sum")),
    ("manager/cluster.go", include_str!("models/manager/cluster.go")),
    ("manager/main.go", include_str!("models/manager/main.go")),
    ("registry/gguf.go", include_str!("models/registry/gguf.go")),
    ("registry/main.go", include_str!("models/registry/main.go")),
];
/// Headers that the zip of Ollama's module lacks, since it has no `vendor` folders; and busybox.
const PARTS: &str = include_str!("images/models.sh");
const OLLAMA: &str = "github.com/ollama/ollama";
/// What Ollama needs besides: the C++ compiler, and no name services of the C library.
const FLAGS: [&str; 6] = [
    "-trimpath",
    "-buildvcs=false",
    "-tags",
    "netgo,osusergo",
    "-ldflags=-s -w -X github.com/ollama/ollama/version.Version=VERSION -linkmode=external -extldflags=-static",
    "-o",
];
/// Held while they are built.
const LOCK: &str = "lab-models.lock";
const GO: Program = Program {
    name: "go",
    action: "build Ollama",
};
const WRITE: Program = Program {
    name: "registry",
    action: "write the tiny model",
};

/// The name of the folder with what is built.
fn name() -> String {
    let mut all = format!("{PARTS}{FLAGS:?}{LAB_MODEL_IMAGES:?}");
    for (path, text) in SOURCES {
        all.extend(["\n", path, "\n", text]);
    }
    format!("lab-models-{}", naming::hex_of(all.as_bytes(), 5))
}

/// Builds them unless they are there, and returns their folder: the programs `ollama` and `registry`, `tiny.gguf`, and an archive for each image.
pub(super) async fn ensure(engine: &Engine, events: &Events<'_>) -> Result<PathBuf, LabError> {
    let compiled = Compiled {
        name: name(),
        lock: LOCK,
        what: "Ollama",
        takes: "five minutes or more",
    };
    if let Some(compiling) = compiled.begin(events).await? {
        let (work, built) = (compiling.work(), compiling.built());
        parts(engine, events, work).await?;
        build(work, built).await?;
        pack(work, built)?;
        compiling.keep()?;
    }
    Ok(compiled.folder())
}

/// Puts files of Debian packages into `work/parts`.
async fn parts(engine: &Engine, events: &Events<'_>, work: &Path) -> Result<(), LabError> {
    let recipe = Recipe::parts(PARTS);
    image::ensure(engine, &recipe, events).await?;
    let body = ContainerCreateBody {
        image: Some(recipe.image.clone()),
        ..ContainerCreateBody::default()
    };
    let container = format!("homelab-lab-parts-{}", std::process::id());
    let id = engine.create(&recipe.image, &container, body).await?;
    let read = engine.download(&recipe.image, &id, "/parts").await;
    engine.remove(&recipe.image, &id).await?;
    let unpacked = tar::Archive::new(&read?[..]).unpack(work);
    unpacked.map_err(disk("unpack files into", work))
}

async fn build(work: &Path, built: &Path) -> Result<(), LabError> {
    for (path, text) in SOURCES {
        state::write(&work.join("sources").join(path), text.as_bytes())?;
    }
    let compile = |program: &str, package: &str| {
        let mut compile = go_build(&work.join("sources"));
        compile
            .env("CGO_ENABLED", if package == OLLAMA { "1" } else { "0" })
            .env("CGO_CFLAGS", "-O2 -g0")
            .env("CGO_CXXFLAGS", "-O2 -g0")
            // Not among the flags, where a folder of another name would be another build.
            .env("CPLUS_INCLUDE_PATH", work.join("parts/include"));
        if package == OLLAMA {
            compile.args(FLAGS.map(|flag| flag.replace("VERSION", version())));
        } else {
            compile.args(["-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o"]);
        }
        compile.arg(built.join(program)).arg(package);
        GO.run("lab", compile)
    };
    compile("registry", "./registry").await?;
    compile("manager", "./manager").await?;
    compile("ollama", OLLAMA).await?;
    let mut write = Command::new(built.join("registry"));
    write.arg("write").arg(built.join("tiny.gguf"));
    WRITE.run("lab", write).await
}

/// The version of Ollama in the list of modules, without its `v`.
fn version() -> &'static str {
    let (_, list) = SOURCES[0];
    let mut lines = list.lines().filter_map(|line| line.trim().strip_prefix(OLLAMA));
    let version = lines.find_map(|rest| rest.trim().strip_prefix('v')).unwrap_or_default();
    version.split_whitespace().next().unwrap_or_default()
}

/// Writes the archives of the images.
fn pack(work: &Path, built: &Path) -> Result<(), LabError> {
    let read = |path: PathBuf| fs::read(&path).map_err(disk("read", &path));
    let busybox = read(work.join("parts/busybox"))?;
    let shell: Vec<String> = SHELL.iter().map(|name| format!("bin/{name}")).collect();
    for image in LAB_MODEL_IMAGES {
        let program = match image {
            "alpine" => None,
            "ollama" => Some(read(built.join("ollama"))?),
            "model-manager" => Some(read(built.join("manager"))?),
            _ => Some(read(built.join("registry"))?),
        };
        let path = format!("bin/{image}");
        let mut entries = vec![Entry::Scratch("tmp"), Entry::Scratch("root")];
        if let Some(program) = &program {
            entries.push(Entry::Program(&path, program));
        } else {
            entries.push(Entry::Program("bin/busybox", &busybox));
            entries.extend(shell.iter().map(|name| Entry::Link(name, "busybox")));
        }
        let command: &[&str] = match image {
            "alpine" => &["sh"],
            "ollama" => &["ollama", "serve"],
            other => &[other],
        };
        let whole = archive::image(&format!("docker.io/lab/{image}:1"), &entries, command);
        let to = built.join(lab_archive_file(image));
        state::write(&to, &whole.map_err(disk("write", &to))?)?;
    }
    Ok(())
}

/// Programs that busybox is called by.
const SHELL: [&str; 16] = [
    "cat", "cut", "date", "echo", "env", "grep", "head", "ls", "sed", "sh", "sleep", "tail", "test", "timeout", "tr",
    "wget",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::compiled::files_of_module;
    use super::*;

    #[test]
    fn all_files_of_the_module_are_built_and_the_version_is_that_of_the_module() {
        let listed: BTreeSet<String> = SOURCES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, files_of_module("models"));
        assert_eq!(version(), "0.17.4");
    }
}
