//! The host's own programs validate new files before the review, where all files of the plan are in place and nothing is kept.

use std::process::Stdio;
use std::time::Duration;

use crate::support::host::Host;
use crate::support::project::{Project, Ran};
use crate::support::snapshot::{self, LoginPaths};

const DRY_RUN: &[&str] = &["deploy", "dev", "all", "--dry-run", "-v"];
const DEPLOY: &[&str] = &["deploy", "dev", "all", "--yes", "-v"];

/// After it, what is refused may still become whole, so only apply decides.
pub(super) const ANY_COMMAND: &str = "[[operation]]
op = 'server.shell'
commands = ['true']
always = true
touches = ['/opt/none']

";

fn put(dest: &str, content: &str, validate: &str) -> String {
    format!("[[operation]]\nop = 'files.put'\ndest = '{dest}'\ncontent = '''\n{content}\n'''\n{validate}\n\n")
}

/// Each kind of file with something that only its own program finds, what that program says, and the same without the mistake.
fn kinds() -> Vec<(&'static str, String, String, &'static str)> {
    let sshd = |value| {
        put(
            "/etc/ssh/sshd_config.d/20-lab.conf",
            &format!("PermitRootLogin {value}"),
            "validate = ['sshd', '-t']",
        )
    };
    // The vhost includes a file that comes before it, and a certificate that a link leads to.
    let nginx = |directive| {
        let vhost = format!(
            "server {{\n  listen 8443 ssl;\n  include /etc/nginx/lab/part.conf;\n  {directive}\n  ssl_certificate /etc/nginx/lab/current;\n  ssl_certificate_key /etc/nginx/lab/key;\n}}"
        );
        put("/etc/nginx/lab/part.conf", "server_name lab;", "")
            + "[[operation]]\nop = 'files.copy'\nsrc = '/root/lab.crt'\ndest = '/etc/nginx/lab/cert'\n\n"
            + "[[operation]]\nop = 'files.copy'\nsrc = '/root/lab.key'\ndest = '/etc/nginx/lab/key'\n\n"
            + "[[operation]]\nop = 'files.link'\npath = '/etc/nginx/lab/current'\ntarget = 'cert'\n\n"
            + "[[operation]]\nop = 'files.link'\npath = '/etc/nginx/sites-enabled/default'\npresent = false\n\n"
            + &put("/etc/nginx/sites-enabled/lab", &vhost, "validate = ['nginx', '-t']")
    };
    let sudoers = |rule| put("/etc/sudoers.d/lab", rule, "mode = '0440'\nvalidate = ['visudo', '-c']");
    let nftables = |rule: &str| {
        put(
            "/etc/nftables.conf",
            &format!("table inet lab {{\n  chain input {{ type filter hook input priority 0; {rule} }}\n}}"),
            "validate = ['nft', '-c', '-f', '{path}']",
        )
    };
    let unit = |restart| {
        put(
            "/etc/systemd/system/lab.service",
            &format!("[Service]\nExecStart=/usr/local/bin/lab-tool\nRestart={restart}"),
            "validate = ['systemd-analyze', 'verify', '{path}']",
        )
    };
    let tool = put("/usr/local/bin/lab-tool", "#!/bin/sh", "mode = '0755'");
    vec![
        (
            "sshd -t",
            sshd("perhaps"),
            sshd("no"),
            "line 1: unsupported option \"perhaps\"",
        ),
        (
            "nginx -t",
            nginx("listn 80;"),
            nginx("root /srv;"),
            "unknown directive \"listn\" in /etc/nginx/sites-enabled/lab:4",
        ),
        (
            "visudo -c",
            sudoers("nobody ALL=(ALL"),
            sudoers("nobody ALL=(ALL) /bin/true"),
            "/etc/sudoers.d/lab:1",
        ),
        (
            "nft -c -f {path}",
            nftables("drp;"),
            nftables("accept;"),
            "/etc/nftables.conf:2:",
        ),
        (
            "systemd-analyze verify",
            tool.clone() + &unit("sometimes"),
            tool + &unit("always"),
            "Failed to parse",
        ),
    ]
}

