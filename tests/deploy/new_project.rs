//! `homelab init`: the project that it makes, deployed to a real lab host.

use crate::support::host::Host;
use crate::support::project::Project;

#[test]
fn a_new_project_deploys_to_a_lab_host_at_once_and_then_has_nothing_to_do() {
    let project = Project::of(&[]);
    let told = project.homelab(&["init", "."]).expect(0).stdout;
    assert!(told.contains("homelab lab up dev"), "{told}");
    project.homelab(&["check"]).expect(0);
    project.homelab(&["lab", "up", "dev"]).expect(0);
    let host = Host::of(&project, "dev", "server-dev");
    assert!(!host.is("dpkg -s tree"), "the test would show nothing");
    project.homelab(&["deploy", "dev", "site", "--yes"]).expect(0);
    assert!(host.is("dpkg -s tree htop"));
    let expected = format!(
        "server-dev ({} on {}): a throw-away host\n",
        host.inside(". /etc/os-release; printf %s \"$PRETTY_NAME\""),
        host.inside("uname -m").trim()
    );
    assert_eq!(host.inside("cat /etc/motd"), expected);
    let again = project.homelab(&["deploy", "dev", "site", "--yes"]).expect(0);
    assert!(again.stdout.starts_with("nothing to do"), "{}", again.stdout);
    host.is_left_in_order();
}

#[test]
fn what_init_says_to_do_next_can_be_typed() {
    let project = Project::of(&[]);
    let told = project.homelab(&["init", "my lab"]).expect(0).stdout;
    assert!(told.contains("\n  cd 'my lab'\n"), "{told}");
    let commands = told.lines().filter_map(|line| line.trim().strip_prefix("homelab "));
    let mut tried = 0;
    for command in commands {
        let words: Vec<&str> = command.split(" #").next().unwrap().split_whitespace().collect();
        let mut help = project.command(&words);
        assert!(help.arg("--help").output().unwrap().status.success(), "{command}");
        tried += 1;
    }
    assert_eq!(tried, 4);
    let refused = project.homelab(&["init", "my lab"]).expect(3);
    assert!(refused.stderr.contains("is not empty"), "{}", refused.stderr);
}
