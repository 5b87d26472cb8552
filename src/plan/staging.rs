//! Which new files the host's own programs validate before anything changes, and what their answers mean.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{HostPlan, Mistake, PlannedOperation};
use crate::change::{
    Action, Attribute, Before, Fetch, Outcome, ResourceChange, ResourceKind, StagedPart, Step, ValidatorAnswer,
    ValidatorName, Verdict, WriteFile, staged, staged_limit, verdicts,
};
use crate::error::{Diagnostic, Origin};
use crate::facts::layers::{NO_MOUNTS, NO_PROGRAM, NO_ROOT};
use crate::facts::overlay::Effect;
use crate::facts::path::{is_below, parent};
use crate::facts::unit::UnitFilePath;
use crate::facts::{FactKey, Probe};
use crate::operations::WrittenText;

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
    /// Where the project's own `validate` is written.
    validate: Option<Origin>,
    path: String,
    name: ValidatorName,
    /// Where its text is written, with the text, if that is in the project.
    written: Option<(WrittenText, String)>,
    /// The earlier operations of which something cannot be seen before it has happened.
    earlier: Vec<String>,
    /// Why its content does not come to the host before apply, if it does not.
    unsent: Option<&'static str>,
}

/// Why a validator runs only at apply.
const SKIPPED: &str = "not run because of `--no-conditions`";

impl HostPlan {
    /// The validators of its new files; `None` if there are none.
    pub fn staging(&self) -> Option<Staging> {
        let mut parts = Vec::new();
        let mut validations = Vec::new();
        let mut earlier: Vec<String> = Vec::new();
        for operation in &self.operations {
            if !may_change(operation) {
                continue;
            }
            let (Outcome::Change(changes) | Outcome::Ensure { changes, .. }) = &operation.outcome else {
                parts.push(StagedPart::Unseen);
                earlier.push(operation.id.slug().to_owned());
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
                    validate: operation.holds.validate.clone(),
                    path: file.path.clone(),
                    name,
                    written: written(operation, file),
                    earlier: earlier.clone(),
                    unsent: unsent(file),
                });
            }
            parts.extend(after);
            if own.iter().any(is_unseen) {
                earlier.push(operation.id.slug().to_owned());
            }
        }
        // What comes after the last one is not looked at.
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
        let mut noted: BTreeMap<String, Vec<&str>> = BTreeMap::new();
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
                Judged::AcceptedWithout(part) => {
                    noted.entry(accepted_without(&part)).or_default().push(&validation.path);
                }
                Judged::Later(why) => noted.entry(only_at_apply(&why)).or_default().push(&validation.path),
            }
        }
        plan.notices
            .extend(noted.iter().map(|(what, paths)| notice(paths, what)));
    }

    /// Notes that its commands do not run before apply, since the user wants none to run.
    pub fn skip(&self, plan: &mut HostPlan) {
        let paths: Vec<&str> = self.validations.iter().map(|one| one.path.as_str()).collect();
        plan.notices.push(notice(&paths, &only_at_apply(SKIPPED)));
    }
}

/// What follows from a verdict.
enum Judged {
    Accepted,
    /// It accepts the file, but has not seen this part of the host.
    AcceptedWithout(String),
    Refused(Box<Diagnostic>),
    /// It is decided at apply, for this reason.
    Later(String),
}