#[track_caller]
fn round_trips(ran: &Ran) -> u32 {
    let told = ran
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("alpha: round trips: "));
    told.unwrap_or_else(|| panic!("{}{}", ran.stdout, ran.stderr))
        .parse()
        .unwrap()
}

/// Programs, and what they refer to.
fn prepare(host: &Host<'_>) {
    host.inside(
        "apt-get -qq update && apt-get -qq install -y --no-install-recommends nginx-light nftables openssl sudo >/dev/null && \
         openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=lab -keyout /root/lab.key -out /root/lab.crt 2>/dev/null && \
         systemctl stop nginx && rm -rf /var/lib/nginx/* && mkdir -p /etc/nginx/lab && systemctl daemon-reload",
    );
    // What a login leaves.
    host.on("true");
}

#[test]
fn a_broken_file_is_refused_in_the_review_and_the_host_is_as_it_was() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    prepare(&host);
    let (mut all, of_login) = (String::new(), LoginPaths::committed());
    for (command, broken, mended, said) in kinds() {
        project.write("tasks/test/files.toml", broken);
        let before = snapshot::files(&host);
        let ran = project.homelab(DRY_RUN).expect(3);
        let after = snapshot::files(&host);
        for part in [
            command,
            said,
            "validated before anything changes",
            "tasks/test/files.toml:",
            "on: alpha",
        ] {
            assert!(
                ran.stderr.contains(part),
                "no `{part}` in:\n{}{}",
                ran.stdout,
                ran.stderr
            );
        }
        let paths = snapshot::changed(&before, &after);
        assert_eq!(of_login.unexplained(paths), Vec::<String>::new(), "{command}");
        // A run that was agreed to ends the same way.
        project.homelab(DEPLOY).expect(3);
        all += &mended;
    }
    assert!(!host.is("grep ' overlay homelab ' /proc/[0-9]*/mountinfo"));
    assert!(!host.is("pgrep -x unshare"));

    project.write("tasks/test/files.toml", all);
    let looked = project.homelab(DRY_RUN).expect(0);
    assert!(!looked.stdout.contains("only at apply"), "{}", looked.stdout);
    assert!(looked.stderr.contains("validator: nginx -t\n"), "{}", looked.stderr);
    let deployed = project.homelab(DEPLOY).expect(0);
    assert_eq!(round_trips(&deployed), round_trips(&looked));
    host.inside(
        "sshd -t && nginx -t && visudo -c && nft -c -f /etc/nftables.conf && systemd-analyze verify lab.service",
    );
    let again = project.homelab(DEPLOY).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert_eq!(round_trips(&again), 1);

    // Whatever a user of the host leaves in the way, no program gets at a device that keeps something.
    host.inside(
        "useradd bob && install -d -o bob /srv/bob && ln -s /dev/pts/0 /srv/bob/.homelab-1 && mknod /srv/device c 1 5",
    );
    let look = "validate = ['sh', '-c', 'echo /dev/*; cat /srv/bob/conf; head -c 1 /srv/device; exit 1']";
    project.write("tasks/test/files.toml", put("/srv/bob/conf", "new content", look));
    let refused = project.homelab(DRY_RUN).expect(3).stderr;
    let told = refused.split_whitespace().collect::<Vec<_>>().join(" ");
    let devices = "/dev/fd /dev/full /dev/null /dev/random /dev/shm /dev/stderr /dev/stdin /dev/stdout /dev/urandom /dev/zero \
                   new content head: cannot open '/srv/device' for reading: Permission denied";
    assert!(told.contains(devices), "{refused}");

    // What is mounted a second time is the same file, a name may have blanks, and the host keeps its own name.
    host.inside(
        "mkdir -p /srv/real /srv/twin '/srv/a b' && mount --bind /srv/real /srv/twin && mount -t tmpfs tmpfs '/srv/a b'",
    );
    // Nor does it matter that a process is left behind with the output open.
    let look = "validate = ['sh', '-c', 'sleep 600 & hostname other; cat /srv/twin/part; exit 1']";
    let both = put("/srv/real/part", "a part", "") + &put("/etc/lab.conf", "x", look);
    project.write("tasks/test/files.toml", both);
    let refused = project.homelab(DRY_RUN).expect(3).stderr;
    assert!(refused.contains("a part"), "{refused}");
    assert_eq!(host.inside("hostname; ls -A /srv/real"), "alpha\n");

    // That its operation loads a unit afterwards says nothing for a line that systemd would ignore.
    let unit = "[[operation]]\nop = 'systemd.unit'\nunit = 'probe'\ncontent = '''\n[Service]\nExecStart=/bin/true\nRestartSecs=1\nNise=5\n'''\n";
    project.write("tasks/test/files.toml", unit);
    let refused = project.homelab(DRY_RUN).expect(3).stderr;
    // Both lines are shown, with what systemd says of each.
    for part in [
        "tasks/test/files.toml:7:1",
        "7 | RestartSecs=1",
        "8 | Nise=5",
        "Unknown key",
        "'Nise'",
    ] {
        assert!(refused.contains(part), "no `{part}` in:\n{refused}");
    }
    // Nor is a line left out that systemd refuses the whole unit for.
    project.write(
        "tasks/test/files.toml",
        unit.replace("/bin/true\nRestartSecs=1\nNise=5", "./run.sh"),
    );
    let refused = project.homelab(DRY_RUN).expect(3).stderr;
    for part in ["tasks/test/files.toml:6:1", "6 | ExecStart=./run.sh", "absolute path"] {
        assert!(refused.contains(part), "no `{part}` in:\n{refused}");
    }
}

