//! Sends steps to a host: the only code that changes one. The shell text is in the steps; here it gets its checks and
//! is handed to the connection.

use std::time::Duration;

use crate::change::{
    Command, Expect, OneOfMany, Previous, ResolvedPath, ResourceChange, Script, ScriptOptions, Step, boot_files, guard,
    write_together,
};
use crate::facts::system::JOBS;
use crate::quote::quote_all;
use crate::remote::{Prints, StepScript, Together};

/// The exit code of a step that ran to its end and left something else than it should have. No command of a step that
/// is checked this way can end with it.
pub(super) const UNTRUE: i32 = 113;

/// How steps are run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StepOptions {
    /// Whether a step may already be done.
    pub(super) ensure: bool,
    /// Whether output is sent as it arrives.
    pub(super) live: bool,
    /// How long a step may take that has no time limit of its own.
    pub(super) timeout: Option<Duration>,
}

/// Shell text around a step.
#[derive(Default)]
pub(super) struct Around {
    pub(super) before: String,
    pub(super) after: String,
    /// Whether a script of several steps may do what `before` does in its own way.
    pub(super) is_light: bool,
}

/// What to run around a step, if anything.
pub(super) type Keep<'a> = &'a mut dyn FnMut(&Step, Option<&ResolvedPath>) -> Option<Around>;

/// The scripts of a change, in order.
///
/// With `ensure`, each step first checks whether it is already done. Otherwise the first step checks that the host is
/// still as reviewed. What `keep` returns for a step runs right before it, and keeps what the step is about to change, and after it.
pub(super) fn scripts(change: &ResourceChange, manner: StepOptions, keep: Keep<'_>) -> Vec<StepScript> {
    let mut scripts: Vec<StepScript> = steps_with_paths(change)
        .map(|(step, resolved)| script(step, manner, resolved, keep(step, resolved)))
        .collect();
    if manner.ensure {
        for (step, script) in change.steps.iter().zip(&mut scripts) {
            script.already = step.already();
        }
    }
    if let Some(first) = scripts.first_mut() {
        first.guard = guard(&change.expect);
    }
    scripts
}

/// The steps of a change, each with what was reviewed of the way to its path.
pub(super) fn steps_with_paths(change: &ResourceChange) -> impl Iterator<Item = (&Step, Option<&ResolvedPath>)> {
    let resolved = change.expect.iter().find_map(|expect| match expect {
        Expect::ResolvedPath(resolved) => Some(&**resolved),
        _ => None,
    });
    change
        .steps
        .iter()
        .map(move |step| (step, resolved.filter(|resolved| step.path() == Some(&resolved.path))))
}

/// The script that writes all of `files`, in place of their own. What they replace is kept in `previous`.
pub(super) fn together(files: &[OneOfMany<'_>], previous: Option<&Previous>) -> StepScript {
    let Script {
        body, content, stage, ..
    } = write_together(files, rand::random(), previous);
    StepScript {
        body,
        content,
        stage,
        ..StepScript::default()
    }
}

/// The script of a command that is run in place of several.
pub(super) fn in_place(command: Command, live: bool) -> StepScript {
    let manner = StepOptions {
        live,
        ..StepOptions::default()
    };
    script(&Step::Run(command), manner, None, None)
}

fn script(step: &Step, manner: StepOptions, resolved: Option<&ResolvedPath>, around: Option<Around>) -> StepScript {
    let live = manner.live;
    let random = rand::random();
    let Script {
        body,
        settle,
        content,
        stage,
    } = step.script(&ScriptOptions { live, random, resolved });
    let body = match around {
        Some(Around { before, after, .. }) if after.is_empty() => format!("(\n{before}\n) </dev/null || exit\n{body}"),
        Some(Around { before, after, .. }) => {
            format!("(\n{before}\n) </dev/null || exit\n(\n{body}\n)\ncode=$?\n{after}exit $code")
        }
        None => body,
    };
    let command = step.command();
    StepScript {
        body: match step.proof() {
            Some(proof) => checked(&body, &proof),
            None => body,
        },
        content,
        stage,
        prints: match command {
            None => Prints::Little,
            Some(_) if live => Prints::Live,
            Some(_) => Prints::Much,
        },
        limit: command.map(Command::limit).or(manner.timeout),
        notes: command.is_some_and(|command| command.supervised),
        together: settle.map(|settle| Together {
            settle: Some(settle),
            ..Together::default()
        }),
        ..StepScript::default()
    }
}

/// `body`, and then the test of what it should have done.
fn checked(body: &str, proof: &str) -> String {
    format!(
        "(\n{body}\n) || {{ code=$?; [ $code != {UNTRUE} ] || code=1; exit $code; }}\n\
         {{ {proof}; }} || exit {UNTRUE}"
    )
}

/// Removes the folders of jobs by their ids, which are hex digits, and what a killed guard left for the next boot.
pub(super) fn take_away(jobs: &[&str]) -> StepScript {
    let folders = jobs.iter().map(|job| format!("{JOBS}/{job}"));
    let paths: Vec<String> = folders.chain(jobs.iter().flat_map(|job| boot_files(job))).collect();
    StepScript {
        body: format!("rm -rf -- {}", quote_all(paths.iter().map(String::as_str))),
        ..StepScript::default()
    }
}

#[cfg(test)]
mod tests;
