//! Hosts that are not as one would like them: noisy, foreign, strict, full, mute.

use std::net::TcpListener;
use std::time::Instant;

use crate::deploy::people::{is_deployed, project, settle};
use crate::support::project::Project;

const FILES: &str = "[[operation]]\nop = 'files.directory'\npath = '/opt/-rf'\n
[[operation]]\nop = 'files.put'\ndest = '/opt/-rf/--help'\ncontent = 'a'\n
[[operation]]\nop = 'files.link'\npath = '/opt/-n'\ntarget = '-rf'\n
[[operation]]\nop = 'server.user'\nuser = 'runner'\nsystem = true\n
[[operation]]\nop = 'apt.packages'\npackages = ['tree']\n
[[operation]]\nop = 'systemd.service'\nservice = 'cron'\nstate = 'stopped'\nwhen = 'false'\n
[[operation]]\nop = 'files.put'\ndest = '/opt/large'\nsrc = 'large'\n";

#[test]
fn noise_a_foreign_language_a_strict_umask_and_a_poor_place_for_temporary_files() {
    let project = Project::with_task(FILES);
    project.write("templates/large", vec![b'x'; 300_000]);
    let host = project.up("dev", "alpha");
    host.inside(
        "apt-get -qq update && apt-get -qq install locales >/dev/null && localedef -i de_DE -f UTF-8 de_DE.UTF-8",
    );
    host.inside("install -d -m 1777 /mnt/poor && mount -t tmpfs -o noexec,size=64m,mode=1777 poor /mnt/poor");
    host.inside("echo LANG=de_DE.UTF-8 >/etc/default/locale");
    host.inside(
        "{ echo 'echo Guten Tag; echo Achtung >&2; umask 077'; echo 'export LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 TMPDIR=/mnt/poor'; \
         cat /root/.bashrc 2>/dev/null; } >/root/.bashrc.new && mv /root/.bashrc.new /root/.bashrc",
    );
    let seen = host.on("cat /nonexistent 2>&1; umask; echo $TMPDIR");
    for part in [
        "Guten Tag",
        "Datei oder Verzeichnis nicht gefunden",
        "0077",
        "/mnt/poor",
    ] {
        assert!(seen.contains(part), "the host is not as the test wants it: {seen}");
    }

    let deploy = ["deploy", "dev", "all", "--yes"];
    project.homelab(&deploy).expect(0);
    assert_eq!(
        host.inside("cd /opt && stat -c '%n %a %U %s' ./-rf ./-rf/--help ./large | sed 's/ 4096$//'; readlink -- -n"),
        "./-rf 755 root\n./-rf/--help 644 root 1\n./large 644 root 300000\n-rf\n"
    );
    host.inside("id runner && dpkg -s tree");
    let again = project.homelab(&deploy).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert_eq!(host.inside("ls -A /mnt/poor"), "");
}

#[test]
fn noise_before_sudo_asks() {
    let project = project();
    let host = project.up("dev", "alpha");
    settle(&host, &project, "become = 'sudo'");
    host.inside(
        "echo 'anna ALL=(ALL) ALL' >/etc/sudoers.d/anna && echo 'Defaults lecture=always' >>/etc/sudoers.d/anna",
    );
    host.inside("sed -i '1i echo noise; echo Password: >&2; umask 077' /home/anna/.bashrc");
    let mut command = project.command(&["deploy", "people", "all", "--yes"]);
    let output = command
        .env("HOMELAB_BECOME_PASSWORD", crate::deploy::people::PASSWORD)
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        crate::support::project::text(&output.stderr)
    );
    is_deployed(&host);
}

#[test]
fn a_disk_that_fills_leaves_the_old_file_whole() {
    // What a command does cannot be known beforehand: it takes the room that the review saw.
    let task = "[[operation]]\nop = 'server.shell'\ncommands = ['head -c 900000 /dev/zero >/srv/tiny/other']\ncreates = '/srv/tiny/other'\n
[[operation]]\nop = 'files.put'\ndest = '/srv/tiny/data'\nsrc = 'large'\n
[[operation]]\nop = 'files.put'\ndest = '/opt/after'\ncontent = 'after'\n";
    let project = Project::with_task(task);
    project.write("templates/large", vec![b'x'; 300_000]);
    let host = project.up("dev", "alpha");
    host.inside("mkdir /srv/tiny && mount -t tmpfs -o size=1m tiny /srv/tiny && echo old >/srv/tiny/data");
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        said.contains("/srv/tiny/data") && said.contains("No space left on device"),
        "{said}"
    );
    assert_eq!(host.inside("cat /srv/tiny/data; ls -A /srv/tiny"), "old\ndata\nother\n");
    assert!(!host.is("test -e /opt/after"), "it went on after a failure");
    host.is_left_in_order();

    host.inside("mount -o remount,size=8m /srv/tiny");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(
        host.inside("stat -c %s /srv/tiny/data; cat /opt/after"),
        "300000\nafter"
    );
}

