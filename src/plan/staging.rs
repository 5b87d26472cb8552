//! Which new files the host's own programs validate before anything changes, and what their answers mean.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{HostPlan, Mistake, PlannedOperation};
use crate::change::{
    Action, Attribute, Before, Outcome, ResourceChange, ResourceKind, StagedPart, Step, ValidatorAnswer, ValidatorName,
    Verdict, WriteFile, staged, staged_limit, verdicts,
};
use crate::error::{Diagnostic, Origin};
use crate::facts::layers::{NO_MOUNTS, NO_PROGRAM, NO_ROOT};
use crate::facts::overlay::Effect;
use crate::facts::{FactKey, Probe};

/// The validators of a host's plan, to be run where the files of the plan are in place in a view of the host.
#[derive(Debug)]
pub struct Staging {
    probe: Probe,
    validations: Vec<Validation>,
}

/// A validator to run.
#[derive(Debug)]
struct Validation {
    origin: Origin,
    path: String,
    name: ValidatorName,
}

/// Why a validator runs only at apply.
const SKIPPED: &str = "not run because of `--no-conditions`";

impl HostPlan {
    /// The validators of its new files; `None` if there are none.
    pub fn staging(&self) -> Option<Staging> {
        let mut parts = Vec::new();
        let mut validations = Vec::new();
        for operation in &self.operations {
            if !may_change(operation) {
                continue;
            }
            let (Outcome::Change(changes) | Outcome::Ensure { changes, .. }) = &operation.outcome else {
                parts.push(StagedPart::Unseen);
                continue;
            };
            let mut own = Vec::new();
            for change in changes {
                own.extend(change.steps.iter().filter_map(|step| part(change, step)));
            }
            // No file needs what its own operation does after it, such as to load it.
            let files = own
                .iter()
                .rposition(|part: &StagedPart<'_>| matches!(part, StagedPart::Step(_)));
            let (made, after) = own.split_at(files.map_or(0, |last| last + 1));
            parts.extend(made);
            for (file, name) in to_validate(changes) {
                parts.push(StagedPart::Validate(file));
                validations.push(Validation {
                    origin: operation.origin.clone(),
                    path: file.path.clone(),
                    name,
                });
            }
            parts.extend(after);
        }
        // Nobody looks at what comes after the last one.
        let last = parts.iter().rposition(|part| matches!(part, StagedPart::Validate(_)))?;
        parts.truncate(last + 1);
        let limit: Duration = staged_limit(&parts);
        Some(Staging {
            probe: Probe::in_layers("what validates new files", &staged(&parts), limit),
            validations,
        })
    }
}

impl Staging {
    /// What to send. It changes nothing on the host.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// The commands of the project that it runs.
    pub fn commands(&self) -> Vec<String> {
        let of_project = self.validations.iter().filter(|one| one.name.is_of_project);
        let mut commands: Vec<String> = of_project
            .map(|one| one.name.words.trim_matches('`').to_owned())
            .collect();
        commands.dedup();
        commands
    }

    /// Keeps the host's answer: mistakes for what was refused, and a notice for what runs only at apply.
    pub fn keep(&self, status: i32, answer: &[u8], plan: &mut HostPlan, mistakes: &mut Vec<Mistake>) {
        let verdicts = verdicts(answer);
        let mut later: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (index, validation) in self.validations.iter().enumerate() {
            let judged = match verdicts.get(index) {
                Some(verdict) => validation.judged(verdict),
                None => Judged::Later(unanswered(status).to_owned()),
            };
            match judged {
                Judged::Accepted => {}
                Judged::Refused(diagnostic) => mistakes.push(Mistake {
                    host: plan.host.clone(),
                    diagnostic: *diagnostic,
                }),
                Judged::Later(why) => later.entry(why).or_default().push(&validation.path),
            }
        }
        plan.notices.extend(later.iter().map(|(why, paths)| notice(paths, why)));
    }

