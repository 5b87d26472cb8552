//! Two projects that manage one host: what one of them owes is not taken for the other's, also if all names are the same.

use std::fs;

use crate::support::host::Host;
use crate::support::project::{Project, copy_folder};

/// A service that notes what it starts with, or does not start with that.
fn service(name: &str) -> String {
    format!(
        "[[operation]]\nop = 'files.put'\ndest = '/etc/{name}.conf'\ncontent = \"{{{{ {name} }}}}\\n\"\nnotify = ['refresh']\n
[[operation]]\nop = 'files.put'\ndest = '/etc/systemd/system/{name}.service'\ncontent = '''
[Service]
ExecStartPre=/bin/sh -c '! grep bad /etc/{name}.conf'
ExecStartPre=/bin/sh -c 'cat /etc/{name}.conf >>/srv/{name}-starts'
ExecStart=/bin/sleep infinity
'''\n
[[operation]]\nop = 'systemd.service'\nservice = '{name}'\nstate = 'started'\n\n"
    )
}

/// What ends a run before its handlers.
const BROKEN: &str = "[[operation]]\nop = 'server.shell'\ncommands = ['test ! -e /srv/broken']\nunless = 'test ! -e /srv/broken'\ntouches = ['/srv/x']\n\n";

fn restart(name: &str) -> String {
    format!("[[handler]]\nname = 'refresh'\nop = 'systemd.service'\nservice = '{name}'\nstate = 'restarted'\n")
}

/// `commands` note what they do in `/srv/noted`.
fn shell(commands: &str) -> String {
    format!("[[handler]]\nname = 'refresh'\nop = 'server.shell'\ncommands = ['{commands}']\ntouches = ['/srv/noted']\n")
}

fn write(project: &Project, task: &str, data: &str) {
    project.write("tasks/test/files.toml", task);
    project.write("group_data/all.toml", data);
}

fn first() -> (Project, String) {
    let task = [service("web"), BROKEN.to_owned(), restart("web")].concat();
    let project = Project::with_task(&task);
    write(&project, &task, "web = 'one'\n");
    (project, task)
}

/// Has another project manage the host, too.
fn beside(first: &Project, host: &Host<'_>, task: &str, data: &str) -> Project {
    let project = Project::with_task(task);
    write(&project, task, data);
    manages(&project, first, host);
    project
}

fn manages(project: &Project, first: &Project, host: &Host<'_>) {
    let lab = &homelab::lab::addresses(first.root(), "dev").unwrap()["alpha"];
    project.write("inventories/known_hosts", fs::read_to_string(&lab.known_hosts).unwrap());
    project.write(
        "inventories/dev.toml",
        format!(
            "[connection]\nuser = 'root'\nidentity_file = '{}'\n[hosts.alpha]\naddress = '{}'\n",
            lab.identity_file.display(),
            host.address()
        ),
    );
}

fn name(project: &Project) -> String {
    project.root().file_name().unwrap().to_string_lossy().into_owned()
}

fn ran(project: &Project, more: &[&str], code: i32) -> String {
    let ran = project
        .homelab(&[&["deploy", "dev", "all"], more].concat())
        .expect(code);
    format!("{}{}", ran.stdout, ran.stderr)
}

fn deploy(project: &Project, code: i32) -> String {
    ran(project, &["--yes"], code)
}

/// Changes the data of a project and lets its run end before the handlers.
fn owe(project: &Project, host: &Host<'_>, data: &str) {
    project.write("group_data/all.toml", data);
    host.inside("touch /srv/broken");
    deploy(project, 1);
    host.inside("rm /srv/broken");
}

fn records(host: &Host<'_>) -> usize {
    host.inside("ls -A /var/lib/homelab/owed | wc -l")
        .trim()
        .parse()
        .unwrap()
}

#[track_caller]
fn has(told: &str, text: &str) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(told).contains(&words(text)), "{text}:\n{told}");
}

#[track_caller]
fn is_quiet(project: &Project) {
    let quiet = deploy(project, 0);
    assert!(quiet.starts_with("nothing to do") && !quiet.contains('!'), "{quiet}");
}

