//! Handlers, and the operations that notify them.

use super::*;
use crate::change::Outcome;
use crate::facts::overlay::{FactScope, OperationId};
use crate::facts::owed::Owed;
use crate::facts::path::{Inode, InodeKind, PathFact};
use crate::facts::system::SystemFacts;
use crate::facts::unit::{UnitFact, UnitState};
use crate::facts::{Fact, Facts};
use crate::plan::{Snapshot, Trigger};
use crate::project::{Filter, Selection, load, select};
use crate::secret::{DigestKey, sha256_hex};
use crate::value::Known;

const NOTIFIER: &str =
    "[[operation]]\nname = 'notifier'\nop = 'files.put'\ndest = '/a'\ncontent = 'x'\nnotify = ['notified']\n";
const NOTIFIED: &str = "[[handler]]\nname = 'notified'\nop = 'server.shell'\ncommands = ['true']\ntouches = ['/b']\n";
const LATER: &str = "[[operation]]\nname = 'later'\nop = 'files.put'\ndest = '/b'\ncontent = 'y'\n";
/// Makes `/a` unknown.
const COMMAND: &str =
    "[[operation]]\nname = 'before'\nop = 'server.shell'\ncommands = ['true']\nalways = true\ntouches = ['/a']\n";

fn selection(task: &str) -> Selection {
    selection_with(task, &[])
}

fn selection_with(task: &str, further: &[(&str, &str)]) -> Selection {
    let root = tempfile::tempdir().expect("a folder");
    let files = [
        ("inventories/dev.toml", "[hosts.web]"),
        ("deploys/site.toml", "hosts = ['*']\ntasks = ['t/t']"),
        ("tasks/t/t.toml", task),
    ];
    for (path, text) in files.iter().chain(further) {
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
            owner_id: None,
            group_id: None,
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

/// Plans `task` as a run does, without mistakes.
fn plan(task: &str, snapshot: &Snapshot) -> Vec<PlannedOperation> {
    let mut build = crate::plan::build(&selection(task), snapshot, &DigestKey::random());
    assert_eq!(build.mistakes, []);
    build.plan.hosts.remove(0).operations
}

fn outcome<'a>(operations: &'a [PlannedOperation], slug: &str) -> Option<&'a Outcome> {
    let found = operations.iter().find(|operation| operation.id == id(slug));
    found.map(|operation| &operation.outcome)
}

fn notified() -> Trigger {
    Trigger::NotifiedBy(vec![id("notifier")])
}

#[test]
fn a_handler_runs_at_the_end_if_what_notifies_it_changes_something() {
    let operations = plan(&[NOTIFIER, NOTIFIED, LATER].concat(), &host_with(None));
    let names: Vec<&str> = operations.iter().map(|operation| operation.id.slug()).collect();
    assert_eq!(names, ["notifier", "later", "notified"]);
    assert_eq!(operations[2].trigger, notified());
    let Some(Outcome::Change(changes)) = outcome(&operations, "notified") else {
        panic!("{operations:?}")
    };
    assert_eq!(changes[0].action, crate::change::Action::Update);
}

#[test]
fn it_is_not_in_the_plan_after_one_that_changes_nothing() {
    let operations = plan(&[NOTIFIER, NOTIFIED, LATER].concat(), &host_with(Some("x")));
    assert_eq!(outcome(&operations, "notifier"), Some(&Outcome::Unchanged));
    assert_eq!(outcome(&operations, "notified"), None);
}

#[test]
fn it_is_decided_later_where_only_running_shows_whether_something_changes() {
    let operations = plan(&[COMMAND, NOTIFIER, NOTIFIED].concat(), &host_with(Some("x")));
    assert_eq!(operations[1].id, id("notifier"));
    assert_eq!(operations[1].as_now, crate::plan::AsNow::UnlessEachTime);
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
    assert_eq!(why, "runs only if this changes something");
    assert_eq!(
        *touches,
        [FactScope::Tree("/b".to_owned()), FactScope::Containers],
        "commands may start containers"
    );
    assert_eq!(preview.len(), 1);
}

#[test]
fn when_the_plan_is_made_again_what_really_changed_decides() {
    let task = [NOTIFIER, NOTIFIED].concat();
    let mut snapshot = host_with(Some("x"));
    snapshot.done.insert("web".to_owned(), [id("notifier")].into());
    assert_eq!(plan(&task, &snapshot).len(), 0, "the host had it already");
    snapshot.changed.insert("web".to_owned(), [id("notifier")].into());
    let operations = plan(&task, &snapshot);
    assert!(matches!(outcome(&operations, "notified"), Some(Outcome::Change(_))));
}

