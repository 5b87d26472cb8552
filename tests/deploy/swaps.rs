//! A user of a host who owns a directory swaps what is in it while homelab works there as root: nothing outside of it changes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::support::host::Host;
use crate::support::project::{Project, Ran};
use crate::support::snapshot::{self, LoginPaths};

/// How long each host is attacked.
const ATTACK: Duration = Duration::from_secs(30);
/// Operations of a kind in one deploy.
const ITEMS: usize = 6;

/// She renames stages and plants links in their place, all the time; targets and the directory itself now and then, for a moment.
const ATTACKER: &str = r#"
my ($until, $dir, $n, $tricks) = (time + $ARGV[0], "/home/anna/in", 0, 0);
my @victims = ("/etc/victim", "/etc/shadow", "/root", "/etc", "/root/inside/victim");
while (time < $until && ! -e "/home/anna/stop") {
    opendir(my $all, $dir) or next;
    my @names = readdir $all;
    closedir $all;
    for my $name (grep { /^\.homelab-/ } @names) {
        $n++;
        $tricks++ if rename "$dir/$name", "$dir/mine-$n";
        $tricks++ if symlink $victims[rand @victims], "$dir/$name";
        if (rand() < 0.3) { unlink "$dir/$name"; $tricks++ if mkdir "$dir/$name"; symlink "/etc/shadow", "$dir/$name/new" }
    }
    if (rand() < 0.01) {
        for my $name (grep { /^(small|big|set|dir|link|gone)-/ && rand() < 0.1 } @names) {
            next unless rename "$dir/$name", "/home/anna/aside";
            $tricks++ if symlink $victims[rand @victims], "$dir/$name";
            unlink "$dir/$name";
            rename "/home/anna/aside", "$dir/$name";
        }
    }
    if (rand() < 0.005 && rename $dir, "/home/anna/away") {
        $tricks++ if symlink "/root/inside", $dir;
        unlink $dir;
        rename "/home/anna/away", $dir;
    }
}
open(my $told, ">", "/home/anna/tricks"); print $told $tricks;
"#;

/// One task of each kind; `round` makes all of its items new.
const TASKS: &[(&str, &str)] = &[
    (
        "small",
        "op = 'files.put'\ndest = '/home/anna/in/small-{{ item }}'\ncontent = 'round {{ round }}'\nuser = 'anna'\nmode = '0640'",
    ),
    (
        "root",
        "op = 'files.put'\ndest = '/home/anna/in/small-{{ item }}'\ncontent = 'root, round {{ round }}'\nuser = 'root'\nmode = '0600'",
    ),
    (
        "big",
        "op = 'files.put'\ndest = '/home/anna/in/big-{{ round }}-{{ item }}'\nsrc = 'big'\nuser = 'anna'",
    ),
    (
        "directory",
        "op = 'files.directory'\npath = '/home/anna/in/dir-{{ round }}-{{ item }}'\nuser = 'anna'\nmode = '0700'",
    ),
    (
        "attributes",
        "op = 'files.file'\npath = '/home/anna/in/set-{{ round }}-{{ item }}'\nuser = 'anna'\nmode = '0666'",
    ),
    (
        "link",
        "op = 'files.link'\npath = '/home/anna/in/link-{{ item }}'\ntarget = 'round-{{ round }}'",
    ),
    (
        "remove",
        "op = 'files.file'\npath = '/home/anna/in/gone-{{ round }}-{{ item }}'\npresent = false",
    ),
];

fn project() -> Project {
    let project = Project::of(&[
        (
            "inventories/twelve.toml",
            "[hosts.alpha]\nlab = { image = 'debian:12' }\n",
        ),
        ("inventories/thirteen.toml", "[hosts.alpha]\nlab = true\n"),
        ("group_data/all.toml", "round = 0\n"),
    ]);
    project.write("templates/big", vec![b'x'; 1_500_000]);
    let items: Vec<String> = (0..ITEMS).map(|item| format!("'{item}'")).collect();
    for (name, operation) in TASKS {
        let task = format!("[[operation]]\n{operation}\nfor_each = [{}]\n", items.join(", "));
        project.write(&format!("tasks/{name}.toml"), task);
        project.write(
            &format!("deploys/{name}.toml"),
            format!("hosts = ['*']\ntasks = ['{name}']\n"),
        );
    }
    project
}

/// Files that an attack on a path would reach have the names that the operations use.
fn prepare(host: &Host<'_>) {
    host.inside(
        "useradd -m anna; mkdir -m 700 /root/inside /root/inside/victim; umask 077
         for name in /etc/victim /root/inside/small-0 /root/inside/link-0; do echo secret >$name; done
         mkdir /home/anna/in; cd /home/anna/in
         for round in $(seq 0 99); do for item in 0 1 2 3 4 5; do
         echo x >set-$round-$item; echo x >gone-$round-$item
         echo secret >/root/inside/set-$round-$item; echo secret >/root/inside/gone-$round-$item
         done; done; chown -R anna: /home/anna; chmod 755 /home/anna /home/anna/in",
    );
}

