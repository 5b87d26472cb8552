//! Services that restart together: each once, all watched at the same time, and each goes back by itself.

use std::process::Stdio;
use std::time::Duration;

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

/// The services, in the order of their handlers.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// How often one service is looked at again after its start.
const PAUSES: usize = 4;

/// A file for each service, one that two of them read, and the handlers; `last` is for the last handler.
fn files(last: &str) -> String {
    let own = NAMES.map(|name| {
        format!("[[operation]]\nop = 'files.put'\ndest = '/etc/{name}.conf'\ncontent = '{{{{ {name} }}}}'\nnotify = ['restart {name}']\n")
    });
    let shared = "[[operation]]\nop = 'files.put'\ndest = '/etc/shared.conf'\ncontent = '{{ shared }}'\nnotify = ['restart a', 'restart b']\n";
    let handlers = NAMES.map(|name| {
        let more = if name == "c" { last } else { "" };
        format!("[[handler]]\nname = 'restart {name}'\nop = 'systemd.service'\nservice = '{name}'\nstate = 'restarted'\n{more}")
    });
    [own.concat(), shared.to_owned(), handlers.concat()].concat()
}

/// A service ends right after its start if its file says `bad`, or if the shared one has its name.
fn unit(name: &str) -> String {
    format!(
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStartPre=/bin/sh -c 'echo >>/srv/starts-{name}'\n\
         ExecStart=/bin/sh -c '! grep -q bad /etc/{name}.conf && ! grep -q {name} /etc/shared.conf && exec /bin/sleep infinity'\n"
    )
}

/// A host whose pauses are counted, and which waits in them while `/srv/hold` is there.
const PAUSE: &str = "#!/bin/sh\\n[ \"$1\" != 0.5 ] || echo >>/srv/pauses\\n\
    while [ -e /srv/hold ]; do /bin/sleep 0.1; done\\nexec /bin/sleep \"$@\"\\n";

/// What is owed, and units that were not restarted since their files changed.
const RECORDS: &str = "find /var/lib/homelab/owed /var/lib/homelab/units -type f 2>/dev/null || true";

fn make_ready(host: &Host<'_>) {
    host.inside(&format!(
        "printf '{PAUSE}' >/usr/local/bin/sleep && chmod +x /usr/local/bin/sleep"
    ));
    for name in NAMES {
        let unit = unit(name).replace('\'', "'\\''");
        host.inside(&format!(
            "printf '%s' '{unit}' >/etc/systemd/system/{name}.service && printf one >/etc/{name}.conf"
        ));
    }
    host.inside("printf 1 >/etc/shared.conf; systemctl daemon-reload && systemctl start a b c");
}

fn data(project: &Project, values: [&str; 3], shared: &str) {
    let [a, b, c] = values;
    project.write(
        "group_data/all.toml",
        format!("a = '{a}'\nb = '{b}'\nc = '{c}'\nshared = '{shared}'\n"),
    );
}

fn deploy(project: &Project, code: i32) -> Ran {
    project
        .homelab(&["deploy", "dev", "all", "--yes", "--verbose", "--lock-wait", "60s"])
        .expect(code)
}

/// How often each service was started, and how often homelab paused.
fn counts(host: &Host<'_>) -> ([usize; 3], usize) {
    let count = |file: &str| {
        let lines = host.inside(&format!("cat /srv/{file} 2>/dev/null | wc -l"));
        lines.trim().parse::<usize>().unwrap()
    };
    (NAMES.map(|name| count(&format!("starts-{name}"))), count("pauses"))
}

/// What each file says; all services run.
fn state(host: &Host<'_>) -> String {
    host.inside(
        "systemctl is-active a b c >/dev/null; for f in a b c shared; do printf '%s ' \"$(cat /etc/$f.conf)\"; done",
    )
}

#[track_caller]
fn is_quiet(project: &Project, host: &Host<'_>) {
    let before = counts(host);
    let again = deploy(project, 0);
    assert!(again.stdout.contains("\nnothing to do"), "{}", again.stdout);
    assert_eq!(counts(host), before);
    assert_eq!(host.inside(RECORDS), "");
}

fn round_trips(ran: &Ran) -> u32 {
    let mut lines = ran.stderr.lines();
    let told = lines.find_map(|line| line.strip_prefix("alpha: round trips: "));
    told.unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr))
        .parse()
        .unwrap()
}

#[test]
fn any_number_of_services_takes_the_looks_and_round_trips_of_one() {
    let project = Project::with_task(&files(""));
    let host = project.up("dev", "alpha");
    make_ready(&host);
    let mut of_one = None;
    for (values, shared, starts) in [
        (["two", "one", "one"], "1", [1, 0, 0]),
        (["three", "three", "one"], "1", [1, 1, 0]),
        (["four", "four", "four"], "1", [1; 3]),
        (["four", "four", "five"], "2", [1; 3]),
    ] {
        let (before, paused) = counts(&host);
        data(&project, values, shared);
        let ran = deploy(&project, 0);
        let (after, pauses) = counts(&host);
        let more: Vec<usize> = before.iter().zip(after).map(|(before, after)| after - before).collect();
        assert_eq!(more, starts, "{}", ran.stdout);
        assert_eq!(pauses - paused, PAUSES, "{}", ran.stdout);
        let trips = round_trips(&ran);
        assert_eq!(trips, *of_one.get_or_insert(trips), "{}", ran.stdout);
        is_quiet(&project, &host);
    }
    // One that may be tried again has its own time.
    project.write("tasks/test/files.toml", files("retries = 1\n"));
    let paused = counts(&host).1;
    data(&project, ["six", "six", "six"], "2");
    deploy(&project, 0);
    assert_eq!(counts(&host).1 - paused, 2 * PAUSES);
    is_quiet(&project, &host);
}

