//! The keys that say how an operation is carried out: `timeout`, `env`, `retries` and `on_error`.

use std::time::{Duration, Instant};

use crate::deploy::staged::ANY_COMMAND;
use crate::support::host::Host;
use crate::support::project::{Project, Ran};

fn deploy(project: &Project, code: i32) -> Ran {
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(code)
}

#[track_caller]
fn shows(ran: &Ran, parts: &[&str]) {
    for part in parts {
        assert!(ran.stdout.contains(part), "{part}\n{}\n{}", ran.stdout, ran.stderr);
    }
}

#[test]
fn keys_act_on_one_host() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    a_command_is_killed_after_its_time(&project, &host);
    variables_are_in_no_argument_list(&project, &host);
    a_failure_is_tried_again_as_often_as_said(&project, &host);
    retries_end(&project, &host);
    what_another_try_finds_done_is_left_alone(&project, &host);
    commands_that_leave_no_trace_are_read_back_and_tried_again(&project, &host);
    an_ignored_failure_stops_nothing(&project, &host);
    what_follows_is_planned_against_what_is_there(&project, &host);
    a_check_may_fail(&project);
    host.is_left_in_order();
}

fn a_command_is_killed_after_its_time(project: &Project, host: &Host<'_>) {
    project.write(
        "tasks/test/files.toml",
        "[[operation]]\nop = 'server.shell'\ncommands = ['sleep 97']\nalways = true\ntouches = ['/opt']\ntimeout = '1s'\n\n\
         [[operation]]\nop = 'files.put'\ndest = '/opt/after'\ncontent = 'x'\n",
    );
    let since = Instant::now();
    let ran = deploy(project, 1);
    assert!(since.elapsed() < Duration::from_secs(30));
    shows(
        &ran,
        &["failed to run `sleep 97`\n  --> tasks/test/files.toml:2:6\n  caused by: timed out after 1 s\n"],
    );
    assert!(!host.is("pgrep -f 'slee[p] 97'") && !host.is("test -e /opt/after"));
    // A validator that takes too long did not accept the file.
    let slow = "[[operation]]\nop = 'files.put'\ndest = '/opt/slow'\ncontent = 'x'\ntimeout = '1s'\n\
                validate = ['sh', '-c', 'sleep 97; test -e $1', '-', '{path}']\n";
    project.write("tasks/test/files.toml", slow);
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(3);
    assert!(ran.stderr.contains("it did not end in time"), "{}", ran.stderr);
    project.write("tasks/test/files.toml", ANY_COMMAND.to_owned() + slow);
    shows(&deploy(project, 1), &["exit code 124"]);
    assert!(!host.is("test -e /opt/slow") && !host.is("pgrep -f 'slee[p] 97'"));
}

/// Another user of the host looks at all argument lists and environments while the commands run.
fn variables_are_in_no_argument_list(project: &Project, host: &Host<'_>) {
    project.write(
        "tasks/test/files.toml",
        "[[operation]]\nop = 'server.shell'\ncommands = ['sleep 2; echo \"$WORD\" >/opt/word']\ncreates = '/opt/word'\n\
         touches = ['/opt/word']\nenv = { WORD = 'marked-{{ host.name }}' }\n",
    );
    host.start(
        "runuser -u nobody -- sh -c 'for i in $(seq 40); do cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr \"\\000\" \"\\n\"; \
         sleep 0.1; done' >/tmp/seen",
    );
    let ran = deploy(project, 0);
    shows(&ran, &["env WORD"]);
    assert_eq!(host.inside("cat /opt/word"), "marked-alpha\n");
    host.wait_until("! pgrep -x runuser", Duration::from_secs(20));
    assert!(host.is("grep -q sleep /tmp/seen") && !host.is("grep -q marked- /tmp/seen"));
    host.inside("rm /tmp/seen /opt/word");
}

fn counting(keys: &str) -> String {
    format!(
        "[[operation]]\nop = 'server.shell'\nname = 'third time'\n\
         commands = ['echo x >>/opt/tries; [ $(wc -l </opt/tries) -ge 3 ] && touch /opt/made']\ncreates = '/opt/made'\n\
         touches = ['/opt']\n{keys}\n\n\
         [[operation]]\nop = 'files.put'\ndest = '/opt/later'\ncontent = 'x'\n"
    )
}

fn tries(host: &Host<'_>) -> String {
    host.inside("wc -l </opt/tries; ls /opt; rm -rf /opt/*")
        .replace('\n', " ")
}

fn a_failure_is_tried_again_as_often_as_said(project: &Project, host: &Host<'_>) {
    project.write("tasks/test/files.toml", counting("retries = 5"));
    let ran = deploy(project, 0);
    shows(
        &ran,
        &[
            "trying again  third time in 2 s (retry 1 of 5): exit code 1\n",
            "trying again  third time in 4 s (retry 2 of 5): exit code 1\n",
            "2 applied",
        ],
    );
    assert!(!ran.stdout.contains("retry 3"), "{}", ran.stdout);
    assert_eq!(tries(host), "3 later made tries ");
    // A program finds it in the document.
    project.write("tasks/test/files.toml", counting("retries = 2"));
    let ran = project
        .homelab(&["deploy", "dev", "all", "--yes", "--format", "json"])
        .expect(0);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(document["hosts"][0]["results"][0]["retried"], 2);
    tries(host);
}

fn retries_end(project: &Project, host: &Host<'_>) {
    project.write("tasks/test/files.toml", counting("retries = 1"));
    let ran = deploy(project, 1);
    shows(&ran, &["(retry 1 of 1)", "1 failed, 1 not reached"]);
    assert_eq!(tries(host), "2 tries ");
}

