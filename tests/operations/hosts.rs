//! Cases on lab hosts. The cases of a Debian release share a host and go through each phase in one deploy. Those that
//! need a host of their own run beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value as Json;
use toml::Table;

use super::case::{Case, ProjectFile};
use super::planned::section;
use crate::support::host::Host;
use crate::support::project::{Project, text};
use crate::support::snapshot::{self, LoginPaths, changed};

/// Debian releases, which are tests of their own: `[debian-13] files.put::absent`.
pub(super) const RELEASES: [&str; 2] = ["12", "13"];

/// How many hosts run at a time: where two wait, the third has the processors.
const SIDE_BY_SIDE: usize = 3;

/// Failures by the name of the case.
type Failures = BTreeMap<String, Vec<String>>;

/// The cases to run, and what came of them once one was asked for.
struct Run {
    chosen: BTreeMap<&'static str, Vec<Arc<Case>>>,
    failures: OnceLock<BTreeMap<&'static str, Failures>>,
}

/// The review of a case without what only the packages of other cases on its host add: that they may create a file, too.
fn own_words(review: String, case: &Case) -> String {
    let names_an_own_package = |line: &str| {
        case.operation.iter().any(|operation| {
            let name = operation.get("op").and_then(toml::Value::as_str).unwrap_or_default();
            line.starts_with(&format!("unless `{name} "))
        })
    };
    let is_of_others = |line: &str| {
        let line = line.trim();
        line.starts_with("unless `apt.") && line.ends_with(" already creates it") && !names_an_own_package(line)
    };
    if !review.lines().any(is_of_others) {
        return review;
    }
    review
        .lines()
        .filter(|line| !is_of_others(line))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// A test for each case and release that `arguments` choose or list.
pub(super) fn trials(cases: Vec<Case>, arguments: &Arguments) -> Vec<Trial> {
    let mut pairs = Vec::new();
    for case in cases.into_iter().map(Arc::new) {
        let on_host = case.host.as_ref().expect("a case for hosts");
        let fits = |release: &&&str| on_host.runs_on(release);
        pairs.extend(
            RELEASES
                .iter()
                .filter(fits)
                .map(|release| (*release, Arc::clone(&case))),
        );
    }
    let mut chosen: BTreeMap<&str, Vec<Arc<Case>>> = BTreeMap::new();
    for (release, case) in &pairs {
        let trial = trial(case, release, || Ok(()));
        if !arguments.is_filtered_out(&trial) && !arguments.is_ignored(&trial) {
            chosen.entry(release).or_default().push(Arc::clone(case));
        }
    }
    let run = Arc::new(Run {
        chosen,
        failures: OnceLock::new(),
    });
    let trials = pairs.into_iter().map(|(release, case)| {
        let run = Arc::clone(&run);
        let name = case.name.clone();
        trial(&case, release, move || run.result(release, &name))
    });
    trials.collect()
}

/// Tests of this layer run only with `--ignored` or `--include-ignored`.
fn trial(case: &Case, release: &str, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    let trial = Trial::test(case.name.replace('/', "::"), test);
    trial.with_kind(format!("debian-{release}")).with_ignored_flag(true)
}

impl Run {
    /// Runs all chosen cases when the first is asked for.
    fn result(&self, release: &str, case: &str) -> Result<(), Failed> {
        let failures = self.failures.get_or_init(|| self.all());
        match failures.get(release).and_then(|failures| failures.get(case)) {
            Some(failures) => Err(failures.join("\n\n").into()),
            None => Ok(()),
        }
    }

    /// Some hosts side by side.
    fn all(&self) -> BTreeMap<&'static str, Failures> {
        let releases = self.chosen.iter();
        let batches = releases.flat_map(|(release, cases)| batches(cases).into_iter().map(|batch| (*release, batch)));
        let mut batches: Vec<(&str, Vec<&Case>)> = batches.collect();
        // The largest is taken first.
        batches.sort_by_key(|(_, batch)| batch.len());
        let (waiting, ended) = (Mutex::new(batches), Mutex::new(BTreeMap::<&str, Failures>::new()));
        thread::scope(|scope| {
            for _ in 0..SIDE_BY_SIDE {
                scope.spawn(|| {
                    loop {
                        let next = waiting.lock().unwrap().pop();
                        let Some((release, batch)) = next else { break };
                        let failures = whatever_happens(release, &batch);
                        ended.lock().unwrap().entry(release).or_default().extend(failures);
                    }
                });
            }
        });
        ended.into_inner().unwrap()
    }
}