#[test]
fn each_project_runs_what_it_owes_itself() {
    let (project, _) = first();
    let host = project.up("dev", "alpha");
    deploy(&project, 0);
    let task = [
        "[[operation]]\nop = 'files.put'\ndest = '/etc/other'\ncontent = \"{{ other }}\\n\"\nnotify = ['refresh']\n\n",
        &shell("cat /etc/other >>/srv/noted"),
    ]
    .concat();
    let other = beside(&project, &host, &task, "other = 'one'\n");
    owe(&project, &host, "web = 'two'\n");
    let path = host.inside("ls /var/lib/homelab/owed/*");

    // The other one has a handler of the same name, which it runs for its own change only.
    let told = ran(&other, &["--yes"], 0);
    let name = name(&project);
    has(
        &told,
        &format!(
            "! owed since an earlier run: handler `test/files / refresh` of `web.service`, of project `{name}`; \
             deploy it from there, `rm {}` on the host forgets it",
            path.trim()
        ),
    );
    assert_eq!(host.inside("cat /srv/noted"), "one\n");
    assert_eq!(host.inside("ls /var/lib/homelab/owed/*"), path);
    let nothing = ran(&other, &["--owed", "--yes"], 0);
    has(&nothing, "nothing to do");
    has(&nothing, &format!("of project `{name}`"));
    let status = other.homelab(&["status", "dev"]).expect(0).stdout;
    has(
        &status,
        &format!("owed test/files / refresh (web.service), of project `{name}`"),
    );
    let status = project.homelab(&["status", "dev"]).expect(0).stdout;
    has(&status, "owed test/files / refresh (web.service)");
    assert!(!status.contains("of project"), "{status}");
    assert_eq!(host.inside("cat /srv/web-starts"), "one\n");

    // Both owe it by now, and each its own.
    let task = task.replace("[[handler]]", &format!("{BROKEN}[[handler]]"));
    other.write("tasks/test/files.toml", &task);
    owe(&other, &host, "other = 'two'\n");
    assert_eq!(records(&host), 2);
    let told = deploy(&project, 0);
    has(
        &told,
        &format!("handler `test/files / refresh`, of project `{}`", self::name(&other)),
    );
    assert_eq!(host.inside("cat /srv/web-starts /srv/noted"), "one\ntwo\none\n");
    // A handler that was corrected since is the same one.
    other.write(
        "tasks/test/files.toml",
        task.replace("cat /etc/other", "cat /etc/other /etc/other"),
    );
    has(
        &ran(&other, &["--dry-run"], 0),
        "owed since an earlier run, which ended before it",
    );
    deploy(&other, 0);
    assert_eq!(
        host.inside("cat /srv/web-starts /srv/noted"),
        "one\ntwo\none\ntwo\ntwo\n"
    );
    assert_eq!(records(&host), 0);
    is_quiet(&project);
    is_quiet(&other);
}

#[test]
fn what_one_project_changed_does_not_go_back_for_the_other() {
    let (project, _) = first();
    let host = project.up("dev", "alpha");
    deploy(&project, 0);
    let task = [service("other"), restart("other")].concat();
    let other = beside(&project, &host, &task, "other = 'one'\n");
    deploy(&other, 0);
    owe(&project, &host, "web = 'two'\n");

    other.write("group_data/all.toml", "other = 'bad'\n");
    let failed = deploy(&other, 1);
    has(
        &failed,
        "`/etc/other.conf` is as it was before this run, and `other.service` runs again",
    );
    assert_eq!(host.inside("cat /etc/other.conf /etc/web.conf"), "one\ntwo\n");
    assert_eq!(records(&host), 1);
    deploy(&project, 0);
    assert_eq!(host.inside("cat /srv/web-starts"), "one\ntwo\n");
    assert_eq!(records(&host), 0);
    is_quiet(&project);
}

