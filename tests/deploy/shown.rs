//! Ordinary tasks from an empty host to a quiet second run: a service of one's own on two hosts, a web server with its site, and what a
//! command that may change anything makes of a project that is deployed.

use std::time::Duration;

use serde_json::Value as Json;

use crate::support::host::Host;
use crate::support::project::Project;

/// A service of one's own, with its user, directory, configuration and unit.
const SERVICE: &str = r#"
[[operation]]
op = "server.user"
user = "shop"
system = true
create_home = false

[[operation]]
op = "files.directory"
path = "/srv/shop"
user = "shop"
mode = "0750"

[[operation]]
op = "files.template"
dest = "/srv/shop/config"
src = "shop/config.j2"
user = "shop"
mode = "0640"
notify = ["restart shop"]

[[operation]]
op = "systemd.unit"
unit = "shop.service"
src = "shop/shop.service.j2"

[[operation]]
op = "systemd.service"
service = "shop"
state = "started"
enabled = true

[[handler]]
name = "restart shop"
op = "systemd.service"
service = "shop"
state = "restarted"
"#;

const UNIT: &str = "[Service]\nUser=shop\nEnvironment=GREETING={{ greeting }}\n\
    ExecStart=/bin/sh -c 'read -r line </srv/shop/config && exec sleep infinity'\n\n[Install]\nWantedBy=multi-user.target\n";

const SITE: &str = r#"
[[operation]]
op = "apt.packages"
packages = ["nginx-light"]

# The package brings it, which nobody knows before.
[[operation]]
op = "files.directory"
path = "/var/www/html"

[[operation]]
op = "files.directory"
path = "/var/www/site"

[[operation]]
op = "files.put"
dest = "/var/www/site/index.html"
content = "a page\n"

[[operation]]
op = "files.put"
dest = "/etc/nginx/sites-available/site"
content = """
server {
    listen 8080;
    root /var/www/site;
}
"""
notify = ["reload nginx"]

[[operation]]
op = "files.link"
path = "/etc/nginx/sites-enabled/site"
target = "/etc/nginx/sites-available/site"
notify = ["reload nginx"]

[[operation]]
op = "systemd.service"
service = "nginx"
state = "started"
enabled = true

[[handler]]
name = "reload nginx"
op = "systemd.service"
service = "nginx"
state = "reloaded"
"#;

/// A command that may change anything.
const COMMAND: &str = "[[operation]]\nop = 'server.shell'\ncommands = ['true']\nalways = true\n";

