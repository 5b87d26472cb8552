//! A host that does not do what it is told, and says that it did: every kind of operation finds out.

use crate::support::host::Host;
use crate::support::project::Project;

/// Runs only if the operation before it is taken for done.
const AFTER: &str =
    "\n\n[[operation]]\nop = 'server.shell'\nname = 'after'\ncommands = ['touch /srv/after']\ncreates = '/srv/after'\n";

/// A program of the host that ends with 0 and does nothing, or something else.
struct Lie {
    program: &'static str,
    does: &'static str,
}

const NONE: Lie = Lie { program: "", does: "" };
const NO_CHMOD: Lie = lie("/usr/bin/chmod", "exit 0");
const NO_CHOWN: Lie = lie("/usr/bin/chown", "exit 0");
const NO_RM: Lie = lie("/usr/bin/rm", "exit 0");
const OTHER_LINK: Lie = lie(
    "/usr/bin/ln",
    "for last; do :; done; exec /usr/bin/ln.true -s -- /dev/null \"$last\"",
);
const NO_GROUPADD: Lie = lie("/usr/sbin/groupadd", "exit 0");
const NO_USERADD: Lie = lie(
    "/usr/sbin/useradd",
    "[ \"$1\" != -D ] || exec /usr/sbin/useradd.true -D; exit 0",
);
const NO_USERMOD: Lie = lie("/usr/sbin/usermod", "exit 0");
const NO_USERDEL: Lie = lie("/usr/sbin/userdel", "exit 0");
const NO_APT: Lie = lie(
    "/usr/bin/apt-get",
    "for word; do case $word in -s|--simulate) exec /usr/bin/apt-get.true \"$@\" ;; esac; done; exit 0",
);
const NO_SYSTEMCTL: Lie = lie(
    "/usr/bin/systemctl",
    "case $1 in start|stop|enable|disable) exit 0 ;; esac; exec /usr/bin/systemctl.true \"$@\"",
);

const fn lie(program: &'static str, does: &'static str) -> Lie {
    Lie { program, does }
}

impl Lie {
    fn begin(&self, host: &Host<'_>) {
        if self.program.is_empty() {
            return;
        }
        let Self { program, does } = self;
        host.inside(&format!(
            "cp -a {program} {program}.new; mv {program} {program}.true; mv {program}.new {program}.lie\n\
             cat >{program}.lie <<'LIE'\n#!/bin/sh\n{does}\nLIE\n\
             mv {program}.lie {program}"
        ));
    }

    fn end(&self, host: &Host<'_>) {
        if !self.program.is_empty() {
            host.inside(&format!("mv -f {0}.true {0}", self.program));
        }
    }
}