    /// Notes that its commands do not run before apply, since the user wants none to run.
    pub fn skip(&self, plan: &mut HostPlan) {
        let paths: Vec<&str> = self.validations.iter().map(|one| one.path.as_str()).collect();
        plan.notices.push(notice(&paths, SKIPPED));
    }
}

/// What follows from a verdict.
enum Judged {
    Accepted,
    Refused(Box<Diagnostic>),
    /// It is decided at apply, for this reason.
    Later(String),
}

impl Validation {
    fn judged(&self, verdict: &Verdict) -> Judged {
        let name = &self.name.words;
        match verdict.answer {
            ValidatorAnswer::Accepted => Judged::Accepted,
            ValidatorAnswer::TooLong => Judged::Later("its check takes long".to_owned()),
            ValidatorAnswer::Unmade => Judged::Later("only the host can make it".to_owned()),
            ValidatorAnswer::Missing if verdict.is_partial => {
                Judged::Later(format!("`{}` is not on the host yet", self.program()))
            }
            ValidatorAnswer::Refused if verdict.is_partial => {
                let said = verdict.said.lines().map(str::trim).find(|line| !line.is_empty());
                Judged::Later(match said {
                    Some(said) => format!("it needs what earlier operations do; without that, it says: {said}"),
                    None => "it needs what earlier operations do".to_owned(),
                })
            }
            ValidatorAnswer::Missing => {
                let title = format!(
                    "`{}` is not on the host, so it cannot validate `{}`",
                    self.program(),
                    self.path
                );
                Judged::Refused(Box::new(
                    Diagnostic::new(title)
                        .at(&self.origin, "no earlier operation installs it")
                        .hint("install it with an earlier operation, or remove `validate`"),
                ))
            }
            ValidatorAnswer::Changed => Judged::Refused(Box::new(
                Diagnostic::new(format!("{name} changes the new `{}`", self.path))
                    .at(&self.origin, "validated before anything changes")
                    .hint("use a command that only reads the file"),
            )),
            ValidatorAnswer::Refused => {
                let said = if verdict.said.trim().is_empty() {
                    "it failed, and printed nothing"
                } else {
                    verdict.said.trim()
                };
                Judged::Refused(Box::new(
                    Diagnostic::new(format!("{name} does not accept the new `{}`", self.path))
                        .at(&self.origin, "validated before anything changes")
                        .because(said)
                        .hint("correct the file, or what it refers to; the host is as it was"),
                ))
            }
        }
    }

    fn program(&self) -> &str {
        self.name.program.as_deref().unwrap_or_default()
    }
}

/// Why nothing was answered.
fn unanswered(status: i32) -> &'static str {
    match status {
        NO_ROOT => "checking it before needs root",
        NO_PROGRAM => "checking it before needs `unshare` on the host",
        NO_MOUNTS => "the host allows no private mounts",
        _ => "its check did not end in time",
    }
}

fn notice(paths: &[&str], why: &str) -> String {
    const NAMED: usize = 3;
    let mut unique: Vec<&str> = Vec::new();
    for path in paths {
        if !unique.contains(path) {
            unique.push(path);
        }
    }
    let more = unique.len().saturating_sub(NAMED);
    unique.truncate(NAMED);
    let mut named = unique.join(", ");
    if more > 0 {
        named = format!("{named} and {more} more");
    }
    format!("{named}: validated only at apply: {why}")
}

/// Whether it does something before later operations that they may see.
fn may_change(operation: &PlannedOperation) -> bool {
    match &operation.outcome {
        Outcome::Unchanged | Outcome::Check { .. } => false,
        _ if operation.is_covered() => false,
        // There is nothing to do unless something changes that need not change.
        Outcome::Deferred { .. } => operation.is_pending(),
        Outcome::Change(_) | Outcome::Ensure { .. } => true,
    }
}

/// What a step is in the view of the host; `None` if what it does matters to no file.
fn part<'a>(change: &ResourceChange, step: &'a Step) -> Option<StagedPart<'a>> {
    match step {
        Step::Run(_) if is_aside(change) => None,
        Step::Run(_) | Step::Reboot(_) => Some(StagedPart::Unseen),
        _ => Some(StagedPart::Step(step)),
    }
}

/// Whether the commands of a change make nothing that a validator could look for.
fn is_aside(change: &ResourceChange) -> bool {
    let is_running = |before: &Before| match before {
        Before::Present(before) => before
            .get("active")
            .is_some_and(|state| *state == Attribute::known("active")),
        _ => false,
    };
    let touches_no_files = |effect: &Effect| match effect {
        Effect::Set(key, _) => {
            key.path().is_none() && !matches!(key, FactKey::Package(_) | FactKey::User(_) | FactKey::Group(_))
        }
        Effect::Forget(..) => false,
    };
    match change.id.kind {
        // Only the start of what does not run yet makes new files and sockets.
        ResourceKind::Unit => is_running(&change.before),
        ResourceKind::PackageLists => change.action == Action::Refresh,
        ResourceKind::KernelParameter | ResourceKind::FirewallRules => change.effects.iter().all(touches_no_files),
        _ => false,
    }
}

