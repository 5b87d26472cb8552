//! Every kind of operation that notifies a handler: it runs in the same run, once, and before the checks of its task.

use crate::support::host::Host;
use crate::support::project::Project;

/// A service that notes each start and answers with its configuration as it was then.
const SERVICE: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "{{ value }}\n"

[[operation]]
op = "files.put"
dest = "/usr/local/bin/app"
mode = "0755"
content = """
#!/bin/sh
echo >>/srv/starts
exec perl -MIO::Socket::INET -e '
$page = `cat /etc/app.conf`;
$listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die;
while ($peer = $listener->accept) { while (<$peer>) { last if /^.?.?$/ } print $peer "HTTP/1.0 200 OK\\n\\n$page"; close $peer }'
"""

[[operation]]
op = "systemd.unit"
unit = "app.service"
content = """
[Service]
ExecStart=/usr/local/bin/app
"""

[[operation]]
op = "systemd.service"
service = "app"
state = "started"

[[operation]]
op = "systemd.unit"
unit = "other.service"
content = """
[Service]
ExecStart=/bin/sleep infinity
"""

[[operation]]
op = "files.put"
dest = "/etc/for-mode"
content = "x"

[[operation]]
op = "files.put"
dest = "/etc/for-removal"
content = "x"
"#;

const HANDLER: &str = r#"
[[handler]]
name = "restart app"
op = "systemd.service"
service = "app"
state = "restarted"
"#;

/// Notifiers, by what is special about each.
const NOTIFIERS: &[(&str, &str)] = &[
    ("put", "op = 'files.put'\ndest = '/etc/put'\ncontent = 'x'"),
    ("line", "op = 'files.line'\npath = '/etc/for-mode'\nline = 'y'"),
    ("mode", "op = 'files.file'\npath = '/etc/for-mode'\nmode = '0600'"),
    (
        "removal",
        "op = 'files.file'\npath = '/etc/for-removal'\npresent = false",
    ),
    ("link", "op = 'files.link'\npath = '/etc/link'\ntarget = 'put'"),
    ("directory", "op = 'files.directory'\npath = '/srv/directory'"),
    ("group", "op = 'server.group'\ngroup = 'people'"),
    ("user", "op = 'server.user'\nuser = 'person'"),
    (
        "tmpfiles",
        "op = 'systemd.tmpfiles'\nfile = 'app'\ncontent = \"d /run/notified 0755 root root -\\n\"",
    ),
    (
        "drop-in",
        "op = 'systemd.unit'\nunit = 'app.service'\ndrop_in = 'limits'\ncontent = \"[Service]\\nNice=5\\n\"",
    ),
    (
        "timer",
        "op = 'systemd.timer'\nunit = 'tidy'\non_calendar = 'Sun *-*-* 03:00'\ncommand = 'true'",
    ),
    (
        "service",
        "op = 'systemd.service'\nservice = 'other'\nstate = 'started'",
    ),
    ("package", "op = 'apt.packages'\npackages = ['tree']"),
    (
        "unless and touches",
        "op = 'server.shell'\nname = 'n'\ncommands = ['echo a >>/etc/shell']\n\
         unless = 'grep -q a /etc/shell'\ntouches = ['/etc/shell']",
    ),
    (
        "only_if and touches",
        "op = 'server.shell'\nname = 'n'\ncommands = ['echo b >>/etc/shell']\n\
         only_if = '! grep -q b /etc/shell'\ntouches = ['/etc/shell']",
    ),
    (
        "unless",
        "op = 'server.shell'\nname = 'n'\ncommands = ['true', 'echo c >>/etc/shell']\n\
         unless = 'grep -q c /etc/shell'",
    ),
    (
        "creates and touches",
        "op = 'server.shell'\nname = 'n'\ncommands = ['touch /srv/created']\n\
         creates = '/srv/created'\ntouches = ['/srv/created']",
    ),
    (
        "creates",
        "op = 'server.shell'\nname = 'n'\ncommands = ['touch /srv/made']\ncreates = '/srv/made'",
    ),
    (
        "removes and touches",
        "op = 'server.shell'\nname = 'n'\ncommands = ['rm /srv/created']\n\
         removes = '/srv/created'\ntouches = ['/srv/created']",
    ),
    (
        "on_error",
        "op = 'files.put'\ndest = '/etc/ignored'\ncontent = 'x'\non_error = 'ignore'",
    ),
    (
        "retries",
        "op = 'server.shell'\nname = 'n'\nretries = 2\n\
         commands = ['test -e /srv/tried || { touch /srv/tried; exit 1; }', 'touch /srv/retried']\n\
         creates = '/srv/retried'\ntouches = ['/srv/retried', '/srv/tried']",
    ),
];

fn starts(host: &Host<'_>) -> usize {
    let count = host.inside("cat /srv/starts 2>/dev/null | wc -l");
    count.trim().parse().unwrap()
}

fn invocation(host: &Host<'_>) -> String {
    host.inside("systemctl show -p InvocationID --value app")
}

fn deploy(project: &Project) -> String {
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout
}

/// A host where the service runs.
fn with_service(project: &Project) -> Host<'_> {
    project.write("group_data/all.toml", "value = 'one'\n");
    project.write("tasks/test/files.toml", SERVICE);
    let host = project.up("dev", "alpha");
    deploy(project);
    assert_eq!(starts(&host), 1);
    host
}

