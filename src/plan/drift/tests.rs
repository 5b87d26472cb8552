use std::collections::BTreeMap;

use super::*;
use crate::change::{Action, Attribute, Attributes, ResourceId, WriteFile};
use crate::content::Content;
use crate::facts::Environment;
use crate::facts::journal::parse;
use crate::secret::sha256_hex;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn attributed(pairs: &[(&'static str, &str)]) -> Attributed {
    pairs
        .iter()
        .map(|(name, value)| (*name, Attribute::known(*value)))
        .collect()
}

/// A file: what it is and what it should be, as content and mode.
fn file(is: Option<(&str, &str)>, wanted: Option<(&str, &str)>) -> ResourceChange {
    let of = |(content, mode): (&str, &str)| attributed(&[("mode", mode), (CONTENT, content)]);
    let action = match (is, wanted) {
        (None, _) => Action::Create,
        (_, None) => Action::Remove,
        _ => Action::Update,
    };
    let attributes = || Attributes {
        owner: "root".to_owned(),
        group: "root".to_owned(),
        mode: 0o644,
    };
    let mut change = ResourceChange::new(
        ResourceId::new(ResourceKind::File, "/etc/x"),
        action,
        is.map_or(Before::Absent, |is| Before::Present(of(is))),
        wanted.map(of),
    );
    change.expect.extend(is.map(|(content, _)| Expect::File {
        path: "/etc/x".to_owned(),
        digest: Some(sha256_hex(content.as_bytes())),
        attributes: attributes(),
    }));
    change.steps.extend(wanted.map(|(content, _)| {
        Step::WriteFile(WriteFile {
            path: "/etc/x".to_owned(),
            content: Content::new(content.as_bytes()),
            attributes: attributes(),
            validate: None,
            validate_within: None,
            validate_env: Environment::default(),
            backup: false,
            fetch: None,
        })
    }));
    change
}

/// The journal of a run that left the file with this content and mode, or removed it.
fn journal(left: Option<(&str, &str)>) -> Vec<Journal> {
    let key = DigestKey::from_hex(KEY).expect("a key");
    let (action, after) = match left {
        Some((content, mode)) => {
            let digest = key.digest(&sha256_hex(content.as_bytes())).0;
            let after = format!(r#","after":{{"mode":"{mode}","content":"[text]"}},"digest":"{digest}""#);
            ("create", after)
        }
        None => ("remove", String::new()),
    };
    parse(&format!(
        "journal {KEY}\n\
         {{\"run\":\"1\",\"at\":\"\",\"who\":\"\",\"inventory\":\"dev\",\"deploy\":\"all\",\"plan\":\"\",\"version\":\"\"}}\n\
         {{\"change\":0,\"operation\":\"t\",\"kind\":\"file\",\"name\":\"/etc/x\",\"action\":\"{action}\",\"steps\":1,\"was\":\"absent\"{after}}}\n\
         {{\"step\":0,\"end\":\"applied\"}}\n\
         {{\"ended\":\"converged\"}}\n"
    ))
}

#[test]
fn a_difference_is_of_the_host_or_of_the_configuration_as_the_journal_says() {
    let (a, b, c) = (("a\n", "0644"), ("b\n", "0644"), ("a\n", "0600"));
    for (left, is, wanted, cause) in [
        (Some(Some(a)), Some(b), Some(a), Cause::Host),
        (Some(Some(a)), Some(a), Some(b), Cause::Configuration),
        (Some(Some(a)), Some(b), Some(("c\n", "0644")), Cause::Both),
        (Some(Some(a)), Some(c), Some(a), Cause::Host),
        (Some(Some(a)), Some(a), Some(c), Cause::Configuration),
        // The content by the host, the mode by the configuration.
        (Some(Some(a)), Some(b), Some(c), Cause::Both),
        (Some(Some(a)), None, Some(a), Cause::Host),
        (Some(Some(a)), Some(a), None, Cause::Configuration),
        (Some(None), Some(a), None, Cause::Host),
        (Some(None), None, Some(a), Cause::Configuration),
        (None, Some(a), Some(b), Cause::NotKnown),
        (None, None, Some(a), Cause::NotKnown),
    ] {
        let runs = left.map(journal).unwrap_or_default();
        let found = Drifted::of(&file(is, wanted), &runs);
        assert_eq!(found.cause, cause, "left {left:?}, is {is:?}, wanted {wanted:?}");
    }
}

#[test]
fn newer_packages_are_told_apart() {
    let package = |before: Before| {
        ResourceChange::new(
            ResourceId::new(ResourceKind::Package, "curl"),
            if before == Before::Absent {
                Action::Create
            } else {
                Action::Update
            },
            before,
            Some(attributed(&[("version", "2")])),
        )
    };
    let plan = |change: ResourceChange, parameter: &str| {
        let mut operation =
            PlannedOperation::for_test(OperationId("a / t / apt".to_owned()), Outcome::Change(vec![change]));
        operation
            .parameters
            .insert(parameter.to_owned(), "tasks/t.toml:1:1".to_owned());
        HostPlan {
            host: "a".to_owned(),
            operations: vec![operation],
            notices: Vec::new(),
            skipped: Vec::new(),
            items_left_out: BTreeMap::default(),
            has_leftovers: false,
        }
    };
    let older = || package(Before::Present(attributed(&[("version", "1")])));
    for (change, parameter, is_upgrade) in [
        (older(), "auto_remove", true),
        // A new dependency of what is upgraded.
        (package(Before::Absent), "full", true),
        // A version, a mark, a file: the configuration names it.
        (older(), "packages", false),
        (older(), "src", false),
        (package(Before::Absent), "packages", false),
    ] {
        let found = drift(&plan(change, parameter), &[]);
        let names = if is_upgrade {
            vec!["curl".to_owned()]
        } else {
            Vec::new()
        };
        assert_eq!(
            (found.upgrades.clone(), found.is_none()),
            (names, is_upgrade),
            "{parameter}"
        );
    }
}

/// An object of a cluster that homelab applies again.
fn object(is_asked_as_before: bool) -> ResourceChange {
    let mut change = ResourceChange::new(
        ResourceId::new(ResourceKind::KubernetesObject, "Deployment/web in shop"),
        Action::Update,
        Before::Present(attributed(&[(CONTENT, "replicas: 3")])),
        Some(attributed(&[(CONTENT, "replicas: 1")])),
    );
    change.is_asked_as_before = is_asked_as_before;
    change
}

#[test]
fn an_object_that_is_asked_for_as_before_was_changed_on_the_host() {
    for (is_asked_as_before, cause) in [(true, Cause::Host), (false, Cause::NotKnown)] {
        let found = Drifted::of(&object(is_asked_as_before), &[]);
        assert_eq!((found.cause, found.attributes), (cause, vec![CONTENT]));
    }
}

#[test]
fn a_release_is_no_difference_beside_its_objects() {
    let release = |version: &str| {
        ResourceChange::new(
            ResourceId::new(ResourceKind::HelmRelease, "web in shop"),
            Action::Update,
            Before::Present(attributed(&[("chart", "web 1")])),
            Some(attributed(&[("chart", version)])),
        )
    };
    let found = |changes: Vec<ResourceChange>| {
        let id = OperationId("a / t / helm".to_owned());
        let plan = HostPlan {
            host: "a".to_owned(),
            operations: vec![PlannedOperation::for_test(id, Outcome::Change(changes))],
            notices: Vec::new(),
            skipped: Vec::new(),
            items_left_out: BTreeMap::default(),
            has_leftovers: false,
        };
        let drifted = drift(&plan, &[]).drifted;
        drifted.into_iter().map(|one| one.kind).collect::<Vec<_>>()
    };
    let [release_kind, object_kind] = [ResourceKind::HelmRelease, ResourceKind::KubernetesObject];
    assert_eq!(found(vec![release("web 1"), object(true)]), [object_kind]);
    assert_eq!(found(vec![release("web 2"), object(true)]), [release_kind, object_kind]);
    // Something differs nevertheless.
    assert_eq!(found(vec![release("web 1")]), [release_kind]);
}

#[test]
fn what_others_have_taken_was_changed_on_the_host() {
    let mut found = Drift::default();
    found.add_taken(&ChangedByOthers {
        name: "Deployment/web in shop".to_owned(),
        fields: vec![("spec.replicas".to_owned(), "kubectl-scale".to_owned())],
    });
    assert!(!found.is_none());
    assert_eq!(found.drifted[0].cause, Cause::Host);
}
