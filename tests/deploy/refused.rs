//! What cannot be done to accounts and their files: said in its place before anything is done.

use crate::deploy::accounts::{accounts, both, project};
use crate::support::host::Host;

#[test]
fn what_cannot_be_done_is_said_in_its_place_and_nothing_is_done() {
    const FIRST: &str = "[[operation]]\nop = 'server.group'\ngroup = 'first'\n\n[[operation]]\n";
    let project = project("");
    project.write(
        "templates/wrong.text",
        "fine = {{ host.name }}\nwrong = {{ no_such_thing }}\n",
    );
    let hosts = both(&project);
    for host in &hosts {
        host.inside("mkdir /srv/taken");
    }
    let before: Vec<String> = hosts.iter().map(everything).collect();
    for (operation, place, expected) in [
        (
            "op = 'server.user'\nuser = 'player'\ngroup = 'nobodys'",
            "files.toml:8:9",
            "unknown group `nobodys`",
        ),
        (
            "op = 'server.user'\nuser = 'player'\nuid = 1",
            "files.toml:8:7",
            "used by user `daemon`",
        ),
        (
            "op = 'server.user'\nuser = '-player'",
            "files.toml:7:8",
            "`-player` is not a valid user or group name",
        ),
        (
            "op = 'files.template'\nsrc = 'wrong.text'\ndest = '/srv/wrong'",
            "templates/wrong.text:2:12",
            "no_such_thing",
        ),
        (
            "op = 'files.link'\npath = '/srv/taken'\ntarget = '/dev/null'",
            "files.toml:7:8",
            "`/srv/taken` is not a link",
        ),
    ] {
        project.write("tasks/test/files.toml", format!("{FIRST}{operation}\n"));
        let ran = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(3);
        for part in [place, expected] {
            assert!(ran.stderr.contains(part), "no `{part}` in:\n{}", ran.stderr);
        }
    }
    let after: Vec<String> = hosts.iter().map(everything).collect();
    assert_eq!(after, before);
}

fn everything(host: &Host<'_>) -> String {
    let files = host.inside("find /etc /srv /home /opt -printf '%p %y %m %U:%G %T@ %l\\n' | sort");
    accounts(host) + &files
}
