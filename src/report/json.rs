//! Plans and ends for programs. The same values give the same bytes: no time, no duration, no random word.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Serialize;

use super::operation;
use super::totals::Tally;
use crate::apply::{Failure, HostEnd, HostResult, OperationResult, ResourceEnd};
use crate::change::{
    Action, Attribute, Attributed, Before, CheckState, Outcome, ResourceChange, ResourceKind, Risk, Step,
};
use crate::facts::overlay::OperationId;
use crate::plan::{HostPlan, Plan, PlannedOperation};
use crate::project::Selection;

/// Rises when a program that reads the format could take something for what it is not.
const FORMAT_VERSION: u32 = 1;

/// What `--format json` prints of a dry run, and of a deploy with nothing to do: the plan, and the hosts that could not be
/// read.
pub fn plan_json(run: &Selection, plan: &Plan, unread: &[HostResult], is_dry_run: bool) -> String {
    let mut hosts: Vec<JsonHost<'_>> = plan.hosts.iter().map(JsonHost::planned).collect();
    hosts.extend(unread.iter().map(JsonHost::unread));
    Document::new(run, plan, is_dry_run, hosts).text()
}

/// What `--format json` prints of a deploy: the plan as it was reviewed, and how each host ended.
pub fn deploy_json(run: &Selection, plan: &Plan, results: &[HostResult]) -> String {
    let hosts = results.iter().map(|result| match plan.host(&result.host) {
        Some(host) => JsonHost::ended(host, result),
        None => JsonHost::unread(result),
    });
    Document::new(run, plan, false, hosts.collect()).text()
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    inventory: &'a str,
    deploy: &'a str,
    dry_run: bool,
    pending: bool,
    left_out: LeftOut<'a>,
    hosts: Vec<JsonHost<'a>>,
    totals: JsonTotals,
    ends: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    hosts: &'a [String],
    tasks: &'a [String],
    items_of: &'a [String],
    not_tagged: &'a [String],
}

#[derive(Serialize)]
struct JsonHost<'a> {
    host: &'a str,
    end: &'static str,
    failure: Option<JsonFailure<'a>>,
    notices: &'a [String],
    totals: JsonTotals,
    operations: Vec<JsonOperation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<JsonResult<'a>>>,
}

#[derive(Default, Serialize)]
struct JsonTotals {
    create: usize,
    update: usize,
    remove: usize,
    known_later: usize,
    each_time: usize,
    unchanged: usize,
    to_verify: usize,
    verified: usize,
    along_with_packages: JsonAlong,
}

#[derive(Default, Serialize)]
struct JsonAlong {
    install: usize,
    upgrade: usize,
    remove: usize,
    is_complete: bool,
}

#[derive(Serialize)]
struct JsonOperation<'a> {
    id: &'a str,
    task: &'a str,
    written_at: String,
    #[serde(flatten)]
    outcome: JsonOutcome<'a>,
}

#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum JsonOutcome<'a> {
    Unchanged,
    Change {
        changes: Vec<JsonChange<'a>>,
    },
    Ensure {
        since: Vec<&'a str>,
        changes: Vec<JsonChange<'a>>,
    },
    Deferred {
        waits_for: Vec<&'a str>,
        why: &'a str,
        may_change: Vec<String>,
        preview: Vec<JsonChange<'a>>,
    },
    Check {
        what: &'a str,
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<&'a str>,
    },
}

#[derive(Serialize)]
struct JsonChange<'a> {
    kind: ResourceKind,
    name: &'a str,
    action: &'static str,
    risk: &'static str,
    before: Option<IndexMap<&'a str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before_unknown: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    before_hidden: Vec<&'a str>,
    after: Option<IndexMap<&'a str, &'a str>>,
    after_unknown: IndexMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after_hidden: Vec<&'a str>,
    differs: Vec<&'a str>,
    runs: Vec<&'a str>,
}

#[derive(Serialize)]
struct JsonResult<'a> {
    id: &'a str,
    lines: Vec<JsonLine<'a>>,
    failure: Option<JsonFailure<'a>>,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    kind: ResourceKind,
    name: &'a str,
    action: &'static str,
    end: &'static str,
}

#[derive(Serialize)]
struct JsonFailure<'a> {
    attempted: &'a str,
    cause: Option<&'a str>,
    exit_code: Option<i32>,
    output: &'a str,
    hint: Option<&'a str>,
}

