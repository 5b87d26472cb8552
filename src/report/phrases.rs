//! The words of a review, in one place for text, Markdown and HTML.
//!
//! A phrase separates homelab's own words from text of hosts and projects, so that each renderer can quote the latter.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::TextOptions;
use super::review::{
    AlongNames, Block, Change, Entry, EntryState, Kept, LeftOut, Note, Skipped, SkippedEntry, StepNote, Tally, Trigger,
    Value,
};
use super::sanitize::one_line;
use super::style::{Tone, counted, grouped, warning, width};
use crate::apply::{HostEnd, OperationResult, ResourceEnd};
use crate::change::{Action, CheckState, ResourceKind};
use crate::facts::FactKey;
use crate::facts::overlay::{FactScope, OperationId};
use crate::plan::Totals;

/// Longer values are cut unless everything is shown, in characters.
const LONG: usize = 120;
const HIDDEN: &str = "(hidden)";
const HIDDEN_CONTENT: &str = "(hidden: not readable by everyone on the host)";
pub(super) const NO_NEWLINE: &str = "\\ no newline at end of file";
/// A check that passes, and several.
const PASSING: [&str; 2] = ["check passes", "checks pass"];
const SHOW_ALL: &str = "too many to show (--verbose shows all)";

/// A piece of a phrase, escaped for one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// homelab's own words.
    Word(Cow<'static, str>),
    /// A foreign value.
    Value(String),
    /// A foreign name, which text shows in backticks.
    Name(String),
}

/// Words and foreign text in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Phrase(pub(super) Vec<Piece>);

impl Phrase {
    pub(super) fn words(words: impl Into<Cow<'static, str>>) -> Self {
        Self::default().word(words)
    }

    fn word(mut self, words: impl Into<Cow<'static, str>>) -> Self {
        self.0.push(Piece::Word(words.into()));
        self
    }

    fn value(mut self, value: impl Into<String>) -> Self {
        self.0.push(Piece::Value(value.into()));
        self
    }

    fn name(mut self, name: impl Into<String>) -> Self {
        self.0.push(Piece::Name(name.into()));
        self
    }

    fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The phrase with foreign pieces of at most `most` bytes.
    pub(super) fn cut(&self, most: usize) -> Self {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Word(words) => Piece::Word(words.clone()),
            Piece::Value(value) => Piece::Value(cut(value, most)),
            Piece::Name(name) => Piece::Name(cut(name, most)),
        });
        Self(pieces.collect())
    }

    /// The phrase as text.
    pub(super) fn text(&self) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Word(words) => words.to_string(),
                Piece::Value(value) => value.clone(),
                Piece::Name(name) => format!("`{name}`"),
            })
            .collect()
    }
}

/// `text` of at most `most` bytes.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

/// Phrases with `between` between them.
pub(super) fn joined(phrases: impl IntoIterator<Item = Phrase>, between: &'static str) -> Phrase {
    let mut all = Phrase::default();
    for phrase in phrases {
        if !all.0.is_empty() {
            all = all.word(between);
        }
        all = all.then(phrase);
    }
    all
}

/// What differs in a resource. Attributes that are not known for the same reason are named together.
fn notes(notes: &[Note<'_>], options: &TextOptions) -> Phrase {
    let unknown = |note: &Note<'_>| match note {
        Note::OneSide {
            name,
            stands_alone: false,
            value: Value::Unknown(why),
            was: false,
        } => Some((*name, why.to_string())),
        _ => None,
    };
    let groups = notes.chunk_by(|one, next| match (unknown(one), unknown(next)) {
        (Some((_, one)), Some((_, next))) => one == next,
        _ => false,
    });
    let shown = groups.map(|group| match (group, unknown(&group[0])) {
        ([_, _, ..], Some((_, why))) => {
            let names: Vec<&str> = group.iter().filter_map(unknown).map(|(name, _)| name).collect();
            let (last, first) = names.split_last().unwrap_or((&"", &[]));
            Phrase::words(format!("{} and {last} ", first.join(", "))).then(known_after_apply(&why, options))
        }
        _ => note(&group[0], options),
    });
    joined(shown, ", ")
}

