//! Whole reviews: real projects, planned by `plan::build` from facts.

use insta::assert_snapshot;

use super::*;
use crate::facts::apt::{InstallationFact, SimulatedInstall, Simulation};
use crate::facts::path::{ContentFact, Inode, InodeKind, PathFact};
use crate::facts::unit::{UnitFact, UnitState};
use crate::facts::{Fact, FactKey, Facts, Installation};
use crate::plan::{Plan, Snapshot, build};
use crate::project::{Filter, Selection, load, select};
use crate::report::review::Review;
use crate::report::{html, json, markdown, text};
use crate::secret::{DigestKey, sha256_hex};

pub(super) const TASKS: &str = "
[[operation]]
op = 'apt.packages'
packages = ['prometheus-node-exporter']

[[operation]]
op = 'files.put'
dest = '/etc/default/exporter'
content = \"ARGS=''\\n\"
mode = '0640'
sensitive = true
[[operation]]
op = 'files.put'
dest = '/etc/motd'
content = \"hello\\nworld\\n\"
mode = '0644'

[[operation]]
op = 'systemd.service'
service = 'exporter'
state = 'started'
enabled = true

[[operation]]
op = 'systemd.service'
service = 'apt-daily.timer'
state = 'started'
enabled = true

[[operation]]
op = 'files.line'
path = '/etc/exporter.conf'
line = 'a=1'

[[operation]]
op = 'files.directory'
path = '/etc'
";

fn inode(kind: InodeKind) -> Fact {
    Fact::Path(PathFact::Present(Inode {
        owner_id: None,
        group_id: None,
        kind,
        owner: "root".to_owned(),
        group: "root".to_owned(),
        mode: 0o755,
    }))
}

fn installation(wish: &Installation) -> Simulation {
    let install = |name: &str, old: Option<&str>, new: &str| SimulatedInstall {
        name: name.to_owned(),
        old: old.map(str::to_owned),
        new: new.to_owned(),
        automatic: false,
    };
    let mut installs: Vec<SimulatedInstall> = wish
        .packages
        .iter()
        .map(|name| install(name, None, "1.9.0-1"))
        .collect();
    installs.extend((1..=12).map(|number| install(&format!("libsomething{number}"), None, "1.6.15-1")));
    installs.push(install("libc6", Some("2.41-1"), "2.41-2"));
    Simulation {
        installs,
        removals: vec![crate::facts::apt::SimulatedRemoval {
            name: "exim4".to_owned(),
            old: "4.98".to_owned(),
        }],
        ..Simulation::default()
    }
}

/// A fresh host: everything that is not listed here is absent.
pub(super) fn fresh(key: &FactKey) -> Fact {
    let bytes = |text: &str| Fact::Content(ContentFact::Bytes(text.as_bytes().to_vec()));
    match key {
        FactKey::System => Fact::System(Box::default()),
        FactKey::Path(path) if ["/", "/etc"].contains(&path.as_str()) => inode(InodeKind::Directory),
        FactKey::Path(path) if path == "/etc/motd" => inode(InodeKind::File {
            digest: crate::value::Known::Yes(sha256_hex(b"hello\nold world\n")),
        }),
        FactKey::Content(path) if path == "/etc/motd" => bytes("hello\nold world\n"),
        FactKey::Unit(name) if name == "apt-daily.timer" => Fact::Unit(UnitFact::Present(UnitState {
            id: name.clone(),
            active: "inactive".to_owned(),
            enabled: "disabled".to_owned(),
            load: "loaded".to_owned(),
            can_start: true,
            ..UnitState::default()
        })),
        FactKey::PackageLists => Fact::PackageLists(crate::facts::apt::ListsFact {
            age: Some(60),
            refreshed: false,
            outdated: false,
        }),
        FactKey::Check(_) => Fact::Check(crate::facts::check::CheckFact::Holds),
        FactKey::Installation(wish) => Fact::Installation(InstallationFact::Possible(installation(wish))),
        other => other.absent().expect("a fact for what is always there"),
    }
}