/// Whether the last deploy restarted the service, once, and left nothing to do.
fn check(host: &Host<'_>, project: &Project, before: (usize, &str), first: &str) -> Result<(), String> {
    let (count, running) = before;
    let mut wrong = Vec::new();
    if starts(host) != count + 1 || invocation(host) == running {
        wrong.push(format!("{} restarts", starts(host) - count));
    }
    let owed = host.inside("ls -A /var/lib/homelab/owed");
    if !owed.is_empty() {
        wrong.push(format!("owed: {owed}"));
    }
    let now = starts(host);
    let second = project.homelab(&["deploy", "dev", "all", "--yes"]);
    // Files of the cases before are told as orphans: the project does not have them any more.
    if !second.stdout.contains("\nnothing to do on 1 host: ") && !second.stdout.starts_with("nothing to do on 1 host: ")
        || starts(host) != now
    {
        wrong.push(format!("the second run is not quiet:\n{}", second.stdout));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{}\n{first}", wrong.join("\n")))
    }
}

#[test]
fn every_kind_of_notifier_has_its_handler_run_in_the_same_run() {
    let project = Project::with_task("");
    let host = with_service(&project);
    let mut wrong = Vec::new();
    for (kind, notifier) in NOTIFIERS {
        let task = format!("[[operation]]\n{notifier}\nnotify = ['restart app']\n{HANDLER}");
        project.write("tasks/test/files.toml", task);
        let (count, running) = (starts(&host), invocation(&host));
        let first = project.homelab(&["deploy", "dev", "all", "--yes"]);
        let told = format!("{}{}", first.stdout, first.stderr);
        if let Err(why) = check(&host, &project, (count, &running), &told) {
            wrong.push(format!("{kind}: exit code {:?}, {why}", first.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));

    // What runs on each run notifies on each run.
    let always = "[[operation]]\nop = 'server.shell'\nname = 'n'\ncommands = ['true']\nalways = true\ntouches = []\n";
    for task in [
        always.to_owned(),
        always.replace("touches = []\n", "touches = ['/srv/x']\n"),
    ] {
        project.write(
            "tasks/test/files.toml",
            format!("{task}notify = ['restart app']\n{HANDLER}"),
        );
        let count = starts(&host);
        let told = deploy(&project);
        assert_eq!(starts(&host), count + 1, "{told}");
        assert_eq!(host.inside("ls -A /var/lib/homelab/owed"), "", "{told}");
    }
    host.is_left_in_order();
}

const CHECK: &str = r#"
[[operation]]
op = "verify.http"
url = "http://127.0.0.1:8080/"
contains = "{{ value }}"
within = "8s"
"#;

const NOTIFIER: &str = r#"
[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "{{ value }}\n"
notify = ["restart app"]
"#;

#[test]
fn checks_at_the_end_of_a_task_see_what_its_handlers_leave() {
    let project = Project::with_task("");
    let host = with_service(&project);
    let include = |name: &str| format!("[[operation]]\ninclude = 'test/{name}'\n");
    let last = "[[operation]]\nop = 'files.put'\ndest = '/etc/last'\ncontent = '{{ value }}'\n";
    project.write("tasks/test/checks.toml", CHECK);
    project.write("tasks/test/inner.toml", [NOTIFIER, CHECK, HANDLER].concat());
    let tasks = [
        [NOTIFIER, CHECK, HANDLER].concat(),
        [
            NOTIFIER,
            last,
            CHECK,
            CHECK.replace("contains", "name = 'again'\ncontains").as_str(),
            HANDLER,
        ]
        .concat(),
        [NOTIFIER, &include("checks"), HANDLER].concat(),
        [&include("inner"), last].concat(),
    ];
    for (round, task) in tasks.iter().enumerate() {
        project.write("tasks/test/files.toml", task);
        project.write("group_data/all.toml", format!("value = 'round-{round}'\n"));
        let (count, running) = (starts(&host), invocation(&host));
        let review = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0).stdout;
        let order = (review.find("active → restarted"), review.find("○ http"));
        assert!(order.0.is_some() && order.0 < order.1, "{review}");
        let told = deploy(&project);
        assert!(told.contains("  passed  "), "{told}");
        check(&host, &project, (count, &running), &told).unwrap();
    }

    // One that is owed runs before them as well.
    project.write(
        "tasks/test/files.toml",
        [
            NOTIFIER,
            "[[operation]]\nop = 'server.shell'\nname = 'stop'\n\
        commands = ['test -e /srv/go']\ncreates = '/srv/go'\n",
            CHECK,
            HANDLER,
        ]
        .concat(),
    );
    project.write("group_data/all.toml", "value = 'owed'\n");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    host.inside("touch /srv/go");
    let (count, running) = (starts(&host), invocation(&host));
    let told = deploy(&project);
    assert!(told.contains("owed since an earlier run"), "{told}");
    check(&host, &project, (count, &running), &told).unwrap();

    // A check in the middle runs before the handler, and says so when it fails.
    project.write("tasks/test/files.toml", [NOTIFIER, CHECK, last, HANDLER].concat());
    project.write("group_data/all.toml", "value = 'middle'\n");
    for _ in 0..2 {
        let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "handler `test/files / restart app` comes after this check: it has not run, and stays owed",
            "move the check to the end of the task",
        ] {
            assert!(told.contains(words), "{words}:\n{told}");
        }
    }
    // As it says.
    project.write("tasks/test/files.toml", [NOTIFIER, last, CHECK, HANDLER].concat());
    let (count, running) = (starts(&host), invocation(&host));
    let told = deploy(&project);
    check(&host, &project, (count, &running), &told).unwrap();
    host.is_left_in_order();
}
