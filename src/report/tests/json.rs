//! Plans and ends for programs.

use serde_json::{Value, json};

use super::*;
use crate::apply::{HostEnd, HostResult};
use crate::plan::{HostPlan, Plan};
use crate::report::json as json_text;
use crate::report::review::Review;
use crate::secret::DigestKey;

fn host(changes: Vec<ResourceChange>) -> Plan {
    let operation = planned("files.put /etc/x", Outcome::Change(changes));
    Plan {
        hosts: vec![HostPlan {
            host: "web".to_owned(),
            operations: vec![operation],
            notices: Vec::new(),
            skipped: Vec::new(),
            items_left_out: std::collections::BTreeMap::new(),
            has_leftovers: false,
        }],
    }
}

fn changed_file(secret: &str, digests: &DigestKey) -> ResourceChange {
    let attributes = |mode: &str, content| IndexMap::from([("mode", Attribute::known(mode)), ("content", content)]);
    let hidden = |text: &str| Attribute::Secret(digests.digest(text));
    let mut after = attributes("0600", hidden(secret));
    after.insert("owner", Attribute::Unknown("the user is made first".to_owned()));
    ResourceChange::new(
        ResourceId::new(ResourceKind::File, "/etc/\u{1b}x"),
        Action::Update,
        Before::Present(attributes("0600", hidden("old"))),
        Some(after),
    )
}

fn planned_json(plan: &Plan) -> String {
    json_text(&Review::planned(&selection(), plan, &[], true, false))
}

fn read(text: &str) -> Value {
    assert!(!text.contains('\u{1b}'), "{text}");
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_change_has_both_sides_and_no_secret() {
    let plan = host(vec![changed_file("hunter2", &DigestKey::random())]);
    let text = planned_json(&plan);
    assert!(!text.contains("hunter2"));
    let document = read(&text);
    assert_eq!(document["format_version"], 1);
    assert_eq!(document["pending"], true);
    assert_eq!(
        document["left_out"],
        json!({"hosts": ["nas"], "not_failed": [], "tasks": [], "items_of": ["services/folder"], "not_tagged": []})
    );
    assert_eq!(document["ends"], json!({"pending": 1}));
    let operation = &document["hosts"][0]["operations"][0];
    assert_eq!(operation["outcome"], "change");
    assert_eq!(
        operation["changes"][0],
        json!({
            "kind": "file", "name": "/etc/\u{1b}x", "action": "update", "risk": "none",
            "before": {"mode": "0600"}, "before_hidden": ["content"],
            "after": {"mode": "0600"}, "after_unknown": {"owner": "the user is made first"}, "after_hidden": ["content"],
            "differs": ["content", "owner"], "runs": [],
        })
    );
}

#[test]
fn the_same_plan_gives_the_same_bytes_whatever_the_key() {
    let text = |digests: &DigestKey| planned_json(&host(vec![changed_file("s", digests)]));
    let texts = [DigestKey::random(), DigestKey::random()].map(|key| text(&key));
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn a_result_has_its_lines_and_no_times() {
    let plan = host(vec![changed_file("s", &DigestKey::random())]);
    let ended = |name: &str, end, operations, seconds| HostResult {
        host: name.to_owned(),
        end,
        operations,
        failure: None,
        notices: Vec::new(),
        round_trips: 3,
        took: Duration::from_secs(seconds),
    };
    let text = |seconds| {
        let mut done = result(
            "files.put /etc/x",
            &[(ResourceKind::File, "/etc/x", ResourceEnd::Applied)],
            None,
        );
        done.took = Duration::from_secs(seconds);
        let far = ended("far", HostEnd::Unreachable, Vec::new(), seconds);
        let web = ended("web", HostEnd::Converged, vec![done], seconds);
        json_text(&Review::applied(&selection(), &plan, &[web, far], false))
    };
    assert_eq!(text(1), text(2));
    let document = read(&text(1));
    assert_eq!(document["ends"], json!({"converged": 1, "unreachable": 1}));
    assert_eq!(document["hosts"][0]["results"][0]["lines"][0]["end"], "applied");
    assert_eq!(document["hosts"][1]["operations"], json!([]));
}
