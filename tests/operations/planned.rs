//! A case planned from its facts, without a host.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use homelab::change::{Outcome, Step};
use homelab::error::Diagnostic;
use homelab::facts::path::{InodeKind, PathFact, Place, follow};
use homelab::facts::{Fact, FactKey, Facts, Identity};
use homelab::plan::{Build, CheckRequest, Plan, PlannedOperation, Snapshot, build, plan_next_run};
use homelab::project::{Filter, LoadedProject, Selection, read, select};
use homelab::report::review::Review;
use homelab::report::{self, TextOptions};
use homelab::secret::DigestKey;
use libtest_mimic::Failed;

use super::case::{Case, Expect};
use super::facts::Answers;

const HOST: &str = "host";
/// Rounds are round trips: a case needs few, whatever a long plan may take. On a host it is one fewer: all users and groups are
/// answered at once there, here one by one.
const MOST_ROUNDS: usize = 4;

/// Plans a case and compares the result with what it expects.
pub(super) fn check(case: &Case) -> Result<(), Failed> {
    let found = plan(case)?;
    if std::env::var_os("HOMELAB_WRITE_TEXTS").is_some() {
        return case.write(&found);
    }
    for (what, expected, found) in [
        ("error", &case.expect.error, &found.error),
        ("review", &case.expect.review, &found.review),
        ("commands", &case.expect.commands, &found.commands),
    ] {
        if expected != found {
            let [expected, found] = [expected, found].map(|text| text.as_deref().unwrap_or_default());
            let diff = similar::TextDiff::from_lines(expected, found);
            let diff = diff
                .unified_diff()
                .context_radius(50)
                .header("expected", "found")
                .to_string();
            return Err(format!("the {what} of {} differs:\n{diff}", case.name).into());
        }
    }
    Ok(())
}

fn plan(case: &Case) -> Result<Expect, Failed> {
    let project = tempfile::tempdir()?;
    write(project.path(), case)?;
    let loaded = read(project.path());
    let checked = homelab::plan::check(&loaded, &CheckRequest::default())?;
    if !checked.mistakes.is_empty() {
        return Ok(error(checked.mistakes.iter().map(|found| &found.diagnostic)));
    }
    let mut selection = select(&loaded.project, "test", "test", &Filter::default())?;
    // That of the folder is another one in each run.
    "home".clone_into(&mut selection.project);
    let mut answers = Answers::of(case);
    let mut snapshot = Snapshot::default();
    let digests = DigestKey::random();
    let (build, _) = settle(&selection, &mut snapshot, &digests, &mut answers)?;
    if let Some(unused) = answers.unused() {
        return Err(format!(
            "{}: the plan does not use {unused}: remove it from the facts",
            case.name
        )
        .into());
    }
    if !build.mistakes.is_empty() {
        return Ok(error(build.mistakes.iter().map(|mistake| &mistake.diagnostic)));
    }
    next_run_is_quiet(case, plan_next_run(&selection, &snapshot, &digests))?;
    let review = Review::planned(&selection, &build.plan, &[], true, false);
    let text = report::text(&review, &TextOptions::default());
    Ok(Expect {
        review: Some(section(&plain(&text), &case.name)),
        commands: Some(commands(&build.plan)).filter(|commands| !commands.is_empty()),
        error: None,
    })
}

/// The plan of a case on a host on which nothing is that the case does not name.
///
/// Errors: the project is refused, or the case has facts that are not valid.
pub(super) fn plan_of(case: &Case) -> Result<Build, Failed> {
    let project = tempfile::tempdir()?;
    write(project.path(), case)?;
    let loaded = read(project.path());
    let checked = homelab::plan::check(&loaded, &CheckRequest::default())?;
    if let Some(mistake) = checked.mistakes.first() {
        return Err(mistake.diagnostic.to_string().into());
    }
    let (build, _) = lenient(case, &loaded)?;
    Ok(build)
}

/// What each round of a plan of the case reads.
///
/// Errors: the project is refused, or the case has facts that are not valid.
pub(super) fn rounds_of(case: &Case) -> Result<Vec<BTreeSet<FactKey>>, Failed> {
    let project = tempfile::tempdir()?;
    write(project.path(), case)?;
    let (_, rounds) = lenient(case, &read(project.path()))?;
    Ok(rounds)
}

/// A plan, and what each round read for it.
type Settled = (Build, Vec<BTreeSet<FactKey>>);

fn lenient(case: &Case, loaded: &LoadedProject) -> Result<Settled, Failed> {
    let mut selection = select(&loaded.project, "test", "test", &Filter::default())?;
    // That of the folder is another one in each run.
    "home".clone_into(&mut selection.project);
    settle(
        &selection,
        &mut Snapshot::default(),
        &DigestKey::random(),
        &mut Answers::lenient(case),
    )
}

