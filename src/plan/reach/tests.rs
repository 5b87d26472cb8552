use super::*;
use crate::change::{
    Action, Attributed, Attributes, Before, Command, MakeDirectory, Remove, ResourceId, ResourceKind, SetAttributes,
};
use crate::facts::Facts;
use crate::facts::overlay::Effect;
use crate::facts::path::{Inode, InodeKind};
use crate::facts::session::Account;
use crate::facts::system::SystemFacts;

fn directory(owner: &str, mode: u32) -> Fact {
    Fact::Path(PathFact::Present(Inode {
        owner_id: None,
        group_id: None,
        kind: InodeKind::Directory,
        owner: owner.to_owned(),
        group: owner.to_owned(),
        mode,
    }))
}

fn key(path: &str) -> FactKey {
    FactKey::Path(path.to_owned())
}

/// A host with the login user `anna`, her home, and an `/etc` that belongs to root.
fn facts() -> Facts {
    let account = Account {
        user: "anna".to_owned(),
        group: "anna".to_owned(),
    };
    let session = Session {
        login: account.clone(),
        unprivileged: Some(Unprivileged {
            account,
            groups: ["anna".to_owned()].into(),
            state_folder: "/home/anna/.local/state/homelab".to_owned(),
            jobs_are_hidden: false,
        }),
        reader: None,
    };
    let mut facts = Facts::default();
    let system = SystemFacts {
        session,
        ..SystemFacts::default()
    };
    facts.insert(FactKey::System, Fact::System(Box::new(system)));
    facts.insert(key("/home/anna"), directory("anna", 0o700));
    facts.insert(key("/etc"), directory("root", 0o755));
    facts.insert(key("/tmp"), directory("root", 0o1777));
    for absent in ["/home/anna/x", "/home/anna/d", "/home/anna/d/e", "/etc/x", "/tmp/x"] {
        facts.insert(key(absent), Fact::Path(PathFact::Absent));
    }
    facts.insert(key("/tmp/theirs"), directory("root", 0o644));
    facts
}

fn change(step: Step, effects: Vec<Effect>) -> ResourceChange {
    ResourceChange {
        effects,
        steps: vec![step],
        ..ResourceChange::new(
            ResourceId::new(ResourceKind::File, "x"),
            Action::Create,
            Before::Absent,
            Some(Attributed::new()),
        )
    }
}

fn is_limited(facts: &Facts, changes: Vec<ResourceChange>) -> bool {
    match limited(Outcome::Change(changes), Vec::new(), &Overlay::new(facts)) {
        Outcome::Change(_) => false,
        Outcome::Deferred { why, preview, .. } => {
            assert_eq!(why, "needs root; the login user is `anna`");
            assert!(!preview.is_empty());
            true
        }
        other => panic!("{other:?}"),
    }
}

fn make(path: &str, owner: &str) -> ResourceChange {
    let attributes = Attributes {
        owner: owner.to_owned(),
        group: owner.to_owned(),
        mode: 0o755,
    };
    let step = Step::MakeDirectory(MakeDirectory {
        path: path.to_owned(),
        attributes,
        keeps: false,
    });
    change(step, vec![Effect::Set(key(path), directory(owner, 0o755))])
}

#[test]
fn what_is_within_reach_stays_as_planned() {
    let facts = facts();
    assert!(!is_limited(&facts, vec![make("/home/anna/x", "anna")]));
    assert!(!is_limited(&facts, vec![make("/tmp/x", "anna")]));
    // A directory that the plan creates can be written to.
    assert!(!is_limited(
        &facts,
        vec![make("/home/anna/d", "anna"), make("/home/anna/d/e", "anna")]
    ));
}

#[test]
fn what_needs_root_is_open_with_its_reason() {
    let facts = facts();
    assert!(is_limited(&facts, vec![make("/etc/x", "anna")]));
    assert!(is_limited(&facts, vec![make("/home/anna/x", "root")]));
    let path = "/tmp/theirs".to_owned();
    assert!(is_limited(
        &facts,
        vec![change(Step::Remove(Remove { path }), Vec::new())]
    ));
    let run = |by: Identity| {
        let run = Command {
            by,
            ..Command::new("x", "x")
        };
        let mut change = change(Step::Run(run), Vec::new());
        change.id.kind = ResourceKind::Command;
        is_limited(&facts, vec![change])
    };
    let attributes = Attributes {
        owner: "anna".to_owned(),
        group: "anna".to_owned(),
        mode: 0o644,
    };
    let path = "/tmp/theirs".to_owned();
    let step = Step::SetAttributes(SetAttributes { path, attributes });
    assert!(is_limited(&facts, vec![change(step, Vec::new())]));
    assert!(run(Identity::Root) && run(Identity::User("web".to_owned())));
    assert!(!run(Identity::Own) && !run(Identity::LoginUser) && !run(Identity::User("anna".to_owned())));
}

#[test]
fn what_a_command_before_may_change_is_judged_as_it_was() {
    let facts = facts();
    let mut overlay = Overlay::new(&facts);
    let forgotten = Effect::Forget(FactScope::Everything, "the command may change it".to_owned());
    overlay.commit(&OperationId("command".to_owned()), [forgotten]);
    let ensure = |path: &str| Outcome::Ensure {
        changes: vec![make(path, "anna")],
        since: vec![OperationId("command".to_owned())],
    };
    let limited = |path: &str| limited(ensure(path), Vec::new(), &overlay);
    assert!(matches!(limited("/etc/x"), Outcome::Deferred { .. }));
    assert!(matches!(limited("/home/anna/x"), Outcome::Ensure { .. }));
}

#[test]
fn root_is_limited_by_nothing() {
    let mut facts = facts();
    facts.insert(FactKey::System, Fact::System(Box::default()));
    assert!(!is_limited(&facts, vec![make("/etc/x", "root")]));
}
