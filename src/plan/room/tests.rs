//! Plans of files on disks of a few bytes.

use super::*;
use crate::change::{Attributes, Before, Command, Fetch, Remove, ResourceId, ResourceKind, Risk, WriteFile};
use crate::content::Content;
use crate::facts::overlay::{FactScope, OperationId};

const BLOCK: u64 = 1000;

fn attributes() -> Attributes {
    Attributes {
        owner: "root".to_owned(),
        group: "root".to_owned(),
        mode: 0o644,
    }
}

fn write(path: &str, length: usize) -> Step {
    Step::WriteFile(WriteFile {
        path: path.to_owned(),
        content: Content::new(vec![0; length]),
        attributes: attributes(),
        validate: None,
        validate_within: None,
        validate_env: crate::facts::Environment::default(),
        backup: false,
        fetch: None,
    })
}

fn remove(path: &str) -> Step {
    Step::Remove(Remove { path: path.to_owned() })
}

fn operation(step: Step, effects: Vec<Effect>) -> PlannedOperation {
    let change = ResourceChange {
        id: ResourceId::new(ResourceKind::File, "x"),
        action: Action::Update,
        before: Before::Absent,
        after: None,
        expect: Vec::new(),
        effects,
        steps: vec![step],
        risk: Risk::None,
        is_asked_as_before: false,
    };
    PlannedOperation::for_test(OperationId("x".to_owned()), Outcome::Change(vec![change]))
}

/// `/` is a large disk; `/small` has so many free blocks and files, and `/small/old` takes 3 blocks of it.
fn facts(blocks: u64, files: u64) -> Facts {
    let mut facts = Facts::default();
    let mut put = |path: &str, place: Option<DiskLocation>| {
        facts.insert(FactKey::DiskLocation(path.to_owned()), Fact::DiskLocation(place));
    };
    let at = |device, allocated, room| {
        Some(DiskLocation {
            device,
            inode: 0,
            links: 1,
            allocated,
            room,
            is_closed: false,
        })
    };
    let room = |blocks, files| {
        let bytes = Some((BLOCK * blocks, BLOCK * (blocks - 1)));
        Some(Room {
            block: BLOCK,
            bytes,
            files: Some(files),
        })
    };
    put("/", at(1, 0, room(1_000_000, 1_000_000)));
    put("/small", at(2, 0, room(blocks, files)));
    put("/small/old", at(2, 3 * BLOCK, None));
    put("/small/new", None);
    put("/small/dir", None);
    put("/small/dir/new", None);
    facts
}

fn lacking(steps: Vec<Step>, facts: &Facts) -> Vec<String> {
    let operations: Vec<_> = steps.into_iter().map(|step| operation(step, Vec::new())).collect();
    let found = shortages(&operations, facts);
    found.into_iter().map(|mistake| mistake.title).collect()
}

#[test]
fn a_file_must_fit_whole_blocks_beside_the_one_that_it_replaces() {
    for (step, needed) in [
        (write("/small/new", 4001), 5),
        (write("/small/dir/new", 5000), 5),
        (write("/small/old", 4500), 5),
    ] {
        assert_eq!(lacking(vec![step.clone()], &facts(needed, 9)), [""; 0]);
        let found = lacking(vec![step], &facts(needed - 1, 9));
        assert_eq!(found, ["not enough space on `/small`: 4.8 KiB needed, 3.9 KiB free"]);
    }
}

#[test]
fn what_goes_before_makes_room_and_what_goes_after_does_not() {
    let new = || write("/small/new", 5000);
    assert_eq!(lacking(vec![remove("/small/old"), new()], &facts(2, 9)), [""; 0]);
    assert_eq!(lacking(vec![new(), remove("/small/old")], &facts(2, 9)).len(), 1);
    assert_eq!(lacking(vec![write("/small/old", 1), new()], &facts(3, 9)), [""; 0]);
    assert_eq!(lacking(vec![new(), write("/small/old", 1)], &facts(5, 9)).len(), 1);
    assert_eq!(lacking(vec![write("/other", 5000), new()], &facts(5, 9)), [""; 0]);
}

