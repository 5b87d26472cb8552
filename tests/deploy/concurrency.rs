//! Two runs at once, and what other users of the host can see of one.

use std::process::Stdio;
use std::time::Duration;

use crate::support::project::{Project, text};

/// A file whose validation takes its time at apply, where the new file is beside its place; the folder above it is there on every
/// Debian.
const SLOW: &str = "[[operation]]
op = 'files.put'
dest = '/opt/slow'
content = 'x'
validate = ['sh', '-c', 'ls /opt/.homelab* || exit 0; sleep 6', '{path}']
";

#[test]
fn the_second_of_two_runs_is_told_who_was_first() {
    let project = Project::with_task(SLOW);
    // Without a validator: in a review, that would run as long as the one of the first.
    let other = "[[operation]]\nop = 'files.put'\ndest = '/opt/other'\ncontent = 'x'\n";
    project.write("tasks/test/other.toml", other);
    project.write("deploys/other.toml", "hosts = ['alpha']\ntasks = ['test/other']\n");
    let host = project.up("dev", "alpha");
    let mut first = project.command(&["deploy", "dev", "all", "--yes"]);
    let first = first.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    host.wait_until("ls /opt/.homelab*", Duration::from_secs(30));
    let holder = host.inside("head -n 1 /run/homelab.lock");

    let second = project.homelab(&["deploy", "dev", "other", "--yes"]).expect(5);
    let said = format!("{}{}", second.stdout, second.stderr);
    assert!(holder.contains('@') && said.contains(holder.trim()), "{said}");
    assert!(said.contains("alpha") && said.contains("/run/homelab.lock"), "{said}");
    // A run that only looks blocks no other.
    project.homelab(&["deploy", "dev", "other", "--dry-run"]).expect(0);

    let first = first.wait_with_output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert_eq!(host.inside("cat /opt/slow"), "x");
    let third = project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert!(third.stdout.contains("nothing to do"), "{}", third.stdout);
}

/// Looks at all arguments and environments again and again, until it is told to stop. The word is in a file, or it would
/// be in the watcher's own arguments.
const WATCH: &str = "while [ ! -e /tmp/stop ]; do
    grep -alF -f /tmp/word /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>/tmp/seen 2>/dev/null
    echo >>/tmp/looks
done";

fn small_file(number: u32, content: &str) -> String {
    format!(
        "[[operation]]\nop = 'files.put'\ndest = '/opt/small-{number}'\ncontent = '{content}'\n\
         validate = ['sh', '-c', 'sleep 0.1', '{{path}}']\n"
    )
}

#[test]
fn no_content_of_a_file_is_ever_an_argument_on_the_host() {
    const WORD: &str = "wallaby-4711";
    let large = format!("{WORD} {}\n", "x".repeat(50)).repeat((2 << 20) / 64 + 1);
    let mut task = "[[operation]]
op = 'files.put'
src = 'large'
dest = '/opt/large'
"
    .to_owned();
    for number in 0..20 {
        task += &small_file(number, &format!("{WORD} {number}"));
    }
    let project = Project::with_task(&task);
    project.write("templates/large", &large);
    let host = project.up("dev", "alpha");
    host.inside("echo wallaby >/tmp/word; echo -4711 >/tmp/rest; paste -s -d '' /tmp/word /tmp/rest >/tmp/joined");
    host.inside("tr -d '\\n' </tmp/joined >/tmp/word; rm /tmp/joined /tmp/rest; : >/tmp/seen");
    host.start(WATCH);
    host.wait_until("[ -s /tmp/looks ]", Duration::from_secs(10));

    project.homelab(&["deploy", "dev", "all", "--yes"]).expect(0);
    assert_eq!(host.inside("cat /tmp/seen"), "");
    let looks = host.inside("wc -l </tmp/looks");
    assert!(
        looks.trim().parse::<u32>().unwrap() > 50,
        "the watcher looked {looks} times only"
    );
    assert!(host.inside("cat /opt/large") == large, "the large file is another");
    assert_eq!(host.inside("cat /opt/small-7"), format!("{WORD} 7"));

    // The watcher would have seen it.
    host.inside(&format!("sh -c 'sleep 1; : {WORD}'"));
    assert_ne!(host.inside("touch /tmp/stop; cat /tmp/seen"), "");
}
