//! The operating system, the machine, and jobs of earlier runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kind::{DependsOn, Key, Subject};
use super::made::Made;
use super::mark::Mark;
use super::owed::{Owed, STATE_FOLDER};
use super::path::is_below;
use super::session::Session;
use crate::quote::quote;

/// The operating system and the machine.
#[derive(Clone, Copy)]
pub struct SystemKey;

impl<'a> Key<'a> for SystemKey {
    type Fact = Box<SystemFacts>;

    const DEPENDS_ON: DependsOn = DependsOn::Itself;

    fn describe(self) -> String {
        "the system".to_owned()
    }

    fn subject(self) -> Subject<'a> {
        Subject::Other
    }

    fn absent() -> Option<Box<SystemFacts>> {
        None
    }

    fn may_come_with_packages(self) -> bool {
        false
    }
}

/// The operating system, the machine, and what homelab left on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemFacts {
    /// What templates see.
    pub machine: Machine,
    /// Names of facts in it that the host does not answer with such a fact, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unreadable: BTreeMap<String, String>,
    pub session: Session,
    /// Jobs of earlier runs that lost their connection.
    pub jobs: Vec<Job>,
    /// Handlers that an earlier run owed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owed: Vec<Owed>,
    /// What deploys created.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<Made>,
    /// The paths of files beside those in which nothing can be read, or not all, and of what is no job beside `jobs`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable_files: Vec<String>,
    /// The paths of the marks of runs that are not done yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open_runs: Vec<String>,
    /// The other run that holds the lock of the host, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked_by: Option<String>,
}

/// What `facts.…` offers to templates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// `/etc/os-release`.
    pub os: OperatingSystem,
    /// The machine's architecture under both names.
    pub architecture: Architecture,
    /// The host's own short name.
    pub hostname: String,
    /// The running kernel's release.
    pub kernel: String,
    /// Number of processors online.
    pub cpus: u64,
    /// Memory, in bytes.
    pub memory: u64,
    /// Disks, in the order of their names.
    pub disks: Vec<Disk>,
    /// Addresses of the host's interfaces but loopback, in the order of `ip`.
    pub addresses: Vec<String>,
    /// The name of process 1: `systemd` where systemd runs.
    pub init: String,
    /// The login user's number; 0 is root.
    pub user_id: u64,
    /// The packages that require a reboot; `None` if no reboot is required.
    pub reboot_required: Option<Vec<String>>,
}

/// The folder for the output and the exit code of jobs, which keep running if the connection is lost.
pub const JOBS: &str = "/var/lib/homelab/jobs";

/// The summary of a job that is a lock-out guard; a word of a shell.
pub const GUARD: &str = "lock-out-guard";

/// The name of the record that the creation of a user leaves in [`JOBS`] if it is interrupted.
pub fn user_record(user: &str) -> String {
    format!("user-{user}")
}

/// A command that kept running after its connection was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its folder's name.
    pub id: String,
    /// The command, for messages.
    pub summary: String,
    pub state: JobState,
}

impl Job {
    /// What a run waits for that found it running.
    fn waited_for(&self, is_locked: bool) -> String {
        if self.summary == GUARD {
            "the lock-out guard of an earlier run, which ended before a new connection confirmed its changes".to_owned()
        } else {
            let run = if is_locked {
                "which is changing this host"
            } else {
                "which still goes on or was cut off"
            };
            format!("`{}` of another run, {run}", self.summary)
        }
    }

    /// The user whose creation it records, see [`user_record`]. Ids of other jobs are hex digits.
    pub fn unfinished_user(&self) -> Option<&str> {
        self.id.strip_prefix(&user_record(""))
    }
}

/// The state of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Running,
    /// It is a lock-out guard, and the run that armed it holds the lock of the host.
    Held,
    Ended {
        code: i32,
        /// The last lines that it printed.
        output: String,
    },
    /// It left no exit code: the machine went down, or the process was killed.
    Lost,
}

impl SystemFacts {
    /// A notice that a reboot is required.
    pub fn reboot_notice(&self) -> Option<String> {
        let packages = self.machine.reboot_required.as_ref()?;
        let required_by = if packages.is_empty() {
            String::new()
        } else {
            format!(" (by {})", packages.join(", "))
        };
        Some(format!("a reboot is required{required_by}"))
    }

    /// Notices for the review.
    pub fn notices(&self) -> Vec<String> {
        let jobs = self.jobs.iter().map(|job| {
            if job.summary == GUARD {
                return guard_notice(&job.state);
            }
            if let Some(user) = job.unfinished_user() {
                return format!(
                    "user `{user}` was not created completely by an earlier run: deploy its `server.user`, or forget it with \
                     `rm -r {JOBS}/{}` on the host",
                    job.id
                );
            }
            let what = format!("an earlier run ended during `{}`, which", job.summary);
            match &job.state {
                JobState::Running | JobState::Held if self.locked_by.is_some() => {
                    format!("`{}` of that run is running", job.summary)
                }
                JobState::Running | JobState::Held => format!(
                    "`{}` is running, of another run that still goes on or was cut off during it",
                    job.summary
                ),
                JobState::Ended { code: 0, .. } => format!("{what} has finished successfully since"),
                JobState::Ended { code, output } => {
                    format!(
                        "{what} has failed since with exit code {code}: {}",
                        output.trim_end().replace('\n', " ")
                    )
                }
                JobState::Lost => format!("{what} has disappeared without an exit code"),
            }
        });
        let session = self.session.notice();
        session
            .into_iter()
            .chain(self.lock_notice())
            .chain(jobs)
            .chain(self.unreadable_files.iter().map(|path| unreadable_notice(path)))
            .chain(self.reboot_notice())
            .collect()
    }