/// A short description of what differs in a resource.
fn note(note: &Note<'_>, options: &TextOptions) -> Phrase {
    let was = |was: bool| {
        Phrase(if was {
            vec![Piece::Word("was ".into())]
        } else {
            Vec::new()
        })
    };
    match note {
        Note::Ownership {
            mode,
            owner,
            group,
            was: is_old,
        } => was(*is_old).value(format!("{} {}:{}", one_line(mode), one_line(owner), one_line(group))),
        Note::Empty { was: is_old } => was(*is_old).word("empty"),
        Note::OneSide {
            name,
            stands_alone,
            value: shown,
            was: is_old,
        } => was(*is_old)
            .then(label(name, *stands_alone))
            .then(value(name, shown, options)),
        Note::Changes {
            name,
            stands_alone,
            old: Some(Value::Known(old)),
            new: Some(Value::Known(new)),
        } => label(name, *stands_alone).then(whole(old)).word(" → ").then(whole(new)),
        Note::Changes {
            name,
            stands_alone,
            old,
            new,
        } => {
            let old = match old {
                None => Phrase::words("the text below"),
                Some(Value::Unknown(why)) => Phrase::words("(not known: ").value(one_line(why)).word(")"),
                Some(other) => value(name, other, options),
            };
            let new = match new {
                None => Phrase::words("the new text below"),
                Some(other) => value(name, other, options),
            };
            label(name, *stands_alone).then(old).word(" → ").then(new)
        }
        Note::ChangesHidden { name } => Phrase::words(format!("{name} changes {}", hidden(name))),
    }
}

/// The label before a value, unless the value needs none.
fn label(name: &'static str, stands_alone: bool) -> Phrase {
    if stands_alone {
        return Phrase::default();
    }
    Phrase::words(format!("{name} "))
}

fn value(name: &str, value: &Value<'_>, options: &TextOptions) -> Phrase {
    match value {
        Value::Known(text) if text.is_empty() => Phrase::words("none"),
        Value::Known(text) | Value::Masked(text) => Phrase::default().value(short(&one_line(text), options)),
        Value::Unknown(why) => known_after_apply(why, options),
        Value::Hidden => Phrase::words(hidden(name)),
    }
}

/// A known value, however long.
fn whole(text: &str) -> Phrase {
    if text.is_empty() {
        return Phrase::words("none");
    }
    Phrase::default().value(one_line(text))
}

fn hidden(name: &str) -> &'static str {
    if name == "content" { HIDDEN_CONTENT } else { HIDDEN }
}

/// `(known after apply)`, with its reason if that is short or requested.
pub(super) fn known_after_apply(why: &str, options: &TextOptions) -> Phrase {
    let why = one_line(why);
    if why.is_empty() || (width(&why) > LONG / 2 && !options.verbose) {
        return Phrase::words("(known after apply)");
    }
    Phrase::words("(known after apply: ").value(why).word(")")
}

fn short(text: &str, options: &TextOptions) -> String {
    let count = width(text);
    if count <= 2 * LONG || options.full_diff {
        return text.to_owned();
    }
    let head: String = text.chars().take(LONG).collect();
    format!("{head}…[{} more characters]", grouped(count - LONG))
}

