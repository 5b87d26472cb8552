//! Builds the on-host agent: a small program that homelab brings as source, compiles on this machine for the architecture of
//! the hosts, and offers to operations as `agent:binary` and `agent:image`.
//!
//! What is built is kept in the user's cache, in a folder named after the digest of the sources, and offered to a project in
//! its `.homelab/agent`. So all projects of a user share it, and another homelab with the same agent builds nothing.

mod error;
mod image;
mod offer;
mod source;
mod toolchain;

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use etcetera::BaseStrategy as _;

use crate::content::open_lock;
use crate::secret::{WithoutSecrets as _, sha256_hex};
use toolchain::Toolchain;

pub use error::AgentError;
pub use image::image_name;
pub use offer::add_to;

/// The architectures that it can be built for, by Debian's names.
pub const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// What the program is called where it is built.
const PROGRAM: &str = "homelab-agent";
/// How many of the last lines of a program that failed are shown.
const LAST_LINES: usize = 30;

/// What is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The program.
    Binary,
    /// An archive of `docker save` with an image of the program.
    Image,
}

impl Part {
    pub(crate) const ALL: [Self; 2] = [Self::Binary, Self::Image];

    fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Image => "image",
        }
    }

    /// The file in which it is kept. `agent` has nothing to do with the name that operations use.
    fn file(self, architecture: &str) -> String {
        let end = match self {
            Self::Binary => "",
            Self::Image => ".tar",
        };
        format!("{PROGRAM}-{architecture}{end}")
    }
}

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

/// The architecture of this machine by Debian's name, if the agent can be built for it.
pub fn own_architecture() -> Option<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        _ => None,
    }
}

/// Builds a part of the agent for an architecture, unless it was built before, and offers it to the project at `root`.
/// `compiling` is called before what takes long.
///
/// Errors: there is no Rust, or none for this architecture; or it does not compile.
pub fn build(root: &Path, part: Part, architecture: &str, compiling: &mut dyn FnMut()) -> Result<Built, AgentError> {
    let kept = cache().join(source::folder());
    create_private(&kept)?;
    // Two at once would compile twice.
    let lock = kept.join("lock");
    let held = open_lock(&lock).and_then(|file: File| file.lock().map(|()| file));
    let _held = held.map_err(disk("lock", &lock))?;
    let program = kept.join(Part::Binary.file(architecture));
    let mut took = None;
    if !program.exists() {
        let toolchain = Toolchain::find(architecture)?;
        compiling();
        let started = Instant::now();
        compile(&kept, &toolchain, &program)?;
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

/// Compiles the agent in a folder of its own below `kept`, which is removed again.
fn compile(kept: &Path, toolchain: &Toolchain, program: &Path) -> Result<(), AgentError> {
    let work = tempfile::tempdir_in(kept).map_err(disk("write", kept))?;
    let sources = work.path().join("source");
    for (path, text) in source::workspace()? {
        let path = sources.join(path);
        let folder = path.parent().unwrap_or(&sources);
        fs::create_dir_all(folder).map_err(disk("create", folder))?;
        fs::write(&path, text).map_err(disk("write", &path))?;
    }
    let target = work.path().join("target");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(&sources)
        .args(["build", "--package", PROGRAM, "--profile", source::PROFILE, "--target"])
        .arg(toolchain.target)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain, work.path()))
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

/// Where cargo keeps the sources of other packages.
fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME").map_or_else(
        || etcetera::home_dir().unwrap_or_default().join(".cargo"),
        PathBuf::from,
    )
}

/// Runs a program of this machine to its end.
///
/// Errors: it is missing, or it failed.
fn run(mut command: Command, program: &'static str, action: &'static str) -> Result<Output, AgentError> {
    command.without_secrets().stdin(Stdio::null());
    let output = command.output().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => AgentError::NoRust { program },
        _ => AgentError::NotRun {
            program,
            action,
            source,
        },
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.trim_end().lines().collect();
    Err(AgentError::Failed {
        program,
        action,
        status: output.status.to_string(),
        source: lines[lines.len().saturating_sub(LAST_LINES)..].join("\n").into(),
    })
}

/// What homelab keeps for a user on this machine.
fn cache() -> PathBuf {
    let folder =
        etcetera::choose_base_strategy().map_or_else(|_| std::env::temp_dir(), |strategy| strategy.cache_dir());
    folder.join("homelab")
}

fn create_private(folder: &Path) -> Result<(), AgentError> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.map_err(disk("create", folder))
}

/// Writes a file that is there whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), AgentError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        io::Write::write_all(&mut file, bytes)?;
        file.persist(path).map_err(io::Error::from)
    });
    written.map(drop).map_err(disk("write", path))
}

fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AgentError {
    let path = path.to_path_buf();
    move |source| AgentError::Disk { action, path, source }
}