impl Validation {
    fn judged(&self, verdict: &Verdict) -> Judged {
        let name = &self.name.words;
        match verdict.answer {
            ValidatorAnswer::Accepted if !verdict.hidden.is_empty() => Judged::AcceptedWithout(hidden(verdict)),
            ValidatorAnswer::Accepted => Judged::Accepted,
            ValidatorAnswer::TooLong => Judged::Later("its check takes long".to_owned()),
            ValidatorAnswer::NoFolder | ValidatorAnswer::Unmade => Judged::Later(self.unmade(verdict)),
            ValidatorAnswer::Missing if verdict.is_partial => {
                Judged::Later(format!("`{}` is not on the host yet", self.program()))
            }
            ValidatorAnswer::Missing if !verdict.hidden.is_empty() => Judged::Later(format!(
                "`{}` is not on the host, unless it is on {}",
                self.program(),
                hidden(verdict)
            )),
            ValidatorAnswer::Refused if verdict.is_partial || !verdict.hidden.is_empty() => {
                let why = self.refused_in_part(verdict);
                let said = verdict.said.lines().map(str::trim).find(|line| !line.is_empty());
                Judged::Later(match said {
                    Some(said) => format!("{why}; without that, it says: {said}"),
                    None => why,
                })
            }
            ValidatorAnswer::Missing => {
                let title = format!(
                    "`{}` is not on the host, so it cannot validate `{}`",
                    self.program(),
                    self.path
                );
                let place = self.validate.as_ref().filter(|_| self.name.is_of_project);
                Judged::Refused(Box::new(
                    Diagnostic::new(title)
                        .at(place.unwrap_or(&self.origin), "no earlier operation installs it")
                        .hint("correct its name, install it with an earlier operation, or remove `validate`"),
                ))
            }
            ValidatorAnswer::Changed => Judged::Refused(Box::new(
                Diagnostic::new(format!("{name} changes the new `{}`", self.path))
                    .at(&self.origin, "validated before anything changes")
                    .hint("use a command that only reads the file"),
            )),
            ValidatorAnswer::Refused => {
                let said = match verdict.said.trim() {
                    "" => "it failed, and printed nothing",
                    said => said,
                };
                Judged::Refused(Box::new(self.refused(said, verdict.code)))
            }
        }
    }

    /// The mistake in the new file, at the lines that the validator names.
    fn refused(&self, said: &str, code: Option<i32>) -> Diagnostic {
        let code = code.map_or_else(String::new, |code| format!(" (exit code {code})"));
        let title = format!("{} does not accept the new `{}`{code}", self.name.words, self.path);
        let mut mistake = Diagnostic::new(title);
        let mut used = None;
        if let Some((written, text)) = &self.written {
            for named in named_lines(said, &self.path) {
                if let Some(place) = written.line(text, named.number) {
                    mistake = mistake.at(&place, named.what.unwrap_or_else(|| "this line of it".to_owned()));
                    used = written.used.as_ref();
                }
            }
        }
        mistake
            .at_maybe(used, "used here")
            .at(&self.origin, "validated before anything changes")
            .because(said)
            .hint("correct the file, or what it refers to; the host is as it was")
    }

    /// Why the new file could not be made before apply.
    fn unmade(&self, verdict: &Verdict) -> String {
        let is_below = |place: &&String| is_below(&self.path, place);
        if let Some(place) = verdict.hidden.iter().find(is_below) {
            return format!("`{place}`, a part of the host, cannot be shown in advance");
        }
        if let Some(why) = self.unsent {
            return why.to_owned();
        }
        let what = match verdict.answer {
            ValidatorAnswer::NoFolder => format!("`{}` is not there", parent(&self.path)),
            _ => "it cannot be made".to_owned(),
        };
        match self.earlier.as_slice() {
            [] => format!("{what} in advance"),
            [one] => format!("{what} before `{one}` has run"),
            some if some.len() <= 3 => {
                let named: Vec<String> = some.iter().map(|one| format!("`{one}`")).collect();
                format!("{what} before earlier operations have run: {}", named.join(", "))
            }
            _ => format!("{what} before earlier operations have run"),
        }
    }

    /// Why a refusal does not count.
    fn refused_in_part(&self, verdict: &Verdict) -> String {
        match (self.earlier.is_empty(), verdict.hidden.is_empty()) {
            (false, true) => "it needs what earlier operations do".to_owned(),
            (false, false) => format!("it needs what earlier operations do, or {}", hidden(verdict)),
            (true, false) => format!("it may need {}", hidden(verdict)),
            (true, true) => "not everything before it can be done in advance".to_owned(),
        }
    }

    fn program(&self) -> &str {
        self.name.program.as_deref().unwrap_or_default()
    }
}

/// Where the text of a new file is written, with the text, if that is in the project.
fn written(operation: &PlannedOperation, file: &WriteFile) -> Option<(WrittenText, String)> {
    let text = std::str::from_utf8(file.content.bytes()?).ok()?;
    Some((operation.holds.texts.get(&file.path)?.clone(), text.to_owned()))
}

/// A line of a new file that its validator names.
#[derive(Debug, PartialEq, Eq)]
struct NamedLine {
    /// Counted from 1.
    number: usize,
    /// What is said of it, if the line of the answer begins with its place.
    what: Option<String>,
}