/// The description of a change after its name, with the styles of a terminal.
pub(super) fn parts(change: &Change<'_>, unless: &[OperationId], options: &TextOptions) -> Vec<(Tone, Phrase)> {
    let mut parts = Vec::new();
    let notes = notes(&change.notes, options);
    if !notes.0.is_empty() {
        parts.push((Tone::Plain, notes));
    }
    if !change.above.is_empty() {
        let named = joined(
            change.above.iter().map(|path| Phrase::default().name(one_line(path))),
            " and ",
        );
        parts.push((
            Tone::Faint,
            Phrase::words("creates ").then(named).word(" too, if missing"),
        ));
    }
    if change.is_for_running && change.differs.is_empty() {
        parts.push((
            Tone::Faint,
            Phrase::words("not running, and a handler does not start it"),
        ));
    }
    parts.extend(warning(change.risk).map(|risk| (Tone::Removed, Phrase::words(risk))));
    if change.action == Action::RunEachTime {
        // It does not run in a deploy that changes nothing else.
        let is_try = change.kind == ResourceKind::Job;
        parts.push((
            Tone::Faint,
            Phrase::words(if is_try { "tries what changed" } else { "each time" }),
        ));
    }
    if !unless.is_empty() && change.is_for_running {
        parts.push((
            Tone::Later,
            Phrase::words("if it runs after ").then(named(unless, " and ")),
        ));
    } else if !unless.is_empty() {
        parts.push((
            Tone::Later,
            Phrase::words("unless ")
                .then(named(unless, " or "))
                .word(match change.action {
                    Action::Create => " already creates it",
                    Action::Remove => " already removes it",
                    Action::Update | Action::RunEachTime | Action::Refresh => " already does that",
                }),
        ));
    }
    parts
}

/// The heading of a diff; `None` for a file's content.
pub(super) fn block_name(block: &Block) -> Option<String> {
    block.name.map(|name| format!("{name}:"))
}

/// An attribute that stays as it is.
pub(super) fn kept(kept: &Kept<'_>) -> String {
    match &kept.value {
        Some(value) => format!("{} {}", kept.name, one_line(value)),
        None => kept.name.to_owned(),
    }
}

/// The command that runs for a change.
pub(super) fn step(step: &StepNote<'_>) -> Phrase {
    match step {
        StepNote::Runs(command) => Phrase::words("runs ").name(one_line(command)),
        StepNote::Validates(command) => Phrase::words("validated with ").name(one_line(command)),
        StepNote::ChecksAtApply(command) => Phrase::words("first runs ").name(one_line(command)),
    }
}

/// The state of a check.
pub(super) fn check(state: &CheckState) -> Phrase {
    match state {
        CheckState::Holds => Phrase::words("passes now"),
        CheckState::Fails(why) => Phrase::words("fails now: ").value(one_line(why)),
        CheckState::Later => Phrase::words("checked after the changes"),
    }
}

/// Why a handler runs; empty for other operations.
pub(super) fn trigger(trigger: &Trigger<'_>) -> Phrase {
    match trigger {
        Trigger::Always => Phrase::default(),
        Trigger::NotifiedBy(notifiers) => Phrase::words("notified by ").then(named(notifiers.iter().copied(), " and ")),
        Trigger::Owed => Phrase::words("owed since an earlier run, which ended before it"),
        Trigger::OwedByRunBeside => Phrase::words("unless the run that is changing the host now comes to it"),
    }
}

/// What holds for all changes of an operation: what may already make them, why a handler runs, and whether it is guarded; empty
/// for most operations.
pub(super) fn aside(entry: &Entry<'_>) -> Phrase {
    let all_are = |action| entry.changes().iter().all(|change| change.action == action);
    let unless = match entry.unless_all() {
        [] => Phrase::default(),
        since => Phrase::words("unless ")
            .then(named(since, " or "))
            .word(if all_are(Action::Create) {
                " already creates them"
            } else if all_are(Action::Remove) {
                " already removes them"
            } else {
                " already does that"
            }),
    };
    let guarded = if entry.is_guarded {
        Phrase::words(GUARDED)
    } else {
        Phrase::default()
    };
    // What a handler waits for is named above it.
    let is_named = matches!((&entry.state, &entry.trigger), (EntryState::Deferred { waits_for, .. }, Trigger::NotifiedBy(by))
        if waits_for.len() == by.len() && by.iter().all(|id| waits_for.contains(id)));
    let trigger = if is_named {
        Phrase::default()
    } else {
        trigger(&entry.trigger)
    };
    let started = match entry.unless_started_by {
        Some(start) => Phrase::words("unless ").then(named([start], "")).word(" starts it"),
        None => Phrase::default(),
    };
    let all = [checked_at_apply(entry), unless, trigger, started, guarded];
    joined(all.into_iter().filter(|phrase| !phrase.0.is_empty()), "; ")
}