/// Where a validator cannot be asked before, the review says so and apply asks it.
#[test]
fn what_only_later_changes_show_is_validated_at_apply() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    let file = put(
        "/etc/nginx/conf.d/lab.conf",
        "server { listen 8080; }",
        "validate = ['nginx', '-t']",
    );
    host.inside("mkdir -p /etc/nginx/conf.d");
    project.write("tasks/test/files.toml", &file);
    let ran = project.homelab(DRY_RUN).expect(3);
    assert!(
        ran.stderr.contains("`nginx` is not on the host, so it cannot validate")
            && ran.stderr.contains("| validate = ["),
        "{}",
        ran.stderr
    );

    project.write(
        "tasks/test/files.toml",
        "[[operation]]\nop = 'apt.packages'\npackages = ['nginx-light']\n\n".to_owned() + &file,
    );
    let ran = project.homelab(DRY_RUN).expect(0);
    let notice = "/etc/nginx/conf.d/lab.conf: validated only at apply: `nginx` is not on the host yet";
    assert!(ran.stdout.contains(notice), "{}", ran.stdout);
    // A folder that comes with a package.
    project.write(
        "tasks/test/files.toml",
        "[[operation]]\nop = 'apt.packages'\npackages = ['nginx-light']\n\n".to_owned()
            + &file.replace("conf.d", "sites-available"),
    );
    let ran = project.homelab(DRY_RUN).expect(0);
    let notice = "/etc/nginx/sites-available/lab.conf: validated only at apply: `/etc/nginx/sites-available` is not there before \
                  `apt.packages nginx-light` has run";
    assert!(ran.stdout.contains(notice), "{}", ran.stdout);
    project.write(
        "tasks/test/files.toml",
        "[[operation]]\nop = 'apt.packages'\npackages = ['nginx-light']\n\n".to_owned() + &file,
    );
    project.homelab(DEPLOY).expect(0);
    host.inside("nginx -t && systemctl is-active nginx");

    // Commands of the project must not run before.
    let broken = file.replace("8080", "eighty");
    project.write("tasks/test/files.toml", &broken);
    let ran = project.homelab(&[DRY_RUN, &["--no-conditions"]].concat()).expect(0);
    assert!(
        ran.stdout.contains("not run because of `--no-conditions`"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stderr.contains("validator:"), "{}", ran.stderr);

    project.write("tasks/test/files.toml", ANY_COMMAND.to_owned() + &broken);
    let ran = project.homelab(DEPLOY).expect(1);
    for part in [
        "it needs what earlier operations do",
        "`validate` did not accept the new file; the old file stays",
        "eighty",
    ] {
        assert!(ran.stdout.contains(part), "no `{part}` in:\n{}", ran.stdout);
    }
    assert_eq!(
        host.inside("cat /etc/nginx/conf.d/lab.conf"),
        "server { listen 8080; }\n"
    );

    // Without mounts of its own, a host has the file in place for a moment.
    host.inside("mv /usr/bin/unshare /usr/bin/unshare.away");
    project.write("tasks/test/files.toml", &broken);
    let ran = project.homelab(DEPLOY).expect(1);
    for part in [
        "checking it before needs `unshare` on the host",
        "the old file stays",
        "eighty",
    ] {
        assert!(ran.stdout.contains(part), "no `{part}` in:\n{}", ran.stdout);
    }
    assert_eq!(
        host.inside("cat /etc/nginx/conf.d/lab.conf; ls -A /etc/nginx/conf.d"),
        "server { listen 8080; }\nlab.conf\n"
    );
    project.write("tasks/test/files.toml", file.replace("8080", "8081"));
    project.homelab(DEPLOY).expect(0);
    assert_eq!(
        host.inside("cat /etc/nginx/conf.d/lab.conf; ls -A /etc/nginx/conf.d"),
        "server { listen 8081; }\nlab.conf\n"
    );
}

