//! Hosts that let one in and then fall silent.

use std::time::{Duration, Instant};

use crate::support::host::Host;
use crate::support::project::{Project, Ran, text};

const TASK: &str = "[[operation]]\nop = 'files.put'\ndest = '/opt/a'\ncontent = 'a'\n
[[operation]]\nop = 'server.shell'\ncommands = ['touch /opt/ran']\nunless = 'touch /run/asked; sleep 5; test -e /opt/ran'\n";
const DEPLOY: &[&str] = &["deploy", "dev", "all", "--yes", "--read-timeout"];

#[test]
fn a_host_that_falls_silent_while_it_is_read_is_given_up_and_the_others_are_deployed() {
    let project = Project::with_task(TASK);
    project.write(
        "inventories/dev.toml",
        "[hosts.alpha]\nlab = true\n[hosts.beta]\nlab = true\n",
    );
    project.write("deploys/all.toml", "hosts = ['*']\ntasks = ['test/files']\n");
    let alpha = project.up("dev", "alpha");
    let beta = Host::of(&project, "dev", "beta");
    a_stopped_shell(&project, &alpha, &beta);
    a_login_that_hangs(&project, &alpha);
    the_others_do_not_wait_for_it(&project, &alpha, &beta);
    one_that_is_only_slow(&project, &alpha);
}

fn is_given_up(ran: Ran, what: &str) {
    let ran = is_given_up_after(7, ran, what);
    assert!(ran.stdout.contains("alpha (unreachable)"), "{}", ran.stdout);
}

fn is_given_up_after(seconds: u32, ran: Ran, what: &str) -> Ran {
    let ran = ran.expect(4);
    for part in [
        format!("alpha: no response for {seconds} s while {what}"),
        "network mount that does not respond".to_owned(),
        "--read-timeout".to_owned(),
    ] {
        assert!(ran.stderr.contains(&part), "no `{part}` in {}", ran.stderr);
    }
    ran
}

/// The channel's own shell is stopped while a condition of the task is tried.
fn a_stopped_shell(project: &Project, alpha: &Host<'_>, beta: &Host<'_>) {
    let start = Instant::now();
    let mut command = project.command(&[DEPLOY, &["7s"]].concat());
    let command = command.stdout(std::process::Stdio::piped());
    let run = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    alpha.wait_until("test -e /run/asked", Duration::from_secs(20));
    // Forks of the shell have its name too, and wait as it does.
    alpha.inside("pkill -STOP -x sh -s $(pgrep -o -x sh)");
    let output = run.wait_with_output().unwrap();
    let took = start.elapsed();
    assert!((7..25).contains(&took.as_secs()), "{took:?}");
    let ran = Ran {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    };
    is_given_up(ran, "reading checks (");
    assert_eq!(beta.inside("cat /opt/a; ls /opt/ran"), "a/opt/ran\n");
    assert!(!alpha.is("test -e /opt/a"));
    alpha.inside("pkill -KILL -r T -x sh; rm -f /run/asked");
}

/// One host of several hangs for long: the others are planned and deployed before it is given up.
fn the_others_do_not_wait_for_it(project: &Project, alpha: &Host<'_>, beta: &Host<'_>) {
    alpha.inside("cp -a /root/.bashrc /root/.bashrc.kept 2>/dev/null; echo 'sleep 300' >/root/.bashrc");
    beta.inside("rm -f /opt/a /opt/ran");
    let start = Instant::now();
    let mut command = project.command(&[DEPLOY, &["50s"]].concat());
    let command = command.stdout(std::process::Stdio::piped());
    let run = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    beta.wait_until("test -e /opt/ran", Duration::from_secs(40));
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    let output = run.wait_with_output().unwrap();
    assert!(start.elapsed() > Duration::from_secs(50), "{:?}", start.elapsed());
    let ran = Ran {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    };
    assert!(
        ran.stderr
            .contains("alpha: not read yet; the other hosts go on without waiting"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stdout.contains("2 hosts: 1 converged, 1 unreachable"),
        "{}",
        ran.stdout
    );
    let ran = is_given_up_after(50, ran, "logging in");
    assert!(
        ran.stdout.contains("alpha  unreachable  nothing applied"),
        "{}",
        ran.stdout
    );
    alpha.inside("rm /root/.bashrc; mv /root/.bashrc.kept /root/.bashrc 2>/dev/null || true");
}

fn a_login_that_hangs(project: &Project, alpha: &Host<'_>) {
    alpha.inside("cp -a /root/.bashrc /root/.bashrc.kept 2>/dev/null; echo 'sleep 300' >/root/.bashrc");
    let start = Instant::now();
    is_given_up(project.homelab(&[DEPLOY, &["7s"]].concat()), "logging in");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    alpha.inside("rm /root/.bashrc; mv /root/.bashrc.kept /root/.bashrc 2>/dev/null || true");
}

fn one_that_is_only_slow(project: &Project, alpha: &Host<'_>) {
    project.homelab(&[DEPLOY, &["7s"]].concat()).expect(0);
    assert_eq!(alpha.inside("cat /opt/a; ls /opt/ran"), "a/opt/ran\n");
}
