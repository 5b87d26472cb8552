//! Plans in which some things are known and some are not: what is not known is as little as can be.

use crate::deploy::repository::{Package, install_only};
use crate::deploy::review::{Review, applied};
use crate::support::host::Host;
use crate::support::project::Project;
use crate::support::snapshot::{self, changed};

const CONFIGURATION: &str = "# made by its package\nport = 1\ncolour = blue\n";
const UNIT: &str = "[Service]\nExecStart=/bin/sleep infinity\n\n[Install]\nWantedBy=multi-user.target\n";

/// Packages with a configuration file each; the first has a unit too.
const PACKAGES: &[Package<'_>] = &[
    Package {
        name: "lab-web",
        version: "1.0",
        conffiles: &[
            ("/etc/lab-web.conf", CONFIGURATION),
            ("/etc/systemd/system/lab-web.service", UNIT),
        ],
        postinst: "systemctl daemon-reload",
        depends: "",
        conflicts: "",
        provides: "",
    },
    Package {
        name: "lab-store",
        version: "1.0",
        conffiles: &[("/etc/lab-store.conf", CONFIGURATION)],
        postinst: "",
        depends: "",
        conflicts: "",
        provides: "",
    },
    Package {
        name: "lab-mail",
        version: "1.0",
        conffiles: &[("/etc/lab-mail.conf", CONFIGURATION)],
        postinst: "",
        depends: "",
        conflicts: "",
        provides: "",
    },
];

const SERVICES: &str = r#"
[[operation]]
op = "apt.packages"
packages = ["lab-mail", "lab-store", "lab-web"]

[[operation]]
op = "files.line"
for_each = ["lab-web", "lab-store", "lab-mail"]
path = "/etc/{{ item }}.conf"
line = "port = 8080"
matching = "^port "

[[operation]]
op = "files.put"
for_each = ["/opt/lab/answer", "/usr/local/etc/lab.conf", "/etc/lab.d/own.conf", "/var/lib/lab/state"]
dest = "{{ item }}"
content = "ours\n"

[[operation]]
op = "files.link"
path = "/etc/lab-current"
target = "/opt/lab"

[[operation]]
op = "systemd.service"
service = "lab-web"
state = "started"
enabled = true
"#;

const FOLDERS: &str = r#"
[[operation]]
op = "files.directory"
for_each = ["/opt/lab", "/etc/lab.d", "/var/lib/lab"]
path = "{{ item }}"
"#;

const EMPTY_HOST: &str = r#"
[[operation]]
op = "apt.packages"
packages = ["lab-web"]

[[operation]]
op = "server.user"
user = "keeper"
shell = "/bin/sh"

[[operation]]
op = "files.link"
path = "/etc/lab-notes"
target = "/home/keeper/notes"

[[operation]]
op = "files.template"
src = "notes.j2"
dest = "/home/keeper/notes"
user = "keeper"
group = "keeper"
mode = "0600"

[[operation]]
op = "files.line"
path = "/etc/lab-web.conf"
line = "port = 8080"
matching = "^port "
"#;

#[test]
fn a_purged_package_leaves_the_rest_of_the_plan_known() {
    let project = Project::with_task(&format!("{FOLDERS}{SERVICES}"));
    let host = project.up("dev", "alpha");
    install_only(&host, PACKAGES, "");
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    nothing_is_left_to_do(&project);
    let converged = (snapshot::etc(&host), snapshot::files(&host));

    host.on("DEBIAN_FRONTEND=noninteractive apt-get -y -q purge lab-store && : >/var/log/dpkg.log");
    assert!(!host.is("test -e /etc/lab-store.conf"));
    let arguments = ["deploy", "dev", "all", "--dry-run", "--detailed-exitcode", "-v"];
    let review = project.homelab(&arguments).expect(2).stdout;
    let expected = ["+ package lab-store", "? files.line /etc/lab-store.conf[lab-store]"];
    assert_eq!(Review(&review).resources(), expected, "{review}");
    // Three folders, two lines, four files, a link and a unit.
    assert_eq!(review.matches("\n    = ").count(), 11, "{review}");
    assert!(
        review.contains("1 operation known later, 11 operations unchanged"),
        "{review}"
    );

    let mended = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout;
    assert_eq!(
        applied(&mended),
        ["package lab-store", "file /etc/lab-store.conf"],
        "{mended}"
    );
    let installed = host.inside("sed -n 's/^[^ ]* [^ ]* install //p' /var/log/dpkg.log");
    assert_eq!(installed, "lab-store:all <none> 1.0\n");
    assert_eq!(
        host.inside("cat /etc/lab-store.conf"),
        CONFIGURATION.replace("port = 1", "port = 8080")
    );
    assert_eq!(snapshot::etc(&host), converged.0);
    // Times included: these were not written again.
    let files = snapshot::files(&host);
    for path in [
        "/etc/lab-web.conf",
        "/opt/lab/answer",
        "/etc/lab.d/own.conf",
        "/etc/lab-current",
    ] {
        assert_eq!(files[path], converged.1[path], "{path}");
    }
    nothing_is_left_to_do(&project);
}

#[test]
fn an_empty_host_leaves_open_what_only_the_package_can_tell() {
    let project = Project::with_task(EMPTY_HOST);
    project.write(
        "templates/notes.j2",
        "of {{ host.name }} on Debian {{ facts.os.version }}\n",
    );
    let host = project.up("dev", "alpha");
    install_only(&host, PACKAGES, "");
    let before = snapshot::packages(&host);
    let arguments = ["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"];
    let review = project.homelab(&arguments).expect(2).stdout;
    let resources = Review(&review).resources();
    let open: Vec<&String> = resources.iter().filter(|resource| resource.starts_with('?')).collect();
    assert_eq!(
        open,
        ["? directory /home/keeper", "? files.line /etc/lab-web.conf"],
        "{review}"
    );
    for resource in [
        "+ package lab-web",
        "+ user keeper",
        "+ link /etc/lab-notes",
        "+ file /home/keeper/notes",
    ] {
        assert!(
            resources.iter().any(|shown| shown == resource),
            "no {resource} in {review}"
        );
    }
    assert_eq!(
        Review(&review).content("/home/keeper/notes"),
        "of alpha on Debian 13\n",
        "nobody else may read the old one, but no secret reached the new one"
    );
    assert!(changed(&before, &snapshot::packages(&host)).is_empty() && !host.is("id keeper"));

    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    is_as_the_task_says(&host);
    nothing_is_left_to_do(&project);
}

fn is_as_the_task_says(host: &Host<'_>) {
    let shown = host.inside("getent passwd keeper | cut -d: -f 1,6,7; stat -c '%U:%G' /home/keeper");
    assert_eq!(shown, "keeper:/home/keeper:/bin/sh\nkeeper:keeper\n");
    assert_eq!(
        host.inside("stat -c '%a %U:%G' /home/keeper/notes"),
        "600 keeper:keeper\n"
    );
    // By way of the link, as its owner.
    assert_eq!(
        host.inside("su keeper -c 'cat /etc/lab-notes'"),
        "of alpha on Debian 13\n"
    );
    assert_eq!(
        host.inside("cat /etc/lab-web.conf"),
        CONFIGURATION.replace("port = 1", "port = 8080")
    );
    assert_eq!(host.inside("dpkg-query -W -f '${db:Status-Abbrev}' lab-web"), "ii ");
}

fn nothing_is_left_to_do(project: &Project) {
    let again = project.homelab(&["deploy", "dev", "all", "--yes", "-v"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert!(again.stderr.contains("round trips: 1\n"), "{}", again.stderr);
}