#[test]
fn a_disk_that_is_too_small_is_known_before_anything_is_done() {
    let task = "[[operation]]\nop = 'files.put'\ndest = '/opt/before'\ncontent = 'before'\n
[[operation]]\nop = 'files.directory'\npath = '/srv/small/folder'\n
[[operation]]\nop = 'files.put'\ndest = '/srv/small/folder/data'\nsrc = 'data'\n
[[operation]]\nop = 'files.link'\npath = '/srv/link'\ntarget = 'small'\n
[[operation]]\nop = 'files.put'\ndest = '/srv/link/notes'\ncontent = 'notes'\n";
    let project = Project::with_task(task);
    project.write("templates/data", vec![b'x'; 2_000_000]);
    let host = project.up("dev", "alpha");
    host.inside("mkdir /srv/small && mount -t tmpfs -o size=1m,nr_inodes=6 small /srv/small");
    for way in ["--dry-run", "--yes"] {
        let ran = project.homelab(&["deploy", "dev", "all", way]).expect(3);
        for part in [
            "not enough space on `/srv/small`: 1.9 MiB needed, 1.0 MiB free",
            "`/srv/small/folder/data` needs 1.9 MiB",
            "tasks/test/files.toml:",
            "alpha",
        ] {
            assert!(ran.stderr.contains(part), "no `{part}` in {}", ran.stderr);
        }
        assert!(!host.is("test -e /opt/before"), "something was done all the same");
        assert_eq!(host.inside("ls -A /srv/small"), "");
    }

    project.write("templates/data", vec![b'x'; 600_000]);
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    let seen =
        host.inside("stat -c %s /srv/small/folder/data; cat /srv/small/notes; df --output=used /srv/small | tail -n 1");
    assert_eq!(seen.replace(' ', ""), "600000\nnotes592\n");

    // Beside the old file there is no room for a new one, though there would be in its place.
    project.write("templates/data", vec![b'y'; 500_000]);
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(3);
    assert!(ran.stderr.contains("written in full before"), "{}", ran.stderr);
    host.inside("rm /srv/small/folder/data");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);

    host.inside("cd /srv/small && rm folder/data; i=0; while touch $i 2>/dev/null; do i=$((i + 1)); done");
    let ran = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(3);
    assert!(
        ran.stderr.contains("not enough inodes on `/srv/small`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_host_that_takes_connections_and_says_nothing_is_given_up() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let project = Project::with_task("[[operation]]\nop = 'files.put'\ndest = '/opt/a'\ncontent = 'a'\n");
    let port = mute.local_addr().unwrap().port();
    project.write(
        "inventories/dev.toml",
        format!("[hosts.alpha]\naddress = '127.0.0.1'\nconnection = {{ port = {port} }}\n"),
    );
    let start = Instant::now();
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(4);
    assert!(
        ran.stderr
            .contains("alpha: cannot reach `127.0.0.1`: connection timed out"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint"), "{}", ran.stderr);
    assert!((9..20).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

/// A rollback writes what was kept back beside what is there now.
#[test]
fn a_disk_without_room_for_what_was_kept_is_known_before_anything_is_done() {
    let task = "[[operation]]\nop = 'files.put'\ndest = '/srv/small/f'\nsrc = 'data'\n
[[operation]]\nop = 'files.put'\ndest = '/srv/small/g'\ncontent = '{{ value }}'\n";
    let project = Project::with_task(task);
    project.write("group_data/all.toml", "value = 'old'\n");
    project.write("templates/data", vec![b'x'; 1_500_000]);
    let host = project.up("dev", "alpha");
    host.inside("mkdir /srv/small && mount -t tmpfs -o size=4m small /srv/small");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    project.write("group_data/all.toml", "value = 'new'\n");
    project.write("templates/data", "small");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    host.inside("head -c 4000000 /dev/zero >/srv/small/other || :");
    for way in ["--dry-run", "--yes"] {
        let ran = project.homelab(&["rollback", "dev", "alpha", "last", way]).expect(3);
        for part in [
            "not enough space on `/srv/small`: 1.4 MiB needed",
            "`/srv/small/f` needs 1.4 MiB",
        ] {
            assert!(ran.stderr.contains(part), "no `{part}` in {}", ran.stderr);
        }
        assert_eq!(host.inside("cat /srv/small/f /srv/small/g"), "smallnew");
    }
    host.inside("rm /srv/small/other");
    project
        .homelab(&["rollback", "dev", "alpha", "last", "--yes"])
        .expect(0);
    assert_eq!(host.inside("stat -c %s /srv/small/f; cat /srv/small/g"), "1500000\nold");
}

/// The room runs out between a change and the handler that it notifies.
#[test]
fn a_handler_that_cannot_be_noted_is_not_begun_and_nothing_goes_back() {
    let project = Project::with_task(
        r#"
[[operation]]
op = "systemd.unit"
unit = "app.service"
content = """
[Service]
ExecStart=/bin/sleep infinity
"""

[[operation]]
op = "systemd.service"
service = "app"
state = "started"

[[operation]]
op = "files.put"
dest = "/etc/app.conf"
content = "{{ value }}\n"
notify = ["restart app"]

[[operation]]
op = "server.shell"
name = "fill"
commands = ["[ ! -e /srv/fill ] || head -c 2000000 /dev/zero >/var/lib/homelab/other || :", "touch /srv/{{ value }}"]
creates = "/srv/{{ value }}"

[[handler]]
name = "restart app"
op = "systemd.service"
service = "app"
state = "restarted"
"#,
    );
    let host = project.up("dev", "alpha");
    host.inside("mkdir -p /var/lib/homelab && mount -t tmpfs -o size=1m full /var/lib/homelab");
    let started = || host.inside("systemctl show -p InvocationID app");
    project.write("group_data/all.toml", "value = 'one'\n");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    let before = started();
    host.inside("touch /srv/fill");
    project.write("group_data/all.toml", "value = 'two'\n");
    let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("homelab could not write to /var/lib/homelab/"), "{said}");
    assert!(said.contains("`df /var/lib/homelab/"), "{said}");
    for untrue in ["does not run", "stays as it is", "as it was", "I/O error"] {
        assert!(!said.contains(untrue), "`{untrue}` in {said}");
    }
    assert_eq!(host.inside("cat /etc/app.conf"), "two\n", "{said}");
    assert_eq!(started(), before, "{said}");
    host.inside("rm /var/lib/homelab/other /srv/fill");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_ne!(started(), before);
    let quiet = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout;
    assert!(quiet.starts_with("nothing to do"), "{quiet}");
}

/// Nothing is changed that homelab cannot note.
#[test]
fn a_full_folder_of_homelab_itself_is_named_before_anything_is_changed() {
    let put = |name: &str| format!("[[operation]]\nop = 'files.put'\ndest = '/srv/{name}'\ncontent = 'x'\n");
    let directory = "[[operation]]\nop = 'files.directory'\npath = '/srv/folder'\n";
    let project = Project::with_task(&[directory, &put("one"), &put("two")].concat());
    let host = project.up("dev", "alpha");
    host.inside("mkdir -p /var/lib/homelab && mount -t tmpfs -o size=1m full /var/lib/homelab && mkdir /var/lib/homelab/journal");
    // Full, and with too little for a run: 8 and 100 KiB.
    for filled in [2 << 20, (1 << 20) - (8 << 10), (1 << 20) - (100 << 10)] {
        host.inside(&format!("head -c {filled} /dev/zero >/var/lib/homelab/other || :"));
        let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(1);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for part in [
            "there is no room in /var/lib/homelab/journal, where homelab notes what it changes, so nothing was changed",
            "`df /var/lib/homelab/journal`",
        ] {
            assert!(said.contains(part), "no `{part}` in {said}");
        }
        assert!(!host.is("test -e /srv/folder || test -e /srv/one"), "{said}");
        let left = host.inside("cd /var/lib/homelab && find . -type f ! -name other");
        assert_eq!(left, "", "{said}");
    }
    host.inside("rm /var/lib/homelab/other");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(host.inside("cat /srv/one /srv/two"), "xx");
    let history = project.homelab(&["history", "dev", "alpha"]).expect(0).stdout;
    assert!(history.contains("converged"), "{history}");
}