pub(super) fn run_of(task: &str, inventory: &str, filter: &Filter) -> Selection {
    let root = tempfile::tempdir().expect("a folder");
    for (path, text) in [
        ("inventories/dev.toml", inventory),
        (
            "deploys/site.toml",
            "hosts = ['*']\ntasks = ['system/monitoring', 'system/other']",
        ),
        ("tasks/system/monitoring.toml", task),
        (
            "tasks/system/other.toml",
            "[[operation]]\nop = 'files.directory'\npath = '/etc'",
        ),
    ] {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
        std::fs::write(path, text).expect("write");
    }
    let project = load(root.path()).expect("valid");
    select(&project, "dev", "site", filter).expect("hosts and tasks")
}

fn plan(run: &Selection, plan: &Plan, options: &TextOptions) -> String {
    text(&Review::planned(run, plan, &[], true, options.full_diff), options)
}

fn settle(run: &Selection, answer: impl Fn(&str, &FactKey) -> Fact) -> Plan {
    settle_in(run, answer, false)
}

/// The plan when hosts answer; `is_reversed` is whether they answer in the other order.
pub(super) fn settle_in(run: &Selection, answer: impl Fn(&str, &FactKey) -> Fact, is_reversed: bool) -> Plan {
    let key = DigestKey::random();
    let mut known = Snapshot::default();
    for _ in 0..4 {
        let build = build(run, &known, &key);
        assert_eq!(build.mistakes, []);
        if build.missing.is_empty() {
            return build.plan;
        }
        let missing = build
            .missing
            .iter()
            .flat_map(|(host, keys)| keys.iter().map(move |key| (host, key)));
        let mut missing: Vec<_> = missing.collect();
        if is_reversed {
            missing.reverse();
        }
        for (host, key) in missing {
            let facts: &mut Facts = known.facts.entry(host.clone()).or_default();
            facts.insert(key.clone(), answer(host, key));
        }
    }
    panic!("still missing facts");
}