/// The lines of the file at `path` that a validator names, as in `PATH:4` or `PATH line 4`, each once. systemd names its files
/// without their folder.
fn named_lines(said: &str, path: &str) -> Vec<NamedLine> {
    let of_unit = UnitFilePath::of(path).and_then(|unit| {
        let folder = match unit.drop_in {
            None => parent(path),
            Some(_) => parent(parent(path)),
        };
        path.strip_prefix(folder)?.strip_prefix('/')
    });
    let mut found: Vec<NamedLine> = Vec::new();
    for line in said.lines() {
        let names = [Some(path), of_unit.filter(|unit| line.starts_with(unit))];
        let Some(named) = names.into_iter().flatten().find_map(|name| named_line(line, name)) else {
            continue;
        };
        if found.iter().all(|one| one.number != named.number) {
            found.push(named);
        }
    }
    found.truncate(MOST_LINES);
    found
}

/// How many lines of a file are shown of those that its validator names.
const MOST_LINES: usize = 10;

fn named_line(line: &str, name: &str) -> Option<NamedLine> {
    line.match_indices(name).find_map(|(at, _)| {
        let rest = &line[at + name.len()..];
        let number = [":", " line ", ", line ", ": line "]
            .iter()
            .filter_map(|sign| rest.strip_prefix(sign))
            .find(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))?;
        let end = number.find(|next: char| !next.is_ascii_digit()).unwrap_or(number.len());
        let said = number[end..]
            .strip_prefix(": ")
            .filter(|said| at == 0 && !said.is_empty());
        Some(NamedLine {
            number: number[..end].parse().ok()?,
            what: said.map(str::to_owned),
        })
    })
}

/// The mounted file systems that the view of the host lacks.
fn hidden(verdict: &Verdict) -> String {
    let places: Vec<String> = verdict.hidden.iter().map(|place| format!("`{place}`")).collect();
    format!(
        "a part of the host that cannot be shown in advance ({})",
        places.join(", ")
    )
}

/// Why the content of a file does not come to the host before apply, if it does not.
fn unsent(file: &WriteFile) -> Option<&'static str> {
    match &file.fetch {
        Some(Fetch::Download { .. }) => Some("it is downloaded only then"),
        Some(Fetch::Copy { .. }) => None,
        None => file
            .content
            .bytes()
            .is_none()
            .then_some("it is too large to be sent in advance"),
    }
}

