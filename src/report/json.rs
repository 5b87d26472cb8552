//! A review for programs. The same values give the same bytes: no time, no duration, no random word.

use std::borrow::Cow;
use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Serialize;

use super::document::document;
use super::phrases;
use super::review::{
    Attributes, Before, Block, Change, Entry, EntryState, HostReview, Review, SkippedEntry, StepNote, Tally,
    TaskReview, Trigger, Value,
};
use crate::apply::{Failure, HostEnd, OperationResult, ResourceEnd};
use crate::change::{Action, CheckState, ResourceKind, Risk};
use crate::facts::overlay::OperationId;

/// Rises when a change could mislead programs that read the format. Also that of a deploy that was refused.
pub(super) const FORMAT_VERSION: u32 = 1;

/// A review as one JSON document.
pub fn json(review: &Review<'_>) -> String {
    document(&Document::of(review))
}

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    inventory: &'a str,
    deploy: &'a str,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved_plan: Option<JsonSaved<'a>>,
    pending: bool,
    left_out: LeftOut<'a>,
    hosts: Vec<JsonHost<'a>>,
    totals: JsonTotals,
    ends: BTreeMap<&'static str, usize>,
}

/// The saved plan that the review is about.
#[derive(Serialize)]
struct JsonSaved<'a> {
    digest: &'a str,
    not_applicable: Option<&'a str>,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    hosts: &'a [String],
    not_failed: &'a [String],
    tasks: &'a [String],
    items_of: &'a [String],
    not_tagged: &'a [String],
}

#[derive(Serialize)]
struct JsonHost<'a> {
    host: &'a str,
    end: &'static str,
    failure: Option<JsonFailure<'a>>,
    notices: &'a [Cow<'a, str>],
    totals: JsonTotals,
    skipped: Vec<JsonSkipped<'a>>,
    operations: Vec<JsonOperation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<JsonResult<'a>>>,
}

/// What `when` skips.
#[derive(Serialize)]
struct JsonSkipped<'a> {
    name: &'a str,
    written_at: &'a str,
}

#[derive(Default, Serialize)]
struct JsonTotals {
    create: usize,
    update: usize,
    remove: usize,
    known_later: usize,
    needs_key: usize,
    each_time: usize,
    refresh: usize,
    unchanged: usize,
    to_verify: usize,
    verified: usize,
    skipped: usize,
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
    written_at: &'a str,
    trigger: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notified_by: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unless_started_by: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    guarded: bool,
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
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        as_now: bool,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        needs_key: bool,
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    before_masked: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    above: Vec<&'a str>,
    after: Option<IndexMap<&'a str, &'a str>>,
    after_unknown: IndexMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after_hidden: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after_masked: Vec<&'a str>,
    differs: &'a [&'static str],
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    changed_values: IndexMap<&'a str, JsonValues<'a>>,
    runs: Vec<&'a str>,
}

/// The values that change in a text of YAML, JSON or TOML.
#[derive(Serialize)]
struct JsonValues<'a> {
    with_white_space: bool,
    values: Vec<JsonValue<'a>>,
}

#[derive(Serialize)]
struct JsonValue<'a> {
    path: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonResult<'a> {
    id: &'a str,
    lines: Vec<JsonLine<'a>>,
    failure: Option<JsonFailure<'a>>,
    retried: u8,
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
    written_at: Option<&'a str>,
    parameter: Option<&'a str>,
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    exit_code: Option<i32>,
    output: &'a str,
    hint: Option<&'a str>,
}

