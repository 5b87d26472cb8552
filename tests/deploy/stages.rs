//! Stages, batches and the facts of other hosts, on two lab hosts.

use crate::support::host::Host;
use crate::support::project::Project;

const DEPLOY: &str = r#"
[[stage]]
name = "base"
hosts = ["*"]
serial = 1
tasks = ["test/base"]

[[stage]]
name = "others"
hosts = ["*", "!one"]
tasks = [
  { task = "test/colour", for_each = ["red", "blue"], vars = { name = "{{ item }}" }, tags = ["colours"] },
  "test/peers",
]
"#;

/// The first command is given from outside, so that it can fail.
const BASE: &str = r#"
[[operation]]
op = "server.shell"
commands = ["{{ command }}", "touch /opt/base"]
creates = "/opt/base"
touches = ["/opt"]

[[operation]]
op = "server.user"
user = "keeper"
system = true
"#;

const COLOUR: &str = r#"
required = ["vars.name"]

[vars]
mode = "0640"

[[operation]]
op = "files.put"
dest = "/opt/{{ vars.name }}"
content = "{{ vars.name }}\n"
mode = "{{ vars.mode }}"

[[operation]]
include = "test/link"
vars = { path = "/opt/{{ vars.name }}.link", target = "{{ vars.name }}" }
when = "facts.os.id == 'debian'"

[[operation]]
include = "test/link"
name = "never"
vars = { path = "/opt/never", target = "x" }
when = "facts.os.id == 'plan9'"
"#;

const LINK: &str = r#"
required = ["vars.path", "vars.target"]

[[operation]]
op = "files.link"
path = "{{ vars.path }}"
target = "{{ vars.target }}"
"#;

const PEERS: &str = r#"
[[operation]]
op = "files.put"
dest = "/opt/peers"
content = "{{ hosts.one.facts.hostname }} {{ hosts.one.facts.users.keeper.home }}\n"
"#;

fn project() -> Project {
    Project::of(&[
        (
            "inventories/dev.toml",
            "[hosts.one]\nlab = true\n[hosts.two]\nlab = true\n",
        ),
        ("group_data/all.toml", "command = \"true\"\n"),
        ("deploys/all.toml", DEPLOY),
        ("tasks/test/base.toml", BASE),
        ("tasks/test/colour.toml", COLOUR),
        ("tasks/test/link.toml", LINK),
        ("tasks/test/peers.toml", PEERS),
    ])
}

#[test]
fn stages_run_one_after_the_other_and_a_failure_stops_what_comes_after() {
    let project = project();
    let one = project.up("dev", "one");
    let two = Host::of(&project, "dev", "two");
    the_review_is_whole(&project);
    a_failed_batch_leaves_the_others_untouched(&project, &one, &two);
    all_is_applied_and_stays_so(&project, &one, &two);
    parts_are_chosen_by_item_and_by_tag(&project, &two);
    facts_that_an_earlier_stage_may_change_are_read_when_the_stage_begins(&project, &one, &two);
}

/// Both stages of both hosts, and what a later stage sees of another host as that will be then.
fn the_review_is_whole(project: &Project) {
    let ran = project.homelab(&["deploy", "dev", "all", "--dry-run", "--detailed-exitcode"]);
    let ran = ran.expect(2);
    for shown in [
        "base / test/base",
        "others / test/colour[red]",
        "+ file /opt/blue",
        "others / test/colour[blue] / test/link",
        "+ link /opt/blue.link   target blue",
        "+ one /home/keeper",
        "one: 3 to create",
        "two: 8 to create",
    ] {
        assert!(ran.stdout.contains(shown), "{shown}\n{}", ran.stdout);
    }
    assert!(
        !ran.stdout.contains('?') && !ran.stdout.contains("never"),
        "{}",
        ran.stdout
    );
}

fn a_failed_batch_leaves_the_others_untouched(project: &Project, one: &Host<'_>, two: &Host<'_>) {
    let ran = project
        .homelab(&["deploy", "dev", "all", "--yes", "--data", "command='false'"])
        .expect(1);
    let held_back = "two: failed to start\n  caused by: stage `base` stopped because one failed\n";
    assert!(ran.stdout.contains(held_back), "{}", ran.stdout);
    assert!(ran.stdout.contains("2 hosts: 1 failed, 1 held back"), "{}", ran.stdout);
    for host in [one, two] {
        assert_eq!(host.inside("ls -A /opt"), "");
        assert!(!host.is("getent passwd keeper"));
    }
    // The host that was held back was not even locked.
    assert!(!two.is("test -e /run/homelab.lock"));
    assert!(one.is("test -e /run/homelab.lock"));
    // One failure more is allowed: the second host's batch runs, fails too, and the next stage does not begin.
    project.write(
        "deploys/all.toml",
        DEPLOY.replace("serial = 1", "serial = 1\nmax_fail = 1"),
    );
    let ran = project
        .homelab(&["deploy", "dev", "all", "--yes", "--data", "command='false'"])
        .expect(1);
    assert!(ran.stdout.contains("2 hosts: 2 failed"), "{}", ran.stdout);
    project.write("deploys/all.toml", DEPLOY);
}