fn document(ran: &Ran) -> Json {
    serde_json::from_str(&ran.stdout).unwrap_or_default()
}

/// How many operations were applied.
fn applied(ran: &Ran) -> usize {
    let document = document(ran);
    let results = document["hosts"][0]["results"].as_array().cloned().unwrap_or_default();
    let lines = results
        .iter()
        .flat_map(|result| result["lines"].as_array().cloned().unwrap_or_default());
    lines.filter(|line| line["end"] == "applied").count()
}

#[test]
fn nothing_outside_of_her_directory_changes() {
    let project = project();
    let logins = LoginPaths::committed();
    for name in ["twelve", "thirteen"] {
        let host = project.up(name, "alpha");
        prepare(&host);
        host.inside(&format!(
            "cat >/home/anna/attack.pl <<'E'\n{ATTACKER}\nE\nchown anna: /home/anna/attack.pl"
        ));
        let before = snapshot::files(&host);
        host.start(&format!(
            "setpriv --reuid=anna --regid=anna --clear-groups perl /home/anna/attack.pl {} 2>/home/anna/attack.log",
            ATTACK.as_secs()
        ));
        let start = Instant::now();
        let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let mut round = 0;
        while start.elapsed() < ATTACK {
            for (task, _) in TASKS {
                let data = format!("round={round}");
                let ran = project.homelab(&["deploy", name, task, "--yes", "--format", "json", "--data", &data]);
                // Refused in the review, stopped, stale; never anything else.
                assert!(
                    matches!(ran.code, Some(0 | 1 | 3 | 6)),
                    "{task}: {}{}",
                    ran.stdout,
                    ran.stderr
                );
                let count = counts.entry(task).or_default();
                count.0 += applied(&ran);
                count.1 += usize::from(ran.code != Some(0));
            }
            round += 1;
        }
        host.inside("touch /home/anna/stop");
        host.wait_until("test -s /home/anna/tricks", Duration::from_secs(10));
        let tricks = host.inside("cat /home/anna/tricks");
        println!("{name}: {tricks} tricks in {round} rounds; applied operations and refused deploys: {counts:?}");
        let touched = snapshot::changed(&before, &snapshot::files(&host));
        // An upload is staged in `/home`, where she cannot write; the lock is written, and a step's output is kept in `/tmp`. The
        // journal and what was replaced are in a folder for root alone.
        let own = |path: &String| {
            let directories = ["/home", "/tmp", "/run/homelab.lock", "/var/lib"];
            let folders = ["/home/anna", "/var/lib/homelab"];
            folders.iter().any(|folder| path.starts_with(folder)) || directories.contains(&path.as_str())
        };
        assert_eq!(host.inside("stat -c '%a %U' /var/lib/homelab"), "700 root\n");
        let outside = touched.into_iter().filter(|path| !own(path));
        assert_eq!(logins.unexplained(outside), Vec::<String>::new(), "{name}");
        // The attack was one, and the work went on.
        assert!(tricks.trim().parse::<usize>().unwrap() > 100, "{tricks}");
        for (task, (applied, _)) in &counts {
            assert!(*applied > 0, "{name}: {task}: {counts:?}");
        }
        // Left alone, every kind of work converges.
        for (task, _) in TASKS {
            if *task == "root" {
                continue;
            }
            let run = || project.homelab(&["deploy", name, task, "--yes", "--data", "round=99"]);
            run().expect(0);
            assert!(run().expect(0).stdout.contains("nothing to do"), "{name}: {task}");
        }
        project.homelab(&["lab", "down", name]).expect(0);
    }
}