impl<'a> Document<'a> {
    fn of(review: &'a Review<'a>) -> Self {
        let mut ends = BTreeMap::new();
        for host in &review.hosts {
            *ends.entry(end_word(host.end)).or_default() += 1;
        }
        Self {
            format_version: FORMAT_VERSION,
            inventory: review.inventory,
            deploy: review.deploy,
            dry_run: review.is_dry_run,
            saved_plan: review.saved.as_ref().map(|saved| JsonSaved {
                digest: &saved.digest,
                not_applicable: saved.not_applicable.as_deref(),
            }),
            pending: review.is_pending,
            left_out: LeftOut {
                hosts: review.skipped.hosts,
                not_failed: review.skipped.not_failed,
                tasks: review.skipped.tasks,
                items_of: review.skipped.items_of,
                not_tagged: review.skipped.not_tagged,
            },
            hosts: review.hosts.iter().map(JsonHost::of).collect(),
            totals: JsonTotals::of(&review.totals),
            ends,
        }
    }
}

impl<'a> JsonHost<'a> {
    fn of(host: &'a HostReview<'a>) -> Self {
        Self {
            host: host.host,
            end: end_word(host.end),
            failure: host.failure.map(JsonFailure::of),
            notices: &host.notices,
            totals: JsonTotals::of(&host.totals),
            skipped: host.skipped.iter().map(JsonSkipped::of).collect(),
            operations: host.tasks.iter().flat_map(JsonOperation::of).collect(),
            results: host.results.map(|results| results.iter().map(JsonResult::of).collect()),
        }
    }
}

impl<'a> JsonSkipped<'a> {
    fn of(skipped: &'a SkippedEntry<'a>) -> Self {
        Self {
            name: &skipped.name,
            written_at: &skipped.written_at,
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
            needs_key: totals.lack_secrets,
            each_time: totals.each_time,
            refresh: totals.refresh,
            unchanged: totals.unchanged,
            to_verify: totals.checks,
            verified: totals.holding,
            skipped: totals.skipped,
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
    fn of(task: &'a TaskReview<'a>) -> impl Iterator<Item = Self> {
        task.entries.iter().map(|entry| {
            let (trigger, notified_by) = match &entry.trigger {
                Trigger::Always => ("always", Vec::new()),
                Trigger::NotifiedBy(notifiers) => ("notified", ids(notifiers.iter().copied())),
                Trigger::Owed | Trigger::OwedByRunBeside => ("owed", Vec::new()),
            };
            Self {
                id: &entry.id.0,
                task: task.task,
                written_at: &entry.written_at,
                trigger,
                notified_by,
                unless_started_by: entry.unless_started_by.map(|id| id.0.as_str()),
                guarded: entry.is_guarded,
                outcome: JsonOutcome::of(entry),
            }
        })
    }
}

impl<'a> JsonOutcome<'a> {
    fn of(entry: &'a Entry<'a>) -> Self {
        match &entry.state {
            EntryState::Unchanged => Self::Unchanged,
            EntryState::Change(changes) => Self::Change {
                changes: all_changes(changes),
            },
            EntryState::Ensure { changes, since, .. } => Self::Ensure {
                since: ids(*since),
                changes: all_changes(changes),
            },
            EntryState::Deferred {
                waits_for,
                why,
                touches,
                preview,
            } => Self::Deferred {
                waits_for: ids(*waits_for),
                why,
                as_now: entry.stays,
                needs_key: entry.lacks_secret,
                may_change: phrases::named_scopes(touches).collect(),
                preview: all_changes(preview),
            },
            EntryState::Check { what, state } => Self::check(what, state),
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

fn all_changes<'a>(changes: &'a [Change<'a>]) -> Vec<JsonChange<'a>> {
    changes.iter().map(JsonChange::of).collect()
}

fn ids<'a>(operations: impl IntoIterator<Item = &'a OperationId>) -> Vec<&'a str> {
    operations.into_iter().map(|operation| operation.0.as_str()).collect()
}

impl<'a> JsonChange<'a> {
    fn of(change: &'a Change<'a>) -> Self {
        let (before, before_unknown) = match &change.before {
            Before::Absent => (None, None),
            Before::Present(attributes) => (Some(attributes), None),
            Before::Unknown(why) => (None, Some(why.as_ref())),
        };
        let after = change.after.as_ref();
        Self {
            kind: change.kind,
            name: &change.name,
            action: action_word(change.action),
            risk: risk_word(change.risk),
            before: before.map(known),
            before_unknown,
            before_hidden: before.map(hidden).unwrap_or_default(),
            before_masked: before.map(partly_masked).unwrap_or_default(),
            above: change.above.iter().map(AsRef::as_ref).collect(),
            after: after.map(known),
            after_unknown: after.map(unknown).unwrap_or_default(),
            after_hidden: after.map(hidden).unwrap_or_default(),
            after_masked: after.map(partly_masked).unwrap_or_default(),
            differs: &change.differs,
            changed_values: change.blocks.iter().filter_map(JsonValues::of).collect(),
            runs: change.steps.iter().filter_map(command).collect(),
        }
    }
}

impl<'a> JsonValues<'a> {
    /// The values that change in an attribute, with its name.
    fn of(block: &'a Block) -> Option<(&'a str, Self)> {
        let changed = block.values.as_ref()?;
        let values = changed.values.iter().map(|one| JsonValue {
            path: &one.path,
            before: one.before.as_deref(),
            after: one.after.as_deref(),
        });
        let values = Self {
            with_white_space: changed.with_white_space,
            values: values.collect(),
        };
        Some((block.name.unwrap_or("content"), values))
    }
}

fn known<'a>(attributes: &'a Attributes<'a>) -> IndexMap<&'a str, &'a str> {
    let known = attributes.iter().filter_map(|(name, value)| match value {
        Value::Known(text) | Value::Masked(text) => Some((*name, text.as_ref())),
        _ => None,
    });
    known.collect()
}

fn unknown<'a>(attributes: &'a Attributes<'a>) -> IndexMap<&'a str, &'a str> {
    let unknown = attributes.iter().filter_map(|(name, value)| match value {
        Value::Unknown(why) => Some((*name, why.as_ref())),
        _ => None,
    });
    unknown.collect()
}

fn hidden<'a>(attributes: &Attributes<'a>) -> Vec<&'a str> {
    let hidden = attributes.iter().filter(|(_, value)| **value == Value::Hidden);
    hidden.map(|(name, _)| *name).collect()
}

