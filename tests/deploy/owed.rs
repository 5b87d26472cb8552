//! Handlers that an earlier run owes: an API that refuses until one ran, and units that were started since.

use crate::support::host::Host;
use crate::support::project::Project;

/// An API that knows the token that was there when it started.
const API: &str = r#"use IO::Socket::INET;
open my $file, "<", "/etc/api.token" or die; chomp(my $token = <$file>);
my $all = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8371", Listen => 5, ReuseAddr => 1) or die;
while (my $one = $all->accept) {
my ($method) = split / /, scalar <$one>;
my ($length, $given) = (0, "");
while (<$one>) { last if /^\r?$/; $length = $1 if /^content-length: (\d+)/i; $given = $1 if /^x-token: (\S+)/i }
if ($given ne $token) { print $one "HTTP/1.0 401 Unauthorized\r\n\r\n" }
elsif ($method eq "PUT") {
read $one, my $body, $length;
open my $out, ">", "/srv/api.json"; print $out $body; close $out;
print $one "HTTP/1.0 204 No Content\r\n\r\n";
} elsif (open my $in, "<", "/srv/api.json") {
local $/; print $one "HTTP/1.0 200 OK\r\n\r\n" . <$in>;
} else { print $one "HTTP/1.0 404 Not Found\r\n\r\n" }
close $one;
}
"#;

/// The API, which notes its starts, and its token.
const SERVICE: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/api.token"
content = "{{ token }}\n"
notify = ["restart api"]

[[operation]]
op = "files.put"
dest = "/etc/systemd/system/api.service"
content = """
[Service]
ExecStartPre=/bin/sh -c 'echo >>/srv/starts'
ExecStart=/usr/bin/perl /srv/api.pl
"""

[[operation]]
op = "systemd.service"
service = "api"
state = "started"
"#;

const RESOURCE: &str = r#"
[[operation]]
op = "http.resource"
url = "http://127.0.0.1:8371/settings"
want = { title = "{{ title }}" }
headers = { X-Token = "{{ token }}" }
"#;

const LATER: &str = r#"
[[operation]]
op = "files.put"
dest = "/srv/later"
content = "{{ token }}\n"
"#;

const HANDLER: &str = r#"
[[handler]]
name = "restart api"
op = "systemd.service"
service = "api"
state = "restarted"
"#;

/// A project with this task for one host with the API's program.
fn project(task: &str, image: &str) -> Project {
    let project = Project::with_task(task);
    project.write(
        "inventories/dev.toml",
        format!("[hosts.alpha]\nlab = {{ image = '{image}' }}\n"),
    );
    data(&project, "t-one", "first");
    project
}

fn up(project: &Project) -> Host<'_> {
    let host = project.up("dev", "alpha");
    host.inside(&format!("cat >/srv/api.pl <<'END'\n{API}END"));
    host
}

fn data(project: &Project, token: &str, title: &str) {
    project.write("group_data/all.toml", format!("token = '{token}'\ntitle = '{title}'\n"));
}

fn deploy(project: &Project, code: i32) -> String {
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(code);
    format!("{}{}", ran.stdout, ran.stderr)
}

fn review(project: &Project, more: &[&str], code: i32) -> String {
    let ran = project.homelab(&[&["deploy", "dev", "all", "--dry-run"], more].concat());
    let ran = ran.expect(code);
    format!("{}{}", ran.stdout, ran.stderr)
}

#[track_caller]
fn has(told: &str, text: &str) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(told).contains(&words(text)), "{text}:\n{told}");
}

#[track_caller]
fn is_quiet(project: &Project, host: &Host<'_>, starts: usize) {
    let quiet = deploy(project, 0);
    assert!(quiet.starts_with("nothing to do") && !quiet.contains('!'), "{quiet}");
    assert_eq!(host.inside("ls -A /var/lib/homelab/owed"), "");
    assert_eq!(host.inside("wc -l </srv/starts").trim(), starts.to_string());
}

/// What is asked at the end of a task comes after its handlers.
fn a_new_token_is_used_before_the_api_is_asked(image: &str) {
    let project = project(&[SERVICE, RESOURCE, HANDLER].concat(), image);
    let host = up(&project);
    let first = review(&project, &[], 0);
    has(
        &first,
        "? http.resource http://127.0.0.1:8371/settings known after `systemd.service api`",
    );
    has(&first, "+ title = \"first\"");
    deploy(&project, 0);
    is_quiet(&project, &host, 1);
    for (token, title, starts) in [("t-two", "first", 2), ("t-three", "second", 3), ("t-three", "third", 3)] {
        data(&project, token, title);
        let planned = review(&project, &[], 0);
        if token == "t-three" && title == "third" {
            has(&planned, "~ http resource http://127.0.0.1:8371/settings");
        } else {
            has(&planned, "http://127.0.0.1:8371/settings");
            assert!(!planned.contains("\n    + http resource"), "{planned}");
        }
        deploy(&project, 0);
        let held = host.inside("cat /srv/api.json");
        assert!(held.contains(&format!("\"title\":\"{title}\"")), "{held}");
        is_quiet(&project, &host, starts);
    }
}

