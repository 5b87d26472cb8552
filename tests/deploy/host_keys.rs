//! What a user of a host knows of the keys of other servers, from a real sshd.

use crate::support::project::Project;

#[test]
fn a_user_knows_a_server_for_the_first_time() {
    let project = Project::with_task("");
    let host = project.up("dev", "alpha");
    host.inside("useradd -m anna");
    let fingerprint = host.inside("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d ' ' -f 2");
    let operation = |fingerprint: &str| {
        format!(
            "[[operation]]\nop = 'ssh.keyscan'\nhostname = '127.0.0.1'\nuser = 'anna'\nfingerprint = '{fingerprint}'\n"
        )
    };
    // Another server's fingerprint: nothing is written.
    project.write(
        "tasks/test/files.toml",
        operation(&format!("SHA256:{}", "A".repeat(43))),
    );
    let deploy = || project.homelab(&["deploy", "dev", "all", "--yes"]);
    let refused = deploy().expect(3);
    assert!(
        refused.stderr.contains("has no key with this fingerprint"),
        "{}",
        refused.stderr
    );
    assert!(!host.is("test -e /home/anna/.ssh"));

    project.write("tasks/test/files.toml", operation(fingerprint.trim()));
    deploy().expect(0);
    assert_eq!(
        host.inside("stat -c '%U:%G %a %n' /home/anna/.ssh /home/anna/.ssh/*"),
        "anna:anna 700 /home/anna/.ssh\nanna:anna 644 /home/anna/.ssh/known_hosts\n"
    );
    // ssh itself knows the server: it gets as far as the login.
    let said = host.inside(
        "runuser -u anna -- ssh -o BatchMode=yes -o HostKeyAlgorithms=ssh-ed25519 -o UpdateHostKeys=no 127.0.0.1 true 2>&1; true",
    );
    assert!(said.contains("Permission denied"), "{said}");
    assert!(deploy().expect(0).stdout.starts_with("nothing to do"));
}
