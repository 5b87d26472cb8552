use super::*;
use crate::change::{Attributed, Outcome, ResourceId};
use crate::facts::compose::{Files, ProjectFiles};
use crate::facts::overlay::OperationId;
use crate::operations::CronEntry;
use crate::plan::{Holds, Trigger};

fn entry_change(before: Option<&'static str>, after: Option<&'static str>) -> Vec<Remembered> {
    let attributes = |line: &str| Attributed::from_iter([("line", Attribute::known(line))]);
    let change = ResourceChange::new(
        ResourceId::new(ResourceKind::File, "/var/spool/cron/crontabs/ann"),
        Action::Update,
        before.map_or(Before::Absent, |line| Before::Present(attributes(line))),
        after.map(attributes),
    );
    let operation = PlannedOperation {
        trigger: Trigger::Always,
        holds: Holds {
            trees: Vec::new(),
            cron_entry: Some(CronEntry {
                user: "ann".to_owned(),
                name: "tidy up".to_owned(),
            }),
            ..Holds::default()
        },
        ..PlannedOperation::for_test(OperationId("alpha / t / x".to_owned()), Outcome::Unchanged)
    };
    remembered(&operation, &change, &DigestKey::random())
}

#[test]
fn of_a_table_of_cron_the_entry_is_remembered() {
    let name = |one: &Creation| (one.kind, one.name.clone());
    let expected = (Kind::Cron, "ann tidy up".to_owned());
    for before in [None, Some("")] {
        let all = entry_change(before, Some("* * * * * true"));
        assert!(matches!(all.as_slice(), [Remembered::Made(one)] if name(one) == expected));
    }
    let all = entry_change(Some("1 * * * * true"), Some("* * * * * true"));
    assert!(matches!(all.as_slice(), [Remembered::Renewed(one)] if name(one) == expected));
    let subject = Subject::CronEntry("ann".to_owned(), "tidy up".to_owned());
    for after in [None, Some("")] {
        let all = entry_change(Some("* * * * * true"), after);
        assert!(matches!(all.as_slice(), [Remembered::Gone(gone)] if *gone == digest(&subject)));
    }
}

#[test]
fn what_comes_along_with_something_else_is_not_remembered() {
    let change = |kind, name: &str, steps: &[&str]| ResourceChange {
        steps: steps
            .iter()
            .map(|step| Step::Run(crate::change::Command::new(*step, *step)))
            .collect(),
        ..ResourceChange::new(
            ResourceId::new(kind, name),
            Action::Create,
            Before::Absent,
            Some(Attributed::new()),
        )
    };
    let changes = vec![
        change(ResourceKind::User, "ann", &["useradd"]),
        change(ResourceKind::Group, "ann", &[]),
        change(ResourceKind::Group, "crew", &["groupadd"]),
        change(ResourceKind::Package, "jq", &["apt-get"]),
        // An upgrade of another package needs it.
        change(ResourceKind::Package, "libjq1", &[]),
    ];
    let asked = [
        FactKey::User("ann".to_owned()),
        FactKey::Group("ann".to_owned()),
        FactKey::Group("crew".to_owned()),
        FactKey::Package("jq".to_owned()),
    ];
    let operation = PlannedOperation {
        asked: asked.into_iter().collect(),
        trigger: Trigger::Always,
        ..PlannedOperation::for_test(OperationId("alpha / t / x".to_owned()), Outcome::Change(changes))
    };
    let nothing = BTreeSet::new();
    let mut creations = Creations::new(
        "/var/lib/homelab",
        ("20260101T000000Z-0", None),
        Some(("made-x".to_owned(), &nothing)),
        None,
    );
    assert!(creations.of(&[operation], &DigestKey::random()).is_some());
    let expected = [
        Subject::User("ann".to_owned()),
        Subject::Group("crew".to_owned()),
        Subject::Package("jq".to_owned()),
    ];
    assert_eq!(creations.own, expected.iter().map(digest).collect());
}

#[test]
fn a_compose_project_is_forgotten_once_its_removal_was_read_back() {
    let key = DigestKey::random();
    let web = digest(&Subject::Project("web".to_owned()));
    let files = FactKey::ComposeConfig(ProjectFiles(Box::new(Files {
        project: "web".to_owned(),
        directory: "/opt/stacks/web".to_owned(),
        compose_files: Vec::new(),
        profiles: Vec::new(),
        planned: Vec::new(),
    })));
    for (name, asked, is_removed) in [
        ("its project stays, without a service", vec![files], false),
        ("all of it goes", Vec::new(), true),
    ] {
        let change = ResourceChange::new(
            ResourceId::new(ResourceKind::ComposeService, "web/app"),
            Action::Remove,
            Before::Present(Attributed::new()),
            None,
        );
        let operation = |outcome| PlannedOperation {
            asked: asked.iter().cloned().collect(),
            ..PlannedOperation::for_test(OperationId("alpha / t / x".to_owned()), outcome)
        };
        let nothing = BTreeSet::new();
        let mut creations = Creations::new(
            "/var/lib/homelab",
            ("20260101T000000Z-0", None),
            Some(("made-x".to_owned(), &nothing)),
            None,
        );
        creations.all.insert(web.clone());
        let forgets = |text: Option<String>| text.is_some_and(|text| text.contains(&web));
        let removal = operation(Outcome::Change(vec![change]));
        assert!(!forgets(creations.of(&[removal], &key)), "{name}: it may fail");
        assert!(!forgets(creations.undone(&[], false, &key)), "{name}: it failed");
        assert_eq!(
            forgets(creations.undone(&[], true, &key)),
            is_removed,
            "{name}: at the end"
        );
        let next = operation(Outcome::Unchanged);
        assert_eq!(
            forgets(creations.of(&[next], &key)),
            is_removed,
            "{name}: with what follows"
        );
        assert!(!forgets(creations.undone(&[], true, &key)), "{name}: once");
    }
}