/// Nothing is left to clean up then: the view ends with its processes, and those at the latest after their time.
#[test]
fn a_run_that_is_killed_while_it_validates_leaves_nothing() {
    let slow = "timeout = '5s'\nvalidate = ['sh', '-c', 'touch /opt/trace /run/trace; sleep 61 & sleep 61']";
    let project = Project::of(&[
        ("inventories/dev.toml", "[hosts.alpha]\nlab = { image = 'debian:12' }\n"),
        ("deploys/all.toml", "hosts = ['alpha']\ntasks = ['test/files']\n"),
        ("tasks/test/files.toml", &put("/opt/slow", "x", slow)),
    ]);
    let host = project.up("dev", "alpha");
    host.on("true");
    let before = snapshot::files(&host);
    let mut tool = project
        .command(DRY_RUN)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    host.wait_until("pgrep -f 'slee[p] 61'", Duration::from_secs(60));
    tool.kill().unwrap();
    tool.wait().unwrap();
    host.wait_until("! pgrep -x unshare && ! pgrep -f 'slee[p] 61'", Duration::from_secs(60));
    assert!(!host.is("grep ' overlay homelab ' /proc/[0-9]*/mountinfo"));
    let paths = snapshot::changed(&before, &snapshot::files(&host));
    assert_eq!(LoginPaths::committed().unexplained(paths), Vec::<String>::new());

    let broken = put(
        "/etc/ssh/sshd_config.d/20-lab.conf",
        "PermitRootLogin perhaps",
        "validate = ['sshd', '-t']",
    );
    project.write("tasks/test/files.toml", broken);
    let ran = project.homelab(DRY_RUN).expect(3);
    assert!(ran.stderr.contains("unsupported option \"perhaps\""), "{}", ran.stderr);
}

/// A validator that accepts a file where `/mnt/nas` is mounted, or where it is not.
fn where_mounted(is_needed: bool) -> String {
    let sign = if is_needed { "" } else { "! " };
    format!(
        "validate = ['sh', '-c', '{sign}grep -q /mnt/na[s] /proc/self/mountinfo || {{ echo no-such-thing; exit 3; }}']"
    )
}

