//! Deploys in stages and batches: a host that fails holds back those that come after, and no other.

use serde_json::Value;

use crate::support::host::Host;
use crate::support::project::{Project, Ran};

const INVENTORY: &str = "[hosts.alpha]\nlab = true\n[hosts.beta]\nlab = true\n[hosts.gone]\naddress = '127.0.0.1'\nconnection = { port = 1 }\n";
const STAGES: &str = "[[stage]]\nname = 'first'\nhosts = ['*']\ntasks = ['test/first']\nserial = 1\nmax_fail = 0\n
[[stage]]\nname = 'second'\nhosts = ['*']\ntasks = ['test/second']\n";

const PEER: &str = "[[operation]]\nop = 'files.put'\ndest = '/opt/peer'\ncontent = '{{ hosts.gone.facts.hostname }}'\n";

/// Writes its word below `/opt`, but for a host that is to fail.
fn task(word: &str) -> String {
    format!(
        "[[operation]]\nop = 'server.shell'\ncommands = ['test {{{{ host.name }}}} != {{{{ fails }}}}', 'touch /opt/{word}']\n\
         creates = '/opt/{word}'\ntouches = ['/opt/{word}']\n"
    )
}

fn project() -> Project {
    let project = Project::of(&[
        ("inventories/dev.toml", INVENTORY),
        ("group_data/all.toml", "fails = 'nobody'\n"),
        ("deploys/all.toml", STAGES),
    ]);
    project.write("tasks/test/first.toml", task("first"));
    project.write("tasks/test/second.toml", task("second"));
    project
}

fn deploy(project: &Project, more: &[&str], code: i32) -> Ran {
    let arguments = [&["deploy", "dev", "all", "--yes"], more].concat();
    project.homelab(&arguments).expect(code)
}

fn made(host: &Host<'_>) -> String {
    host.inside("ls /opt; rm -f /opt/*").replace('\n', " ")
}

#[test]
fn who_fails_holds_back_the_batches_and_the_stages_after_it() {
    const REACHABLE: &[&str] = &["--limit", "!gone"];
    let project = project();
    let alpha = project.up("dev", "alpha");
    let beta = Host::of(&project, "dev", "beta");

    // The first batch fails: the second never begins.
    let ran = deploy(&project, &[REACHABLE, &["--data", "fails=alpha"]].concat(), 1);
    assert_eq!((made(&alpha), made(&beta)), (String::new(), String::new()));
    let why = "beta: failed to start\n  caused by: stage `first` stopped because alpha failed";
    assert!(ran.stdout.contains(why), "{}", ran.stdout);
    beta.is_left_in_order();

    // The second batch fails: the first does not go on to the next stage.
    let ran = deploy(&project, &[REACHABLE, &["--data", "fails=beta"]].concat(), 1);
    assert_eq!((made(&alpha), made(&beta)), ("first ".to_owned(), String::new()));
    assert!(ran.stdout.contains("alpha: failed to continue\n"), "{}", ran.stdout);

    // So many may fail.
    project.write("deploys/all.toml", STAGES.replace("max_fail = 0", "max_fail = 1"));
    deploy(&project, &[REACHABLE, &["--data", "fails=alpha"]].concat(), 1);
    assert_eq!((made(&alpha), made(&beta)), (String::new(), "first second ".to_owned()));

    // Who cannot be reached has failed, and is told so to programs too.
    project.write("deploys/all.toml", STAGES);
    let ran = deploy(&project, &["--format", "json"], 4);
    assert_eq!((made(&alpha), made(&beta)), ("first ".to_owned(), "first ".to_owned()));
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        document["ends"],
        serde_json::json!({ "held_back": 2, "unreachable": 1 })
    );

    deploy(&project, REACHABLE, 0);
    assert_eq!(
        (made(&alpha), made(&beta)),
        ("first second ".to_owned(), "first second ".to_owned())
    );
}

#[test]
fn what_hangs_on_a_host_that_cannot_be_reached_stays_open_and_names_it() {
    let project = project();
    project.write("deploys/all.toml", "hosts = ['alpha', 'gone']\ntasks = ['test/peer']\n");
    project.write("tasks/test/peer.toml", PEER);
    let alpha = project.up("dev", "alpha");
    let review = project.homelab(&["deploy", "dev", "all", "--dry-run"]).expect(4).stdout;
    assert!(
        review.contains("? files.put /opt/peer   host `gone` was not read\n"),
        "{review}"
    );
    deploy(&project, &[], 1);
    assert!(!alpha.is("test -e /opt/peer"));
    let ran = deploy(&project, &["--limit", "alpha"], 3);
    assert!(
        ran.stderr.contains("host `gone` is not part of this run"),
        "{}",
        ran.stderr
    );
}