    /// The same without the record that `user` was not created completely; `None` if there is no such record.
    pub fn without_record_of(&self, user: &str) -> Option<Self> {
        let record = user_record(user);
        let is_other = |job: &&Job| job.id != record;
        let others: Vec<Job> = self.jobs.iter().filter(is_other).cloned().collect();
        (others.len() < self.jobs.len()).then(|| Self {
            jobs: others,
            ..self.clone()
        })
    }

    /// A notice that another run is changing the host, unless its lock-out guard says so.
    pub fn lock_notice(&self) -> Option<String> {
        let is_told = self.jobs.iter().any(|job| job.state == JobState::Held);
        let holder = self.locked_by.as_ref().filter(|_| !is_told)?;
        Some(format!(
            "another run is changing this host ({holder}): what is read here may change"
        ))
    }

    /// Whether a run of `mark` that finds nothing to do makes up for an earlier one.
    pub fn is_open(&self, mark: &Mark) -> bool {
        let user = self.session.unprivileged.as_ref();
        let state_folder = user.map_or(STATE_FOLDER, |user| user.state_folder.as_str());
        self.open_runs.iter().any(|path| mark.makes_up_for(state_folder, path))
    }

    /// A job of an earlier run that is still running.
    pub fn running_job(&self) -> Option<&Job> {
        self.jobs.iter().find(|job| job.state == JobState::Running)
    }

    /// What has to end before the host is at rest, in words.
    pub fn awaited(&self) -> Option<String> {
        let job = self.running_job()?;
        Some(job.waited_for(self.locked_by.is_some()))
    }

    /// Whether another run is changing the host.
    pub fn is_changed_by_another_run(&self) -> bool {
        self.locked_by.is_some() || self.jobs.iter().any(|job| job.state == JobState::Held)
    }
}

/// What is said of a file that should say what a deploy created, and of what is in the place of a job.
fn unreadable_notice(path: &str) -> String {
    if is_below(path, JOBS) {
        return format!(
            "`{path}` is no job of homelab, so it is not read; `rm -r {}` on the host removes it",
            quote(path)
        );
    }
    format!(
        "`{path}` cannot be read, so what a deploy created may not be known; `rm {}` on the host forgets it",
        quote(path)
    )
}

fn listed(output: &str) -> String {
    output.trim_end().replace('\n', ", ")
}

/// What is said of a lock-out guard that an earlier run armed.
fn guard_notice(state: &JobState) -> String {
    const OF: &str = "the lock-out guard of an earlier run";
    match state {
        JobState::Running => format!("{OF} is armed"),
        JobState::Held => {
            "another run is changing this host, and its lock-out guard is armed: what is read here may go back"
                .to_owned()
        }
        JobState::Ended { code: 0, output } => format!(
            "{OF} went back, since no new connection confirmed the change: {}",
            listed(output)
        ),
        JobState::Ended { output, .. } => format!("{OF} could not put everything back: {}", listed(output)),
        JobState::Lost => format!("{OF} ended before it was confirmed: what that run changed has stayed"),
    }
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Its name below `/dev`: `sda`, `nvme0n1`.
    pub name: String,
    /// Its size, in bytes.
    pub size: u64,
}

/// What `/etc/os-release` says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatingSystem {
    /// `ID`: `debian`, `ubuntu`.
    pub id: String,
    /// `VERSION_ID`: `13`.
    pub version: String,
    /// `VERSION_CODENAME`: `trixie`.
    pub codename: String,
    /// `PRETTY_NAME`.
    pub name: String,
    /// What it is a kind of: `debian` for Ubuntu too, `freebsd`.
    pub family: String,
}

/// Systems whose kernel is another than Linux: what `uname -s` says in small letters, and their names.
const OTHER_SYSTEMS: [(&str, &str); 6] = [
    ("darwin", "macOS"),
    ("dragonfly", "DragonFly BSD"),
    ("freebsd", "FreeBSD"),
    ("netbsd", "NetBSD"),
    ("openbsd", "OpenBSD"),
    ("sunos", "illumos or Solaris"),
];

/// Families of Linux: their name, and what a system of them has as `ID` or in `ID_LIKE`.
const FAMILIES: [(&str, &[&str]); 6] = [
    ("debian", &["debian", "ubuntu"]),
    ("redhat", &["rhel", "fedora", "centos"]),
    ("suse", &["suse", "opensuse"]),
    ("arch", &["arch"]),
    ("alpine", &["alpine"]),
    ("gentoo", &["gentoo"]),
];

impl OperatingSystem {
    /// The family of a system with this kernel (`uname -s`), this `ID` and this `ID_LIKE`.
    pub(super) fn family_of(kernel: &str, id: &str, like: &str) -> String {
        let kernel = kernel.to_lowercase();
        if !kernel.is_empty() && kernel != "linux" {
            return kernel;
        }
        let mut words = [id].into_iter().chain(like.split_whitespace());
        let known = words.find_map(|word| FAMILIES.iter().find(|(_, words)| words.contains(&word)));
        known.map_or(id, |(family, _)| family).to_owned()
    }

    /// The name of a system that homelab cannot change yet, if this is one.
    pub fn unsupported(&self) -> Option<&'static str> {
        let other = OTHER_SYSTEMS.iter().find(|(family, _)| *family == self.family);
        other.map(|(_, name)| *name)
    }
}

/// The machine's architecture under both names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Architecture {
    /// dpkg's: `amd64`; empty where there is no dpkg.
    pub dpkg: String,
    /// The kernel's: `x86_64`.
    pub uname: String,
}