/// The files of an operation that have a validator.
fn to_validate(changes: &[ResourceChange]) -> impl Iterator<Item = (&WriteFile, ValidatorName)> {
    let steps = changes.iter().flat_map(|change| &change.steps);
    steps.filter_map(|step| match step {
        Step::WriteFile(file) => Some((file, step.validator_name()?)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Attributes, Command, ResourceId};
    use crate::content::Content;
    use crate::facts::Environment;
    use crate::facts::overlay::OperationId;

    fn file(path: &str, validate: &[&str]) -> ResourceChange {
        let mut change = ResourceChange::new(
            ResourceId::new(ResourceKind::File, path),
            Action::Create,
            Before::Absent,
            None,
        );
        change.steps = vec![Step::WriteFile(WriteFile {
            path: path.to_owned(),
            content: Content::new(*b"x"),
            attributes: Attributes {
                owner: "root".to_owned(),
                group: "root".to_owned(),
                mode: 0o644,
            },
            validate: (!validate.is_empty()).then(|| validate.iter().map(|word| (*word).to_owned()).collect()),
            validate_within: None,
            validate_env: Environment::default(),
            backup: false,
            fetch: None,
        })];
        change
    }

    fn command(kind: ResourceKind, before: Before) -> ResourceChange {
        let mut change = ResourceChange::new(ResourceId::new(kind, "x"), Action::Update, before, None);
        change.steps = vec![Step::Run(Command::new("x", "x"))];
        change
    }

    fn plan(changes: Vec<ResourceChange>) -> HostPlan {
        let mut outcome = Outcome::Change(changes);
        outcome.validate_once();
        HostPlan {
            host: "alpha".to_owned(),
            operations: vec![PlannedOperation::for_test(OperationId("a / t / x".to_owned()), outcome)],
            notices: Vec::new(),
            skipped: Vec::new(),
            has_leftovers: false,
        }
    }

    #[test]
    fn only_a_changed_file_with_a_validator_asks_the_host() {
        assert!(plan(Vec::new()).staging().is_none());
        assert!(plan(vec![file("/a", &[])]).staging().is_none());
        let plan = plan(vec![
            file("/a", &["true"]),
            file("/b", &["true"]),
            file("/c", &["test", "{path}"]),
        ]);
        let staging = plan.staging().expect("to validate");
        let paths: Vec<&str> = staging.validations.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["/b", "/c"], "one that names no file looks at all of them");
        assert_eq!(staging.commands(), ["true", "test {path}"]);
    }

    #[test]
    fn what_runs_before_makes_a_refusal_uncertain_unless_it_makes_no_files() {
        let active = [("active", Attribute::known("active"))].into_iter().collect();
        for (change, is_uncertain) in [
            (command(ResourceKind::Command, Before::Absent), true),
            (command(ResourceKind::Package, Before::Absent), true),
            (command(ResourceKind::Unit, Before::Absent), true),
            (command(ResourceKind::Unit, Before::Present(active)), false),
            (command(ResourceKind::KernelParameter, Before::Absent), false),
        ] {
            let parts: Vec<_> = change.steps.iter().filter_map(|step| part(&change, step)).collect();
            assert_eq!(!parts.is_empty(), is_uncertain, "{:?}", change.id.kind);
        }
    }

    #[test]
    fn an_answer_is_a_mistake_or_a_notice_or_nothing() {
        let judge = |status: i32, answer: &str| {
            let mut plan = plan(vec![file("/a", &["nginx", "-t"])]);
            let staging = plan.staging().expect("to validate");
            let mut mistakes = Vec::new();
            staging.keep(status, answer.as_bytes(), &mut plan, &mut mistakes);
            let titles: Vec<String> = mistakes.into_iter().map(|mistake| mistake.diagnostic.title).collect();
            (titles.join("; "), plan.notices.join("; "))
        };
        let accepted = (String::new(), String::new());
        assert_eq!(judge(0, "0 0\0\0"), accepted);
        assert_eq!(judge(0, "0 1\0said\0"), accepted);
        for (answer, title) in [
            ("3 0\0why\0", "`nginx -t` does not accept the new `/a`"),
            ("124 0\0\0", "`nginx -t` does not accept the new `/a`"),
            ("changed 1\0\0", "`nginx -t` changes the new `/a`"),
            (
                "missing 0\0\0",
                "`nginx` is not on the host, so it cannot validate `/a`",
            ),
        ] {
            assert_eq!(judge(0, answer), (title.to_owned(), String::new()));
        }
        for (status, answer, why) in [
            (0, "3 1\0\0", "it needs what earlier operations do"),
            (
                0,
                "3 1\0\n why\nmore\0",
                "it needs what earlier operations do; without that, it says: why",
            ),
            (0, "missing 1\0\0", "`nginx` is not on the host yet"),
            (0, "long 0\0\0", "its check takes long"),
            (0, "unmade 0\0\0", "only the host can make it"),
            (NO_ROOT, "", "checking it before needs root"),
            (NO_PROGRAM, "", "checking it before needs `unshare` on the host"),
            (NO_MOUNTS, "", "the host allows no private mounts"),
            (124, "", "its check did not end in time"),
        ] {
            let notice = format!("/a: validated only at apply: {why}");
            assert_eq!(judge(status, answer), (String::new(), notice));
        }
    }
}