#[test]
fn one_of_several_that_changes_something_is_enough() {
    let another =
        "[[operation]]\nname = 'another'\nop = 'files.put'\ndest = '/b'\ncontent = 'y'\nnotify = ['notified']\n";
    let operations = plan(&[NOTIFIER, another, NOTIFIED].concat(), &host_with(Some("x")));
    assert_eq!(
        operations[2].trigger,
        Trigger::NotifiedBy(vec![id("notifier"), id("another")])
    );
    assert!(matches!(outcome(&operations, "notified"), Some(Outcome::Change(_))));
}

#[test]
fn what_an_earlier_run_owes_runs_whatever_changes() {
    let mut snapshot = host_with(Some("x"));
    let owed = |handler: &str| recorded(handler, "server.shell", r#"{"commands":["true"],"touches":["/b"]}"#);
    owe(&mut snapshot, vec![owed("t/t / notified"), owed("t/other / gone")]);
    let mut selection = selection(&[NOTIFIER, NOTIFIED].concat());
    let planned = |selection: &Selection| {
        let mut build = crate::plan::build(selection, &snapshot, &DigestKey::random());
        assert_eq!(build.mistakes, []);
        build.plan.hosts.remove(0)
    };
    let host = planned(&selection);
    assert_eq!(host.operations[1].trigger, Trigger::Owed);
    assert!(matches!(
        outcome(&host.operations, "notified"),
        Some(Outcome::Change(_))
    ));
    assert_eq!(host.operations.len(), 2);
    assert!(
        matches!(&host.notices[..], [notice] if notice.contains("handler `t/other / gone`") && notice.contains("`--owed` runs it"))
    );
    selection.runs_owed = true;
    let host = planned(&selection);
    assert_eq!(host.notices, [] as [String; 0]);
    let ids: Vec<&str> = host.operations.iter().map(|one| one.id.0.as_str()).collect();
    assert_eq!(
        ids,
        ["web / t/t / notified", "web / owed / t/other / gone"],
        "nothing else"
    );
    assert!(
        host.operations
            .iter()
            .all(|one| matches!(one.outcome, Outcome::Change(_)))
    );
    let next = crate::plan::plan_next_run(&selection, &snapshot, &DigestKey::random());
    assert_eq!(next[0].len(), 0, "nothing is owed to the run after it");
    selection.runs_owed = false;
    // Another run that is changing the host may still come to it; it has to say what of the rest it owes.
    for facts in snapshot.facts.values_mut() {
        if let Some(Fact::System(system)) = facts.get(&FactKey::System) {
            let mut system = system.clone();
            system.locked_by = Some("anna@desk".to_owned());
            facts.insert(FactKey::System, Fact::System(system));
        }
    }
    let build = crate::plan::build(&selection, &snapshot, &DigestKey::random());
    let host = &build.plan.hosts[0];
    assert_eq!(host.operations.len(), 2);
    let handler = host.operations[1].handler.as_ref();
    assert!(handler.is_some_and(|handler| handler.is_beside_another_run));
    assert!(
        matches!(&host.notices[..], [notice] if notice.starts_with("another run is changing this host (anna@desk)"))
    );
}

/// A record of a version that named neither project nor unit.
fn recorded(handler: &str, op: &str, parameters: &str) -> Owed {
    let owed = Owed {
        handler: handler.to_owned(),
        op: op.to_owned(),
        parameters: serde_json::from_str(parameters).ok(),
        ..Owed::default()
    };
    owed.in_its_file()
}

fn owe(snapshot: &mut Snapshot, owed: Vec<Owed>) {
    let system = SystemFacts {
        owed,
        ..SystemFacts::default()
    };
    let facts = snapshot.facts.get_mut("web").expect("facts");
    facts.insert(FactKey::System, Fact::System(Box::new(system)));
}

const SAME: &str = r#"{"commands":["true"],"touches":["/b"]}"#;
const CORRECTED: &str = r#"{"commands":["false"]}"#;
const OF_A: &str = r#"{"service":"a","state":"restarted"}"#;
const OF_B: &str = r#"{"service":"b","state":"restarted"}"#;
const SHELL: &str = "server.shell";
const SERVICE: &str = "systemd.service";
/// What is said of records that are not a handler's own.
const STRANGE: &str = "of project `other`; deploy it from there";
const BEFORE: &str = "which is another one by now; `--owed` runs it";

/// The operation and parameters that are recorded, the project, and what is said if it is not the handler's own.
type Recorded = (&'static str, &'static str, Option<&'static str>, &'static str);

/// What is recorded under the name of a handler may be owed by another project, or by what the handler was then.
#[test]
fn a_record_is_a_handlers_own_if_it_says_the_same() {
    let restart = NOTIFIED.replace("'server.shell'", "'systemd.service'").replace(
        "commands = ['true']\ntouches = ['/b']",
        "service = 'a'\nstate = 'restarted'",
    );
    let (own, other) = (Some("own"), Some("other"));
    let of_command: &[Recorded] = &[
        (SHELL, SAME, own, ""),
        (SHELL, SAME, other, ""),
        (SHELL, CORRECTED, own, ""),
        (SHELL, CORRECTED, None, ""),
        (SHELL, CORRECTED, other, STRANGE),
        // It has secrets.
        (SHELL, "null", own, ""),
        (SHELL, "null", other, STRANGE),
        (SERVICE, OF_A, own, BEFORE),
    ];
    let of_restart: &[Recorded] = &[
        (SERVICE, OF_A, own, ""),
        (SERVICE, OF_A, other, ""),
        (SERVICE, OF_A, None, ""),
        (SERVICE, OF_B, own, BEFORE),
        (SERVICE, OF_B, None, BEFORE),
        (SERVICE, OF_B, other, STRANGE),
        (SHELL, SAME, own, BEFORE),
    ];
    for (handler, cases) in [(NOTIFIED, of_command), (&restart, of_restart)] {
        for recorded in cases {
            is_told_apart(handler, *recorded);
        }
    }
}

/// A host with two services that run, which is owed `record`.
fn owing(record: &Owed) -> Snapshot {
    let mut snapshot = host_with(Some("x"));
    owe(&mut snapshot, vec![record.clone()]);
    let facts = snapshot.facts.get_mut("web").expect("facts");
    for name in ["a.service", "b.service"] {
        let state = UnitState {
            id: name.to_owned(),
            load: "loaded".to_owned(),
            active: "active".to_owned(),
            sub: "running".to_owned(),
            ..UnitState::default()
        };
        facts.insert(FactKey::Unit(name.to_owned()), Fact::Unit(UnitFact::Present(state)));
    }
    snapshot
}

fn is_told_apart(handler: &str, (op, parameters, project, expected): Recorded) {
    let record = Owed {
        project: project.map(str::to_owned),
        ..recorded("t/t / notified", op, parameters)
    };
    let mut snapshot = owing(&record);
    let mut selection = selection(&[NOTIFIER, handler].concat());
    "own".clone_into(&mut selection.project);
    let host = |selection: &Selection, snapshot: &Snapshot| {
        let mut build = crate::plan::build(selection, snapshot, &DigestKey::random());
        assert_eq!(build.mistakes, []);
        build.plan.hosts.remove(0)
    };
    let planned = host(&selection, &snapshot);
    let case = format!("{op} {parameters} of {project:?} for {handler}: {:?}", planned.notices);
    let runs = planned.operations.iter().find(|one| one.trigger == Trigger::Owed);
    assert_eq!(runs.is_some(), expected.is_empty(), "{case}");
    if let Some(handler) = runs.and_then(|one| one.handler.as_ref()) {
        assert_eq!(handler.record.file, record.file, "{case}");
        return;
    }
    let way = format!("`rm {}`", record.path(None));
    assert!(
        matches!(&planned.notices[..], [notice] if notice.contains(expected) && notice.contains(&way)),
        "{case}"
    );
    // Only its own project runs it from its record.
    selection.runs_owed = true;
    let operations = host(&selection, &snapshot).operations;
    let runs = operations.iter().any(|one| one.id.0.contains("/ owed /"));
    assert_eq!(runs, project != Some("other"), "{case}");
    // And a change that notifies the handler has a record of its own.
    selection.runs_owed = false;
    let facts = snapshot.facts.get_mut("web").expect("facts");
    facts.insert(FactKey::Path("/a".to_owned()), Fact::Path(PathFact::Absent));
    let operations = host(&selection, &snapshot).operations;
    let mut handlers = operations.iter().filter_map(|one| one.handler.as_ref());
    assert!(handlers.all(|handler| handler.record.file != record.file), "{case}");
}

/// What notifies a handler before the start of its unit does not matter; what may do so after it decides.
#[test]
fn a_handler_of_a_unit_that_is_started_runs_only_for_what_changes_after_the_start() {
    let put = |path: &str, notify: &str| {
        format!(
            "[[operation]]\nname = '{path}'\nop = 'files.put'\ndest = '{path}'\ncontent = 'x'\nnotify = ['{notify}']\n"
        )
    };
    let (anew, as_it_is) = (&*put("/b", "restarted"), &*put("/a", "restarted"));
    let other = &*put("/a", "reloaded");
    let start = "[[operation]]\nname = 'start'\nop = 'systemd.service'\nservice = 'c'\nstate = 'started'\n";
    let handlers = ["reloaded", "restarted"]
        .map(|state| {
            format!("[[handler]]\nname = '{state}'\nop = 'systemd.service'\nservice = 'c'\nstate = '{state}'\n")
        })
        .concat();
    // The task, and what becomes of the handler that restarts.
    for (task, expected) in [
        (&[anew, as_it_is][..], "runs"),
        (&[anew, start, as_it_is], "covered"),
        (&[anew, start, COMMAND, as_it_is], "depends on /a"),
        (&[anew, COMMAND, as_it_is, start], "covered"),
        (&[anew, start, COMMAND, other], "covered"),
        (&[start, anew, COMMAND, as_it_is], "runs"),
        (&[COMMAND, as_it_is, start], "depends on /a"),
    ] {
        let mut snapshot = owing(&Owed::default());
        owe(&mut snapshot, Vec::new());
        let facts = snapshot.facts.get_mut("web").expect("facts");
        let stopped = UnitState {
            id: "c.service".to_owned(),
            load: "loaded".to_owned(),
            active: "inactive".to_owned(),
            sub: "dead".to_owned(),
            can_start: true,
            ..UnitState::default()
        };
        facts.insert(
            FactKey::Unit("c.service".to_owned()),
            Fact::Unit(UnitFact::Present(stopped)),
        );
        let operations = plan(&[&task.concat(), &*handlers].concat(), &snapshot);
        let restart = operations
            .iter()
            .find(|one| one.id == id("restarted"))
            .expect("planned");
        let found = match &restart.outcome {
            _ if restart.is_covered() => "covered".to_owned(),
            Outcome::Deferred { waits_for, .. } => format!("depends on {}", waits_for[0].slug()),
            _ => "runs".to_owned(),
        };
        assert_eq!(found, expected, "{task:?}");
    }
}

#[test]
fn facts_of_a_handler_that_does_not_run_are_not_asked_for() {
    let file = "[[handler]]\nname = 'notified'\nop = 'files.line'\npath = '/c'\nline = 'x'\n";
    let selection = selection(&[NOTIFIER, file].concat());
    let asks = |content| {
        let build = crate::plan::build(&selection, &host_with(content), &DigestKey::random());
        let missing = build.missing.get("web").cloned().unwrap_or_default();
        missing.contains(&FactKey::Path("/c".to_owned()))
    };
    assert!(asks(None) && !asks(Some("x")));
}

#[test]
fn handlers_run_before_the_checks_at_the_end_of_their_task() {
    const CHECK: &str = "[[operation]]\nname = 'check'\nop = 'verify.tcp'\nport = 80\n";
    const STAGE: &str = "[[handler]]\nname = 'of stage'\nop = 'server.shell'\ncommands = ['true']\nflush = 'stage'\n";
    let include = |name: &str| format!("[[operation]]\ninclude = 't/{name}'\n");
    let second = CHECK.replace("name = 'check'", "name = 'second'");
    let inner = NOTIFIER.replace("'notifier'", "'inner'").replace("/a", "/c") + &NOTIFIED.replace("/b", "/d");
    let both = NOTIFIER.replace("['notified']", "['notified', 'of stage']");
    // The task, one that it includes, and the order.
    let cases: &[(&[&str], &str, &[&str])] = &[
        (&[NOTIFIER, CHECK, NOTIFIED], "", &["notifier", "notified", "check"]),
        (
            &[NOTIFIER, CHECK, &second, NOTIFIED],
            "",
            &["notifier", "notified", "check", "second"],
        ),
        (
            &[NOTIFIER, CHECK, LATER, &second, NOTIFIED],
            "",
            &["notifier", "check", "later", "notified", "second"],
        ),
        (
            &[&both, CHECK, NOTIFIED, STAGE],
            "",
            &["notifier", "notified", "check", "of stage"],
        ),
        (
            &[NOTIFIER, &include("u"), &second, NOTIFIED],
            CHECK,
            &["notifier", "notified", "check", "second"],
        ),
        (
            &[NOTIFIER, &include("u"), LATER, NOTIFIED],
            &[&inner, CHECK].concat(),
            &["notifier", "inner", "notified", "check", "later", "notified"],
        ),
        (
            &[NOTIFIER, &include("u"), &second, NOTIFIED],
            &inner,
            &["notifier", "inner", "notified", "notified", "second"],
        ),
    ];
    let mut snapshot = host_with(None);
    let facts = snapshot.facts.get_mut("web").expect("facts");
    facts.insert(FactKey::Path("/c".to_owned()), Fact::Path(PathFact::Absent));
    for (task, included, order) in cases {
        let selection = selection_with(&task.concat(), &[("tasks/t/u.toml", included)]);
        let mut build = crate::plan::build(&selection, &snapshot, &DigestKey::random());
        assert_eq!(build.mistakes, []);
        let operations = build.plan.hosts.remove(0).operations;
        let names: Vec<&str> = operations
            .iter()
            .map(|operation| operation.id.slug())
            .map(|slug| slug.rsplit(" / ").next().expect("a name"))
            .collect();
        assert_eq!(names, *order, "{}", task.concat());
    }
}

#[test]
fn a_name_to_be_removed_that_is_no_package_is_noticed() {
    let task = "[[operation]]\nop = 'apt.packages'\npackages = ['ngnix', 'snapd']\npresent = false\n";
    let mut snapshot = host_with(None);
    let facts = snapshot.facts.get_mut("web").expect("facts");
    for (name, near) in [("ngnix", vec!["nginx".to_owned()]), ("snapd", Vec::new())] {
        facts.insert(
            FactKey::Package(name.to_owned()),
            Fact::Package(crate::facts::package::PackageFact::Absent),
        );
        facts.insert(FactKey::Misspelling(name.to_owned()), Fact::Misspelling(near));
    }
    let selection = selection(task);
    let build = crate::plan::build(&selection, &snapshot, &DigestKey::random());
    assert_eq!(build.mistakes, []);
    let host = &build.plan.hosts[0];
    assert_eq!(host.operations[0].outcome, Outcome::Unchanged);
    assert_eq!(
        host.notices,
        ["nothing to remove: no package is called `ngnix`; did you mean `nginx`? (tasks/t/t.toml:3:13)"]
    );
}

#[test]
fn what_asks_a_service_comes_after_handlers_where_it_can() {
    const ASK: &str = "[[operation]]\nname = 'ask'\nop = 'http.resource'\nurl = 'http://a/'\nwant = 1\n";
    let telling = |entry: &str| format!("{entry}notify = ['notified']\n");
    let asking = telling(ASK);
    let later = telling(LATER);
    // The task, whether an earlier run owes the handler and its notifier changes nothing now, and the order.
    let cases: &[(&[&str], bool, &[&str])] = &[
        (&[NOTIFIER, ASK, NOTIFIED], false, &["notifier", "notified", "ask"]),
        (&[NOTIFIER, &asking, NOTIFIED], false, &["notifier", "ask", "notified"]),
        (
            &[NOTIFIER, ASK, LATER, NOTIFIED],
            false,
            &["notifier", "ask", "later", "notified"],
        ),
        (&[NOTIFIER, ASK, NOTIFIED], true, &["notifier", "notified", "ask"]),
        (&[NOTIFIER, LATER, NOTIFIED], true, &["notifier", "later", "notified"]),
        (
            &[NOTIFIER, ASK, LATER, NOTIFIED],
            true,
            &["notifier", "notified", "ask", "later"],
        ),
        (
            &[NOTIFIER, ASK, &later, NOTIFIED],
            true,
            &["notifier", "notified", "ask", "later", "again / notified"],
        ),
    ];
    for (task, is_owed, expected) in cases {
        let mut snapshot = host_with(is_owed.then_some("x"));
        if *is_owed {
            owe(&mut snapshot, vec![recorded("t/t / notified", "server.shell", "null")]);
        }
        let operations = plan(&task.concat(), &snapshot);
        let names = operations.iter().map(|one| one.id.0.trim_start_matches("web / t/t / "));
        assert_eq!(names.collect::<Vec<_>>(), *expected, "{task:?}");
        for handler in operations.iter().filter_map(|one| one.handler.as_ref()) {
            assert_eq!(handler.record.handler, "t/t / notified");
        }
    }
}