/// Which cases share a host.
fn batches(cases: &[Arc<Case>]) -> Vec<Vec<&Case>> {
    let is_alone = |case: &&Case| case.host.as_ref().is_some_and(|host| host.alone);
    let (alone, together): (Vec<&Case>, Vec<&Case>) = cases.iter().map(Arc::as_ref).partition(is_alone);
    let (docker, plain): (Vec<&Case>, Vec<&Case>) = together.into_iter().partition(|case| has_docker(case));
    let mut batches = vec![plain, docker];
    batches.retain(|batch| !batch.is_empty());
    batches.extend(alone.into_iter().map(|case| vec![case]));
    batches
}

/// Runs cases on a host of their own. All have failed where that ends with a panic.
fn whatever_happens(release: &str, cases: &[&Case]) -> Failures {
    catch_unwind(AssertUnwindSafe(|| on_host(release, cases))).unwrap_or_else(|_| {
        let why = format!("the run on Debian {release} ended with a panic: see above");
        let failed = cases.iter().map(|case| (case.name.clone(), vec![why.clone()]));
        failed.collect()
    })
}

/// What Docker keeps of a command in a container while it runs, as of a condition, and what it writes in its own time.
fn is_of_docker(path: &str) -> bool {
    let folders = ["/run/containerd/", "/run/docker/", "/var/lib/containerd/"];
    path == "/tmp" || folders.iter().any(|folder| path.starts_with(folder))
}

fn has_docker(case: &Case) -> bool {
    case.host.as_ref().is_some_and(|host| host.docker)
}

/// Runs cases on a host of their own.
fn on_host(release: &str, cases: &[&Case]) -> Failures {
    let variant = if cases.iter().any(|case| has_docker(case)) {
        "-docker', registry = true"
    } else {
        "'"
    };
    let inventory = format!("[hosts.host]\nlab = {{ image = 'debian:{release}{variant} }}\n");
    let project = Project::of(&[("inventories/test.toml", &inventory)]);
    let host = project.up("test", "host");
    let mut batch = Batch {
        project: &project,
        host: &host,
        logins: LoginPaths::committed(),
        failures: Failures::new(),
    };
    batch.write_files(cases);
    batch.prepare(cases);
    let (refused, planned): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.expect.error.is_some());
    batch.refuses(&refused);
    batch.phase("deployed", &planned, Phase::First);
    let drifting: Vec<&Case> = planned
        .iter()
        .copied()
        .filter(|case| case.on_host().drift.is_some())
        .collect();
    if !drifting.is_empty() {
        batch.drift(&drifting);
        batch.phase("drifted", &planned, Phase::Drifted);
    }
    let undone: Vec<&Case> = planned.iter().copied().filter(|case| !case.undo.is_empty()).collect();
    batch.phase("undone", &undone, Phase::Undone);
    batch.failures
}

/// What a deploy is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// From the host as prepared to what is wanted.
    First,
    /// Back to the wanted state.
    Drifted,
    /// Everything that was created is removed.
    Undone,
}

impl Phase {
    fn operations(self, case: &Case) -> &[Table] {
        match self {
            Self::First | Self::Drifted => &case.operation,
            Self::Undone => &case.undo,
        }
    }

    fn handlers(self, case: &Case) -> &[Table] {
        match self {
            Self::First | Self::Drifted => &case.handler,
            Self::Undone => &[],
        }
    }

    fn shows(self, case: &Case) -> &BTreeMap<String, String> {
        match self {
            Self::First | Self::Drifted => &case.on_host().shows,
            Self::Undone => &case.on_host().gone,
        }
    }
}

/// Cases that share a host.
struct Batch<'a> {
    project: &'a Project,
    host: &'a Host<'a>,
    logins: LoginPaths,
    failures: Failures,
}

