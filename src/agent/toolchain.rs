//! What of this machine compiles the agent for an architecture.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::AgentError;
use super::machine::run;

/// An architecture, and what compiles for it.
struct Known {
    /// Debian's name.
    architecture: &'static str,
    /// Rust's names, without and with glibc.
    targets: [&'static str; 2],
    /// The C compilers for these, which link too.
    compilers: [&'static str; 2],
    /// The packages of Debian that have the latter.
    package: &'static str,
}

const KNOWN: [Known; 2] = [
    Known {
        architecture: "amd64",
        targets: ["x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"],
        compilers: ["x86_64-linux-musl-gcc", "x86_64-linux-gnu-gcc"],
        package: "gcc libc6-dev",
    },
    Known {
        architecture: "arm64",
        targets: ["aarch64-unknown-linux-musl", "aarch64-unknown-linux-gnu"],
        compilers: ["aarch64-linux-musl-gcc", "aarch64-linux-gnu-gcc"],
        package: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    },
];

/// What is used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Toolchain {
    /// Rust's name of the target.
    pub(super) target: &'static str,
    compiler: &'static str,
    /// Where Rust is installed.
    pub(super) root: PathBuf,
}

impl Toolchain {
    /// The one for an architecture: with musl where Rust and a C compiler for it are there, else with glibc, both static.
    ///
    /// Errors: there is none.
    pub(super) fn find(architecture: &str) -> Result<Self, AgentError> {
        let known = KNOWN.iter().find(|known| known.architecture == architecture);
        let known = known.ok_or_else(|| AgentError::UnknownArchitecture {
            architecture: architecture.to_owned(),
        })?;
        let mut rustc = Command::new("rustc");
        rustc.args(["--print", "sysroot"]);
        let root = run(rustc, "rustc", "find its libraries")?.stdout;
        let root = PathBuf::from(String::from_utf8_lossy(&root).trim());
        Self::of(known, &root, |compiler| which::which(compiler).is_ok())
    }

    fn of(known: &Known, root: &Path, has_compiler: impl Fn(&str) -> bool) -> Result<Self, AgentError> {
        let has_target = |target: &str| root.join("lib/rustlib").join(target).join("lib").is_dir();
        let mut lacks_compiler = false;
        for (target, compiler) in known.targets.into_iter().zip(known.compilers) {
            if has_target(target) {
                if has_compiler(compiler) {
                    return Ok(Self {
                        target,
                        compiler,
                        root: root.to_path_buf(),
                    });
                }
                lacks_compiler = true;
            }
        }
        let architecture = known.architecture.to_owned();
        Err(if lacks_compiler {
            AgentError::NoCompiler {
                architecture,
                package: known.package,
            }
        } else {
            AgentError::NoTarget {
                architecture,
                targets: known.targets,
            }
        })
    }

    /// What tells cargo and the scripts of packages which compiler to use.
    pub(super) fn variables(&self) -> [(String, &'static str); 2] {
        let name = self.target.replace('-', "_");
        [
            (format!("CC_{name}"), self.compiler),
            (format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), self.compiler),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn musl_is_preferred_where_all_of_it_is_there() {
        let [amd64, arm64] = KNOWN;
        let root = tempfile::tempdir().unwrap();
        let add =
            |target: &str| std::fs::create_dir_all(root.path().join("lib/rustlib").join(target).join("lib")).unwrap();
        let found = |known: &Known, compilers: &[&str]| {
            Toolchain::of(known, root.path(), |name| compilers.contains(&name)).map(|found| found.target)
        };
        let none = found(&amd64, &[]).unwrap_err();
        assert!(matches!(none, AgentError::NoTarget { .. }), "{none:?}");
        add("x86_64-unknown-linux-gnu");
        let none = found(&amd64, &[]).unwrap_err();
        assert_eq!(none.hint().unwrap(), "run `apt-get install gcc libc6-dev`");
        let glibc = "x86_64-linux-gnu-gcc";
        assert_eq!(found(&amd64, &[glibc]).unwrap(), "x86_64-unknown-linux-gnu");
        add("x86_64-unknown-linux-musl");
        assert_eq!(found(&amd64, &[glibc]).unwrap(), "x86_64-unknown-linux-gnu");
        let both = [glibc, "x86_64-linux-musl-gcc"];
        assert_eq!(found(&amd64, &both).unwrap(), "x86_64-unknown-linux-musl");
        let none = found(&arm64, &both).unwrap_err();
        assert_eq!(
            none.to_string(),
            "agent: Rust on this machine has no target for `arm64`"
        );
        assert!(
            none.hint()
                .unwrap()
                .contains("rustup target add aarch64-unknown-linux-musl")
        );
    }

    #[test]
    fn the_compiler_is_named_for_the_target() {
        let found = Toolchain {
            target: "aarch64-unknown-linux-gnu",
            compiler: "aarch64-linux-gnu-gcc",
            root: PathBuf::new(),
        };
        let names = found.variables().map(|(name, _)| name);
        let expected = [
            "CC_aarch64_unknown_linux_gnu",
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn each_architecture_is_known() {
        assert_eq!(KNOWN.map(|known| known.architecture), crate::agent::ARCHITECTURES);
    }
}
