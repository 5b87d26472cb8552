use std::time::Duration;

use super::*;
use crate::apply::events::ResourceResult;
use crate::change::{Action, Attributed, Before, Conduct, OnError, ResourceChange, ResourceId, ResourceKind};
use crate::plan::Trigger;

fn id(name: &str) -> OperationId {
    OperationId(name.to_owned())
}

fn change(name: &str) -> ResourceChange {
    ResourceChange::new(
        ResourceId::new(ResourceKind::File, name),
        Action::Update,
        Before::Absent,
        Some(Attributed::new()),
    )
}

fn operation(name: &str, trigger: Trigger) -> PlannedOperation {
    PlannedOperation {
        trigger,
        ..PlannedOperation::for_test(id(name), Outcome::Change(vec![change(name)]))
    }
}

fn names(operations: &[PlannedOperation]) -> Vec<&str> {
    operations.iter().map(|operation| operation.id.slug()).collect()
}

/// The operations that can be sent now, and the rest.
fn split_names(operations: &[PlannedOperation]) -> (Vec<String>, Vec<String>) {
    let owned = |operations: Vec<PlannedOperation>| names(&operations).into_iter().map(str::to_owned).collect();
    let (now, after) = split_at_barrier(operations.to_vec(), false, None, &Records::default());
    (owned(now), owned(after))
}

#[test]
fn an_operation_waits_for_how_those_end_that_notify_it() {
    let notified = |by: &str| operation("notified", Trigger::NotifiedBy(vec![id(by)]));
    let always = |name| operation(name, Trigger::Always);
    let both = [always("a"), always("b"), notified("a"), always("c")];
    assert_eq!(
        split_names(&both),
        (
            vec!["a".to_owned(), "b".to_owned()],
            vec!["notified".to_owned(), "c".to_owned()]
        )
    );
    let decided = [always("b"), notified("a"), always("c")];
    assert_eq!(split_names(&decided).1, [""; 0], "what notifies it is through");
    let owed = [always("a"), operation("owed", Trigger::Owed)];
    assert_eq!(split_names(&owed).1, [""; 0]);
}

#[test]
fn nothing_follows_in_a_segment_what_may_fail_and_be_gone_on_from() {
    let always = |name| operation(name, Trigger::Always);
    let conducted = |name, retries, on_error| PlannedOperation {
        conduct: Conduct {
            retries,
            on_error,
            ..Conduct::default()
        },
        ..always(name)
    };
    for (retries, on_error, follows) in [
        (0, OnError::StopHost, true),
        (0, OnError::StopAll, true),
        (0, OnError::Ignore, false),
        (1, OnError::StopHost, false),
        (1, OnError::StopAll, false),
    ] {
        let both = [always("a"), conducted("b", retries, on_error), always("c")];
        assert_eq!(split_names(&both).1.is_empty(), follows, "{retries} {on_error:?}");
    }
    let (now, _) = split_at_barrier(vec![always("a"), always("b")], true, None, &Records::default());
    assert_eq!(names(&now), ["a"], "others may stop this host before each");
}

#[test]
fn only_what_was_changed_here_counts_as_changed() {
    let result = |name: &str, ends: &[ResourceEnd]| OperationResult {
        operation: id(name),
        lines: ends.iter().map(|end| ResourceResult::of(&change(name), *end)).collect(),
        failure: None,
        retried: 0,
        took: Duration::ZERO,
    };
    let results = [
        result("changed", &[ResourceEnd::AlreadySo, ResourceEnd::Applied]),
        result("unchanged", &[ResourceEnd::AlreadySo]),
        result("failed", &[ResourceEnd::Failed]),
        result("checked", &[ResourceEnd::Holds]),
    ];
    assert_eq!(changed_by(&results).collect::<Vec<_>>(), [id("changed")]);
}