/// The commands that must accept new files right before the changes; empty for most operations.
fn checked_at_apply(entry: &Entry<'_>) -> Phrase {
    let steps = entry.changes().iter().flat_map(|change| &change.steps);
    let commands = steps.filter_map(|step| match step {
        StepNote::ChecksAtApply(command) => Some(Phrase::default().name(one_line(command))),
        StepNote::Runs(_) | StepNote::Validates(_) => None,
    });
    let commands = joined(commands, " and ");
    if commands.0.is_empty() {
        return Phrase::default();
    }
    Phrase::words("checked at apply by ").then(commands)
}

const GUARDED: &str = "guarded: goes back unless a new connection works";

/// Where an operation is written.
pub(super) fn written_at(entry: &Entry<'_>) -> Phrase {
    Phrase::words("from ")
        .value(one_line(&entry.written_at))
        .word(", ")
        .name(one_line(entry.slug()))
}

/// A task or an operation that `when` skips, and where it is written.
pub(super) fn skipped_entry(skipped: &SkippedEntry<'_>) -> Phrase {
    Phrase::default()
        .name(one_line(&skipped.name))
        .word(" from ")
        .value(one_line(&skipped.written_at))
}

/// When a deferred operation is known; empty if waiting does not help.
pub(super) fn known_when(waits_for: &[OperationId]) -> Phrase {
    if waits_for.is_empty() {
        return Phrase::default();
    }
    Phrase::words("known after ").then(named(waits_for, " and ")).word(":")
}

/// Everything that a deferred operation may change; empty if that is not known.
pub(super) fn may_change(touches: &[FactScope]) -> Phrase {
    let mut scopes: Vec<String> = Vec::new();
    for text in named_scopes(touches) {
        if !scopes.contains(&text) {
            scopes.push(text);
        }
    }
    if scopes.is_empty() {
        return Phrase::default();
    }
    Phrase::words("may change ").value(scopes.join(", "))
}

/// The descriptions of scopes, but for containers: any command may start some. Addresses come with the network that has them.
pub(super) fn named_scopes(touches: &[FactScope]) -> impl Iterator<Item = String> {
    let is_implied = |one: &&FactScope| matches!(one, FactScope::Containers | FactScope::Key(FactKey::DockerSubnets));
    let named = touches.iter().filter(move |one| !is_implied(one));
    named.map(scope)
}

/// The heading above the changes that a deferred operation would make now.
pub(super) const AS_THINGS_ARE: &str = "based on the current state:";

fn named<'a>(operations: impl IntoIterator<Item = &'a OperationId>, before_last: &'static str) -> Phrase {
    let mut names: Vec<String> = Vec::new();
    for operation in operations {
        let name = one_line(operation.slug());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let last = names.pop();
    let all = joined(names.into_iter().map(|name| Phrase::default().name(name)), ", ");
    match last {
        Some(last) if all.0.is_empty() => all.name(last),
        Some(last) => all.word(before_last).name(last),
        None => all,
    }
}

/// The description of a scope.
pub(super) fn scope(scope: &FactScope) -> String {
    match scope {
        FactScope::Key(key) => match key.path() {
            Some(path) => one_line(path),
            None => one_line(&key.to_string()),
        },
        FactScope::Tree(top) => format!("anything in {}", one_line(top)),
        FactScope::Packages => "any package".to_owned(),
        FactScope::FilesOfPackages => "files of packages".to_owned(),
        FactScope::Owned(paths) => format!("{} paths of packages", paths.len()),
        FactScope::Units => "any unit".to_owned(),
        FactScope::MayComeWithPackages => "what a package may create".to_owned(),
        FactScope::NewKernelParameters => "new kernel parameters".to_owned(),
        FactScope::Accounts => "any user or group".to_owned(),
        FactScope::Containers => "containers".to_owned(),
        FactScope::Docker => "anything in Docker".to_owned(),
        FactScope::Kubernetes => "objects of the cluster".to_owned(),
        FactScope::Everything => "anything".to_owned(),
    }
}

