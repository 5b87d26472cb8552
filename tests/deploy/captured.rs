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
