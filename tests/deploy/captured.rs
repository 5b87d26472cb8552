//! Values that commands make on a host, in files that templates read.

use crate::support::project::Project;

const TASK: &str = r#"
[[operation]]
capture = "token"
file = "/etc/lab-token"
select = "/auth/token"
notify = ["note"]
[operation.create]
op = "server.shell"
commands = ["echo made >>/srv/made; test -e /srv/ready || { touch /srv/ready; exit 1; }", "printf '{\"auth\": {\"token\": \"t-%s\"}}\n' \"$(cat /proc/sys/kernel/random/uuid)\""]
within = "30s"

[[operation]]
op = "files.put"
dest = "/etc/lab.conf"
content = "token = {{ captured.token }}\nport = 80\n"
mode = "0640"

[[handler]]
name = "note"
op = "server.shell"
commands = ["echo noted >>/srv/noted"]
touches = ["/srv/noted"]
"#;
const DEPLOY: &[&str] = &["deploy", "dev", "all", "--yes"];

#[test]
fn a_value_is_made_once_and_used_in_the_same_deploy() {
    let project = Project::with_task(TASK);
    let host = project.up("dev", "alpha");
    let looked = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0);
    for part in ["+ file /etc/lab-token", "captured.token` is known after apply"] {
        assert!(looked.stdout.contains(part), "no `{part}` in:\n{}", looked.stdout);
    }
    assert!(!host.is("test -e /etc/lab-token") && !host.is("test -e /srv/made"));

    project.homelab(DEPLOY).expect(0);
    let token = host.inside("sed 's/.*: \"\\(t-[^\"]*\\)\".*/\\1/' /etc/lab-token");
    assert_eq!(
        host.inside("cat /etc/lab.conf"),
        format!("token = {}\nport = 80\n", token.trim())
    );
    assert_eq!(
        host.inside("stat -c '%a %U:%G' /etc/lab-token; cat /srv/made /srv/noted"),
        "600 root:root\nmade\nmade\nnoted\n"
    );
    assert_eq!(host.inside("find /etc -name '.homelab*'"), "");
    let again = project.homelab(DEPLOY).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);

    // Deleting the file renews it.
    host.inside("rm /etc/lab-token");
    project.homelab(DEPLOY).expect(0);
    let renewed = host.inside("sed 's/.*: \"\\(t-[^\"]*\\)\".*/\\1/' /etc/lab-token");
    assert_ne!(renewed, token);
    assert_eq!(
        host.inside("cat /etc/lab.conf"),
        format!("token = {}\nport = 80\n", renewed.trim())
    );

    // Another deploy reads the value, and makes none.
    let reader = "[[operation]]\nop = 'files.put'\ndest = '/etc/lab-copy'\ncontent = '{{ captured.token }}'\n";
    project.write("tasks/test/reader.toml", reader);
    project.write("deploys/reader.toml", "hosts = ['alpha']\ntasks = ['test/reader']\n");
    project.homelab(&["deploy", "dev", "reader", "--yes"]).expect(0);
    assert_eq!(host.inside("cat /etc/lab-copy"), renewed.trim());
    host.inside("rm /etc/lab-token");
    let ran = project.homelab(&["deploy", "dev", "reader", "--yes"]).expect(3);
    for part in [
        "`captured.token` is not on host `alpha`",
        "deploy the task `test/files` first",
    ] {
        assert!(ran.stderr.contains(part), "no `{part}` in:\n{}", ran.stderr);
    }

    // What does not hold the value says so.
    host.inside("echo '{}' >/etc/lab-token");
    let ran = project.homelab(DEPLOY).expect(3);
    assert!(ran.stderr.contains("it has no `/auth/token`"), "{}", ran.stderr);
}

/// A web API that accepts only requests with the token of its file.
const API: &str = r#"
use IO::Socket::INET;
open my $conf, "<", "/etc/api.conf" or die; my ($token) = <$conf> =~ /= (.*)/;
my $all = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8365", Listen => 5, ReuseAddr => 1) or die;
while (my $one = $all->accept) {
    my ($method) = split / /, scalar <$one>;
    my ($length, $given) = (0, "");
    while (<$one>) {
        last if /^\r?$/;
        $length = $1 if /^content-length: (\d+)/i;
        $given = $1 if /^authorization: Bearer (\S+)/i;
    }
    if ($given ne $token) {
        open my $out, ">>", "/srv/refused"; print $out "$given\n"; close $out;
        print $one "HTTP/1.0 401 Unauthorized\r\n\r\n";
    } elsif ($method eq "PUT") {
        read $one, my $body, $length;
        open my $out, ">", "/srv/api.json"; print $out $body; close $out;
        print $one "HTTP/1.0 204 No Content\r\n\r\n";
    } elsif (open my $in, "<", "/srv/api.json") {
        local $/; print $one "HTTP/1.0 200 OK\r\n\r\n" . <$in>;
    } else { print $one "HTTP/1.0 404 Not Found\r\n\r\n" }
    close $one;
}
"#;
const API_TASK: &str = r#"
[[operation]]
capture = "api_token"
file = "/etc/api.token"
secret = true
create = { op = "server.shell", commands = ["cat /proc/sys/kernel/random/uuid"] }

[[operation]]
op = "files.put"
dest = "/etc/api.conf"
content = "token = {{ captured.api_token }}\n"
notify = ["restart api"]

[[operation]]
op = "files.put"
src = "api.pl"
dest = "/srv/api.pl"

[[operation]]
op = "systemd.unit"
unit = "api.service"
content = "[Service]\nExecStart=/usr/bin/perl /srv/api.pl\n"

[[operation]]
op = "systemd.service"
service = "api"
state = "started"

[[operation]]
op = "http.resource"
url = "http://127.0.0.1:8365/users/anna"
want = { name = "anna", level = 1 }
headers = { Authorization = "Bearer {{ captured.api_token }}" }

[[handler]]
name = "restart api"
op = "systemd.service"
service = "api"
state = "restarted"
"#;

#[test]
fn a_request_with_a_captured_header_is_made_in_the_same_deploy() {
    let project = Project::with_task(API_TASK);
    project.write("templates/api.pl", API);
    let host = project.up("dev", "alpha");
    let looked = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0).stdout;
    for part in [
        "? http.resource http://127.0.0.1:8365/users/anna   known after `capture api_token`",
        "+ http resource http://127.0.0.1:8365/users/anna   request PUT",
        "+ file /etc/api.conf   0600 root:root",
    ] {
        assert!(looked.contains(part), "no `{part}` in:\n{looked}");
    }
    project.homelab(DEPLOY).expect(0);
    assert_eq!(host.inside("cat /srv/api.json"), r#"{"name":"anna","level":1}"#);
    assert_eq!(host.inside("stat -c %a /etc/api.conf"), "600\n");
    let again = project.homelab(DEPLOY).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);

    // A new token, and another value.
    host.inside("rm /etc/api.token");
    project.write("tasks/test/files.toml", API_TASK.replace("level = 1", "level = 2"));
    let looked = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(0).stdout;
    assert!(looked.contains("~ file /etc/api.conf"), "{looked}");
    project.homelab(DEPLOY).expect(0);
    assert_eq!(host.inside("cat /srv/api.json"), r#"{"name":"anna","level":2}"#);
    // No request carries what stands in for the token.
    assert!(!host.is("grep -qi known /srv/refused"));
    let again = project.homelab(DEPLOY).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}