/// What is asked in the middle of a task comes before its handlers: the run fails, says why, and the next one gets through.
fn a_handler_that_is_owed_runs_before_the_api_is_asked(image: &str) {
    let project = project(&[SERVICE, RESOURCE, LATER, HANDLER].concat(), image);
    let host = up(&project);
    deploy(&project, 0);
    is_quiet(&project, &host, 1);
    data(&project, "t-two", "first");
    let failed = deploy(&project, 1);
    has(&failed, "answers with status 401");
    has(
        &failed,
        "move this operation to the end of the task if it needs handler `restart api`, which comes after it",
    );
    let planned = review(&project, &[], 0);
    has(&planned, "owed since an earlier run, which ended before it");
    has(
        &planned,
        "? http.resource http://127.0.0.1:8371/settings known after `restart api`",
    );
    deploy(&project, 0);
    assert_eq!(host.inside("cat /srv/later"), "t-two\n");
    is_quiet(&project, &host, 2);

    // A handler that a further change notifies in the same run has another turn.
    data(&project, "t-three", "first");
    deploy(&project, 1);
    project.write(
        "tasks/test/files.toml",
        [
            SERVICE,
            RESOURCE,
            &LATER.replace("\ncontent", "\nnotify = ['restart api']\ncontent"),
            HANDLER,
        ]
        .concat(),
    );
    deploy(&project, 0);
    assert_eq!(host.inside("cat /srv/later"), "t-three\n");
    is_quiet(&project, &host, 4);

    // Another deploy asks too, and does not have the handler.
    project.write("tasks/test/files.toml", [SERVICE, RESOURCE, LATER, HANDLER].concat());
    project.write("tasks/test/other.toml", RESOURCE);
    project.write("deploys/other.toml", "hosts = ['*']\ntasks = ['test/other']\n");
    data(&project, "t-four", "first");
    deploy(&project, 1);
    let refused = project.homelab(&["deploy", "dev", "other", "--yes"]).expect(3).stderr;
    has(
        &refused,
        "run handler `test/files / restart api` first with `--owed`: an earlier run owes it, which may be why",
    );
    let only = ["deploy", "dev", "other", "--owed"];
    let planned = project.homelab(&[&only[..], &["--dry-run"]].concat()).expect(0).stdout;
    has(&planned, "~ unit api.service active → restarted");
    assert!(!planned.contains("http"), "{planned}");
    project.homelab(&[&only[..], &["--yes"]].concat()).expect(0);
    project.homelab(&["deploy", "dev", "other", "--yes"]).expect(0);
    assert_eq!(host.inside("ls -A /var/lib/homelab/owed"), "");

    // With `--owed` nothing else of the deploy is planned, not even what would be refused.
    data(&project, "t-five", "first");
    deploy(&project, 1);
    data(&project, "t-five", "second");
    let planned = review(&project, &["--owed"], 0);
    has(&planned, "~ unit api.service active → restarted");
    assert!(
        !planned.contains("http") && !planned.contains("/srv/later"),
        "{planned}"
    );
    project.homelab(&["deploy", "dev", "all", "--yes", "--owed"]).expect(0);
    assert_eq!(host.inside("ls -A /var/lib/homelab/owed"), "");
    assert_ne!(host.inside("cat /srv/later"), "t-five\n");
    let nothing = review(&project, &["--owed"], 0);
    assert!(nothing.starts_with("nothing to do"), "{nothing}");
    deploy(&project, 0);
    is_quiet(&project, &host, 6);
}

/// A unit that was started after the change has nothing to do: the review says so, and the next deploy forgets it.
fn a_unit_that_was_started_since_is_not_shown_as_restarted(image: &str) {
    let broken = "[[operation]]\nop = 'server.shell'\ncommands = ['test ! -e /srv/broken']\nunless = 'test ! -e /srv/broken'\ntouches = ['/srv/x']\n";
    let project = project(&[SERVICE, broken, HANDLER].concat(), image);
    let host = up(&project);
    deploy(&project, 0);
    is_quiet(&project, &host, 1);
    let owe = |token: &str| {
        data(&project, token, "first");
        host.inside("touch /srv/broken");
        deploy(&project, 1);
        host.inside("rm /srv/broken");
        assert_eq!(host.inside("ls -A /var/lib/homelab/owed | wc -l"), "1\n");
    };
    owe("t-two");
    has(&review(&project, &[], 0), "~ unit api.service active → restarted");
    host.inside("systemctl restart api");
    for more in [&[][..], &["--owed"]] {
        let planned = review(&project, more, 0);
        has(
            &planned,
            "! owed since an earlier run: handler `test/files / restart api`; `api.service` was started since, so it has nothing to do",
        );
        assert!(
            planned.contains("nothing to do on 1 host") && !planned.contains('~'),
            "{planned}"
        );
    }
    let pending = ["--detailed-exitcode"];
    review(&project, &pending, 0);
    let ran = deploy(&project, 0);
    assert!(!ran.contains('~'), "{ran}");
    is_quiet(&project, &host, 2);

    // A further change by this run is another reason.
    owe("t-three");
    host.inside("systemctl restart api");
    data(&project, "t-four", "first");
    let ran = deploy(&project, 0);
    has(&ran, "~ unit api.service active → restarted");
    is_quiet(&project, &host, 4);
}

