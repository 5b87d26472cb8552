//! Complete texts: of plans made by `plan::build` from facts, and of results built by hand.

mod attributes;
mod browser;
mod diffs;
mod documents;
mod ends;
mod handlers;
mod hostile;
mod json;
mod mistakes;
mod pages;
mod progress;
mod reviews;
mod stable;

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::TextOptions;
use crate::apply::{Failure, OperationResult, ResourceEnd, ResourceResult};
use crate::change::{Action, Attribute, Before, Outcome, ResourceChange, ResourceId, ResourceKind, Risk};
use crate::content::Assets;
use crate::error::{Origin, SourceFile};
use crate::facts::overlay::OperationId;
use crate::plan::{PlannedOperation, Trigger};
use crate::project::Selection;

fn selection() -> Selection {
    Selection {
        project: "lab".to_owned(),
        inventory: "dev".to_owned(),
        deploy: "regular".to_owned(),
        hosts: Vec::new(),
        tasks: Arc::default(),
        stages: Vec::new(),
        only: Vec::new(),
        tags: Vec::new(),
        catalogue: Arc::default(),
        variables: Arc::default(),
        pins: Arc::default(),
        hosts_left_out: vec!["nas".to_owned()],
        hosts_not_failed: Vec::new(),
        tasks_left_out: Vec::new(),
        filters: Vec::new(),
        memory: None,
        notices: Vec::new(),
        runs_owed: false,
        closed: Vec::new(),
        has_unread_tasks: false,
        items_left_out_of: vec!["services/folder".to_owned()],
        assets: Arc::new(Assets::default()),
    }
}

/// The text as a pipe gets it.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn verbose() -> TextOptions {
    TextOptions {
        verbose: true,
        ..TextOptions::default()
    }
}

fn whole() -> TextOptions {
    TextOptions {
        full_diff: true,
        ..TextOptions::default()
    }
}

fn numbered(count: usize) -> String {
    let lines: Vec<String> = (1..=count).map(|number| format!("line {number}\n")).collect();
    lines.concat()
}

fn id(kind: ResourceKind, name: &str) -> ResourceId {
    ResourceId {
        kind,
        name: name.to_owned(),
    }
}

fn known(pairs: &[(&'static str, &str)]) -> IndexMap<&'static str, Attribute> {
    pairs
        .iter()
        .map(|(name, value)| (*name, Attribute::known(*value)))
        .collect()
}

/// A change from `before` to `after`; an empty side is absent.
fn change(resource: ResourceId, before: &[(&'static str, &str)], after: &[(&'static str, &str)]) -> ResourceChange {
    ResourceChange {
        id: resource,
        action: match (before.is_empty(), after.is_empty()) {
            (true, _) => Action::Create,
            (false, true) => Action::Remove,
            (false, false) => Action::Update,
        },
        before: if before.is_empty() {
            Before::Absent
        } else {
            Before::Present(known(before))
        },
        after: (!after.is_empty()).then(|| known(after)),
        expect: Vec::new(),
        effects: Vec::new(),
        steps: Vec::new(),
        risk: Risk::None,
        is_asked_as_before: false,
    }
}

fn planned(slug: &str, outcome: Outcome) -> PlannedOperation {
    let file = SourceFile::new("tasks/t/t.toml", "[[operation]]\nop = 'x'\n");
    PlannedOperation {
        task: "t/t".to_owned(),
        origin: Origin::new(&file, 19..22),
        ..PlannedOperation::for_test(OperationId(format!("web / t/t / {slug}")), outcome)
    }
}

fn shown(change: ResourceChange, options: &TextOptions) -> String {
    plain(&super::operation(&planned("x", Outcome::Change(vec![change])), options))
}

pub(super) fn result(
    slug: &str,
    resources: &[(ResourceKind, &str, ResourceEnd)],
    failure: Option<Failure>,
) -> OperationResult {
    let lines = resources.iter().map(|(kind, name, end)| ResourceResult {
        resource: id(*kind, name),
        action: Action::Create,
        end: *end,
    });
    OperationResult {
        operation: OperationId(format!("web / t/t / {slug}")),
        lines: lines.collect(),
        failure,
        retried: 0,
        took: Duration::from_millis(12_345),
    }
}
