//! Hostile text in every parameter and every fact of every case: nothing of it is run.
//!
//! Each string of a case is replaced by each of `STRINGS` in turn, and the case is planned from facts. Whatever shell text
//! comes of it (probes, conditions, steps) runs as root on a throw-away lab host, whose root folder then must hold no trace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use homelab::change::{Expect, ResolvedPath, ScriptOptions, guard};
use homelab::facts::{FactKey, questions};
use homelab::plan::{Build, PlannedOperation};
use libtest_mimic::{Failed, Trial};
use toml::{Table, Value};

use super::case::{Case, operation_of};
use super::planned::plan_of;
use crate::support::host::Host;
use crate::support::project::{Project, text};

/// Where a string leaves its trace if any shell, `eval`, awk, sed or find runs it.
const TRACE: &str = "/hostile-";

/// What is put in place of a string. Each closes another context; `N` becomes its number. A test run takes the first
/// `IN_A_TEST` of them, `scripts/hostile` all.
const STRINGS: &[&str] = &[
    "$(touch /hostile-N)",
    "x'; touch /hostile-N; '",
    "x\"; touch /hostile-N; \"",
    "x\ntouch /hostile-N\n",
    "x;touch /hostile-N;#",
    "{{ '$(touch /hostile-N)' }}",
    "-exec touch /hostile-N ;",
    "`touch /hostile-N`",
    "'\"$(touch /hostile-N)\"'",
    "x\\\ntouch /hostile-N",
    "| touch /hostile-N",
    "--use-compress-program=touch /hostile-N",
    "-oProxyCommand=touch /hostile-N",
    "\\$(touch /hostile-N)",
    "${x:=$(touch /hostile-N)}",
    "x\u{2028}touch /hostile-N\r\ntouch /hostile-N",
    "%s%n\\n$(touch /hostile-N)",
    "x & touch /hostile-N &",
    ") ; touch /hostile-N ; (",
    "}; touch /hostile-N; {",
    "EOF\ntouch /hostile-N\n",
];

const IN_A_TEST: usize = 6;

/// Keys, at any depth, whose values are shell text or a command by their nature.
const COMMANDS: &[&str] = &["commands", "unless", "only_if", "validate"];

/// Programs that need minutes or a network; whether their arguments are safe shows before they run.
const STAND_INS: &[&str] = &[
    "apt-get",
    "apt-cache",
    "systemd-run",
    "curl",
    "wget",
    "sleep",
    "systemctl",
];

/// One test: booting a host for each operation takes longer than all else.
pub(super) fn trials(files: Vec<PathBuf>) -> Vec<Trial> {
    let trial = Trial::test("hostile::strings", move || check(&files));
    vec![trial.with_ignored_flag(true)]
}

/// Shell text, and where the string in it stood.
struct Text {
    from: String,
    script: String,
}

/// What came of a case.
#[derive(Default)]
struct Tried {
    planned: usize,
    refused: usize,
    /// The texts with a part of a string, each once.
    texts: Vec<Text>,
}

fn check(files: &[PathBuf]) -> Result<(), Failed> {
    let mut texts: Vec<Text> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut counts: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for (file, tried) in files.iter().zip(try_all(files)) {
        let tried = tried?;
        let [planned, refused, scripts] = counts.entry(operation_of(file)).or_default();
        *planned += tried.planned;
        *refused += tried.refused;
        for text in tried.texts {
            if seen.insert(text.script.clone()) {
                *scripts += 1;
                texts.push(text);
            }
        }
    }
    for (operation, [planned, refused, scripts]) in counts {
        #[expect(clippy::print_stdout, reason = "the counts of a test run")]
        {
            println!("{operation}: {planned} planned, {refused} refused, {scripts} scripts to run");
        }
    }
    let traces = run(&texts)?;
    if traces.is_empty() {
        return Ok(());
    }
    Err(format!("these ran a part of a string:\n{}", traces.join("\n")).into())
}

/// Tries each file, as many at a time as there are processors: it takes minutes of one.
fn try_all(files: &[PathBuf]) -> Vec<Result<Tried, Failed>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut ended = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else {
                return ended;
            };
            ended.push((index, try_one(file)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut all: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().flat_map(|worker| worker.join().expect("no panic"));
        ended.collect()
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, tried)| tried).collect()
}

fn try_one(file: &Path) -> Result<Tried, Failed> {
    let mut tried = Tried::default();
    let case = Case::read(file)?;
    if case.expect.error.is_some() {
        return Ok(tried);
    }
    let mut seen = BTreeSet::new();
    for variant in variants(&case) {
        match plan_of(&variant.case) {
            Ok(build) if build.mistakes.is_empty() => {
                tried.planned += 1;
                for script in shell_texts(&build) {
                    if script.contains("hostile-") && seen.insert(script.clone()) {
                        let from = variant.from.clone();
                        tried.texts.push(Text { from, script });
                    }
                }
            }
            // Bad input may be refused in any way but by a panic.
            _ => tried.refused += 1,
        }
    }
    Ok(tried)
}

/// A case with one string replaced.
struct Variant {
    from: String,
    case: Case,
}