/// What an archive would write over, and the archive itself, are as they were reviewed, or nothing is extracted.
#[test]
fn what_comes_in_the_way_of_an_archive_after_the_review_stays() {
    let extracts = "[[operation]]\nop = 'files.unarchive'\nsrc = '/srv/app.tar'\ndest = '/srv/app'\n";
    let makes = "rm -rf /srv/app /srv/src; mkdir -p /srv/app /srv/src/bin; cd /srv/src; echo one >bin/run; tar -cf ../app.tar bin";
    let project = Project::of(&[("inventories/thirteen.toml", "[hosts.alpha]\nlab = true\n")]);
    project.write("deploys/extract.toml", "hosts = ['*']\ntasks = ['extract']\n");
    let host = project.up("thirteen", "alpha");
    let deploy = |first: &str| {
        project.write("tasks/extract.toml", format!("{first}{extracts}"));
        project.homelab(&["deploy", "thirteen", "extract", "--yes"])
    };
    let mine = "mkdir -p /srv/app/bin && echo MINE >/srv/app/bin/run";
    for (before, comes, told, left) in [
        ("", mine, "what is in /srv/app has changed", "MINE\n"),
        ("rm -r /srv/app/bin", mine, "what is in /srv/app has changed", "MINE\n"),
        (
            "echo other >/srv/app/bin/run",
            mine,
            "what is in /srv/app has changed",
            "MINE\n",
        ),
        (
            "rm /srv/app/bin/run",
            "echo x >>/srv/app.tar",
            "/srv/app.tar has changed",
            "",
        ),
    ] {
        host.inside(makes);
        if !before.is_empty() {
            deploy("").expect(0);
            host.inside(before);
        }
        let first = format!(
            "[[operation]]\nop = 'server.shell'\ncommands = ['{comes}']\nalways = true\ntouches = ['/srv/other']\n\n"
        );
        let ran = deploy(&first);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, Some(6), "{before}, {comes}: {all}");
        assert!(all.contains(told), "{before}, {comes}: {all}");
        assert_eq!(
            host.inside("cat /srv/app/bin/run 2>/dev/null || :"),
            left,
            "{before}, {comes}"
        );
        host.inside("rm -rf /var/lib/homelab/archives");
    }
}

/// A first operation does what a user could do while the review is read.
#[test]
fn a_directory_that_is_swapped_after_the_review_gets_nothing() {
    let swap = "[[operation]]\nop = 'server.shell'\ncommands = ['mv /home/anna/in /home/anna/away', 'ln -s /root/inside /home/anna/in']\n\
                always = true\nbecome_user = 'anna'\ntouches = ['/home/anna/other']\n\n";
    let project = project();
    for (name, operation) in TASKS {
        project.write(
            &format!("tasks/{name}.toml"),
            format!("{swap}[[operation]]\n{}\n", operation.replace("{{ item }}", "0")),
        );
    }
    let host = project.up("thirteen", "alpha");
    prepare(&host);
    let look = "cd /root/inside; find . | sort; find . -type f -exec cat {} +; stat -c '%n %a %U %Y %Z' . *";
    let before = host.inside(look);
    for (task, _) in TASKS {
        let ran = project.homelab(&["deploy", "thirteen", task, "--yes"]);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, Some(6), "{task}: {told}");
        assert!(
            told.contains("has changed") && told.contains("the host changed since the review"),
            "{task}: {told}"
        );
        host.inside("rm /home/anna/in && mv /home/anna/away /home/anna/in");
    }
    // What `useradd` and `userdel` would do there by name is refused.
    let users =
        "useradd -M -d /home/anna/in/away away; mkdir -m 700 /home/anna/in/away; chown away: /home/anna/in/away";
    host.inside(users);
    for (user, wish) in [
        ("new", "home = '/home/anna/in/new'"),
        ("away", "present = false\nremove_home = true"),
    ] {
        let task = format!("{swap}[[operation]]\nop = 'server.user'\nuser = '{user}'\n{wish}\n");
        project.write("tasks/small.toml", task);
        let told = project
            .homelab(&["deploy", "thirteen", "small", "--yes"])
            .expect(3)
            .stderr;
        assert!(
            told.contains("other users can change the directory of"),
            "{user}: {told}"
        );
    }
    assert_eq!(host.inside("getent passwd new away | cut -d : -f 1"), "away\n");
    assert_eq!(host.inside(look), before);
}

/// What was not in the review is not removed, also where a whole directory goes.
#[test]
fn what_comes_into_a_directory_after_the_review_stays() {
    let comes = "[[operation]]\nop = 'server.shell'\ncommands = ['echo precious >/srv/kept/gone/precious.db']\n\
                 always = true\ntouches = ['/srv/other']\n\n";
    let removals = [
        "op = 'files.directory'\npath = '/srv/kept/gone'\npresent = false\nrecursive = true\n",
        "op = 'files.sync'\nsrc = 'kept'\ndest = '/srv/kept'\ndelete = 'all'\nprotect = ['*.db']\n",
    ];
    let project = project();
    project.write("templates/kept/a", "a");
    project.write("deploys/removal.toml", "hosts = ['*']\ntasks = ['removal']\n");
    let host = project.up("thirteen", "alpha");
    for removal in removals {
        host.inside("rm -rf /srv/kept; mkdir -p /srv/kept/gone; echo reviewed >/srv/kept/gone/a");
        project.write("tasks/removal.toml", format!("{comes}[[operation]]\n{removal}"));
        let ran = project.homelab(&["deploy", "thirteen", "removal", "--yes"]);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, Some(6), "{told}");
        assert!(told.contains("what is in /srv/kept/gone has changed"), "{told}");
        let left = host.inside("cat /srv/kept/gone/a /srv/kept/gone/precious.db");
        assert_eq!(left, "reviewed\nprecious\n");
    }
}