/// Lines that a diff leaves out.
pub(super) fn left_out(left_out: LeftOut) -> String {
    match left_out {
        LeftOut::Changed { removed, added } => format!(
            "{} removed, {} added: {SHOW_ALL}",
            counted(removed, "line"),
            grouped(added)
        ),
        LeftOut::ChangedOver(most) => format!("over {} changed lines: {SHOW_ALL}", grouped(most)),
        LeftOut::Listed { more, all } => format!(
            "… {} (--verbose shows all {})",
            counted(more, "more line"),
            grouped(all)
        ),
    }
}

/// Characters that a line leaves out.
pub(super) fn more_characters(count: usize) -> String {
    format!("…[{} more characters]…", grouped(count))
}

/// Additional packages, as headings with the packages below; the first may have none.
pub(super) fn along(along: &AlongNames<'_>, options: &TextOptions) -> Along {
    let heading = |names: &[Cow<'_, str>], text: String| {
        let names: Vec<String> = names.iter().map(|name| one_line(name)).collect();
        (!names.is_empty()).then_some((text, names))
    };
    Along {
        unknown: along
            .unknown
            .as_ref()
            .map(|why| Phrase::words("and additional packages ").then(known_after_apply(why, options))),
        installs: heading(
            &along.installs,
            format!("and {}:", counted(along.installs.len(), "additional package")),
        ),
        upgrades: heading(
            &along.upgrades,
            format!("and upgrades {}:", counted(along.upgrades.len(), "package")),
        ),
        removes: heading(
            &along.removes,
            format!("and removes {}:", counted(along.removes.len(), "package")),
        ),
    }
}

/// Additional packages in groups, each with its heading.
pub(super) struct Along {
    /// There are more, not known yet.
    pub(super) unknown: Option<Phrase>,
    pub(super) installs: Option<(String, Vec<String>)>,
    pub(super) upgrades: Option<(String, Vec<String>)>,
    pub(super) removes: Option<(String, Vec<String>)>,
}

/// The counts of a review.
pub(super) fn totals(tally: &Tally) -> Vec<(Tone, String)> {
    let totals = &tally.totals;
    let mut parts = pending(tally);
    if totals.each_time > 0 {
        parts.push(count(totals.each_time, "run each time", Tone::EachTime));
    }
    if totals.refresh > 0 {
        parts.push(count(totals.refresh, "to refresh", Tone::EachTime));
    }
    parts.push(operations(totals.unchanged, "unchanged", Tone::Plain));
    let to_run = totals.checks.saturating_sub(tally.failing_checks);
    parts.extend(checks(to_run, ["check to run", "checks to run"], Tone::Later));
    parts.extend(checks(totals.holding, PASSING, Tone::Plain));
    if totals.skipped > 0 {
        parts.push(count(totals.skipped, SKIPPED_BY_WHEN, Tone::Plain));
    }
    parts
}

/// The label of tasks and operations that `when` skips.
pub(super) const SKIPPED_BY_WHEN: &str = "skipped (when)";

/// The counts of what is pending.
pub(super) fn pending(tally: &Tally) -> Vec<(Tone, String)> {
    let totals = &tally.totals;
    let mut parts = vec![
        count(totals.create, "to create", Tone::Added),
        count(totals.update, "to change", Tone::Changed),
        count(totals.remove, "to remove", Tone::Removed),
    ];
    if totals.deferred > totals.open {
        parts.push(operations(totals.deferred - totals.open, "known later", Tone::Later));
    }
    if totals.open > 0 {
        parts.push(operations(totals.open, "cannot be planned", Tone::Later));
    }
    parts.extend(not_compared(totals).map(|text| (Tone::Later, text)));
    parts.extend(checks(
        tally.failing_checks,
        ["check fails", "checks fail"],
        Tone::Removed,
    ));
    parts
}

/// The count of operations that are not compared because a secret is not there; `None` if there are none.
fn not_compared(totals: &Totals) -> Option<String> {
    let need = if totals.lack_secrets == 1 {
        "needs a secret"
    } else {
        "need secrets"
    };
    (totals.lack_secrets > 0).then(|| format!("{} not compared: {need}", counted(totals.lack_secrets, "operation")))
}

