//! The storage box of this repository's own project: directories that others mount over NFS, read and written by a real client.

use std::time::Duration;

use crate::support::project::Project;

/// The tasks of the box that are its own.
const TASKS: &str = "hosts = ['storage']
tasks = ['storage/datasets', 'storage/directories', 'storage/exports', 'storage/disks', 'test/compose']
";
/// Files of stacks as a services box with volumes on this server has them.
const COMPOSE: &str = "[[operation]]
op = 'files.template'
for_each = ['influxdb2', 'paperless']
src = 'test/{{ item }}.j2'
dest = '/root/{{ item }}.yaml'
";

/// Stands in for a system that no lab host can be: its name, and programs that answer otherwise.
const FREEBSD: &str = r#"cd /usr/local/bin
printf '#!/bin/sh\n[ "$1" = -snrm ] && { echo FreeBSD nas 14.3-RELEASE amd64; exit; }\nexec /bin/uname "$@"\n' >uname
printf '#!/bin/sh\necho what\n' >dpkg-query
cp dpkg-query systemctl
chmod +x uname dpkg-query systemctl"#;

#[test]
fn exports_that_a_server_reads_otherwise_are_refused() {
    let project = Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    project.write(".gitignore", "/.env\n");
    let (clients, each, name) = ("a list with at least one", "each of `clients`", "`name` of an export");
    for (export, said) in [
        ("name = '/srv/a', clients = []", clients),
        ("name = '/srv/a', clients = '192.0.2.0/24'", clients),
        ("name = '/srv/a', clients = ['192.0.2.0/24 ']", each),
        ("name = '/srv/a', clients = ['nas(rw)']", each),
        ("name = '/srv/a', clients = ['nas', '']", each),
        ("name = '/srv/a', clients = ['-rw']", each),
        ("name = '/srv/a b', clients = ['nas']", name),
        ("name = '/srv/a#b', clients = ['nas']", name),
        ("name = '/srv/a\"b', clients = ['nas']", name),
        ("name = '/srv/a(b)', clients = ['nas']", name),
    ] {
        for server in ["kernel", "ganesha"] {
            let data = format!("storage.server = '{server}'\nstorage.exports = [{{ {export} }}]\n");
            let host = format!(
                "groups = ['development']\n[hosts.nas]\naddress = '192.0.2.30'\ngroups = ['storage']\n[hosts.nas.data]\n{data}"
            );
            project.write("inventories/dev.toml", host);
            let refused = project.homelab(&["check"]).expect(3);
            assert!(refused.stderr.contains(said), "{export}: {}", refused.stderr);
        }
    }
}

#[test]
fn an_empty_host_exports_directories() {
    let project = Project::of_this_repository();
    project.write(".env", "HOMELAB_LAB_KEY=the-key-of-a-test-only\n");
    project.write(".gitignore", "/.env\n");
    project.write("deploys/storage.toml", TASKS);
    project.write("tasks/test/compose.toml", COMPOSE);
    for stack in ["influxdb2", "paperless"] {
        project.write(
            &format!("templates/test/{stack}.j2"),
            format!("{{%- set stack = catalogue.{stack} -%}}{{%- include 'services/{stack}/compose.yaml.j2' -%}}"),
        );
    }
    project.homelab(&["lab", "up", "dev", "storage"]).expect(0);
    let host = crate::support::host::Host::of(&project, "dev", "storage-dev");
    let data = [
        "nfs_server=192.0.2.30",
        "ftp_scanner={ enabled = false, user = 'scanner', uid = 1001 }",
    ];
    let deploy = [
        "deploy", "dev", "storage", "--yes", "--data", data[0], "--data", data[1],
    ];
    project.homelab(&deploy).expect(0);
    let again = project.homelab(&deploy).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);

    host.inside("apt-get -qq install --no-install-recommends libnfs-utils >/dev/null && echo films >/srv/appdata/list");
    let share = format!("nfs://{}/srv/appdata", host.address());
    // The server refuses new opens until earlier clients had time to get theirs back.
    let read = format!("nfs-cat '{share}/list?version=4' | grep -qx films");
    host.wait_until(&read, Duration::from_secs(60));
    host.inside(&format!("nfs-cp /srv/appdata/list '{share}/copy?version=4'"));
    assert_eq!(
        host.inside("cat /srv/appdata/copy; findmnt -no FSTYPE /srv/appdata"),
        "films\next4\n"
    );
    what_services_mount_is_there(&host);
    // Its loopback address is none of the clients.
    assert!(!host.is("nfs-ls 'nfs://127.0.0.1/srv/appdata?version=4'"));

    host.inside(FREEBSD);
    let refused = project.homelab(&deploy).expect(3);
    assert!(
        refused.stderr.contains("hosts with FreeBSD are not supported yet"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("cannot read"), "{}", refused.stderr);
    let family = project.homelab(&["facts", "dev", "storage-dev", "os.family"]).expect(0);
    assert_eq!(family.stdout, "freebsd\n");
}

/// Each folder that a volume of a stack is, found by a client and owned by the user of its container.
fn what_services_mount_is_there(host: &crate::support::host::Host<'_>) {
    let devices = host.inside("sed -n 's/.*device: \":\\(.*\\)\" }/\\1/p' /root/influxdb2.yaml /root/paperless.yaml");
    let mut found: Vec<&str> = devices.lines().collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "/srv/appdata/influxdb2/config",
            "/srv/appdata/influxdb2/data",
            "/srv/appdata/paperless-exports"
        ]
    );
    for folder in found {
        assert!(
            host.is(&format!("nfs-ls 'nfs://{}{folder}?version=4'", host.address())),
            "{folder} cannot be mounted"
        );
        let owner = if folder.contains("influxdb2") { "1000" } else { "1001" };
        let expected = format!("{owner}:{owner} 750\n");
        assert_eq!(
            host.inside(&format!("stat -c '%u:%g %a' {folder}")),
            expected,
            "{folder}"
        );
    }
}
