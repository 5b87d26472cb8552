use super::*;
use crate::facts::path::{Inode, Listing};
use crate::secret::DigestKey;

fn found(kind: Kind, name: &str, written: &str) -> Found {
    let key = DigestKey::random();
    let digest = key.digest(&sha256_hex(written.as_bytes())).0;
    Found {
        creation: Creation::new(kind, name, Some(digest.clone())).expect("a name"),
        written: vec![(key, digest)],
        is_there: true,
    }
}

fn at(kind: InodeKind) -> Fact {
    Fact::Path(PathFact::Present(Inode {
        owner_id: None,
        group_id: None,
        kind,
        owner: "root".to_owned(),
        group: "root".to_owned(),
        mode: 0o644,
    }))
}

fn file(text: &str) -> Fact {
    at(InodeKind::File {
        digest: Known::Yes(sha256_hex(text.as_bytes())),
    })
}

fn facts(all: &[(&str, Fact)]) -> Facts {
    let mut facts = Facts::default();
    for (path, fact) in all {
        facts.insert(FactKey::Path((*path).to_owned()), fact.clone());
    }
    facts
}

fn listing(facts: &mut Facts, path: &str, entries: &[(&str, EntryKind)]) {
    let entries = entries.iter().map(|(name, kind)| ((*name).to_owned(), *kind));
    let listing = Listing {
        entries: entries.collect(),
        ..Listing::default()
    };
    facts.insert(FactKey::Listing(path.to_owned()), Fact::Listing(listing));
}

fn told(found: &[Found], facts: &Facts) -> Vec<String> {
    let judged = judged(found, facts);
    judged
        .orphans
        .iter()
        .filter_map(|orphan| orphan.notice(false))
        .collect()
}

#[test]
fn what_was_changed_since_is_told() {
    let all = [
        found(Kind::File, "/etc/own", "a"),
        found(Kind::File, "/etc/changed", "a"),
        found(Kind::Link, "/etc/link", "own"),
        found(Kind::File, "/etc/gone", "a"),
        found(Kind::File, "/etc/other", "a"),
    ];
    let facts = facts(&[
        ("/etc/own", file("a")),
        ("/etc/changed", file("b")),
        (
            "/etc/link",
            at(InodeKind::Link {
                target: "else".to_owned(),
            }),
        ),
        ("/etc/gone", Fact::Path(PathFact::Absent)),
        ("/etc/other", at(InodeKind::Directory)),
    ]);
    assert_eq!(
        told(&all, &facts),
        [
            "orphan: link /etc/link is no longer in the configuration, and was changed since homelab wrote it; `--prune` removes it",
            "orphan: file /etc/changed is no longer in the configuration, and was changed since homelab wrote it; `--prune` removes it",
            "orphan: file /etc/other is no longer in the configuration; something else is in its place now",
            "orphan: file /etc/own is no longer in the configuration; `--prune` removes it",
        ]
    );
    assert_eq!(judged(&all, &facts).absent.len(), 1);
}

#[test]
fn what_is_behind_a_link_now_stays() {
    let all = [
        found(Kind::File, "/srv/a/b/c", "x"),
        found(Kind::Directory, "/srv/a/b", ""),
        found(Kind::Link, "/srv/a", "/srv/victim"),
    ];
    let link = at(InodeKind::Link {
        target: "/srv/victim".to_owned(),
    });
    let facts = facts(&[
        ("/srv", at(InodeKind::Directory)),
        ("/srv/a", link),
        ("/srv/a/b", at(InodeKind::Directory)),
        ("/srv/a/b/c", file("x")),
    ]);
    assert_eq!(
        told(&all, &facts),
        [
            "orphan: link /srv/a is no longer in the configuration; `--prune` removes it",
            "orphan: file /srv/a/b/c is no longer in the configuration; a link is on the way to it now: `/srv/a`",
            "orphan: directory /srv/a/b is no longer in the configuration; a link is on the way to it now: `/srv/a`",
        ]
    );
    assert!(orphan_keys(&all).contains(&FactKey::PathResolution("/srv/a/b".to_owned())));
}

#[test]
fn a_directory_goes_if_only_orphans_are_in_it() {
    let all = [
        found(Kind::Directory, "/srv/a", ""),
        found(Kind::Directory, "/srv/a/b", ""),
        found(Kind::File, "/srv/a/b/c", "x"),
        found(Kind::Directory, "/srv/d", ""),
    ];
    let directory = || at(InodeKind::Directory);
    let mut facts = facts(&[
        ("/srv/a", directory()),
        ("/srv/a/b", directory()),
        ("/srv/a/b/c", file("x")),
        ("/srv/d", directory()),
    ]);
    listing(
        &mut facts,
        "/srv/a",
        &[("b", EntryKind::Directory), ("b/c", EntryKind::File)],
    );
    listing(&mut facts, "/srv/a/b", &[("c", EntryKind::File)]);
    listing(&mut facts, "/srv/d", &[("mine", EntryKind::File)]);
    let judged = judged(&all, &facts);
    let order: Vec<String> = judged.orphans.iter().map(ToString::to_string).collect();
    assert_eq!(
        order,
        [
            "file /srv/a/b/c",
            "directory /srv/a/b",
            "directory /srv/a",
            "directory /srv/d"
        ]
    );
    let stays = judged.orphans.last().and_then(|orphan| orphan.stays.clone());
    assert_eq!(stays.as_deref(), Some("it stays, since `/srv/d/mine` is in it"));
}