impl Batch<'_> {
    fn fail(&mut self, case: &Case, what: impl Into<String>) {
        self.failures.entry(case.name.clone()).or_default().push(what.into());
    }

    fn fail_all(&mut self, cases: &[&Case], what: &str) {
        for case in cases {
            self.fail(case, what);
        }
    }

    fn still_good<'c>(&self, cases: &[&'c Case]) -> Vec<&'c Case> {
        let is_good = |case: &&&Case| !self.failures.contains_key(&case.name);
        cases.iter().filter(is_good).copied().collect()
    }

    /// Files and data of all cases; none may take another's for its own.
    fn write_files(&mut self, cases: &[&Case]) {
        let mut files: BTreeMap<&String, &ProjectFile> = BTreeMap::new();
        let mut data = Table::new();
        for case in cases {
            for (path, file) in &case.files {
                if files.insert(path, file).is_some_and(|other| other != file) {
                    self.fail(case, format!("another case has another `{path}`: choose another name"));
                }
                self.project.write(path, file.bytes());
            }
            for (key, value) in &case.data {
                if data
                    .insert(key.clone(), value.clone())
                    .is_some_and(|other| other != *value)
                {
                    self.fail(
                        case,
                        format!("another case has other data `{key}`: choose another name"),
                    );
                }
            }
        }
        self.project
            .write("group_data/all.toml", toml::to_string(&data).expect("data"));
    }

    fn prepare(&mut self, cases: &[&Case]) {
        for case in cases {
            if let Some(script) = &case.on_host().before {
                self.run(case, "before", script);
            }
        }
    }

    fn drift(&mut self, cases: &[&Case]) {
        for case in cases {
            if let Some(script) = &case.on_host().drift {
                self.run(case, "drift", script);
            }
        }
    }

    fn run(&mut self, case: &Case, what: &str, script: &str) {
        if let Err(output) = attempt(self.host, script) {
            self.fail(case, format!("`{what}` failed: {script}\n{output}"));
        }
    }

    fn write_tasks(&self, cases: &[&Case], phase: Phase) {
        let mut tasks = String::new();
        // What apt may bring is unknown to all that comes after it.
        let (last, first): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.name.starts_with("apt."));
        for case in first.iter().chain(&last) {
            let path = format!("tasks/{}.toml", case.name);
            self.project
                .write(&path, Case::task(phase.operations(case), phase.handlers(case)));
            let _ = writeln!(tasks, "  \"{}\",", case.name);
        }
        let deploy = format!("hosts = [\"*\"]\ntasks = [\n{tasks}]\n");
        self.project.write("deploys/test.toml", deploy);
    }

    /// The dry run ends with what each case expects to be wrong.
    fn refuses(&mut self, cases: &[&Case]) {
        let mut left = self.still_good(cases);
        while !left.is_empty() {
            self.write_tasks(&left, Phase::First);
            let ran = self.project.homelab(&["deploy", "test", "test", "--dry-run"]);
            // Mistakes that need no host end a deploy before those of hosts are found.
            let (told, silent): (Vec<&Case>, Vec<&Case>) = left
                .iter()
                .copied()
                .partition(|case| !mistakes_of(case, &ran.stderr).is_empty());
            let is_over = told.is_empty();
            let (judged, rest) = if is_over { (silent, Vec::new()) } else { (told, silent) };
            for case in judged {
                let expected = case.expect.error.as_deref().unwrap_or_default();
                let found = mistakes_of(case, &ran.stderr);
                if one_by_one(&found) != one_by_one(expected) {
                    self.fail(
                        case,
                        format!(
                            "another error was expected:\n{found}\nexpected:\n{expected}\nof:\n{}{}",
                            ran.stdout, ran.stderr
                        ),
                    );
                }
            }
            left = rest;
        }
    }

    /// All cases in one deploy, but for those that look whether something holds: that is unknown once others changed the host.
    fn phase(&mut self, what: &str, cases: &[&Case], phase: Phase) {
        let (one_by_one, together): (Vec<&Case>, Vec<&Case>) = cases
            .iter()
            .partition(|case| case.facts.contains_key("check") || case.facts.contains_key("answer"));
        self.deploy(what, &together, phase);
        for case in one_by_one {
            self.deploy(what, &[case], phase);
        }
    }

    /// Reviews, deploys twice, and looks at the host.
    fn deploy(&mut self, what: &str, cases: &[&Case], phase: Phase) {
        let mut is_reviewed = false;
        loop {
            let cases = self.still_good(cases);
            if cases.is_empty() {
                return;
            }
            self.write_tasks(&cases, phase);
            let before = snapshot::files(self.host);
            let reviewed = self.project.homelab(&["deploy", "test", "test", "--dry-run"]);
            // systemd makes it for a service of its own with credentials, whenever that starts.
            let of_systemd = |path: &String| path.starts_with("/run/credentials");
            let has_docker = cases.iter().any(|case| has_docker(case));
            let of_docker = |path: &String| has_docker && is_of_docker(path);
            let changed = changed(&before, &snapshot::files(self.host)).into_iter();
            let touched = self
                .logins
                .unexplained(changed.filter(|path| !of_systemd(path) && !of_docker(path)));
            if !touched.is_empty() {
                return self.fail_all(&cases, &format!("{what}: the dry run changed {touched:?}"));
            }
            if reviewed.code == Some(3) {
                if !self.blame_mistakes(what, &cases, &reviewed.stderr) {
                    return self.fail_all(&cases, &format!("{what}: the review failed:\n{}", reviewed.stderr));
                }
                continue;
            }
            // Each round reads what the one before lacked, and their number is limited.
            if let Some(line) = reviewed
                .stdout
                .lines()
                .find(|line| line.contains("not read from the host yet"))
            {
                return self.fail_all(&cases, &format!("{what}: the review had too few rounds: {line}"));
            }
            if !is_reviewed {
                self.compare_reviews(&cases, phase, &reviewed.stdout);
                is_reviewed = true;
            }
            let deployed = self
                .project
                .homelab(&["deploy", "test", "test", "--yes", "--format", "json"]);
            let Ok(document) = serde_json::from_str::<Json>(&deployed.stdout) else {
                return self.fail_all(&cases, &format!("{what}: the deploy failed:\n{}", deployed.stderr));
            };
            if self.blame_results(what, &cases, &document) {
                continue;
            }
            if deployed.code != Some(0) {
                let why = pretty(&document["hosts"][0]["failure"]);
                return self.fail_all(
                    &cases,
                    &format!("{what}: the deploy failed: {why}\n{}", deployed.stderr),
                );
            }
            self.deploy_again(what, &cases);
            self.look(what, &cases, phase);
            return;
        }
    }

    fn blame_mistakes(&mut self, what: &str, cases: &[&Case], told: &str) -> bool {
        let mut is_blamed = false;
        for case in cases {
            let mistakes = mistakes_of(case, told);
            if !mistakes.is_empty() {
                self.fail(case, format!("{what}: refused:\n{mistakes}"));
                is_blamed = true;
            }
        }
        is_blamed
    }

    /// The review of a prepared host is that of the facts; drift is found.
    fn compare_reviews(&mut self, cases: &[&Case], phase: Phase, review: &str) {
        for case in cases {
            let on_host = case.on_host();
            let found = own_words(section(review, &case.name), case);
            let expected = case.expect.review.as_deref().unwrap_or_default();
            if phase == Phase::First && on_host.review_differs.is_none() && found != expected {
                let diff = similar::TextDiff::from_lines(expected, &found);
                let diff = diff.unified_diff().header("from facts", "on the host").to_string();
                self.fail(
                    case,
                    format!("the host's review differs from that of the facts:\n{diff}"),
                );
            }
            if phase == Phase::Drifted && on_host.drift.is_some() && found == "nothing to do\n" {
                self.fail(case, "the review shows no drift");
            }
        }
    }

    /// Whether an operation failed, or did what was not reviewed.
    fn blame_results(&mut self, what: &str, cases: &[&Case], document: &Json) -> bool {
        let mut is_blamed = false;
        let host = &document["hosts"][0];
        let operations = list(&host["operations"]);
        for result in list(&host["results"]) {
            let Some(operation) = operations.iter().find(|operation| operation["id"] == result["id"]) else {
                continue;
            };
            let Some(case) = cases.iter().find(|case| operation["task"] == *case.name) else {
                continue;
            };
            if !result["failure"].is_null() {
                self.fail(case, format!("{what}: {}", pretty(&result["failure"])));
                is_blamed = true;
            }
            if operation["outcome"] == "deferred" {
                continue;
            }
            let reviewed = changes(operation);
            let lines = list(&result["lines"]);
            let applied = lines.iter().filter(|line| line["end"] == "applied");
            for line in applied.map(change).filter(|line| !reviewed.contains(line)) {
                self.fail(case, format!("{what}: `{line}` was applied but not reviewed"));
                is_blamed = true;
            }
        }
        is_blamed
    }

    /// The second deploy has nothing to do but what runs each time, and does nothing else.
    fn deploy_again(&mut self, what: &str, cases: &[&Case]) {
        let again = self
            .project
            .homelab(&["deploy", "test", "test", "--yes", "--format", "json"]);
        let document = serde_json::from_str::<Json>(&again.stdout).ok();
        let Some(document) = document.filter(|_| again.code == Some(0)) else {
            return self.fail_all(cases, &format!("{what}: the second deploy failed:\n{}", again.stderr));
        };
        let host = &document["hosts"][0];
        let results = list(&host["results"]);
        for operation in list(&host["operations"]) {
            let each_time = |change: &Json| change["action"] == "run_each_time" || change["action"] == "refresh";
            let is_settled = match operation["outcome"].as_str() {
                Some("unchanged") => true,
                Some("check") => operation["state"] != "fails",
                Some("change") => list(&operation["changes"]).iter().all(each_time),
                _ => false,
            };
            let own = results.iter().filter(|result| result["id"] == operation["id"]);
            let lines: Vec<Json> = own.flat_map(|result| list(&result["lines"])).collect();
            let is_quiet = lines.iter().all(|line| line["end"] != "applied" || each_time(line));
            if let Some(case) = cases
                .iter()
                .find(|case| operation["task"] == *case.name && !(is_settled && is_quiet))
            {
                self.fail(
                    case,
                    format!("{what}: the second deploy is not quiet: {}", pretty(&operation)),
                );
            }
        }
    }

    fn look(&mut self, what: &str, cases: &[&Case], phase: Phase) {
        for case in cases {
            for (command, expected) in phase.shows(case) {
                // Many commands say with their exit code what they print: `systemctl is-active`.
                let found = text(&self.host.try_inside(command).stdout);
                if found.trim_end() != expected.trim_end() {
                    self.fail(
                        case,
                        format!("{what}: `{command}` shows\n{found}\nexpected:\n{expected}"),
                    );
                }
            }
        }
    }
}

