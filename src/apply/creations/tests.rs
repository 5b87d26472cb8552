use super::*;
use crate::change::{Attributed, Outcome, ResourceId};
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