#[test]
fn a_copy_is_as_large_as_the_file_that_it_is_of() {
    let copy = |from: &str, to: &str| match write(to, 0) {
        Step::WriteFile(file) => Step::WriteFile(WriteFile {
            fetch: Some(Fetch::Copy { path: from.to_owned() }),
            ..file
        }),
        other => other,
    };
    let of_old = || copy("/small/old", "/small/new");
    assert_eq!(lacking(vec![of_old()], &facts(3, 9)), [""; 0]);
    let found = lacking(vec![of_old()], &facts(2, 9));
    assert_eq!(found, ["not enough space on `/small`: 2.9 KiB needed, 1.9 KiB free"]);
    // One that the plan has written before.
    let of_new = || vec![write("/other", 2500), copy("/other", "/small/new")];
    assert_eq!(lacking(of_new(), &facts(3, 9)), [""; 0]);
    assert_eq!(lacking(of_new(), &facts(2, 9)).len(), 1);
}

#[test]
fn files_are_counted_too() {
    let two = || vec![write("/small/new", 1), write("/small/dir/new", 1)];
    assert_eq!(lacking(two(), &facts(9, 2)), [""; 0]);
    let found = lacking(two(), &facts(9, 1));
    assert_eq!(found, ["not enough inodes on `/small`: 2 needed, 1 free"]);
}

#[test]
fn nothing_is_claimed_where_it_cannot_be_known() {
    let large = || write("/small/new", 900_000);
    let mut unread = facts(1, 1);
    unread.remove(&FactKey::DiskLocation("/small/dir".to_owned()));
    assert_eq!(lacking(vec![write("/small/dir/new", 900_000)], &unread), [""; 0]);
    let clean = Step::Run(Command {
        by: crate::facts::Identity::default(),
        ..Command::new("clean", "clean")
    });
    let scope = Effect::Forget(FactScope::Everything, "it may".to_owned());
    let after = [operation(clean, vec![scope]), operation(large(), Vec::new())];
    assert_eq!(shortages(&after, &facts(1, 1)), []);
    let mut deferred = operation(large(), Vec::new());
    deferred.outcome = Outcome::Deferred {
        waits_for: Vec::new(),
        why: String::new(),
        touches: Vec::new(),
        preview: Vec::new(),
    };
    let after = [deferred, operation(large(), Vec::new())];
    assert_eq!(shortages(&after, &facts(1, 1)), []);
}

#[test]
fn the_largest_files_are_named_and_others_than_root_have_less() {
    let steps = [("/small/new", 2100), ("/small/old", 3000), ("/small/dir/new", 500)];
    let operations: Vec<_> = steps
        .iter()
        .map(|(path, length)| operation(write(path, *length), Vec::new()))
        .collect();
    let mut facts = facts(6, 9);
    assert_eq!(shortages(&operations, &facts), []);
    let user = crate::facts::system::SystemFacts {
        machine: crate::facts::system::Machine {
            user_id: 1000,
            ..Default::default()
        },
        ..Default::default()
    };
    facts.insert(FactKey::System, Fact::System(Box::new(user)));
    let found = shortages(&operations, &facts);
    assert_eq!(
        found[0].causes,
        [
            "`/small/old` needs 2.9 KiB",
            "`/small/new` needs 2.0 KiB",
            "`/small/dir/new` needs 500 bytes"
        ]
    );
    assert!(found[0].hint.as_ref().is_some_and(|hint| hint.contains("df /small")));
}

#[test]
fn sizes_are_readable() {
    let told = [0, 1023, 1024, 2_000_000, 200 << 20, 5 << 40].map(bytes);
    assert_eq!(
        told,
        ["0 bytes", "1023 bytes", "1.0 KiB", "1.9 MiB", "200 MiB", "5120 GiB"]
    );
}
