//! `become_user` and `become = false`: the host is asked who ran a command, and whose a file is.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::deploy::bad_input::Guarded;
use crate::deploy::people::{inventory, settle};
use crate::support::host::Host;
use crate::support::project::{Project, Ran};

/// Anna's and the runner's files are where only they can be, and each command tells who ran it.
const TASK: &str = r#"
[[operation]]
op = "server.user"
user = "runner"
shell = "/usr/sbin/nologin"

[[operation]]
op = "server.shell"
name = "as the runner"
become_user = "{{ who }}"
commands = ["id -un >ran-by; env | sort >environment; tr '\\0' ' ' </proc/$$/cmdline >command-line; pwd >place; umask >mask"]
creates = "/home/runner/mask"
touches = ["/home/runner"]

[[operation]]
op = "server.shell"
name = "while it is not done"
become_user = "runner"
commands = ["id -un >done"]
unless = "test \"$(cat done)\" = runner && test \"$(id -un)\" = runner && ! test -r /etc/shadow"
touches = ["/home/runner"]

[[operation]]
op = "server.shell"
name = "as who logged in"
become = false
commands = ["id -un >/tmp/logged-in; id -Gn >/tmp/groups"]
creates = "/tmp/groups"
touches = ["/tmp"]

[[operation]]
op = "server.shell"
name = "as root"
become = true
commands = ["id -un >/root/by-root"]
creates = "/root/by-root"
touches = ["/root"]

[[operation]]
op = "files.directory"
path = "/srv/app/deep"
become_user = "runner"

[[operation]]
op = "files.put"
dest = "/srv/app/put"
content = "put"
become_user = "runner"
mode = "0640"

[[operation]]
op = "files.put"
dest = "/srv/app/given"
content = "given"
become_user = "runner"
group = "adm"

[[operation]]
op = "files.template"
src = "t.j2"
dest = "/srv/app/template"
become_user = "runner"

[[operation]]
op = "files.file"
path = "/srv/app/empty"
become = false

[[operation]]
op = "files.link"
path = "/srv/app/link"
target = "put"
become_user = "runner"

[[operation]]
op = "files.put"
dest = "/srv/old"
content = "new"
become_user = "runner"
"#;

fn a_project(task: &str) -> Project {
    let project = Project::with_task(task);
    project.write("group_data/all.toml", "who = 'runner'\n");
    project.write("templates/t.j2", "{{ who }}");
    project
}

fn deploy(project: &Project, environment: &str, code: i32) -> Ran {
    project
        .homelab(&["deploy", environment, "all", "--yes", "-v"])
        .expect(code)
}

#[track_caller]
fn is_as_wanted(host: &Host<'_>, login: &str) {
    assert_eq!(
        host.inside("cat /home/runner/ran-by /home/runner/done /root/by-root /tmp/logged-in /home/runner/place /home/runner/mask"),
        format!("runner\nrunner\nroot\n{login}\n/home/runner\n0022\n")
    );
    let environment =
        host.inside("grep -v -e '^_=' -e '^SHLVL=' -e '^PATH=' -e '^PWD=' -e '^OLDPWD=' /home/runner/environment");
    assert_eq!(environment, "HOME=/home/runner\nLOGNAME=runner\nUSER=runner\n");
    assert_eq!(host.inside("cat /home/runner/command-line").trim(), "sh");
    assert_eq!(
        host.inside(
            "cd /srv && stat -c '%n %U:%G %a' app app/deep app/put app/given app/template app/empty app/link old"
        ),
        format!(
            "app runner:runner 755\napp/deep runner:runner 755\napp/put runner:runner 640\napp/given runner:adm 644\n\
             app/template runner:runner 644\napp/empty {login}:{login} 644\napp/link runner:runner 777\nold root:root 644\n"
        )
    );
}