fn all_is_applied_and_stays_so(project: &Project, one: &Host<'_>, two: &Host<'_>) {
    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(one.inside("ls -A /opt"), "base\n");
    assert_eq!(
        two.inside("ls -A /opt"),
        "base\nblue\nblue.link\npeers\nred\nred.link\n"
    );
    assert_eq!(two.inside("cat /opt/peers"), "one /home/keeper\n");
    assert_eq!(two.inside("stat -c %a /opt/red; readlink /opt/red.link"), "640\nred\n");
    // One host after the other.
    let made = |host: &Host<'_>| host.inside("stat -c %Y%y /opt/base | tr -d -c '0-9.'");
    assert!(made(one) < made(two), "{} {}", made(one), made(two));
    let again = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(
        again.stdout,
        "nothing to do on 2 hosts: 9 operations unchanged, 2 skipped (when)\n"
    );
}

fn parts_are_chosen_by_item_and_by_tag(project: &Project, two: &Host<'_>) {
    two.inside("rm /opt/red /opt/blue /opt/peers");
    let dry_run = |filter: &[&str]| {
        let ran = project
            .homelab(&[&["deploy", "dev", "all", "--dry-run"], filter].concat())
            .expect(0);
        let lines = ran.stdout.lines().filter(|line| line.contains("+ file"));
        let paths: Vec<String> = lines
            .map(|line| line.split_whitespace().nth(2).unwrap().to_owned())
            .collect();
        paths.join(" ")
    };
    assert_eq!(dry_run(&["--only", "blue"]), "/opt/blue");
    assert_eq!(dry_run(&["--only", "test/colour:r*"]), "/opt/red");
    assert_eq!(dry_run(&["--tags", "colours"]), "/opt/red /opt/blue");
    assert_eq!(dry_run(&["--limit", "!two"]), "");
    let ran = project
        .homelab(&["deploy", "dev", "all", "--yes", "--only", "blue"])
        .expect(0);
    assert!(ran.stdout.contains("red of test/colour (--only)"), "{}", ran.stdout);
    assert_eq!(two.inside("cat /opt/blue"), "blue\n");
    assert!(!two.is("test -e /opt/red"));
    for (wrong, told) in [
        (
            ["--only", "gren"],
            "`--only gren` matches no task or item of this deploy\n  hint: available: `test/base`, `test/colour`, `test/peers`, `blue`, `red`",
        ),
        (
            ["--tags", "colors"],
            "`--tags colors` matches no operation of this deploy\n  hint: did you mean `colours`?",
        ),
        (["--limit", "!tow"], "`tow` matches nothing in inventory `dev`"),
        (["--data", "item=3"], "`item` is a reserved name"),
    ] {
        let ran = project
            .homelab(&["deploy", "dev", "all", "--dry-run", wrong[0], wrong[1]])
            .expect(3);
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
    }
}

fn facts_that_an_earlier_stage_may_change_are_read_when_the_stage_begins(
    project: &Project,
    one: &Host<'_>,
    two: &Host<'_>,
) {
    // It says nothing of what it touches, so anything may be otherwise after it.
    let task = "[[operation]]\nop = 'server.shell'\ncommands = ['useradd -d /srv/guest guest', 'touch /opt/guest']\ncreates = '/opt/guest'\n";
    project.write("tasks/test/guest.toml", task);
    let peers = "[[operation]]\nop = 'files.put'\ndest = '/opt/guest-of-one'\ncontent = '{{ hosts.one.facts.users.guest.home }}'\n";
    project.write("tasks/test/guest_of_one.toml", peers);
    let deploy = "[[stage]]\nname = 'first'\nhosts = ['one']\ntasks = ['test/guest']\n\
        [[stage]]\nname = 'second'\nhosts = ['two']\ntasks = ['test/guest_of_one']\n";
    project.write("deploys/guest.toml", deploy);
    let ran = project.homelab(&["deploy", "dev", "guest", "--dry-run"]).expect(0);
    let two_part = ran
        .stdout
        .split_once("\ntwo\n")
        .map(|(_, rest)| rest)
        .unwrap_or_default();
    assert!(two_part.contains("? files.put /opt/guest-of-one"), "{}", ran.stdout);
    project.homelab(&["deploy", "dev", "guest", "--yes"]).expect(0);
    assert_eq!(two.inside("cat /opt/guest-of-one"), "/srv/guest");
    assert!(one.is("getent passwd guest"));
    let again = project.homelab(&["deploy", "dev", "guest", "--yes"]).expect(0);
    assert_eq!(again.stdout, "nothing to do on 2 hosts: 2 operations unchanged\n");
}
