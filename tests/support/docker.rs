//! The `docker` command, as tests use it beside the lab.

use std::io::{self, Write as _};
use std::process::{Command, Output};

/// Longer than any call takes on a busy machine. The command itself would wait forever for an engine that is stuck.
const PATIENCE_SECONDS: &str = "120";
/// Subcommands by which a container joins or leaves the network.
const JOINS_OR_LEAVES: [&str; 6] = ["kill", "restart", "rm", "run", "start", "stop"];

/// The output of a `docker` command; it may fail. Ends the whole test run if the engine is stuck.
pub(crate) fn try_docker(arguments: &[&str]) -> Output {
    let changes_network = arguments.first().is_some_and(|first| JOINS_OR_LEAVES.contains(first));
    let _turn = changes_network.then(|| homelab::lab::hold_network().unwrap());
    let mut command = Command::new("timeout");
    command.args([PATIENCE_SECONDS, "docker"]).args(arguments);
    let output = command.output().unwrap();
    if output.status.code() == Some(124) {
        // Each further test would wait as long, in vain.
        let _ = writeln!(
            io::stderr(),
            "the Docker engine is stuck ({arguments:?}): restart it and run the tests again"
        );
        std::process::abort();
    }
    output
}

/// The output of a `docker` command, which must succeed.
#[track_caller]
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = try_docker(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