fn what_another_try_finds_done_is_left_alone(project: &Project, host: &Host<'_>) {
    project.write(
        "tasks/test/files.toml",
        "[[operation]]\nop = 'server.shell'\nname = 'done late'\n\
         commands = ['echo x >>/opt/tries; touch /opt/made; false']\ncreates = '/opt/made'\ntouches = ['/opt']\nretries = 3\n",
    );
    shows(&deploy(project, 0), &["(retry 1 of 3)", "1 unchanged"]);
    assert_eq!(tries(host), "1 made tries ");
}

fn commands_that_leave_no_trace_are_read_back_and_tried_again(project: &Project, host: &Host<'_>) {
    project.write(
        "tasks/test/files.toml",
        "[[operation]]\nop = 'server.shell'\nname = 'without a trace'\n\
         commands = ['echo x >>/opt/tries; [ $(wc -l </opt/tries) -lt 2 ] || touch /opt/made']\ncreates = '/opt/made'\n\
         touches = ['/opt']\nretries = 3\n",
    );
    shows(&deploy(project, 0), &["(retry 1 of 3)", "1 applied"]);
    assert_eq!(tries(host), "2 made tries ");
}

fn an_ignored_failure_stops_nothing(project: &Project, host: &Host<'_>) {
    project.write("tasks/test/files.toml", counting("on_error = 'ignore'\nretries = 1"));
    let ran = deploy(project, 0);
    shows(
        &ran,
        &[
            "continuing   third time: the failure is ignored (`on_error`)",
            "alpha: failed to run `echo x",
            "1 applied, 1 failed (ignored)",
        ],
    );
    assert_eq!(tries(host), "2 later tries ");
    let document = project
        .homelab(&["deploy", "dev", "all", "--yes", "--format", "json"])
        .expect(0);
    let document: serde_json::Value = serde_json::from_str(&document.stdout).expect("JSON");
    assert_eq!(document["hosts"][0]["end"], "converged");
    assert_eq!(document["hosts"][0]["results"][0]["lines"][0]["end"], "ignored");
    host.inside("rm -rf /opt/*");
}

/// The review counted on the file, which is not there after the failure: what would be created instead was not reviewed.
fn what_follows_is_planned_against_what_is_there(project: &Project, host: &Host<'_>) {
    project.write(
        "tasks/test/files.toml",
        "[[operation]]\nop = 'files.put'\nname = 'refused'\ndest = '/opt/first'\ncontent = 'new'\nvalidate = ['sh', '-c', 'ls /opt/.homelab* && exit 1; exit 0', '{path}']\n\
         on_error = 'ignore'\n\n\
         [[operation]]\nop = 'files.file'\npath = '/opt/first'\nmode = '0600'\n",
    );
    let ran = deploy(project, 6);
    shows(&ran, &["file `/opt/first` would change in a way that was not reviewed"]);
    assert!(!host.is("test -e /opt/first"));
}

fn a_check_may_fail(project: &Project) {
    let task = |keys: &str| {
        format!(
            "[[operation]]\nop = 'files.put'\ndest = '/opt/a'\ncontent = '{keys}'\n\n\
             [[operation]]\nop = 'verify.tcp'\nport = 9\nwithin = '1s'\n{keys}\n\n\
             [[operation]]\nop = 'files.put'\ndest = '/opt/b'\ncontent = 'b'\n"
        )
    };
    project.write("tasks/test/files.toml", task("retries = 1"));
    shows(&deploy(project, 1), &["(retry 1 of 1)", "1 not reached"]);
    project.write("tasks/test/files.toml", task("on_error = \"ignore\""));
    shows(&deploy(project, 0), &["2 applied, 1 failed (ignored)"]);
}

#[test]
fn one_failure_stops_all_hosts_at_their_next_operation() {
    let project = Project::of(&[
        (
            "inventories/dev.toml",
            "[hosts.one]\nlab = true\n[hosts.two]\nlab = true\n",
        ),
        ("deploys/all.toml", "hosts = ['all']\ntasks = ['test/files']\n"),
        (
            "tasks/test/files.toml",
            "[[operation]]\nop = 'server.shell'\ncommands = ['sleep 4; touch /opt/slow']\ncreates = '/opt/slow'\ntouches = ['/opt']\n\
             when = \"host.name == 'two'\"\n\n\
             [[operation]]\nop = 'server.shell'\nname = 'fatal'\ncommands = ['sleep 1; exit 3']\ncreates = '/opt/fatal'\ntouches = ['/opt']\n\
             on_error = 'stop_all'\nwhen = \"host.name == 'one'\"\n\n\
             [[operation]]\nop = 'files.put'\ndest = '/opt/last'\ncontent = 'x'\n",
        ),
    ]);
    let one = project.up("dev", "one");
    let two = Host::of(&project, "dev", "two");
    let ran = deploy(&project, 1);
    shows(
        &ran,
        &[
            "two: failed to continue\n  caused by: `fatal` failed on one, which stops all hosts (`on_error = \"stop_all\"`)\n",
            "  not reached:\n    file /opt/last\n",
            "1 failed, 1 held back",
        ],
    );
    assert!(two.is("test -e /opt/slow"), "what was under way was finished");
    assert!(!two.is("test -e /opt/last") && !one.is("test -e /opt/last"));
    // One host at a time, one of which may fail: the second does not even begin.
    project.write(
        "deploys/all.toml",
        "[[stage]]\nname = 'both'\nhosts = ['all']\nserial = 1\nmax_fail = 1\ntasks = ['test/files']\n",
    );
    two.inside("rm -rf /opt/* /run/homelab.lock");
    let ran = deploy(&project, 1);
    shows(&ran, &["two: failed to start\n  caused by: `fatal` failed on one"]);
    assert!(!two.is("test -e /opt/slow || test -e /run/homelab.lock"));
}