#[test]
fn a_fresh_host() {
    let run = run_of(TASKS, "[hosts.services-dev]", &Filter::default());
    let reviewed = settle(&run, |_, key| fresh(key));
    assert_snapshot!(plain(&plan(&run, &reviewed, &TextOptions::default())), @"
    services-dev
      system/monitoring
        + package prometheus-node-exporter   1.9.0-1
          and 12 additional packages: libsomething1 1.6.15-1, … (--verbose lists all)
          and upgrades 1 package:
            ~ libc6 2.41-1 → 2.41-2
          and removes 1 package:
            - exim4
        + file /etc/default/exporter
            0640 root:root, content (hidden: not readable by everyone on the host)
            unless `apt.packages prometheus-node-exporter` already creates it
        ~ file /etc/motd   mode 0755 → 0644
            @@ -1,2 +1,2 @@
              hello
            - old world
            + world
        ~ unit exporter.service   active, enabled
            unless `apt.packages prometheus-node-exporter` already does that
        ~ unit apt-daily.timer   inactive → active, disabled → enabled
        ? files.line /etc/exporter.conf   known after `apt.packages prometheus-node-exporter`:
            path `/etc/exporter.conf`: a package may create it
            may change /etc/exporter.conf
      2 operations unchanged

    services-dev: 2 to create, 3 to change, 0 to remove, 1 operation known later, 2 operations unchanged
        additional packages: 12 to install, 1 to upgrade, 1 to remove
    ");
    assert_snapshot!(plain(&plan(&run, &reviewed, &verbose())), @"
    services-dev
      system/monitoring
        + package prometheus-node-exporter   1.9.0-1
            runs `apt-get install prometheus-node-exporter`
          and 12 additional packages:
            + libsomething1 1.6.15-1
            + libsomething2 1.6.15-1
            + libsomething3 1.6.15-1
            + libsomething4 1.6.15-1
            + libsomething5 1.6.15-1
            + libsomething6 1.6.15-1
            + libsomething7 1.6.15-1
            + libsomething8 1.6.15-1
            + libsomething9 1.6.15-1
            + libsomething10 1.6.15-1
            + libsomething11 1.6.15-1
            + libsomething12 1.6.15-1
          and upgrades 1 package:
            ~ libc6 2.41-1 → 2.41-2
          and removes 1 package:
            - exim4
            from tasks/system/monitoring.toml:3:6, `apt.packages prometheus-node-exporter`
        + file /etc/default/exporter
            0640 root:root, content (hidden: not readable by everyone on the host)
            unless `apt.packages prometheus-node-exporter` already creates it
            from tasks/system/monitoring.toml:7:6, `files.put /etc/default/exporter`
        ~ file /etc/motd   mode 0755 → 0644
            @@ -1,2 +1,2 @@
              hello
            - old world
            + world
            unchanged: owner root, group root
            from tasks/system/monitoring.toml:13:6, `files.put /etc/motd`
        ~ unit exporter.service   active, enabled
            unless `apt.packages prometheus-node-exporter` already does that
            runs `systemctl enable exporter.service`
            runs `systemctl start exporter.service`
            from tasks/system/monitoring.toml:19:6, `systemd.service exporter`
        ~ unit apt-daily.timer   inactive → active, disabled → enabled
            runs `systemctl enable apt-daily.timer`
            runs `systemctl start apt-daily.timer`
            from tasks/system/monitoring.toml:25:6, `systemd.service apt-daily.timer`
        ? files.line /etc/exporter.conf   known after `apt.packages prometheus-node-exporter`:
            path `/etc/exporter.conf`: a package may create it
            may change /etc/exporter.conf
            from tasks/system/monitoring.toml:31:6, `files.line /etc/exporter.conf`
        = files.directory /etc   unchanged
            from tasks/system/monitoring.toml:36:6, `files.directory /etc`
      system/other
        = files.directory /etc   unchanged
            from tasks/system/other.toml:2:6, `files.directory /etc`

    services-dev: 2 to create, 3 to change, 0 to remove, 1 operation known later, 2 operations unchanged
        additional packages: 12 to install, 1 to upgrade, 1 to remove
    ");
}

#[test]
fn what_a_package_may_create_is_said_once_and_many_new_files_are_shortened() {
    let files = |count: usize, lines: usize| -> String {
        let lines: Vec<String> = (1..=lines).map(|line| format!("line {line}\\n")).collect();
        let content = lines.concat();
        let one = |number| {
            format!(
                "[[operation]]\nop = 'files.put'\ndest = '/etc/new{number}'\ncontent = \"{content}\"\nmode = '0644'\n"
            )
        };
        let package = "[[operation]]\nop = 'apt.packages'\npackages = ['prometheus-node-exporter']\n";
        (0..count).fold(package.to_owned(), |all, number| all + &one(number))
    };
    for (count, lines, shown, shortened) in [(3, 20, 20, false), (13, 20, 8, true), (30, 10, 10, false)] {
        let run = run_of(&files(count, lines), "[hosts.services-dev]", &Filter::default());
        let reviewed = settle(&run, |_, key| fresh(key));
        let text = plain(&plan(&run, &reviewed, &TextOptions::default()));
        assert_eq!(text.matches("already creates it").count(), 1, "{text}");
        assert_eq!(text.matches("+ line ").count(), count * shown, "{text}");
        let more = format!("{} more lines", lines - shown);
        assert_eq!(text.contains(&more), shortened, "{text}");
        let whole = TextOptions {
            full_diff: true,
            ..TextOptions::default()
        };
        let text = plain(&plan(&run, &reviewed, &whole));
        assert_eq!(text.matches("+ line ").count(), count * lines, "{text}");
    }
}

#[test]
fn the_same_values_give_the_same_bytes() {
    let run = run_of(TASKS, "[hosts.services-dev]", &Filter::default());
    // The key of hidden digests differs each time.
    let text = || plan(&run, &settle(&run, |_, key| fresh(key)), &verbose());
    assert_eq!(text(), text());
}

#[test]
fn equal_hosts_are_shown_once_and_idle_ones_counted() {
    let inventory = "[hosts.a]\n[hosts.b]\n[hosts.c]\n[hosts.idle-1]\n[hosts.idle-2]";
    let task = "[[operation]]\nop = 'files.directory'\npath = '/etc/x'\nmode = '0700'";
    let run = run_of(task, inventory, &Filter::default());
    let reviewed = settle(&run, |host, key| match key {
        FactKey::Path(path) if path == "/etc/x" && host != "a" && host != "b" => {
            let mode = if host == "c" { 0o755 } else { 0o700 };
            let Fact::Path(PathFact::Present(present)) = inode(InodeKind::Directory) else {
                unreachable!()
            };
            Fact::Path(PathFact::Present(Inode { mode, ..present }))
        }
        _ => fresh(key),
    });
    assert_snapshot!(plain(&plan(&run, &reviewed, &TextOptions::default())), @"
    the same on a, b
      system/monitoring
        + directory /etc/x   0700 root:root
      1 operation unchanged

    c
      system/monitoring
        ~ directory /etc/x   mode 0755 → 0700
      1 operation unchanged

    a, b on each: 1 to create, 0 to change, 0 to remove, 1 operation unchanged
    c: 0 to create, 1 to change, 0 to remove, 1 operation unchanged
    idle-1, idle-2: nothing to do
    5 hosts in total: 2 to create, 1 to change, 0 to remove, 7 operations unchanged
    ");
}

#[test]
fn nothing_to_do_is_said_and_what_was_left_out_too() {
    let task = "[[operation]]\nop = 'files.directory'\npath = '/etc'";
    let filter = Filter {
        limit: vec!["a".to_owned()],
        only: vec!["system/monitoring".to_owned()],
        ..Filter::default()
    };
    let run = run_of(task, "[hosts.a]\n[hosts.b]\n[hosts.c]", &filter);
    let reviewed = settle(&run, |_, key| fresh(key));
    assert_snapshot!(plain(&plan(&run, &reviewed, &TextOptions::default())), @"
    nothing to do on 1 host: 1 operation unchanged
    skipped: task system/other (--only); hosts b, c (--limit)
    ");
    assert_snapshot!(plain(&plan(&run, &reviewed, &verbose())), @"
    a
      system/monitoring
        = files.directory /etc   unchanged
            from tasks/system/monitoring.toml:2:6, `files.directory /etc`

    nothing to do on 1 host: 1 operation unchanged
    skipped: task system/other (--only); hosts b, c (--limit)
    ");
}

#[test]
fn the_hint_to_set_touches_names_only_what_takes_it() {
    let task = "[[operation]]\nop = 'server.shell'\ncommands = ['true']\nalways = true\n\
        [[operation]]\nop = 'files.line'\npath = '/etc/motd'\nline = 'hello'";
    let run = run_of(task, "[hosts.a]", &Filter::default());
    let mut reviewed = settle(&run, |_, key| fresh(key));
    let hint = |reviewed: &Plan| {
        plain(&plan(&run, reviewed, &TextOptions::default())).contains("hint: `server.shell true` may change anything")
    };
    assert!(hint(&reviewed));
    reviewed.hosts[0].operations[0].takes_touches = false;
    assert!(!hint(&reviewed));
}

#[test]
fn hosts_that_did_not_fail_are_named() {
    let task = "[[operation]]\nop = 'files.directory'\npath = '/etc'";
    let mut run = run_of(task, "[hosts.a]", &Filter::default());
    run.hosts_not_failed = vec!["b".to_owned(), "c".to_owned()];
    let reviewed = settle(&run, |_, key| fresh(key));
    let text = plain(&plan(&run, &reviewed, &TextOptions::default()));
    assert!(text.contains("skipped: hosts b, c (--only-failed)"), "{text}");
}

#[test]
fn what_items_and_tags_left_out_is_said() {
    let task = "[[operation]]\nop = 'files.directory'\npath = '/etc'\ntags = ['slow', 'etc']";
    let filter = Filter {
        tags: vec!["slow".to_owned(), "etc".to_owned()],
        ..Filter::default()
    };
    let mut run = run_of(task, "[hosts.a]", &filter);
    run.items_left_out_of = vec!["system/monitoring".to_owned()];
    let reviewed = settle(&run, |_, key| fresh(key));
    assert_snapshot!(plain(&plan(&run, &reviewed, &TextOptions::default())), @"
    nothing to do on 1 host: 1 operation unchanged
    skipped: other items of system/monitoring (--only); operations not tagged slow or etc (--tags)
    ");
    let with_items = |count: usize| {
        let mut reviewed = reviewed.clone();
        let items = (1..=count).map(|at| format!("item{at}")).collect();
        reviewed.hosts[0]
            .items_left_out
            .insert("system/monitoring".to_owned(), items);
        plain(&plan(&run, &reviewed, &TextOptions::default()))
    };
    assert!(with_items(2).contains("skipped: item1, item2 of system/monitoring (--only)"));
    assert!(with_items(20).contains(", item19, item20 of system/monitoring (--only)"));
    assert!(with_items(21).contains("skipped: 21 other items of system/monitoring (--only)"));
}

#[test]
fn what_conditions_skip_is_counted_and_listed() {
    let task = "[[operation]]\nop = 'files.directory'\npath = '/etc'\n[[operation]]\nop = 'files.directory'\npath = '/srv/<b>'\n\
        when = 'false'";
    let run = run_of(task, "[hosts.a]", &Filter::default());
    let reviewed = settle(&run, |_, key| fresh(key));
    assert_snapshot!(plain(&plan(&run, &reviewed, &TextOptions::default())), @"nothing to do on 1 host: 2 operations unchanged, 1 skipped (when)");
    let skipped =
        "skipped (when): `system/monitoring / files.directory /srv/<b>` from tasks/system/monitoring.toml:5:6";
    let shown = plain(&plan(&run, &reviewed, &verbose()));
    assert!(shown.contains(skipped), "{shown}");
    let review = Review::planned(&run, &reviewed, &[], true, false);
    let document: serde_json::Value = serde_json::from_str(&json(&review)).expect("JSON");
    assert_eq!(document["totals"]["skipped"], 1);
    let listed = serde_json::json!([{
        "name": "system/monitoring / files.directory /srv/<b>",
        "written_at": "tasks/system/monitoring.toml:5:6",
    }]);
    assert_eq!(document["hosts"][0]["skipped"], listed);
    // A host with something to do has a section.
    let busy = settle(&run, |_, key| match key {
        FactKey::Path(path) if path == "/etc" => Fact::Path(PathFact::Absent),
        other => fresh(other),
    });
    let review = Review::planned(&run, &busy, &[], true, false);
    let page = html(&review);
    assert!(
        page.contains("1 skipped (when)") && page.contains("/srv/&lt;b&gt;"),
        "{page}"
    );
    let comment = markdown(&review);
    let skipped = skipped.replace("tasks/system/monitoring.toml:5:6", "`tasks/system/monitoring.toml:5:6`");
    assert!(comment.contains(&skipped), "{comment}");
}

#[test]
fn a_host_without_package_lists() {
    let task = "[[operation]]\nop = 'apt.packages'\npackages = ['one', 'two']";
    let run = run_of(task, "[hosts.a]", &Filter::default());
    let reviewed = settle(&run, |_, key| match key {
        FactKey::Installation(_) => Fact::Installation(InstallationFact::NoLists),
        _ => fresh(key),
    });
    assert_snapshot!(plain(&plan(&run, &reviewed, &TextOptions::default())), @"
    a
      system/monitoring
        + package one   (known after apply: the host has no package lists; they are fetched first)
        + package two   (known after apply)
          and additional packages (known after apply)
      1 operation unchanged

    a: 2 to create, 0 to change, 0 to remove, 1 operation unchanged
        additional packages: known later
    ");
}

#[test]
fn a_hidden_file_never_shows_its_digest() {
    let run = run_of(TASKS, "[hosts.services-dev]", &Filter::default());
    let reviewed = settle(&run, |_, key| fresh(key));
    let digests: Vec<&str> = reviewed.hosts[0]
        .operations
        .iter()
        .flat_map(PlannedOperation::changes)
        .flat_map(|change| change.after.iter().flat_map(|after| after.values()))
        .filter_map(|attribute| match attribute {
            Attribute::Secret(digest) => Some(digest.0.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(digests.len(), 1);
    let text = plan(&run, &reviewed, &verbose());
    assert!(text.contains("(hidden: not readable by everyone on the host)"));
    assert!(!text.contains(&digests[0][..12]) && !text.contains("ARGS"), "{text}");
}