/// A count of checks; `None` if there are none.
fn checks(number: usize, [one, many]: [&str; 2], tone: Tone) -> Option<(Tone, String)> {
    let what = if number == 1 { one } else { many };
    (number > 0).then(|| count(number, what, tone))
}

/// A count of operations, among those of what they change.
fn operations(number: usize, what: &str, tone: Tone) -> (Tone, String) {
    let tone = if number == 0 { Tone::Plain } else { tone };
    (tone, format!("{} {what}", counted(number, "operation")))
}

fn count(number: usize, what: &str, tone: Tone) -> (Tone, String) {
    let tone = if number == 0 { Tone::Plain } else { tone };
    (tone, format!("{} {what}", grouped(number)))
}

/// The counts of additional packages; empty if there are none.
pub(super) fn along_totals(tally: &Tally) -> Vec<(Tone, String)> {
    let along = &tally.along;
    let mut parts = Vec::new();
    if along.installs > 0 {
        parts.push((Tone::Plain, format!("{} to install", grouped(along.installs))));
    }
    if along.upgrades > 0 {
        parts.push((Tone::Changed, format!("{} to upgrade", grouped(along.upgrades))));
    }
    if along.removes > 0 {
        parts.push((Tone::Removed, format!("{} to remove", grouped(along.removes))));
    }
    if along.is_unknown {
        parts.push((Tone::Later, "known later".to_owned()));
    }
    parts
}

/// The label before the counts of additional packages.
pub(super) const ALONG_WITH_PACKAGES: &str = "additional packages: ";

/// A notice, with the hosts that it is about if those are named.
pub(super) fn notice(notice: &str, hosts: &[&str]) -> String {
    let notice = one_line(notice);
    if hosts.is_empty() {
        return notice;
    }
    let names: Vec<String> = hosts.iter().map(|host| one_line(host)).collect();
    format!("{}: {notice}", names.join(", "))
}

/// The count of unchanged operations and of checks that pass, which are not listed.
pub(super) fn as_wanted(totals: &Totals) -> String {
    let mut text = format!("{} unchanged", counted(totals.unchanged, "operation"));
    if let Some((_, passing)) = checks(totals.holding, PASSING, Tone::Plain) {
        let _ = write!(text, ", {passing}");
    }
    text
}

/// What a deploy without pending changes does: nothing, unless something runs each time.
pub(super) fn nothing_to_do(totals: &Totals) -> &'static str {
    if totals.each_time + totals.refresh > 0 {
        "nothing to change"
    } else {
        "nothing to do"
    }
}

/// The counts of a deploy without pending changes.
pub(super) fn idle_counts(totals: &Totals) -> String {
    let mut text = as_wanted(totals);
    if totals.each_time > 0 {
        let _ = write!(text, ", {} run each time", grouped(totals.each_time));
    }
    if totals.refresh > 0 {
        let _ = write!(text, ", {} to refresh", grouped(totals.refresh));
    }
    if totals.deferred > 0 {
        let _ = write!(text, ", {} known later", counted(totals.deferred, "operation"));
    }
    if let Some(not_compared) = not_compared(totals) {
        let _ = write!(text, ", {not_compared}");
    }
    if totals.skipped > 0 {
        let _ = write!(text, ", {} {SKIPPED_BY_WHEN}", grouped(totals.skipped));
    }
    text
}

/// How to learn more about the operations after a command that may change anything.
pub(super) fn unbounded(slug: &str, count: usize) -> Phrase {
    let (operations, be) = if count == 1 {
        ("operation", "is")
    } else {
        ("operations", "are")
    };
    Phrase::words("hint: ")
        .name(one_line(slug))
        .word(format!(
            " may change anything, so {} {operations} after it {be} known later; list the paths that it changes in ",
            grouped(count)
        ))
        .name("touches")
        .word(" (")
        .name("touches = []")
        .word(" if none)")
}

/// Up to this many items that `--only` skipped are named.
const MOST_ITEMS: usize = 4;