fn deploy(project: &Project) -> Json {
    let ran = project.homelab(&["deploy", "dev", "all", "--yes", "--format", "json"]);
    serde_json::from_str(&ran.expect(0).stdout).unwrap()
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What became of each reviewed change, on all hosts: its action and its end.
fn ends(document: &Json) -> Vec<(String, String, String)> {
    let results = list(&document["hosts"]).iter().flat_map(|host| list(&host["results"]));
    let lines = results.flat_map(|result| list(&result["lines"]));
    let word = |line: &Json, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    lines
        .map(|line| (word(line, "action"), word(line, "name"), word(line, "end")))
        .collect()
}

fn invocation(host: &Host<'_>) -> String {
    host.inside("systemctl is-active shop >/dev/null && systemctl show -p InvocationID,NeedDaemonReload shop")
}

#[test]
fn ones_own_service_on_two_hosts_is_restarted_once_for_each_change() {
    let project = Project::with_task(SERVICE);
    project.write(
        "inventories/dev.toml",
        "[hosts.alpha]\nlab = true\n[hosts.beta]\nlab = { image = 'debian:12' }\n",
    );
    project.write("deploys/all.toml", "hosts = ['*']\ntasks = ['test/files']\n");
    project.write("templates/shop/config.j2", "value = {{ value }}\n");
    project.write("templates/shop/shop.service.j2", UNIT);
    let data = |value: &str, greeting: &str| {
        project.write(
            "group_data/all.toml",
            format!("value = '{value}'\ngreeting = '{greeting}'\n"),
        );
    };
    let hosts = [project.up("dev", "alpha"), Host::of(&project, "dev", "beta")];
    let is_quiet = || {
        let before = hosts.each_ref().map(invocation);
        let quiet = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout;
        assert!(quiet.starts_with("nothing to do"), "{quiet}");
        assert_eq!(hosts.each_ref().map(invocation), before);
        before
    };
    data("one", "hello");
    deploy(&project);
    let mut before = is_quiet();
    for (value, greeting) in [("two", "hello"), ("two", "bye"), ("three", "good-evening")] {
        data(value, greeting);
        let document = deploy(&project);
        let restarts = ends(&document)
            .iter()
            .filter(|(_, name, end)| name == "shop.service" && end == "applied")
            .count();
        assert_eq!(restarts, 2, "one on each host: {document:#}");
        let after = is_quiet();
        for (before, after) in before.iter().zip(&after) {
            assert_ne!(before, after, "{value} {greeting}");
            assert!(after.contains("NeedDaemonReload=no"), "{after}");
        }
        before = after;
    }
}

#[test]
fn a_web_server_and_its_site_come_in_one_deploy() {
    let project = Project::with_task(SITE);
    let host = project.up("dev", "alpha");
    let review = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0).stdout;
    for open in ["? directory /var/www/html ", "? directory /var/www/site "] {
        assert!(review.contains(open), "{review}");
    }
    let is_promised = |name: &str| {
        let mut lines = review.lines().map(str::trim_start);
        lines.any(|line| line.starts_with("+ ") && line.split(' ').any(|word| word == name))
    };
    let document = deploy(&project);
    let ends = ends(&document);
    let kept = |name: &str| ends.iter().any(|(_, one, end)| one == name && end == "already_so");
    assert!(kept("/var/www/html") && !kept("/var/www/site"), "{document:#}");
    let untrue = ends
        .iter()
        .filter(|(action, name, end)| action == "create" && end == "already_so" && is_promised(name));
    let untrue: Vec<&str> = untrue.map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(untrue, [""; 0], "{document:#}");
    // A reload returns before the new workers listen.
    host.wait_until("ss -tlnH sport = :8080 | grep -q .", Duration::from_secs(60));
    let page = "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3";
    assert_eq!(host.inside(&format!("bash -c \"{page}\"")), "a page\n");
    let quiet = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0).stdout;
    assert!(quiet.starts_with("nothing to do"), "{quiet}");
}

#[test]
fn a_command_that_may_change_anything_leaves_a_converged_project_as_it_is() {
    let project = Project::with_task(SERVICE);
    project.write("group_data/all.toml", "value = 'one'\ngreeting = 'hello'\n");
    project.write("templates/shop/config.j2", "value = {{ value }}\n");
    project.write("templates/shop/shop.service.j2", UNIT);
    let host = project.up("dev", "alpha");
    deploy(&project);
    let before = invocation(&host);
    let review = || project.homelab(&["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"]);
    let quiet = review().expect(0).stdout;
    assert!(quiet.starts_with("nothing to do"), "{quiet}");

    project.write("tasks/test/files.toml", format!("{COMMAND}{SERVICE}"));
    let open = review().expect(0).stdout;
    let signs: Vec<&str> = open
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.get(..2))
        .collect();
    // The handler too: it runs only if what notifies it changes.
    assert_eq!(signs.iter().filter(|sign| **sign == "? ").count(), 6, "{open}");
    assert!(!signs.iter().any(|sign| matches!(*sign, "+ " | "~ " | "- ")), "{open}");
    assert_eq!(
        open.matches("as now, unless `server.shell true` changes it").count(),
        5,
        "{open}"
    );
    let document = deploy(&project);
    let applied: Vec<_> = ends(&document)
        .into_iter()
        .filter(|(.., end)| end == "applied")
        .collect();
    assert_eq!(applied.len(), 1, "only the command: {document:#}");
    assert_eq!(invocation(&host), before);
}
