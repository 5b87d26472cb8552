//! Handlers of a unit that the same run starts or restarts: the review shows what runs, and nothing runs that it did not show.

use crate::deploy::repository::{Package, fetch_lists, only_repository, publish};
use crate::support::host::Host;
use crate::support::project::Project;

/// It notes its starts and reloads.
const UNIT: &str = "[Service]
ExecStartPre=/bin/sh -c 'echo start >>/srv/did'
ExecStart=/bin/sleep infinity
ExecReload=/bin/sh -c 'echo reload >>/srv/did'
[Install]
WantedBy=multi-user.target
";

const PACKAGE: &str = "[[operation]]\nop = 'apt.packages'\npackages = ['web']\n\n";
const STARTED: &str = "[[operation]]\nop = 'systemd.service'\nservice = 'web'\nstate = 'started'\nenabled = true\n\n";
const ENABLED: &str = "[[operation]]\nname = 'enabled'\nop = 'systemd.service'\nservice = 'web'\nenabled = true\n\n";

const UNCHANGED: &str = "[[operation]]\nop = 'files.directory'\npath = '/srv'\nnotify = ['restarted']\n\n";

fn file(notify: &str) -> String {
    format!("[[operation]]\nop = 'files.put'\ndest = '/etc/web.conf'\ncontent = 'x'\nnotify = [{notify}]\n\n")
}

fn later(notify: &str) -> String {
    file(notify).replace("web.conf", "web.later")
}

fn handler(state: &str) -> String {
    format!("[[handler]]\nname = '{state}'\nop = 'systemd.service'\nservice = 'web'\nstate = '{state}'\n\n")
}

/// The host as it was before.
fn reset(host: &Host<'_>, runs: bool) {
    host.inside(
        "systemctl disable --now web 2>/dev/null; rm -f /srv/did /etc/web.*; dpkg --purge web 2>/dev/null; systemctl reset-failed",
    );
    if runs {
        host.inside("systemctl start web; rm /srv/did");
    }
}

struct Case {
    what: &'static str,
    task: Vec<String>,
    /// Whether the unit runs before.
    runs: bool,
    /// The restarts and reloads that the review shows.
    shown: &'static [&'static str],
    /// What the unit did.
    did: &'static str,
}