/// What filters skipped, each with its option.
pub(super) fn skipped(skipped: &Skipped<'_>) -> Vec<Phrase> {
    let mut parts = Vec::new();
    for (what, names, flag) in [
        ("task", skipped.tasks, "--only"),
        ("host", skipped.hosts, "--limit"),
        ("host", skipped.not_failed, "--only-failed"),
    ] {
        if names.is_empty() {
            continue;
        }
        let plural = if names.len() == 1 { "" } else { "s" };
        let names: Vec<String> = names.iter().map(|name| one_line(name)).collect();
        parts.push(
            Phrase::words(format!("{what}{plural} "))
                .value(names.join(", "))
                .word(format!(" ({flag})")),
        );
    }
    for task in skipped.items_of {
        let items = skipped.items.get(task.as_str()).map(Vec::as_slice).unwrap_or_default();
        let phrase = match items.len() {
            0 => Phrase::words("other items of "),
            1..=MOST_ITEMS => {
                let names: Vec<String> = items.iter().map(|item| one_line(item)).collect();
                Phrase::default().value(names.join(", ")).word(" of ")
            }
            count => Phrase::words(format!("{} other items of ", grouped(count))),
        };
        parts.push(phrase.value(one_line(task)).word(" (--only)"));
    }
    if !skipped.not_tagged.is_empty() {
        let tags: Vec<String> = skipped.not_tagged.iter().map(|tag| one_line(tag)).collect();
        parts.push(
            Phrase::words("operations not tagged ")
                .value(tags.join(" or "))
                .word(" (--tags)"),
        );
    }
    parts
}

/// The label before what filters skipped.
pub(super) const SKIPPED: &str = "skipped: ";

/// All ends of hosts, in the order shown.
pub(super) const HOST_ENDS: [HostEnd; 10] = [
    HostEnd::Converged,
    HostEnd::Pending,
    HostEnd::Failed,
    HostEnd::Unreachable,
    HostEnd::Locked,
    HostEnd::Stale,
    HostEnd::Outdated,
    HostEnd::Invalid,
    HostEnd::Interrupted,
    HostEnd::HeldBack,
];

/// Of a host that went on after failures that are ignored: it is not as planned.
const FINISHED: (&str, Tone) = ("finished", Tone::Changed);

/// How a host ended that did this.
pub(super) fn host_end_after(end: HostEnd, operations: &[OperationResult]) -> (&'static str, Tone) {
    let mut lines = operations.iter().flat_map(|operation| &operation.lines);
    if end == HostEnd::Converged && lines.any(|line| line.end == ResourceEnd::Ignored) {
        return FINISHED;
    }
    host_end(end)
}

/// How hosts ended, with the number of them.
pub(super) fn host_ends<'a>(
    hosts: impl Iterator<Item = (HostEnd, &'a [OperationResult])>,
) -> Vec<(usize, (&'static str, Tone))> {
    let ended: Vec<_> = hosts.map(|(end, operations)| host_end_after(end, operations)).collect();
    let mut all: Vec<_> = HOST_ENDS.iter().map(|end| host_end(*end)).collect();
    all.insert(1, FINISHED);
    let counted = all.into_iter().map(|end| {
        let count = ended.iter().filter(|one| **one == end).count();
        (count, end)
    });
    counted.filter(|(count, _)| *count > 0).collect()
}

/// How a host ended.
pub(super) fn host_end(end: HostEnd) -> (&'static str, Tone) {
    match end {
        HostEnd::Converged => ("converged", Tone::Added),
        HostEnd::Pending => ("pending", Tone::Changed),
        HostEnd::Failed => ("failed", Tone::Removed),
        HostEnd::Unreachable => ("unreachable", Tone::Removed),
        HostEnd::Locked => ("locked", Tone::Removed),
        HostEnd::Stale => ("changed since review", Tone::Removed),
        HostEnd::Outdated => ("changed while waiting", Tone::Removed),
        HostEnd::Invalid => ("invalid", Tone::Removed),
        HostEnd::Interrupted => ("interrupted", Tone::Removed),
        HostEnd::HeldBack => ("held back", Tone::Removed),
    }
}