fn partly_masked<'a>(attributes: &Attributes<'a>) -> Vec<&'a str> {
    let masked = attributes.iter().filter(|(_, value)| matches!(value, Value::Masked(_)));
    masked.map(|(name, _)| *name).collect()
}

fn command<'a>(step: &'a StepNote<'a>) -> Option<&'a str> {
    match step {
        StepNote::Runs(command) | StepNote::ChecksAtApply(command) => Some(command),
        StepNote::Validates(_) => None,
    }
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
            retried: result.retried,
        }
    }
}

impl<'a> JsonFailure<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self {
            attempted: &failure.attempted,
            written_at: failure.place.as_ref().map(|place| place.written_at.as_str()),
            parameter: failure.place.as_ref().and_then(|place| place.parameter.as_deref()),
            cause: failure.cause.as_deref(),
            outcome: failure.outcome.as_deref(),
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
        Action::Refresh => "refresh",
    }
}

fn risk_word(risk: Risk) -> &'static str {
    match risk {
        Risk::None => "none",
        Risk::Restart => "restart",
        Risk::Reboot => "reboot",
        Risk::Removal => "removal",
        Risk::DataLoss => "data_loss",
        Risk::LockOut => "lock_out",
    }
}

fn line_word(end: ResourceEnd) -> &'static str {
    match end {
        ResourceEnd::Applied => "applied",
        ResourceEnd::AlreadySo => "already_so",
        ResourceEnd::Holds => "holds",
        ResourceEnd::PutBack => "put_back",
        ResourceEnd::Failed => "failed",
        ResourceEnd::Ignored => "ignored",
        ResourceEnd::Unknown => "unknown",
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
        HostEnd::Stale | HostEnd::Outdated => "stale",
        HostEnd::Invalid => "invalid",
        HostEnd::Interrupted => "interrupted",
        HostEnd::HeldBack => "held_back",
    }
}
