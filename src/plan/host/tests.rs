//! Operations that others notify. The language has no way to write them yet, so the tests set the trigger.

use super::*;
use crate::change::Outcome;
use crate::facts::overlay::OperationId;
use crate::facts::path::{Inode, InodeKind, PathFact};
use crate::facts::{Fact, Facts};
use crate::plan::visible::Asked;
use crate::plan::{Snapshot, Trigger};
use crate::project::{Filter, Selection, load, select};
use crate::secret::{DigestKey, sha256_hex};
use crate::value::Known;

const NOTIFIER: &str = "[[operation]]\nname = 'notifier'\nop = 'files.put'\ndest = '/a'\ncontent = 'x'\n";
const NOTIFIED: &str =
    "[[operation]]\nname = 'notified'\nop = 'server.shell'\ncommands = ['true']\nalways = true\ntouches = ['/b']\n";
const LATER: &str = "[[operation]]\nname = 'later'\nop = 'files.put'\ndest = '/b'\ncontent = 'y'\n";
/// Makes `/a` unknown.
const COMMAND: &str =
    "[[operation]]\nname = 'before'\nop = 'server.shell'\ncommands = ['true']\nalways = true\ntouches = ['/a']\n";

fn selection(task: &str) -> Selection {
    let root = tempfile::tempdir().expect("a folder");
    let files = [
        ("inventories/dev.toml", "[hosts.web]"),
        ("deploys/site.toml", "hosts = ['*']\ntasks = ['t/t']"),
        ("tasks/t/t.toml", task),
    ];
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
        std::fs::write(path, text).expect("write");
    }
    let project = load(root.path()).expect("valid");
    select(&project, "dev", "site", &Filter::default()).expect("a host and a task")
}

fn id(slug: &str) -> OperationId {
    OperationId(format!("web / t/t / {slug}"))
}

/// A host that has `/a` with `content`, or nothing.
fn host_with(content: Option<&str>) -> Snapshot {
    let inode = |kind| {
        Fact::Path(PathFact::Present(Inode {
            kind,
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: 0o644,
        }))
    };
    let file = |content: &str| InodeKind::File {
        digest: Known::Yes(sha256_hex(content.as_bytes())),
    };
    let mut facts = Facts::default();
    facts.insert(FactKey::System, Fact::System(Box::default()));
    facts.insert(FactKey::Path("/".to_owned()), inode(InodeKind::Directory));
    let at_a = content.map_or(Fact::Path(PathFact::Absent), |content| inode(file(content)));
    facts.insert(FactKey::Path("/a".to_owned()), at_a);
    facts.insert(FactKey::Path("/b".to_owned()), Fact::Path(PathFact::Absent));
    Snapshot {
        facts: [("web".to_owned(), facts)].into(),
        ..Snapshot::default()
    }
}

/// Plans `task`, with `trigger` as the trigger of the operation `notified`.
fn plan(task: &str, snapshot: &Snapshot, trigger: &Trigger) -> Vec<PlannedOperation> {
    let selection = selection(task);
    let digests = DigestKey::random();
    let mut build = Build::default();
    let mut planner = HostPlanner::new(Given {
        selection: &selection,
        host: &selection.hosts[0],
        facts: &snapshot.facts["web"],
        snapshot,
        digests: &digests,
        asked: Asked::default(),
        assumes_true: false,
    });
    planner.walk.begin_stage(&selection, 0, &Peers::default());
    while let Some(mut bound) = planner.walk.next(&planner.given, &planner.overlay, &mut build) {
        if bound.id == id("notified") {
            bound.trigger = trigger.clone();
        }
        planner.plan(bound, &mut build);
    }
    assert_eq!(build.mistakes, []);
    planner.operations
}

fn outcome<'a>(operations: &'a [PlannedOperation], slug: &str) -> Option<&'a Outcome> {
    let found = operations.iter().find(|operation| operation.id == id(slug));
    found.map(|operation| &operation.outcome)
}

