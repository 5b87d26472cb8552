//! Operations that hang on a condition, and checks: what is so already is left alone, and what fails is a failure.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::deploy::review::Review;
use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const LOG: &str = "/opt/ran";

/// Every condition, once met and once not; each command writes its word to the log.
fn shells() -> String {
    let mut task = String::new();
    for (word, condition) in [
        ("creates-met", "creates = '/opt/there'"),
        ("removes-met", "removes = '/opt/nowhere'"),
        ("unless-met", "unless = 'test -e /opt/there'"),
        ("only-if-met", "only_if = 'test -e /opt/nowhere'"),
        ("creates", "creates = '/opt/created'"),
        ("removes", "removes = '/opt/unwanted'"),
        ("unless", "unless = 'test -e /opt/made'"),
        ("only-if", "only_if = 'test -e /opt/to-go'"),
        ("always", "always = true"),
    ] {
        let command = match word {
            "creates" => format!("echo {word} >>{LOG}; touch /opt/created"),
            "removes" => format!("echo {word} >>{LOG}; rm /opt/unwanted"),
            "unless" => format!("echo {word} >>{LOG}; touch /opt/made"),
            "only-if" => format!("echo {word} >>{LOG}; rm /opt/to-go"),
            _ => format!("echo {word} >>{LOG}"),
        };
        let _ = write!(
            task,
            "[[operation]]\nop = 'server.shell'\nname = '{word}'\ncommands = ['{command}']\ntouches = ['{LOG}']\n{condition}\n\n"
        );
    }
    task
}

fn dry_run(project: &Project, code: i32) -> Ran {
    let arguments = ["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"];
    project.homelab(&arguments).expect(code)
}

fn deploy(project: &Project, code: i32) -> Ran {
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(code)
}

