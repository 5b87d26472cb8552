use super::*;
use crate::change::{
    Access, Action, Attributed, Before, Conduct, Expect, Joint, ResourceChange, ResourceId, ResourceKind, Step,
};
use crate::facts::overlay::OperationId;

/// What differs from an operation that can be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum But {
    Nothing,
    Unchanged,
    Unknown,
    Retries,
    TimeLimit,
    Guarded,
    Notified,
    TwoSteps,
    Expects,
    Other,
    NotJoint,
}

fn command(word: &str, script: &str) -> Command {
    Command {
        joint: Some(Joint {
            words: vec![word.to_owned()],
            reviewed: vec![format!("Inst {word} 1")],
            done: "false".to_owned(),
        }),
        ..Command::new(format!("install {word}"), script)
    }
}

fn operation(word: &str, but: But) -> PlannedOperation {
    let own = Command {
        joint: command(word, "").joint.filter(|_| but != But::NotJoint),
        ..command(word, if but == But::Other { "other" } else { "same" })
    };
    let mut steps = vec![Step::Run(own)];
    steps.extend((but == But::TwoSteps).then(|| Step::Run(Command::new("more", "true"))));
    let change = ResourceChange {
        steps,
        expect: (but == But::Expects)
            .then(|| Expect::Absent { path: "/x".to_owned() })
            .into_iter()
            .collect(),
        ..ResourceChange::new(
            ResourceId::new(ResourceKind::Package, word),
            Action::Create,
            Before::Absent,
            Some(Attributed::new()),
        )
    };
    let outcome = match but {
        But::Unchanged => Outcome::Unchanged,
        But::Unknown => Outcome::Ensure {
            changes: vec![change],
            since: Vec::new(),
        },
        _ => Outcome::Change(vec![change]),
    };
    PlannedOperation {
        conduct: Conduct {
            timeout: (but == But::TimeLimit).then_some(std::time::Duration::from_secs(1)),
            retries: u8::from(but == But::Retries),
            ..Conduct::default()
        },
        trigger: match but {
            But::Notified => Trigger::NotifiedBy(Vec::new()),
            _ => Trigger::Always,
        },
        guards: (but == But::Guarded).then_some(Access::Marked).into_iter().collect(),
        ..PlannedOperation::for_test(OperationId(format!("web / t / {word}")), outcome)
    }
}

#[test]
fn only_plain_operations_that_differ_in_their_words_are_joined() {
    use But::*;
    let go_on =
        |before: &[PlannedOperation], from: &[PlannedOperation]| go_on_joined(before, from, &Records::default());
    for but in [
        Nothing, Unchanged, Unknown, Retries, TimeLimit, Guarded, Notified, TwoSteps, Expects, Other, NotJoint,
    ] {
        let one = [operation("a", but)];
        let other = [operation("b", Nothing)];
        assert_eq!(go_on(&one, &other), but == Nothing, "first {but:?}");
        assert_eq!(go_on(&other, &one), but == Nothing, "second {but:?}");
    }
    let unchanged = || operation("b", Unchanged);
    assert!(go_on(
        &[operation("a", Nothing), unchanged()],
        &[unchanged(), operation("c", Nothing)]
    ));
    assert!(
        !go_on(
            &[operation("z", Guarded), operation("a", Nothing)],
            &[operation("b", Nothing)]
        ),
        "a guard is armed"
    );
}

#[test]
fn neighbors_of_the_same_kind_become_one_command() {
    let (a, b, c) = (command("a", "same"), command("b c", "same"), command("d", "other"));
    let plain = Command::new("e", "same");
    let all = [
        None,
        Some(&a),
        Some(&b),
        Some(&c),
        Some(&c),
        Some(&plain),
        Some(&a),
        None,
        Some(&b),
    ];
    let joined = joined(&all);
    let ranges: Vec<Range<usize>> = joined.iter().map(|(range, _)| range.clone()).collect();
    assert_eq!(ranges, [1..3, 3..5]);
    let (_, first) = &joined[0];
    assert_eq!(first.summary, "install a b c");
    let text = first.text();
    assert!(text.contains("set -- a 'b c'\n"), "{text}");
    assert!(text.contains("\nInst a 1\nInst b c 1\n"), "{text}");
    assert!(text.ends_with("\nexport homelab_exactly=1\nsame"), "{text}");
    assert_eq!(first.timeout, a.timeout + b.timeout);
}
