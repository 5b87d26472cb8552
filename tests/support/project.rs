//! A project in a temporary folder, and the output of homelab in it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::docker::docker;
use super::host::Host;
use super::leftovers;

/// A project in a temporary folder; its lab hosts are removed when it is dropped.
pub(crate) struct Project(tempfile::TempDir);

/// How a run of homelab ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The files of a project with one lab host and no operations.
const ONE_HOST: &[(&str, &str)] = &[
    ("inventories/dev.toml", "[hosts.alpha]\nlab = true\n"),
    ("deploys/all.toml", "hosts = ['alpha']\ntasks = ['test/files']\n"),
];

impl Project {
    /// A project of these files.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        leftovers::own(project.root());
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    /// A project with the lab host `alpha` and the deploy `all` of the task `test/files`.
    pub(crate) fn with_task(task: &str) -> Self {
        let project = Self::of(ONE_HOST);
        project.write("tasks/test/files.toml", task);
        project
    }

    /// The project in this repository.
    pub(crate) fn of_this_repository() -> Self {
        let project = Self::of(&[]);
        for folder in ["inventories", "group_data", "deploys", "tasks", "templates", "charts"] {
            copy_folder(
                &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
                &project.root().join(folder),
            );
        }
        project
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file of the project, and the folders above it.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// homelab in this project, without a terminal and with empty input.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_homelab")), arguments)
    }

    /// The same with another build of homelab.
    pub(crate) fn command_of(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command.current_dir(self.root()).args(arguments).env("USER", "tester");
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn homelab(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Starts the lab hosts of an inventory. Returns one of them.
    pub(crate) fn up(&self, inventory: &'static str, host: &'static str) -> Host<'_> {
        self.homelab(&["lab", "up", inventory]).expect(0);
        self.renew_lists();
        Host::of(self, inventory, host)
    }
}

impl Project {
    /// The image of the hosts has package lists. A test may not see them grow old, which depends on when the image was built.
    fn renew_lists(&self) {
        let label = format!("label=homelab.lab.project={}", homelab::lab::project_id(self.root()));
        for host in docker(&["ps", "-q", "--filter", &label]).lines() {
            docker(&["exec", host, "touch", "-c", "/var/lib/apt/lists/partial"]);
        }
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // Also if the test failed, or never had a lab.
        let labs = fs::read_dir(self.root().join(".homelab/lab"));
        for lab in labs.into_iter().flatten().flatten().filter(|lab| lab.path().is_dir()) {
            self.homelab(&["lab", "down", &lab.file_name().to_string_lossy()]);
        }
        // homelab cannot read a project that a test broke.
        leftovers::disown(self.root());
    }
}

impl Ran {
    /// The run, if it ended with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Copies a folder with everything in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
