//! Compiles the agent, packs it, and offers it to a project.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::error::AgentError;
use super::machine::{cache, cargo_home, create_private, disk, run, write_whole};
use super::parts::{PROGRAM, Part};
use super::toolchain::Toolchain;
use super::{image, offer, source};
use crate::content::open_lock;
use crate::secret::sha256_hex;

/// A part that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its path in the project.
    pub path: String,
    pub sha256: String,
    pub size: u64,
    /// How long compiling took; `None` if that was not needed.
    pub took: Option<Duration>,
}

/// Builds a part of the agent for an architecture, unless it was built before, and offers it to the project at `root`.
/// `compiling` is called before what takes long.
///
/// Errors: there is no Rust, or none for this architecture; or it does not compile.
pub fn build(root: &Path, part: Part, architecture: &str, compiling: &mut dyn FnMut()) -> Result<Built, AgentError> {
    let (kept, work) = (cache().join(source::folder()), cache().join("agent-build"));
    create_private(&kept)?;
    create_private(&work)?;
    let program = kept.join(Part::Binary.file(architecture));
    // What cannot be compiled does not wait for what is.
    let toolchain = if program.exists() {
        None
    } else {
        Some(Toolchain::find(architecture)?)
    };
    // Two at once would compile twice.
    let lock = work.join("lock");
    let held = open_lock(&lock).and_then(|file: File| file.lock().map(|()| file));
    let _held = held.map_err(disk("lock", &lock))?;
    let mut took = None;
    if let Some(toolchain) = toolchain.filter(|_| !program.exists()) {
        compiling();
        let started = Instant::now();
        compile(&work, &toolchain, &program)?;
        took = Some(started.elapsed());
    }
    let place = kept.join(part.file(architecture));
    if part == Part::Image && !place.exists() {
        let bytes = fs::read(&program).map_err(disk("read", &program))?;
        let archive = image::archive(&bytes, architecture).map_err(disk("pack", &place))?;
        write_whole(&place, &archive)?;
    }
    let bytes = fs::read(&place).map_err(disk("read", &place))?;
    let sha256 = sha256_hex(&bytes);
    let path = offer::offer(root, (part, architecture), &place, &sha256)?;
    Ok(Built {
        path,
        sha256,
        size: bytes.len() as u64,
        took,
    })
}

/// Compiles the agent in `work`. What it uses stays compiled there, for the next version.
fn compile(work: &Path, toolchain: &Toolchain, program: &Path) -> Result<(), AgentError> {
    let sources = work.join("source");
    if sources.exists() {
        fs::remove_dir_all(&sources).map_err(disk("remove", &sources))?;
    }
    for (path, text) in source::workspace()? {
        let path = sources.join(path);
        let folder = path.parent().unwrap_or(&sources);
        fs::create_dir_all(folder).map_err(disk("create", folder))?;
        fs::write(&path, text).map_err(disk("write", &path))?;
    }
    let target = work.join("target");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(&sources)
        .args(["build", "--package", PROGRAM, "--profile", source::PROFILE, "--target"])
        .arg(toolchain.target)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain, work))
        .envs(toolchain.variables());
    run(cargo, "cargo", "compile the agent")?;
    let made = target.join(toolchain.target).join(source::PROFILE).join(PROGRAM);
    fs::rename(&made, program).map_err(disk("rename", &made))
}

/// Flags for `rustc`: no library of the host is needed, and no path of this machine is part of the program.
fn flags(toolchain: &Toolchain, work: &Path) -> OsString {
    let mut flags = OsString::from("-Ctarget-feature=+crt-static");
    let renamed = [
        (work.join("source"), "/agent"),
        (cargo_home(), "/cargo"),
        (toolchain.root.clone(), "/rust"),
    ];
    for (path, name) in renamed {
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(path);
        flags.push("=");
        flags.push(name);
    }
    flags
}