#[test]
fn commands_run_as_who_is_named_and_new_files_are_theirs() {
    let project = a_project(TASK);
    let host = project.up("dev", "alpha");
    host.inside("echo old >/srv/old");
    let clear = "userdel -r runner; rm -rf /srv/app /root/by-root /tmp/logged-in /tmp/groups; echo old >/srv/old";

    let review = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    for part in ["as runner", "as root"] {
        assert!(
            review.stdout.contains(&format!("   {part}\n")),
            "no `{part}` in:\n{}",
            review.stdout
        );
    }
    assert!(!host.is("id runner"), "the dry run made a user");
    deploy(&project, "dev", 0);
    is_as_wanted(&host, "root");
    let again = deploy(&project, "dev", 0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert!(again.stderr.contains("alpha: round trips: 1\n"), "{}", again.stderr);

    // The same through sudo, where another user logged in, and with su where the host has no runuser.
    host.inside(clear);
    settle(&host, &project, "become = 'sudo'");
    host.inside("echo 'anna ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/anna; mv /usr/sbin/runuser /usr/sbin/away");
    deploy(&project, "people", 0);
    host.inside("mv /usr/sbin/away /usr/sbin/runuser");
    is_as_wanted_by_su(&host);
    let again = deploy(&project, "people", 0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert!(again.stderr.contains("alpha: round trips: 1\n"), "{}", again.stderr);
    inventory(&host, &project, "become = 'sudo'");
}

/// `su` sets the shell's name as well.
#[track_caller]
fn is_as_wanted_by_su(host: &Host<'_>) {
    host.inside("sed -i -e '/^SHELL=/d' -e '/^MAIL=/d' -e '/^XDG_/d' /home/runner/environment");
    is_as_wanted(host, "anna");
}

#[test]
fn a_command_as_somebody_else_is_ended_in_time_and_its_failure_is_told() {
    let task = "[[operation]]\nop = 'server.shell'\nbecome_user = 'www-data'\nalways = true\nwithin = '2s'\n\
        commands = ['id -un; sleep 4242']\n";
    let project = a_project(task);
    let host = project.up("dev", "alpha");
    let start = Instant::now();
    let ran = deploy(&project, "dev", 1);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    for part in ["timed out after 2 s", "www-data"] {
        assert!(ran.stdout.contains(part), "no `{part}` in:\n{}", ran.stdout);
    }
    host.wait_until("! pgrep -f 'sleep 424[2]'", Duration::from_secs(10));
    project.write(
        "tasks/test/files.toml",
        task.replace("id -un; sleep 4242", "echo out; cat; exit 7"),
    );
    let ran = deploy(&project, "dev", 1);
    assert!(
        ran.stdout.contains("exit code 7") && ran.stdout.contains("| out"),
        "{}",
        ran.stdout
    );
}

#[test]
fn no_process_of_the_host_shows_what_a_command_says() {
    let task = "[[operation]]\nop = 'server.shell'\nbecome_user = 'www-data'\nalways = true\n\
        commands = ['touch /tmp/begun; word=unspoken; sleep 3; echo $word >/tmp/ended']\n";
    let project = a_project(task);
    let host = project.up("dev", "alpha");
    let mut tool = project
        .command(&["deploy", "dev", "all", "--yes"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    host.wait_until("test -e /tmp/begun", Duration::from_secs(20));
    let shown = host.inside("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' ' '");
    assert!(
        shown.contains("runuser -u www-data"),
        "the command was looked for too late"
    );
    assert!(!shown.contains("unspoken"), "{shown}");
    assert_eq!(tool.wait().unwrap().code(), Some(0));
    assert_eq!(
        host.inside("cat /tmp/ended; stat -c %U /tmp/ended"),
        "unspoken\nwww-data\n"
    );
}

#[test]
fn where_it_means_nothing_it_is_refused_before_any_connection() {
    let cases = [
        ("apt.packages", "packages = ['jq']"),
        ("apt.update", ""),
        ("apt.upgrade", ""),
        ("files.line", "path = '/etc/motd'\nline = 'x'"),
        ("server.group", "group = 'x'"),
        ("server.user", "user = 'x'"),
        ("systemd.service", "service = 'cron'\nenabled = true"),
        ("verify.http", "url = 'http://127.0.0.1/'"),
        ("verify.tcp", "port = 22"),
    ];
    for (op, parameters) in cases {
        for (key, value) in [("become_user", "'www-data'"), ("become", "false")] {
            let guarded = Guarded::new();
            let task = format!("[[operation]]\n{key} = {value}\nop = '{op}'\n{parameters}\n");
            guarded.project.write("tasks/test/files.toml", task);
            let title = format!("`{op}` does not support `{key}`");
            let expected = [&*title, "tasks/test/files.toml:2:", "remove it"];
            guarded.refuses(&["deploy", "dev", "all", "--dry-run"], &expected);
        }
    }
}

#[test]
fn nobody_is_a_mistake_with_its_place() {
    let shell =
        "[[operation]]\nop = 'server.shell'\ncommands = ['touch /tmp/ran']\nalways = true\nbecome_user = 'nobdy'\n";
    let project = a_project(shell);
    let host = project.up("dev", "alpha");
    for task in [
        shell,
        "[[operation]]\nop = 'files.put'\ndest = '/tmp/ran'\ncontent = 'x'\nbecome_user = 'nobdy'\n",
    ] {
        project.write("tasks/test/files.toml", task);
        let ran = deploy(&project, "dev", 3);
        for part in ["unknown user `nobdy`", "tasks/test/files.toml:5:15", "server.user"] {
            assert!(ran.stderr.contains(part), "no `{part}` in:\n{}", ran.stderr);
        }
    }
    assert!(!host.is("test -e /tmp/ran"));
}

/// `become_user` of a task, of an include and of an entry: the nearest counts; operations without support for it are left as they are.
#[test]
fn tasks_and_their_uses_say_it_for_all_inside() {
    let shell = |name: &str, more: &str| {
        format!(
            "[[operation]]\nop = 'server.shell'\nname = '{name}'\ncommands = ['id -un >/tmp/{name}; chmod a+r /tmp/{name}']\n\
             creates = '/tmp/{name}'\ntouches = ['/tmp/{name}']\n{more}\n"
        )
    };
    let project = Project::of(&[
        ("inventories/dev.toml", "[hosts.alpha]\nlab = true\n"),
        (
            "deploys/all.toml",
            "hosts = ['*']\ntasks = ['test/users', { task = 'test/outer', for_each = ['anna'], become_user = '{{ item }}' }]\n",
        ),
        (
            "tasks/test/users.toml",
            "[[operation]]\nop = 'server.user'\nuser = '{{ item }}'\nfor_each = ['anna', 'bert']\n",
        ),
    ]);
    let outer = shell("of-entry", "")
        + &shell("of-itself", "become_user = 'bert'")
        + &shell("of-root", "become = true")
        + "[[operation]]\nop = 'server.group'\ngroup = 'made'\n\
           [[operation]]\nop = 'files.put'\ndest = '/tmp/file'\ncontent = 'x'\n\
           [[operation]]\ninclude = 'test/inner'\n\
           [[operation]]\ninclude = 'test/task'\n\
           [[operation]]\ninclude = 'test/other'\nbecome_user = 'bert'\n";
    project.write("tasks/test/outer.toml", outer);
    project.write("tasks/test/inner.toml", shell("of-entry-below", ""));
    project.write(
        "tasks/test/task.toml",
        format!("become_user = 'bert'\n{}", shell("of-task", "")),
    );
    project.write("tasks/test/other.toml", shell("of-include", ""));
    let host = project.up("dev", "alpha");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    for (name, user) in [
        ("of-entry", "anna"),
        ("of-itself", "bert"),
        ("of-root", "root"),
        ("of-entry-below", "anna"),
        ("of-task", "bert"),
        ("of-include", "bert"),
    ] {
        assert_eq!(host.inside(&format!("cat /tmp/{name}")), format!("{user}\n"), "{name}");
    }
    assert_eq!(
        host.inside("stat -c %U:%G /tmp/file; getent group made | cut -d: -f1"),
        "anna:anna\nmade\n"
    );
    let again = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(again.stdout.starts_with("nothing to do on "), "{}", again.stdout);
    project.write("tasks/test/task.toml", format!("become = 3\n{}", shell("of-task", "")));
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(3);
    assert!(
        ran.stderr.contains("tasks/test/task.toml:1:10") && ran.stderr.contains("`become` must be `true` or `false`"),
        "{}",
        ran.stderr
    );
}