/// A handler keeps its name, and gets another service while the restart of the first one is owed.
#[test]
fn a_handler_that_became_another_one_does_not_take_what_it_owed() {
    let (project, task) = first();
    let host = project.up("dev", "alpha");
    deploy(&project, 0);
    owe(&project, &host, "web = 'two'\n");
    let second = [
        service("other"),
        service("web").replace("notify = ['refresh']\n", ""),
        restart("other"),
    ]
    .concat();
    write(&project, &second, "web = 'two'\nother = 'one'\n");
    let told = deploy(&project, 0);
    has(
        &told,
        "! owed since an earlier run: handler `test/files / refresh` of `web.service`, which is another one by now; `--owed` runs it",
    );
    assert_eq!(host.inside("cat /srv/web-starts /srv/other-starts"), "one\none\n");
    project.write("group_data/all.toml", "web = 'two'\nother = 'two'\n");
    deploy(&project, 0);
    assert_eq!(host.inside("cat /srv/web-starts /srv/other-starts"), "one\none\ntwo\n");
    assert_eq!(records(&host), 1);
    let owed = ran(&project, &["--owed", "--yes"], 0);
    has(&owed, "~ unit web.service active → restarted");
    assert_eq!(host.inside("cat /srv/web-starts"), "one\ntwo\n");
    assert_eq!(records(&host), 0);
    is_quiet(&project);

    // The folder gets another name, and a version before had not recorded whose it is.
    let at_home = [
        &task,
        "\n",
        &shell("cat /etc/web.conf >>/srv/noted").replace("'refresh'", "'note'"),
    ]
    .concat();
    let at_home = at_home.replace("notify = ['refresh']", "notify = ['refresh', 'note']");
    write(&project, &at_home, "web = 'three'\n");
    owe(&project, &host, "web = 'three'\n");
    assert_eq!(records(&host), 2);
    let moved = Project::with_task(&at_home);
    copy_folder(&project.root().join("tasks"), &moved.root().join("tasks"));
    copy_folder(&project.root().join("group_data"), &moved.root().join("group_data"));
    manages(&moved, &project, &host);
    let told = deploy(&moved, 0);
    assert!(!told.contains("of project"), "{told}");
    assert_eq!(
        host.inside("cat /srv/web-starts /srv/noted"),
        "one\ntwo\nthree\nthree\n"
    );
    assert_eq!(records(&host), 0);
    let record = r#"{"handler":"test/files / refresh","op":"systemd.service","parameters":{"service":"web","state":"restarted"}}"#;
    host.inside(&format!(
        "n=$(printf 'test/files / refresh' | sha256sum | cut -c 1-16); printf '%s\\n' '{record}' >/var/lib/homelab/owed/$n"
    ));
    deploy(&moved, 0);
    assert_eq!(host.inside("cat /srv/web-starts"), "one\ntwo\nthree\nthree\n");
    assert_eq!(records(&host), 0);
    is_quiet(&moved);
}

/// A task that a deploy uses twice with other data has a handler of one name for each.
#[test]
fn a_command_that_is_owed_for_one_use_of_a_task_is_not_run_for_another() {
    let put = "[[operation]]\nop = 'files.put'\ndest = '/etc/{{ vars.app }}.conf'\ncontent = \"{{ text }}\\n\"\nnotify = ['refresh']\n\n";
    let broken = BROKEN.replace("/srv/broken", "/srv/broken-{{ vars.app }}");
    let task = [
        "required = ['vars.app']\n",
        put,
        &broken,
        &shell("echo {{ vars.app }} >>/srv/noted"),
    ]
    .concat();
    let project = Project::with_task(&task);
    let stage = |name: &str| {
        format!(
            "[[stage]]\nname = '{name}'\nhosts = ['*']\ntasks = [{{ task = 'test/files', vars = {{ app = '{name}' }} }}]\n"
        )
    };
    project.write("deploys/all.toml", [stage("a"), stage("b")].concat());
    project.write("deploys/other.toml", stage("a"));
    write(&project, &task, "text = 'one'\n");
    let host = project.up("dev", "alpha");
    deploy(&project, 0);
    assert_eq!(host.inside("cat /srv/noted"), "a\nb\n");
    host.inside("touch /srv/broken-b");
    project.write("group_data/all.toml", "text = 'two'\n");
    deploy(&project, 1);
    assert_eq!(
        (host.inside("cat /srv/noted").as_str(), records(&host)),
        ("a\nb\na\n", 1)
    );
    host.inside("rm /srv/broken-b");
    let other = project.homelab(&["deploy", "dev", "other", "--yes"]).expect(0).stdout;
    has(&other, "handler `test/files / refresh`, of deploy `all / b`");
    assert_eq!(
        (host.inside("cat /srv/noted").as_str(), records(&host)),
        ("a\nb\na\n", 1)
    );
    deploy(&project, 0);
    assert_eq!(
        (host.inside("cat /srv/noted").as_str(), records(&host)),
        ("a\nb\na\nb\n", 0)
    );
    is_quiet(&project);
}