fn case(what: &'static str, task: &[&str], runs: bool, shown: &'static [&'static str], did: &'static str) -> Case {
    Case {
        what,
        task: task.iter().map(|part| (*part).to_owned()).collect(),
        runs,
        shown,
        did,
    }
}

fn cases() -> Vec<Case> {
    let (restart, reload) = (&*handler("restarted"), &*handler("reloaded"));
    let (to_restart, to_reload) = (&*file("'restarted'"), &*file("'reloaded'"));
    let to_both = &*file("'restarted', 'reloaded'");
    vec![
        case(
            "start, then restart",
            &[to_restart, STARTED, restart],
            false,
            &[],
            "start",
        ),
        case("start, then reload", &[to_reload, STARTED, reload], false, &[], "start"),
        case(
            "started before the change",
            &[STARTED, to_reload, reload],
            false,
            &["reloaded"],
            "start reload",
        ),
        case("enabled only", &[to_reload, ENABLED, reload], false, &[], ""),
        case(
            "enabled, and runs",
            &[to_reload, ENABLED, reload],
            true,
            &["reloaded"],
            "reload",
        ),
        case(
            "runs already",
            &[to_restart, STARTED, restart],
            true,
            &["restarted"],
            "start",
        ),
        case(
            "restart, then reload",
            &[to_both, restart, reload],
            true,
            &["restarted"],
            "start",
        ),
        case(
            "reload, then restart",
            &[to_both, reload, restart],
            true,
            &["reloaded", "restarted"],
            "reload start",
        ),
        case(
            "a package starts it before the change",
            &[PACKAGE, to_reload, STARTED, reload],
            false,
            &["reloaded"],
            "start reload",
        ),
        case(
            "a package starts it after the change",
            &[to_reload, PACKAGE, STARTED, reload],
            false,
            &[],
            "start",
        ),
        case(
            "what notifies it after the start changes nothing",
            &[to_restart, STARTED, UNCHANGED, restart],
            false,
            &[],
            "start",
        ),
        case(
            "what changes after the start notifies the other one",
            &[to_restart, STARTED, &later("'reloaded'"), reload, restart],
            false,
            &["reloaded"],
            "start reload",
        ),
        case(
            "the same in the other order",
            &[to_restart, STARTED, &later("'reloaded'"), restart, reload],
            false,
            &["reloaded"],
            "start reload",
        ),
        case(
            "enabled after the start",
            &[to_restart, &STARTED.replace("enabled = true\n", ""), ENABLED, restart],
            false,
            &[],
            "start",
        ),
    ]
}

/// Whether a review or a journal says that this was done to the unit.
fn shows(text: &str, verb: &str) -> bool {
    let mut lines = text.lines();
    lines
        .any(|line| line.contains("web.service") && line.contains(&format!("→ {verb}")) && !line.contains("already so"))
}

/// What a package may do first is said: such a line may end unchanged.
#[test]
fn a_reload_says_that_a_start_may_come_before_it() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    only_repository(&host);
    let unit = [("/usr/lib/systemd/system/web.service", UNIT)];
    let package = |name, conffiles| Package {
        name,
        version: "1",
        conffiles,
        ..Package::default()
    };
    publish(&host, &[package("web-common", &unit), package("tree", &[])]);
    fetch_lists(&host);
    host.inside("apt-get -q -y install web-common >/dev/null 2>&1");
    let tree = PACKAGE.replace("web", "tree");
    let task = [&tree, &*file("'reloaded'"), STARTED, &handler("reloaded")].concat();
    project.write("tasks/test/files.toml", task);
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout;
    assert!(
        ran.contains("notified by `files.put /etc/web.conf`; unless `systemd.service web` starts it"),
        "{ran}"
    );
    assert_eq!(ran.matches("applied      unit web.service").count(), 1, "{ran}");
    assert_eq!(host.inside("cat /srv/did"), "start\n");
    let again = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout;
    assert!(again.starts_with("nothing to do"), "{again}");
}

fn reviews_and_runs_agree(image: &str) {
    let project = Project::with_task("");
    project.write(
        "inventories/dev.toml",
        format!("[hosts.alpha]\nlab = {{ image = '{image}' }}\n"),
    );
    let host = project.up("dev", "alpha");
    only_repository(&host);
    let unit = [("/usr/lib/systemd/system/web.service", UNIT)];
    let package = |name, postinst, conffiles| Package {
        name,
        version: "1",
        postinst,
        conffiles,
        ..Package::default()
    };
    let common = package("web-common", "", &unit);
    let web = package("web", "systemctl start web", &[]);
    publish(&host, &[common, web]);
    fetch_lists(&host);
    host.inside("apt-get -q -y install web-common >/dev/null 2>&1");
    for case in cases() {
        reset(&host, case.runs);
        project.write("tasks/test/files.toml", case.task.concat());
        let homelab = |arguments: &[&str]| project.homelab(arguments).expect(0).stdout;
        let planned = homelab(&["deploy", "dev", "all", "--dry-run"]);
        let ran = homelab(&["deploy", "dev", "all", "--yes"]);
        let history = homelab(&["history", "dev", "alpha", "last"]);
        let told = format!("{}:\n{planned}\n{ran}\n{history}", case.what);
        for verb in ["restarted", "reloaded"] {
            let is_shown = case.shown.contains(&verb);
            let both = [&planned, &history].map(|text| shows(text, verb));
            assert_eq!(both, [is_shown; 2], "{verb}, {told}");
        }
        let done = host.inside("cat /srv/did 2>/dev/null || true");
        assert_eq!(done.lines().collect::<Vec<_>>().join(" "), case.did, "{told}");
        let again = homelab(&["deploy", "dev", "all", "--yes"]);
        assert!(again.starts_with("nothing to do"), "{told}\n{again}");
    }
}

#[test]
fn reviews_and_runs_agree_about_a_unit_that_is_started_along_on_debian_13() {
    reviews_and_runs_agree("debian:13");
}

#[test]
fn reviews_and_runs_agree_about_a_unit_that_is_started_along_on_debian_12() {
    reviews_and_runs_agree("debian:12");
}
