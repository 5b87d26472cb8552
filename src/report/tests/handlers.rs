//! Handlers in a review: what they do, and why they run.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::*;
use crate::facts::owed::Owed;
use crate::plan::{HostPlan, Plan, PlannedHandler};
use crate::report::review::Review;
use crate::report::{html, json as json_text, markdown, text};

fn operation_id(slug: &str) -> OperationId {
    OperationId(format!("web / t/t / {slug}"))
}

/// A host with the configuration of a service, and a handler for it.
fn plan(handler: PlannedOperation) -> Plan {
    let put = |path: &str| {
        let file = change(id(ResourceKind::File, path), &[], &[("mode", "0644")]);
        planned(&format!("files.put {path}"), Outcome::Change(vec![file]))
    };
    let same = planned("files.put /etc/app/same", Outcome::Unchanged);
    Plan {
        hosts: vec![HostPlan {
            host: "web".to_owned(),
            operations: vec![put("/etc/app/a"), same, put("/etc/app/b"), handler],
            notices: Vec::new(),
            skipped: Vec::new(),
            items_left_out: std::collections::BTreeMap::new(),
            has_leftovers: false,
        }],
    }
}

fn restart(trigger: Trigger) -> PlannedOperation {
    let mut restart = change(
        id(ResourceKind::Unit, "app.service"),
        &[("active", "active")],
        &[("active", "restarted")],
    );
    restart.risk = Risk::Restart;
    PlannedOperation {
        trigger,
        ..planned("systemd.service app", Outcome::Change(vec![restart]))
    }
}

fn notified() -> Trigger {
    let notifiers = ["/etc/app/a", "/etc/app/same", "/etc/app/b"];
    Trigger::NotifiedBy(
        notifiers
            .map(|path| operation_id(&format!("files.put {path}")))
            .to_vec(),
    )
}

fn rendered(plan: &Plan, render: impl Fn(&Review<'_>) -> String) -> String {
    plain(&render(&Review::planned(&selection(), plan, &[], true, false)))
}

fn reviewed(handler: PlannedOperation) -> String {
    let text = rendered(&plan(handler), |review| text(review, &TextOptions::default()));
    let (_, handler) = text
        .split_once("+ file /etc/app/b   mode 0644\n")
        .expect("the notifiers first");
    handler
        .split("  1 operation unchanged")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_handler_says_what_it_restarts_and_why() {
    assert_snapshot!(reviewed(restart(notified())), @"
    ~ unit app.service   active → restarted   ! interrupts a running service
        notified by `files.put /etc/app/a` and `files.put /etc/app/b`
    ");
    assert_snapshot!(reviewed(restart(Trigger::Owed)), @"
    ~ unit app.service   active → restarted   ! interrupts a running service
        owed since an earlier run, which ended before it
    ");
    let handler = PlannedHandler {
        record: Owed::default(),
        unit: None,
        workloads: None,
        covered_by: None,
        unless_started_by: None,
        is_beside_another_run: true,
    };
    let beside = PlannedOperation {
        handler: Some(handler),
        ..restart(Trigger::Owed)
    };
    assert_snapshot!(reviewed(beside), @"
    ~ unit app.service   active → restarted   ! interrupts a running service
        unless the run that is changing the host now comes to it
    ");
}

#[test]
fn a_handler_says_what_may_start_its_unit_first() {
    let handler = PlannedHandler {
        record: Owed::default(),
        unit: None,
        workloads: None,
        covered_by: None,
        unless_started_by: Some(operation_id("systemd.service app")),
        is_beside_another_run: false,
    };
    let unless = PlannedOperation {
        handler: Some(handler),
        ..restart(notified())
    };
    assert_snapshot!(reviewed(unless), @"
    ~ unit app.service   active → restarted   ! interrupts a running service
        notified by `files.put /etc/app/a` and `files.put /etc/app/b`; unless `systemd.service app`
        starts it
    ");
}

#[test]
fn a_handler_that_may_not_run_says_what_decides_it() {
    let notifier = operation_id("files.line /etc/app/c");
    let deferred = PlannedOperation {
        trigger: Trigger::NotifiedBy(vec![notifier.clone()]),
        conduct: crate::change::Conduct::default(),
        as_now: crate::plan::AsNow::No,
        ..planned(
            "systemd.service app",
            Outcome::Deferred {
                waits_for: vec![notifier],
                why: "runs only if this changes something".to_owned(),
                touches: vec![crate::facts::overlay::FactScope::Units],
                preview: Vec::new(),
            },
        )
    };
    assert_snapshot!(reviewed(deferred), @"
    ? systemd.service app   known after `files.line /etc/app/c`: runs only if this changes something
        may change any unit
    ");
}

#[test]
fn a_handler_is_listed_with_its_operation_on_request() {
    let idle = PlannedOperation {
        trigger: Trigger::Owed,
        conduct: crate::change::Conduct::default(),
        as_now: crate::plan::AsNow::No,
        ..planned("systemd.service app", Outcome::Unchanged)
    };
    let text = |options: TextOptions| rendered(&plan(idle.clone()), |review| text(review, &options));
    assert!(!text(TextOptions::default()).contains("owed"));
    assert!(text(verbose()).contains("= systemd.service app   unchanged\n        owed since an earlier run"));
}

#[test]
fn documents_name_the_trigger() {
    let plan = plan(restart(notified()));
    let document: Value = serde_json::from_str(&rendered(&plan, json_text)).expect("JSON");
    let operations = &document["hosts"][0]["operations"];
    assert_eq!(operations[0]["trigger"], "always");
    assert_eq!(operations[0].get("notified_by"), None);
    assert_eq!(operations[3]["trigger"], "notified");
    assert_eq!(
        operations[3]["notified_by"],
        json!(["web / t/t / files.put /etc/app/a", "web / t/t / files.put /etc/app/b"])
    );
    let markdown = rendered(&plan, markdown);
    let line = "- `~ unit app.service`: `active` → `restarted`; **! interrupts a running service**; \
                notified by `files.put /etc/app/a` and `files.put /etc/app/b`\n";
    assert!(markdown.contains(line), "{markdown}");
    let page = rendered(&plan, html);
    let line =
        "<p class=\"along\">notified by <code>files.put /etc/app/a</code> and <code>files.put /etc/app/b</code></p>";
    assert!(page.contains(line), "{page}");

    let owed = self::plan(restart(Trigger::Owed));
    let document: Value = serde_json::from_str(&rendered(&owed, json_text)).expect("JSON");
    assert_eq!(document["hosts"][0]["operations"][3]["trigger"], "owed");
}
