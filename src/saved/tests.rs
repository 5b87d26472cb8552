use std::time::Duration;

use super::*;
use crate::change::{
    Action, Attribute, Attributed, Attributes, Before, CheckState, Expect, Outcome, ResourceChange, ResourceId,
    ResourceKind, Step, WriteFile,
};
use crate::content::Content;
use crate::facts::Environment;
use crate::facts::overlay::OperationId;
use crate::plan::{HostPlan, Plan, PlannedOperation};
use crate::project::LeftOut;
use crate::secret::{DigestKey, Secret, remember, sha256_hex};
use crate::secrets::{Identities, Recipients, Sealed};

fn attributed(pairs: &[(&'static str, &str)]) -> Attributed {
    pairs
        .iter()
        .map(|(name, value)| (*name, Attribute::known(*value)))
        .collect()
}

/// A file of this content, which is to become another.
fn write(name: &str, is: &str, wanted: Content) -> PlannedOperation {
    let attributes = || Attributes {
        owner: "root".to_owned(),
        group: "root".to_owned(),
        mode: 0o644,
    };
    let mut change = ResourceChange::new(
        ResourceId::new(ResourceKind::File, name),
        Action::Update,
        Before::Present(attributed(&[("content", is)])),
        Some(attributed(&[("content", "shown\n")])),
    );
    change.expect.push(Expect::File {
        path: name.to_owned(),
        digest: Some(sha256_hex(is.as_bytes())),
        attributes: attributes(),
    });
    change.steps.push(Step::WriteFile(WriteFile {
        path: name.to_owned(),
        content: wanted,
        attributes: attributes(),
        validate: None,
        validate_within: None,
        validate_env: Environment::default(),
        backup: false,
        fetch: None,
    }));
    of(name, Outcome::Change(vec![change]))
}

fn of(name: &str, outcome: Outcome) -> PlannedOperation {
    PlannedOperation::for_test(OperationId(format!("alpha / t / {name}")), outcome)
}

fn host(operations: Vec<PlannedOperation>) -> HostPlan {
    HostPlan {
        host: "alpha".to_owned(),
        operations,
        notices: Vec::new(),
        skipped: Vec::new(),
        items_left_out: std::collections::BTreeMap::new(),
        has_leftovers: false,
    }
}

fn text(content: &str) -> Content {
    Content::new(content.as_bytes())
}

fn refresh(age: &str) -> PlannedOperation {
    let change = ResourceChange::new(
        ResourceId::new(ResourceKind::PackageLists, "of apt"),
        Action::Refresh,
        Before::Present(attributed(&[("age", age)])),
        Some(attributed(&[("age", "now")])),
    );
    of("apt.update", Outcome::Change(vec![change]))
}

fn compared(old: &HostPlan, new: &HostPlan) -> Standing {
    let key = DigestKey::random();
    let shown = |host: &HostPlan| {
        let plan = Plan {
            hosts: vec![host.clone()],
        };
        to_be_shown(&plan, &key).expect("shown").hosts.remove(0)
    };
    let record = HostRecord {
        host: "alpha".to_owned(),
        host_key: None,
        operations: fingerprints(old, &key),
    };
    standing((&record, &shown(old)), (new, &shown(new)), &key)
}

/// What a comparison says, in a word or in those of the moves.
fn words(old: Vec<PlannedOperation>, new: Vec<PlannedOperation>) -> String {
    match compared(&host(old), &host(new)) {
        Standing::Same => "same".to_owned(),
        Standing::Applied => "applied".to_owned(),
        Standing::Moved(moves) => {
            let words: Vec<String> = moves.iter().map(|one| format!("{} {}", one.slug, one.why)).collect();
            words.join(", ")
        }
    }
}

/// A plan without a seal can be edited: what it shows is compared with what it would do.
#[test]
fn a_file_that_shows_another_review_is_not_applied() {
    let key = DigestKey::random();
    let plan = host(vec![write("/a", "1\n", text("2\n"))]);
    let whole = Plan {
        hosts: vec![plan.clone()],
    };
    let shown = to_be_shown(&whole, &key).expect("shown").hosts.remove(0);
    let record = HostRecord {
        host: "alpha".to_owned(),
        host_key: None,
        operations: fingerprints(&plan, &key),
    };
    let found = |file: &HostPlan| standing((&record, file), (&plan, &shown), &key);
    assert_eq!(found(&shown), Standing::Same);
    let mut edited = shown.clone();
    edited.operations[0].outcome = Outcome::Unchanged;
    let Standing::Moved(moves) = found(&edited) else {
        panic!("an edited file")
    };
    assert_eq!(moves[0].why, "is not shown by the file as it would be done");
}

#[test]
fn a_host_is_as_it_was_has_all_of_the_plan_or_moved() {
    let a = || write("/a", "1\n", text("2\n"));
    let done = || of("/a", Outcome::Unchanged);
    let b_done = || of("/b", Outcome::Unchanged);
    let b = || write("/b", "1\n", text("2\n"));
    let check = |state: CheckState| {
        let (what, within) = ("`test -e /a`".to_owned(), Duration::ZERO);
        of("verify.command", Outcome::Check { what, state, within })
    };
    let later = || check(CheckState::Later);
    let fails = || check(CheckState::Fails("exit code 1".to_owned()));
    let holds = || check(CheckState::Holds);
    for (old, new, expected) in [
        (vec![a()], vec![a()], "same"),
        (vec![a()], vec![done()], "applied"),
        (vec![a(), later()], vec![done(), holds()], "applied"),
        (vec![a(), fails()], vec![done(), holds()], "applied"),
        (
            vec![a(), later()],
            vec![done(), fails()],
            "/a has nothing to do any more, verify.command is a check that fails now",
        ),
        (vec![a(), later()], vec![a(), later()], "same"),
        (vec![a(), b()], vec![done(), b_done()], "applied"),
        // A part of it is done: the rest was reviewed for another state.
        (vec![a(), b()], vec![done(), b()], "/a has nothing to do any more"),
        (
            vec![a()],
            vec![write("/a", "0\n", text("2\n"))],
            "/a is planned for another state",
        ),
        // The same review, and other bytes.
        (
            vec![a()],
            vec![write("/a", "1\n", text("3\n"))],
            "/a would be done in another way now",
        ),
        (vec![done(), b()], vec![a(), b()], "/a had nothing to do, and has now"),
        (vec![b()], vec![a(), b()], "/a was not part of the plan"),
        (vec![a(), b()], vec![b()], "/a is not part of the plan any more"),
        (vec![refresh("1 h"), a()], vec![refresh("2 h"), a()], "same"),
        (
            vec![refresh("1 h"), a()],
            vec![of("apt.update", Outcome::Unchanged), a()],
            "same",
        ),
        (
            vec![of("apt.update", Outcome::Unchanged), a()],
            vec![refresh("2 h"), a()],
            "apt.update had nothing to do, and has now",
        ),
    ] {
        assert_eq!(words(old, new), expected);
    }
}

#[test]
fn what_moved_is_shown_from_what_it_was_to_what_it_is() {
    let moved = compared(
        &host(vec![write("/a", "1\n", text("2\n"))]),
        &host(vec![write("/a", "0\n", text("2\n"))]),
    );
    let Standing::Moved(moves) = moved else {
        panic!("{moved:?}");
    };
    let [change] = &moves[0].changes[..] else {
        panic!("{moves:?}");
    };
    assert_eq!(change.before, Before::Present(attributed(&[("content", "1\n")])));
    assert_eq!(change.after, Some(attributed(&[("content", "0\n")])));
}

fn saved(operations: Vec<PlannedOperation>, sealing: Option<(&Recipients, &Identities)>) -> String {
    let key = DigestKey::random();
    let plan = Plan {
        hosts: vec![host(operations)],
    };
    let meta = Meta {
        version: "0".to_owned(),
        inventory: "dev".to_owned(),
        deploy: "all".to_owned(),
        filters: Vec::new(),
        left_out: LeftOut::default(),
        not_applicable: None,
        hosts: vec![HostRecord {
            host: "alpha".to_owned(),
            host_key: Some("SHA256:x".to_owned()),
            operations: fingerprints(&plan.hosts[0], &key),
        }],
        not_read: Vec::new(),
    };
    let bundle = Bundle {
        name: "home".to_owned(),
        key: key.hex(),
        variables: [("TOKEN".to_owned(), "open-sesame-1".to_owned())].into(),
        ..Bundle::default()
    };
    let shown = to_be_shown(&plan, &key).expect("shown");
    SavedPlan::text(meta, shown, &bundle, sealing).expect("saved").0
}

fn why(text: &[u8]) -> String {
    SavedPlan::parse(text).expect_err("refused").to_string()
}

#[test]
fn a_plan_that_was_cut_or_changed_is_refused_and_another_format_by_name() {
    let whole = saved(vec![write("/a", "1\n", text("2\n"))], None);
    let read = SavedPlan::parse(whole.as_bytes()).expect("whole");
    assert_eq!((read.meta.deploy.as_str(), read.is_encrypted()), ("all", false));
    let bundle = read.bundle(&Identities::default()).expect("not encrypted");
    assert_eq!(bundle.variables["TOKEN"], "open-sesame-1");
    let bytes = whole.as_bytes();
    for at in (0..bytes.len()).step_by(7) {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1;
        assert!(SavedPlan::parse(&flipped).is_err(), "byte {at}");
    }
    for length in (0..bytes.len()).step_by(11) {
        assert!(SavedPlan::parse(&bytes[..length]).is_err(), "{length} bytes");
    }
    let other = whole.replacen("{\"homelab_plan\":1,", "{\"homelab_plan\":2,\"more\":[],", 1);
    assert_eq!(
        why(other.as_bytes()),
        "it has format 2, and this version of homelab reads format 1"
    );
    for text in ["", "{}", "hello\n", "[1]\n{}\n", "\u{0}\n"] {
        assert_eq!(why(text.as_bytes()), "it is not a saved plan", "{text}");
    }
}

#[test]
fn a_plan_that_someone_else_made_for_the_recipients_has_no_seal_of_theirs() {
    let (anna, mallory) = (Identities::generate().0, Identities::generate().0);
    let key = anna.public_keys().next().expect("a key").to_string();
    let recipients = Recipients::first("anna", &key).expect("valid");
    let operations = || vec![write("/a", "1\n", text("2\n"))];
    let own = saved(operations(), Some((&recipients, &anna)));
    let read = SavedPlan::parse(own.as_bytes()).expect("whole");
    assert_eq!(
        (read.sealed(&anna), read.sealed_by()),
        (Some(Sealed::Whole), Some(key.as_str()))
    );
    assert_eq!(read.sealed(&mallory), Some(Sealed::ByAnother));
    assert_eq!(read.bundle(&anna).expect("opens").name, "home");
    assert_eq!(read.bundle(&mallory).expect_err("closed"), Closed::OtherKeys);
    assert_eq!(read.bundle(&Identities::default()).expect_err("closed"), Closed::NoKey);
    // Anyone can encrypt for anna.
    let forged = saved(operations(), Some((&recipients, &mallory)));
    let forged_read = SavedPlan::parse(forged.as_bytes()).expect("whole");
    assert_eq!(forged_read.sealed(&anna), None);
    // A seal does not fit another plan.
    let seal = |text: &str| {
        text.split_once("\"seal\":")
            .map(|(_, rest)| rest.lines().next().unwrap_or_default().to_owned())
    };
    let head_end = forged.find("}\n").expect("a first line");
    let with_seal = format!(
        "{},\"seal\":{}\n{}",
        &forged[..head_end],
        seal(&own).expect("a seal"),
        &forged[head_end + 2..]
    );
    let swapped = SavedPlan::parse(with_seal.as_bytes()).expect("its digest is right");
    assert_eq!(swapped.sealed(&anna), Some(Sealed::Broken));
}

#[test]
fn no_secret_and_no_digest_that_helps_to_guess_one_is_in_what_is_shown() {
    let secret = "correct-horse-8";
    remember(secret);
    let mut operation = write(
        "/a",
        "password correct-horse-8\n",
        Content::of_text(&Secret::new(secret).into()),
    );
    operation
        .parameters
        .insert("content".to_owned(), "tasks/t.toml:1:1".to_owned());
    let plan = Plan {
        hosts: vec![host(vec![operation])],
    };
    assert_eq!(hides_anything(&plan).len(), 1);
    let key = DigestKey::random();
    let shown = serde_json::to_string(&to_be_shown(&plan, &key).expect("shown")).expect("JSON");
    for hidden in [
        secret,
        &sha256_hex(secret.as_bytes()),
        &sha256_hex(b"password correct-horse-8\n"),
    ] {
        assert!(!shown.contains(hidden), "{hidden}: {shown}");
    }
    assert!(shown.contains("[secret]"), "{shown}");
}
