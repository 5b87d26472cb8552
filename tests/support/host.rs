//! A lab host, checked with its own commands.

use std::process::Output;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use super::docker::docker;
use super::project::{Project, text};
use super::shell::Shells;

/// A lab host that is up.
pub(crate) struct Host<'a> {
    project: &'a Project,
    inventory: &'static str,
    name: &'static str,
    container: String,
    shells: Shells,
    created: OnceLock<String>,
}

impl<'a> Host<'a> {
    pub(crate) fn of(project: &'a Project, inventory: &'static str, name: &'static str) -> Self {
        let project_label = format!("label=homelab.lab.project={}", homelab::lab::project_id(project.root()));
        let host_label = format!("label=homelab.lab.host={name}");
        let filters = ["--filter", &project_label, "--filter", &host_label];
        let listed = docker(&[&["ps", "-q", "--no-trunc"][..], &filters].concat());
        let container = listed.trim().to_owned();
        Self {
            project,
            inventory,
            name,
            shells: Shells::of(&container),
            container,
            created: OnceLock::new(),
        }
    }

    /// Logs in and runs a line, which must succeed. Returns its output, trimmed.
    #[track_caller]
    pub(crate) fn on(&self, line: &str) -> String {
        let ran = self
            .project
            .homelab(&["lab", "ssh", self.inventory, self.name, "--", line]);
        assert_eq!(ran.code, Some(0), "{line}: {}{}", ran.stdout, ran.stderr);
        ran.stdout.trim().to_owned()
    }

    /// Runs a line through the Docker engine. Without a login, only the line itself changes the host.
    #[track_caller]
    pub(crate) fn inside(&self, line: &str) -> String {
        let output = self.try_inside(line);
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Whether a line succeeds, run through the Docker engine.
    pub(crate) fn is(&self, line: &str) -> bool {
        self.try_inside(line).status.success()
    }

    /// Runs a line through the Docker engine; it may fail.
    pub(crate) fn try_inside(&self, line: &str) -> Output {
        self.shells.output(line)
    }

    /// Starts a line in the background of the host.
    pub(crate) fn start(&self, line: &str) {
        docker(&["exec", "-d", &self.container, "sh", "-c", line]);
    }

    /// Waits until a line succeeds on the host.
    #[track_caller]
    pub(crate) fn wait_until(&self, line: &str, patience: Duration) {
        let start = Instant::now();
        while !self.is(line) {
            assert!(start.elapsed() < patience, "not so after {patience:?}: {line}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until no temporary file of homelab is left and its lock is free. A step that runs when a deploy ends is
    /// finished first.
    #[track_caller]
    pub(crate) fn is_left_in_order(&self) {
        let traces = "find / /tmp /run -xdev -name '.homelab*'";
        self.wait_until(&format!("[ -z \"$({traces})\" ]"), Duration::from_secs(20));
        self.wait_until("flock -n /run/homelab.lock true", Duration::from_secs(20));
    }

    /// What differs from the image: kind and path.
    pub(crate) fn differences(&self) -> Vec<String> {
        docker(&["diff", &self.container]).lines().map(str::to_owned).collect()
    }

    /// The id of its container.
    pub(crate) fn container(&self) -> &str {
        &self.container
    }

    /// When its container was created, in the engine's words.
    pub(crate) fn created(&self) -> &str {
        let ask = || docker(&["inspect", "-f", "{{.Created}}", &self.container]);
        self.created.get_or_init(|| ask().trim().to_owned())
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        let addresses = homelab::lab::addresses(self.project.root(), self.inventory).unwrap();
        addresses[self.name].address.clone()
    }
}