fn log(host: &Host<'_>) -> Vec<String> {
    host.inside(&format!("cat {LOG} 2>/dev/null; rm -f {LOG}"))
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_command_runs_where_its_condition_says_so() {
    let project = Project::with_task(&shells());
    let host = project.up("dev", "alpha");
    // A condition that writes would show that it ran.
    host.inside("touch /opt/there /opt/to-go /opt/unwanted");
    let unasked = project
        .homelab(&["deploy", "dev", "all", "--dry-run", "--yes", "--no-conditions"])
        .expect(0);
    // The first says why; what comes after a command that may run waits for that one too.
    let not_asked = "`test -e /opt/there`: not run because of `--no-conditions`";
    assert!(unasked.stdout.contains(not_asked), "{}", unasked.stdout);
    let open = unasked.stdout.lines().filter(|line| line.starts_with("    ? "));
    assert_eq!(open.count(), 4, "{}", unasked.stdout);
    assert!(!unasked.stderr.contains("condition: "), "{}", unasked.stderr);
    let review = dry_run(&project, 2);
    for named in [
        "test -e /opt/there",
        "test -e /opt/nowhere",
        "test -e /opt/made",
        "test -e /opt/to-go",
    ] {
        assert_eq!(
            review.stderr.matches(&format!("condition: {named}\n")).count(),
            1,
            "{}",
            review.stderr
        );
    }
    // A condition may depend on anything that a command before it did: it is asked when that is finished.
    let marks: String = Review(&review.stdout)
        .resources()
        .iter()
        .filter_map(|head| head.chars().next())
        .collect();
    assert_eq!(marks, "++??↻", "{}", review.stdout);
    assert_eq!(log(&host), [] as [String; 0], "the dry run ran a command");
    deploy(&project, 0);
    assert_eq!(log(&host), ["creates", "removes", "unless", "only-if", "always"]);

    // Only what runs each time is left, which is no drift.
    let review = dry_run(&project, 0);
    assert!(
        review
            .stdout
            .contains("nothing to change on 1 host: 8 operations unchanged, 1 run each time"),
        "{}",
        review.stdout
    );
    let ran = deploy(&project, 0);
    assert_eq!(log(&host), ["always"], "{}", ran.stdout);
}

#[test]
fn what_was_open_ends_as_what_it_comes_to() {
    let file =
        |dest: &str, more: &str| format!("[[operation]]\nop = 'files.put'\ndest = '{dest}'\ncontent = 'x'\n{more}\n\n");
    let task = [
        "[[operation]]\nop = 'server.shell'\ncommands = ['gpasswd -a daemon adm', 'gpasswd -a mail adm']\nalways = true\n\n",
        &file("/opt/{{ item }}", "for_each = 'facts.groups.adm.members'"),
        &file("/opt/none", "when = 'facts.groups.adm.members | length == 77'"),
        &file("/opt/some", "when = 'facts.groups.adm.members | length == 2'"),
    ];
    let project = Project::with_task(&task.concat());
    let host = project.up("dev", "alpha");
    let review = dry_run(&project, 2);
    assert!(
        review.stdout.contains("3 operations cannot be planned"),
        "{}",
        review.stdout
    );
    let ran = project
        .homelab(&["deploy", "dev", "all", "--yes", "--format", "json"])
        .expect(0);
    assert_eq!(host.inside("ls /opt"), "daemon\nmail\nsome\n");
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let results = document["hosts"][0]["results"].as_array().unwrap();
    let lines = results.iter().flat_map(|result| result["lines"].as_array().unwrap());
    let ends: Vec<String> = lines
        .map(|line| format!("{} {}", line["name"].as_str().unwrap(), line["end"].as_str().unwrap()))
        .collect();
    let expected = [
        "gpasswd -a daemon adm; gpasswd -a mail adm applied",
        "/opt/daemon applied",
        "/opt/mail applied",
        "files.put /opt/none already_so",
        "/opt/some applied",
    ];
    let mut sorted: Vec<&str> = ends.iter().map(String::as_str).collect();
    sorted.sort_unstable_by_key(|end| expected.iter().position(|one| one == end));
    assert_eq!(sorted, expected);
}

#[test]
fn a_command_that_fails_stops_the_host_with_its_last_words() {
    let task =
        "[[operation]]\nop = 'server.shell'\ncommands = ['echo one >&2; exit 7', 'touch /opt/after']\nalways = true\n";
    let project = Project::with_task(task);
    let host = project.up("dev", "alpha");
    let ran = deploy(&project, 1);
    for part in ["exit code 7", "| one"] {
        assert!(ran.stdout.contains(part), "no `{part}` in:\n{}", ran.stdout);
    }
    assert!(!host.is("test -e /opt/after"));
}

#[test]
fn files_are_touched_and_removed_and_links_too() {
    let touch = "[[operation]]\nop = 'files.file'\npath = '/opt/stamp'\ntouch = true\n\n";
    let absent = |op: &str, path: &str| format!("[[operation]]\nop = '{op}'\npath = '{path}'\npresent = false\n\n");
    let project = Project::with_task(
        &[
            touch,
            &absent("files.file", "/opt/old"),
            &absent("files.link", "/opt/link"),
            &absent("files.file", "/opt/nothing"),
        ]
        .concat(),
    );
    let host = project.up("dev", "alpha");
    host.inside("echo kept >/opt/kept; echo old >/opt/old; ln -s /opt/kept /opt/link");
    let review = dry_run(&project, 2);
    assert_eq!(
        Review(&review.stdout).resources(),
        ["+ file /opt/stamp", "- file /opt/old", "- link /opt/link"]
    );
    assert!(review.stdout.contains("- old"), "what goes is shown: {}", review.stdout);
    deploy(&project, 0);
    assert_eq!(host.inside("ls /opt; cat /opt/kept"), "kept\nstamp\nkept\n");

    // The time is set again and again, without a word of drift; the content stays.
    host.inside("echo mine >/opt/stamp; touch -d 2020-01-01 /opt/stamp");
    dry_run(&project, 0);
    assert_eq!(host.inside("stat -c %y /opt/stamp | cut -c 1-4"), "2020\n");
    deploy(&project, 0);
    assert_ne!(host.inside("stat -c %y /opt/stamp | cut -c 1-4"), "2020\n");
    assert_eq!(host.inside("cat /opt/stamp"), "mine\n");

    // A link is no file, and a file no link: the one that is not wanted is not there, and the other stays.
    host.inside("ln -s /opt/kept /opt/link");
    project.write("tasks/test/files.toml", absent("files.file", "/opt/link"));
    deploy(&project, 0);
    project.write("tasks/test/files.toml", absent("files.link", "/opt/kept"));
    deploy(&project, 0);
    assert_eq!(host.inside("readlink /opt/link; cat /opt/link"), "/opt/kept\nkept\n");
}

/// A closed port, an open one, and a page of it.
fn checks(port: u16, text: &str) -> String {
    format!(
        "[[operation]]\nop = 'verify.tcp'\nport = {port}\nwithin = '2s'\n\n\
         [[operation]]\nop = 'verify.http'\nurl = 'http://127.0.0.1:{port}/'\ncontains = '{text}'\nwithin = '2s'\n"
    )
}

/// Serves a page, which takes a moment to come up.
const SERVICE: &str = "[[operation]]
op = 'server.shell'
commands = ['systemd-run --quiet --unit=page sh /opt/serve']
unless = 'systemctl is-active page'

";

const SERVE: &str = r#"sleep 1; exec perl -MIO::Socket::INET -e '
$listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die;
while ($peer = $listener->accept) { while (<$peer>) { last if /^\r?\n$/ } print $peer "HTTP/1.0 200 OK\r\n\r\nall is well\n"; close $peer }'"#;

#[test]
fn checks_hold_fail_and_wait_for_what_comes_up() {
    let project = Project::with_task(&checks(8080, "all is well"));
    let host = project.up("dev", "alpha");
    host.inside(&format!("cat >/opt/serve <<'END_OF_FILE'\n{SERVE}\nEND_OF_FILE"));

    // Nothing listens, and nothing is there to be changed: pending in a dry run, a failure when it is deployed.
    let review = dry_run(&project, 2);
    assert!(
        review
            .stdout
            .contains("✗ tcp 127.0.0.1:8080   fails now: no connection"),
        "{}",
        review.stdout
    );
    project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    let start = Instant::now();
    let ran = deploy(&project, 1);
    assert!(start.elapsed() > Duration::from_secs(2), "it was not tried again");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    for part in [
        "verify tcp 127.0.0.1:8080",
        "no connection (tried for 2 s)",
        "not reached",
    ] {
        assert!(ran.stdout.contains(part), "no `{part}` in:\n{}", ran.stdout);
    }

    // With the service in the same plan they are tried after it, until they hold.
    let both = SERVICE.to_owned() + &checks(8080, "all is well").replace("'2s'", "'20s'");
    project.write("tasks/test/files.toml", &both);
    let review = dry_run(&project, 2);
    assert_eq!(
        review.stdout.matches("checked after the changes").count(),
        2,
        "{}",
        review.stdout
    );
    let ran = deploy(&project, 0);
    assert_eq!(ran.stdout.matches("  passed  ").count(), 2, "{}", ran.stdout);
    let review = dry_run(&project, 0);
    assert!(review.stdout.contains("nothing to do"), "{}", review.stdout);

    project.write(
        "tasks/test/files.toml",
        SERVICE.to_owned() + &checks(8080, "all is lost"),
    );
    let ran = deploy(&project, 1);
    assert!(
        ran.stdout.contains("the page does not contain `all is lost`"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("1 check passes"), "{}", ran.stdout);
    host.inside("systemctl stop page");

    // Each retry has the whole time again, and what the last one finds is told.
    let never = "[[operation]]\nop = 'files.put'\ndest = '/srv/before'\ncontent = 'x'\n
[[operation]]\nop = 'verify.command'\ncommand = ['test', '-e', '/srv/never']\nwithin = '1s'\nretries = 2\n";
    project.write("tasks/test/files.toml", never);
    let ran = deploy(&project, 1);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    for part in ["retry 2 of 2", "failed to verify `test -e /srv/never`"] {
        assert!(told.contains(part), "no `{part}` in:\n{told}");
    }
}