/// What a plan predicts is what the host will say: over it, there is nothing left to do.
fn next_run_is_quiet(case: &Case, next: Vec<Vec<PlannedOperation>>) -> Result<(), Failed> {
    for operation in next.into_iter().flatten() {
        let is_quiet = match &operation.outcome {
            Outcome::Change(changes) => changes.iter().all(|change| !change.action.is_pending()),
            // Not known, so it is not predicted either.
            Outcome::Unchanged | Outcome::Check { .. } | Outcome::Ensure { .. } | Outcome::Deferred { .. } => true,
        };
        if !is_quiet {
            let slug = operation.id.slug();
            return Err(format!(
                "{}: the next run would repeat `{slug}`: {:#?}",
                case.name, operation.outcome
            )
            .into());
        }
    }
    Ok(())
}

/// A project of one host and the case's task.
fn write(root: &Path, case: &Case) -> Result<(), Failed> {
    let files = [
        (
            "inventories/test.toml".to_owned(),
            format!("[hosts.{HOST}]\naddress = \"192.0.2.1\"\n"),
        ),
        (
            "deploys/test.toml".to_owned(),
            format!("hosts = [\"*\"]\ntasks = [\"{}\"]\n", case.name),
        ),
        (
            format!("tasks/{}.toml", case.name),
            Case::task(&case.operation, &case.handler),
        ),
        ("group_data/all.toml".to_owned(), toml::to_string(&case.data)?),
    ];
    let own = case.files.iter().map(|(path, file)| (path, file.bytes()));
    let all = files
        .iter()
        .map(|(path, text)| (path, text.clone().into_bytes()))
        .chain(own);
    for (path, text) in all {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap())?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// Plans in turns, as with a host that answers what the case says.
fn settle(
    selection: &Selection,
    snapshot: &mut Snapshot,
    digests: &DigestKey,
    answers: &mut Answers<'_>,
) -> Result<Settled, Failed> {
    let mut rounds = Vec::new();
    loop {
        let build = build(selection, snapshot, digests);
        let Some(missing) = build.missing.get(HOST) else {
            return Ok((build, rounds));
        };
        if rounds.len() == MOST_ROUNDS {
            return Err(format!("after {MOST_ROUNDS} rounds the plan still lacks {missing:?}").into());
        }
        rounds.push(missing.clone());
        let facts: &mut Facts = snapshot.facts.entry(HOST.to_owned()).or_default();
        for key in missing {
            facts.insert(key.clone(), answers.answer(key)?);
            // A host answers both at once.
            if let FactKey::Path(path) = key {
                let location = FactKey::DiskLocation(path.clone());
                facts.insert(location.clone(), answers.answer(&location)?);
            }
            if let FactKey::PathResolution(path) = key {
                read_along(path, answers, facts);
            }
        }
    }
}

/// What a host answers along with the way to a path: all that is on it. What the case does not say is asked for by the plan.
fn read_along(path: &str, answers: &mut Answers<'_>, facts: &mut Facts) {
    let look = |at: &str, _| {
        let key = FactKey::Path(at.to_owned());
        let Ok(fact) = answers.answer(&key) else {
            return Ok::<_, std::convert::Infallible>(Place::Nothing);
        };
        let place = match &fact {
            Fact::Path(PathFact::Present(inode)) => match &inode.kind {
                InodeKind::Link { target } => Place::Link(target.clone()),
                _ => Place::Other,
            },
            _ => Place::Nothing,
        };
        facts.insert(key, fact);
        let location = FactKey::DiskLocation(at.to_owned());
        if let Ok(fact) = answers.answer(&location) {
            facts.insert(location, fact);
        }
        Ok(place)
    };
    let _ = follow(path, look);
}

fn error<'a>(mistakes: impl Iterator<Item = &'a Diagnostic>) -> Expect {
    let mistakes: Vec<Diagnostic> = mistakes.cloned().collect();
    Expect {
        error: Some(plain(&report::diagnostics(&mistakes))),
        ..Expect::default()
    }
}

/// The part of a review that is about a task, without the margin.
pub(super) fn section(review: &str, task: &str) -> String {
    let mut section = String::new();
    let below = review
        .lines()
        .skip_while(|line| line.strip_prefix("  ") != Some(task))
        .skip(1);
    for line in below.map_while(|line| line.strip_prefix("    ")) {
        section.push_str(line);
        section.push('\n');
    }
    if section.is_empty() {
        section.push_str("nothing to do\n");
    }
    section
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// What would be done to the host, in order: a line for each step, and the text of commands.
fn commands(plan: &Plan) -> String {
    let operations = plan.hosts.iter().flat_map(|host| &host.operations);
    let changes = operations.flat_map(PlannedOperation::changes);
    let steps = changes.flat_map(|change| &change.steps);
    steps.flat_map(|step| [shown(step), "\n".to_owned()]).collect()
}

fn shown(step: &Step) -> String {
    let Some(command) = step.command() else {
        return step.attempt();
    };
    let by = match &command.by {
        Identity::User(user) => format!(" as {user}"),
        Identity::LoginUser => " as the login user".to_owned(),
        _ => String::new(),
    };
    let settle = command.settle.as_ref().map(|settle| format!("\nwatch: {settle}"));
    // What is its own, such as packages, is handed to a script that others have too.
    let text = match &command.joint {
        Some(_) => command.text(),
        None => command.script.clone(),
    };
    format!("run{by}: {}{}", text.trim_end(), settle.unwrap_or_default())
}