fn variants(case: &Case) -> Vec<Variant> {
    let mut variants = Vec::new();
    let mut add = |place: String, number: usize, make: &dyn Fn(&mut Case)| {
        let mut case = case.clone();
        make(&mut case);
        let from = format!("{}: {place} = {:?}", case.name, STRINGS[number]);
        variants.push(Variant { from, case });
    };
    let all = std::env::var_os("HOMELAB_HOSTILE_STRINGS").is_some();
    for number in 0..if all { STRINGS.len() } else { IN_A_TEST } {
        for entry in 0..case.operation.len() {
            for place in places(&Value::Table(case.operation[entry].clone())) {
                let by_nature = place.iter().any(|key| COMMANDS.contains(&key.as_str()));
                if by_nature || place.first().is_some_and(|key| key == "op") {
                    continue;
                }
                add(place.join("."), number, &|case| {
                    let mut operation = Value::Table(std::mem::take(&mut case.operation[entry]));
                    replace(&mut operation, &place, number);
                    if let Value::Table(operation) = operation {
                        case.operation[entry] = operation;
                    }
                });
            }
        }
        let facts: Table = case.facts.clone().into_iter().collect();
        for place in places(&Value::Table(facts.clone())) {
            add(format!("facts.{}", place.join(".")), number, &|case| {
                let mut facts = Value::Table(facts.clone());
                replace(&mut facts, &place, number);
                if let Value::Table(facts) = facts {
                    case.facts = facts.into_iter().collect();
                }
            });
        }
    }
    variants
}

/// The ways to the strings in a value.
fn places(value: &Value) -> Vec<Vec<String>> {
    let below = |key: String, value: &Value| {
        let places = places(value).into_iter();
        places
            .map(move |place| [vec![key.clone()], place].concat())
            .collect::<Vec<_>>()
    };
    match value {
        Value::String(_) => vec![Vec::new()],
        Value::Table(table) => table
            .iter()
            .flat_map(|(key, value)| below(key.clone(), value))
            .collect(),
        Value::Array(values) => values
            .iter()
            .enumerate()
            .flat_map(|(index, value)| below(index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    }
}

/// Puts a string in place of another; a path stays one.
fn replace(value: &mut Value, place: &[String], number: usize) {
    match (value, place) {
        (Value::String(text), []) => {
            let hostile = STRINGS[number].replace("hostile-N", &format!("hostile-{number}"));
            *text = if text.starts_with('/') {
                format!("/opt/{}", hostile.replace('/', "${HOME}"))
            } else {
                hostile
            };
        }
        (Value::Table(table), [key, rest @ ..]) => {
            if let Some(value) = table.get_mut(key) {
                replace(value, rest, number);
            }
        }
        (Value::Array(values), [index, rest @ ..]) => {
            if let Some(value) = index.parse().ok().and_then(|index: usize| values.get_mut(index)) {
                replace(value, rest, number);
            }
        }
        _ => {}
    }
}

/// All shell text that a host would get: what reads it, and what changes it.
fn shell_texts(build: &Build) -> Vec<String> {
    let operations: Vec<&PlannedOperation> = build.plan.hosts.iter().flat_map(|host| &host.operations).collect();
    let keys: BTreeSet<FactKey> = operations
        .iter()
        .flat_map(|operation| operation.asked.clone())
        .collect();
    let mut scripts: Vec<String> = questions(&keys)
        .iter()
        .map(|question| question.probe().functions().collect::<String>() + question.probe().text())
        .collect();
    for change in operations.iter().flat_map(|operation| operation.changes()) {
        scripts.extend(guard(&change.expect));
        for step in &change.steps {
            scripts.extend(step.already());
            // As reviewed, and as if another user could change what is on the way.
            let resolved = change.expect.iter().filter_map(|expect| match expect {
                Expect::ResolvedPath(resolved) => Some(ResolvedPath {
                    is_open: true,
                    ..(**resolved).clone()
                }),
                _ => None,
            });
            let open: Vec<ResolvedPath> = resolved.collect();
            for resolved in std::iter::once(None).chain(open.iter().map(Some)) {
                let options = ScriptOptions {
                    live: false,
                    random: 7,
                    resolved,
                };
                let script = step.script(&options);
                scripts.extend([Some(script.body), script.settle].into_iter().flatten());
            }
        }
    }
    scripts
}

/// Runs each text on a lab host; the places of those that left a trace.
fn run(texts: &[Text]) -> Result<Vec<String>, Failed> {
    let project = Project::of(&[("inventories/test.toml", "[hosts.host]\nlab = true\n")]);
    let host: Host<'_> = project.up("test", "host");
    host.inside(&format!(
        "mkdir -p /run/stand-ins && cd /run/stand-ins && for p in {}; do printf '#!/bin/sh\\nexit 0\\n' >$p; chmod +x $p; done",
        STAND_INS.join(" ")
    ));
    let mut lines =
        String::from("mkdir -p /run/here; cd /run/here; PATH=/run/stand-ins:$PATH; HOME=/; export PATH HOME\n");
    for (number, text) in texts.iter().enumerate() {
        let body = format!(
            "hl_note() {{ :; }}\nhl_alive() {{ :; }}\nhl_number=0\nstaged=\n{}",
            text.script
        );
        let end = format!("end-of-text-{number}-of-{}", texts.len());
        let _ = write!(
            lines,
            "cat >/run/text <<'{end}'\n{body}\n{end}\ntimeout 10 sh /run/text </dev/null >/dev/null 2>&1\n\
             for trace in {TRACE}* /run/here/*; do [ -e \"$trace\" ] || continue; echo {number}; rm -rf -- \"$trace\"; done\n"
        );
    }
    lines.push_str("echo all\n");
    let mut shell = Command::new("docker")
        .args(["exec", "-i", host.container(), "sh"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    shell.stdin.take().expect("piped").write_all(lines.as_bytes())?;
    let printed = text(&shell.wait_with_output()?.stdout);
    if printed.lines().last() != Some("all") {
        return Err(format!("not all texts ran: {printed}").into());
    }
    let numbers: BTreeSet<usize> = printed.lines().filter_map(|line| line.parse().ok()).collect();
    Ok(numbers
        .into_iter()
        .map(|number| format!("{}\n{}", texts[number].from, texts[number].script))
        .collect())
}
