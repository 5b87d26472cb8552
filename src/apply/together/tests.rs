use super::*;
use crate::change::{Access, Action, Attributed, Before, Command, Conduct, ResourceId, Risk};
use crate::facts::overlay::OperationId;
use crate::facts::owed::Owed;
use crate::plan::PlannedHandler;

/// What differs from a plain handler that restarts its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum But {
    Nothing,
    Unchanged,
    Unknown,
    Retries,
    Ignored,
    StopsAll,
    TimeLimit,
    Guarded,
    File,
    TwoChanges,
    Supervised,
    /// No handler: it restarts a unit whose files changed.
    Outdated,
    /// No handler: it starts a unit.
    Starts,
}

fn restart(unit: &str, but: But) -> PlannedOperation {
    let is_handler = !matches!(but, But::Outdated | But::Starts);
    let command = Command {
        recovery: Some("true".to_owned()),
        supervised: but == But::Supervised,
        ..Command::new("systemctl", "true")
    };
    let kind = if but == But::File {
        ResourceKind::File
    } else {
        ResourceKind::Unit
    };
    let before = Before::Present(Attributed::new());
    let change = ResourceChange {
        steps: vec![Step::Run(Command::new("first", "true")), Step::Run(command)],
        risk: if but == But::Starts { Risk::None } else { Risk::Restart },
        ..ResourceChange::new(
            ResourceId::new(kind, unit),
            Action::Update,
            before,
            Some(Attributed::new()),
        )
    };
    let outcome = match but {
        But::Unchanged => Outcome::Unchanged,
        But::Unknown => Outcome::Ensure {
            changes: vec![change],
            since: Vec::new(),
        },
        But::TwoChanges => Outcome::Change(vec![change.clone(), change]),
        _ => Outcome::Change(vec![change]),
    };
    let handler = is_handler.then(|| PlannedHandler {
        record: Owed {
            handler: unit.to_owned(),
            op: "systemd.service".to_owned(),
            ..Owed::default()
        },
        unit: Some(unit.to_owned()),
        workloads: None,
        covered_by: None,
        unless_started_by: None,
        is_beside_another_run: false,
    });
    PlannedOperation {
        handler,
        conduct: Conduct {
            timeout: (but == But::TimeLimit).then_some(std::time::Duration::from_secs(1)),
            retries: u8::from(but == But::Retries),
            on_error: match but {
                But::Ignored => OnError::Ignore,
                But::StopsAll => OnError::StopAll,
                _ => OnError::StopHost,
            },
        },
        guards: (but == But::Guarded).then_some(Access::Marked).into_iter().collect(),
        ..PlannedOperation::for_test(OperationId(format!("web / t / {unit}")), outcome)
    }
}

#[test]
fn only_plain_starts_and_restarts_of_different_units_run_together() {
    use But::*;
    for (but, joins) in [
        (Nothing, true),
        (TimeLimit, true),
        (Outdated, true),
        (Unknown, false),
        (Retries, false),
        (Ignored, false),
        (StopsAll, false),
        (Guarded, false),
        (File, false),
        (TwoChanges, false),
        (Supervised, false),
        (Starts, true),
    ] {
        let one = [restart("a.service", but)];
        let other = [restart("b.service", Nothing)];
        assert_eq!(go_on_together(&one, &other), joins, "first {but:?}");
        assert_eq!(go_on_together(&other, &one), joins, "second {but:?}");
        let both = [restart("b.service", Nothing), restart("a.service", but)];
        assert_eq!(together(&both), if joins { vec![1, 0] } else { vec![] }, "{but:?}");
    }
    let a = || restart("a.service", Nothing);
    assert!(!go_on_together(&[a()], &[a()]), "the same unit");
    assert!(!go_on_together(&[], &[a()]));
    assert!(!go_on_together(&[a()], &[]));
    let file = restart("/etc/a", File);
    let unchanged = restart("c.service", Unchanged);
    let others = [file, a(), unchanged.clone(), restart("b.service", Nothing)];
    assert_eq!(together(&others), [3, 1], "what has nothing to do is not in the way");
    assert!(go_on_together(&others[..2], &others[2..]));
    assert!(!go_on_together(&others[..2], &[unchanged]));
    assert!(
        !go_on_together(&others[1..], &[a()]),
        "not the last one, but the same unit"
    );
}