fn notified() -> Trigger {
    Trigger::NotifiedBy(vec![id("notifier")])
}

#[test]
fn an_operation_runs_after_one_that_notifies_it_and_changes_something() {
    let task = [NOTIFIER, NOTIFIED, LATER].concat();
    let operations = plan(&task, &host_with(None), &notified());
    assert!(matches!(outcome(&operations, "notified"), Some(Outcome::Change(_))));
    assert_eq!(operations[1].trigger, notified());
    assert!(matches!(outcome(&operations, "later"), Some(Outcome::Ensure { .. })));
}

#[test]
fn it_is_not_in_the_plan_after_one_that_changes_nothing() {
    let task = [NOTIFIER, NOTIFIED, LATER].concat();
    let operations = plan(&task, &host_with(Some("x")), &notified());
    assert_eq!(outcome(&operations, "notifier"), Some(&Outcome::Unchanged));
    assert_eq!(outcome(&operations, "notified"), None);
    assert!(
        matches!(outcome(&operations, "later"), Some(Outcome::Change(_))),
        "what it would touch stays known"
    );
}

#[test]
fn it_is_decided_later_where_only_running_shows_whether_something_changes() {
    let task = [COMMAND, NOTIFIER, NOTIFIED, LATER].concat();
    let operations = plan(&task, &host_with(Some("x")), &notified());
    assert!(matches!(outcome(&operations, "notifier"), Some(Outcome::Ensure { .. })));
    let Some(Outcome::Deferred {
        waits_for,
        why,
        touches,
        preview,
    }) = outcome(&operations, "notified")
    else {
        panic!("{operations:?}");
    };
    assert_eq!(*waits_for, [id("notifier")]);
    assert_eq!(why, "runs only if `notifier` changes something");
    assert_eq!((touches.len(), preview.len()), (1, 1));
    assert!(matches!(outcome(&operations, "later"), Some(Outcome::Ensure { .. })));
}

#[test]
fn when_the_plan_is_made_again_what_really_changed_decides() {
    let task = [NOTIFIER, NOTIFIED].concat();
    let mut snapshot = host_with(Some("x"));
    snapshot.done.insert("web".to_owned(), [id("notifier")].into());
    assert_eq!(plan(&task, &snapshot, &notified()).len(), 0, "the host had it already");
    snapshot.changed.insert("web".to_owned(), [id("notifier")].into());
    let operations = plan(&task, &snapshot, &notified());
    assert!(matches!(outcome(&operations, "notified"), Some(Outcome::Change(_))));
}

#[test]
fn one_of_several_that_changes_something_is_enough() {
    let task = [NOTIFIER, NOTIFIED].concat();
    let trigger = Trigger::NotifiedBy(vec![id("another"), id("notifier")]);
    let operations = plan(&task, &host_with(None), &trigger);
    assert!(matches!(outcome(&operations, "notified"), Some(Outcome::Change(_))));
    let nobody = Trigger::NotifiedBy(vec![id("another")]);
    assert_eq!(outcome(&plan(&task, &host_with(None), &nobody), "notified"), None);
}

#[test]
fn what_an_earlier_deploy_owes_runs_whatever_changes() {
    let task = [NOTIFIER, NOTIFIED].concat();
    let operations = plan(&task, &host_with(Some("x")), &Trigger::Owed);
    assert!(matches!(outcome(&operations, "notified"), Some(Outcome::Change(_))));
    assert_eq!(operations[1].trigger, Trigger::Owed);
}

#[test]
fn facts_of_an_operation_that_does_not_run_are_not_asked_for() {
    let file = "[[operation]]\nname = 'notified'\nop = 'files.line'\npath = '/c'\nline = 'x'\n";
    let task = [NOTIFIER, file].concat();
    let asks = |content| {
        let operations = plan(&task, &host_with(content), &notified());
        operations
            .iter()
            .any(|operation| operation.asked.contains(&FactKey::Path("/c".to_owned())))
    };
    assert!(asks(None) && !asks(Some("x")));
}