impl<'a> Document<'a> {
    fn new(run: &'a Selection, plan: &'a Plan, dry_run: bool, hosts: Vec<JsonHost<'a>>) -> Self {
        let mut totals = Tally::default();
        plan.hosts.iter().for_each(|host| totals.merge(&Tally::of(host)));
        let mut ends = BTreeMap::new();
        for host in &hosts {
            *ends.entry(host.end).or_default() += 1;
        }
        Self {
            format_version: FORMAT_VERSION,
            inventory: &run.inventory,
            deploy: &run.deploy,
            dry_run,
            pending: plan.is_pending(),
            left_out: LeftOut {
                hosts: &run.hosts_left_out,
                tasks: &run.tasks_left_out,
                items_of: &run.items_left_out_of,
                not_tagged: &run.tags,
            },
            hosts,
            totals: JsonTotals::of(&totals),
            ends,
        }
    }

    fn text(&self) -> String {
        // Nothing here can fail: all keys are strings and nothing is written to but memory.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        text + "\n"
    }
}

impl<'a> JsonHost<'a> {
    fn planned(plan: &'a HostPlan) -> Self {
        let end = if plan.is_pending() {
            HostEnd::Pending
        } else {
            HostEnd::Converged
        };
        Self {
            host: &plan.host,
            end: end_word(end),
            failure: None,
            notices: &plan.notices,
            totals: JsonTotals::of(&Tally::of(plan)),
            operations: plan.operations.iter().map(JsonOperation::of).collect(),
            results: None,
        }
    }

    fn ended(plan: &'a HostPlan, result: &'a HostResult) -> Self {
        Self {
            end: end_word(result.end),
            failure: result.failure.as_ref().map(JsonFailure::of),
            notices: &result.notices,
            results: Some(result.operations.iter().map(JsonResult::of).collect()),
            ..Self::planned(plan)
        }
    }

    fn unread(result: &'a HostResult) -> Self {
        Self {
            host: &result.host,
            end: end_word(result.end),
            failure: result.failure.as_ref().map(JsonFailure::of),
            notices: &result.notices,
            totals: JsonTotals::of(&Tally::default()),
            operations: Vec::new(),
            results: None,
        }
    }
}

impl JsonTotals {
    fn of(tally: &Tally) -> Self {
        let (totals, along) = (&tally.totals, &tally.along);
        Self {
            create: totals.create,
            update: totals.update,
            remove: totals.remove,
            known_later: totals.deferred,
            each_time: totals.each_time,
            unchanged: totals.unchanged,
            to_verify: totals.checks,
            verified: totals.holding,
            along_with_packages: JsonAlong {
                install: along.installs,
                upgrade: along.upgrades,
                remove: along.removes,
                is_complete: !along.is_unknown,
            },
        }
    }
}

impl<'a> JsonOperation<'a> {
    fn of(operation: &'a PlannedOperation) -> Self {
        Self {
            id: &operation.id.0,
            task: &operation.task,
            written_at: operation.origin.to_string(),
            outcome: JsonOutcome::of(&operation.outcome),
        }
    }
}

impl<'a> JsonOutcome<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Unchanged => Self::Unchanged,
            Outcome::Change(changes) => Self::Change {
                changes: all_changes(changes),
            },
            Outcome::Ensure { changes, since } => Self::Ensure {
                since: ids(since),
                changes: all_changes(changes),
            },
            Outcome::Deferred {
                waits_for,
                why,
                touches,
                preview,
            } => Self::Deferred {
                waits_for: ids(waits_for),
                why,
                may_change: touches.iter().map(operation::scope).collect(),
                preview: all_changes(preview),
            },
            Outcome::Check { what, state, .. } => Self::check(what, state),
        }
    }

    fn check(what: &'a str, state: &'a CheckState) -> Self {
        let (state, why) = match state {
            CheckState::Holds => ("holds", None),
            CheckState::Fails(why) => ("fails", Some(why.as_str())),
            CheckState::Later => ("later", None),
        };
        Self::Check { what, state, why }
    }
}

fn all_changes(changes: &[ResourceChange]) -> Vec<JsonChange<'_>> {
    changes.iter().map(JsonChange::of).collect()
}

