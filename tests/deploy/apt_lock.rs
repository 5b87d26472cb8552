//! Another process of the host holds a lock of apt's: it is waited for and named, and not for ever.

use std::time::{Duration, Instant};

use crate::deploy::repository::{Package, fetch_lists, only_repository, publish};
use crate::support::host::Host;
use crate::support::project::Project;

const WANTED: Package<'_> = Package {
    name: "wanted",
    version: "1",
    depends: "",
    conflicts: "",
    provides: "",
    postinst: "",
    conffiles: &[],
};

/// A project whose task is this operation, and its host with an apt of the administrator's under way, or about to be.
fn project(operation: &str) -> Project {
    Project::with_task(&format!("[[operation]]\n{operation}\n"))
}

/// A package that takes `seconds` to configure.
fn publish_with_slow(host: &Host<'_>, seconds: u32) {
    let postinst = format!("sleep {seconds}");
    let slow = Package {
        name: "slow",
        postinst: &postinst,
        ..WANTED
    };
    only_repository(host);
    publish(host, &[slow, WANTED]);
    fetch_lists(host);
}

/// A user installs that package; its number once it holds dpkg's lock.
fn somebody_installs(host: &Host<'_>) -> String {
    host.start("DEBIAN_FRONTEND=noninteractive exec apt-get -y -q install slow");
    host.wait_until(
        "grep -qs ' half-configured slow' /var/log/dpkg.log",
        Duration::from_secs(20),
    );
    host.inside("pgrep -x apt-get").trim().to_owned()
}

fn status(host: &Host<'_>, package: &str) -> String {
    host.inside(&format!(
        "dpkg-query -W -f '${{db:Status-Abbrev}}' {package} 2>/dev/null || true"
    ))
}

/// The pause between two looks of apt is a second: 12 leave it time to look again and again. 30 would show nothing more.
#[test]
fn dpkgs_lock_is_waited_for() {
    let project = project("op = 'apt.packages'\npackages = ['wanted']");
    let host = project.up("dev", "alpha");
    publish_with_slow(&host, 12);
    let holder = somebody_installs(&host);
    let start = Instant::now();
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(
        start.elapsed() > Duration::from_secs(8),
        "there was nothing to wait for: {}",
        ran.stdout
    );
    let waits = format!(
        "alpha  waiting      run `apt-get install wanted`: /var/lib/dpkg/lock-frontend is held by process {holder} (apt-get)"
    );
    let lines: Vec<&str> = ran.stdout.lines().filter(|line| line.contains("  waiting  ")).collect();
    assert_eq!(lines, [waits], "{}", ran.stdout);
    assert_eq!(status(&host, "wanted"), "ii ");
    assert_eq!(status(&host, "slow"), "ii ", "the other was cut off");
    // In dpkg's own words: one after the other.
    let log = host.inside("grep -E ' (installed slow|unpacked wanted)' /var/log/dpkg.log | cut -d ' ' -f 4,5 | uniq");
    assert_eq!(log, "installed slow:all\nunpacked wanted:all\n");
    assert_eq!(host.inside("ls /var/lib/homelab/jobs"), "");
}

#[test]
fn a_lock_that_is_held_for_too_long_is_a_failure_that_names_the_holder() {
    let project = project("op = 'apt.packages'\npackages = ['wanted']\nlock_timeout = '3s'");
    let host = project.up("dev", "alpha");
    publish_with_slow(&host, 3600);
    let holder = somebody_installs(&host);
    let start = Instant::now();
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    let failure = ran.stdout.split("alpha: failed to").nth(1).unwrap_or_default();
    for part in [
        "run `apt-get install wanted`",
        &format!("lock-frontend. It is held by process {holder} (apt-get)"),
        "E: Unable to acquire the dpkg frontend lock",
    ] {
        assert!(failure.contains(part), "no `{part}` in:\n{}", ran.stdout);
    }
    assert_eq!(failure.matches("It is held by").count(), 1, "said once:\n{failure}");
    assert_eq!(status(&host, "wanted"), "");
    assert!(host.is(&format!("kill -0 {holder}")), "the holder is gone");
    assert_eq!(host.inside("ls /var/lib/homelab/jobs"), "");
}

/// The lists have a lock of their own, for which apt does not wait by itself.
#[test]
fn the_lists_lock_is_waited_for_and_its_holder_named() {
    let project = project("op = 'apt.update'\nlock_timeout = '20s'");
    let host = project.up("dev", "alpha");
    publish_with_slow(&host, 0);
    let holder = hold_lists(&host, 6);
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    let held = format!("/var/lib/apt/lists/lock is held by process {holder} (perl)");
    assert!(ran.stdout.contains(&held), "{}", ran.stdout);
    assert!(
        !host.is(&format!("kill -0 {holder}")),
        "it did not wait: {}",
        ran.stdout
    );

    let holder = hold_lists(&host, 3600);
    project.write(
        "tasks/test/files.toml",
        "[[operation]]\nop = 'apt.update'\nlock_timeout = '2s'\n",
    );
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    let failure = ran.stdout.split("alpha: failed to").nth(1).unwrap_or_default();
    let held = format!("lists/lock. It is held by process {holder} (perl)");
    assert!(failure.contains(&held), "{}", ran.stdout);
}

fn hold_lists(host: &Host<'_>, seconds: u32) -> String {
    hold(host, "/var/lib/apt/lists/lock", seconds)
}

/// Takes a lock as apt does, with fcntl; the holder's number.
pub(crate) fn hold(host: &Host<'_>, path: &str, seconds: u32) -> String {
    let lock = "open my $lock, '+<', 'PATH' or die; \
                my $wish = pack('s s x4 q q l x4', F_WRLCK, 0, 0, 0, 0); fcntl($lock, F_SETLK, $wish) or die";
    host.inside("rm -f /tmp/holder");
    host.start(&format!(
        "exec perl -MFcntl -e \"{}; open my \\$told, '>', '/tmp/holder'; print \\$told \\$\\$; close \\$told; sleep {seconds}\"",
        lock.replace("PATH", path).replace('$', "\\$")
    ));
    host.wait_until("[ -s /tmp/holder ]", Duration::from_secs(10));
    host.inside("cat /tmp/holder")
}