#[test]
fn each_service_goes_back_by_itself() {
    let project = Project::with_task(&files(""));
    let host = project.up("dev", "alpha");
    make_ready(&host);
    // What each service is started for: the change, and going back.
    for (values, shared, left, starts, told) in [
        (["bad", "2", "2"], "1", "one 2 2 1 ", [2, 1, 1], &["a"][..]),
        (["3", "bad", "3"], "1", "3 2 3 1 ", [1, 2, 1], &["b"]),
        (["bad", "bad", "4"], "1", "3 2 4 1 ", [2, 2, 1], &["a", "b"]),
        (["bad", "bad", "bad"], "1", "3 2 4 1 ", [2; 3], &["a", "b", "c"]),
        // What one of them does not run with goes back for the other one too, which ran with it.
        (["3", "2", "5"], "a", "3 2 5 1 ", [2, 2, 1], &["a"]),
        (["3", "2", "6"], "b", "3 2 6 1 ", [2, 2, 1], &["b"]),
        (["3", "2", "7"], "ab", "3 2 7 1 ", [2, 2, 1], &["a", "b"]),
    ] {
        let case = format!("{values:?} {shared}");
        let before = counts(&host).0;
        data(&project, values, shared);
        let ran = deploy(&project, 1);
        let said = format!("{case}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(state(&host), left, "{said}");
        let after = counts(&host).0;
        let more: Vec<usize> = before.iter().zip(after).map(|(before, after)| after - before).collect();
        assert_eq!(more, starts, "{said}");
        for name in NAMES {
            let is_told = said.contains(&format!("`{name}.service` does not run with it"));
            assert_eq!(is_told, told.contains(&name), "{name} {said}");
            let runs_again = said.contains(&format!("and `{name}.service` runs again"));
            assert_eq!(runs_again, told.contains(&name), "{name} {said}");
        }
        assert_eq!(host.inside(RECORDS), "", "{said}");
    }
    data(&project, ["8", "8", "8"], "8");
    deploy(&project, 0);
    is_quiet(&project, &host);
}

#[test]
fn a_run_that_ends_between_restart_and_look_leaves_one_restart_each() {
    let project = Project::with_task(&files(""));
    let host = project.up("dev", "alpha");
    make_ready(&host);
    for (round, patient) in [("two", false), ("three", true)] {
        let before = counts(&host).0;
        data(&project, [round; 3], "1");
        host.inside("touch /srv/hold");
        let mut command = project.command(&["deploy", "dev", "all", "--yes"]);
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let last = format!("[ $(wc -l </srv/starts-c) -gt {} ]", before[2]);
        host.wait_until(&last, Duration::from_secs(60));
        run.kill().unwrap();
        run.wait().unwrap();
        if patient {
            host.inside("rm /srv/hold");
        }
        // The next run waits for what goes on there.
        host.inside("(/bin/sleep 2; rm -f /srv/hold) >/dev/null 2>&1 &");
        deploy(&project, 0);
        assert_eq!(counts(&host).0, before.map(|count| count + 1), "{round}");
        assert_eq!(state(&host), format!("{round} {round} {round} 1 "));
        is_quiet(&project, &host);
    }
}

#[test]
fn changed_units_are_restarted_together() {
    let units = NAMES.map(|name| {
        let text = unit(name);
        format!("[[operation]]\nop = 'files.put'\ndest = '/etc/systemd/system/{name}.service'\ncontent = \"\"\"\n{text}# {{{{ {name} }}}}\n\"\"\"\n")
    });
    let started =
        NAMES.map(|name| format!("[[operation]]\nop = 'systemd.service'\nservice = '{name}'\nstate = 'started'\n"));
    let task = [units.concat(), started.concat()].concat();
    let project = Project::with_task(&task);
    let host = project.up("dev", "alpha");
    make_ready(&host);
    data(&project, ["1"; 3], "");
    deploy(&project, 0);
    let (before, paused) = counts(&host);
    data(&project, ["2"; 3], "");
    deploy(&project, 0);
    let (after, pauses) = counts(&host);
    assert_eq!(after, before.map(|count| count + 1));
    assert_eq!(pauses - paused, PAUSES);
    is_quiet(&project, &host);

    // One that does not run with its new unit.
    let broken = task.replacen("exec /bin/sleep infinity", "{{ a }} /bin/sleep infinity", 1);
    project.write("tasks/test/files.toml", &broken);
    data(&project, ["exec", "3", "3"], "");
    deploy(&project, 0);
    let before = counts(&host).0;
    data(&project, ["false", "4", "4"], "");
    let ran = deploy(&project, 1);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    let units = "systemctl is-active a b c >/dev/null; tail -q -n 1 /etc/systemd/system/[abc].service";
    assert_eq!(host.inside(units), "# exec\n# 4\n# 4\n", "{said}");
    let [a, b, c] = before;
    assert_eq!(counts(&host).0, [a + 2, b + 1, c + 1], "{said}");
}
