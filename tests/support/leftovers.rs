//! Removes the lab hosts of tests, including those of a run that was killed.
//!
//! A test notes the lab of its project and its own process. The first test of a later run removes the labs of processes that
//! have ended. Labs without a note, such as your own, are not touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use super::docker::try_docker;

/// The folder of notes: a file for each lab, named after its project, with the process that owns it.
fn notes() -> PathBuf {
    std::env::temp_dir().join("homelab-labs-of-tests")
}

/// Notes that the lab of the project at `root` belongs to this process. Removes those whose process has ended.
pub(crate) fn own(root: &Path) {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(remove_abandoned);
    fs::create_dir_all(notes()).unwrap();
    let owner = std::process::id();
    let note = format!("{owner} {}", started(owner).unwrap_or_default());
    fs::write(notes().join(homelab::lab::project_id(root)), note).unwrap();
}

/// Removes what is left of the lab of the project at `root`.
pub(crate) fn disown(root: &Path) {
    remove(&homelab::lab::project_id(root));
}

fn remove_abandoned() {
    for note in fs::read_dir(notes()).into_iter().flatten().flatten() {
        let owner = fs::read_to_string(note.path()).unwrap_or_default();
        let (process, start) = owner.split_once(' ').unwrap_or_default();
        let is_alive = process.parse().ok().and_then(started).is_some_and(|now| now == start);
        if !is_alive {
            remove(&note.file_name().to_string_lossy());
        }
    }
}

/// When a process was started, in clock ticks: a later process with the same id has another value.
fn started(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19).map(str::to_owned)
}

fn remove(project: &str) {
    let label = format!("label=homelab.lab.project={project}");
    // Every lab host has such a name. A container that a test creates in the place of one has no label.
    let name = format!("name=^/?homelab-{project}-");
    let list = |arguments: &[&str], filter: &str| -> Vec<String> {
        let output = try_docker(&[arguments, &["--filter", filter]].concat());
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect()
    };
    for container in list(&["ps", "-aq"], &name) {
        let _ = try_docker(&["rm", "-f", "-v", &container]);
    }
    for volume in list(&["volume", "ls", "-q"], &label) {
        let _ = try_docker(&["volume", "rm", &volume]);
    }
    let _ = fs::remove_file(notes().join(project));
}