#[test]
fn a_directory_of_the_system_stays_and_nothing_else_is_said_of_it() {
    let all = [found(Kind::Directory, "/config", "")];
    let mut facts = facts(&[("/config", at(InodeKind::Directory))]);
    listing(&mut facts, "/config", &[]);
    let expected = "orphan: directory /config is no longer in the configuration; it stays, since homelab removes no directories of the system";
    let orphans = judged(&all, &facts).orphans;
    for prunes in [false, true] {
        let told: Vec<String> = orphans.iter().filter_map(|one| one.notice(prunes)).collect();
        assert_eq!(told, [expected]);
    }
    assert!(removals(orphans.iter().filter(|one| one.stays.is_none()), &facts).is_none());
}

#[test]
fn units_go_by_their_own_operation_and_timers_first() {
    let all = [
        found(Kind::File, "/etc/systemd/system/old.service", "a"),
        found(Kind::File, "/etc/systemd/system/old.timer", "a"),
        found(Kind::File, "/etc/systemd/system/ssh.service.d/10-old.conf", "a"),
        found(Kind::Cron, "ann tidy up", "* * * * * true"),
    ];
    let mut facts = facts(&[
        ("/etc/systemd/system/old.service", file("a")),
        ("/etc/systemd/system/old.timer", file("a")),
        ("/etc/systemd/system/ssh.service.d/10-old.conf", file("a")),
    ]);
    facts.insert(
        FactKey::Content("/var/spool/cron/crontabs/ann".to_owned()),
        Fact::Content(ContentFact::Bytes(b"# homelab: tidy up\n* * * * * true\n".to_vec())),
    );
    let judged = judged(&all, &facts);
    let task = removals(&judged.orphans, &facts).expect("a task");
    let task: Table = task.parse().expect("TOML");
    let lines: Vec<String> = task["operation"]
        .as_array()
        .expect("operations")
        .iter()
        .map(|one| {
            let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
            format!(
                "{} {}{}{}",
                text("op"),
                text("unit"),
                text("drop_in"),
                text("cron_name")
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "crontab.crontab tidy up",
            "systemd.unit old.timer",
            "systemd.unit old.service",
            "systemd.unit ssh.service10-old",
        ]
    );
}

#[test]
fn a_compose_project_is_an_orphan_with_its_containers_and_goes_before_its_files() {
    let project = |containers: usize| {
        let container = crate::facts::compose::Container {
            directory: "/opt/stacks/web".to_owned(),
            ..crate::facts::compose::Container::default()
        };
        Fact::ComposeProject(Box::new(crate::facts::compose::Project {
            containers: vec![container; containers],
            ..crate::facts::compose::Project::default()
        }))
    };
    let on_host = |containers: usize, engine: Engine| {
        let mut facts = facts(&[("/opt/stacks/web/compose.yaml", file("services: {}"))]);
        facts.insert(FactKey::ComposeProject("web".to_owned()), project(containers));
        facts.insert(FactKey::DockerEngine, Fact::DockerEngine(engine));
        let volumes = crate::facts::docker::Volume {
            driver: "local".to_owned(),
            options: std::collections::BTreeMap::new(),
            labels: std::collections::BTreeMap::new(),
            containers: Vec::new(),
        };
        let volumes = [("web_data".to_owned(), volumes)].into();
        facts.insert(FactKey::ProjectVolumes("web".to_owned()), Fact::ProjectVolumes(volumes));
        facts
    };
    let all = [
        found(Kind::File, "/opt/stacks/web/compose.yaml", "services: {}"),
        found(Kind::Project, "web", ""),
    ];
    let keys = orphan_keys(&all);
    for key in [
        FactKey::DockerEngine,
        FactKey::ComposeProject("web".to_owned()),
        FactKey::ProjectVolumes("web".to_owned()),
    ] {
        assert!(keys.contains(&key), "{key}");
    }
    let facts = on_host(1, Engine::Running);
    let judged_now = judged(&all, &facts);
    let notices: Vec<String> = judged_now.orphans.iter().filter_map(|one| one.notice(false)).collect();
    assert_eq!(
        notices,
        [
            "orphan: compose project web is no longer in the configuration; `--prune` removes it; its volumes stay: web_data",
            "orphan: file /opt/stacks/web/compose.yaml is no longer in the configuration; `--prune` removes it",
        ]
    );
    let task = removals(&judged_now.orphans, &facts).expect("operations");
    let project = task.find("docker.compose").expect("the project");
    assert!(project < task.find("files.file").expect("the file"), "{task}");
    assert!(task.contains("project_directory = \"/opt/stacks/web\""), "{task}");

    let gone = judged(&all[1..], &on_host(0, Engine::Running));
    assert!(gone.orphans.is_empty() && gone.absent.len() == 1);
    // Its containers may be there once the engine runs.
    let stopped = judged(&all[1..], &on_host(0, Engine::Stopped("why".to_owned())));
    assert!(stopped.orphans[0].stays.is_some());
}
