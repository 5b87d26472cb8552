//! The connection, or the tool, is gone in the middle of an apt run: the package becomes whole all the same, and the next
//! run learns what came of it.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::deploy::faults::Victim;
use crate::deploy::repository::{Package, fetch_lists, only_repository, publish};
use crate::support::host::Host;
use crate::support::project::{Project, text};

const INSTALL: &str = "[[operation]]\nop = 'apt.packages'\npackages = ['slow']\n";
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the package takes to configure: the link is cut and another run begins in that time.
const WORK: Duration = Duration::from_secs(6);
/// The processes of sshd that serve a login of root, by either name that Debian's releases give them.
const SESSION: &str = "'^sshd(-session)?: root@notty'";
const STATUS: &str = "dpkg-query -W -f '${db:Status-Abbrev}' slow";

fn project_and_host(project: &Project) -> Host<'_> {
    let host = project.up("dev", "alpha");
    only_repository(&host);
    let postinst = format!(
        "sleep {}; [ ! -e /opt/fail ] || {{ echo 'there is no room'; exit 1; }}",
        WORK.as_secs()
    );
    let slow = Package {
        name: "slow",
        version: "1",
        postinst: &postinst,
        ..Package::default()
    };
    publish(&host, &[slow]);
    fetch_lists(&host);
    host
}

fn start(project: &Project) -> Child {
    let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until dpkg is at the slow part of its work.
fn wait_for_work(host: &Host<'_>) {
    host.wait_until("grep -qs ' half-configured slow' /var/log/dpkg.log", PATIENCE);
}

/// Ends the session on the host; what the tool then says.
#[track_caller]
fn cut(host: &Host<'_>, run: Child) -> String {
    assert_eq!(host.inside(&format!("pgrep -c -f {SESSION}")), "1\n");
    host.inside(&format!("pkill -KILL -f {SESSION}"));
    let start = Instant::now();
    let output = run.wait_with_output().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(output.status.code(), Some(4));
    assert!(host.is("pgrep -x apt-get"), "apt was cut off");
    text(&output.stdout) + &text(&output.stderr)
}

/// The host and the tool agree that it is over: the package is whole, and there is no trace and nothing to do.
#[track_caller]
fn is_over(project: &Project, host: &Host<'_>) {
    assert_eq!(host.inside(STATUS), "ii ");
    assert_eq!(host.inside("dpkg --audit"), "");
    host.is_left_in_order();
    assert_eq!(host.inside("ls /var/lib/homelab/jobs"), "");
    assert!(!host.is("systemctl list-units --all --no-legend 'homelab-job-*' | grep ."));
    let again = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert!(!again.stdout.contains("earlier run"), "{}", again.stdout);
}

#[test]
fn a_cut_link_is_told_and_the_next_run_waits_for_the_work() {
    let project = Project::with_task(INSTALL);
    let host = project_and_host(&project);
    let run = start(&project);
    wait_for_work(&host);
    let told = cut(&host, run);
    for part in [
        "alpha: connection lost",
        "closed by remote host",
        "`apt-get install slow` had started, it continues on the host",
        "package slow",
    ] {
        assert!(told.contains(part), "no `{part}` in:\n{told}");
    }

    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    let waited = "alpha: waiting for `apt-get install slow` of another run";
    assert!(ran.stderr.contains(waited), "{}", ran.stderr);
    let outcome = "an earlier run ended during `apt-get install slow`, which has finished successfully since";
    assert!(ran.stdout.contains(outcome), "{}", ran.stdout);
    assert!(ran.stdout.contains("nothing to do"), "{}", ran.stdout);
    is_over(&project, &host);
}

#[test]
fn a_killed_tool_leaves_the_outcome_for_the_next_run() {
    let project = Project::with_task(INSTALL);
    let host = project_and_host(&project);
    let victim = Victim::deploy(&project, "all");
    wait_for_work(&host);
    victim.kill();
    assert!(host.is("pgrep -x apt-get"), "apt was cut off");
    host.wait_until("ls /var/lib/homelab/jobs/*/status", PATIENCE);

    // A look is no end of the matter.
    let look = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    let outcome = "an earlier run ended during `apt-get install slow`, which has finished successfully since";
    assert!(look.stdout.contains(outcome), "{}", look.stdout);
    assert!(host.is("ls /var/lib/homelab/jobs/*/status"), "the dry run took it away");
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(ran.stdout.contains(outcome), "{}", ran.stdout);
    is_over(&project, &host);
}

#[test]
fn work_that_failed_after_the_cut_is_told_with_its_last_words() {
    let project = Project::with_task(INSTALL);
    let host = project_and_host(&project);
    host.inside("touch /opt/fail");
    let run = start(&project);
    wait_for_work(&host);
    cut(&host, run);
    host.wait_until("ls /var/lib/homelab/jobs/*/status", PATIENCE);
    assert_ne!(host.inside(STATUS), "ii ");

    host.inside("rm /opt/fail");
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    for part in [
        "an earlier run ended during `apt-get install slow`, which has failed since with exit code 100: ",
        "post-installation script subprocess returned error exit status 1",
        "E: Sub-process /usr/bin/dpkg returned an error code (1)",
    ] {
        assert!(ran.stdout.contains(part), "no `{part}` in:\n{}", ran.stdout);
    }
    assert!(ran.stdout.contains("package slow"), "{}", ran.stdout);
    is_over(&project, &host);
}