/// Runs a line on the host: what it printed, and what it complained about if it failed.
fn attempt(host: &Host<'_>, line: &str) -> Result<String, String> {
    let output = host.try_inside(line);
    let printed = text(&output.stdout);
    if output.status.success() {
        Ok(printed)
    } else {
        Err(printed + &text(&output.stderr))
    }
}

/// The mistakes that name a case's task, without the host.
fn mistakes_of(case: &Case, told: &str) -> String {
    let place = format!("tasks/{}.toml:", case.name);
    let blocks = told.split("\n\n").filter(|block| block.contains(&place));
    // A line of progress may stand above the first.
    let blocks = blocks.map(|block| block.find("error: ").map_or(block, |start| &block[start..]));
    let lines = blocks.flat_map(|block| block.lines().filter(|line| !line.trim_start().starts_with("= on: ")));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    // Where the hosts were the only note, the margin above it is left.
    text.trim_end_matches(['\n', ' ', '|']).to_owned()
}

/// The lines of errors, without the blank ones between them and the sum, which counts those of other cases too.
fn one_by_one(errors: &str) -> Vec<&str> {
    let is_sum = |line: &str| line.starts_with("found ") && line.ends_with(" mistakes");
    let lines = errors.lines().filter(|line| !line.trim().is_empty() && !is_sum(line));
    lines.collect()
}

fn list(value: &Json) -> Vec<Json> {
    value.as_array().cloned().unwrap_or_default()
}

fn changes(operation: &Json) -> BTreeSet<String> {
    let changes = list(&operation["changes"]);
    // Once it is known that they are missing, they are changes of their own.
    let above = changes.iter().flat_map(|change| list(&change["above"]));
    let above = above.filter_map(|path| Some(format!("create directory {}", path.as_str()?)));
    changes.iter().map(change).chain(above).collect()
}

/// Kind, name and action of a change.
fn change(value: &Json) -> String {
    let word = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    format!("{} {} {}", word("action"), word("kind"), word("name"))
}

fn pretty(value: &Json) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