/// Mounts, by their places, that root can read on a host and that cannot be in the view. Those here have lost what answers for them.
const HIDDEN: &[(&str, &str)] = &[
    (
        "/mnt/user",
        "exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=1000,group_id=1000,allow_other lab /mnt/user",
    ),
    (
        "/mnt/later",
        "mkfifo /run/told && { sleep 5 </run/told & exec 3>/run/told; rm /run/told; } && \
         mount -i -t autofs -o fd=3,pgrp=$$,minproto=5,maxproto=5,direct lab /mnt/later",
    ),
    ("/mnt/jail", "mount -t proc proc /mnt/jail"),
    (
        "/var/lib/docker/volumes/lab/_data",
        "exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 lab /var/lib/docker/volumes/lab/_data",
    ),
];

/// Root can read nothing of these, or they are shown.
const NOT_HIDDEN: &[(&str, &str)] = &[
    (
        "/mnt/own",
        "exec 3<>/dev/fuse && LIBMOUNT_FORCE_MOUNT2=always mount -i -t fuse -o \
         fd=3,rootmode=40000,user_id=1000,group_id=1000 ,allow_other, /mnt/own",
    ),
    ("/mnt/groups", "mount -t cgroup2 lab /mnt/groups"),
];

/// A file system of the network cannot be in the view. The one here has lost its server.
#[test]
fn what_is_said_without_a_part_of_the_host_that_cannot_be_shown_does_not_count() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    host.inside(
        "[ -e /dev/fuse ] || mknod /dev/fuse c 10 229; mkdir -p /mnt/nas && exec 3<>/dev/fuse && \
         mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 homelab /mnt/nas",
    );
    // It is there at apply alone.
    project.write("tasks/test/files.toml", put("/etc/lab.conf", "x", &where_mounted(true)));
    let notice = "/etc/lab.conf: validated only at apply: it may need a part of the host that cannot be shown in advance \
                  (`/mnt/nas`); without that, it says: no-such-thing";
    let looked = project.homelab(DRY_RUN).expect(0);
    assert!(looked.stdout.contains(notice), "{}", looked.stdout);
    project.homelab(DEPLOY).expect(0);
    assert_eq!(host.inside("cat /etc/lab.conf"), "x\n");

    // Accepted without it, refused with it.
    let both = put("/etc/lab.conf", "y", &where_mounted(false)) + &put("/etc/other.conf", "y", "validate = ['true']");
    project.write("tasks/test/files.toml", both);
    let notice = "/etc/lab.conf, /etc/other.conf: accepted without a part of the host that cannot be shown in advance (`/mnt/nas`); \
                  apply validates again, with that part";
    let looked = project.homelab(DRY_RUN).expect(0);
    assert!(looked.stdout.contains(notice), "{}", looked.stdout);
    let ran = project.homelab(DEPLOY).expect(1);
    assert!(ran.stdout.contains("the old file stays"), "{}", ran.stdout);
    assert_eq!(host.inside("cat /etc/lab.conf; ls -d /etc/.homelab* || true"), "x\n");

    let refuses = "validate = ['sh', '-c', 'echo no-such-thing; exit 3']";
    project.write("tasks/test/files.toml", put("/etc/lab.conf", "y", refuses));
    let ran = project.homelab(DEPLOY).expect(1);
    assert!(ran.stdout.contains("the old file stays"), "{}", ran.stdout);
    assert_eq!(host.inside("cat /etc/lab.conf"), "x\n");
    host.inside("umount -l /mnt/nas");
    for (place, mount) in NOT_HIDDEN {
        host.inside(&format!("mkdir -p {place} && {mount}"));
    }
    let refused = project.homelab(DRY_RUN).expect(3).stderr;
    assert!(refused.contains("no-such-thing"), "{refused}");

    for (place, mount) in HIDDEN {
        host.inside(&format!("mkdir -p {place} && {mount}"));
    }
    let looked = project.homelab(DRY_RUN).expect(0);
    for (place, _) in HIDDEN {
        assert!(
            looked.stdout.contains(&format!("`{place}`")),
            "no `{place}` in:\n{}",
            looked.stdout
        );
    }
    for (place, _) in NOT_HIDDEN {
        assert!(!looked.stdout.contains(place), "{}", looked.stdout);
    }
}