/// A drop-in with a value, and an operation that fails while `/srv/broken` is there.
const DROP_IN: &str = r#"
[[operation]]
op = "files.directory"
path = "/etc/systemd/system/api.service.d"

[[operation]]
op = "files.put"
dest = "/etc/systemd/system/api.service.d/nice.conf"
content = "[Service]\nNice={{ nice }}\n"
notify = ["restart api"]

[[operation]]
op = "server.shell"
commands = ["test ! -e /srv/broken"]
unless = "test ! -e /srv/broken"
touches = ["/srv/x"]
"#;

/// What a unit was started with counts, and a unit that is gone owes nothing.
fn a_start_without_the_new_files_does_not_count(image: &str) {
    let project = project(&[SERVICE, DROP_IN, HANDLER].concat(), image);
    let host = up(&project);
    let nice = |nice: u8| {
        project.write(
            "group_data/all.toml",
            format!("token = 't-one'\ntitle = 'first'\nnice = {nice}\n"),
        );
    };
    nice(3);
    deploy(&project, 0);
    nice(5);
    host.inside("touch /srv/broken");
    deploy(&project, 1);
    host.inside("rm /srv/broken; systemctl restart api 2>/dev/null");
    has(&review(&project, &[], 0), "~ unit api.service active → restarted");
    deploy(&project, 0);
    let running = "cat /proc/$(systemctl show -P MainPID api)/stat | cut -d ' ' -f 19";
    assert_eq!(host.inside(running), "5\n");
    assert!(review(&project, &[], 0).contains("nothing to do"));

    nice(7);
    host.inside("touch /srv/broken");
    deploy(&project, 1);
    host.inside("systemctl stop api; rm -r /etc/systemd/system/api.service*; systemctl daemon-reload");
    project.write("tasks/test/files.toml", LATER);
    let planned = review(&project, &["--owed"], 0);
    has(
        &planned,
        "! owed since an earlier run: handler `test/files / restart api`; `api.service` is gone, so it has nothing to do",
    );
    let ran = project.homelab(&["deploy", "dev", "all", "--yes", "--owed"]);
    ran.expect(0);
    assert_eq!(host.inside("ls -A /var/lib/homelab/owed | wc -l"), "0\n");
}

#[test]
fn a_new_token_is_used_before_the_api_is_asked_on_debian_13() {
    a_new_token_is_used_before_the_api_is_asked("debian:13");
}

#[test]
fn a_new_token_is_used_before_the_api_is_asked_on_debian_12() {
    a_new_token_is_used_before_the_api_is_asked("debian:12");
}

#[test]
fn a_handler_that_is_owed_runs_before_the_api_is_asked_on_debian_13() {
    a_handler_that_is_owed_runs_before_the_api_is_asked("debian:13");
}

#[test]
fn a_handler_that_is_owed_runs_before_the_api_is_asked_on_debian_12() {
    a_handler_that_is_owed_runs_before_the_api_is_asked("debian:12");
}

#[test]
fn a_unit_that_was_started_since_is_not_shown_as_restarted_on_debian_13() {
    a_unit_that_was_started_since_is_not_shown_as_restarted("debian:13");
}

#[test]
fn a_unit_that_was_started_since_is_not_shown_as_restarted_on_debian_12() {
    a_unit_that_was_started_since_is_not_shown_as_restarted("debian:12");
}

/// What goes back for a unit that does not start is what this run replaced, and nothing that an earlier one removed.
#[test]
fn a_unit_that_was_removed_does_not_come_back() {
    let task = |text: &str| format!("[[operation]]\nop = 'systemd.unit'\nunit = 'gone'\n{text}\n");
    let runs = |program: &str| {
        let content = format!("[Service]\\nExecStart={program}\\n[Install]\\nWantedBy=multi-user.target\\n");
        let service = "[[operation]]\nop = 'systemd.service'\nservice = 'gone'\nstate = 'started'\nenabled = true";
        task(&format!("content = \"{content}\"\n{service}"))
    };
    let project = Project::with_task(&runs("/bin/sleep infinity"));
    let host = project.up("dev", "alpha");
    deploy(&project, 0);
    project.write("tasks/test/files.toml", task("present = false"));
    deploy(&project, 0);
    project.write("tasks/test/files.toml", runs("/bin/false"));
    let failed = deploy(&project, 1);
    assert!(!failed.contains("earlier run"), "{failed}");
    assert!(
        !host.is("grep -q sleep /etc/systemd/system/gone.service || systemctl is-active gone"),
        "{failed}"
    );
}

#[test]
fn a_start_without_the_new_files_does_not_count_on_debian_13() {
    a_start_without_the_new_files_does_not_count("debian:13");
}

#[test]
fn a_start_without_the_new_files_does_not_count_on_debian_12() {
    a_start_without_the_new_files_does_not_count("debian:12");
}