fn ids(operations: &[OperationId]) -> Vec<&str> {
    operations.iter().map(|operation| operation.0.as_str()).collect()
}

impl<'a> JsonChange<'a> {
    fn of(change: &'a ResourceChange) -> Self {
        let (before, before_unknown) = match &change.before {
            Before::Absent => (None, None),
            Before::Present(attributes) => (Some(attributes), None),
            Before::Unknown(why) => (None, Some(why.as_str())),
        };
        let after = change.after.as_ref();
        Self {
            kind: change.id.kind,
            name: &change.id.name,
            action: action_word(change.action),
            risk: risk_word(change.risk),
            before: before.map(known),
            before_unknown,
            before_hidden: before.map(hidden).unwrap_or_default(),
            after: after.map(known),
            after_unknown: after.map(unknown).unwrap_or_default(),
            after_hidden: after.map(hidden).unwrap_or_default(),
            differs: differing(before, after),
            runs: change.steps.iter().filter_map(command).collect(),
        }
    }
}

fn known(attributes: &Attributed) -> IndexMap<&str, &str> {
    let known = attributes.iter().filter_map(|(name, value)| match value {
        Attribute::Known(text) => Some((*name, text.as_str())),
        _ => None,
    });
    known.collect()
}

fn unknown(attributes: &Attributed) -> IndexMap<&str, &str> {
    let unknown = attributes.iter().filter_map(|(name, value)| match value {
        Attribute::Unknown(why) => Some((*name, why.as_str())),
        _ => None,
    });
    unknown.collect()
}

/// Not even a digest is told: its key is another one in each run.
fn hidden(attributes: &Attributed) -> Vec<&str> {
    let hidden = attributes
        .iter()
        .filter(|(_, value)| matches!(value, Attribute::Secret(_)));
    hidden.map(|(name, _)| *name).collect()
}

/// Names of attributes that come, go, or are not known to stay.
fn differing<'a>(before: Option<&'a Attributed>, after: Option<&'a Attributed>) -> Vec<&'a str> {
    let of = |attributes: Option<&'a Attributed>, name: &str| attributes.and_then(|all| all.get(name));
    let new = after.into_iter().flatten();
    let differing = new.filter(|(name, value)| of(before, name) != Some(value));
    let gone = before
        .into_iter()
        .flatten()
        .filter(|(name, _)| of(after, name).is_none());
    differing.chain(gone).map(|(name, _)| *name).collect()
}

fn command(step: &Step) -> Option<&str> {
    step.command().map(|command| command.summary.as_str())
}

impl<'a> JsonResult<'a> {
    fn of(result: &'a OperationResult) -> Self {
        let lines = result.lines.iter().map(|line| JsonLine {
            kind: line.resource.kind,
            name: &line.resource.name,
            action: action_word(line.action),
            end: line_word(line.end),
        });
        Self {
            id: &result.operation.0,
            lines: lines.collect(),
            failure: result.failure.as_ref().map(JsonFailure::of),
        }
    }
}

impl<'a> JsonFailure<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self {
            attempted: &failure.attempted,
            cause: failure.cause.as_deref(),
            exit_code: failure.exit_code,
            output: &failure.output,
            hint: failure.hint.as_deref(),
        }
    }
}

fn action_word(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Remove => "remove",
        Action::RunEachTime => "run_each_time",
    }
}

fn risk_word(risk: Risk) -> &'static str {
    match risk {
        Risk::None => "none",
        Risk::Restart => "restart",
        Risk::Removal => "removal",
        Risk::LockOut => "lock_out",
    }
}

fn line_word(end: ResourceEnd) -> &'static str {
    match end {
        ResourceEnd::Applied => "applied",
        ResourceEnd::AlreadySo => "already_so",
        ResourceEnd::Holds => "holds",
        ResourceEnd::Failed => "failed",
        ResourceEnd::NotReached => "not_reached",
    }
}

fn end_word(end: HostEnd) -> &'static str {
    match end {
        HostEnd::Converged => "converged",
        HostEnd::Pending => "pending",
        HostEnd::Failed => "failed",
        HostEnd::Unreachable => "unreachable",
        HostEnd::Locked => "locked",
        HostEnd::Stale => "stale",
        HostEnd::Invalid => "invalid",
        HostEnd::Interrupted => "interrupted",
        HostEnd::HeldBack => "held_back",
    }
}