/// What lies, the operation, and the expected message.
const LIES: &[(&Lie, &str, &str)] = &[
    (
        &NO_CHMOD,
        "op = 'files.put'\ndest = '/srv/put'\ncontent = 'x'",
        "`/srv/put`: mode is `0600` (expected `0644`)",
    ),
    (
        &NO_CHOWN,
        "op = 'files.template'\nsrc = 'lab.j2'\ndest = '/srv/template'\nuser = 'daemon'",
        "file /srv/template: owner is `root` (expected `daemon`)",
    ),
    (
        &NO_CHMOD,
        "op = 'files.file'\npath = '/srv/there'\nmode = '0755'",
        "file /srv/there: mode is still `0644` (expected `0755`)",
    ),
    (
        &NO_RM,
        "op = 'files.file'\npath = '/srv/there'\npresent = false",
        "file /srv/there still exists (expected to be removed)",
    ),
    (
        &NO_CHMOD,
        "op = 'files.directory'\npath = '/srv/directory'",
        "`/srv/directory`: mode is `0700` (expected `0755`)",
    ),
    (
        &OTHER_LINK,
        "op = 'files.link'\npath = '/srv/link'\ntarget = '/srv/there'",
        "link /srv/link: target is `/dev/null` (expected `/srv/there`)",
    ),
    (
        &NO_GROUPADD,
        "op = 'server.group'\ngroup = 'lies'",
        "group lies still does not exist",
    ),
    (
        &NO_USERADD,
        "op = 'server.user'\nuser = 'liar'",
        "user liar still does not exist",
    ),
    (
        &NO_USERMOD,
        "op = 'server.user'\nuser = 'daemon'\nshell = '/bin/sh'",
        "user daemon: shell is still `/usr/sbin/nologin` (expected `/bin/sh`)",
    ),
    (
        &NO_USERDEL,
        "op = 'server.user'\nuser = 'games'\npresent = false",
        "user games still exists (expected to be removed)",
    ),
    (
        &NO_APT,
        "op = 'apt.packages'\npackages = ['tree']",
        "package tree still does not exist",
    ),
    (
        &NO_SYSTEMCTL,
        "op = 'systemd.service'\nservice = 'lie'\nstate = 'stopped'",
        "unit lie.service: active is still `active` (expected `inactive`)",
    ),
    (
        &NO_SYSTEMCTL,
        "op = 'systemd.service'\nservice = 'lie'\nenabled = true",
        "unit lie.service: enabled is still `disabled` (expected `enabled`)",
    ),
    (
        &NONE,
        "op = 'server.shell'\ncommands = ['true']\ncreates = '/srv/made'",
        "the commands succeeded but are still due: `/srv/made` does not exist",
    ),
    (
        &NONE,
        "op = 'server.shell'\ncommands = ['true']\nremoves = '/srv/there'\ntouches = []",
        "the commands succeeded but are still due: `/srv/there` exists",
    ),
    (
        &NONE,
        "op = 'server.shell'\ncommands = ['true']\nunless = 'test -e /srv/made'",
        "the commands succeeded but are still due: `test -e /srv/made` still fails",
    ),
    (
        &NONE,
        "op = 'server.shell'\ncommands = ['true']\nonly_if = 'test -e /srv/there'",
        "the commands succeeded but are still due: `test -e /srv/there` still succeeds",
    ),
    (
        &NONE,
        "op = 'server.shell'\ncommands = ['true']\nunless = 'test -e /srv/made'\nenv = { A = '1' }\ntouches = []",
        "the commands succeeded but are still due: `test -e /srv/made` still fails",
    ),
    (
        &NONE,
        "op = 'server.shell'\ncommands = ['true']\nonly_if = 'test -e /srv/there'\nbecome_user = 'daemon'\ntouches = []",
        "the commands succeeded but are still due: `test -e /srv/there` still succeeds",
    ),
];

#[test]
fn no_operation_is_told_as_applied_that_left_the_host_otherwise() {
    let project = Project::with_task("");
    project.write("templates/lab.j2", "of {{ host.name }}\n");
    let host = project.up("dev", "alpha");
    host.inside(
        "echo there >/srv/there; chmod 0644 /srv/there\n\
         printf '[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n' \
         >/etc/systemd/system/lie.service; systemctl daemon-reload; systemctl start lie",
    );
    for (lie, operation, told) in LIES {
        project.write("tasks/test/files.toml", format!("[[operation]]\n{operation}{AFTER}"));
        lie.begin(&host);
        let ran = project.homelab(&["deploy", "dev", "all", "--yes", "-v"]);
        lie.end(&host);
        assert_eq!(ran.code, Some(1), "{operation}:\n{}{}", ran.stdout, ran.stderr);
        let name = operation.split('\'').nth(1).unwrap();
        for part in [
            told,
            &*format!("alpha: failed to apply `{name}"),
            " failed, 1 not reached",
        ] {
            assert!(
                ran.stdout.contains(part),
                "{operation}: no `{part}` in:\n{}",
                ran.stdout
            );
        }
        assert!(!ran.stdout.contains("1 applied"), "{operation}:\n{}", ran.stdout);
        assert!(!host.is("test -e /srv/after"), "{operation}");
    }
}

#[test]
fn what_was_read_back_is_not_read_again_and_a_run_without_changes_looks_once() {
    let project = Project::with_task(
        "[[operation]]\nop = 'server.group'\ngroup = 'one'\n\n[[operation]]\nop = 'server.group'\ngroup = 'two'\n\n\
         [[operation]]\nop = 'files.put'\ndest = '/srv/file'\ncontent = 'x'\n",
    );
    let host = project.up("dev", "alpha");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(host.is("getent group one two && test -e /srv/file"));
    let again = project.homelab(&["deploy", "dev", "all", "--yes", "-v"]).expect(0);
    assert!(again.stderr.contains("alpha: round trips: 1\n"), "{}", again.stderr);
}