/// Whether a part of an operation can only be seen once it has happened.
fn is_unseen(part: &StagedPart<'_>) -> bool {
    match part {
        StagedPart::Unseen => true,
        StagedPart::Step(Step::WriteFile(file)) => unsent(file).is_some(),
        StagedPart::Step(_) | StagedPart::Validate(_) => false,
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

fn only_at_apply(why: &str) -> String {
    format!("validated only at apply: {why}")
}

fn accepted_without(part: &str) -> String {
    format!("accepted without {part}; apply validates again, with that part")
}

/// What holds for the files at `paths`.
fn notice(paths: &[&str], what: &str) -> String {
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
    format!("{named}: {what}")
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
            items_left_out: std::collections::BTreeMap::new(),
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
            file("/c", &["sh", "-c", "test a {path}", "{path}", "--in={path}", "it's"]),
        ]);
        let staging = plan.staging().expect("to validate");
        let paths: Vec<&str> = staging.validations.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["/b", "/c"], "one that names no file looks at all of them");
        assert_eq!(
            staging.commands(),
            ["true", r#"sh -c 'test a {path}' {path} '--in={path}' "it's""#],
            "as a shell reads them"
        );
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
    fn the_lines_that_a_validator_names_are_found() {
        let found = |said: &str, path: &str| -> Vec<(usize, Option<String>)> {
            let named = named_lines(said, path).into_iter();
            named.map(|one| (one.number, one.what)).collect()
        };
        for (said, number) in [
            ("unknown directive \"listn\" in /etc/x:4", Some(4)),
            ("/etc/x line 1: unsupported option", Some(1)),
            ("In file included from /etc/x.d:3:1, then /etc/x: line 12", Some(12)),
            ("/etc/x: no such thing", None),
            ("x:3: no such thing", None),
        ] {
            let numbers: Vec<usize> = found(said, "/etc/x").into_iter().map(|(number, _)| number).collect();
            assert_eq!(numbers, Vec::from_iter(number), "{said}");
        }
        let said = "a.service:3: Unknown key, ignoring.\na.service: no command\nb.a.service:4: x\na.service:7: other\na.service:3: again";
        let lines = [
            (3, Some("Unknown key, ignoring.".to_owned())),
            (7, Some("other".to_owned())),
        ];
        assert_eq!(found(said, "/etc/systemd/system/a.service"), lines);
        assert_eq!(
            found(
                "a.service.d/x.conf:2: Missing '='",
                "/etc/systemd/system/a.service.d/x.conf"
            ),
            [(2, Some("Missing '='".to_owned()))]
        );
        assert_eq!(
            found("/etc/x:5: syntax error", "/etc/x"),
            [(5, Some("syntax error".to_owned()))]
        );
    }

    #[test]
    fn what_cannot_be_made_before_names_what_has_to_run_first() {
        let verdict = |answer, hidden: &[&str]| Verdict {
            answer,
            is_partial: true,
            hidden: hidden.iter().map(|place| (*place).to_owned()).collect(),
            said: String::new(),
            code: None,
        };
        let later = |validation: &Validation, verdict: &Verdict| match validation.judged(verdict) {
            Judged::Later(why) => why,
            _ => panic!("not later"),
        };
        let mut first = plan(vec![command(ResourceKind::Package, Before::Absent)]);
        let second = plan(vec![file("/etc/nginx/site", &["nginx", "-t"])]);
        first.operations.extend(second.operations);
        let staging = first.staging().expect("to validate");
        let mut validation = staging.validations.into_iter().next().expect("one");
        let no_folder = verdict(ValidatorAnswer::NoFolder, &[]);
        assert_eq!(
            later(&validation, &no_folder),
            "`/etc/nginx` is not there before `x` has run"
        );
        let refused = verdict(ValidatorAnswer::Refused, &[]);
        assert_eq!(later(&validation, &refused), "it needs what earlier operations do");
        let refused = verdict(ValidatorAnswer::Refused, &["/mnt"]);
        assert_eq!(
            later(&validation, &refused),
            "it needs what earlier operations do, or a part of the host that cannot be shown in advance (`/mnt`)"
        );
        validation.earlier.push("y".to_owned());
        assert_eq!(
            later(&validation, &no_folder),
            "`/etc/nginx` is not there before earlier operations have run: `x`, `y`"
        );
        validation.unsent = Some("it is downloaded only then");
        assert_eq!(later(&validation, &no_folder), "it is downloaded only then");
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
        assert_eq!(judge(0, "0 0\0\0\0"), accepted);
        assert_eq!(judge(0, "0 1\0\0said\0"), accepted);
        let without = "/a: accepted without a part of the host that cannot be shown in advance (`/mnt`); apply validates again, with \
                       that part";
        assert_eq!(judge(0, "0 0\0/mnt\0said\0"), (String::new(), without.to_owned()));
        for (answer, title) in [
            ("3 0\0\0why\0", "`nginx -t` does not accept the new `/a` (exit code 3)"),
            ("124 0\0\0\0", "`nginx -t` does not accept the new `/a` (exit code 124)"),
            ("changed 1\0\0\0", "`nginx -t` changes the new `/a`"),
            (
                "missing 0\0\0\0",
                "`nginx` is not on the host, so it cannot validate `/a`",
            ),
        ] {
            assert_eq!(judge(0, answer), (title.to_owned(), String::new()));
        }
        for (status, answer, why) in [
            (0, "3 1\0\0\0", "not everything before it can be done in advance"),
            (
                0,
                "3 1\0\0\n why\nmore\0",
                "not everything before it can be done in advance; without that, it says: why",
            ),
            (
                0,
                "3 0\0/mnt/nas\n/mnt/b\0why\0",
                "it may need a part of the host that cannot be shown in advance (`/mnt/nas`, `/mnt/b`); without that, it says: why",
            ),
            (0, "missing 1\0\0\0", "`nginx` is not on the host yet"),
            (
                0,
                "missing 0\0/mnt/nas\0\0",
                "`nginx` is not on the host, unless it is on a part of the host that cannot be shown in advance (`/mnt/nas`)",
            ),
            (0, "long 0\0\0\0", "its check takes long"),
            (0, "unmade 0\0\0\0", "it cannot be made in advance"),
            (0, "nofolder 0\0\0\0", "`/` is not there in advance"),
            (
                0,
                "unmade 0\0/a\0\0",
                "`/a`, a part of the host, cannot be shown in advance",
            ),
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
